"""Shares of control RDMs against statsmodels and scipy; what is left out, and the bootstrap, against plain loops."""

import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import nnls
from scipy.spatial.distance import squareform
from statsmodels.stats.outliers_influence import variance_inflation_factor

from convergence.analysis import variance_partitioning
from convergence.analysis.variance_partitioning import partition_variance

N, NAMES = 17, ("edges", "person", "lag")


def problem(seed=3, n=N):
    rng = np.random.default_rng(seed)
    n_pairs = n * (n - 1) // 2
    shared = rng.random(n_pairs)
    controls = np.stack([shared + rng.random(n_pairs), 100 * (shared + 0.3 * rng.random(n_pairs)), rng.random(n_pairs) - 7])
    rdms = np.array([[1, 0.01, 0], [0.2, 0, -0.5], [-1, 0.02, 0]]) @ controls + rng.random((3, n_pairs))
    return rdms, controls


def ols(y, controls):
    return sm.OLS(y, sm.add_constant(controls.T, has_constant="add")).fit().rsquared if len(controls) else 0.0


def non_negative(y, controls):
    if not len(controls):
        return 0.0
    x, y = controls.T - controls.mean(1), y - y.mean()
    return 1 - nnls(x, y)[1] ** 2 / (y @ y)


@pytest.mark.parametrize("solver, r_squared", [("ordinary", ols), ("nonnegative", non_negative)])
def test_shares_equal_those_of_other_libraries(solver, r_squared):
    rdms, controls = problem()
    found = partition_variance(rdms, controls, NAMES, solver=solver).r_squared
    for k, y in enumerate(rdms):
        fits = {some: r_squared(y, controls[list(some)]) for m in range(4) for some in itertools.combinations(range(3), m)}
        expected = {("total", NAMES): fits[0, 1, 2], ("alone", ("person",)): fits[1,],
                    ("unique", ("edges",)): fits[0, 1, 2] - fits[1, 2],
                    ("shared", ("edges", "lag")): fits[0, 1] + fits[1, 2] - fits[0, 1, 2] - fits[1,],
                    ("shared", NAMES): fits[0,] + fits[1,] + fits[2,] - fits[0, 1] - fits[0, 2] - fits[1, 2] + fits[0, 1, 2]}
        for term, value in expected.items():
            assert found[term][k] == pytest.approx(value, abs=1e-10), term
    parts = [values for (kind, _), values in found.items() if kind in ("unique", "shared")]
    assert len(parts) == 7 and np.allclose(np.sum(parts, 0), found["total", NAMES])


def test_weights_inflation_and_condition_number():
    rdms, controls = problem()
    found = partition_variance(rdms, controls, NAMES)
    standard = (controls - controls.mean(1, keepdims=True)) / controls.std(1, keepdims=True)
    assert np.allclose(found.weights[:, 0], sm.OLS((rdms[0] - rdms[0].mean()) / rdms[0].std(), standard.T).fit().params)
    design = sm.add_constant(controls.T)
    assert np.allclose(found.variance_inflation, [variance_inflation_factor(design, k) for k in (1, 2, 3)])
    assert found.condition_number == pytest.approx(np.linalg.cond(standard.T))
    assert (partition_variance(rdms, controls, NAMES, solver="nonnegative").weights >= 0).all()


def test_float32_and_any_block_size_give_the_same(monkeypatch):
    rdms, controls = problem()
    whole = partition_variance(rdms, controls, NAMES, n_bootstrap=5)
    monkeypatch.setattr(variance_partitioning, "_BLOCK", 7)
    blocks = partition_variance(rdms, controls, NAMES, n_bootstrap=5)
    single = partition_variance(rdms.astype(np.float32), controls.astype(np.float32), NAMES)
    for term, values in whole.r_squared.items():
        assert np.allclose(blocks.r_squared[term], values) and np.allclose(blocks.high[term], whole.high[term])
        assert np.allclose(single.r_squared[term], values, atol=1e-5)


