"""p-values against scipy's distributions and counting by hand, FDR against statsmodels."""

import numpy as np
import pytest
import torch
from scipy import stats
from statsmodels.stats.multitest import multipletests

from convergence import mantel_moments, p_values, permutation_null, rsa
from convergence.analysis.inference import fdr, smallest_detectable, stars
from convergence.analysis.null import MantelMoments


def test_counting_by_hand():
    null = np.array([-2.0, 0.0, 1.0, 2.0, 4.0])                                 # mean 1: distances 3, 1, 0, 1, 3
    assert p_values(2.0, null) == (1 + 4) / 6 and p_values(4.0, null) == (1 + 2) / 6 and p_values(-2.1, null) == 1 / 6
    assert p_values(1.5, null, tail="greater") == (1 + 2) / 6 and p_values(1.5, null, tail="less") == (1 + 3) / 6
    assert p_values(-2.0, null, tail="less") == (1 + 1) / 6


def test_samples_of_many_statistics_at_once():
    rng = np.random.default_rng(0)
    null, observed = rng.standard_normal((200, 3, 2)), rng.standard_normal((3, 2))
    p = p_values(observed, null)
    for index in np.ndindex(3, 2):
        mean = null[(slice(None), *index)].mean()
        assert p[index] == (1 + (abs(null[(slice(None), *index)] - mean) >= abs(observed[index] - mean)).sum()) / 201
    observed[1, 0] = np.nan
    null[7, 2, 1] = np.nan
    assert np.isnan(p_values(observed, null)).tolist() == [[False, False], [True, False], [False, True]]


def test_a_value_that_differs_by_rounding_counts_as_equal():
    a, b = np.random.default_rng(1).random((2, 28)).astype(np.float32)
    null = permutation_null(a, b, relabellings=np.tile(np.arange(8), (9, 1)))   # nothing is relabelled: every value is r itself
    assert null.std() < 1e-7
    one = np.append(null, -null)                                                # the mean of the null is 0
    assert p_values(rsa(a, b), one) == 1 and p_values(rsa(a.astype(float), b.astype(float)), one) == 1
    assert p_values(np.float32(rsa(a, b)) * 1.001, one) == 1 / 19


@pytest.mark.parametrize("skewness", [0.7, -0.7, 1.6, -0.05, 0.0012, 1e-4, 0.0, np.nan])
@pytest.mark.parametrize("z", [-4.0, -1.0, 0.0, 0.3, 2.5, 4.0])
def test_moments_against_pearson3(skewness, z):
    null = MantelMoments(0.1, 0.04, skewness)
    law = stats.norm if np.isnan(skewness) or abs(skewness) < 1e-3 else stats.pearson3(skewness)
    x = 0.1 + 0.2 * z
    expected = {"two-sided": min(law.sf(abs(z)) + law.cdf(-abs(z)), 1), "greater": law.sf(z), "less": law.cdf(z)}
    for tail, p in expected.items():
        assert p_values(x, null, tail=tail) == pytest.approx(p, rel=1e-9, abs=1e-300)


def test_moments_of_stacks_without_variance_and_nan():
    null = MantelMoments(np.array([0.0, 0.0, 0.1, 0.0]), np.array([0.04, 0.0, 0.04, np.nan]), np.array([np.nan, 0.0, 0.5, 0.0]))
    p = p_values(np.array([0.4, 0.2, np.nan, 0.1]), null)
    np.testing.assert_allclose(p[:2], [2 * stats.norm.sf(2), 1])
    assert np.isnan(p[2:]).all()


def test_closed_form_and_samples_agree_where_the_null_is_skewed():
    rng = np.random.default_rng(3)
    a, b = (stats.zscore(rng.standard_normal((40, 2)), axis=1) for _ in range(2))
    a, b = ((1 - np.corrcoef(np.c_[x, rng.standard_normal((40, 2))]))[np.triu_indices(40, 1)] for x in (a, b))
    moments, null = mantel_moments(a, b), permutation_null(a, b, n_permutations=20_000)
    assert moments.skewness > 0.4
    for z in (1.5, 2.5, 3.0):
        x = moments.mean + z * moments.variance ** 0.5
        sampled = p_values(x, null)
        assert abs(p_values(x, moments) / sampled - 1) < 0.25
    assert p_values(x, moments._replace(skewness=np.nan)) < 0.6 * sampled       # what the normal distribution would say


