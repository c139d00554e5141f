"""The index tables of THINGS-fMRI: categories, pictures, trials; and what is refused."""

import shutil

import numpy as np
import pandas as pd
import pytest

from convergence import open_dataset
from convergence.datasets.things import files, index
from convergence.datasets.things.preparation import index_units
from convergence.tasks import run_units

SUBJECTS = [1, 2, 3]


def stimuli(root, subject):
    return pd.read_csv(root / f"betas_csv/betas_csv/sub-{subject:02d}_StimulusMetadata.csv")


def image_path(root, name):
    return next((root / files.PICTURES).glob(f"*/*/{name}.jpg"))


def shift_names(table, n=1):
    """Every trial gets the stimulus of the trial n before."""
    table["stimulus"] = np.roll(table["stimulus"], n)


def test_images_are_all_pictures_in_code_point_order(things_indexed):
    images = pd.read_csv(things_indexed / files.IMAGES)
    assert list(images) == ["things_id", "image_name", "category", "category_id", "image_category_index", "image_path"]
    names = sorted(path.name for path in (things_indexed / files.PICTURES).glob("*/*/*.jpg"))
    assert [f"{name}.jpg" for name in images["image_name"]] == names and len(names) == 150
    assert images["things_id"].tolist() == list(range(150))
    first = images.iloc[0]
    columns = ["image_name", "category", "category_id", "image_category_index"]
    assert first[columns].tolist() == ["aardvark_01b", "aardvark", 0, 1]
    assert first["image_path"] == "stimuli/THINGS/Images/object_images_A-C/aardvark/aardvark_01b.jpg"
    concepts = (things_indexed / files.CONCEPTS).read_text().split()
    assert [concepts[k] for k in images["category_id"]] == images["category"].tolist()
    for _, own in images.groupby("category"):
        assert own["image_category_index"].tolist() == list(range(1, len(own) + 1))
    # "t-shirt_01b.jpg" stands before "tea_01b.jpg" and "bat1_..." before "bat2_...": bytes, not a dictionary's order
    assert images["image_name"].is_monotonic_increasing and names.index("t-shirt_01b.jpg") < names.index("tea_01b.jpg")


def test_categories_have_27_columns_and_sorted_tags(things_indexed):
    table = pd.read_csv(things_indexed / files.CATEGORIES, keep_default_na=False).set_index("category_name")
    assert table["category_id"].tolist() == list(range(36)) and table.shape == (36, 1 + 27 + 1)
    assert table.loc["apple", "tags"] == "food;fruit" and table.loc["puddle", "tags"] == ""
    assert (table.loc["apple", "food"], table.loc["apple", "fruit"], table.loc["apple", "drink"]) == (1, 1, 0)
    for name, tags in table["tags"].items():
        labels = tags.split(";") if tags else []
        assert labels == sorted(set(labels)), name                                  # once each, though the file repeats some
        assert sorted(table.columns[1:-1][table.loc[name].iloc[1:-1].astype(int) == 1]) == labels


def test_tags_are_sorted_whatever_the_order_in_the_file(root):
    path = files.higher_file(root, files.TAGS)
    lines = path.read_text().split("\n")
    lines[2] = "fruit\tfood\tfruit\t"
    path.write_text("\n".join(lines))
    assert index.category_table(root=root)["tags"][2] == "food;fruit"


def test_the_index_says_of_every_trial_what_the_tables_say(things_indexed):
    table = pd.read_parquet(things_indexed / files.INDEX)
    assert {name: str(dtype) for name, dtype in table.dtypes.items() if name not in ("image_name", "category", "trial_type")} == {
        "subject_id": "uint8", "session": "uint8", "run": "uint8", "things_id": "uint16", "subject_index": "uint16",
        "session_index": "uint16", "run_index": "uint16", "repetition": "uint8", "category_id": "uint16",
        "image_category_index": "uint8"}
    images = pd.read_csv(things_indexed / files.IMAGES)
    for subject in SUBJECTS:
        own, source = table[table["subject_id"] == subject].reset_index(drop=True), stimuli(things_indexed, subject)
        assert own["subject_index"].tolist() == source["trial_id"].tolist() == list(range(150))
        assert [f"{name}.jpg" for name in own["image_name"]] == source["stimulus"].tolist()
        for column in ("session", "run", "trial_type"):
            assert own[column].tolist() == source[column].tolist()
        assert own["category"].tolist() == source["concept"].tolist()
        assert images["image_name"].to_numpy()[own["things_id"]].tolist() == own["image_name"].tolist()
        shown = source["stimulus"].tolist()
        assert own["repetition"].tolist() == [shown[:trial + 1].count(name) for trial, name in enumerate(shown)]
        assert sorted(own["repetition"].unique()) == [1, 2, 3]
        assert own["session_index"].tolist() == list(range(50)) * 3
    pd.testing.assert_frame_equal(pd.read_csv(things_indexed / files.INDEX_CSV), table, check_dtype=False)


