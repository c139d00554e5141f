"""The null of sessions read backwards: exact moments, its level under drift, and what it finds."""

import itertools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import pdist

from convergence.analysis.trial_order import against_reversed

PAIRS = [(a, b) for a, b in itertools.combinations((2, 3, 7, 9, 14), 2)]


def test_mean_deviation_and_p_are_those_of_all_patterns():
    rng = np.random.default_rng(5)
    matched, backwards = rng.random((2, len(PAIRS), 3))
    found, values = against_reversed(matched, backwards, PAIRS), []
    for way in itertools.product((0, 1), repeat=5):
        forwards = dict(zip((2, 3, 7, 9, 14), way))
        values.append(np.mean([m if forwards[a] == forwards[b] else r for m, r, (a, b) in zip(matched, backwards, PAIRS)], 0))
    assert np.allclose(found.observed, matched.mean(0)) and np.allclose(found.null_mean, np.mean(values, 0))
    assert np.allclose(found.null_std, np.std(values, 0)) and np.allclose(found.z,
                                                                          (found.observed - found.null_mean) / found.null_std)
    further = abs(values - found.null_mean) >= abs(found.observed - found.null_mean) - 1e-12
    assert np.allclose(found.p, further.mean(0)) and (found.p >= 1 / 16).all()


def test_many_sessions_are_sampled_with_the_seed():
    rng = np.random.default_rng(0)
    pairs = list(itertools.combinations(range(20, 34), 2))
    matched, backwards = rng.random((2, len(pairs)))
    one, again, other = (against_reversed(matched, backwards, pairs, n_samples=500, seed=seed).p for seed in (1, 1, 2))
    assert one == again and one != other and abs(one - other) < 0.1


def test_reversal_that_changes_nothing_has_no_z():
    found = against_reversed(np.full((10, 2), 0.5), np.full((10, 2), 0.5), PAIRS)
    assert np.isnan(found.z).all() and (found.p == 1).all()


def sessions_of(rng, event=0.0, n=40):
    """RDMs of five sessions with a drift of their own, and an event at one place in all."""
    what = rng.standard_normal(4)
    found = {}
    for session in (2, 3, 7, 9, 14):
        drift = gaussian_filter1d(rng.standard_normal((n, 4)), 5, axis=0, mode="wrap")
        drift = (drift - drift.mean(0)) / drift.std()
        drift[5:11] += event * what
        found[session] = drift + 0.3 * rng.standard_normal((n, 4))
    return found


def compare(found):
    r = lambda x, y: np.corrcoef(pdist(x), pdist(y))[0, 1]
    return against_reversed([r(found[a], found[b]) for a, b in PAIRS], [r(found[a][::-1], found[b]) for a, b in PAIRS], PAIRS)


def test_drift_alone_is_far_from_0_and_within_its_null():
    rng = np.random.default_rng(1)
    results = [compare(sessions_of(rng)) for _ in range(150)]
    assert np.mean([result.observed for result in results]) > 0.1
    assert np.mean([result.p <= 1 / 16 for result in results]) < 0.13                  # 1 in 16, and its standard error
    assert abs(np.mean([result.z for result in results])) < 0.25


def test_an_event_at_one_place_is_found():
    rng = np.random.default_rng(2)
    assert np.mean([compare(sessions_of(rng, event=3.0)).p <= 1 / 16 for _ in range(20)]) > 0.8


@pytest.mark.parametrize("matched, pairs, message", [
    (np.zeros((3, 2)), PAIRS, r"matched has shape \(3, 2\), backwards \(10, 2\), sessions \(10, 2\); expected a row per pair"),
    (np.zeros((10, 2)), [(2, 2), *PAIRS[1:]], "sessions pairs a session with itself")])
def test_errors(matched, pairs, message):
    with pytest.raises(ValueError, match=message):
        against_reversed(matched, np.zeros((10, 2)), pairs)