@pytest.mark.parametrize("skewness", [np.nan, 0.0, 0.6, -0.6, 1.5])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_the_smallest_detectable_value_has_p_alpha(skewness, alpha):
    null = MantelMoments(0.03, 0.0025, skewness)
    found = smallest_detectable(null, alpha=alpha)
    assert p_values(found, null) == pytest.approx(alpha, rel=1e-6) and found > 0.03
    law = stats.norm if np.isnan(skewness) or skewness == 0 else stats.pearson3(skewness)
    z = (found - 0.03) / 0.05
    assert law.sf(z) + law.cdf(-z) == pytest.approx(alpha, rel=1e-6)


def test_the_smallest_detectable_value_of_samples():
    null = np.random.default_rng(0).gamma(3, 0.02, (999, 3)) + np.array([0.0, 0.1, -0.2])
    found = smallest_detectable(null)
    assert found.shape == (3,) and (p_values(found + 1e-9, null) <= 0.05).all() and (p_values(found - 1e-9, null) > 0.05).all()
    assert smallest_detectable(null[:19, 0]) == pytest.approx(null[:19, 0].mean() + abs(null[:19, 0] - null[:19, 0].mean()).max())
    assert smallest_detectable(null[:18, 0]) == np.inf                          # 1 / 19 is more than 0.05
    null[3, 1] = np.nan
    assert np.isnan(smallest_detectable(null)).tolist() == [False, True, False]
    of_stack = smallest_detectable(MantelMoments(np.zeros(3), np.array([0.01, 0.0, np.nan]), np.zeros(3)))
    assert of_stack[0] == pytest.approx(0.196, abs=1e-4) and of_stack[1] == np.inf and np.isnan(of_stack[2])
    with pytest.raises(ValueError, match="smallest_detectable: alpha=5; expected"):
        smallest_detectable(null, alpha=5)


def test_tensors_give_tensors():
    null = torch.linspace(-1, 1, 41)[:, None].repeat(1, 2)
    p = p_values(torch.tensor([0.5, 0.9]), null)
    assert isinstance(p, torch.Tensor)
    np.testing.assert_allclose(p.numpy(), p_values(np.array([0.5, 0.9]), null.numpy()))
    moments = MantelMoments(*(torch.tensor([x]) for x in (0.0, 1.0, 0.0)))
    assert abs(float(p_values(torch.tensor([1.96]), moments)) - 0.05) < 1e-4


def test_fdr_against_statsmodels():
    p = np.random.default_rng(0).random((6, 9)) ** 2
    p[0, :3] = p[1, 0]                                                          # ties
    np.testing.assert_allclose(fdr(p), multipletests(p.ravel(), method="fdr_bh")[1].reshape(p.shape), rtol=1e-12)
    with_nan = np.where(np.arange(9) == 4, np.nan, p)
    known = ~np.isnan(with_nan)
    np.testing.assert_allclose(fdr(with_nan)[known], multipletests(with_nan[known], method="fdr_bh")[1], rtol=1e-12)
    assert np.isnan(fdr(with_nan)[:, 4]).all() and np.isnan(fdr([np.nan])).all() and fdr([]).size == 0


def test_stars():
    assert stars([0.05, 0.0499, 0.01, 0.0099, 0.001, 0.00099, 0.0001, 0.00009, np.nan, 0.0]).tolist() == [
        "", "*", "*", "**", "**", "***", "***", "****", "", "****"]
    assert stars(0.002) == "**" and stars(np.nan) == ""


@pytest.mark.parametrize("call, message", [
    (lambda: p_values(0.1, np.zeros(5), tail="two_sided"), "p_values: tail='two_sided' is unknown; did you mean 'two-sided'"),
    (lambda: p_values(np.zeros(3), np.zeros((5, 2))),
     r"p_values: null has shape \(5, 2\), observed has shape \(3,\); expected \(n_permutations, ...\)"),
    (lambda: p_values(np.zeros(3), np.zeros(3)), r"null has shape \(3,\), observed has shape \(3,\)"),
    (lambda: p_values(np.zeros(3), np.zeros((0, 3))), r"null has shape \(0, 3\)"),
    (lambda: p_values(np.zeros(3), MantelMoments(*np.zeros((3, 2)))),
     r"p_values: the moments have shapes \(2,\), \(2,\), \(2,\), observed has shape \(3,\)"),
    (lambda: fdr([0.5, 1.2, 7]), "fdr: p holds 2 values outside 0 to 1, the first is 1.2"), (lambda: stars(-0.1),
                                                                                             "stars: p holds 1 values outside "
                                                                                             "0 to 1")])
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
