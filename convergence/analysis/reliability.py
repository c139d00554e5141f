"""How well a perfect model could do, and how far the data agree with themselves.

    noise_ceiling(rdms)                         # lower and upper bound of the mean r with the subjects' RDMs
    ceiling_of_products(a, b)                   # the same of one subject whose RDM meets shifted ones of the others
    split_half(repetitions)                     # r of one repetition with another, and Spearman-Brown for all of them
    disattenuate(r, reliability_x, reliability_y)       # r / sqrt(reliabilities), with reasons where there is none
    subset_summary(values)                      # mean, sd, relative error and signal to noise over random subsets of the images
"""

import numpy as np

from convergence.analysis import validation
from convergence.analysis.bootstrap import fisher_mean
from convergence.analysis.similarity import METHODS, centered_ranks, rsa, unit

LEAST = 0.05                    # a smaller reliability is mostly noise, and a ratio to it says nothing


def noise_ceiling(rdms, *, method="pearson"):
    """Bounds of the mean similarity with the subjects' RDMs that the best possible model would have.

    Every RDM is z-scored (for "cosine" only scaled, for "spearman" and "rho_a" replaced by its ranks). Lower bound: each
    subject with the mean of the other subjects; upper bound: each subject with the mean of all, which knows the subject's own
    noise. Both are averaged over subjects. A model within the bounds explains what the subjects share.

    Parameters
    ----------
    rdms : (n_subjects, n_pairs) array or tensor
        Condensed RDMs of one region, the same stimuli in all subjects.
    method : {"pearson", "spearman", "rho_a", "cosine"}
        See `rsa`.

    Returns
    -------
    lower, upper : float

    Raises
    ------
    ValueError
        Fewer than 2 subjects, and as for `rsa`.

    Notes
    -----
    With 2 subjects the lower bound is their similarity with each other. Nili et al. (2014), PLoS Comput. Biol.
    10:e1003553; as boot_noise_ceiling of rsatoolbox.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> shared, own = rng.standard_normal(4950), rng.standard_normal((4, 4950))
    >>> lower, upper = noise_ceiling(shared + own)      # r(s + n_1, s + mean of 3 n) = 1 / sqrt(2 (1 + 1/3)) = 0.61
    >>> print(round(lower, 2), round(upper, 2))
    0.61 0.79
    """
    validation.option("noise_ceiling", "method", method, METHODS)
    (rdms,), _ = validation.rdm_stacks("noise_ceiling", rdms=rdms, what="subjects")
    if rdms.ndim != 2 or len(rdms) < 2:
        raise ValueError(f"noise_ceiling: rdms has shape {tuple(rdms.shape)}; "
                         "expected (n_subjects, n_pairs) with at least 2 subjects")
    # Sums of ranks are exact in float64, so that equal ones stay equal and share their rank again.
    poolable = centered_ranks(rdms) if method in ("spearman", "rho_a") else unit(rdms, method=method)
    total = poolable.sum(0)
    others = total - poolable
    validation.rdm_stacks("noise_ceiling", **{"the mean of the other subjects": others}, what="subjects")
    return float(rsa(rdms, others, method=method, paired=True).mean()), float(rsa(rdms, total, method=method).mean())


def ceiling_of_products(with_others, others_squared):
    """One subject's part of the lower and upper noise ceiling, from products of unit RDMs.

    With the subject's RDM u and the sum G of the others': lower = u.G / |G|, upper = u.(u + G) / |u + G|. The others may be
    shifted against the subject (another repetition of the same images), which the upper bound's own part is not. Without shift
    the means over subjects are those of `noise_ceiling`.

    Parameters
    ----------
    with_others, others_squared : (...) array
        u.G and G.G.

    Returns
    -------
    lower, upper : (...) arrays

    Examples
    --------
    >>> lower, upper = ceiling_of_products(np.array(1.2), np.array(4.8))            # 3 others, r 0.4 with each, 0.3 among them
    >>> print(lower.round(2), upper.round(2))
    0.55 0.77
    """
    a, b = np.asarray(with_others, np.float64), np.asarray(others_squared, np.float64)
    return a / np.sqrt(b), (1 + a) / np.sqrt(1 + 2 * a + b)


