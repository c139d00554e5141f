"""Scores of brains with brains and with networks by any metric: `measure` and `calibrate` on the same rows, and reasons."""

import numpy as np
import pytest
import toy_brains

from convergence.alignment.other_metrics import (
    Scoring,
    Side,
    limited,
    models_path,
    pair_scores,
    pairs_path,
    scores,
    session_scores,
)
from convergence.alignment.trials import common_trials, session_trials
from convergence.analysis.metrics import Representations, calibrate, measure
from convergence.analysis.relabelling import draw_relabellings
from convergence.compute.quantiles import tail_limits
from convergence.features.store import list_features, open_features

PAIR = {"subject_i": 2, "subject_j": 9, "shift": 1, "hemispheres": "joined", "form": "full", "rois": None, "device": "cpu"}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    toy_brains.register()
    return toy_brains.write(tmp_path_factory.mktemp("toy"), complete=False)


def clipped(matrix):
    matrix = matrix.astype(np.float32)
    return matrix.clip(*tail_limits(matrix, 0.003))


def scored(toy, metric="unbiased_cka", permutations=0, **changes):
    options = changes.pop("options", {})
    return pair_scores(dataset=toy, scoring=Scoring(metric, options, permutations).stated, **{**PAIR, **changes})


@pytest.mark.parametrize(
    "metric, options", [("unbiased_cka", {"kernel": "rbf"}), ("mutual_knn", {"topk": 4}), ("linear_predictivity", {})]
)
def test_a_pair_of_subjects_is_measure_of_the_paired_trials(toy, metric, options):
    table = scored(toy, metric, options=options)
    trials = common_trials(toy.trials, 2, 9, 1)
    labels = {parcel.roi: parcel.labels for parcel in toy.parcels("joined")}
    for row in table[table["reason"] == ""].itertuples():
        x = clipped(toy.responses(2, labels[row.roi_x], trials["subject_index_i"]))
        y = clipped(toy.responses(9, labels[row.roi_y], trials["subject_index_j"]))
        assert row.score == pytest.approx(measure(metric, x, y, **options), abs=1e-5)
    good = 2 if metric == "mutual_knn" else 3                       # a row of zeros has no cosine
    assert (
        len(table) == 25
        and (table["reason"] == "").sum() == good**2
        and set(table["metric"]) == {metric}
        and set(table["shift"]) == {1}
    )
    assert "null_mean" not in table and "calibrated" not in table


def test_reasons_stand_in_place_of_scores(toy):
    table = scored(toy, subject_j=5).set_index(["roi_x", "roi_y"])
    assert table.loc[(3, 8), "reason"] == "subject_j: no voxels" and np.isnan(table.loc[(3, 8), "score"])
    assert table.loc[(20, 11), "reason"] == "subject_i: one voxel: a pattern needs at least two; subject_j: no voxels"
    assert (table["score"].isna() == (table["reason"] != "")).all()
    assert table.loc[(41, 41), "reason"] == ""  # a trial with one value in all voxels has no correlation, but a kernel
    assert (
        "have no direction"
        in scored(toy, "mutual_knn", options={"kernel": "pearson"}).set_index(["roi_x", "roi_y"]).loc[(41, 3), "reason"]
    )


def test_the_diagonal_is_that_of_the_whole(toy):
    whole, diagonal = (scored(toy, permutations=7, form=form, subject_j=5) for form in ("full", "diagonal"))
    own = whole[whole["roi_x"] == whole["roi_y"]].reset_index(drop=True)
    assert diagonal["roi"].tolist() == own["roi_x"].tolist() and diagonal["reason"].tolist() == own["reason"].tolist()
    np.testing.assert_allclose(
        diagonal[["score", "null_mean", "calibrated"]], own[["score", "null_mean", "calibrated"]], atol=1e-6
    )
    some = scored(toy, rois=[3, 41], permutations=7, subject_j=5)
    np.testing.assert_allclose(
        some["calibrated"], whole[whole["roi_x"].isin([3, 41]) & whole["roi_y"].isin([3, 41])]["calibrated"], atol=1e-6
    )


def test_calibrated_is_against_whole_images_relabelled(toy):
    table = scored(toy, "cka", permutations=12)
    trials = common_trials(toy.trials, 2, 9, 1)
    x, y = (clipped(toy.responses(subject, (3, 203), trials[f"subject_index_{side}"])) for subject, side in ((2, "i"), (9, "j")))
    drawn = draw_relabellings(len(trials), 12, (0, 2, 9), trials["image"].to_numpy())
    expected = calibrate("cka", x, y, relabellings=drawn)
    row = table[(table["roi_x"] == 3) & (table["roi_y"] == 3)].iloc[0]
    assert row["null_mean"] == pytest.approx(expected.null_mean, abs=1e-5) and row["calibrated"] == pytest.approx(
        expected.calibrated, abs=1e-5
    )
    assert row["calibrated"] < row["score"] - 0.05
    other = pair_scores(dataset=toy, scoring=Scoring("cka", permutations=12, seed=1).stated, **PAIR)
    assert other["score"].equals(table["score"]) and not other["null_mean"].equals(table["null_mean"])


