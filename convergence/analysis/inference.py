"""From nulls to p-values, from p-values to stars.

    p_values(r, permutation_null(...))          # counts: (1 + how many are as far from the null mean as r) / (1 + P)
    p_values(r, mantel_moments(...))            # from mean, variance and skewness, without sampling
    smallest_detectable(null)                   # the smallest r above the null mean that would have had p <= 0.05
    fdr(p)                                      # Benjamini-Hochberg
    stars(p)                                    # '', '*', '**', ...

A NaN (a parcel that could not be computed) stays NaN in p-values, and does not count as a test in `fdr`.
"""

import numpy as np
from scipy.special import gammainc, gammaincc, ndtr

from convergence.analysis import validation
from convergence.analysis.null import MantelMoments
from convergence.compute.device import is_tensor

TAILS = ("two-sided", "greater", "less")
LEVELS = (0.05, 0.01, 0.001, 0.0001)            # of one to four stars

_NEARLY_SYMMETRIC = 1e-3                        # below, incomplete gamma functions lose the far tail, and the normal is as good


def p_values(observed, null, *, tail="two-sided"):
    """How probable a statistic at least as extreme would be if the labels of the stimuli meant nothing.

    Parameters
    ----------
    observed : (...) array, tensor or float
    null : (n_permutations, ...) array or tensor, or MantelMoments of the shape of `observed`
        Sampled values of the statistic, or its closed-form moments.
    tail : {"two-sided", "greater", "less"}
        "two-sided": at least as far from the mean of the null, on either side.

    Returns
    -------
    array, tensor or float like `observed`
        Samples: (1 + count) / (1 + n_permutations), never 0. Moments: the tails of a Pearson III distribution with this
        skewness, of the normal where the skewness is not known (NaN) or below 0.001. Variance 0 gives 1. NaN where the observed
        value or its null is NaN.

    Raises
    ------
    ValueError
        Shapes that do not fit, an unknown tail.

    Notes
    -----
    Values that differ from the observed one by rounding (8 units in the last place of their type) count as equal to it.
    Moments: with |skewness| <= 0.1 the normal and Pearson III agree; else Pearson III is within 10 % at p = 0.01, and within a
    factor of 0.5 to 1.6 at 0.001, except where single stimuli explain most of both RDMs. Where a decision hangs on p < 0.001,
    sample. Digits of p < 1e-6 mean nothing.

    Phipson & Smyth (2010), Stat. Appl. Genet. Mol. Biol. 9:39 for the count; Kazi-Aoual et al. (1995), Comput. Stat. Data Anal.
    20:643 for Pearson III.

    Examples
    --------
    >>> float(p_values(0.5, np.array([-0.6, -0.1, 0.0, 0.1, 0.6])))             # 2 of 5 are as far from their mean, 0
    0.5
    >>> round(p_values(0.2, MantelMoments(0.0, 0.01, 0.0)), 4)                  # two standard deviations
    0.0455
    """
    validation.option("p_values", "tail", tail, TAILS)
    x = _array(observed)
    if isinstance(null, MantelMoments):
        p = _from_moments(x, *(_array(value) for value in null), tail)
    else:
        p = _from_samples(x, _array(null), tail)
    if is_tensor(observed):
        import torch
        return torch.from_numpy(np.asarray(p)).to(observed.device)
    return float(p) if p.ndim == 0 else p


def smallest_detectable(null, *, alpha=0.05):
    """The smallest statistic above the mean of its null whose two-sided p-value would not exceed alpha.

    What a run could have found at all: an effect below it was out of reach, whatever the p-value says.

    Parameters
    ----------
    null : (n_permutations, ...) array or tensor, or MantelMoments
        As for `p_values`.
    alpha : float
        Between 0 and 1.

    Returns
    -------
    (...) float64 array, or float
        Infinity where no value would do: fewer than 1 / alpha - 1 samples, or a null without variance. NaN where the null is NaN.

    Raises
    ------
    ValueError
        alpha outside 0 to 1.

    Examples
    --------
    >>> round(smallest_detectable(MantelMoments(0.0, 0.01, 0.0)), 3)            # 1.96 standard deviations
    0.196
    """
    validation.number("smallest_detectable", "alpha", alpha, low=1e-12, high=1)
    if isinstance(null, MantelMoments):
        found = _critical(*(_array(value).astype(np.float64) for value in null), alpha)
    else:
        samples = _array(null)
        mean = samples.mean(0, dtype=np.float64)
        distance = np.sort(abs(samples - mean), axis=0)
        larger = int(alpha * (1 + len(samples)) + 1e-9) - 1                     # so many samples may be as far or farther
        found = mean + (distance[len(samples) - 1 - larger] if larger >= 0 else np.inf)
    return float(found) if found.ndim == 0 else found