def test_run_index_begins_anew_in_every_run_of_every_session(things_indexed):
    table = pd.read_parquet(things_indexed / files.INDEX)
    assert table["run_index"].tolist() == list(range(25)) * (3 * 2 * 3)
    assert table.loc[table["session"] > 1, "run_index"].min() == 0                  # as published it counts on: 25, 26, ...


@pytest.mark.parametrize("folder", ["betas_csv", "betas_csv/betas_csv"])
def test_one_and_two_levels_of_betas_csv(things_downloaded, things_indexed, tmp_path, folder):
    root = tmp_path / "things"
    shutil.copytree(things_downloaded / "stimuli", root / "stimuli")
    shutil.copytree(things_downloaded / "betas_csv/betas_csv", root / folder)
    run_units(index_units(open_dataset("things", root), tmp_path / "derivatives"), title="indexes")
    assert files.subjects_on_disk(root) == SUBJECTS
    assert (root / files.INDEX_CSV).read_bytes() == (things_indexed / files.INDEX_CSV).read_bytes()


def test_what_is_done_is_skipped(things_indexed, capsys):
    run_units(index_units(open_dataset("things", things_indexed), things_indexed.parent / "derivatives"), title="indexes")
    assert "indexes: 5 of 5 done before" in capsys.readouterr().out


def test_subject_ids_may_have_the_prefix_of_their_files(root, edit):
    edit(root, "StimulusMetadata.csv", lambda table: table.assign(subject_id="sub-02"), subject=2)
    assert len(index.read_stimuli(root, 2)) == 150


def test_homonyms_may_come_without_their_number(root, edit):
    edit(root, "StimulusMetadata.csv", lambda table: table.assign(concept=table["concept"].str.rstrip("12")))
    assert len(index.stimulus_table([1], root=root)) == 150


def repeat_first(table):
    table.loc[table["stimulus"] == table["stimulus"][0], "stimulus"] = table["stimulus"][1]


@pytest.mark.parametrize("change, message", [
    (lambda t: t.iloc[:-1], "sub-01_StimulusMetadata.csv: runs have 25 trials, but run 2 of session 3 has 24; download"),
    (lambda t: t.drop(index=7), r"trial_id must be 0 to 148 in order, row 8 says 8; download"),
    (lambda t: t.iloc[::-1], "trial_id must be 0 to 149 in order, row 1 says 149"),
    (lambda t: t.assign(subject_id="3"), r"subject_id must be 1, found \[3\]"),
    (lambda t: t.assign(trial_type=t["trial_type"].replace("test", "catch")), r"trial_type must be train or test, found "
                                                                              r"\['catch'\]"),
    (lambda t: t.assign(session=t["session"].where(t.index != 60, "1")), "sessions and runs count from 1 and never go back; row "
                                                                         "61 is "
                                                                         "session 1, run 1"),
    (lambda t: t.assign(session=(t["session"].astype(int) - 1).astype(str)), "never go back; row 1 is session 0, run 1"),
    (lambda t: t.assign(run=t["run"].where(t.index != 24, "2")), "runs have 25 trials, but run 1 of session 1 has 24"),
    (lambda t: t.assign(run=t["run"].where(t.index != 24, "1.5")), "column run must hold whole numbers .* row 25 says '1.5'"),
    (lambda t: t.drop(columns="concept"), r"the columns \['concept'\] are missing, found are \['trial_type', 'session'"),
    (lambda t: t.assign(stimulus=t["stimulus"].str.removesuffix(".jpg")), "stimulus must name a picture, such as dog_12s.jpg; "
                                                                          "row 1 "
                                                                          "says"),
    (lambda t: t.iloc[:0], "sub-01_StimulusMetadata.csv has no rows"),
    (lambda t: t.assign(stimulus=t["stimulus"].where(t.index != 3, "dog_99s.jpg")), r"1 pictures that were shown are not on the "
                                                                                    r"disk, "
                                                                                    r"such as dog_99s.jpg \(row 4\)"),
    (shift_names, "in 1.. rows the concept is not that of the picture, first row 1: "),
    (lambda t: t.assign(trial_type="train"), "train pictures are shown once, but .*.jpg 3 times"),
    (lambda t: t.assign(trial_type=t["trial_type"].where(t.index != t.index[t["trial_type"] == "test"][0], "train")),
     r"test pictures are shown equally often, but .*.jpg 2 times|are both train and test pictures"),
])
def test_a_table_of_trials_that_is_wrong_is_refused(root, edit, change, message):
    edit(root, "StimulusMetadata.csv", change)
    with pytest.raises(ValueError, match=message):
        index.stimulus_table([1], root=root)


