"""The dataset as later stages see it, whole and by source of its pictures."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from convergence import open_dataset
from convergence.alignment.trials import common_trials, shared_trials
from convergence.datasets.base import TRIAL_COLUMNS
from convergence.datasets.bold5000 import files


@pytest.fixture(scope="module")
def dataset(extracted):
    return open_dataset("bold5000", extracted)


def test_the_interface(dataset):
    assert (dataset.name, dataset.image_key, dataset.repetitions_shift) == ("bold5000", "bold_position", False)
    assert dataset.subjects == [1, 2, 3, 4]
    trials = dataset.trials
    assert tuple(trials)[:len(TRIAL_COLUMNS)] == TRIAL_COLUMNS and trials["exists"].all() and trials["repetition"].min() == 1
    assert (trials["image"] == trials["bold_position"]).all() and set(trials["stim_source"]) == {"coco", "imagenet", "scenes"}
    assert list(dataset.images.index) == list(range(84)) and len(dataset.parcels()) == 180
    assert dataset.parcels()[0].labels == (1, 181)
    assert all(path.exists() for path in (*dataset.stimulus_files(), *dataset.caption_files(), *dataset.response_files(3)))


def test_shared_means_shown_to_more_than_one_subject(with_indexes):
    names = with_indexes / "CSI1_imgnames.txt"
    seen = {s: set((with_indexes / f"CSI{s}_imgnames.txt").read_text().split()) for s in (1, 2, 3, 4)}
    assert not open_dataset("bold5000", with_indexes).trials["shared"].eq(False).any()
    only = names.read_text().split()[3]
    for subject in (1, 2, 3, 4):                            # the fourth picture becomes another one for everybody but CSI1
        lists = [with_indexes / f"CSI{subject}_imgnames.txt", *files.run_lists(with_indexes, subject).values()]
        for path in lists if subject > 1 else ():
            path.write_text(path.read_text().replace(only, "elsewhere.jpg"))
    from convergence.datasets.bold5000 import index
    assert sum(only in names for names in seen.values()) >= 3
    for table, file in ((index.trial_table, files.TRIALS), (index.image_table, files.IMAGES)):
        table([1, 2, 3, 4], root=with_indexes).to_csv(with_indexes / f"{file}.csv", index=False)
    trials = open_dataset("bold5000", with_indexes).trials
    assert trials.loc[trials["image_name"] == only, "shared"].tolist() == [False] * (trials["image_name"] == only).sum()
    assert trials.loc[trials["image_name"] == "elsewhere.jpg", "shared"].all()


def test_trials_of_two_subjects_meet_where_picture_and_repetition_are_equal(dataset):
    pairs = common_trials(dataset.trials, 1, 3, 0)
    assert (pairs["repetition_i"] == pairs["repetition_j"]).all()
    times = [own.groupby("image").size() for _, own in dataset.trials.groupby("subject")]
    assert len(pairs) == np.minimum(times[0], times[2].reindex(times[0].index, fill_value=0)).sum()
    assert len(shared_trials(dataset.trials, 4)) == 60


def test_responses(dataset):
    both = dataset.responses(2, (1, 181), [95, 0, 95])
    assert both.dtype == np.float32 and both.shape[0] == 3
    assert np.array_equal(both[:, :dataset.responses(2, 1).shape[1]], dataset.responses(2, 1)[[95, 0, 95]])
    assert dataset.responses(3, 110).shape == (96, 0) and dataset.responses(3, (110, 290), [4]).shape == (1, 0)
    with pytest.raises(ValueError, match=r"rows: 1 of 2 rows of subject 4 have no data, such as \[60\]"):
        dataset.responses(4, 1, [59, 60])
    with pytest.raises(ValueError, match=r"rows: expected a list of subject_index values, found an array of shape \(2,\) and "
                       r"type float64"):
        dataset.responses(4, 1, [0.0, 1.0])
    with pytest.raises(FileNotFoundError, match="rows_D.npy is not there; 1_dataset_preparation/4_extract_roi_betas.py --dataset "
                       "bold5000 --subjects 9 --type D makes it"):
        dataset.responses(9, 1)


def test_the_type_of_betas_can_be_chosen(extracted):
    from convergence.datasets.bold5000 import Bold5000
    with pytest.raises(FileNotFoundError, match="rows_A.npy is not there; .* --subjects 1 --type A makes it"):
        Bold5000(extracted, beta_type="A").responses(1, 1)
    trials = Bold5000(extracted, beta_type="A").trials
    assert trials.loc[trials["exists"], ["subject", "session"]].drop_duplicates().to_numpy().tolist() == [[1, 1]]


@pytest.mark.parametrize("source, n_images", [("coco", 34), ("imagenet", 32), ("scenes", 18)])
def test_a_source_is_the_same_data_with_its_own_pictures_alone(dataset, extracted, source, n_images):
    part = open_dataset(f"bold5000-{source}", extracted)
    whole = dataset.trials[dataset.trials["stim_source"] == source].reset_index(drop=True)
    assert part.name == f"bold5000-{source}" and part.work == dataset.work and part.trials.equals(whole)
    assert part.images.equals(dataset.images[dataset.images["stim_source"] == source])
    assert len(part.images) == len(part.captions) == n_images
    rows = whole.loc[whole["subject"] == 2, "subject_index"]
    assert np.array_equal(part.responses(2, (1, 181)), dataset.responses(2, (1, 181), rows))
    image = int(part.images.index[-1])
    assert np.array_equal(np.asarray(part.image(image)), np.asarray(dataset.image(image)))


def test_a_source_finds_the_features_of_the_whole(dataset, extracted, tmp_path):
    """Rows of feature files are bold_positions of all pictures: the part asks for its own among them."""
    from convergence.alignment.subject_model import check_images, choose_features
    from convergence.features.store import ATTRIBUTES, open_features, write_features

    known = {**dict.fromkeys(ATTRIBUTES, ""), "dataset": "bold5000", "id_name": "bold_position", "model": "m", "dtype": "float32"}
    path = tmp_path / "bold5000/all/m.h5"
    path.parent.mkdir(parents=True)
    write_features(path, range(84), [[np.arange(84, dtype=np.float32)[:, None]]], layer_names=["one"], attributes=known)
    for source in ("coco", "imagenet", "scenes"):
        part = open_dataset(f"bold5000-{source}", extracted)
        found = choose_features(tmp_path, part.name)
        check_images(found, part.name, part.trials["image"])
        with open_features(found["m"], part.name) as file:
            assert file.layer(0, part.images.index).ravel().tolist() == part.images.index.tolist()


def test_an_unknown_source_is_answered_with_the_known(extracted):
    with pytest.raises(ValueError, match="dataset: 'bold5000-cocos' is unknown, did you mean 'bold5000-coco'"):
        open_dataset("bold5000-cocos", extracted)


def test_pictures_are_rgb_and_found_under_other_spellings(with_indexes):
    dataset = open_dataset("bold5000", with_indexes)
    grey = dataset.root / dataset.images["image_path"][dataset.images.index[dataset.images["stim_source"] == "coco"][0]]
    assert Image.open(grey).mode == "L"
    assert {dataset.image(image).mode for image in dataset.images.index} == {"RGB"} and dataset.image(7).size == (64, 64)
    expected = np.asarray(dataset.image(7))
    path = dataset.root / dataset.images["image_path"][7]
    path.rename(path.with_name(path.stem.upper() + ".JPG"))
    (with_indexes / "bold5000_stimuli").rename(with_indexes / "BOLD5000_Stimuli")
    assert np.array_equal(np.asarray(open_dataset("bold5000", with_indexes).image(7)), expected)
    with pytest.raises(ValueError, match="image: 84 is not a bold_position of dataset 'bold5000', which has 84 from 0 to 83"):
        dataset.image(84)


def test_missing_or_damaged_pictures_are_named(with_indexes):
    dataset = open_dataset("bold5000", with_indexes)
    path = dataset.root / dataset.images["image_path"][3]
    path.write_bytes(b"\xff\xd8 no more")
    with pytest.raises(ValueError, match=f"{path.name} cannot be read as a picture"):
        dataset.image(3)
    Image.fromarray(np.full((8, 8), 32896, np.uint16)).save(path, "PNG")
    assert np.asarray(dataset.image(3)).tolist() == np.full((8, 8, 3), 128).tolist()        # 16 bits are divided, not cut
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"{path.name} is not there; unpack the archive of BOLD5000's stimuli"):
        open_dataset("bold5000", with_indexes).image(3)


def test_captions_are_by_picture_not_by_row(dataset, with_indexes):
    assert [caption.split("img")[1] for caption in dataset.captions] == [f"{image}." for image in range(84)]
    path = with_indexes / "preprocessed/captions.csv"
    pd.read_csv(path).iloc[:-2].to_csv(path, index=False)
    with pytest.raises(ValueError, match="captions.csv has no caption for 2 of 84 pictures, such as "):
        open_dataset("bold5000", with_indexes).captions
    pd.DataFrame({"bold_position": range(83, -1, -1), "caption": [f"c{k}" for k in range(83, -1, -1)]}).to_csv(path, index=False)
    assert open_dataset("bold5000", with_indexes).captions.tolist() == [f"c{k}" for k in range(84)]
    pd.DataFrame({"x": [1]}).to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"captions.csv has the columns \['x'\]; expected bold_position or image_name, and "
                       r"caption"):
        open_dataset("bold5000", with_indexes).captions
    path.unlink()
    with pytest.raises(FileNotFoundError, match="captions.csv is not there; it holds a caption for every picture"):
        open_dataset("bold5000", with_indexes).captions


def test_tables_alone_are_enough_for_tables(indexed, tmp_path):
    (tmp_path / "preprocessed").mkdir()
    for name in ("images.csv", "stimulus_index.csv"):
        (tmp_path / "preprocessed" / name).write_bytes((indexed / "preprocessed" / name).read_bytes())
    dataset = open_dataset("bold5000", tmp_path)
    assert len(dataset.trials) == 348 and not dataset.trials["exists"].any() and len(dataset.images) == 84


def test_no_tables_name_the_script(downloaded):
    with pytest.raises(FileNotFoundError, match="stimulus_index.csv is not there; 1_dataset_preparation/2_build_indexes.py "
                       "--dataset bold5000 makes it"):
        open_dataset("bold5000", downloaded).trials


@pytest.mark.parametrize("column, line, value, message", [
    ("repetition", 20, 3, "line 22 says repetition 3, which does not follow from the other columns"),
    ("session", 40, 1, "does not follow"), ("bold_position", 0, 5, "line 2 says bold_position 5, which does not follow from the "
                                            "other columns \\(0 would\\)")])
def test_a_table_that_contradicts_itself_is_refused(with_indexes, column, line, value, message):
    path = with_indexes / "preprocessed/stimulus_index.csv"
    table = pd.read_csv(path)
    table.loc[line, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(ValueError, match=f"stimulus_index.csv: .*{message}"):
        open_dataset("bold5000", with_indexes).trials


def test_tables_of_different_datasets_are_refused(with_indexes):
    path = with_indexes / "preprocessed/images.csv"
    table = pd.read_csv(path)
    table.loc[5, "image_name"] = "n01_1.JPEG"
    table.to_csv(path, index=False)
    with pytest.raises(ValueError, match="stimulus_index.csv and images.csv differ in image_name: they do not belong together; "
                       "delete it and run"):
        open_dataset("bold5000", with_indexes).trials
    table.iloc[1:].to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"images.csv: bold_position must be 0 to 82 in order"):
        open_dataset("bold5000", with_indexes).images
