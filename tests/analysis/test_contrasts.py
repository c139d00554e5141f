"""Contrasts over subjects and over pairs: scipy, exact enumeration, error rates."""

import itertools

import numpy as np
import pytest
from scipy import stats

from convergence.analysis.contrasts import over_pairs, over_subjects, sign_flip_test


def pairs_of(n):
    return np.array([(i, j) for i in range(n) for j in range(n) if i != j])


def test_sign_flips_against_scipy_and_enumeration():
    d = np.random.default_rng(0).normal(0.4, 1, 7)
    exact = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided").pvalue
    flips = np.array(list(itertools.product([1, -1], repeat=7)))
    assert sign_flip_test(d) == pytest.approx(exact) == pytest.approx((abs(flips @ d) >= abs(d.sum()) - 1e-12).mean())
    np.testing.assert_allclose(sign_flip_test(np.stack([d, -d, d + 9], 1)), [exact, exact, 2 / 128])
    many = np.random.default_rng(1).normal(0.3, 1, 30)
    assert sign_flip_test(many, seed=2) == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.02)


def test_over_subjects():
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.3, 0.1, 8), rng.normal(0.1, 0.1, 8)
    expected = stats.ttest_rel(first, second)
    published, ours = over_subjects(first, second, reference=True), over_subjects(first, second)
    np.testing.assert_allclose([published["t"], published["p"], published["dof"]], [expected.statistic, expected.pvalue, 7])
    np.testing.assert_allclose((ours["low"], ours["high"]), expected.confidence_interval())
    assert ours["p"] == sign_flip_test(first - second) and ours["first"] == first.mean()
    assert ours["method"] == "all sign flips over subjects"
    assert published["method"] == "paired t over subjects" and ours["n_subjects"] == 8


def test_over_pairs_as_published():
    rng, pairs = np.random.default_rng(4), pairs_of(6)
    first, second = rng.normal(0.3, 0.1, (2, 30))
    means = [[values[pairs[:, 0] == k].mean() for k in range(6)] for values in (first, second)]
    paired, welch = (over_pairs(first, second, pairs, reference=which) for which in ("paired", "welch"))
    assert paired["p"] == pytest.approx(stats.ttest_rel(*means).pvalue)
    expected = stats.ttest_ind(*means, equal_var=False)
    np.testing.assert_allclose([welch["t"], welch["p"], welch["dof"]], [expected.statistic, expected.pvalue, expected.df])
    ours = over_pairs(first, second, pairs)
    assert ours["difference"] == pytest.approx((first - second).mean()) and ours["method"].startswith("bootstrap over subjects")


def test_error_rates_over_people():
    """Sign flips of 8 people: at most 5 %. Pairs that share people: the published test rejects far more than ours."""
    rng, rates = np.random.default_rng(6), np.zeros(3)
    pairs = pairs_of(8)
    for seed in range(200):
        d = rng.standard_normal(8)
        values = rng.standard_normal(8)[pairs].sum(1) + 0.5 * rng.standard_normal(56)
        zero = np.zeros(56)
        rates += [sign_flip_test(d) < 0.05, over_pairs(values, zero, pairs, seed=seed)["p"] < 0.05,
                  over_pairs(values, zero, pairs, reference="paired")["p"] < 0.05]
    flips, ours, published = rates / 200
    assert flips < 0.1 and ours < 0.11 and published > 0.2


@pytest.mark.parametrize("call, expected", [
    (lambda: over_subjects([0.1, 0.2], [0.1]), "over_subjects: first has shape (2,), second has shape (1,); expected two values "
                                               "of each of 2 or more"),
    (lambda: over_subjects([0.1, np.nan], [0.1, 0.2]), "over_subjects: 1 of 2 values are NaN; leave them out of both"),
    (lambda: over_pairs([0.1], [0.2], [(1, 2)]), "over_pairs: first has shape (1,)"),
])
def test_bad_arguments(call, expected):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value).startswith(expected)
