"""Which caption is whose: by number, by order where a table has none, and what cannot be used, named by row."""

import numpy as np
import pandas
import pytest
from fake_dataset import CAPTIONS, IDS, write_seven_pictures

from convergence.features.texts import prompt_of, read_texts, refuse, unusable


@pytest.fixture
def seven(tmp_path):
    return write_seven_pictures(tmp_path / "seven")


def table(path, captions=CAPTIONS, column="caption", **more):
    frame = pandas.DataFrame({column: captions, **more})
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet"])
@pytest.mark.parametrize("key", ["seven_id", "image"])
def test_rows_are_found_by_image_number(seven, tmp_path, name, key):
    turned = [f"{caption} again" for caption in CAPTIONS[::-1]]
    path = table(tmp_path / name, [*turned, "of another image"], **{key: [*IDS[::-1], 1000]})
    texts = read_texts(seven, path)
    assert texts.index.tolist() == IDS and texts.tolist() == turned[::-1] and unusable(texts, seven) == {}


def test_the_datasets_own_captions(seven):
    texts = read_texts(seven)
    assert texts.index.tolist() == IDS and texts.tolist() == CAPTIONS           # their file has another order


def test_of_several_captions_the_first_counts(seven, tmp_path):
    path = table(tmp_path / "a.csv", [f" first of {image} ; second" for image in IDS], "captions", seven_id=IDS)
    assert read_texts(seven, path).tolist() == [f"first of {image}" for image in IDS]


def test_without_numbers_the_order_counts_and_that_is_said(seven, tmp_path, capsys):
    assert read_texts(seven, table(tmp_path / "a.csv")).tolist() == CAPTIONS
    assert "a.csv does not say whose caption a row is: row k is taken for row k of the images of seven" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"a\.csv has 6 rows and no column seven_id; seven has 7 images: add that column"):
        read_texts(seven, table(tmp_path / "a.csv", CAPTIONS[:6]))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_what_cannot_be_used_is_named_by_row(seven, tmp_path, name):
    captions = ["NA", "", " \t", None, "null", "fine"]                          # two of them are words
    path = table(tmp_path / name, captions, seven_id=IDS[5::-1], status=["ok", "ok", "ok", "ok", "ok", "failed"])
    texts = read_texts(seven, path)
    nothing = "empty" if name == "a.csv" else "NaN"                             # a cell of a .csv file can only be empty
    why = unusable(texts, seven)
    assert why == {9: f"the caption of seven_id 9 (row 5 of {name}) has the status 'failed'",
                   31: f"the caption of seven_id 31 (row 3 of {name}) is {nothing}",
                   14: f"the caption of seven_id 14 (row 2 of {name}) is empty",
                   5: f"the caption of seven_id 5 (row 1 of {name}) is empty", 3: f"seven_id 3 has no row in {name}"}
    with pytest.raises(ValueError, match=r"5 of 7 captions of the dataset 'seven' cannot be used: the caption of seven_id 9 \(row "
                                         rf"5 of {name}\) has the status 'failed'; .*Mend them, or leave those images out "
                                         ".*--skip-bad"):
        refuse(why, 7, seven)
    refuse({}, 7, seven)


def test_not_a_number_in_the_datasets_own_captions(seven):
    captions = pandas.Series([np.nan, *CAPTIONS[1:]], index=IDS)
    dataset = type("Series", (type(seven),), {"captions": captions})(seven.root)
    assert unusable(read_texts(dataset), dataset) == {9: "the caption of seven_id 9 (row 0 of the captions of seven) is NaN"}


def test_long_lists_are_cut(seven):
    with pytest.raises(ValueError, match=r"12 of 12 .*; nine; \.\.\. \(12 in all\)\. Mend"):
        refuse(dict(enumerate("zero one two three four five six seven eight nine ten eleven".split())), 12, seven)


def test_tables_that_are_not_understood(seven, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"--captions: .*no\.csv is not there; give a \.csv, \.tsv or \.parquet table"):
        read_texts(seven, tmp_path / "no.csv")
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(ValueError, match=r"a\.xlsx is neither \.csv, \.tsv nor \.parquet"):
        read_texts(seven, tmp_path / "a.xlsx")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"torn\.parquet cannot be read as a table \(.*write it again"):
        read_texts(seven, tmp_path / "torn.parquet")
    with pytest.raises(ValueError, match=r"a\.csv has the columns \['text', 'seven_id'\]; expected caption, or captions"):
        read_texts(seven, table(tmp_path / "a.csv", column="text", seven_id=IDS))
    with pytest.raises(ValueError, match=r"a\.csv has 1 images twice, such as seven_id 31; keep one row of each"):
        read_texts(seven, table(tmp_path / "a.csv", seven_id=[9, 2, 31, 14, 5, 31, 3]))
    with pytest.raises(ValueError, match=r"a\.csv: row 2 has the seven_id 'x31'; expected a whole number"):
        read_texts(seven, table(tmp_path / "a.csv", seven_id=[9, 2, "x31", 14, 5, 20, 3]))


def test_the_name_of_the_captions():
    names = {"/data/nsd-captions-pixtral.csv": "pixtral", "nsd-captions-coco.csv": "coco", "mine.parquet": "mine"}
    assert {path: prompt_of(path) for path in names} == names
