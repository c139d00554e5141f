"""Bootstraps against rsatoolbox, draw by draw, and their error rates on simulated subjects."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import squareform

from convergence.analysis.bootstrap import bootstrap_pairs, draw_counts, fisher_mean, resampled_rsa, t_test, two_factor_variance
from convergence.analysis.similarity import rsa


def stacks(n=17, n_a=3, n_b=2, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(n * (n - 1) // 2)
    return (7 + shared + rng.standard_normal((n_a, len(shared)))) * 30, shared - rng.standard_normal((n_b, len(shared)))


def copied(rdm, counts):
    """The resampled RDM as rsatoolbox makes it: rows and columns repeated, distances of a stimulus to its copies left out."""
    rows = np.repeat(np.arange(len(counts)), counts)
    i, j = np.triu_indices(len(rows), 1)
    kept = rows[i] != rows[j]
    return squareform(rdm)[rows[i], rows[j]][kept]


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_r_of_a_resampled_rdm(dtype, tolerance):
    a, b = stacks()
    _, counts = draw_counts(5, 17, n_bootstrap=9, seed=3)
    expected = [[[stats.pearsonr(copied(x, row), copied(y, row)).statistic for y in b] for x in a] for row in counts]
    found = resampled_rsa(a.astype(dtype), b.astype(dtype), counts)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=tolerance)
    np.testing.assert_allclose(resampled_rsa(a[:2], b, counts, paired=True), np.array(expected)[:, [0, 1], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(resampled_rsa(a, None, counts), resampled_rsa(a, a, counts), atol=1e-12)
    assert torch.is_tensor(resampled_rsa(torch.from_numpy(a), torch.from_numpy(b), counts))


def test_every_stimulus_once_is_rsa():
    a, b = stacks()
    np.testing.assert_allclose(resampled_rsa(a, b, np.ones((1, 17), int))[0], rsa(a, b), atol=1e-12)


def test_subsets_of_images_take_their_trials_along():
    a, b = stacks(n=14)
    images = np.array([7, 3, 3, 9, 7, 12, 9, 3, 40, 12, 7, 40, 5,
                       5])                     # 3, 5, 7, 9, 12, 40: unequal numbers of trials
    subset = np.array([[1, 0, 1, 1, 0, 1]])
    rows = np.flatnonzero(np.isin(images, [3, 7, 9, 40]))
    pick = lambda rdm: squareform(squareform(rdm)[np.ix_(rows, rows)], checks=False)
    expected = [[stats.pearsonr(pick(x), pick(y)).statistic for y in b] for x in a]
    np.testing.assert_allclose(resampled_rsa(a, b, subset, images=images)[0], expected, atol=1e-12)


def test_copies_of_an_image_make_no_pairs_with_each_other():
    a, b = stacks(n=8)
    images = np.array([1, 1, 2, 2, 3, 3, 4, 4])
    i, j = np.triu_indices(8, 1)
    count = np.array([2, 0, 1, 3])[images - 1]
    weights = np.where(images[i] == images[j], count[i],
                       count[i] * count[j])               # within each copy; between different images
    x, y = (np.repeat(rdm, weights) for rdm in (a[0], b[0]))
    assert resampled_rsa(a, b, np.array([[2, 0, 1, 3]]), images=images)[0, 0, 0] == pytest.approx(stats.pearsonr(x, y).statistic,
                                                                                                  abs=1e-12)


def test_a_sample_of_one_stimulus_has_no_r():
    a, b = stacks(n=6)
    found = resampled_rsa(a, b, np.array([[6, 0, 0, 0, 0, 0], [3, 3, 0, 0, 0, 0], [2, 2, 2, 0, 0, 0]]))
    assert np.isnan(found[:2]).all() and np.isfinite(found[2]).all()


def test_variance_is_that_of_rsatoolbox():
    from rsatoolbox.util.inference_util import _dual_bootstrap
    rng = np.random.default_rng(1)
    three = np.sort(rng.random((3, 400)), axis=0)[::-1] * rng.choice([0.3, 1], (3, 400))
    np.testing.assert_allclose(two_factor_variance(*three, n_subjects=6, n_stimuli=11), _dual_bootstrap(three, 6, 11), rtol=1e-12)


def test_draws():
    subjects, stimuli = draw_counts(5, 40, n_bootstrap=3000, seed=2)
    assert (subjects.sum(1) == 5).all() and (stimuli.sum(1) == 40).all() and subjects.shape == (3000, 5)
    assert subjects.var() == pytest.approx(0.8, rel=0.05) and stimuli.var() == pytest.approx(39 / 40, rel=0.05)
    assert abs(np.corrcoef(subjects[:, 0], stimuli[:, 0])[0, 1]) < 0.06
    np.testing.assert_array_equal(draw_counts(5, 40, n_bootstrap=10, seed=2)[1], draw_counts(5, 40, n_bootstrap=10, seed=2)[1])


def test_fisher_mean():
    r = np.array([[0.1, 0.9], [0.3, 1.0]])
    assert fisher_mean(r[0]) == pytest.approx(np.tanh((np.arctanh(0.1) + np.arctanh(0.9)) / 2))
    assert np.isfinite(fisher_mean(r, axis=1)).all()
    assert fisher_mean(r[0], weights=[3, 0]) == pytest.approx(0.1)


def test_t_test():
    expected = stats.ttest_1samp([0.1, 0.3, 0.2, 0.5], 0)
    values = np.array([0.1, 0.3, 0.2, 0.5])
    *_, low, high, t, dof, p = t_test(values.mean(), values.var(ddof=1) / 4, 3)
    np.testing.assert_allclose((t, p, dof), (expected.statistic, expected.pvalue, expected.df))
    np.testing.assert_allclose((low, high), expected.confidence_interval())
    assert t_test(0.0, 0.0, 3)[4:] == [0.0, 3, 1.0]


def between_subjects(n_subjects, rng, person=1.0, noise=0.5, effect=0.0):
    """Differences of all ordered pairs: what each person adds, and noise."""
    pairs = np.array([(i, j) for i in range(n_subjects) for j in range(n_subjects) if i != j])
    return effect + person * rng.standard_normal(n_subjects)[pairs].sum(1) + noise * rng.standard_normal(len(pairs)), pairs


def rejections(n_subjects, n_simulated, **how):
    rng, ours, over_pairs, over_means = np.random.default_rng(5), 0, 0, 0
    for seed in range(n_simulated):
        values, pairs = between_subjects(n_subjects, rng, **how)
        ours += bootstrap_pairs(values, pairs, n_bootstrap=400, seed=seed).p < 0.05
        over_pairs += stats.ttest_1samp(values, 0).pvalue < 0.05
        over_means += stats.ttest_1samp([values[pairs[:, 0] == k].mean() for k in range(n_subjects)], 0).pvalue < 0.05
    return np.array([ours, over_pairs, over_means]) / n_simulated


def test_pairs_are_not_independent():
    """8 people: the bootstrap over subjects keeps 5 %, a t over 56 pairs and a t over 8 means do not."""
    ours, over_pairs, over_means = rejections(8, 300)
    assert ours < 0.09 and over_pairs > 0.4 and over_means > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"noise": 3.0}, {"person": 0.0}])
def test_error_rate_over_pairs(how):
    rates = rejections(8, 2000, **how)
    print(how, dict(zip(("bootstrap", "t over pairs", "t over means"), rates)))
    assert rates[0] <= 0.065


def test_pairs_with_an_effect_are_found():
    assert rejections(8, 50, effect=3.0)[0] > 0.9


@pytest.mark.slow
def test_power_over_pairs():
    """Mean difference of 1, 2 and 3 standard deviations of what one person adds."""
    power = [rejections(8, 400, effect=effect)[0] for effect in (1, 2, 3)]
    print("power over pairs", power)
    assert 0.05 < power[0] < power[1] < power[2]


def test_fisher_z_of_pairs():
    _, pairs = between_subjects(5, np.random.default_rng(0))
    r = np.tanh(np.linspace(0.2, 1.6, len(pairs)))
    assert bootstrap_pairs(r, pairs, fisher=True).mean == pytest.approx(np.tanh(0.9))
    assert bootstrap_pairs(r, pairs).mean == pytest.approx(r.mean())


@pytest.mark.parametrize("call, expected", [
    (lambda a, b: resampled_rsa(a, b, np.ones((2, 16), int)), "resampled_rsa: counts has shape (2, 16) and type int64; expected "
                                                              "whole numbers from 0, shape "
                                                              "(n_samples, 17)"),
    (lambda a, b: resampled_rsa(a, b, np.full((2, 17), -1)), "resampled_rsa: counts has shape (2, 17)"),
    (lambda a, b: resampled_rsa(a, b, np.ones((2, 17), int), paired=True), "resampled_rsa: paired=True compares the k-th RDM of "
                                                                           "a with the k-th of b, but a has "
                                                                           "3 and b has 2"),
    (lambda a, b: draw_counts(4, 0), "draw_counts: n_stimuli=0; expected a whole number, at least 1"),
    (lambda a, b: bootstrap_pairs([0.1, 0.2], [(1, 2), (3, 3)]), "bootstrap_pairs: pairs has shape (2, 2), values has 2 entries; "
                                                                 "expected two different subjects"),
    (lambda a, b: bootstrap_pairs([0.1, np.nan], [(1, 2), (2, 3)]), "bootstrap_pairs: values has 1 NaN; leave these pairs out"),
    (lambda a, b: bootstrap_pairs([0.1, 0.2], [(1, 2), (2, 1)]), "bootstrap_pairs: 2 subjects; a test over subjects needs at "
                                                                 "least 3"),
])
def test_bad_arguments(call, expected):
    with pytest.raises(ValueError) as error:
        call(*stacks())
    assert str(error.value).startswith(expected)
