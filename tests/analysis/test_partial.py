"""Partial RSA against the correlation of regression residuals; controls that add nothing, or leave nothing."""

import time

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from convergence.analysis.partial import partial_of, partial_rsa, products_with_controls
from convergence.analysis.similarity import rsa

PAIRS = 45 * 44 // 2


def stacks(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    controls = rng.standard_normal((3, PAIRS)) + 5
    a = rng.standard_normal((4, PAIRS)) + rng.standard_normal((4, 3)) @ controls
    b = rng.standard_normal((2, PAIRS)) + rng.standard_normal((2, 3)) @ controls + a[:2] / 2
    return a.astype(dtype), b.astype(dtype), controls.astype(dtype)


def residuals(rdms, controls):
    design = np.column_stack([np.ones(PAIRS), *controls])
    return rdms - (design @ np.linalg.lstsq(design, rdms.T, rcond=None)[0]).T


def by_regression(a, b, controls):
    return np.corrcoef(residuals(a, controls), residuals(b, controls))[:len(a), len(a):]


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor])
def test_against_the_correlation_of_residuals(dtype, tolerance, library):
    a, b, controls = stacks(dtype=dtype)
    found = partial_rsa(*map(library, (a, b, controls)))
    assert found.shape == (4, 2) and isinstance(found, type(library(a)))
    assert np.abs(np.asarray(found) - by_regression(*(x.astype(float) for x in (a, b, controls)))).max() < tolerance
    paired = partial_rsa(*map(library, (a[:2], b, controls)), paired=True)
    assert np.abs(np.asarray(paired) - np.asarray(found)[[0, 1], [0, 1]]).max() < tolerance
    assert np.abs(np.asarray(found) - rsa(a, b)).max() > 0.1


def test_one_control_is_the_published_formula_and_one_rdm_gives_a_number():
    a, b, controls = stacks()
    (ab,), (ac,), (bc,) = (np.corrcoef(x, y)[0, 1:] for x, y in ((a[0], b[0]), (a[0], controls[1]), (b[0], controls[1])))
    found = partial_rsa(a[0], b[0], controls[1])
    assert isinstance(found, float) and abs(found - (ab - ac * bc) / np.sqrt((1 - ac ** 2) * (1 - bc ** 2))) < 1e-12
    assert partial_rsa(a, b[0], controls).shape == (4,)


def test_no_control_is_rsa_and_dependent_controls_add_nothing():
    a, b, controls = stacks()
    assert np.array_equal(partial_rsa(a, b, controls[:0]), rsa(a, b))
    more = np.concatenate([controls, [controls[0] + 2 * controls[2] + 3], controls[1:2]])
    assert np.abs(partial_rsa(a, b, more) - partial_rsa(a, b, controls)).max() < 1e-9


@pytest.mark.parametrize("method", ["spearman", "rho_a"])
def test_ranks_are_partialled(method):
    a, b, controls = (np.round(x, 1) for x in stacks())
    ranks = [rankdata(x, axis=1) for x in (a, b, controls)]
    assert np.abs(partial_rsa(a, b, controls, method=method) - by_regression(*ranks)).max() < 1e-10


def test_some_controls_from_the_same_sums():
    a, b, controls = stacks()
    products = products_with_controls(a, b, controls)
    for chosen in ([], [1], [2, 0]):
        r, lost_a, lost_b = partial_of(products, chosen)
        assert np.abs(r - by_regression(a, b, controls[chosen])).max() < 1e-10 and not lost_a.any() and not lost_b.any()


def test_what_the_controls_explain_wholly_is_named():
    a, b, controls = stacks()
    a[2] = controls[0] - 3 * controls[1]
    with pytest.raises(ValueError, match="partial_rsa: the controls explain all of a in 2 of 4 RDMs; nothing is left to compare"):
        partial_rsa(a, b, controls)
    with pytest.raises(ValueError, match="partial_rsa: controls has 6 pairs"):
        partial_rsa(a, b, controls[:, :6])
    with pytest.raises(ValueError, match="paired=True compares .* a has 4 and b has 2"):
        partial_rsa(a, b, controls, paired=True)


@pytest.mark.slow
def test_three_controls_cost_at_most_half_as_much_again():
    rng = np.random.default_rng(0)
    a, b, controls = (rng.standard_normal((n, 800 * 799 // 2), dtype=np.float32) for n in (60, 60, 3))
    seconds = {}
    for name, work in 3 * [("plain", lambda: rsa(a, b)), ("partial", lambda: partial_rsa(a, b, controls))]:
        started = time.perf_counter()
        work()
        seconds.setdefault(name, []).append(time.perf_counter() - started)
    print({name: min(times) for name, times in seconds.items()})
    assert min(seconds["partial"]) <= 1.5 * min(seconds["plain"])
