"""Differences between two measures of the same people, tested over people.

    over_subjects(first, second)                # one value per subject: all sign flips of the differences
    over_pairs(first, second, pairs)            # one value per pair of subjects: bootstrap over subjects
    in_words(row)                               # as a sentence

Values of one subject (its likeness with a network) are independent between subjects; values of pairs are not, since a subject is
in many pairs. `reference=True` is as published: t over subjects, of pairs after averaging over a subject's partners, which is
wrong for pairs (`bootstrap.bootstrap_pairs` says by how much).
"""

import numpy as np

from convergence.analysis.bootstrap import bootstrap_pairs, t_test

_ALL_FLIPS = 14                 # subjects: 2^14 sign flips are all of them
_DRAWN_FLIPS = 10_000


def sign_flip_test(differences, *, seed=0):
    """Two-sided p of the mean of differences, under all changes of their signs.

    Parameters
    ----------
    differences : (n_subjects, ...) array
        Independent between subjects, and symmetric about 0 if there is nothing.
    seed : int
        With more than 14 subjects 10,000 flips are drawn; with fewer all are used.

    Returns
    -------
    (...) array or float
        At least 2 / 2^n: with 8 subjects 0.0078.

    Examples
    --------
    >>> sign_flip_test(np.array([0.3, 0.1, 0.2, 0.4, 0.2, 0.3, 0.1, 0.2])), 2 / 2 ** 8
    (0.0078125, 0.0078125)
    """
    differences = np.asarray(differences, np.float64)
    n = len(differences)
    if n <= _ALL_FLIPS:
        signs = 1 - 2 * ((np.arange(2 ** n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1, 1], (_DRAWN_FLIPS, n))
        signs[0] = 1                                                                # the observed one is among them
    means = abs(np.tensordot(signs, differences, axes=1))
    p = (means >= means[0] * (1 - 1e-12)).mean(axis=0)                              # flip 0 changes nothing
    return float(p) if p.ndim == 0 else p


def over_subjects(first, second, *, reference=False, seed=0):
    """Mean difference of two values of every subject.

    Parameters
    ----------
    first, second : (n_subjects,) arrays
    reference : bool
        Paired t-test.
    seed : int

    Returns
    -------
    dict
        first, second (means), difference, standard_error, low, high (95 %, Student's t), t, dof, p, n_subjects, method. p is of
        `sign_flip_test`, with `reference` of t.

    Raises
    ------
    ValueError
        Other numbers of subjects, fewer than 2, NaN.
    """
    first, second = _pair("over_subjects", first, second)
    d, n = first - second, len(first)
    row = dict(zip(("difference", "standard_error", "low", "high", "t", "dof", "p"),
                   t_test(float(d.mean()), d.var(ddof=1) / n, n - 1)))
    method = "paired t over subjects" if reference else f"{'all' if n <= _ALL_FLIPS else 'drawn'} sign flips over subjects"
    return {"first": first.mean(), "second": second.mean(), **row, **({} if reference else {"p": sign_flip_test(d, seed=seed)}),
            "n_subjects": n, "method": method}


def over_pairs(first, second, pairs, *, reference=None, seed=0):
    """Mean difference of two similarities of every ordered pair of subjects.

    Parameters
    ----------
    first, second : (n_pairs,) arrays
        r of the same pairs of two different subjects.
    pairs : (n_pairs, 2) array
        Subjects.
    reference : {None, "paired", "welch"}
        As published: t of each subject's mean over partners, paired or with unequal variances.
    seed : int

    Returns
    -------
    dict
        As `over_subjects`.

    Raises
    ------
    ValueError
        As `bootstrap_pairs`.
    """
    first, second = _pair("over_pairs", first, second)
    pairs = np.asarray(pairs)
    if reference:
        means = [[values[pairs[:, 0] == subject].mean() for subject in np.unique(pairs[:, 0])] for values in (first, second)]
        if reference == "paired":
            return {**over_subjects(*means, reference=True), "method": "paired t over subjects' means"}
        return _welch(*map(np.array, means))
    found = bootstrap_pairs(first - second, pairs, seed=seed)
    row = {name: value for name, value in found._asdict().items() if name != "mean"}
    return {"first": first.mean(), "second": second.mean(), "difference": found.mean, **row, "n_subjects": len(np.unique(pairs)),
            "method": "bootstrap over subjects of the pairs' values"}


def in_words(row):
    """A row of hub_contrasts as a sentence: estimate, interval, test, corrected or not.

    Examples
    --------
    >>> row = {"contrast": "lh - rh", "measure": "vision", "hub": "EVC", "difference": 0.161, "low": 0.14, "high": 0.18}
    >>> in_words({**row, "p": 0.0078, "p_corrected": 0.012, "correction": "FDR of 3", "method": "flips", "n_subjects": 8})
    'EVC, vision, lh - rh: 0.161, 95 % interval 0.140 to 0.180; flips (8 subjects), p = 0.0078 uncorrected, 0.012 with FDR of 3.'
    """
    return (f"{row['hub']}, {row['measure']}, {row['contrast']}: {row['difference']:.3f}, 95 % interval {row['low']:.3f} to "
            f"{row['high']:.3f}; "
            f"{row['method']} ({row['n_subjects']} subjects), p = {row['p']:.4g} uncorrected, {row['p_corrected']:.4g} with "
            f"{row['correction']}.")


def _welch(first, second):
    from scipy.stats import ttest_ind

    found = ttest_ind(first, second, equal_var=False)
    difference = first.mean() - second.mean()
    error = np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
    low, high = found.confidence_interval()
    return {"first": first.mean(), "second": second.mean(), "difference": difference,
            "standard_error": error, "low": low, "high": high,
            "t": found.statistic, "dof": found.df, "p": found.pvalue, "n_subjects": len(first),
            "method": "Welch's t of subjects' means"}


def _pair(function, first, second):
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise ValueError(f"{function}: first has shape {first.shape}, second has shape {second.shape}; expected two values of "
                         f"each of 2 or more")
    if np.isnan(first + second).any():
        raise ValueError(f"{function}: {np.isnan(first + second).sum()} of {len(first)} values are NaN; leave them out of both")
    return first, second
