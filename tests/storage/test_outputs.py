"""Files appear whole or not at all, and a sidecar decides whether they are still good."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

from convergence.storage import outputs
from convergence.storage.outputs import Record, fingerprint, put_back, read_sidecar, replacing, save, sidecar_path, state


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in" / "source.txt"
    path.parent.mkdir()
    path.write_text("one")
    return path


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


@pytest.mark.parametrize("name, value, read", [
    ("a.npy", np.arange(5), np.load), ("a.csv", pd.DataFrame({"x": [1, 2]}), pd.read_csv),
    ("a.parquet", pd.DataFrame({"x": [1, 2]}), pd.read_parquet),
    ("a.json", {"x": 1}, lambda p: json.loads(p.read_text())), ("a.txt", "text", lambda p: p.read_text()),
    ("a.bin", lambda p: p.write_bytes(b"xy"), lambda p: p.read_bytes())])
def test_what_is_saved_is_read_back(tmp_path, name, value, read):
    path = save(value, tmp_path / "new" / name, Record("test"))
    found = read(path)
    if callable(value):
        assert found == b"xy"
    elif isinstance(value, (str, dict)):
        assert found == value
    else:
        assert np.array_equal(found, value)
    assert read_sidecar(path)["bytes"] == path.stat().st_size


def test_state_follows_file_sidecar_inputs_and_options(tmp_path, source):
    path, record = tmp_path / "out.txt", Record("test", (source,), {"shift": 1})
    assert state(path, record)[0] == "missing"
    save("result", path, record)
    assert state(path, record)[0] == "done"
    assert state(path, Record("test", (source,), {"shift": 2})) == ("stale", "options changed: shift (1 -> 2)")
    source.write_text("two!")
    assert state(path, record)[0] == "stale" and "inputs changed" in state(path, record)[1]
    source.write_text("one")
    path.write_text("result and more")
    assert state(path, record) == ("stale", "it has 15 bytes, its sidecar says 6")
    path.write_text("result")
    sidecar_path(path).write_text("{ half a sidec")
    assert state(path, record)[0] == "stale"


def test_a_failed_rewrite_does_not_leave_a_file_that_counts_as_done(tmp_path):
    path, record = tmp_path / "out.txt", Record("test")
    save("first", path, record)

    def fail(temporary):
        temporary.write_text("sec")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        save(fail, path, record)
    assert path.read_text() == "first"
    assert state(path, record)[0] == "stale"


def test_sidecars_differ_in_times_only(tmp_path, source):
    record = Record("test", (source,), {"seed": np.int64(3)})
    first, second = (read_sidecar(save("x", tmp_path / folder / "in" / "x.txt", record)) for folder in "ab")
    assert first.pop("times") and second.pop("times")
    assert first == second


def test_large_files_are_sampled_and_small_ones_read_whole(tmp_path, monkeypatch):
    path = tmp_path / "large"
    path.write_bytes(bytes(10_000))
    whole = fingerprint(path)
    path.write_bytes(bytes(5_000) + b"1" + bytes(4_999))
    assert fingerprint(path) != whole
    monkeypatch.setattr(outputs, "_WHOLE", 1000)
    monkeypatch.setattr(outputs, "_BLOCK", 100)
    path.write_bytes(b"0" * 20_000)
    sampled = fingerprint(path)
    assert sampled.startswith("sampled:")
    path.write_bytes(b"0" * 19_999 + b"1")
    assert fingerprint(path) != sampled
    path.write_bytes(b"0" * 20_001)
    assert fingerprint(path) != sampled


def test_killed_writers_leave_nothing_that_counts_and_are_cleaned_up(tmp_path):
    path = tmp_path / "out.txt"
    script = f"""
        import os, signal
        from convergence.storage.outputs import replacing
        with replacing({str(path)!r}) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)])
    assert len(os.listdir(tmp_path)) == 1 and not path.exists()
    save("whole", path, Record("test"))
    assert sorted(os.listdir(tmp_path)) == ["out.txt", "out.txt.json"]


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/below cannot be made \(Not a directory\); choose another folder; prepared files .* "
                                      "CONVERGENCE_WORK"):
        save("x", tmp_path / "file" / "below" / "x.txt", Record("test"))


def test_a_folder_of_files_appears_whole_and_replaces_the_old_one(tmp_path):
    def folder_of_files(*names):
        def write(folder):
            folder.mkdir()
            for name in names:
                (folder / name).write_text(name)
        return write

    path, record = tmp_path / "set", Record("test")
    save(folder_of_files("a", "bcd"), path, record)
    assert state(path, record)[0] == "done" and read_sidecar(path)["bytes"] == 4
    save(folder_of_files("e"), path, record)
    assert os.listdir(path) == ["e"] and sorted(os.listdir(tmp_path)) == ["set", "set.json"]
    (path / "f").write_text("more")
    assert state(path, record) == ("stale", "it has 5 bytes, its sidecar says 1")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        folder_of_files("g")(temporary)
        raise RuntimeError
    assert sorted(os.listdir(path)) == ["e", "f"]


def test_a_folder_whose_replacement_was_killed_half_way_is_put_back(tmp_path):
    """Killed after the old folder stepped aside: the second of three renames (the third is the sidecar's)."""
    path = tmp_path / "set"
    path.mkdir()
    (path / "a").write_text("old")
    script = f"""
        import os, signal
        from convergence.storage import outputs
        rename, calls = os.replace, []
        def replace(*names):
            calls.append(names)
            if len(calls) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(*names)
        os.replace = replace
        outputs.save(lambda folder: folder.mkdir(), {str(path)!r}, outputs.Record("test"))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)])
    assert not path.exists() and len(os.listdir(tmp_path)) == 2
    put_back(path)
    assert (path / "a").read_text() == "old"
    save(lambda folder: folder.mkdir(), path, Record("test"))
    assert os.listdir(path) == [] and sorted(os.listdir(tmp_path)) == ["set", "set.json"]
    put_back(path)                                          # nothing to do
    assert sorted(os.listdir(tmp_path)) == ["set", "set.json"]
