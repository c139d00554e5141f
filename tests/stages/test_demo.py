"""The demo finds what was planted: the whole pipeline, from NIfTI files to p-values and figures, against truth.json."""

import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from convergence import open_dataset, peak_depth
from convergence.datasets.miniature import read_truth
from convergence.storage.tables import file_of, read_table

CLUSTERS = ("early", "ventral", "lateral")
EXCLUDED = ("canary", "empty", "dead")


@pytest.fixture(scope="module")
def truth(demo):
    rois = pd.DataFrame.from_dict(read_truth(demo.root)["rois"], orient="index")
    return rois[~rois["cluster"].isin(EXCLUDED)]


@pytest.fixture(scope="module")
def names(demo):
    atlas = read_table(demo.derivatives / file_of("hcp"))
    return atlas.set_index("roi")["name"]


def intersubject(demo, names, variant):
    """Mean r over ordered pairs of different subjects, by parcel name."""
    table = read_table(demo.derivatives / file_of("rsa_subject_subject_alignment", dataset="nsd", variant=variant))
    pairs = table[(table["subject_i"] != table["subject_j"]) & (table["roi_x"] == table["roi_y"])]
    return pairs.groupby("roi_x")["similarity"].mean().rename(index=names)


def test_planted_clusters_are_shared_and_null_parcels_are_not(demo, names, truth):
    r = intersubject(demo, names, "shift_1_joined")
    for cluster in CLUSTERS:
        assert r[truth.index[truth["cluster"] == cluster]].mean() > 0.35
    nulls = r[truth.index[truth["cluster"] == "null"]]
    assert len(nulls) > 100 and nulls.abs().mean() < 0.05


def test_without_a_shift_the_common_drift_looks_like_agreement(demo, names, truth):
    assert intersubject(demo, names, "joined_0")[truth.index[truth["cluster"] == "null"]].mean() > 0.2


def test_the_order_of_parcels_follows_the_planted_signal(demo, names, truth):
    planted = truth[truth["snr"] > 0]
    assert spearmanr(intersubject(demo, names, "shift_1_joined")[planted.index], planted["snr"]).statistic > 0.7


def test_significance_finds_the_planted_and_few_others(demo, truth):
    table = read_table(demo.derivatives / file_of("rsa_pvalues_subject_language_vision", dataset="nsd"))
    p = table[table["comparison"] == "intersubject"].set_index("name")["pvalue_fdr_bh"]
    planted = truth.index[truth["cluster"].isin(CLUSTERS)]
    assert (p[planted] < 0.05).all()
    assert (p[truth.index[truth["cluster"] == "null"]] < 0.05).mean() <= 0.05


def test_asymmetric_parcels_are_found_in_their_hemisphere_only(demo, truth):
    table = read_table(demo.derivatives / file_of("rsa_subject_subject_alignment", dataset="nsd", variant="shift_1_separated"))
    atlas = read_table(demo.derivatives / file_of("hcp"))
    pairs = table[(table["subject_i"] != table["subject_j"]) & (table["roi_x"] == table["roi_y"])]
    r = pairs.groupby("roi_x")["similarity"].mean()
    of = {(row.name_, row.hemisphere): r[row.roi] for row in atlas.rename(columns={"name": "name_"}).itertuples()}
    assert of["FFC", "lh"] > 0.15 and abs(of["FFC", "rh"]) < 0.1
    assert of["PH", "rh"] > 0.15 and abs(of["PH", "lh"]) < 0.1


def model_table(demo, names, file):
    table = read_table(demo.derivatives / "nsd" / file)
    return table.assign(name=table["roi"].map(names))


def members(truth, cluster):
    return truth.index[truth["cluster"] == cluster]


def curves(table, parcels):
    """(subjects x layers) similarity, averaged over parcels and sessions."""
    chosen = table[table["name"].isin(parcels)]
    return chosen.pivot_table(index="subject", columns="layer", values="similarity", aggfunc="mean")


def test_the_early_cluster_peaks_before_the_lateral_one_in_every_subject(demo, names, truth):
    table = model_table(demo, names, "rsa_subject_model_alignment_joined.parquet")
    vision = table[table["model"].astype(str).str.startswith("efficientnet")]
    early, lateral = (curves(vision, members(truth, cluster)) for cluster in ("early", "lateral"))
    assert (early.idxmax(axis=1) < lateral.idxmax(axis=1)).all()
    depth = peak_depth(vision.drop(columns="name").assign(model=vision["model"].astype(str)))
    mean = depth.assign(name=depth["roi"].map(names)).groupby(["subject", "name"])["depth"].mean().unstack()
    assert (mean[members(truth, "early")].mean(axis=1) < mean[members(truth, "lateral")].mean(axis=1)).all()


