"""Which image is shown on which trial: one master ordering for all subjects, over a list of images that is each subject's own.

    ordering, coupling = choose_ordering(...)       (n_trials,) column of the image list on every trial
    repetitions_of(ordering)                        (n_trials,) how often the column was shown before: 0, 1, 2
    shifted_rows(ordering, n_i, n_j, ...)           trials of two subjects that belong together at a repetition shift

The first n_shared columns hold the shared images, so that a shared image is on the same trial in every subject. Null parcels have
the drift in common and nothing else: where the drift happens to be alike at two presentations of the same images, all of them are
"significant" together. Hence many orderings are drawn and one is kept in which it is not.
"""

from itertools import permutations

import numpy as np

N_ORDERINGS = 300
MOST_COUPLED = 0.02         # largest |r| of the drift's RDMs between shifted rows


def choose_ordering(similarity, trials_present, rng, *, n_columns, n_shared, n_repetitions, n_orderings=N_ORDERINGS):
    """The ordering, of `n_orderings` drawn, in which drift looks least like agreement of subjects at a repetition shift of 1.

    Of those where the drift's RDMs correlate by at most MOST_COUPLED in every pair of subjects, it is the one whose mean over
    pairs is nearest to its expectation when images are relabelled: a parcel that has only drift is then typical of its own null.

    Parameters
    ----------
    similarity : (n_trials, n_trials) array
        Similarity of trials by their drift.
    trials_present : sequence of int
        For every subject the number of trials with data: the first so many of the planned ones.
    rng : numpy.random.Generator
    n_columns, n_shared, n_repetitions : int
        Columns of the image list, how many of them are shared, and how often each is shown; n_columns n_repetitions = n_trials.

    Returns
    -------
    ordering : (n_trials,) int array
    coupling : float
        Its largest |r|.

    Raises
    ------
    ValueError
        No ordering is good enough.
    """
    pairs = list(permutations(trials_present, 2))
    best, coupling, least = None, np.inf, np.inf
    for _ in range(n_orderings):
        ordering = rng.permutation(np.repeat(np.arange(n_columns), n_repetitions))
        rows = {pair: shifted_rows(ordering, *pair, shift=1, n_shared=n_shared) for pair in set(pairs)}
        found = {pair: _coupling(similarity, ordering, *trials) for pair, trials in rows.items()}
        largest = max(abs(r) for r, _ in found.values())
        surplus = abs(np.mean([r - expected for r, expected in map(found.get, pairs)]))
        if largest <= MOST_COUPLED and surplus < least:
            best, coupling, least = ordering, largest, surplus
    if best is None:
        raise ValueError(f"n_orderings: in none of {n_orderings} orderings drawn the drift's RDMs correlate by {MOST_COUPLED} or "
                         "less between shifted rows of all pairs of subjects; draw more, or share more images")
    return best, coupling


def shifted_rows(ordering, n_i, n_j, *, shift, n_shared):
    """Trials of two subjects that belong together: the same shared image, j's repetition r - shift (cyclic) where i's is r.

    Parameters
    ----------
    ordering : (n_trials,) int array
    n_i, n_j : int
        Trials with data of either subject.
    shift : int
    n_shared : int
        Columns below this one are shared.

    Returns
    -------
    trials_i, trials_j : (n_rows,) int arrays, in i's order
    """
    repetition = repetitions_of(ordering)
    n_repetitions = repetition.max() + 1
    trial_of = np.empty((ordering.max() + 1, n_repetitions), dtype=int)
    trial_of[ordering, repetition] = np.arange(len(ordering))
    trials_i = np.flatnonzero(ordering < n_shared)
    trials_j = trial_of[ordering[trials_i], (repetition[trials_i] - shift) % n_repetitions]
    there = (trials_i < n_i) & (trials_j < n_j)
    return trials_i[there], trials_j[there]


def repetitions_of(ordering):
    """(n_trials,) how often a trial's column occurred before."""
    in_time = np.argsort(ordering, kind="stable")
    first = np.searchsorted(ordering[in_time], ordering[in_time])
    repetition = np.empty(len(ordering), dtype=int)
    repetition[in_time] = np.arange(len(ordering)) - first
    return repetition


def relabelled_mean(values, image):
    """Mean of a symmetric (n, n) matrix over all relabellings of images; images change places with those of as many rows.

    Pairs of rows fall into classes: how many rows their images have, which of these the two are, whether it is one image. The
    result has in every pair the mean of its class.
    """
    occurrence, n_rows = repetitions_of(image), np.bincount(image)[image]
    kinds = np.unique(np.column_stack([n_rows, occurrence]), axis=0, return_inverse=True)[1].ravel()
    member = np.eye(kinds.max() + 1)[kinds]
    same = image[:, None] == image
    mean = np.zeros_like(values)
    for pairs in (same, ~same):
        count = member.T @ pairs @ member
        total = member.T @ np.where(pairs, values, 0) @ member
        mean += np.where(pairs, member @ (total / np.maximum(count, 1)) @ member.T, 0)
    return mean


def _coupling(similarity, ordering, trials_i, trials_j):
    """(r, its mean over relabellings of the images) of the drift's RDMs of two subjects."""
    a, b = (similarity[np.ix_(trials, trials)] for trials in (trials_i, trials_j))
    mean = relabelled_mean(b, ordering[trials_i])
    above = np.triu_indices(len(a), 1)
    a, b, mean = (square[above] - square[above].mean() for square in (a, b, mean))
    norms = np.sqrt(a @ a * (b @ b))
    return a @ b / norms, a @ mean / norms
