"""Checkpoints: what a kill leaves is read again, down to the last whole line."""

import os
import signal
import subprocess
import sys
import time

from convergence.features.checkpoint import Checkpoint

PLAN = {"model": "m", "labels": ("a", "b")}


def records(*images, **more):
    return [{"image": image, "status": "ok", **more} for image in images]


def test_records_are_there_again_and_the_last_counts(tmp_path):
    path = tmp_path / "new folder" / ".table.jsonl"
    first = Checkpoint(path, PLAN)
    first.append(records(31, 5, caption="zürich\n"))
    first.append(records(5, caption="again"))
    again = Checkpoint(path, PLAN)
    assert again.records == first.records and list(again.records) == [31, 5]
    assert again.records[5]["caption"] == "again" and again.records[31]["caption"] == "zürich\n"
    again.remove()
    assert not path.exists() and Checkpoint(path, PLAN).records == {}


def test_a_torn_last_line_is_dropped_and_said(tmp_path, capsys):
    path = tmp_path / ".table.jsonl"
    Checkpoint(path, PLAN).append(records(31, 5, 14))
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1]) + 1):                  # also a line that lacks nothing but its end
        path.write_bytes(whole[:-cut])
        torn = Checkpoint(path, PLAN)
        assert list(torn.records) == [31, 5]
        assert capsys.readouterr().out == (".table.jsonl: 1 incomplete line dropped (the run was killed while writing); "
                                           "2 pictures are kept\n")
        torn.append(records(14))
        torn.close()
        assert path.read_bytes() == whole


def test_a_file_of_another_plan_is_begun_again(tmp_path, capsys):
    path = tmp_path / ".table.jsonl"
    Checkpoint(path, PLAN).append(records(31))
    assert list(Checkpoint(path, {**PLAN, "labels": ["a", "b"]}).records) == [31]
    assert capsys.readouterr().out == ""
    assert Checkpoint(path, {**PLAN, "model": "n"}).records == {}
    assert "made with other pictures, another model or other options; begun again" in capsys.readouterr().out
    assert Checkpoint(path, PLAN).records == {}


def test_a_killed_process_leaves_what_it_appended(tmp_path):
    path = tmp_path / ".table.jsonl"
    code = (f"from convergence.features.checkpoint import Checkpoint\nc = Checkpoint({str(path)!r}, {{}})\n"
            "for k in range(10**6): c.append([{'image': k, 'caption': 'x' * 1000}])")
    process = subprocess.Popen([sys.executable, "-c", code])
    while not path.exists() or path.stat().st_size < 20_000:
        time.sleep(0.01)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = Checkpoint(path, {}).records
    assert len(left) >= 15 and list(left) == list(range(len(left)))
