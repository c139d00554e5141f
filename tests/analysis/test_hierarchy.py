"""Peak depth and layer curves against answers worked out by hand and by plain loops, on tables with uneven groups."""

import itertools

import numpy as np
import pandas as pd
import pytest

from convergence.analysis.hierarchy import layer_curves, peak_depth

SESSIONS = {9: (2, 3, 5), 2: (1, 4), 5: (3, 4, 6, 8)}
LAYERS = {"wide": 7, "small": 4, "odd": 5}
PARCELS = (180, 4, 31)
RULES = ("mean_curve", "signed_max", "center_of_mass", "cross_validated")


def table(seed=0, first_layer=0, **columns):
    rng = np.random.default_rng(seed)
    rows = [(roi, layer + first_layer, session, subject, model) for subject in SESSIONS for session in SESSIONS[subject]
            for roi in PARCELS
            for model, n_layers in LAYERS.items() for layer in range(n_layers)]
    frame = pd.DataFrame(rows, columns=["roi", "layer", "session", "subject", "model"])
    frame["similarity"] = rng.standard_normal(len(frame)).astype(np.float32)
    frame = frame.astype({"roi": "uint16", "layer": "uint16", "session": "uint8", "subject": "uint8", "model": "category"})
    return frame.assign(join_hemispheres=True, **columns).sample(frac=1, random_state=seed)


def one_curve(*curves, layers=None, model="net"):
    """A table of one subject and parcel; one curve per session."""
    rows = [(7, layer, session, r, 2, model) for session, curve in enumerate(curves, 3)
            for layer, r in zip(layers or range(len(curve)), curve)]
    return pd.DataFrame(rows, columns=["roi", "layer", "session", "similarity", "subject", "model"])


def peak(frame, rule):
    found = peak_depth(frame, rule=rule, alpha=1)
    assert len(found) == 1
    return found.depth[0], found.similarity[0]


def grid_of(frame, subject, roi, model):
    """(n_sessions, n_layers) of one group, by pandas alone."""
    group = frame[(frame["subject"] == subject) & (frame["roi"] == roi) & (frame["model"] == model)]
    return group.pivot(index="session", columns="layer", values="similarity").to_numpy(np.float64)


def by_loops(grid, rule):
    """(depth, similarity) of one group, the definitions written out."""
    n_layers, mean = grid.shape[1], grid.mean(0)
    depths = np.arange(n_layers) / (n_layers - 1)
    if rule == "mean_curve":
        return depths[mean.argmax()], mean.max()
    if rule == "signed_max":
        best = [abs(curve).argmax() for curve in grid]
        return np.mean(depths[best]), np.mean([curve[k] for curve, k in zip(grid, best)])
    if rule == "center_of_mass":
        positive = np.maximum(mean, 0)
        return (positive * depths).sum() / positive.sum(), mean.max()
    first, second = grid[0::2].mean(0), grid[1::2].mean(0)
    return (depths[first.argmax()] + depths[second.argmax()]) / 2, (second[first.argmax()] + first[second.argmax()]) / 2


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("first_layer", [0, 1])
def test_rules_equal_plain_loops(rule, first_layer):
    frame = table(first_layer=first_layer)                          # tables numbered from 1 mean the same layers
    found = peak_depth(frame, rule=rule, alpha=1)
    assert list(found) == ["subject", "roi", "model", "depth", "similarity"]
    groups = list(itertools.product(sorted(SESSIONS), sorted(PARCELS), sorted(LAYERS)))
    assert list(zip(found.subject, found.roi, found.model)) == groups
    assert found.dtypes[["subject", "roi", "model"]].astype(str).tolist() == ["uint8", "uint16", "category"]
    for row in found.itertuples():
        np.testing.assert_allclose((row.depth, row.similarity), by_loops(grid_of(frame, row.subject, row.roi, row.model), rule),
                                   rtol=1e-12)


def test_rules_differ_where_they_should():
    frame = one_curve([0.0, 0.5, 0.1, -0.6, 0.2], [0.3, 0.0, 0.3, -0.6, 0.0], [0.1, 0.5, 0.4, 0.0, 0.0])
    mean = np.array([0.4, 1.0, 0.8, -1.2, 0.2]) / 3
    np.testing.assert_allclose(peak(frame, "mean_curve"), (0.25, 1 / 3))
    np.testing.assert_allclose(peak(frame, "signed_max"), ((0.75 + 0.75 + 0.25) / 3, (-0.6 - 0.6 + 0.5) / 3))
    np.testing.assert_allclose(peak(frame, "center_of_mass"), ((0.25 * 1.0 + 0.5 * 0.8 + 1 * 0.2) / 2.4, mean.max()))
    # Sessions 1 and 3 choose layer 1, where session 2 has 0; session 2 chooses layer 0 (of two equal ones), where they have 0.05.
    np.testing.assert_allclose(peak(frame, "cross_validated"), (0.125, 0.025))


