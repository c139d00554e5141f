"""The two quantiles that limit outliers, q and 1 - q of a whole matrix, without sorting the matrix.

Both are order statistics far in the tails. A regular sample of the values gives bounds that are safely inside; one comparison
pass keeps the few values beyond each bound; the exact order statistics are read off those few. If the sample was unlucky,
everything is sorted. The result is numpy's default (linear interpolation), at any size: many versions of torch.quantile refuse
more than 16 million values.
"""

import math

import numpy as np

from convergence.compute.device import is_tensor

SAMPLE = 20_000                 # its sort costs 0.1 ms; larger samples would keep fewer values beyond the bounds


def tail_limits(values, fraction):
    """The quantiles `fraction` and 1 - `fraction` of all entries of a matrix.

    Parameters
    ----------
    values : numpy.ndarray or torch.Tensor, (n, p)
        Finite numbers of a floating type.
    fraction : float
        From 0 to below 0.5.

    Returns
    -------
    low, high : float
        numpy.quantile(values, [fraction, 1 - fraction]), to rounding.

    Notes
    -----
    Two passes over the values and a sort of about 2 `fraction` of them: 8 to 16 times faster than numpy.quantile at 0.003.
    """
    n, p = values.shape
    flat = values.reshape(-1)
    position = fraction * (n * p - 1)
    whole = int(position)
    ascending, descending = _tails(flat, p, fraction, least=min(whole + 2, n * p))
    return _interpolate(ascending, whole, position - whole), _interpolate(descending, whole, position - whole)


def _tails(flat, p, fraction, least):
    """The smallest values in ascending and the largest in descending order, at least `least` of each."""
    size = len(flat)
    step = max(1, size // SAMPLE)
    while math.gcd(step, p) > 1:                                    # else the sample would see only some of the columns
        step += 1
    sample = _sort(flat[::step])
    expected = len(sample) * fraction
    margin = int(expected + 6 * math.sqrt(expected) + 3)            # six standard errors, so that too few is rare
    if 2 * margin < len(sample):
        low, high = _where(flat, flat <= sample[margin]), _where(flat, flat >= sample[-1 - margin])
        if min(len(low), len(high)) >= least:
            return _sort(low), -_sort(-high)
    everything = _sort(flat)
    return everything, everything.flip(0) if is_tensor(everything) else everything[::-1]


def _sort(values):
    return values.sort().values if is_tensor(values) else np.sort(values)


def _where(flat, mask):
    return flat[mask] if is_tensor(flat) else flat[np.flatnonzero(mask)]            # twice as fast as flat[mask] in NumPy


def _interpolate(ordered, whole, part):
    if not part:
        return float(ordered[whole])
    return float(ordered[whole]) * (1 - part) + float(ordered[whole + 1]) * part
