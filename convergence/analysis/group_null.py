"""Closed-form nulls of means over subjects, directions and sessions: which statistics share a relabelling, and which do not.

    subject_mean_moments(brains, models)        # mean over subjects of r(subject, model): one relabelling of the model for all
    subject_pairs_moments(brains)               # mean over pairs of subjects: every subject has a relabelling of its own
    joint_moments(a, b, blocks)                 # mean of r over several tables of the same images, one relabelling for all
    mean_of_uncorrelated(moments)               # mean of statistics of which every one (pair of subjects) has a relabelling

Against a model, the subjects share a geometry that need not be the model's, so that their r are dependent under the null, and
relabelling every subject on its own rejects too often (41 % at 0.05 where the shared geometry is strong). Between subjects it
is the other way round: one common relabelling of "the second RDM" treats r(i, j) and r(j, i) as unrelated and rejects 14-19 %;
with a relabelling per subject, pairs are uncorrelated. With a repetition shift, r(i, j) and r(j, i) are two numbers of the same
two subjects; `joint_moments` takes both orders together.
"""

from itertools import combinations

import numpy as np

from convergence.analysis import validation
from convergence.analysis.null import MantelMoments, as_moments, mantel_moments
from convergence.analysis.relabelling import image_strata, strata_of
from convergence.compute.device import enter, is_tensor


def subject_mean_moments(a, b, *, blocks=None, skewness=True):
    """Exact moments of the mean over subjects of r(subject, model) over all relabellings of the model's stimuli.

    Parameters
    ----------
    a : (n_subjects, n_pairs) array or tensor
        RDMs of one parcel in all subjects.
    b : (n_b, n_pairs) or (n_pairs,) array or tensor
        RDMs of models.
    blocks, skewness
        As in `mantel_moments`.

    Returns
    -------
    MantelMoments
        (n_b,) each, or numbers for one model.

    Raises
    ------
    ValueError
        As `mantel_moments`.

    Notes
    -----
    r is linear in the centred, unit-norm RDM: the mean of the subjects' is one RDM, of a norm c below 1. Its r with the model
    has the moments of `mantel_moments`; the mean over subjects is c times that r.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> geometry, model = rng.random((2, 190))
    >>> brains = geometry + 0.1 * rng.random((5, 190))                          # five who are nearly the same: no gain over one
    >>> one, five = mantel_moments(brains[0], model), subject_mean_moments(brains, model)
    >>> print(round(one.variance ** 0.5, 3), round(five.variance ** 0.5, 3))
    0.073 0.073
    """
    (a, b), _ = validation.rdm_stacks("subject_mean_moments", what="subjects", a=a, b=b)
    if a.ndim != 2:
        raise ValueError(f"subject_mean_moments: a has shape {tuple(a.shape)}; expected (n_subjects, n_pairs)")
    out, x = enter(a)
    x = x.double()
    x = x - x.mean(1, keepdim=True)
    mean = (x / x.norm(dim=1, keepdim=True)).mean(0)
    if float(mean.norm()) < 1e-12:
        raise ValueError("subject_mean_moments: a averages to a constant RDM: the subjects' RDMs cancel, so that their mean r is "
                         "0 for every model")
    moments, norm = mantel_moments(out(mean), b, blocks=blocks, skewness=skewness), float(mean.norm())
    return MantelMoments(norm * moments.mean, norm ** 2 * moments.variance, moments.skewness)


def subject_pairs_moments(rdms, *, blocks=None, skewness=True):
    """Exact moments of the mean r over all pairs of subjects, every subject's stimuli being relabelled on their own.

    Parameters
    ----------
    rdms : (n_subjects, n_pairs) array or tensor
        RDMs of one parcel in all subjects, over the same trials.
    blocks, skewness
        As in `mantel_moments`.

    Returns
    -------
    MantelMoments
        Three numbers.

    Raises
    ------
    ValueError
        As `mantel_moments`; fewer than two subjects.

    Notes
    -----
    Pairs are uncorrelated: the variance is the sum of the pairs' variances / n_pairs_of_subjects^2. The third moments add
    likewise, and every three subjects contribute 6 E[r_ij r_jk r_ki], which is the sum over parts of trace(G_i G_j G_k) /
    dimension^2, G = X X' (moments.py).
    """
    (rdms,), n = validation.rdm_stacks("subject_pairs_moments", what="subjects", rdms=rdms)
    if rdms.ndim != 2 or len(rdms) < 2:
        raise ValueError(f"subject_pairs_moments: rdms has shape {tuple(rdms.shape)}; expected (n_subjects, n_pairs) of at least "
                         "two subjects")
    strata = strata_of("subject_pairs_moments", blocks, n)
    from convergence.analysis.moments import moments, summarise

    _, x = enter(rdms)
    summary = summarise([x], strata, third=skewness)
    i, j = np.triu_indices(len(x), 1)
    mean, variance, third = (value[i, j] for value in moments(summary, summary, paired=False))
    in_threes = sum(summary.triple(*three) for three in combinations(range(len(x)), 3))
    return as_moments(mean.mean(), variance.sum() / len(i) ** 2, (third.sum() + 6 * in_threes) / len(i) ** 3, n, float)


