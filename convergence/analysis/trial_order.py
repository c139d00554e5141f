"""Is something shared at the same place in two sessions, beyond what any two sessions share because trials follow one another?

    found = against_reversed(matched, backwards, sessions)          # observed, null mean, null standard deviation, z, p

Responses drift, so that trials close in time are alike in every session: RDMs of two sessions, in the order of presentation,
correlate without a common stimulus. Reading one of them backwards keeps how far trials lie apart and how far they lie from the
ends of the session, and nothing else: what the two share by drift alone is as large backwards as forwards. (Free relabelling is a
null without drift; against it, everything that drifts is significant.)
"""

from typing import NamedTuple

import numpy as np

from convergence.analysis import validation

_ALL_UP_TO = 12                 # sessions, of which every pattern of reversals is tried


class ReversedNull(NamedTuple):
    """What `against_reversed` finds; arrays of the shape of one row of its input."""

    observed: np.ndarray
    null_mean: np.ndarray
    null_std: np.ndarray
    z: np.ndarray
    p: np.ndarray


def against_reversed(matched, backwards, sessions, *, n_samples=10_000, seed=0):
    """The mean over pairs of sessions, against that with some sessions read backwards.

    Parameters
    ----------
    matched : (n, ...) array
        Similarity of each of n pairs of sessions, trials paired by their place.
    backwards : (n, ...) array
        The same with one of the two sessions read backwards.
    sessions : (n, 2) array
        Numbers of the two sessions of each pair.
    n_samples : int
        Patterns of reversals that are drawn where there are more than 12 sessions; else all are tried.
    seed : int

    Returns
    -------
    ReversedNull
        observed: mean of `matched`. null_mean, null_std: over patterns of reversals, every session forwards or backwards; exact.
        z: (observed - null_mean) / null_std, NaN where reversal changes nothing; it is at most sqrt(n). p: part of the patterns
        that are at least as far from null_mean, two-sided.

    Raises
    ------
    ValueError
        Shapes that do not belong together, no pair, a session paired with itself.

    Notes
    -----
    Whether the two sessions of a pair run the same way is, over all patterns, true for half of them and independent between any
    two pairs, so that the variance of the mean is the sum of ((matched - backwards) / 2)^2, divided by n^2. All subjects share
    the pattern, because what happens in a session number is shared by them.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> pairs = [(a, b) for a in range(8) for b in range(a)]
    >>> drift = 0.5 + 0.1 * rng.standard_normal((2, len(pairs)))                # as large backwards as forwards
    >>> event = np.array([0.2, 0])[:, None]                                     # at the same place in all sessions
    >>> bool(against_reversed(*drift, pairs).p > 0.05), bool(against_reversed(*(drift + event), pairs).p < 0.05)
    (True, True)
    """
    matched, backwards, sessions = np.asarray(matched, np.float64), np.asarray(backwards, np.float64), np.asarray(sessions)
    n = len(matched)
    if matched.shape != backwards.shape or sessions.shape != (n, 2) or not n:
        raise ValueError(f"against_reversed: matched has shape {matched.shape}, backwards {backwards.shape}, "
                         f"sessions {sessions.shape}; expected a row per pair of sessions in all, and two sessions a row")
    if (sessions[:, 0] == sessions[:, 1]).any():
        raise ValueError("against_reversed: sessions pairs a session with itself; give pairs of different ones")
    n_samples = validation.whole_number("against_reversed", "n_samples", n_samples, at_least=1)
    half = (matched - backwards) / 2
    observed, mean = matched.mean(0), (matched + backwards).mean(0) / 2
    deviation = np.sqrt((half ** 2).sum(0)) / n
    signs = _same_way(sessions, n_samples, seed)
    null = np.tensordot(signs, half, axes=(1, 0)) / n
    further = (abs(null) >= abs(observed - mean) * (1 - 1e-9)).mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(deviation > 0, (observed - mean) / deviation, np.nan)[()]
    return ReversedNull(observed, mean, deviation, z, np.where(np.isnan(observed), np.nan, further)[()])


def _same_way(sessions, n_samples, seed):
    """(n_patterns, n) of 1 where the two sessions of a pair run the same way, else -1; the first pattern is the observed one."""
    names, number = np.unique(sessions, return_inverse=True)
    n, number = len(names), number.reshape(sessions.shape)
    if n <= _ALL_UP_TO:                                         # the last session forwards: the others are relative to it
        way = 1 - 2 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1)
    else:
        way = 1 - 2 * np.random.default_rng(seed).integers(0, 2, (n_samples + 1, n))
        way[0] = 1
    return (way[:, number[:, 0]] * way[:, number[:, 1]]).astype(np.float64)
