"""COCO captions: one row per picture, in NSD's order, whatever the order and the punctuation of the annotation files."""

import json

import pandas as pd
import pytest

from convergence.datasets.annotations import caption_files, caption_table, first_caption
from convergence.storage.outputs import Record, save

IMAGES = pd.DataFrame({"nsd_id": [2, 0, 1, 3], "coco_id": [9, 70, 8, 5],
                       "coco_split": ["train2017", "val2017", "train2017", "train2017"]})


def write(folder, **captions):
    """captions_<split>.json with (image_id, caption) pairs in the given order."""
    for split, pairs in captions.items():
        content = {"annotations": [{"image_id": i, "id": k, "caption": text} for k, (i, text) in enumerate(pairs)]}
        (folder / f"captions_{split}.json").write_text(json.dumps(content))
    return caption_files(folder)


def complete(folder):
    return write(folder, val2017=[(70, "a; b"), (1, "not in NSD"), (70, "c")],
                 train2017=[(5, "NA"), (8, "x\r\ny\rz"), (9, "second is first here"), (8, " zürich \"quoted\" "),
                            (9, "the other"), (70, "a namesake of the other split")])


def test_rows_are_in_the_order_of_nsd_and_separators_are_kept_apart(tmp_path):
    table = caption_table(IMAGES, complete(tmp_path))
    assert list(table) == ["nsd_id", "coco_id", "cocoSplit", "captions"]
    assert table["nsd_id"].tolist() == [0, 1, 2, 3] and table["coco_id"].tolist() == [70, 8, 9, 5]
    assert table["captions"].tolist() == ["a, b;c", "x\r\ny\nz; zürich \"quoted\" ", "second is first here;the other", "NA"]


def test_the_table_survives_its_file(tmp_path):
    table = caption_table(IMAGES, complete(tmp_path))
    path = save(table, tmp_path / "captions.csv", Record("test"))
    pd.testing.assert_frame_equal(pd.read_csv(path, keep_default_na=False), table)


def test_the_first_caption_ends_at_the_first_separator():
    assert first_caption(" a, b\n;c;d") == "a, b"


def test_a_folder_without_captions_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no captions_\*.json; expected COCO's captions_train2017.json .* give "
                                                r"their folder with --coco"):
        caption_files(tmp_path)


def test_a_missing_split_is_named(tmp_path):
    found = write(tmp_path, train2017=[(9, "a"), (8, "b"), (5, "c")])
    with pytest.raises(ValueError, match=r"no captions for the COCO splits \['val2017'\]; expected the files "
                                         r"captions_val2017.json beside captions_train2017.json"):
        caption_table(IMAGES, found)


def test_pictures_without_caption_are_named(tmp_path):
    found = write(tmp_path, train2017=[(9, "a"), (5, "c")], val2017=[(8, "of the other split")])
    with pytest.raises(ValueError, match=r"2 of 4 pictures have no caption in captions_train2017.json, captions_val2017.json, "
                                         r"such as the COCO ids \[70, 8\]"):
        caption_table(IMAGES, found)


@pytest.mark.parametrize("content, kind", [("{\"annotations\": [{\"image_id\": 9", "JSONDecodeError"),
                                           ("{\"info\": {}}", "KeyError"),
                                           ("{\"annotations\": [{\"image_id\": 9, \"bbox\": []}]}", "KeyError")])
def test_a_file_that_is_not_coco_is_named(tmp_path, content, kind):
    (tmp_path / "captions_train2017.json").write_text(content)
    with pytest.raises(ValueError, match=rf"captions_train2017.json is not a COCO caption file \({kind}"):
        caption_table(IMAGES[IMAGES["coco_split"] == "train2017"], caption_files(tmp_path))
