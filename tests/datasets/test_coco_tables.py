"""Objects, persons and content from COCO's files: order, crops, crowds, pictures without rows, zips."""

import zipfile

import numpy as np
import pandas as pd
import pytest
import tiny_coco
from tiny_coco import IMAGES, instance

from convergence.datasets.annotations import (annotation_files, body_parts, caption_table, category_counts, content_labels,
                                              content_table, files_on_disk, object_table, person_table, supercategory_counts)
from convergence.datasets.annotations.crop import read_crop, visible_fraction
from convergence.storage.outputs import Record, save


@pytest.fixture
def folder(tmp_path):
    return tiny_coco.write(tmp_path / "annotations")


def objects_of(folder):
    return object_table(IMAGES, annotation_files(folder, "instances"))


def persons_of(folder, **options):
    return person_table(IMAGES, annotation_files(folder, "person_keypoints"), **options)


def test_objects_are_sorted_and_complete(folder):
    table = objects_of(folder)
    assert table["nsd_id"].tolist() == [0, 0, 0, 1, 1, 1, 1, 2]
    assert table["annotation_id"].tolist() == [29, 30, 31, 11, 12, 13, 900, 901]
    assert table["coco_id"].tolist() == [532481] * 3 + [100] * 4 + [77]
    assert table["category"].tolist() == ["car", "book", "book", "person", "dog", "person", "person", "person"]
    assert table["supercategory"].tolist()[:5] == ["vehicle", "indoor", "indoor", "person", "animal"]
    assert table["iscrowd"].tolist() == [0] * 6 + [1, 1]
    assert table.loc[4, "bbox"] == "(25, 0, 50.5, 20)" and table.loc[4, "area"] == 707 == int(50.5 * 20 * 0.7)


def test_what_the_crop_leaves_of_a_box(folder):
    # Picture 0 is 200 x 100 and keeps columns 50 to 150; 1 is 100 x 50 and keeps 0 to 50; 2 is 60 x 80 and keeps rows 10 to 70.
    assert objects_of(folder)["visible_fraction"].tolist() == [0, 0.5, 0, 0, round(25 / 50.5, 4), 1, 1, 0.75]
    assert persons_of(folder)["visible_fraction"].tolist() == [0, 1, 1, 0.75]


@pytest.mark.parametrize("box, crop, expected", [
    ([0, 0, 100, 100], (0.25, 0.25, 0, 0), 0.5), ([0, 0, 100, 100], (0.5, 0.25, 0, 0), 0.25),
    ([0, 0, 100, 10], (0.5, 0, 0, 0), 0),
    ([90, 0, 20, 10], (0, 0, 0, 0), 1), ([90, 0, 20, 10], (0, 0, 0.05, 0.05), 0.5), ([10, 20, 0, 0], (0, 0, 0.05, 0), 1),
    ([10, 20, 0, 5], (0, 0, 0.2, 0), 0), ([0, 0, 40, 40], (0.1, 0, 0.25, 0), 0.75 * 0.375)])
def test_visible_fraction_by_hand(box, crop, expected):
    assert visible_fraction(box, 100, 100, crop) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "(0, 0, 0.1)", "(0, 0, 0.6, 0.6)", "(0, 0, -0.1, 0)", "nan", "(0, 0, 'a', 0)", "(((("])
def test_a_crop_that_is_none_is_quoted(text):
    with pytest.raises(ValueError, match="cropBox is .*; expected four fractions cut away from top, bottom, left and right"):
        read_crop(text)


def test_persons_keep_rows_without_keypoints_in_both_splits(folder):
    table = persons_of(folder)
    assert table["annotation_id"].tolist() == [11, 13, 900, 901] and table["num_keypoints"].tolist() == [0, 2, 0, 0]
    assert table["person_image_id"].tolist() == [1, 2, 0, 0]            # in the order of the file, where the crowd comes first
    assert list(table) == ["nsd_id", "coco_id", "coco_split", "person_image_id", "num_keypoints", "area", "nose", "left_eye",
                           "right_ankle", "bbox", "iscrowd", "annotation_id", "visible_fraction"]
    row = table.iloc[1]
    assert (row["nose"], row["left_eye"], row["right_ankle"], row["bbox"]) == ("[15, 6]", None, "[12, 14]", "[10, 5, 10, 10]")
    outlines = persons_of(folder, segmentation=True)["segmentation"].tolist()
    assert outlines[0] == "[[1.5, 2, 3, 4]]" and outlines[2] == '{"counts": [3, 4], "size": [1, 7]}'


def test_counts_per_picture_are_zero_where_nothing_is(folder):
    table = objects_of(folder)
    counts = category_counts(table, 4)
    assert list(counts) == ["person", "car", "dog", "book"] and counts.index.tolist() == [0, 1, 2, 3]
    assert counts.index.name == "nsd_id"
    assert counts.to_numpy().tolist() == [[0, 1, 0, 2], [2, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert category_counts(table, 4, crowds=True)["person"].tolist() == [0, 3, 1, 0]
    assert category_counts(table, 4, min_visible=0.5).to_numpy().tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0] * 4, [0] * 4]
    coarse = supercategory_counts(table, 6)
    assert list(coarse) == ["person", "vehicle", "animal", "indoor"] and coarse.shape == (6, 4)
    assert coarse.loc[4:].to_numpy().sum() == 0
    parts = body_parts(persons_of(folder), 4)
    assert parts.to_numpy().tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0]] and list(parts) == tiny_coco.PARTS
    with pytest.raises(ValueError, match=r"n_images: 2 pictures have the numbers 0 to 1, the table .* has also \[2\]"):
        category_counts(table, 2)


