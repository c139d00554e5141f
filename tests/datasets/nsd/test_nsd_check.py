"""The check of a download: names every fault, and only faults."""

import gzip

import h5py
import nibabel
import numpy as np
import pytest
import tiny_nsd
from tiny_nsd import beta_path, label_path, save

from convergence.datasets.nsd.check import check, expected_sessions


@pytest.fixture
def root(tmp_path):
    return tiny_nsd.write(tmp_path / "nsd")


def faults(root, **options):
    return {finding.path: finding for finding in check(root, **options) if finding.status in ("missing", "wrong")}


def test_a_complete_download_has_no_faults(root):
    assert len(check(root)) == 15 and not faults(root)
    deep = check(root, deep=True, jobs=2)
    assert not faults(root, deep=True) and {finding.status for finding in deep} == {"ok", "note"}
    assert [(f.path, f.message) for f in deep if f.status == "note"] == [
        ("subj02/func1mm/brainmask.nii.gz", "1 of 36 labelled voxels lie outside the brain mask; their betas are 0")]


@pytest.mark.parametrize("path", ["nsd_stimuli.hdf5", "nsd_stim_info_merged.csv", "subj02/func1mm/roi/HCP_MMP1.nii.gz",
                                  "subj05/func1mm/brainmask.nii.gz",
                                  "subj02/func1mm/betas_fithrf_GLMdenoise_RR/betas_session03.nii.gz"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_missing_file_is_named(root, path, deep):
    (root / path).unlink()
    found = faults(root, deep=deep)
    assert list(found) == [path] and found[path].status == "missing"


def test_sessions_come_from_the_record_or_from_the_last_one_found(root):
    for session in (1, 3):
        beta_path(root, 2, session).unlink()
    assert expected_sessions(root, 2) == [1, 2, 3]
    (root / "subj02/behav/responses.tsv").unlink()
    assert expected_sessions(root, 2) == [1, 2]
    beta_path(root, 2, 2).unlink()
    assert expected_sessions(root, 2) == [1]


def test_a_damaged_record_is_a_finding_of_the_deep_check_alone(root):
    record = root / "subj05/behav/responses.tsv"
    record.write_text("SESSION\n")
    assert not faults(root) and expected_sessions(root, 5) == [1, 2]
    found = faults(root, deep=True)
    assert list(found) == ["subj05/behav/responses.tsv"]
    assert "with the columns SESSION and 73KID" in found["subj05/behav/responses.tsv"].message


def test_subjects_and_sessions_can_be_asked_for(root):
    assert not faults(root, subjects=[5], sessions=[2])
    assert list(faults(root, subjects=[5], sessions=[2, 3])) == [BETAS.replace("session02", "session03")]
    assert len(faults(root, subjects=[7])) == 5


def break_betas(root):
    path = beta_path(root, 5, 2)
    path.write_bytes(path.read_bytes()[:-400])


def break_volumes(root):
    save(np.ones((*tiny_nsd.GRIDS[5], 6), np.int16), beta_path(root, 5, 2))


def break_grid(root):
    save(np.ones((8, 5, 4, 5), np.int16), beta_path(root, 5, 2))


def break_type(root):
    save(np.ones((*tiny_nsd.GRIDS[5], 5), np.float32), beta_path(root, 5, 2))


def break_header(root):
    beta_path(root, 5, 2).write_bytes(gzip.compress(b"nothing"))


def break_labels(root):
    path = label_path(root, 5, "lh.HCP_MMP1")
    labels = np.asarray(nibabel.load(path).dataobj).copy()
    labels[labels == 180] = 200
    save(labels, path)


def break_mask(root):
    save(np.full(tiny_nsd.GRIDS[5], 2, np.int16), root / "subj05/func1mm/brainmask.nii.gz")


def break_pictures(root):
    with h5py.File(root / "nsd_stimuli.hdf5", "w") as file:
        file["imgBrick"] = np.zeros((8, 6, 4, 3), np.uint8)


def break_brick(root):
    with h5py.File(root / "nsd_stimuli.hdf5", "w") as file:
        file["other"] = np.zeros(3)


def break_table(root):
    path = root / "nsd_stim_info_merged.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-2]).replace("cropBox", "crop"))


BETAS = "subj05/func1mm/betas_fithrf_GLMdenoise_RR/betas_session02.nii.gz"


@pytest.mark.parametrize("damage, path, message", [
    (break_betas, BETAS, "is truncated or damaged: its header says 5 volumes"),
    (break_volumes, BETAS, "has 6 volumes; expected 5"),
    (break_grid, BETAS, "has volumes of 8 x 5 x 4 voxels; expected 5 x 8 x 4"),
    (break_type, BETAS, "holds values of type float32; expected int16"),
    (break_header, BETAS, "cannot be read as NIfTI"),
    (break_labels, "subj05/func1mm/roi/lh.HCP_MMP1.nii.gz", "holds labels from -1 to 200; expected -1 to 180"),
    (break_mask, "subj05/func1mm/brainmask.nii.gz", "has shape (5, 8, 4) and values [2]; expected 0 and 1"),
    (break_pictures, "nsd_stimuli.hdf5", "imgBrick is uint8 (8, 6, 4, 3); expected uint8 (9, height, width, 3)"),
    (break_brick, "nsd_stimuli.hdf5", "has no dataset imgBrick"),
    (break_table, "nsd_stim_info_merged.csv", "lacks the columns ['cropBox']")])
def test_only_a_deep_check_sees_what_is_inside(root, damage, path, message):
    damage(root)
    assert not faults(root)
    found = faults(root, deep=True)
    assert list(found) == [path] and found[path].status == "wrong" and message in found[path].message
