"""open_dataset("things"): the interface that later stages know, over prepared files."""

import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from convergence import open_dataset
from convergence.alignment.trials import common_trials
from convergence.datasets.base import TRIAL_COLUMNS
from convergence.datasets.things import files


@pytest.fixture(scope="module")
def dataset(things_extracted):
    return open_dataset("things", things_extracted)


def test_the_interface(dataset, things_extracted):
    assert dataset.subjects == [1, 2, 3] and dataset.image_key == "things_id" and not dataset.repetitions_shift
    assert tuple(dataset.trials)[:len(TRIAL_COLUMNS)] == TRIAL_COLUMNS
    assert dataset.trials["exists"].all() and dataset.trials["shared"].all() and len(dataset.trials) == 450
    assert (dataset.trials["image"] == dataset.trials["things_id"]).all()
    assert dataset.images.index.tolist() == list(range(150)) and len(dataset.parcels()) == 180
    assert dataset.response_files(2) == (things_extracted / "preprocessed/sub-02/betas_roi/manifest.json",)
    assert dataset.stimulus_files() == (things_extracted / files.IMAGES, things_extracted / files.PICTURES)
    again = pickle.loads(pickle.dumps(dataset))
    assert "trials" not in vars(again) and again.trials.equals(dataset.trials)


def test_trials_of_two_subjects_meet_where_image_and_repetition_are_equal(dataset):
    for i, j in ((1, 2), (3, 1), (2, 2)):
        pairs = common_trials(dataset.trials, i, j, 0)
        names = {subject: dataset.trials[dataset.trials["subject"] == subject].set_index("subject_index") for subject in (i, j)}
        assert len(pairs) == 150 and (pairs["repetition_i"] == pairs["repetition_j"]).all()
        first, second = (names[subject].loc[pairs[f"subject_index_{side}"], "image_name"].tolist()
                         for subject, side in ((i, "i"), (j, "j")))
        assert first == second


def test_responses(dataset, things_extracted):
    folder = things_extracted / files.matrix_folder(2)
    v1 = [np.load(folder / files.matrix_name(roi)) for roi in (1, 181)]
    found = dataset.responses(2, [181, 1], rows=[7, 3, 3])
    assert found.dtype == np.float32 and np.array_equal(found, np.concatenate(v1[::-1], axis=1)[[7, 3, 3]])
    whole = dataset.responses(2, 1)
    assert isinstance(whole, np.memmap) and np.array_equal(whole, v1[0])
    pir = dataset.atlas().query("name == 'Pir'")["roi"].tolist()
    assert dataset.responses(2, pir, rows=[0, 1]).shape == (2, 0)                   # absent in sub-02
    assert dataset.responses(1, pir, rows=[0, 1]).shape[1] > 5


@pytest.mark.parametrize("rows, message", [
    ([150, 3], r"rows: 1 of 2 are not trials of subject 1, such as \[150\]; there are 0 to 149"),
    ([-1], r"rows: 1 of 1 are not trials of subject 1, such as \[-1\]"),
    ([0.5, 1.5], r"rows: expected a list of subject_index values, found an array of shape \(2,\) and type float64"),
    ([[0, 1]], r"found an array of shape \(1, 2\)"),
])
def test_rows_that_are_no_trials_are_refused(dataset, rows, message):
    with pytest.raises(ValueError, match=message):
        dataset.responses(1, 1, rows)


def test_what_has_not_been_extracted_is_named_with_the_command(with_indexes, chosen):
    from convergence.datasets.things.preparation import extract

    dataset = open_dataset("things", with_indexes)
    with pytest.raises(FileNotFoundError, match="preprocessed/sub-01/betas_roi/manifest.json is not there; run "
                                                "1_dataset_preparation/"
                                                "4_extract_roi_betas.py --dataset things makes it, and the matrices beside it"):
        dataset.responses(1, 1)
    extract(dataset, 1, chosen(rois=["V1"]))
    assert dataset.responses(1, [1, 181]).shape[0] == 150
    with pytest.raises(FileNotFoundError, match="betas_glasser_roi_2.npy is not there: the set of subject 1 was made without "
                                                "parcel 2; "
                                                ".*4_extract_roi_betas.py --dataset things --subjects 1 adds it"):
        dataset.responses(1, 2)