def test_what_cannot_be_told_apart_is_left_out_by_name_and_the_rest_stands():
    rdms, controls = problem()
    more = np.stack([controls[0], np.full(controls.shape[1], 3.0), controls[1], 2 * controls[0] - controls[1] / 9 + 5,
                     controls[2]])
    names = ("edges", "nothing", "person", "mixture", "lag")
    found, without = partition_variance(rdms, more, names, n_bootstrap=4), partition_variance(rdms, controls, NAMES,
                                                                                              n_bootstrap=4)
    assert found.reasons == {"nothing": "nothing is constant over these stimuli",
                             "mixture": "mixture is a combination of edges, person"}
    for (kind, term), values in without.r_squared.items():
        key = kind, names if kind == "total" else term
        assert np.allclose(found.r_squared[key], values) and np.allclose(found.low[key], without.low[kind, term])
    assert all(np.isnan(found.r_squared[kind, (name,)]).all() for kind in ("alone", "unique") for name in found.reasons)
    assert np.isinf(found.variance_inflation[[1, 3]]).all() and np.isnan(found.weights[[1, 3]]).all()
    assert found.condition_number == pytest.approx(without.condition_number)
    table = found.table([30, 7, 2])
    row, = table[(table["term"] == "mixture") & (table["kind"] == "unique") & (table["roi"] == 7)].to_dict("records")
    assert np.isnan(row["r_squared"]) and row["reason"] == "mixture is a combination of edges, person"
    row, = table[(table["term"] == "person") & (table["kind"] == "unique") & (table["roi"] == 7)].to_dict("records")
    assert row["weight"] == pytest.approx(without.weights[1, 1]) and row["reason"] == ""


@pytest.mark.parametrize("images", [None, np.repeat([5, 2, 9, 4, 7, 3], [3, 3, 3, 3, 3, 2])])
def test_the_bootstrap_equals_rdms_of_drawn_stimuli_without_copies(images):
    rdms, controls = problem()
    found = partition_variance(rdms, controls, NAMES, n_bootstrap=9, images=images, seed=2)
    names, number = np.unique(np.arange(N) if images is None else images, return_inverse=True)
    counts = np.random.default_rng(2)
    counts.multinomial(1, [1.0], 9)                                             # the subjects' draw comes first
    values = []
    for count in counts.multinomial(len(names), np.full(len(names), 1 / len(names)), 9):
        copies = [(row, image,
                   copy) for image in range(len(names)) for copy in range(count[image])
                   for row in np.flatnonzero(number == image)]
        pairs = [(p, q) for (p, image, c), (q, other, d) in itertools.combinations(copies, 2) if image != other or c == d]
        y, x = squareform(rdms[0])[tuple(zip(*pairs))], np.array([squareform(control)[tuple(zip(*pairs))]
                                                                  for control in controls])
        values.append(ols(y, x) - ols(y, x[1:]))
    low, high = np.quantile(values, [0.025, 0.975])
    term = "unique", ("edges",)
    assert found.low[term][0] == pytest.approx(low) and found.high[term][0] == pytest.approx(high)


def test_intervals_cover_a_planted_share():
    """R2 of one control in many draws of stimuli from one population: its value there lies in most of the intervals."""
    def draw(n, rng):
        points, own = rng.standard_normal((2, n))
        distance = [np.abs(np.subtract.outer(x, x))[np.triu_indices(n, 1)] for x in (points, own)]
        return distance[0] + distance[1], distance[0]
    rng = np.random.default_rng(0)
    truth = ols(*(lambda y, x: (y, x[None]))(*draw(1500, rng)))
    covered = []
    for seed in range(40):
        y, x = draw(30, rng)
        found = partition_variance(y, x[None], ["x"], n_bootstrap=100, seed=seed)
        covered.append(found.low["total", ("x",)][0] <= truth <= found.high["total", ("x",)][0])
    assert np.mean(covered) > 0.85


@pytest.mark.parametrize("options, message", [
    ({"controls": np.zeros((9, 136))}, r"controls has shape \(9, 136\); expected 1 to 8 RDMs of 136 pairs"),
    ({"controls": np.zeros((2, 120))}, r"controls has shape \(2, 120\); expected 1 to 8 RDMs of 136 pairs"),
    ({"controls": np.full((2, 136), np.nan)}, "controls has NaN in 2 of 2 controls: 0-1"),
    ({"controls": np.ones((2, 136)), "names": ["a", "b"]}, r"no control varies over these stimuli \(a, b\); leave them out"),
    ({"names": ["a", "b"]}, "names are a, b; expected 3 different ones, one per control"),
    ({"names": ["a", "b", "a"]}, "names are a, b, a; expected 3 different ones"),
    ({"solver": "non-negative"}, "solver='non-negative' is unknown; did you mean 'nonnegative'"),
    ({"rdms": np.ones((1, 136))}, "rdms is constant in 1 of 1 RDMs: 0"),
    ({"n_bootstrap": 2, "images": np.arange(4)}, "images has 4 entries, the RDMs have 17 stimuli")])
def test_errors_name_the_argument(options, message):
    rdms, controls = problem()
    with pytest.raises(ValueError, match=message):
        partition_variance(**{"rdms": rdms, "controls": controls, **options})
