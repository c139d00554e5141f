"""Family-wise p-values: how probable the largest of many statistics would be, if the labels of the stimuli meant nothing.

    max_p_values(r, permutation_null(...))                  # statistics of one family, all relabelled together

    reduce = max_of_standardised(mantel_moments(a, b))      # the same for nulls that are too large to be held:
    maxima = permutation_null(a, b, n_permutations=10_000, reduce=reduce)                   # (10_000,)
    p_of_maxima(reduce(rsa(a, b)[None])[0], maxima)

Parcels and layers have nulls of unequal width, so that each statistic is divided by the standard deviation of its own null first
(max-T; Westfall & Young 1993); else the widest null decides for all. One relabelling must act on all statistics of the family at
once: that is what carries their dependence into the maximum, and makes it sharper than Bonferroni's correction.
"""

import numpy as np

from convergence.analysis import validation
from convergence.analysis.inference import TAILS
from convergence.analysis.null import MantelMoments
from convergence.compute.device import is_tensor


def max_p_values(observed, null, *, tail="two-sided"):
    """p-values that hold for a whole family: below 0.05 anywhere with probability 0.05 if there is nothing anywhere.

    Parameters
    ----------
    observed : (...) array
        One family of statistics: parcels, or parcels x layers. NaN is no test.
    null : (n_permutations, ...) array
        Sampled values, one relabelling for all statistics of a row.
    tail : {"two-sided", "greater", "less"}

    Returns
    -------
    (...) float64 array
        (1 + how many maxima are as large) / (1 + n_permutations); NaN where observed is NaN.

    Raises
    ------
    ValueError
        Shapes that do not fit, an unknown tail.

    Notes
    -----
    What was observed is one of the relabellings, and counts in the means and standard deviations: the test is exact for any
    number of samples. Cost: one pass over the null, and a copy of it.

    Westfall & Young (1993), Resampling-Based Multiple Testing; Nichols & Holmes (2002), Hum. Brain Mapp. 15:1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> null = rng.standard_normal((999, 20)) * np.linspace(1, 9, 20)           # parcels with narrow and with wide nulls
    >>> bool(max_p_values(np.r_[4.0, np.zeros(19)], null)[0] < 0.01)            # 4 is much for the first parcel
    True
    """
    validation.option("max_p_values", "tail", tail, TAILS)
    observed, null = (np.asarray(x.cpu() if is_tensor(x) else x, dtype=np.float64) for x in (observed, null))
    if null.ndim < 2 or null.shape[1:] != observed.shape or not len(null):
        raise ValueError(f"max_p_values: null has shape {null.shape}, observed has shape {observed.shape}; expected "
                         "(n_permutations, ...) with the shape of observed after the first axis, at least one statistic")
    rows = np.concatenate([observed[None], null]).reshape(1 + len(null), -1)
    known = ~np.isnan(rows).any(0)
    z = _standardised(rows[:, known], tail)
    p = np.full(rows.shape[1], np.nan)
    p[known] = p_of_maxima(z[0], z[1:].max(1)) if known.any() else np.nan
    return p.reshape(observed.shape)


def max_of_standardised(moments):
    """A function for ``permutation_null(reduce=...)``: of every relabelling, the statistic farthest from its null mean.

    Parameters
    ----------
    moments : MantelMoments
        Of all statistics, in the shape of a row of the null. Those without variance, or NaN, do not count.

    Returns
    -------
    callable
        (k, ...) -> (k,): largest |r - mean| / standard deviation.

    Raises
    ------
    ValueError
        No statistic has a variance.
    """
    mean, deviation = np.asarray(moments.mean), np.sqrt(np.asarray(moments.variance))
    with np.errstate(invalid="ignore"):
        there = deviation > 0
    if not there.any():
        raise ValueError("max_of_standardised: none of the statistics has a variance under relabelling; there is no maximum")

    def reduce(block):
        if is_tensor(block):
            import torch
            mine = [torch.as_tensor(x[there]).to(block) for x in (mean, deviation)]
            return (abs(block[:, torch.as_tensor(there).to(block.device)] - mine[0]) / mine[1]).amax(1)
        return (abs(np.asarray(block)[:, there] - mean[there]) / deviation[there]).max(1)
    return reduce


def p_of_maxima(z, maxima):
    """Family-wise p-values of standardised statistics.

    Parameters
    ----------
    z : (...) array or float
        Distance of each statistic from its null mean, in standard deviations.
    maxima : (n_permutations,) array
        The largest distance of each relabelling.

    Returns
    -------
    (...) float64 array, or float
    """
    maxima = np.sort(np.asarray(maxima, dtype=np.float64))
    z = np.asarray(z, dtype=np.float64)
    rounding = 1e-6 * np.maximum(abs(z), 1)                                     # products are summed in float32
    p = (1 + len(maxima) - np.searchsorted(maxima, z - rounding)) / (1 + len(maxima))
    p = np.where(np.isnan(z), np.nan, p)
    return float(p) if p.ndim == 0 else p


def _standardised(rows, tail):
    """Distances from the columns' means in standard deviations, 0 in a column without any; in the direction of the tail."""
    distance = rows - rows.mean(0)
    deviation = distance.std(0)
    distance = {"two-sided": abs(distance), "greater": distance, "less": -distance}[tail]
    return distance / np.where(deviation > 0, deviation, np.inf)