def test_content_has_a_row_for_every_picture(folder):
    content = content_table(objects_of(folder), persons_of(folder), 5)
    assert content["nsd_id"].tolist() == [0, 1, 2, 3, 4]
    assert content["n_objects"].tolist() == [3, 3, 0, 0, 0] and content["n_crowd"].tolist() == [0, 1, 1, 0, 0]
    assert content["n_person"].tolist() == [0, 2, 0, 0, 0] and content["n_animal"].tolist() == [0, 1, 0, 0, 0]
    assert content["is_person"].tolist() == [False, True, False, False, False]
    assert content_labels(content).tolist() == ["inanimate", "animate", "animate", "", ""]       # a crowd of persons is animate
    with pytest.raises(ValueError, match="min_visible: 50 is not a fraction; expected 0"):
        content_table(objects_of(folder), persons_of(folder), 5, min_visible=50)


def test_content_after_cropping(folder):
    content = content_table(objects_of(folder), persons_of(folder), 4, min_visible=0.6)
    assert content["n_objects"].tolist() == [0, 1, 0, 0] and content_labels(content).tolist() == ["", "animate", "animate", ""]


def test_tables_survive_their_files(folder, tmp_path):
    for name, table in (("objects", objects_of(folder)), ("persons", persons_of(folder))):
        again = pd.read_csv(save(table, tmp_path / f"{name}.csv", Record("test")))
        pd.testing.assert_frame_equal(again.astype(object).fillna(""), table.astype(object).fillna(""), check_dtype=False)
    assert body_parts(again, 4).equals(body_parts(table, 4))


def test_a_zip_is_read_as_the_folder_is(folder, tmp_path):
    archive = tmp_path / "elsewhere" / "annotations_trainval2017.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in folder.iterdir():
            opened.write(file, f"annotations/{file.name}")
    for place in (archive, archive.parent):
        files = annotation_files(place, "instances")
        assert [path.name for path in files] == ["instances_train2017.json", "instances_val2017.json"]
        assert files_on_disk(files) == (archive,)
        pd.testing.assert_frame_equal(objects_of(place), objects_of(folder))
        pd.testing.assert_frame_equal(persons_of(place), persons_of(folder))
        pd.testing.assert_frame_equal(*(caption_table(IMAGES, annotation_files(p, "captions")) for p in (place, folder)))


def changed(rows, number, **values):
    return [{**row, **values} if row["id"] == number else row for row in rows]


@pytest.mark.parametrize("kind, number, values, message", [
    ("instances", 12, {"category_id": 19}, r"annotation 12 has category 19"),
    ("instances", 12, {"bbox": [1, 2, 3]}, r"bbox is \[1, 2, 3\], expected 4 numbers"),
    ("instances", 12, {"bbox": [1, 2, 3, float("nan")]}, r"bbox is \[1, 2, 3, nan\], expected 4 numbers"),
    ("instances", 12, {"area": -3}, "annotation 12 has iscrowd 0, area -3"),
    ("instances", 12, {"iscrowd": 7}, "iscrowd 7"),
    ("instances", 12, {"id": "x"}, "id is 'x', expected a whole number from 0"),
    ("person_keypoints", 13, {"num_keypoints": 3}, "annotation 13 marks 2 keypoints and says num_keypoints 3"),
    ("person_keypoints", 13, {"keypoints": [1, 2]}, r"keypoints is \[1, 2\], expected 9 numbers")])
def test_a_wrong_annotation_is_named_with_its_file(tmp_path, kind, number, values, message):
    rows = {"instances": tiny_coco.instances, "person_keypoints": tiny_coco.persons}[kind]()
    folder = tiny_coco.write(tmp_path / "a", **{kind: changed(rows, number, **values)})
    with pytest.raises(ValueError, match=rf"{kind}_val2017.json is not a COCO (instance|keypoint) file \(ValueError: "
                                         rf".*{message}.*; download annotations_trainval2017.zip again"):
        (objects_of if kind == "instances" else persons_of)(folder)


def test_files_that_do_not_belong_together_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"no instances for the COCO splits \['val2017'\]; expected the files "
                                         "instances_val2017.json beside"):
        object_table(IMAGES, annotation_files(folder, "instances")[:1])
    twice = tiny_coco.write(tmp_path / "b", instances=[*tiny_coco.instances(), instance(31, 9, 18, [0, 0, 1, 1])])
    with pytest.raises(ValueError, match=r"1 COCO annotations occur twice, such as \[31\]"):
        objects_of(twice)
    other = pd.DataFrame({"nsd_id": [4], "coco_id": [55], "coco_split": ["val2017"], "crop_box": ["(0, 0, 0, 0)"]})
    more = pd.concat([IMAGES, other])
    with pytest.raises(ValueError, match=r"it does not list 1 of 3 pictures, such as the COCO ids \[55\]"):
        object_table(more, annotation_files(folder, "instances"))
    text = (folder / "instances_val2017.json").read_text()
    (folder / "instances_val2017.json").write_text(text.replace('"image_id": 100', '"image_id": 101', 1))
    with pytest.raises(ValueError, match=r"annotations of pictures that it does not list: \[101\]"):
        objects_of(folder)


def test_a_folder_without_instances_says_what_is_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no instances_\*.json; expected COCO's instances_train2017.json"):
        annotation_files(tmp_path, "instances")


def test_half_a_zip_says_how_to_go_on(tmp_path):
    (tmp_path / "annotations_trainval2017.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(ValueError, match="is not a readable zip .*--download, which goes on where it stopped"):
        annotation_files(tmp_path, "instances")


def test_counts_ignore_the_order_of_rows(folder):
    table = objects_of(folder)
    shuffled = table.iloc[np.random.default_rng(0).permutation(len(table))]
    pd.testing.assert_frame_equal(category_counts(shuffled, 4), category_counts(table, 4))
