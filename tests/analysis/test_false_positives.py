"""Error rates on small simulated brains: benchmarks/false_positives.py with fewer brains, and intervals that fit their number."""

import sys

import numpy as np
import pytest
from scipy.stats import binom

from convergence.python_files import load_python


@pytest.fixture(scope="module")
def simulation(checkout):
    folder = str(checkout / "benchmarks")
    module = load_python(checkout / "benchmarks" / "false_positives.py")
    yield module
    sys.path.remove(folder)
    sys.modules.pop("small_brains")


def interval(n_tests, p=0.05):
    """Shares that 0.1 % of the simulations of a valid test would miss on either side."""
    low, high = binom.ppf([0.001, 0.999], n_tests, p)
    return low / n_tests, high / n_tests


CLOSED = ["between subjects, images, closed form, normal", "without same-image pairs, closed form",
          "partial, images, closed form of residuals",
          "with a model, one relabelling, closed form, Pearson III"]


def test_closed_forms_keep_their_error_rate_and_find_what_is_there(simulation):
    found = simulation.rates(CLOSED, range(500, 560))
    for name in CLOSED:
        low, high = interval(60 * simulation.METHODS[name][1])
        assert low <= found[name][0] <= high, name
    there = simulation.rates(CLOSED, range(900, 906), effect=0.7)
    assert all(there[name][0] > 0.5 and there[name][2] > found[name][2] + 0.02 for name in CLOSED)


def test_relabelling_single_trials_does_not(simulation):
    found = simulation.rates(["as published: single trials, one relabelling"], range(600, 612))
    assert found["as published: single trials, one relabelling"][0] > 0.3


def test_brains_look_like_the_data(simulation):
    """Trials of an image are alike, neighbours in time too; a shift takes the latter out of the agreement of two subjects."""
    brain = simulation.Brain(3)
    assert brain.own.shape == (3, 20, 4005) and sorted(brain.position) == list(range(90))
    i, j = np.triu_indices(90, 1)
    same_image, lag = simulation.LABELS[i] == simulation.LABELS[j], abs(brain.position[i] - brain.position[j])
    mean = brain.own.mean((0, 1))
    assert mean[same_image].mean() < mean[~same_image].mean() - 0.05
    assert mean[~same_image & (lag < 4)].mean() < mean[~same_image & (lag > 40)].mean() - 0.05
    unshifted = [np.corrcoef(brain.own[0, k], brain.own[1, k])[0, 1] for k in range(20)]
    shifted = [np.corrcoef(brain.own[0, k], brain.shifted[1, k])[0, 1] for k in range(20)]
    assert np.mean(unshifted) > np.mean(shifted) + 0.05
    assert (simulation.Brain(3).own == brain.own).all() and (simulation.Brain(4).own != brain.own).any()
    p = np.tile([2, 0, 1], 30) + 3 * simulation.LABELS
    square = np.zeros((90, 90))
    square[i, j] = square[j, i] = brain.own[1, 7]
    np.testing.assert_array_equal(brain.shifted[1, 7], square[p[i], p[j]].astype(np.float32))


@pytest.mark.slow
def test_every_valid_method_keeps_its_error_rate(simulation):
    valid = [name for name, (_, _, kind) in simulation.METHODS.items() if kind == "valid"]
    found = simulation.rates(valid, range(1000, 1150))
    for name in valid:
        low, high = interval(150 * simulation.METHODS[name][1])
        assert low <= found[name][0] <= high, name


@pytest.mark.slow
def test_families_keep_theirs_and_invalid_schemes_do_not(simulation):
    family = [name for name, (_, _, kind) in simulation.METHODS.items() if kind == "family"]
    found = simulation.rates(family, range(2000, 2100))
    low, high = interval(100)
    assert all(low <= found[name][0] <= high for name in family)
    bad = simulation.rates([name for name, (_, _, kind) in simulation.METHODS.items() if kind == "not valid"], range(3000, 3120))
    assert all(share > 0.07 for share, _, _ in bad.values())