@pytest.mark.parametrize("untrained", [False, True])
def test_a_session_is_measure_of_its_trials_and_the_best_layer_is_calibrated(toy, tmp_path, untrained):
    files = {path.stem: path for path in list_features(toy.root / "features", "toy")}
    table = session_scores(
        subject=5,
        session=2,
        hemispheres="joined",
        rois=[3, 41, 11],
        scoring=Scoring("cka", permutations=15).stated,
        untrained=untrained,
        models=list(files),
        dataset=toy,
        files=files,
        folder=tmp_path / "part",
        device="cpu",
    )
    trials, name = session_trials(toy.trials, 5, 2), "model" if untrained else "model_name"
    images = trials["image"].to_numpy()
    for model, path in files.items():
        of_it = table[table[name].astype(str) == model].set_index(["roi", "layer"])
        brain = clipped(toy.responses(5, (3, 203), trials["subject_index"]))
        with open_features(path) as file:
            layers = [clipped(file.layer(k, images)) for k in range(file.n_layers)]
        drawn = draw_relabellings(len(images), 15, (0, 5, 2), images)
        best = calibrate("cka", brain, layers, relabellings=drawn)
        for k, layer in enumerate(layers):
            one = calibrate("cka", brain, layer, relabellings=drawn)
            row = of_it.loc[(3, k)]
            assert (row["score"], row["null_mean"], row["calibrated"]) == pytest.approx(
                (one.raw, one.null_mean, one.calibrated), abs=1e-5
            )
            assert (row["best_calibrated"], row["best_pvalue"]) == pytest.approx((best.calibrated, best.p), abs=1e-5)
        assert of_it.loc[11, "reason"].eq("parcel: no voxels").all() and of_it.loc[11, ["score", "best_calibrated"]].isna().all(
            axis=None
        )
    assert sorted(path.name for path in (tmp_path / "part").glob("*.parquet")) == sorted(f"{model}.parquet" for model in files)
    if untrained:
        assert set(table["n_stim"]) == {13} and set(table["modality"]) == {"vision"} and "model_name" not in table


def test_matrices_are_limited_and_as_published_scaled():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((40, 50)).astype(np.float32)
    low, high = np.quantile(matrix, [0.003, 0.997])
    np.testing.assert_allclose(limited(matrix), matrix.clip(low, high), atol=1e-6)
    np.testing.assert_allclose(limited(matrix, reference=True), (matrix.clip(low, high) - low) / (high - low), atol=1e-6)
    cut = np.quantile(abs(matrix), 0.997)
    np.testing.assert_allclose(limited(matrix, reference=True, activations=True), matrix.clip(0, cut) / cut, atol=1e-6)
    assert limited(np.full((40, 3), 7, np.int16)) == "all trials have the same value in every voxel"
    assert limited(np.tile(np.arange(5.0), (40, 1)), activations=True) == "all trials have the same value in every unit"
    assert limited(np.full((40, 3), np.nan)) == "NaN or infinity in 40 of 40 trials"


def test_where_tables_are():
    assert (
        str(pairs_path("d", "nsd", Scoring("unbiased_cka"), shift=1))
        == "d/nsd/cka_subject_subject_alignment_shift_1_joined.parquet"
    )
    assert str(pairs_path("d", "nsd", Scoring("mutual_knn", {"topk": 5}), shift=0, hemispheres="separated", form="diagonal")) == \
        "d/nsd/mutual_knn_subject_subject_alignment_separated_0_topk-5_diagonal.parquet"
    assert str(models_path("d", "things", Scoring("cka"))) == "d/things/biased_cka_subject_model_alignment_joined.parquet"
    assert (
        str(models_path("d", "nsd", Scoring("unbiased_cka"), untrained=True)) == "d/nsd/cka_untrained_models_similarity.parquet"
    )


def test_what_cannot_be(toy, tmp_path):
    with pytest.raises(ValueError, match="neighbours: topk=60, but each of 24 stimuli has 23 others"):
        scored(toy, "mutual_knn", options={"topk": 60}, subject_j=2)
    with pytest.raises(ValueError, match="metric 'rsa' has no option topk; it has metric, method, clip"):
        scored(toy, "rsa", options={"topk": 60})
    few = toy_brains.Toy(toy.root)
    trials = toy.trials.assign(exists=lambda table: table["exists"] & ((table["subject"] != 9) | (table["image"] == 101)))
    type(few).trials, before = property(lambda self: trials), type(few).trials
    try:
        with pytest.raises(ValueError, match="subjects 2 and 9 have [0-3] common trials at shift 1, at least 4 are needed"):
            scored(few)
        with pytest.raises(ValueError, match="subject 9, session 2 has 0 existing trials, at least 4 are needed"):
            session_scores(
                subject=9,
                session=2,
                hemispheres="joined",
                rois=None,
                scoring=Scoring("cka").stated,
                untrained=False,
                models=[],
                dataset=few,
                files={},
                folder=tmp_path,
            )
    finally:
        type(few).trials = before


def test_nothing_usable_is_not_an_error():
    scoring = Scoring("unbiased_cka", permutations=3)
    empty, x = Side(["no voxels", "no voxels"], scoring, "cpu"), Side([np.random.default_rng(0).random((20, 3))], scoring, "cpu")
    found = scores(empty, x, scoring, seed=(1, 2), blocks=np.arange(20), best=True)
    assert np.isnan(found["score"]).all() and len(found["score"]) == 2 and isinstance(x.representations, Representations)
