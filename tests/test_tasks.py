"""Units: what is done is skipped, what fails is named and stops nothing else, and the place of work changes nothing."""

import pandas as pd
import pytest

from convergence.tasks import Unit, UnitsFailed, run_units


def squares(n, folder="", fail=False):
    if fail:
        raise ValueError(f"{n} is unlucky")
    with open(f"{folder}/calls", "a") as calls:
        calls.write(f"{n}\n")
    return pd.DataFrame({"n": range(n), "square": [k * k for k in range(n)]})


def units(folder, sizes=(3, 5, 2), **options):
    return [Unit(f"n-{n}", folder / f"n-{n}.parquet", squares, {"n": n, **options}, {"folder": str(folder)}) for n in sizes]


def calls(folder):
    return (folder / "calls").read_text().split()


def test_done_units_are_skipped_and_stale_ones_redone(tmp_path, capsys):
    outputs = run_units(units(tmp_path), title="squares")
    assert [len(pd.read_parquet(p)) for p in outputs] == [3, 5, 2]
    run_units(units(tmp_path, (3, 5, 2, 4)), title="squares")
    assert calls(tmp_path) == ["3", "5", "2", "4"]
    assert "3 of 4 done before" in capsys.readouterr().out
    outputs[1].write_bytes(b"cut")
    run_units(units(tmp_path), title="squares")
    assert calls(tmp_path)[4:] == ["5"]
    run_units(units(tmp_path), title="squares", overwrite=True)
    assert len(calls(tmp_path)) == 8


def test_a_failure_is_named_and_the_others_are_written(tmp_path):
    mixed = units(tmp_path, (3,)) + units(tmp_path, (7,), fail=True) + units(tmp_path, (2,))
    with pytest.raises(UnitsFailed, match=r"1 of 3 failed(.|\n)*n-7: 7 is unlucky"):
        run_units(mixed, title="squares")
    assert mixed[2].output.exists() and not mixed[1].output.exists()


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    run_units(units(tmp_path), title="squares", dry_run=True)
    assert list(tmp_path.iterdir()) == []
    assert "n-5: to do, not there yet" in capsys.readouterr().out


def test_threads_give_the_same_bytes(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    here = run_units(units(tmp_path / "a"), title="squares")
    there = run_units(units(tmp_path / "b"), title="squares", scheduler="threads", jobs=2)
    assert [p.read_bytes() for p in here] == [p.read_bytes() for p in there]


def test_an_unknown_scheduler_is_named(tmp_path):
    with pytest.raises(ValueError, match="scheduler: 'cloud' is unknown; use local, threads, slurm or tcp://host:port"):
        run_units(units(tmp_path), title="squares", scheduler="cloud")


def test_a_device_that_is_not_there_stops_before_the_first_unit(tmp_path):
    import torch
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    unit = Unit("n-3", tmp_path / "n-3.parquet", with_device, {"n": 3}, {"device": "cuda"})
    with pytest.raises(ValueError, match="'cuda' was asked for, but torch finds no CUDA device"):
        run_units([unit], title="squares")
    assert list(tmp_path.iterdir()) == []


def test_the_sidecar_says_where_it_was_computed(tmp_path):
    from convergence.storage.outputs import read_sidecar
    unit = Unit("n-3", tmp_path / "n-3.parquet", with_device, {"n": 3}, {"device": "auto"})
    run_units([unit], title="squares")
    assert read_sidecar(unit.output)["device"].split(":")[0] in ("cpu", "cuda")


def with_device(n, device):
    return pd.DataFrame({"n": range(n)})


def test_one_cause_is_said_once(tmp_path):
    with pytest.raises(UnitsFailed, match=r"squares: 2 of 2 failed\. Run again after mending:\n  n-7, n-8: 7 is unlucky") as failed:
        run_units([Unit(f"n-{n}", tmp_path / f"n-{n}.parquet", squares, {"n": 7, "fail": True}) for n in (7, 8)], title="squares")
    assert str(failed.value).count("unlucky") == 1