def test_a_subject_who_saw_other_pictures_is_refused(root, edit):
    def other(table):
        unshown = next(path.stem for path in sorted((root / files.PICTURES).glob("*/*/*.jpg"))
                       if f"{path.stem}.jpg" not in set(table["stimulus"]))
        row = table.index[table["trial_type"] == "train"][4]
        table.loc[row, ["stimulus", "concept"]] = f"{unshown}.jpg", image_path(root, unshown).parent.name
    edit(root, "StimulusMetadata.csv", other, subject=3)
    assert len(index.stimulus_table([3], root=root)) == 150
    with pytest.raises(ValueError, match="sub-03_StimulusMetadata.csv: subject 3 did not see the pictures of subject 1: 2 "
                                         "differ, such as"):
        index.stimulus_table(SUBJECTS, root=root)


def test_a_shown_picture_that_is_missing_is_refused(root):
    name = stimuli(root, 1)["stimulus"][9]
    image_path(root, name.removesuffix(".jpg")).unlink()
    with pytest.raises(ValueError, match=f"1 pictures that were shown are not on the disk, such as {name}"):
        index.stimulus_table([1], root=root)


def test_pictures_and_categories_must_belong_together(root, tmp_path):
    shutil.rmtree(image_path(root, "zebra_01b").parent)
    with pytest.raises(ValueError, match=r"0 folders are no categories of .* \[\], and 1 of its 36 categories have no pictures "
                                         r"\['zebra'\]; download the pictures"):
        index.image_table(root=root)
    concepts = root / files.CONCEPTS
    concepts.write_text(concepts.read_text().replace("zebra\n", "").replace("drum", "drums"))
    with pytest.raises(ValueError, match=r"1 folders are no categories of .*unique_id.csv \['drum'\], and 1 of its 35"):
        index.image_table(root=root)
    concepts.write_text(concepts.read_text().replace("drums", "dog"))
    with pytest.raises(ValueError, match=r"unique_id.csv: expected one category a line, each once; found \['dog'\] empty or "
                                         r"more than once"):
        index.image_table(root=root)
    with pytest.raises(FileNotFoundError, match="has no pictures such as object_images_A-C/aardvark/aardvark_01b.jpg"):
        index.image_table(root=tmp_path)


def test_one_file_name_in_two_folders_is_refused(root):
    path = image_path(root, "dog_01b")
    shutil.copy(path, image_path(root, "kite_01b").parent)
    with pytest.raises(ValueError, match=r"\['dog_01b'\] lie in several folders; keep one of each"):
        index.image_table(root=root)


def test_hidden_files_are_no_pictures(root):
    path = image_path(root, "dog_01b")
    path.with_name("._dog_01b.jpg").write_bytes(b"what macOS leaves in archives")
    assert len(index.image_table(root=root)) == 150


@pytest.mark.parametrize("part", [files.MEMBERSHIP, files.TAGS])
def test_categories_of_another_number_are_refused(root, part):
    path = files.higher_file(root, part)
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(ValueError, match=f"{part} has 35 categories, {files.CONCEPTS} 36; they do not belong together"):
        index.category_table(root=root)


def test_membership_is_0_or_1(root):
    path = files.higher_file(root, files.MEMBERSHIP)
    path.write_text(path.read_text().replace("\n1\t", "\n2\t", 1))
    with pytest.raises(ValueError, match="category_mat_manual.tsv: column animal must hold whole numbers from 0 to 1; row 1 "
                                         "says '2'"):
        index.category_table(root=root)


def test_no_download_is_answered_with_the_check(tmp_path):
    with pytest.raises(FileNotFoundError, match="sub-01_StimulusMetadata.csv is not there; "
                                                "1_dataset_preparation/1_check_dataset.py "
                                                "--dataset things lists what is missing"):
        index_units(open_dataset("things", tmp_path), tmp_path / "derivatives")


def test_numbers_that_do_not_fit_their_type_are_refused():
    table = pd.DataFrame({column: [300 if column == "image_category_index" else 1] for column in index.COLUMNS})
    with pytest.raises(ValueError, match="the stimulus index: image_category_index goes up to 300, its type uint8 to 255"):
        index._as_types(table)
