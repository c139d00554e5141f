"""Family-wise p-values: by hand, streamed, and their error rate over a family of dependent statistics."""

import numpy as np
import pytest
import torch

from convergence import mantel_moments, permutation_null, rsa
from convergence.analysis.max_statistic import max_of_standardised, max_p_values, p_of_maxima
from convergence.analysis.null import MantelMoments


def test_by_hand():
    """Two statistics, one with a null ten times as wide; four relabellings. Observed counts as the fifth."""
    null = np.array([[1.0, -10.0], [-1.0, 10.0], [0.5, 30.0], [-0.5, -10.0]])
    observed = np.array([3.0, 20.0])
    rows = np.vstack([observed, null])
    z = abs(rows - rows.mean(0)) / rows.std(0)
    expected = [(1 + (z[1:].max(1) >= z[0, k]).sum()) / 5 for k in range(2)]
    np.testing.assert_array_equal(max_p_values(observed, null), expected)
    assert expected == [1 / 5, 1]                                               # 20 is little beside a null of -10 to 30
    signed = (rows - rows.mean(0)) / rows.std(0)
    for tail, values in (("greater", signed), ("less", -signed)):
        by_hand = [(1 + (values[1:].max(1) >= values[0, k]).sum()) / 5 for k in range(2)]
        np.testing.assert_array_equal(max_p_values(observed, null, tail=tail), by_hand)


def test_nan_is_no_test_and_shapes_are_kept():
    rng = np.random.default_rng(0)
    null, observed = rng.standard_normal((200, 3, 4)), rng.standard_normal((3, 4))
    observed[1, 2], null[5, 0, 0] = np.nan, np.nan
    p = max_p_values(observed, null)
    assert p.shape == (3, 4) and np.isnan(p).sum() == 2 and np.isnan(p[1, 2]) and np.isnan(p[0, 0])
    known = ~np.isnan(p)
    np.testing.assert_array_equal(p[known], max_p_values(observed[known], null[:, known]))
    assert np.isnan(max_p_values(np.full(2, np.nan), null[:, 0, :2])).all()
    np.testing.assert_array_equal(max_p_values(torch.from_numpy(observed), torch.from_numpy(null)), p)


def test_streamed_over_parcels_and_layers_is_the_same_to_the_scale():
    """Standard deviations from the closed form instead of from the samples."""
    rng = np.random.default_rng(1)
    rois, layers = rng.random((5, 190)), rng.random((4, 190))
    moments, r = mantel_moments(rois, layers), rsa(rois, layers)
    reduce = max_of_standardised(moments)
    maxima = permutation_null(rois, layers, n_permutations=3000, reduce=reduce)
    null = permutation_null(rois, layers, n_permutations=3000)
    assert maxima.shape == (3000,)
    np.testing.assert_allclose(maxima, (abs(null - moments.mean) / moments.variance ** 0.5).max((1, 2)), rtol=1e-12)
    z = abs(r - moments.mean) / moments.variance ** 0.5
    np.testing.assert_allclose(p_of_maxima(z, maxima), max_p_values(r, null), atol=0.03)
    assert abs(p_of_maxima(float(reduce(r[None])[0]), maxima) - p_of_maxima(z, maxima).min()) < 1e-12
    tensors = permutation_null(torch.from_numpy(rois), torch.from_numpy(layers), n_permutations=50, reduce=reduce)
    np.testing.assert_allclose(tensors.numpy(), maxima[:50], rtol=1e-9)
    some = moments._replace(variance=np.where(np.arange(4) == 2, 0.0, moments.variance))         # one layer without variance
    others = [0, 1, 3]
    expected = (abs(null - moments.mean) / moments.variance ** 0.5)[:, :, others].max((1, 2))
    np.testing.assert_allclose(max_of_standardised(some)(null), expected, rtol=1e-12)


def test_one_family_in_twenty_has_a_value_below_0_05():
    """400 families of 20 dependent statistics whose nulls differ in width: 2 to 8 %; uncorrected most families have one."""
    rng, widths = np.random.default_rng(2), np.linspace(1, 8, 20)
    family, single = [], []
    for _ in range(400):
        values = (rng.standard_normal((200, 20)) + 0.8 * rng.standard_normal((200, 1))) * widths
        p = max_p_values(values[0], values[1:])
        family.append(p.min() <= 0.05)
        single.append(p[3] <= 0.05)
    assert 0.02 < np.mean(family) < 0.08
    assert np.mean(single) < 0.02


@pytest.mark.parametrize("call, message", [
    (lambda: max_p_values(np.zeros(3), np.zeros((5, 2))),
     r"max_p_values: null has shape \(5, 2\), observed has shape \(3,\); expected"),
    (lambda: max_p_values(0.1, np.zeros(5)), r"max_p_values: null has shape \(5,\), observed has shape \(\)"),
    (lambda: max_p_values(np.zeros(2), np.zeros((5, 2)), tail="both"), "max_p_values: tail='both' is unknown"),
    (lambda: max_of_standardised(MantelMoments(np.zeros(2), np.array([0.0, np.nan]), np.zeros(2))),
     "none of the statistics has a variance")])
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