def test_cross_validation_is_not_optimistic_where_there_is_no_signal():
    rng = np.random.default_rng(1)
    frame = pd.concat([one_curve(*rng.standard_normal((4, 12))).assign(subject=subject) for subject in range(300)])
    assert peak_depth(frame, rule="cross_validated").similarity.mean() == pytest.approx(0, abs=4 * 0.5 / np.sqrt(300))
    assert peak_depth(frame, rule="mean_curve").similarity.mean() > 0.6


def many_curves(curve, noise, n_rois=1_000, n_sessions=10, seed=0):
    """A table of one subject and model; every session of every parcel is the curve (or its own: n_rois, n_layers) in noise."""
    curve, rng = np.broadcast_to(curve, (n_rois, np.shape(curve)[-1])), np.random.default_rng(seed)
    roi, session, layer = (index.ravel() for index in np.indices((n_rois, n_sessions, curve.shape[1])))
    r = curve[roi, layer] + noise * rng.standard_normal(len(roi))
    return pd.DataFrame({"roi": roi + 1, "session": session + 1, "layer": layer, "similarity": r, "subject": 3, "model": "net"})


@pytest.mark.parametrize("n_sessions, n_layers", [(10, 12), (5, 7), (4, 24)])
def test_parcels_without_signal_have_no_peak(n_sessions, n_layers):
    found = peak_depth(many_curves(np.zeros(n_layers), 0.02, n_sessions=n_sessions), rule="cross_validated")
    assert 0.92 <= found["depth"].isna().mean() <= 0.98
    assert found["similarity"].notna().all() and abs(found["similarity"].mean()) < 0.002
    assert peak_depth(many_curves(np.zeros(n_layers), 0.02, n_rois=20), rule="cross_validated", alpha=1)["depth"].notna().all()


def test_planted_peaks_are_recovered_within_one_layer():
    peaks = np.random.default_rng(2).integers(0, 12, size=300)
    curves = 0.08 * np.exp(-((np.arange(12) - peaks[:, None]) / 2.0) ** 2)
    found = peak_depth(many_curves(curves, 0.01, n_rois=300), rule="cross_validated")
    assert (abs(found["depth"] * 11 - peaks) <= 1).all()


def test_what_cannot_be_tested_has_a_depth():
    assert peak_depth(one_curve([0.1, 0.3, 0.2], [-0.1, -0.3, -0.2]), rule="cross_validated")["depth"].notna().all()
    alike = [0.1, 0.3, 0.2]
    assert peak_depth(one_curve(alike, alike, alike), rule="cross_validated")["depth"].item() == 0.5        # no spread at all
    assert np.isnan(peak_depth(one_curve(*[[-0.1, -0.3, -0.2]] * 3), rule="cross_validated")["depth"].item())
    with pytest.raises(ValueError, match="peak_depth: alpha"):
        peak_depth(table(), rule="cross_validated", alpha=0.0)


def test_the_published_grid_has_one_point_fewer():
    frame = table()
    reference = layer_curves(frame, reference=True)
    pd.testing.assert_frame_equal(reference, layer_curves(frame, n_points=6))
    with pytest.raises(ValueError, match="n_points=5 and reference=True each choose the depths"):
        layer_curves(frame, n_points=5, reference=True)


def test_no_positive_r_has_no_center_of_mass():
    depth, similarity = peak(one_curve([-0.3, -0.1, -0.2]), "center_of_mass")
    assert np.isnan(depth) and similarity == -0.1


def test_layers_that_are_not_consecutive_keep_their_place():
    frame = one_curve([0.1, 0.2, 0.9, 0.3], layers=(0, 2, 3, 10))
    assert peak(frame, "mean_curve") == (0.3, 0.9)
    np.testing.assert_allclose(layer_curves(frame, n_points=11).similarity[[0, 1, 2, 3, 10]], [0.1, 0.15, 0.2, 0.9, 0.3])