def joint_moments(a, b, blocks, *, within=None, skewness=True):
    """Exact moments of the mean of r over several tables of trials that show the same images, one relabelling of the images
    acting on all.

    For two subjects and a repetition shift: the tables of (i, j) and (j, i), whose r are correlated.

    Parameters
    ----------
    a, b : lists of (n_rdms, n_pairs_t) arrays or tensors, one per table
        The k-th RDM of `a` meets the k-th of `b`.
    blocks : list of (n_t,) arrays
        The image that each trial of a table shows. Images change places that have equally many trials in every table.
    within : list of (n_t,) arrays, optional
        A label of each trial of a table that it may not leave, such as its session.
    skewness : bool
        As in `mantel_moments`.

    Returns
    -------
    MantelMoments
        (n_rdms,) each.

    Raises
    ------
    ValueError
        As `mantel_moments`; lists of different lengths; stacks of different lengths.

    Notes
    -----
    The tables' RDMs are more copies of the same parts (moments.py), so that covariances between tables come with the Gram
    matrices.
    """
    if not len(a) == len(b) == len(blocks) > 0:
        raise ValueError(f"joint_moments: a has {len(a)} tables, b has {len(b)}, blocks has {len(blocks)}; each needs one entry "
                         "per table")
    stacks, sizes = [], []
    for t, pair in enumerate(zip(a, b)):
        pair, n = validation.rdm_stacks("joint_moments", **{f"{name}[{t}]": rdms for name, rdms in zip("ab", pair)})
        stacks += pair
        sizes.append(n)
    if any(rdms.ndim != 2 or len(rdms) != len(stacks[0]) for rdms in stacks):
        shapes = ", ".join(str(tuple(rdms.shape)) for rdms in stacks)
        raise ValueError(f"joint_moments: the stacks have shapes {shapes}; expected (n_rdms, n_pairs) with one n_rdms")
    blocks, within = (given and [validation.one_per_stimulus("joint_moments", f"{name}[{t}]", labels, n)
                                 for t, (labels, n) in enumerate(zip(given, sizes))]
                      for name, given in (("blocks", blocks), ("within", within)))
    strata = image_strata(*blocks, within=within, function="joint_moments")
    from convergence.analysis.moments import check_size, moments, summarise

    check_size("joint_moments", strata)
    out, *stacks = enter(*stacks)
    x, y = (summarise(stacks[start::2], strata, third=skewness) for start in (0, 1))
    scaled = (value / len(a) ** power for power, value in enumerate(moments(x, y, paired=True), start=1))
    return as_moments(*scaled, max(sizes), out)


def mean_of_uncorrelated(moments):
    """Moments of the mean of statistics that are relabelled independently of each other.

    Parameters
    ----------
    moments : MantelMoments
        Statistics along the first axis: (n_statistics, ...).

    Returns
    -------
    MantelMoments
        (...) each. The skewness is NaN where that of one of the statistics is.

    Examples
    --------
    >>> mean_of_uncorrelated(MantelMoments(np.array([0.1, 0.3]), np.array([0.02, 0.02]), np.array([0.4, 0.4])))
    MantelMoments(mean=0.2, variance=0.01, skewness=0.282...)
    """
    mean, variance, skewness = (np.asarray(value.cpu() if is_tensor(value) else value, dtype=np.float64) for value in moments)
    n = len(mean)
    total = variance.sum(0)
    third = (skewness * variance ** 1.5).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = np.where(total > 0, third / total ** 1.5, np.where(np.isnan(third), np.nan, 0.0))
    return MantelMoments(*(float(x) if x.ndim == 0 else x for x in (mean.mean(0), total / n ** 2, skewness)))