def test_matrices_that_are_not_what_the_manifest_says_are_refused(with_matrices):
    dataset, path = open_dataset("things", with_matrices), with_matrices / files.matrix_folder(1) / files.matrix_name(1)
    matrix = np.load(path)
    for wrong in (matrix[:-1], matrix[:, :-1], matrix.astype(np.float64)):
        np.save(path, wrong)
        with pytest.raises(ValueError, match=rf"betas_glasser_roi_1.npy holds {wrong.dtype} .*the manifest beside it says "
                                             rf"float32 "
                                             rf"\(150, {matrix.shape[1]}\); .* --overwrite makes it again"):
            dataset.responses(1, 1)
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(ValueError, match="betas_glasser_roi_1.npy cannot be read"):
        dataset.responses(1, 1)
    path.unlink()
    with pytest.raises(ValueError, match="betas_glasser_roi_1.npy cannot be read .*--overwrite makes it again"):
        dataset.responses(1, 1)
    manifest = with_matrices / files.matrix_folder(1) / files.MANIFEST
    manifest.write_text("{}")
    with pytest.raises(ValueError, match="manifest.json is damaged .*--overwrite again"):
        dataset.responses(1, 2)


def picture_of(root, dataset, image):
    return root / dataset.images.loc[image, "image_path"]


def test_pictures_are_rgb_and_upright(with_indexes):
    dataset = open_dataset("things", with_indexes)
    stored = np.asarray(Image.open(picture_of(with_indexes, dataset, 40)))
    assert np.array_equal(np.asarray(dataset.image(40)), stored) and dataset.image(40).mode == "RGB"
    grey = [image for image in dataset.images.index if Image.open(picture_of(with_indexes, dataset, image)).mode == "L"]
    assert len(grey) == 1 and dataset.image(grey[0]).mode == "RGB"
    exif = Image.Exif()
    exif[0x0112] = 6                                    # the camera was turned
    Image.fromarray(stored[:40]).save(picture_of(with_indexes, dataset, 40), "JPEG", exif=exif)
    assert dataset.image(40).size == (40, 64)
    deep = Image.fromarray(np.full((8, 8), 32896, np.uint16))
    deep.save(picture_of(with_indexes, dataset, 41), "PNG")
    assert np.asarray(dataset.image(41)).tolist() == np.full((8, 8, 3), 128).tolist()   # 16 bits are divided, not cut


def test_pictures_that_are_not_there_are_named(with_indexes):
    dataset = open_dataset("things", with_indexes)
    with pytest.raises(ValueError, match="image: 150 is no things_id; .*images.csv has 0 to 149"):
        dataset.image(150)
    path = picture_of(with_indexes, dataset, 3)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=f"{path.name} is not a readable picture .*download it again"):
        dataset.image(3)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"{path.name} is not there; preprocessed/images.csv names it as the picture of "
                                                f"things_id 3"):
        dataset.image(3)


def test_captions_are_yours_to_give(dataset, with_indexes):
    assert all(f"img{image}." in caption for image, caption in dataset.captions.items()) and len(dataset.captions) == 150
    path = with_indexes / files.CAPTIONS
    assert open_dataset("things", with_indexes).caption_files() == (path,)
    table = pd.read_csv(path)

    def fails(changed, message):
        changed.to_csv(path, index=False)
        with pytest.raises(ValueError, match=message):
            open_dataset("things", with_indexes).captions
    shown = sorted(dataset.trials["image"].unique())
    unshown = sorted(set(range(150)) - set(shown))
    fails(table[table["things_id"] != shown[4]], rf"every image shown needs one caption; without one are 1, such as "
                                                 rf"\[{shown[4]}\]")
    fails(table.assign(caption=table["caption"].where(table["things_id"] != shown[2], "")), rf"without one are 1, such as "
                                                                                            rf"\[{shown[2]}\]")
    fails(pd.concat([table, table.iloc[:1].assign(things_id=200)]), r"not in images.csv are 1 \[200\]")
    fails(pd.concat([table, table.iloc[5:6]]), r"1 stand there twice \[5\]")
    fails(table.drop(columns="caption"), r"the columns \['caption'\] are missing")
    table[~table["things_id"].isin(unshown)].sample(frac=1, random_state=0).to_csv(path, index=False)
    assert open_dataset("things", with_indexes).captions.index.tolist() == shown
    path.unlink()
    assert open_dataset("things", with_indexes).caption_files() == ()
    with pytest.raises(FileNotFoundError, match="captions.csv is not there; THINGS comes without captions: provide a table with "
                                                "the "
                                                "columns things_id, caption"):
        open_dataset("things", with_indexes).captions


