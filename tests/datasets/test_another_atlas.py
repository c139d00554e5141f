"""An atlas of seven parcels in place of the packaged one: read, or refused by name; stages and maps use it."""

import pickle

import numpy as np
import pandas
import pytest
import seven_parcels
import toy_brains
from matplotlib import pyplot

from convergence.datasets.atlas import atlas_units, hubs_of, labels_of, load_atlas, open_atlas
from convergence.datasets.base import Parcel
from convergence.plotting import derivatives, maps
from convergence.python_files import load_python
from convergence.storage.tables import read_table
from convergence.tasks import run_units


@pytest.fixture
def seven(tmp_path):
    return seven_parcels.write(tmp_path / "atlas")


def rows(**changes):
    """The table with columns replaced: a list, or {row: value}."""
    frame = seven_parcels.table().astype(object)
    for column, values in changes.items():
        if isinstance(values, dict):
            for row, value in values.items():
                frame.loc[row, column] = value
        else:
            frame[column] = values
    return frame


def test_columns_that_the_file_lacks_are_filled_in(seven):
    table = load_atlas(seven)
    assert list(table) == list(load_atlas()) and table["roi"].tolist() == [3, 8, 11, 41, 203, 241, 208]
    back, aside = table.iloc[4], table.iloc[6]
    assert back[["name", "hemisphere", "area", "hub", "mne_name", "full_name", "atlas"]].tolist() == [
        "back", "rh", "Visual", "Seeing", "R_back_ROI-rh", "Right back", "rh.seven"]
    assert table["roi_order"].tolist() == [1, 2, 3, 4, 1, 4, 5] and back["area_id"] == 0 and aside["area_id"] == 1
    assert table["area_color"].nunique() == 2 and table["area_color"].str.fullmatch("#[0-9a-f]{6}").all()
    assert hubs_of(table) == {"Seeing": ["back"], "Planning": ["front", "aside"]}
    assert labels_of(table, ["back", 8]) == [3, 8, 203]
    with pytest.raises(ValueError, match=r"'backk' \(did you mean 'back'\?\); use names such as back or numbers from 3 to 241"):
        labels_of(table, ["backk"])


def test_tabs_and_other_spellings(tmp_path):
    path = tmp_path / "own.tsv"
    lines = ["roi name hemisphere color order notes", "7 NA LEFT #FF0000 9 x", "4 20 R #FF0000 2 ", "5 middle  #FF0000 1 "]
    path.write_text("\n".join(lines).replace(" ", "\t") + "\n", encoding="utf-8-sig")
    table = load_atlas(path)
    assert table[["roi", "name", "hemisphere", "area", "area_color", "roi_order", "hub"]].to_numpy().tolist() == [
        [7, "NA", "lh", "all parcels", "#ff0000", 9, ""], [4, "20", "rh", "all parcels", "#ff0000", 2, ""],
        [5, "middle", "both", "all parcels", "#ff0000", 1, ""]]


@pytest.mark.parametrize("frame, message", [
    (rows(label={5: 3}), r"seven.csv: parcel numbers that stand there twice: 3; every row needs a number of its own"),
    (rows(name={1: "back", 6: "back"}), r"names that stand there twice in a hemisphere: back \(lh\), back \(rh\); parcels"),
    (rows(hemisphere={2: "up", 3: "LHS"}), r"unknown hemisphere 'LHS', 'up' of parcels 11, 41; write lh, rh, or leave it empty"),
    (rows(label={0: 0, 1: "8.5", 2: "x", 3: 70000}), "column roi must hold whole numbers from 1 to 65535; found '0', '8.5', 'x', "
                                                     "'70000'"),
    (rows(name={3: " "}), r"seven.csv: parcels 41 have no name"),
    (rows(color=["#123456"] * 6 + ["red"]), r"colours must be written #rrggbb; found 'red'"),
    (rows(color=["#123456"] * 6 + ["#654321"]), r"region 'Action' has 2 colours; figures show a colour per region"),
    (rows(order=[1, 2, 3, 4, 1, 4, ""]), r"column roi_order must hold whole numbers from 0 to 65535; found ''"),
    (rows(roi=range(7)), r"the columns label and roi mean the same; leave one of them out"),
    (rows().drop(columns="name"), r"columns missing: name; found \['label', 'hemisphere', 'region', 'hub'\], expected roi \(or "
                                  r"label\) and name"),
    (rows().iloc[:0], r"there are no parcels; found \['label', ")])
