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
    with pytest.raises(UnitsFailed, match=r"1 of 3 failed(.|\n)*n-7: ValueError: 7 is unlucky"):
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