def spearman_brown(r, factor):
    """Reliability of `factor` parallel measurements together, where one has the reliability r: factor r / (1 + (factor - 1) r).

    Spearman (1910), Br. J. Psychol. 3:271; Brown (1910), Br. J. Psychol. 3:296.

    Examples
    --------
    >>> spearman_brown(0.5, 3)
    0.75
    """
    return factor * r / (1 + (factor - 1) * r)


def split_half(repetitions, *, method="pearson"):
    """Do RDMs of the same images, each of another repetition, agree?

    Parameters
    ----------
    repetitions : (n_repetitions, n_pairs) array or tensor
        Of one subject and parcel; the images in the same order.
    method : {"pearson", "spearman", "rho_a", "cosine"}
        See `rsa`.

    Returns
    -------
    single : float
        Mean r (by Fisher's z) over all pairs of repetitions: the reliability of an RDM of one repetition.
    whole : float
        Spearman-Brown: the reliability of the mean RDM of all repetitions.

    Raises
    ------
    ValueError
        Fewer than 2 repetitions, and as for `rsa`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth, noise = rng.standard_normal(4950), rng.standard_normal((3, 4950))
    >>> print([round(float(r), 1) for r in split_half(truth + noise)])          # 1 / (1 + 1), and 1 / (1 + 1/3) = 0.75
    [0.5, 0.7]
    """
    (stack,), _ = validation.rdm_stacks("split_half", repetitions=repetitions, what="repetitions")
    if stack.ndim != 2 or len(stack) < 2:
        raise ValueError(f"split_half: repetitions has shape {tuple(stack.shape)}; expected (n_repetitions, n_pairs) with at "
                         f"least 2 repetitions")
    r = np.asarray(rsa(stack, stack, method=method))[np.triu_indices(len(stack), 1)]
    single = float(fisher_mean(r.astype(np.float64)))
    return single, spearman_brown(single, len(stack))


def disattenuate(r, reliability_x, reliability_y=None, *, least=LEAST):
    """What r would be without noise: r / sqrt(reliability_x reliability_y).

    Parameters
    ----------
    r : (...) array
        Similarities.
    reliability_x : (...) array
        Of the first RDM: its r with an independent measurement of the same.
    reliability_y : (...) array, optional
        Of the second RDM; default: it has no noise (a model).
    least : float
        Where a reliability is below it, there is no ratio.

    Returns
    -------
    ratio : (...) array
        Neither squared nor cut off: noise puts some above 1. NaN where there is none.
    reason : (...) array of str
        Why not, '' where there is one.

    Raises
    ------
    ValueError
        `least` is not above 0.

    Notes
    -----
    Spearman (1904), Am. J. Psychol. 15:72.

    Examples
    --------
    >>> ratio, reason = disattenuate([0.2, 0.2], [0.25, 0.01])
    >>> print(ratio, reason)
    [0.4 nan] ['' 'reliability 0.010 is below 0.05']
    """
    least = validation.number("disattenuate", "least", least, low=1e-6, high=1)
    r, x = np.broadcast_arrays(np.asarray(r, np.float64), np.asarray(reliability_x, np.float64))
    y = np.ones_like(x) if reliability_y is None else np.broadcast_to(np.asarray(reliability_y, np.float64), x.shape)
    smaller = np.minimum(x, y)
    with np.errstate(invalid="ignore"):
        good = (smaller >= least) & ~np.isnan(r)
        ratio = np.where(good, r / np.sqrt(np.where(good, x * y, 1)), np.nan)
    words = [("no similarity" if np.isnan(value) else "no reliability") if np.isnan(low) or np.isnan(value) else
             f"reliability {low:.3f} is below {least:g}" if low < least else "" for value, low in zip(r.ravel(), smaller.ravel())]
    return ratio, np.array(words, dtype=object).reshape(r.shape)


def subset_summary(values, axis=0):
    """How far r hangs on which images were taken: over random subsets, mean, sd, relative_error = sd / mean, snr.

    Parameters
    ----------
    values : array
        r of each subset along `axis`.
    axis : int

    Returns
    -------
    dict
        mean, sd (n - 1 in the denominator), relative_error (sd / mean), snr = mean^2 / (mean^2 + sd^2), as published (arXiv
        2507.13941).
    """
    mean, sd = values.mean(axis), values.std(axis, ddof=1)
    return {"mean": mean, "sd": sd, "relative_error": sd / mean, "snr": mean ** 2 / (mean ** 2 + sd ** 2)}
