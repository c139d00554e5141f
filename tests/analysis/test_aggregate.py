"""Tables to values per subject: hand-made tables whose answers can be worked out on paper; subjects and parcels are not 1..n."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import sem

from convergence.analysis.aggregate import (curves_by_subject, intersubject_by_subject, model_by_subject, over_subjects,
                                            rank_parcels, trained_models,
                                            within_subject)

SUBJECTS, PARCELS = (2, 5, 9), (4, 31)
MODELS = pd.DataFrame({"model_name": ["deep", "flat", "words", "deep-untrained-seed0"],
                       "modality": ["Vision", "vision", "language", "vision"],
                       "untrained": [False, False, False, True]})

MEAN_CURVE = np.array([0.1, 0.35, 0.2, -0.3, 0.1])                   # of "deep", over its two sessions


def full_table():
    """r(i, j, x, y) = i + 10 j on the diagonal of parcel 4, twice that for parcel 31, and 1000 where the parcels differ."""
    rows = [(x, y, 1000 if x != y else (i + 10 * j) * (1 if x == 4 else 2), i, j) for i in SUBJECTS for j in SUBJECTS
            for x in PARCELS for y in PARCELS]
    return pd.DataFrame(rows, columns=["roi_x", "roi_y", "similarity", "subject_i", "subject_j"]).sample(frac=1, random_state=3)


def model_table():
    """Two sessions. "deep" peaks at layer 1 in session 3, at 3 (negative) in session 7; "flat" has 2 layers, "words" 3."""
    rows = []
    for subject in SUBJECTS[:2]:
        for session, curve in ((3, [0.1, 0.5, 0.2, 0.0, 0.1]), (7, [0.1, 0.2, 0.2, -0.6, 0.1])):
            rows += [(31, layer, session, r * (1 if subject == 2 else 0.5), subject, "deep") for layer, r in enumerate(curve)]
            rows += [(31, layer, session, r, subject, "flat") for layer, r in enumerate([0.1, 0.2])]
            rows += [(31, layer, session, r, subject, "words") for layer, r in enumerate([0.0, 0.1, 0.3])]
            rows += [(31, layer, session, 0.9, subject, "deep-untrained-seed0") for layer in range(5)]
    table = pd.DataFrame(rows, columns=["roi", "layer", "session", "similarity", "subject", "model"])
    return table.astype({"model": "category"}).sample(frac=1, random_state=1)


def at(table, **keys):
    chosen = table[np.logical_and.reduce([table[name] == value for name, value in keys.items()])]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_intersubject_is_the_mean_over_the_other_subjects():
    values = intersubject_by_subject(full_table())
    assert len(values) == len(SUBJECTS) * len(PARCELS)
    assert at(values, subject=2, roi=4).similarity == pytest.approx(2 + 10 * (5 + 9) / 2)
    assert at(values, subject=9, roi=31).similarity == pytest.approx(2 * (9 + 10 * (2 + 5) / 2))
    assert set(values["n"]) == {2}


def test_mean_over_subjects_is_the_mean_over_ordered_pairs():
    table, values = full_table(), intersubject_by_subject(full_table())
    pairs = table[(table["roi_x"] == 31) & (table["roi_y"] == 31) & (table["subject_i"] != table["subject_j"])]
    assert over_subjects(values, "roi").loc[31, "mean"] == pytest.approx(pairs["similarity"].mean())


def test_within_subject_is_the_pair_of_a_subject_with_itself():
    values = within_subject(full_table())
    assert [at(values, subject=s, roi=4).similarity for s in SUBJECTS] == [11 * s for s in SUBJECTS]


@pytest.mark.parametrize("aggregate", [intersubject_by_subject, within_subject])
def test_diagonal_tables_give_the_same(aggregate):
    full = full_table()
    diagonal = full[full["roi_x"] == full["roi_y"]].rename(columns={"roi_x": "roi"}).drop(columns="roi_y")
    pd.testing.assert_frame_equal(aggregate(full), aggregate(diagonal))


def test_what_could_not_be_computed_is_left_out_and_counted():
    table = full_table()
    table.loc[(table["subject_i"] == 9) | (table["subject_j"] == 9), "similarity"] = np.nan
    values = intersubject_by_subject(table)
    assert at(values, subject=2, roi=4).similarity == 2 + 10 * 5 and at(values, subject=2, roi=4).n == 1
    assert np.isnan(at(values, subject=9, roi=4).similarity) and at(values, subject=9, roi=4).n == 0


def test_signed_max_averages_sessions_then_models():
    values = model_by_subject(model_table(), MODELS)
    vision = at(values, subject=2, modality="vision", roi=31)
    assert vision.similarity == pytest.approx(((0.5 - 0.6) / 2 + 0.2) / 2)
    assert vision.depth == pytest.approx(((1 / 4 + 3 / 4) / 2 + 1) / 2)
    assert vision.n == 2                                                                   # the untrained one does not count
    assert at(values, subject=5, modality="language", roi=31).similarity == pytest.approx(0.3)
    assert at(values, subject=5, modality="vision", roi=31).similarity == pytest.approx((-0.025 + 0.2) / 2)


def test_the_rule_is_handed_on():
    vision = at(model_by_subject(model_table(), MODELS, rule="mean_curve"), subject=2, modality="vision", roi=31)
    assert vision.similarity == pytest.approx((MEAN_CURVE[1] + 0.2) / 2) and vision.depth == pytest.approx((1 / 4 + 1) / 2)


def test_a_depth_of_fewer_models_than_the_similarity_is_counted():
    table = model_table()
    table.loc[(table["model"] == "flat") & (table["subject"] == 2), "similarity"] = -0.1            # no r is positive: no depth
    values = model_by_subject(table, MODELS, rule="center_of_mass")
    assert at(values, subject=2, modality="vision", roi=31)[["n", "n_depth"]].tolist() == [2, 1]
    assert at(values, subject=5, modality="vision", roi=31)[["n", "n_depth"]].tolist() == [2, 2]


def test_curves_average_models_on_a_common_axis():
    curves = curves_by_subject(model_table(), MODELS, n_points=5)
    vision = curves[(curves["subject"] == 2) & (curves["modality"] == "vision")].sort_values("depth")
    np.testing.assert_allclose(vision["depth"], np.linspace(0, 1, 5))
    np.testing.assert_allclose(vision["similarity"], (MEAN_CURVE + np.linspace(0.1, 0.2, 5)) / 2, atol=1e-6)


def test_published_tables_have_no_column_untrained():
    published = MODELS.drop(columns="untrained")
    assert at(model_by_subject(model_table(), published), subject=2, modality="vision", roi=31).n == 3
    assert trained_models(published).to_dict() == {"deep": "vision", "flat": "vision", "words": "language",
                                                   "deep-untrained-seed0": "vision"}
    assert "deep-untrained-seed0" not in trained_models(MODELS)


def test_a_model_that_nobody_described_is_refused():
    message = r"models: words of the table of similarities stands in no row of models-info.csv \(model_name: deep, flat"
    with pytest.raises(ValueError, match=message):
        model_by_subject(model_table(), MODELS[MODELS["model_name"] != "words"])


def test_a_missing_column_is_named():
    message = "pairs: no column subject_j; found roi_x, roi_y, similarity, subject_i. Take the tables of 3_alignment"
    with pytest.raises(ValueError, match=message):
        intersubject_by_subject(full_table().drop(columns="subject_j"))
    with pytest.raises(ValueError, match="layers: no column session"):
        model_by_subject(model_table().drop(columns="session"), MODELS)
    with pytest.raises(ValueError, match="models: no column modality"):
        curves_by_subject(model_table(), MODELS.drop(columns="modality"))


def test_standard_error_equals_scipy():
    values = pd.DataFrame({"roi": [4, 4, 4, 31], "similarity": [0.1, 0.4, 0.2, 0.7], "subject": [2, 5, 9, 2]})
    summary = over_subjects(values, "roi")
    assert summary.loc[4, "error"] == pytest.approx(sem([0.1, 0.4, 0.2]))
    assert np.isnan(summary.loc[31, "error"]) and list(summary["n"]) == [3, 1]


def test_rank_parcels():
    values = pd.DataFrame({"roi": [8, 8, 3, 3, 5, 5, 1, 1, 9, 9],
                           "similarity": [0.25, 0.75, 0.5, 0.5, 1.0, 0.25, np.nan, np.nan, -1, -1]})
    assert rank_parcels(values) == [5, 3, 8, 9]  # 0.625, then 0.5 twice in the order of the atlas; parcel 1 has no value
    assert rank_parcels(values, ascending=True) == [9, 3, 8, 5]
    assert rank_parcels(values.assign(depth=[0.1, 0.2, 0.5, 0.5, 0, 1, 0, 0, 0.4, 0.4]), "depth", statistic="median",
                        ascending=True, among=[8, 9]) == [8, 9]
