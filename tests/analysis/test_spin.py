"""The spin test: rotations, their mirror image, missing parcels, and the error rate on smooth maps."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from convergence.analysis.spin import correlate_maps, spins


@pytest.fixture(scope="module")
def sphere():
    points = np.random.default_rng(0).standard_normal((120, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_a_spin_moves_parcels_as_one_rotation_does(sphere):
    turns = spins(sphere * 100, n_spins=50)
    assert turns.shape == (50, 120) and (spins(sphere, n_spins=50) == turns).all() and (spins(sphere, n_spins=50, seed=1) != turns).any()
    for turn in turns[:10]:
        u, _, vt = np.linalg.svd(sphere[turn].T @ sphere)                     # the rotation that explains the spin best
        assert np.linalg.norm(sphere[turn] @ (u @ vt) - sphere, axis=1).mean() < 0.25
    assert len(np.unique(turns[:, 0])) > 30                                   # everywhere on the sphere


def test_hemispheres_are_mirrored_and_never_mixed(sphere):
    both = np.concatenate([sphere, sphere * [-1, 1, 1]])
    side = np.repeat(["lh", "rh"], 120)
    turns = spins(both, side, n_spins=20)
    np.testing.assert_array_equal(turns[:, 120:] - 120, turns[:, :120])


def test_r_and_the_naive_p_are_scipys(sphere):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 120))
    x[3], y[7] = np.nan, np.nan
    known = ~np.isnan(x) & ~np.isnan(y)
    turns = spins(sphere, n_spins=200)
    for method, theirs in (("pearson", pearsonr), ("spearman", spearmanr)):
        ours = correlate_maps(x, y, turns, method=method)
        assert ours[:2] == pytest.approx(tuple(theirs(x[known], y[known])))
        null = []
        for turn in turns:
            pair = np.stack([x[turn], y])[:, ~np.isnan(x[turn]) & ~np.isnan(y)]
            null.append(theirs(*pair)[0])
        assert ours.p_spin == pytest.approx((1 + (np.abs(null) >= abs(ours.r)).sum()) / 201)


def test_the_spin_test_keeps_its_error_rate_on_smooth_maps(sphere, record_property):
    """500 pairs of unrelated smooth maps: the spin test rejects at most a third as often as the naive test."""
    rng = np.random.default_rng(2)
    distance = np.arccos(np.clip(sphere @ sphere.T, -1, 1))
    root = np.linalg.cholesky(np.exp(-(distance / 0.6) ** 2) + 1e-8 * np.eye(120))
    turns = spins(sphere, n_spins=499)
    found = [correlate_maps(root @ rng.standard_normal(120), root @ rng.standard_normal(120), turns) for _ in range(500)]
    naive, spin = np.mean([f.p < 0.05 for f in found]), np.mean([f.p_spin < 0.05 for f in found])
    record_property("false positive rates (naive, spin)", f"{naive:.3f}, {spin:.3f}")
    print(f"false positive rates at 0.05: naive {naive:.3f}, spin {spin:.3f}")
    assert spin <= naive / 3 and spin < 0.12


@pytest.mark.parametrize("arguments, message", [
    ((np.ones((4, 2)),), r"coordinates has shape \(4, 2\)"), ((np.ones((4, 3)), ["lh", "rh", "left", "lh"]), "expected 'lh' or 'rh'"),
    ((np.zeros((4, 3)),), "a centroid at 0")])
def test_spheres_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        spins(*arguments, n_spins=5)


def test_maps_that_cannot_be(sphere):
    turns = spins(sphere, n_spins=5)
    with pytest.raises(ValueError, match=r"x has shape \(119,\)"):
        correlate_maps(np.ones(119), np.ones(120), turns)
    with pytest.raises(ValueError, match="y is constant"):
        correlate_maps(np.arange(120), np.ones(120), turns)
    with pytest.raises(ValueError, match="3 of 120 parcels have both values"):
        correlate_maps(np.where(np.arange(120) < 3, 1.0, np.nan), np.arange(120), turns)
