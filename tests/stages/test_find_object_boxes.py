"""4_other_alignments/7_object_boxes.py on seven pictures: two tables, failures that are tried again, stop and resume."""

import importlib.util
import subprocess
import sys

import pandas
import pytest
from fake_dataset import IDS, SevenPictures, write_seven_pictures
from tiny_detector import save_detector

from convergence.features import detection
from convergence.features.object_boxes import element_dominated
from convergence.python_files import load_python
from convergence.storage.outputs import read_sidecar
from convergence.storage.schemas import TABLES
from convergence.storage.tables import written_by

BOXES, IMAGES = "seven_scenes_objects.parquet", "seven_scenes_objects_images.parquet"


@pytest.fixture
def run(checkout, tmp_path, monkeypatch):
    """run(*options) -> exit status, for the seven pictures and a random DETR; tables go to run.folder."""
    write_seven_pictures(tmp_path / "seven")
    network = save_detector(tmp_path / "models" / "tiny-detr")
    monkeypatch.setattr("convergence.datasets.open_dataset", lambda name, root=None: SevenPictures(root))
    module = load_python(checkout / "4_other_alignments" / "7_object_boxes.py")

    def run(*options):
        given = ["--root", tmp_path / "seven", "--derivatives", tmp_path / "derivatives", "--device", "cpu", "--model", network,
                 "--threshold", 0.2, "--batch-size", 3]
        return module.main([str(option) for option in [*given, *options]])
    run.folder, run.root = tmp_path / "derivatives" / "seven", tmp_path / "seven"
    return run


def test_two_tables_are_written_once(run, capsys):
    assert run("--dry-run") == 0 and not run.folder.exists()
    assert "object boxes: tiny-detr: to do" in capsys.readouterr().out
    assert run() == 0
    assert sorted(path.name for path in run.folder.iterdir()) == sorted([BOXES, f"{BOXES}.json", IMAGES, f"{IMAGES}.json"])
    boxes, images = pandas.read_parquet(run.folder / BOXES), pandas.read_parquet(run.folder / IMAGES)
    assert list(boxes)[1:] == list(TABLES["object_boxes"].columns)[1:] and list(boxes)[0] == list(images)[0] == "seven_id"
    assert images["seven_id"].tolist() == IDS and set(images["status"]) == {"ok"} and images["n_boxes"].sum() == len(boxes) > 7
    assert (boxes["percent_area"] <= 1).all() and (boxes["box_x1"] <= boxes["image_width"]).all()
    assert (boxes["confidence"] > 0.2).all()
    rule = element_dominated(boxes, IDS, image_key="seven_id")
    assert images["element_dominated"].tolist() == rule.tolist()
    script = "4_other_alignments/7_object_boxes.py"
    assert written_by(run.folder / BOXES) == script == written_by("nsd/nsd_scenes_objects.parquet")
    assert read_sidecar(run.folder / BOXES)["options"] == {"model": "tiny-detr", "revision": None, "threshold": 0.2, "clip": True}
    capsys.readouterr()
    assert run() == 0 and "object boxes: 1 of 1 done before" in capsys.readouterr().out
    (run.folder / IMAGES).unlink()
    assert run() == 0 and pandas.read_parquet(run.folder / IMAGES).equals(images)


def test_the_reference_leaves_boxes_as_they_are(run, capsys):
    assert run() == 0
    cut = pandas.read_parquet(run.folder / BOXES)
    assert run("--reference") == 0
    told = capsys.readouterr().out
    assert "as published: boxes are not cut at the picture's edges" in told and "clip (True -> False)" in told
    whole = pandas.read_parquet(run.folder / BOXES)
    assert (whole["percent_area"] > cut["percent_area"]).any() and (whole["percent_area"] >= cut["percent_area"]).all()
    assert whole["confidence"].equals(cut["confidence"])


def test_a_bad_picture_is_named_and_tried_again(run, capsys):
    whole = (run.root / "20.png").read_bytes()
    assert run() == 0
    expected = pandas.read_parquet(run.folder / BOXES)
    (run.root / "20.png").write_bytes(whole[:60])
    assert run() == 1
    assert "failed: seven_id 20: the picture of seven_id 20 cannot be read" in capsys.readouterr().err
    images = pandas.read_parquet(run.folder / IMAGES).set_index("seven_id")
    assert images["status"].to_dict() == {image: "failed" if image == 20 else "ok" for image in IDS}
    assert set(pandas.read_parquet(run.folder / BOXES)["seven_id"]) == set(expected["seven_id"]) - {20}
    assert run("--skip-bad") == 0 and "seven_id 20" in capsys.readouterr().out
    (run.root / "20.png").write_bytes(whole)
    assert run() == 0
    pandas.testing.assert_frame_equal(pandas.read_parquet(run.folder / BOXES), expected, rtol=1e-4)


def test_a_stopped_run_goes_on_with_the_same_table(run, monkeypatch, capsys):
    assert run() == 0
    expected = (run.folder / BOXES).read_bytes()
    call, calls = detection.Detector.__call__, []

    def stopped(self, pictures):
        calls.append(len(pictures))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return call(self, pictures)

    monkeypatch.setattr(detection.Detector, "__call__", stopped)
    assert run("--overwrite") == 1
    assert "stopped; run the same command again to go on from here" in capsys.readouterr().err
    kept = run.folder / f".{BOXES}.jsonl"
    assert len(kept.read_text().splitlines()) == 4                              # the plan, and the first batch of three
    kept.write_text(kept.read_text() + '{"image": 14, "bo')
    assert run("--overwrite", "--dry-run") == 0 and kept.exists()
    (run.folder / f"{BOXES}.json").unlink()                                     # as it is after a kill while the table was made
    assert run() == 0
    assert "1 incomplete line dropped" in capsys.readouterr().out and (run.folder / BOXES).read_bytes() == expected
    assert not kept.exists()


def test_a_finished_run_imports_no_network_library(run, checkout):
    assert run() == 0
    code = ("import sys, importlib.util\nsys.path.insert(0, sys.argv[1])\nfrom fake_dataset import SevenPictures\n"
            "from convergence.features.object_boxes import box_jobs, run_boxes\n"
            "run_boxes(box_jobs(SevenPictures(sys.argv[2]), sys.argv[3], model=sys.argv[4], threshold=0.2, device='cpu'))\n"
            "print([m for m in ('torch', 'transformers') if m in sys.modules])")
    parts = [sys.executable, "-c", code, checkout / "tests", run.root, run.folder.parent,
             run.root.parent / "models" / "tiny-detr"]
    done = subprocess.run([str(part) for part in parts], capture_output=True, text=True, cwd=checkout)
    assert done.stdout.splitlines() == ["object boxes: 1 of 1 done before", "[]"], done.stdout + done.stderr
