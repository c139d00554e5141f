"""A dataset folder of one's own goes through every stage, from the template to p-values, and through the checks of stage 1."""

import json

import numpy as np
import pandas as pd
import pytest

from convergence.__main__ import main as convergence
from convergence.datasets.folder.template import write_template
from convergence.python_files import load_python
from convergence.storage.tables import read_table


@pytest.fixture
def call(checkout, tmp_path):
    """call("3_alignment/1_compute_rdms.py", *options): its exit status, on the folder tmp_path / "colours"."""
    places = {"--root": tmp_path / "colours", "--derivatives": tmp_path / "derivatives", "--features": tmp_path / "features",
              "--device": "cpu"}

    def run(script, *options):
        path = checkout / script
        module = load_python(path)
        known = [part for name, place in places.items() if f'"{name[2:]}"' in path.read_text() for part in (name, place)]
        return module.main(["--dataset", "folder", *map(str, known), *map(str, options)])
    return run


def test_the_template_goes_through_every_stage(call, tmp_path, capsys):
    assert convergence(["new-dataset", str(tmp_path / "colours")]) == 0
    assert call("1_dataset_preparation/1_check_dataset.py", "--deep", "--json", tmp_path / "report.json") == 0
    assert {finding["status"] for finding in json.loads((tmp_path / "report.json").read_text())["findings"]} == {"ok"}
    assert call("1_dataset_preparation/2_build_indexes.py") == 0
    assert call("1_dataset_preparation/4_extract_roi_betas.py") == 0
    shown = capsys.readouterr().out
    assert "16 files of" in shown and "nothing to build" in shown and "subject 3: nothing to extract" in shown
    assert not (tmp_path / "derivatives").exists()

    assert call("2_model_extraction/1_extract_vision_features.py", "--models", "efficientnet_lite0") == 0
    assert call("3_alignment/1_compute_rdms.py") == 0
    assert call("3_alignment/2_subject_subject.py") == 0
    assert call("3_alignment/3_subject_model.py") == 0
    assert call("3_alignment/5_p_values.py", "--permutations", 200) == 0

    folder = tmp_path / "derivatives/colours"
    pairs = read_table(folder / "rsa_subject_subject_alignment_shift_1_joined.parquet")
    own = pairs.query("roi_x == roi_y and subject_i != subject_j").groupby("roi_x")["similarity"].mean()
    assert list(own.index) == [1, 2, 3] and own[1] > own[2] > 0.2 and abs(own[3]) < 0.1
    p = read_table(folder / "rsa_pvalues_subject_language_vision.parquet").set_index(["comparison", "name"])["pvalue"]
    assert p["intersubject", "shared"] < 0.001 < 0.05 < p["intersubject", "not shared"]
    assert p["vision", "shared"] < 0.01 and set(p.index.get_level_values(0)) == {"intersubject", "vision"}


@pytest.mark.parametrize("damage, message", [
    (lambda root: (root / "responses/subject-02/roi-003.npy").write_bytes(b"cut"), "roi-003.npy is not a readable .npy file"),
    (lambda root: np.save(root / "responses/subject-01/roi-101.npy", np.zeros((47, 3))),
     "expected numbers of shape (48, n_voxels)"),
    (lambda root: np.save(root / "responses/subject-01/roi-104.npy", np.zeros((48, 3))),
     "holds roi-104.npy, which atlas.csv does not know"),
    (lambda root: (root / "responses/subject-03").rename(root / "elsewhere"), "subject-03 is not there; it holds roi-001.npy"),
    (lambda root: (root / "trials.csv").unlink(), "trials.csv is not there; python -m convergence new-dataset writes an example"),
    (lambda root: (root / "images/image-007.png").unlink(), "1 of 24 pictures that"),
    (lambda root: pd.read_csv(root / "images.csv").iloc[:20].to_csv(root / "images.csv", index=False),
     "trials.csv shows 4 images that images.csv beside it does not list: 20, 21, 22, 23; it lists 0 to 19"),
])
def test_the_check_says_what_is_wrong_with_a_folder(call, tmp_path, capsys, damage, message):
    damage(write_template(tmp_path / "colours"))
    assert call("1_dataset_preparation/1_check_dataset.py") == 1
    assert message in capsys.readouterr().err


def test_only_a_deep_check_reads_every_number_and_picture(call, tmp_path, capsys):
    root = write_template(tmp_path / "colours")
    matrix = np.load(root / "responses/subject-02/roi-002.npy")
    matrix[41, 7] = np.nan
    np.save(root / "responses/subject-02/roi-002.npy", matrix)
    (root / "images/image-003.png").write_bytes(b"no picture")
    assert call("1_dataset_preparation/1_check_dataset.py") == 0
    assert call("1_dataset_preparation/1_check_dataset.py", "--deep") == 1
    error = capsys.readouterr().err
    assert "roi-002.npy: NaN or infinite values, the first in row 41, voxel 7" in error
    assert "1 of 24 pictures" in error and "image-003.png, cannot be read" in error


def test_a_parcel_without_matrix_is_noted_and_subjects_can_be_chosen(call, tmp_path, capsys):
    root = write_template(tmp_path / "colours")
    (root / "responses/subject-01/roi-002.npy").unlink()
    assert call("1_dataset_preparation/1_check_dataset.py") == 0
    assert "note: responses/subject-01: 1 of 4 parcels have no matrix (roi-002.npy): no voxels" in capsys.readouterr().out
    assert call("1_dataset_preparation/1_check_dataset.py", "--subjects", 2, 7) == 1
    assert "trials.csv has no trials of subjects [7]" in capsys.readouterr().err
