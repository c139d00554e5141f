"""Nulls of partial RSA against Freedman and Lane's recipe written out with numpy.linalg, and against the closed form."""

import numpy as np
import pytest
import torch
from relabelled import square
from scipy.spatial.distance import pdist

from convergence import mantel_moments, p_values, partial_rsa, rsa
from convergence.analysis.null import permutation_null
from convergence.analysis.partial_null import partial_null, residuals
from convergence.analysis.relabelling import draw_relabellings


def problem(n, n_controls=2, seed=0, images=None):
    """Two stacks (3 and 2 RDMs) that share the controls, over n trials."""
    rng, rows = np.random.default_rng(seed), np.arange(n) if images is None else images
    controls = np.stack([pdist(rng.standard_normal((n, 3))[rows]) for _ in range(n_controls)])
    noise = [np.stack([pdist(rng.standard_normal((n, 8))[rows] + 0.4 * rng.standard_normal((n, 8)), "correlation")
                       for _ in range(k)]) for k in (3, 2)]
    return *(x + 0.3 * controls.sum(0) for x in noise), controls


def least_squares(y, controls):
    """Fit and residuals of y."""
    one = np.vstack([np.ones(controls.shape[1]), controls]).T
    fit = one @ np.linalg.lstsq(one, y, rcond=None)[0]
    return fit, y - fit


def freedman_lane(a, b, controls, orders):
    fit, left = least_squares(b, controls)
    i, j = np.triu_indices(orders.shape[1], 1)
    found = []
    for p in orders:
        new = fit + square(left)[p[i], p[j]]
        found.append(np.corrcoef(least_squares(a, controls)[1], least_squares(new, controls)[1])[0, 1])
    return np.array(found)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-11), (np.float32, 2e-6)])
def test_freedman_lane_written_out(dtype, tolerance):
    a, b, controls = (x.astype(dtype) for x in problem(14))
    orders = draw_relabellings(14, 12, seed=3)
    expected = np.array([[freedman_lane(x.astype(float), y.astype(float), controls.astype(float), orders) for y in b]
                         for x in a]).transpose(2, 0, 1)
    found = partial_null(a, b, controls, relabellings=orders)
    assert found.shape == (12, 3, 2) and found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=tolerance)
    np.testing.assert_allclose(partial_null(a[:2], b, controls, relabellings=orders, paired=True), expected[:, [0, 1], [0, 1]],
                               atol=tolerance)
    np.testing.assert_allclose(partial_null(a, b[1], controls, relabellings=orders), expected[:, :, 1], atol=tolerance)
    np.testing.assert_allclose(partial_null(a[0], b, controls, relabellings=orders), expected[:, 0], atol=tolerance)
    np.testing.assert_allclose(partial_null(a[0], b[0], controls, relabellings=orders), expected[:, 0, 0], atol=tolerance)
    tensors = partial_null(*map(torch.from_numpy, (a, b, controls)), relabellings=orders)
    assert isinstance(tensors, torch.Tensor)
    np.testing.assert_allclose(tensors.numpy(), expected, atol=tolerance)


def test_nothing_relabelled_is_partial_rsa_and_one_control_is_given_alone():
    a, b, controls = problem(12)
    identity = np.arange(12)[None]
    np.testing.assert_allclose(partial_null(a, b, controls, relabellings=identity)[0], partial_rsa(a, b, controls), atol=1e-12)
    np.testing.assert_allclose(partial_null(a[0], b[0], controls[1], relabellings=identity)[0],
                               partial_rsa(a[0], b[0], controls[1]), atol=1e-12)
    twice = np.stack([controls[0], 2 * controls[0] + 1])                        # a control that follows from another adds nothing
    drawn = dict(n_permutations=9, seed=1)
    np.testing.assert_allclose(partial_null(a, b, twice, **drawn), partial_null(a, b, controls[0], **drawn), atol=1e-10)


def test_residuals_are_those_of_least_squares():
    a, _, controls = problem(15)
    np.testing.assert_allclose(residuals(a, controls), [least_squares(x, controls)[1] for x in a], atol=1e-12)
    np.testing.assert_allclose(rsa(residuals(a[0], controls), residuals(a[1], controls)), partial_rsa(a[0], a[1], controls),
                               atol=1e-12)
    single = residuals(a[0].astype(np.float32), controls[0].astype(np.float32))
    assert single.shape == a[0].shape and single.dtype == np.float32
    with pytest.raises(ValueError, match="residuals: the controls explain all of rdms in 1 of 2 RDMs; nothing is left to "
                                         "compare, leave it or the control out"):
        residuals(np.stack([a[0], 3 * controls[1] + 2]), controls)


@pytest.mark.parametrize("n_controls, images", [(1, None), (3, None), (1, np.repeat(np.arange(15), 2))],
                         ids=["one", "three", "images twice"])
def test_closed_form_of_residuals_agrees_with_samples_and_the_refit_widens_by_a_few_percent(n_controls, images):
    """Predicted ratio of variances: 1 + sum over an orthonormal basis of the controls of Var r(control, relabelled residual)."""
    a, b, controls = problem(30, n_controls, seed=4, images=images)
    e_a, e_b = residuals(a[0], controls), residuals(b[0], controls)
    moments = mantel_moments(e_a, e_b, blocks=images)
    null = partial_null(a[0], b[0], controls, n_permutations=20_000, seed=5, blocks=images)
    assert abs(null.mean() - moments.mean) < 4 * null.std() / 20_000 ** 0.5 + 0.02 * abs(moments.mean)
    assert -0.05 < null.var() / moments.variance - 1 < 0.11
    if images is None:
        basis = np.linalg.svd(controls - controls.mean(1, keepdims=True), full_matrices=False)[2]
        predicted = 1 + mantel_moments(basis, e_b).variance.sum()
        assert abs(null.var() / moments.variance - predicted) < 0.05
    observed = partial_rsa(a[0], b[0], controls)
    assert abs(p_values(observed, null) - p_values(observed, moments)) < 0.02


def test_relabelling_the_raw_rdm_is_another_null():
    """Where both RDMs follow the control, the raw null has another width: it is no test of the partial correlation."""
    a, b, controls = problem(30, 1, seed=6)
    a, b = a + 3 * controls[0], b + 3 * controls[0]
    orders = draw_relabellings(30, 300, seed=2)
    i, j = np.triu_indices(30, 1)
    raw = np.array([partial_rsa(a[0], square(b[0])[p[i], p[j]], controls) for p in orders])
    proper = partial_null(a[0], b[0], controls, relabellings=orders)
    assert abs(np.corrcoef(raw, proper)[0, 1]) < 0.95 and abs(raw - proper).max() > 0.02
    assert not np.allclose(proper, permutation_null(a[0], b[0], relabellings=orders), atol=0.02)