def test_captions_with_large_categories_do_not_overflow(with_indexes):
    """category_id above 255 is a number like any other."""
    path = with_indexes / files.CAPTIONS
    pd.read_csv(path).assign(category_id=1853).to_csv(path, index=False)
    assert len(open_dataset("things", with_indexes).captions) == 150


def test_tables_alone_are_enough_for_tables(things_indexed, tmp_path):
    for name in (files.IMAGES, files.INDEX):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(things_indexed / name, tmp_path / name)
    dataset = open_dataset("things", tmp_path)
    assert dataset.subjects == [1, 2, 3] and not dataset.trials["exists"].any() and len(dataset.images) == 150


def test_either_file_of_the_index_serves(things_indexed, with_indexes):
    whole = open_dataset("things", things_indexed).trials
    (with_indexes / files.INDEX).unlink()
    pd.testing.assert_frame_equal(open_dataset("things", with_indexes).trials, whole)


def test_no_tables_name_the_script(things_downloaded):
    with pytest.raises(FileNotFoundError, match="images.csv is not there; run 1_dataset_preparation/2_build_indexes.py "
                                                "--dataset things"):
        open_dataset("things", things_downloaded).trials


def as_published(table):
    return table.assign(run_index=table.groupby(["subject_id", "run"]).cumcount())


def test_the_published_index_whose_runs_count_on_is_accepted(with_indexes):
    path = with_indexes / files.INDEX
    as_published(pd.read_parquet(path)).to_parquet(path)
    trials = open_dataset("things", with_indexes).trials
    assert trials["run_index"].max() == 74 and len(trials) == 450


@pytest.mark.parametrize("change, message", [
    (lambda t: t.drop(index=9), "subject_index does not count the subject's trials in 140 of 449 rows, first row 10"),
    (lambda t: t.assign(things_id=np.roll(t["things_id"], 1)), "image_name is not that of things_id in images.csv in 4.. of 450 "
                                                               "rows"),
    (lambda t: t.assign(things_id=t["things_id"] + 90), "things_id has no row in images.csv"),
    (lambda t: t.assign(session=t["session"].where(t.index != 60, 1)), "session or run goes back in 1 of 450 rows, first row 61"),
    (lambda t: t.assign(session_index=t["session_index"] + 1), "session_index does not count the session's trials"),
    (lambda t: t.assign(run_index=t["run_index"].where(t.index != 4, 9)), "run_index does not count the run's trials"),
    (lambda t: t.assign(repetition=1), "repetition does not count the showings of the picture"),
    (lambda t: t.assign(category_id=t["category_id"].where(t.index != 4, 300)), "category_id is not that of things_id"),
    (lambda t: t.assign(trial_type="catch"), "trial_type is neither train nor test in 450 of 450 rows"),
    (lambda t: t.drop(columns="repetition"), r"columns missing \['repetition'\]"),
    (lambda t: t.assign(session=t["session"] + 0.5), r".*without whole numbers \['session'\]"),
])
def test_an_index_that_contradicts_itself_is_refused(with_indexes, change, message):
    path = with_indexes / files.INDEX
    change(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(ValueError, match=f"stimulus_index.parquet: {message}.*run 1_dataset_preparation/2_build_indexes.py"):
        open_dataset("things", with_indexes).trials


@pytest.mark.parametrize("change, message", [
    (lambda t: t.drop(index=9), "things_id is not 0 to n - 1 in order in 140 of 149 rows, first row 10"),
    (lambda t: t.assign(image_name=np.roll(t["image_name"], 1)), "image_name is not in ascending order"),
    (lambda t: t.assign(image_path=np.roll(t["image_path"], 1)), "image_path is not where a picture of that name and category "
                                                                 "lies"),
    (lambda t: t.assign(category_id=t["category_id"].where(t.index != 9, 7)), "category_id is not that of the category's other "
                                                                              "pictures"),
    (lambda t: t.assign(category_id=0), "category_id belongs to two categories"),
    (lambda t: t.assign(image_category_index=1), "image_category_index does not count the category's pictures"),
    (lambda t: t.assign(things_id="x"), "column things_id must hold whole numbers from 0; row 1 says 'x'"),
])
def test_images_that_contradict_themselves_are_refused(with_indexes, change, message):
    path = with_indexes / files.IMAGES
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(ValueError, match=f"images.csv: {message}"):
        open_dataset("things", with_indexes).images