def test_tables_that_are_no_atlas_are_refused(tmp_path, frame, message):
    with pytest.raises(ValueError, match=message):
        load_atlas(seven_parcels.write(tmp_path, surface=False, frame=frame))


def test_files_that_are_no_table_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="atlas: .*none.csv is not there"):
        load_atlas(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"labels.L.label.gii is no table; give a .csv \(commas\) or a .tsv \(tabs\)"):
        load_atlas(tmp_path / "labels.L.label.gii")
    (tmp_path / "broken.csv").write_bytes(b"roi,name\n1,\xff\xfe\n")
    with pytest.raises(ValueError, match="broken.csv cannot be read as a table"):
        load_atlas(tmp_path / "broken.csv")
    names = [f"p{k}" for k in range(257)]
    many = pandas.DataFrame({"roi": range(1, 258), "name": names, "region": names})
    with pytest.raises(ValueError, match="257 regions, at most 256 can be told apart"):
        load_atlas(seven_parcels.write(tmp_path, surface=False, frame=many))


def test_surface_labels(seven, tmp_path):
    labels = open_atlas(seven).labels
    for side in ("lh", "rh"):
        expected = seven_parcels.vertices(side)
        assert (expected == seven_parcels.OTHER_LABEL).any() == (side == "lh")
        np.testing.assert_array_equal(labels[side], np.where(expected == seven_parcels.OTHER_LABEL, 0, expected))
    assert open_atlas(seven) is open_atlas(str(seven))                      # several maps read its files once
    elsewhere = tmp_path / "elsewhere.gii"
    seven_parcels.write_labels(elsewhere, np.roll(seven_parcels.vertices("lh"), 100))
    moved = open_atlas(seven, left=elsewhere).labels
    assert (moved["lh"] != labels["lh"]).any() and np.array_equal(moved["rh"], labels["rh"])


def test_surface_labels_that_do_not_fit_are_refused(seven):
    left, right = (seven.with_name(f"seven.{letter}.label.gii") for letter in "LR")
    values = seven_parcels.vertices("lh")

    def labels():
        return open_atlas(seven).labels

    seven_parcels.write_labels(left, np.where(np.isin(values, [8, 41]), 0, values))
    with pytest.raises(ValueError, match=r"2 of 7 parcels have no vertex in seven.L.label.gii and seven.R.label.gii: below \(8, "
                                         r"lh\), front \(41, lh\); the values of the GIFTI files must be the numbers in"):
        labels()
    left.write_bytes(right.read_bytes())                                    # the right hemisphere's labels on the left
    with pytest.raises(ValueError, match="4 of 7 parcels have no vertex"):
        labels()
    seven_parcels.write_labels(left, values[:10242])
    with pytest.raises(ValueError, match="seven.L.label.gii has 10,242 vertices, expected 32,492 of the fsLR 32k mesh; resample"):
        labels()
    left.write_text("no GIFTI")
    with pytest.raises(ValueError, match="seven.L.label.gii is not a readable GIFTI file"):
        labels()
    left.unlink()
    with pytest.raises(FileNotFoundError, match="seven.csv has no labels on the surface, .*: .*seven.L.label.gii is not there"):
        labels()


def test_a_choice_of_packaged_parcels_has_the_packaged_labels(tmp_path):
    chosen = load_atlas().query("hub == 'LOTC'")
    chosen.to_csv(tmp_path / "lotc.csv", index=False)
    labels, ours = open_atlas(tmp_path / "lotc.csv").labels, open_atlas().labels
    for side in ("lh", "rh"):
        np.testing.assert_array_equal(labels[side], np.where(np.isin(ours[side], chosen["roi"]), ours[side], 0))
    chosen.assign(roi=chosen["roi"] + 1).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(FileNotFoundError, match="other.csv has no labels on the surface"):
        open_atlas(tmp_path / "other.csv").labels


