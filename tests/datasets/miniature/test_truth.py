"""What is planted, and how it is read."""

import json
import shutil
from collections import Counter

import pytest

from convergence.datasets.miniature import read_truth
from convergence.datasets.miniature.truth import plant, to_text


def test_every_parcel_of_the_atlas_has_one_role():
    rois = plant()
    counts = Counter(roi["cluster"] for roi in rois.values())
    assert list(rois)[:3] == ["V1", "MST", "V6"] and len(rois) == sum(counts.values()) == 180
    assert {name: n for name, n in counts.items() if name != "null"} == {
        "early": 4, "ventral": 6, "lateral": 6, "graded": 12, "left_only": 1, "right_only": 1, "canary": 1, "empty": 2, "dead": 1}


def test_signal_and_latent_go_together():
    rois = plant()
    assert all((roi["snr"] > 0) == (roi["latent"] is not None) for roi in rois.values())
    assert rois["V3"]["latent"] == "low" and rois["PHA2"]["latent"] == "scene" and rois["FST"]["latent"] == "social"
    assert {roi["cluster"] for roi in rois.values() if roi["nobody"] != 1} == {"lateral"} and rois["FST"]["nobody"] == 0.25
    assert plant(contrast=False) == {name: roi | {"nobody": 1.0} for name, roi in rois.items()}
    graded = [roi["snr"] for roi in rois.values() if roi["cluster"] == "graded"]
    assert (min(graded), max(graded)) == (0.3, 2.0) and len(set(graded)) == 12
    assert (rois["FFC"]["hemisphere"], rois["PH"]["hemisphere"], rois["V1"]["hemisphere"]) == ("left", "right", "both")


def test_text_is_json_with_sorted_keys_and_a_line_per_parcel():
    text = to_text({"seed": 3, "rois": {"b": {"snr": 1.5, "cluster": "x"}, "a": {"snr": 0.0, "cluster": "y"}}, "list": [1, 2]})
    assert text.splitlines()[2:5] == [' "rois": {', '  "a": {"cluster": "y", "snr": 0.0},', '  "b": {"cluster": "x", "snr": 1.5}']
    assert json.loads(text)["list"] == [1, 2] and text.endswith("}\n")


def test_the_truth_of_the_miniature(miniature):
    truth = read_truth(miniature / "nsd")
    assert truth["seed"] == 0 and truth["rois"] == plant() and len(truth["images"]["n_persons"]) == 280


def test_reading_what_is_not_there(miniature, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is no miniature dataset; did you mean .*bold5000 or .*nsd or .*things\?"):
        read_truth(miniature)
    with pytest.raises(FileNotFoundError, match="truth.json is not there, so .* is no miniature dataset; python -m convergence"):
        read_truth(tmp_path)


def test_reading_half_a_dataset(miniature, tmp_path):
    shutil.copy(miniature / "nsd" / "truth.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="is half of a miniature dataset: .* run python -m convergence make-miniature"):
        read_truth(tmp_path)