def test_training_matters_for_the_lateral_cluster(demo, names, truth):
    trained = model_table(demo, names, "rsa_subject_model_alignment_joined.parquet")
    trained = curves(trained[trained["model"].astype(str).str.startswith("efficientnet")], members(truth, "lateral")).max(axis=1).mean()
    table = model_table(demo, names, "rsa_subject_model_alignment_joined_untrained.parquet")
    table = table[table["model"].astype(str).str.startswith("efficientnet")]
    untrained = [curves(one, members(truth, "lateral")).max(axis=1).mean() for _, one in table.groupby(table["model"].astype(str))]
    assert len(untrained) == 5 and trained > np.mean(untrained)


def other_table(dataset, kind):
    return file_of(f"rsa_other_subject_{kind}_alignment", family=dataset, dataset=dataset, hemispheres="joined", more="")


@pytest.mark.parametrize("dataset, pairs, trials", [("bold5000", 12, [96, 96, 96, 60]), ("things", 6, [150, 150, 150])])
def test_the_other_datasets_show_what_was_planted_in_them(demo, names, dataset, pairs, trials):
    truth = read_truth(demo.root.parent / dataset)
    rois, expected = pd.DataFrame.from_dict(truth["rois"], orient="index"), truth["expected"]
    prepared = open_dataset(dataset, demo.root.parent / dataset)
    assert prepared.trials[prepared.trials["exists"]].groupby("subject").size().tolist() == trials
    table = read_table(demo.derivatives / other_table(dataset, "subject"))
    own = table[(table["subject_i"] != table["subject_j"]) & (table["roi_x"] == table["roi_y"])]
    assert len(own[["subject_i", "subject_j"]].drop_duplicates()) == pairs
    r = own.groupby("roi_x")["similarity"].mean().rename(index=names)
    for cluster in CLUSTERS:
        assert r[members(rois, cluster)].mean() > expected["clusters_above"]
    nulls = r[members(rois, "null")]
    assert len(nulls) > 100 and nulls.abs().max() < expected["nulls_within"]
    planted = rois[rois["snr"] > 0]
    assert spearmanr(r[planted.index], planted["snr"]).statistic > expected["rank_correlation_with_snr_above"]


@pytest.mark.parametrize("dataset", ["bold5000", "things"])
def test_the_other_datasets_meet_the_network_in_the_planted_order(demo, names, dataset):
    rois = pd.DataFrame.from_dict(read_truth(demo.root.parent / dataset)["rois"], orient="index")
    table = read_table(demo.derivatives / other_table(dataset, "model"))
    table = table.assign(name=table["roi"].map(names))
    table = table[table["model"].astype(str).str.startswith("efficientnet")]
    early, lateral, null = (curves(table, members(rois, cluster)).mean() for cluster in ("early", "lateral", "null"))
    assert early.idxmax() < lateral.idxmax() and early.max() > 0.2 and lateral.max() > 0.1 > 0.03 > null.abs().max()


def test_figures_are_written(demo):
    drawn = sorted(demo.figures.rglob("*.pdf"))
    assert {path.parent.name for path in drawn} == {"01_spatial_alignment", "03_model_hierarchy", "figures"}
    assert all(path.with_suffix(".png").stat().st_size > 10_000 for path in drawn)


def test_a_second_run_finds_everything_done_and_imports_nothing_heavy(demo):
    before = {p: p.stat().st_mtime_ns for p in (demo.folder / "demo").rglob("*") if p.is_file()}
    code = ("import sys; from convergence.pipeline import main; status = main(['demo.yml']);"
            "print('heavy:', sorted({'torch', 'timm', 'transformers', 'nilearn'} & set(sys.modules))); sys.exit(status)")
    started = time.time()
    done = subprocess.run([sys.executable, "-c", code], cwd=demo.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert time.time() - started < 60
    assert "heavy: []" in done.stdout
    assert "tables:" in done.stdout and "figures:" in done.stdout
    assert {p: p.stat().st_mtime_ns for p in (demo.folder / "demo").rglob("*") if p.is_file()} == before