def test_a_dataset_takes_another_atlas_and_travels_with_it(seven, tmp_path, monkeypatch):
    toy = toy_brains.write(tmp_path / "toy")
    assert toy.use_atlas(None) is toy and len(toy.parcels()) == 5 and toy.atlas_files() == ()
    monkeypatch.chdir(seven.parent)
    assert toy.use_atlas("seven.csv") is toy
    monkeypatch.chdir(tmp_path)                                             # a worker runs elsewhere
    there = pickle.loads(pickle.dumps(toy))
    assert there.parcels("joined") == [Parcel(roi, name, labels) for (roi, labels), name in zip(
        seven_parcels.JOINED.items(), ("back", "below", "above", "front", "aside"))]
    assert [parcel.roi for parcel in there.parcels("separated")] == [3, 8, 11, 41, 203, 241, 208]
    assert there.response_files(5) == (toy.root / "responses-05.npz", seven)        # results depend on both
    assert there.use_atlas(seven).response_files(5) == (toy.root / "responses-05.npz", seven)
    assert there.atlas_files() == (seven,) and len(toy_brains.Toy(toy.root).parcels()) == 5     # other datasets keep theirs
    with pytest.raises(FileNotFoundError, match="none.csv is not there"):
        toy.use_atlas("none.csv")


@pytest.fixture
def call(checkout, tmp_path, seven):
    """call(script, *options): exit status of a script of stage 3 on the toy dataset with the atlas of seven parcels."""
    toy_brains.register()
    toy_brains.write(tmp_path / "toy")
    where = ["--root", str(tmp_path / "toy"), "--derivatives", str(tmp_path / "derivatives"), "--device", "cpu"]

    def run(script, *options):
        module = load_python(checkout / "3_alignment" / script)
        return module.main(["--dataset", "toy", "--atlas", str(seven), *where, *options])
    return run


def test_alignment_and_a_map_of_seven_parcels(call, tmp_path, seven, capsys):
    features = ["--features", str(tmp_path / "toy" / "features")]
    assert call("1_compute_rdms.py") == 0 and call("2_subject_subject.py") == 0 and call("3_subject_model.py", *features) == 0
    folder = tmp_path / "derivatives"
    run_units(atlas_units(folder, seven), title="atlas")
    pairs = read_table(folder / "toy" / "rsa_subject_subject_alignment_shift_1_joined.parquet")
    models = read_table(folder / "toy" / "rsa_subject_model_alignment_joined.parquet")
    assert set(pairs["roi_x"]) == set(models["roi"]) == set(seven_parcels.JOINED)
    empty = models.loc[models["similarity"].isna(), ["roi", "subject"]].drop_duplicates()
    assert (11 in set(empty["roi"])) and {(8, 5)} <= set(empty.itertuples(index=False, name=None))        # parcels without voxels
    values = pairs[(pairs["roi_x"] == pairs["roi_y"]) & (pairs["subject_i"] == 2)].groupby("roi_x")["similarity"].mean()
    data = derivatives.read(folder, atlas="metadata/hcp.csv")
    joined = derivatives.joined_atlas(data.atlas)
    assert derivatives.hub_panels(joined) == {"Seeing": {3: "back"}, "Planning": {41: "front", 208: "aside"}}
    figure = maps.cortex(values, label="inter-subject RSA (r)", atlas=folder / "metadata" / "hcp.csv")
    figure.savefig(tmp_path / "map.png", dpi=60)
    pyplot.close(figure)
    capsys.readouterr()
    seven_parcels.write(seven.parent, frame=rows(name={4: "rear"}))         # 203 is no longer joined with 3
    assert call("1_compute_rdms.py") == 0 and "seven.csv" in capsys.readouterr().out


def test_an_atlas_without_a_surface_has_no_maps_but_all_else(tmp_path):
    file = seven_parcels.write(tmp_path, surface=False)
    assert len(load_atlas(file)) == 7 and len(atlas_units(tmp_path / "derivatives", file)) == 1
    message = "seven.csv has no labels on the surface, which maps need: .*seven.L.label.gii and .*seven.R.label.gii are not there"
    with pytest.raises(FileNotFoundError, match=message):
        maps.cortex(pandas.Series({3: 0.5}), label="r", atlas=file)