@pytest.mark.parametrize("rule", RULES)
def test_nan_makes_its_group_nan_and_no_other(rule):
    frame = table()
    bad = frame.eval("subject == 5 and roi == 4 and model == 'small' and session == 3 and layer == 2")
    assert bad.sum() == 1
    spoilt = frame.assign(similarity=frame["similarity"].mask(bad))
    clean, found = peak_depth(frame, rule=rule), peak_depth(spoilt, rule=rule)
    group = (found.subject == 5) & (found.roi == 4) & (found.model == "small")
    assert found.loc[group, ["depth", "similarity"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(found[~group], clean[~group])


def test_nan_in_a_curve_stays_at_its_layer():
    frame = one_curve([0.1, 0.2, np.nan, 0.4, 0.5], [0.3, 0.2, 0.1, 0.0, 0.1])
    found = layer_curves(frame, n_points=9).similarity
    np.testing.assert_allclose(found, [0.2, 0.2, 0.2, np.nan, np.nan, np.nan, 0.2, 0.25, 0.3])


def test_curves_keep_their_points_by_default():
    frame = table()
    curves = layer_curves(frame)
    assert list(curves) == ["subject", "roi", "model", "depth", "similarity"] and len(curves) == 3 * 3 * 3 * 7
    for (subject, roi, model), curve in curves.groupby(["subject", "roi", "model"], observed=True):
        mean = grid_of(frame, subject, roi, model).mean(0)
        np.testing.assert_array_equal(curve.depth, np.linspace(0, 1, 7))
        np.testing.assert_allclose(curve.similarity, np.interp(np.linspace(0, 1, 7), np.linspace(0, 1, LAYERS[model]), mean),
                                   atol=1e-9)
        assert curve.similarity.iloc[[0, -1]].tolist() == pytest.approx(mean[[0, -1]])
        if model == "wide":                                         # the largest model: no point is lost to the grid
            np.testing.assert_allclose(curve.similarity, mean, rtol=1e-12)


def test_a_subject_without_a_model_has_no_row_of_it():
    frame = table()
    frame = frame[~((frame["subject"] == 2) & (frame["model"] == "odd")) & ~((frame["subject"] == 9) & (frame["roi"] == 31))]
    found = peak_depth(frame)
    assert len(found) == 27 - 3 - 3 and len(layer_curves(frame, n_points=5)) == 5 * len(found)
    assert not ((found.subject == 2) & (found.model == "odd")).any() and not ((found.subject == 9) & (found.roi == 31)).any()


def test_order_of_rows_and_type_of_model_do_not_matter():
    frame = table()
    expected = peak_depth(frame, rule="signed_max")
    plain = peak_depth(frame.sort_values(["layer", "subject"]).astype({"model": object}), rule="signed_max")
    pd.testing.assert_frame_equal(plain.astype({"model": expected.model.dtype}), expected)
    before = frame.copy()
    layer_curves(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("function", [peak_depth, layer_curves])
@pytest.mark.parametrize("frame, expected", [
    (table().drop(columns=["roi", "session"]),
     "table lacks the columns roi, session; it has layer, subject, model, similarity, join_hemispheres"),
    (table()[:0], "table has no rows"),
    (table().astype({"roi": float}).assign(roi=lambda f: f["roi"].where(f["roi"] != 4)),
     "table has empty cells in roi; only similarity may be NaN"),
    (pd.concat([one_curve([1, 2, 3]), one_curve([1, 2, 3])[1:]]),
     "table has more than one row for 2 combinations of model net, such as subject 2, roi 7, session 3, layer 1; keep one "
     "value of join_hemispheres, "
     "and concatenate each part once"),
    (one_curve([1, 2, 3], [1, 2, 3])[:-1], "table has no row for 1 combination of model net, such as subject 2, roi 7, session "
                                           "4, layer 2; "
     "complete the table, or leave that session or parcel out; a value that could not be computed is NaN"),
    (one_curve([0.3], layers=[4]), "model net has 1 layer in the table (4); depth needs a first and a last layer"),
])
def test_bad_tables(function, frame, expected):
    with pytest.raises(ValueError) as error:
        function(frame)
    assert str(error.value) == f"{function.__name__}: {expected}"


def test_bad_options():
    with pytest.raises(ValueError, match=r"^peak_depth: rule='signed-max' is unknown; did you mean 'signed_max'\? Choose from: "
                                         r"'mean_curve', 'signed_max',"):
        peak_depth(table(), rule="signed-max")
    for bad in (1, 2.5):
        with pytest.raises(ValueError, match=f"^layer_curves: n_points={bad}; expected a whole number, at least 2$"):
            layer_curves(table(), n_points=bad)
    with pytest.raises(ValueError, match="^peak_depth: rule='cross_validated' .* model net has one session of subject 2; use "
                                         "rule='mean_curve'"):
        peak_depth(one_curve([1, 2, 3]), rule="cross_validated")


@pytest.mark.slow
def test_forty_million_rows():
    """The size of the real table: 8 subjects, 284 sessions, 180 parcels, 31 models with 800 layers."""
    parts, rng = [], np.random.default_rng(0)
    for model, n_layers in enumerate([12, 24, 32, 40, 43, 26, 26, 26] * 3 + [25, 25, 25, 31, 19, 12, 12]):
        for subject, n_sessions in enumerate((40, 40, 32, 30, 40, 32, 40, 30), 1):
            session, roi, layer = np.indices((n_sessions, 180, n_layers), np.uint16).reshape(3, -1)
            parts.append(pd.DataFrame({"roi": roi + 1, "layer": layer, "session": (session + 1).astype(np.uint8),
                                       "subject": np.uint8(subject),
                                       "similarity": rng.standard_normal(layer.size, dtype=np.float32),
                                       "model": pd.Categorical.from_codes(np.full(layer.size, model),
                                                                          [f"model-{k}" for k in range(31)])}))
    frame = pd.concat(parts, ignore_index=True)
    assert len(frame) > 40e6
    found = peak_depth(frame, rule="signed_max")
    assert len(found) == 8 * 180 * 31 and found["similarity"].notna().all()
    last = frame[(frame["subject"] == 8) & (frame["roi"] == 180) & (frame["model"] == "model-30")]
    np.testing.assert_allclose(found.iloc[-1][["depth", "similarity"]].astype(float),
                               by_loops(grid_of(last, 8, 180, "model-30"), "signed_max"))
