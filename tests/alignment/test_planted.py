"""On the miniature NSD: what was planted on one side is found there, and the contrast of animate images where it was planted; what
shared moments do to null parcels, and each cure.
"""

import numpy as np
import pandas
import pytest

from convergence.alignment.choice import check_stores
from convergence.alignment.controls import read_controls
from convergence.alignment.partitions import partition_images
from convergence.alignment.subject_subject import pair_similarity, table_path
from convergence.datasets import open_dataset
from convergence.datasets.atlas import load_atlas
from convergence.datasets.miniature import read_truth
from convergence.storage.tables import read_table


def test_one_sided_parcels_appear_in_their_hemisphere_only(prepared):
    table = read_table(table_path(prepared.derivatives, "nsd", shift=1, hemispheres="separated"))
    between = table[(table["roi_x"] == table["roi_y"]) & (table["subject_i"] != table["subject_j"])]
    r, atlas = between.groupby("roi_x")["similarity"].mean(), load_atlas()
    rois = read_truth(prepared.root)["rois"]
    planted = {name: roi for name, roi in rois.items() if roi["cluster"] in ("left_only", "right_only")}
    assert len(planted) >= 2 and len({roi["hemisphere"] for roi in planted.values()}) == 2
    for name, roi in planted.items():
        side = {"lh": "left", "rh": "right"}
        found = {side[row.hemisphere]: r[row.roi] for row in atlas[atlas["name"] == name].itertuples()}
        other = "right" if roi["hemisphere"] == "left" else "left"
        assert found[roi["hemisphere"]] > 0.1 and abs(found[other]) < 0.05


@pytest.fixture(scope="module")
def contrast(prepared):
    """Parcels with a planted signal in both hemispheres: cluster, mean r among animate and among inanimate images at shift 1."""
    dataset, parts = open_dataset("nsd", prepared.root), ("animate", "inanimate")
    truth = pandas.DataFrame.from_dict(read_truth(prepared.root)["rois"], orient="index")
    truth = truth[(truth["snr"] > 0) & (truth["hemisphere"] == "both")]
    parcels = [parcel for parcel in dataset.parcels() if parcel.name in truth.index]
    stores, images = check_stores(prepared.derivatives, "nsd", [1, 2, 3, 4], "joined", parcels), partition_images(dataset, parts)
    table = pandas.concat([pair_similarity(
        subject_i=i, subject_j=j, shift=1, form="diagonal", hemispheres="joined", rois=[parcel.roi for parcel in parcels],
        store_i=stores[i], store_j=stores[j], device="cpu", partitions=parts, images=images)
        for i in stores for j in stores if i != j])
    r = table.groupby(["roi", "subset"], observed=True)["similarity"].mean().unstack()
    return r.rename(index={parcel.roi: parcel.name for parcel in parcels}).join(truth[["cluster"]])


def test_pictures_without_person_and_animal_are_known_as_inanimate(prepared):
    dataset, truth = open_dataset("nsd", prepared.root), read_truth(prepared.root)["images"]
    found = partition_images(dataset, ["animate", "inanimate"])
    assert found["inanimate"].tolist() == truth["inanimate"] and len(set(truth["inanimate"]) & set(truth["shared"])) >= 8
    assert found["animate"].tolist() == np.flatnonzero(np.add(truth["n_persons"], truth["n_animals"])).tolist()


def test_the_animate_contrast_is_in_the_lateral_cluster_only(prepared, contrast):
    expected, difference = read_truth(prepared.root)["expected"], contrast["animate"] - contrast["inanimate"]
    by_cluster = difference.groupby(contrast["cluster"]).mean()
    print(contrast.groupby("cluster").mean(), by_cluster, sep="\n")
    assert by_cluster["lateral"] > expected["lateral_animate_contrast_above"]
    assert by_cluster[["early", "ventral", "graded"]].abs().max() < expected["other_animate_contrasts_within"]
    assert difference[contrast["cluster"] == "lateral"].min() > difference[contrast["cluster"] != "lateral"].max()


@pytest.fixture(scope="module")
def null_similarity(prepared):
    """null_similarity(shift, **options): mean r of some null parcels between subjects 1 and 2."""
    dataset = open_dataset("nsd", prepared.root)
    null = {name for name, roi in read_truth(prepared.root)["rois"].items() if roi["cluster"] == "null"}
    parcels = [parcel for parcel in dataset.parcels() if parcel.name in null][:25]
    stores = check_stores(prepared.derivatives, "nsd", [1, 2], "joined", parcels)

    def compute(shift, **options):
        known = read_controls(prepared.derivatives, dataset, options.get("controls", ()))
        table = pandas.concat([pair_similarity(
            subject_i=i, subject_j=j, shift=shift, form="diagonal", hemispheres="joined", rois=[parcel.roi for parcel in parcels],
            store_i=stores[i], store_j=stores[j], device="cpu", known=known, **options) for i, j in ((1, 2), (2, 1))])
        if known:
            table = table[table["control"] == "+".join(known)]
        assert table["similarity"].notna().all()
        return float(np.mean(table["similarity"]))
    return compute


def test_a_drift_with_sudden_changes_needs_the_shift(null_similarity):
    found = {"shift 0": null_similarity(0), "temporal lag": null_similarity(0, controls=("temporal_lag",)),
             "no pairs of a session": null_similarity(0, exclude=("same-session",)), "shift 1": null_similarity(1)}
    print(found)
    assert found["shift 0"] > 0.4 and abs(found["shift 1"]) < 0.05
    # a control that is linear in the lag takes nothing of a drift that jumps; leaving out pairs of a session takes some of it
    assert found["temporal lag"] < found["shift 0"] + 0.02
    assert found["no pairs of a session"] < found["shift 0"] - 0.02
    assert min(found["temporal lag"], found["no pairs of a session"]) > 0.2