def fdr(p):
    """Benjamini-Hochberg adjusted p-values: the smallest false discovery rate at which each would be called significant.

    Parameters
    ----------
    p : (...) array
        One family of tests, of any shape. NaN is no test.

    Returns
    -------
    (...) array
        NaN where p is NaN.

    Raises
    ------
    ValueError
        A p below 0 or above 1.

    Notes
    -----
    Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57:289. Valid for independent and positively dependent tests.

    Examples
    --------
    >>> fdr([0.01, 0.04, np.nan, 0.03])
    array([0.03, 0.04,  nan, 0.04])
    """
    p = np.asarray(p, dtype=np.float64)
    _check_p("fdr", p)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p.flat[known], kind="stable")]
    scaled = p.flat[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted = np.full(p.shape, np.nan)
    adjusted.flat[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1)
    return adjusted


def stars(p):
    """'*' below 0.05, '**' below 0.01, '***' below 0.001, '****' below 0.0001; '' otherwise and for NaN.

    Parameters
    ----------
    p : (...) array or float

    Returns
    -------
    (...) array of str, or str

    Examples
    --------
    >>> stars([0.2, 0.03, 0.00001]).tolist()
    ['', '*', '****']
    """
    p = np.asarray(p, dtype=np.float64)
    _check_p("stars", p)
    count = sum((p < level).astype(int) for level in LEVELS)
    found = np.array(["*" * k for k in range(len(LEVELS) + 1)])[count]
    return str(found) if found.ndim == 0 else found


def _from_samples(x, null, tail):
    if null.ndim == 0 or null.shape[1:] != x.shape or not len(null):
        raise ValueError(f"p_values: null has shape {null.shape}, observed has shape {x.shape}; expected (n_permutations, ...) "
                         "with the shape of observed after the first axis, or MantelMoments")
    mean = null.mean(0, dtype=np.float64)
    distance, sampled = x - mean, null - mean
    if tail == "two-sided":
        distance, sampled = abs(distance), abs(sampled)
    elif tail == "less":
        distance, sampled = -distance, -sampled
    rounding = 8 * max(np.finfo(y.dtype).eps for y in (x, null)) * np.maximum(abs(x), abs(null).max(0))
    with np.errstate(invalid="ignore"):
        count = (sampled >= distance - rounding).sum(0)
    return np.where(np.isnan(distance), np.nan, (1 + count) / (1 + len(null)))


def _from_moments(x, mean, variance, skewness, tail):
    if not x.shape == mean.shape == variance.shape == skewness.shape:
        raise ValueError(f"p_values: the moments have shapes {mean.shape}, {variance.shape}, {skewness.shape}, observed has "
                         f"shape {x.shape}; they must be equal")
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (x - mean) / np.sqrt(variance)
    both, skewness = tail == "two-sided", np.where(np.isnan(skewness), 0.0, skewness)
    upper, lower = _tails(abs(z) if both else z, skewness, both=both)
    p = upper + lower if tail == "two-sided" else upper if tail == "greater" else lower
    return np.where(np.isnan(x - mean - variance), np.nan, np.where(variance > 0, p, 1.0))


def _tails(z, skewness, *, both):
    """Probability above z, and below -z (both) or z, for standardised Pearson III."""
    below = -z if both else z
    gamma = np.where(abs(skewness) < _NEARLY_SYMMETRIC, np.nan, skewness)
    k, sign = 4 / gamma ** 2, np.sign(gamma)
    at = lambda value: np.maximum(k + sign * value * np.sqrt(k), 0)             # the gamma variable with this standardised value
    above = np.where(sign > 0, gammaincc(k, at(z)), gammainc(k, at(z)))
    under = np.where(sign > 0, gammainc(k, at(below)), gammaincc(k, at(below)))
    normal = np.isnan(gamma)
    return np.where(normal, ndtr(-z), above), np.where(normal, ndtr(below), under)


def _critical(mean, variance, skewness, alpha):
    """Where the two tails of Pearson III together have alpha, by bisection; 60 halvings of 0 to 64 standard deviations."""
    low, high = np.zeros_like(mean), np.full_like(mean, 64.0)
    gamma = np.where(np.isnan(skewness), 0.0, skewness)
    for _ in range(60):
        middle = (low + high) / 2
        above = np.add(*_tails(middle, gamma, both=True)) > alpha
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(variance > 0, mean + high * np.sqrt(variance), np.where(np.isnan(variance), np.nan, np.inf))


def _check_p(function, p):
    wrong = p[(p < 0) | (p > 1)]
    if wrong.size:
        raise ValueError(f"{function}: p holds {wrong.size:,} values outside 0 to 1, the first is {wrong.flat[0]:g}")


def _array(values):
    array = np.asarray(values.detach().cpu() if is_tensor(values) else values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
