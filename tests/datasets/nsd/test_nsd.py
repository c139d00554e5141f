"""The reader of NSD: tables, pictures and responses, each asked for by its own number."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tiny_nsd
from tiny_nsd import beta_path, naive, run

from convergence import open_dataset
from convergence.datasets.base import TRIAL_COLUMNS
from convergence.datasets.nsd.files import Source


@pytest.fixture(scope="module")
def stage_1(tmp_path_factory):
    """The tiny NSD after stage 1; subject 2 lacks its middle session, and has parcels V1, MST, V6A (without voxels) and H."""
    root = tiny_nsd.write(tmp_path_factory.mktemp("stage_1") / "nsd")
    beta_path(root, 2, 2).unlink()
    for name, *options in (("2", "--derivatives", root.parent / "derivatives"), ("3",), ("4", "--rois", "V1", "MST", "V6A", "H")):
        assert run(name, "--root", root, *options) == 0
    return root


@pytest.fixture
def root(stage_1, tmp_path):
    return Path(shutil.copytree(stage_1, tmp_path / "nsd"))


@pytest.fixture
def nsd(stage_1):
    return open_dataset("nsd", stage_1)


def test_trials_have_the_columns_of_every_dataset_and_the_planned_numbers(nsd):
    trials = nsd.trials
    assert set(TRIAL_COLUMNS) <= set(trials) and (trials["image"] == trials["nsd_id"]).all()
    assert nsd.subjects == [2, 5] and trials.groupby("subject").size().to_dict() == {2: 15, 5: 15}
    assert nsd.image_key == "nsd_id" and nsd.repetitions_shift


def test_existing_is_what_is_on_the_disk_now(stage_1, root):
    assert whole_sessions(open_dataset("nsd", stage_1)) == [(2, 1), (2, 3), (5, 1), (5, 2)]
    shutil.copy(beta_path(root, 2, 1), beta_path(root, 2, 2))
    beta_path(root, 5, 1).unlink()
    shutil.rmtree(root / "betas/sub05")
    assert whole_sessions(open_dataset("nsd", root)) == [(2, 1), (2, 2), (2, 3), (5, 2)]


def whole_sessions(nsd):
    """(subject, session) of the sessions all of whose trials exist; of the others none does."""
    exists = nsd.trials.groupby(["subject", "session"])["exists"]
    assert exists.all().equals(exists.any())
    return exists.all()[lambda all_there: all_there].index.tolist()


def test_extracted_rows_exist_without_their_beta_file(root):
    beta_path(root, 2, 1).unlink()
    trials = open_dataset("nsd", root).trials
    own = trials[trials["exists"] & (trials["subject"] == 2)]
    assert own["subject_index"].tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]


def test_images_and_captions_are_indexed_by_nsd_id(nsd):
    assert nsd.images.index.tolist() == list(range(9)) and nsd.images.index.name == "nsd_id"
    assert nsd.images.loc[4, "name"] == "nsd_00004"
    assert nsd.captions.index.equals(nsd.images.index)
    assert nsd.captions[0].startswith("a dog, a cät\non a")


def test_a_picture_is_the_one_of_its_number(nsd, stage_1):
    with h5py.File(stage_1 / "nsd_stimuli.hdf5") as file:
        expected = file["imgBrick"][7]
    picture = nsd.image(7)
    assert picture.mode == "RGB" and np.array_equal(np.asarray(picture), expected)
    with pytest.raises(ValueError, match="image: 9 is not an nsd_id of .*nsd_stimuli.hdf5, which holds 0 to 8"):
        nsd.image(9)
    with pytest.raises(ValueError, match="image: -1 is not an nsd_id"):
        nsd.image(-1)


def test_parcels_are_joined_or_separated(nsd):
    joined, separated = nsd.parcels("joined"), nsd.parcels("separated")
    assert (joined[1].roi, joined[1].name, joined[1].labels) == (2, "MST", (2, 182)) and len(joined) == 180
    assert (separated[181].roi, separated[181].name, separated[181].labels) == (182, "MST", (182,)) and len(separated) == 360


@pytest.mark.parametrize("rows", [[10, 0, 14, 0], np.array([4], np.uint16), [], None])
def test_responses_follow_the_rows_asked_for(nsd, stage_1, rows):
    whole = np.full((15, 12), -1)
    whole[[0, 1, 2, 3, 4, 10, 11, 12, 13, 14]] = np.hstack([naive(stage_1, 2, label, (1, 3)) for label in (182, 1)])
    found = nsd.responses(2, [182, 1], rows)
    expected = whole[[0, 1, 2, 3, 4, 10, 11, 12, 13, 14] if rows is None else np.asarray(rows, int)]
    assert found.dtype == np.int16 and np.array_equal(found, expected)


def test_one_whole_matrix_stays_on_the_disk(nsd):
    assert isinstance(nsd.responses(5, 1), np.memmap)
    assert type(nsd.responses(5, np.int64(1), [3, 2])) is np.ndarray


def test_a_parcel_without_voxels_has_no_columns(nsd):
    label = int(nsd.atlas().set_index("name").loc["V6A", "roi"].iloc[0])
    assert nsd.responses(5, label, [1, 9]).shape == (2, 0)
    assert nsd.responses(5, (label, 120), [1, 9]).shape == (2, 1)


def test_rows_without_data_are_named(nsd):
    with pytest.raises(ValueError, match=r"rows: 3 of 4 rows of subject 2 have no data, such as \[5, 9, 15\]; use rows where "
                                         r"trials.exists is true"):
        nsd.responses(2, 1, [5, 0, 9, 15])
    with pytest.raises(ValueError, match=r"rows: 1 of 1 rows of subject 2 have no data, such as \[-1\]"):
        nsd.responses(2, 1, [-1])
    with pytest.raises(ValueError, match=r"rows: expected a list of subject_index values, found an array of shape \(2,\) and "
                                         r"type float64"):
        nsd.responses(2, 1, [0.0, 1.0])


def test_what_was_not_prepared_is_named_with_its_script(root):
    nsd = open_dataset("nsd", root)
    with pytest.raises(FileNotFoundError, match=r"sub-02_roi-004.npy is not there: the set of subject 2 was made without parcel "
                                                r"4; .*4_extract_roi_betas.py"):
        nsd.responses(2, [1, 4])
    shutil.rmtree(root / "betas/sub05")
    with pytest.raises(FileNotFoundError, match=r"betas/sub05 is not there; 1_dataset_preparation/4_extract_roi_betas.py "
                                                r"--subjects 5 makes it"):
        nsd.responses(5, 1)
    for name in ("nsd_stimuli.csv", "nsd.csv", "captions/nsd-captions-coco.csv"):
        (root / name).unlink()
    for attribute, name, script in (("trials", "nsd_stimuli.csv", "2_build_indexes"), ("images", "nsd.csv", "2_build_indexes"),
                                    ("captions", "captions/nsd-captions-coco.csv", "3_build_coco_tables")):
        with pytest.raises(FileNotFoundError, match=rf"{name} is not there; 1_dataset_preparation/{script}.py makes it"):
            getattr(open_dataset("nsd", root), attribute)


def test_a_matrix_that_does_not_fit_its_rows_is_refused(root):
    path = root / "betas/sub02/sub-02_roi-001.npy"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(ValueError, match=r"sub-02_roi-001.npy has 9 rows, rows.npy beside it 10; delete .*sub02 and run "
                                         r".*4_extract_roi_betas.py again"):
        open_dataset("nsd", root).responses(2, 1, [0])


def test_captions_that_do_not_cover_the_images_are_refused(root):
    path = root / "captions/nsd-captions-coco.csv"
    pd.read_csv(path, keep_default_na=False).drop(index=[3]).to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"captions for 8 images, nsd.csv lists 9, without a caption are \[3\]; run "
                                         r".*3_build_coco_tables.py again"):
        open_dataset("nsd", root).captions


def test_the_tables_alone_are_enough_for_what_they_hold(stage_1, tmp_path):
    for name in ("nsd.csv", "nsd_stimuli.csv", "captions/nsd-captions-coco.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(stage_1 / name, tmp_path / name)
    nsd = open_dataset("nsd", tmp_path)
    assert nsd.subjects == [2, 5] and not nsd.trials["exists"].any() and len(nsd.captions) == len(nsd.images) == 9
    assert len(nsd.parcels()) == 180
    with pytest.raises(FileNotFoundError, match="nsd_stimuli.hdf5 is not there; it holds the pictures"):
        nsd.image(0)
    with pytest.raises(FileNotFoundError, match="betas/sub02 is not there; .*/4_extract_roi_betas.py --subjects 2"):
        nsd.responses(2, 1)


def test_a_set_of_another_source_is_read_from_its_own_folder(root, monkeypatch):
    source = Source(betas="fithrf", zscore="session", volume="streams")
    folder = root / "betas_func1mm_fithrf_streams_zscore"
    shutil.copytree(root / "betas/sub05", folder / "sub05")
    np.save(folder / "sub05/sub-05_roi-001.npy", np.full((10, 2), 0.5, np.float32))
    nsd = open_dataset("nsd", root, source=source)
    assert nsd.responses(5, 1, [9]).tolist() == [[0.5, 0.5]] and nsd.response_files(5) == (folder / "sub05/manifest.json",)
    assert nsd.trials.query("exists")["subject"].unique().tolist() == [5]               # no betas of this kind are on the disk
    assert [parcel.name for parcel in nsd.parcels()][:3] == ["early", "midventral", "midlateral"]
    assert [parcel.labels for parcel in nsd.parcels()][0] == (1, 8)
    monkeypatch.setenv("NSD_MATRICES", folder.name)
    assert open_dataset("nsd", root).source == source
    assert open_dataset("nsd", root, source=Source()).responses(5, 1).dtype == np.int16
    monkeypatch.setenv("NSD_MATRICES", "betas_streams")
    with pytest.raises(ValueError, match="'betas_streams' does not name a set of matrices; expected 'betas', or a name such as"):
        open_dataset("nsd", root)


def test_an_absent_set_is_named_with_its_command_and_with_those_that_are_there(root):
    nsd = open_dataset("nsd", root, source=Source("func1pt8mm", min_ncsnr=0.2, drop_dead_voxels=True))
    with pytest.raises(FileNotFoundError, match=r"betas_func1pt8mm_fithrf_GLMdenoise_RR_HCP_MMP1_alive_ncsnr0.2/sub05 is not "
                       r"there; "
                       r"1_dataset_preparation/4_extract_roi_betas.py --subjects 5 --resolution func1pt8mm --drop-dead-voxels "
                       r"--min-ncsnr 0.2 makes it; there are sets of this subject in betas: NSD_MATRICES chooses one of them"):
        nsd.responses(5, 1)
    with pytest.raises(ValueError, match="nothing is known about the labels of the ROI volume 'floc-faces'; give a table"):
        open_dataset("nsd", root, source=Source(volume="floc-faces")).atlas()


def test_files_that_decide_what_comes_after(nsd):
    assert all(path.exists() for path in (*nsd.stimulus_files(), *nsd.caption_files(), *nsd.response_files(2)))
    assert nsd.response_files(2)[0].name == "manifest.json"


def test_no_folder_and_no_variable_are_explained(tmp_path, monkeypatch):
    monkeypatch.delenv("NSD_DATASET", raising=False)
    with pytest.raises(ValueError, match="where is the dataset 'nsd'.*NSD_DATASET"):
        open_dataset("nsd")
    monkeypatch.setenv("NSD_DATASET", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; check --root or NSD_DATASET"):
        open_dataset("nsd")
