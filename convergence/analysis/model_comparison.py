"""Which model is more like the brain, and is it as good as a model can be?

    compare_models(rdms, models, names=["net", "gpt"])      # every model against 0, against the others, against the noise ceiling
    image_rdm(rdm, images)                                  # from trials to images
    in_words(row)                                           # estimate, interval, test, corrected or not, as a sentence

A statistic is the mean over subjects of r(subject's RDM, model's RDM). Its uncertainty comes from two samples at once, of
subjects and of stimuli (`bootstrap.py`): the answer holds for other people and other pictures.
"""

import numpy as np

from convergence.analysis import validation
from convergence.analysis.bootstrap import draw_counts, fisher_mean, resampled_rsa, t_test, two_factor_variance
from convergence.analysis.inference import fdr

TESTS = ("zero", "difference", "ceiling")
CEILING = "lower noise ceiling"


def compare_models(rdms, models, *, names=None, rois=None, n_bootstrap=1000, seed=0, fisher=True, device="auto"):
    """Differences between models (or layers) in their similarity with the subjects' RDMs, parcel by parcel.

    Parameters
    ----------
    rdms : (n_subjects, n_pairs) or (n_rois, n_subjects, n_pairs) array or tensor
        Condensed RDMs of one or several parcels; all subjects saw the same stimuli.
    models : (n_models, n_pairs) or (n_rois, n_models, n_pairs) array or tensor
        RDMs of the models, the same for all parcels or other ones for each (another layer).
    names : list of str, optional
        Of the models; default: model 0, model 1, ...
    rois : list, optional
        Of the parcels; default: 0, 1, ...
    n_bootstrap : int
        Samples of subjects and stimuli, the same for all parcels and models.
    seed : int
    fisher : bool
        Average over subjects by Fisher's z. False: the arithmetic mean of r, as published.
    device : str
        Where to compute.

    Returns
    -------
    DataFrame
        One row per parcel and test: `test` "zero" (the model against 0), "difference" (against `other`, a model), "ceiling"
        (against `other`, the lower noise ceiling). Columns roi, test, model, other, similarity, other_similarity, difference,
        standard_error, low, high (95 %), t, dof, p (two-sided, uncorrected), p_fdr (Benjamini-Hochberg over all rows of one
        test), ceiling_lower, ceiling_upper. In units of r.

    Raises
    ------
    ValueError
        Fewer than 2 subjects, other stimuli in the models, wrong numbers of names, and as for `rsa`.

    Notes
    -----
    t = difference / sqrt(two-factor variance), with min(n_subjects, n_stimuli) - 1 degrees of freedom (Schuett et al. 2023, eLife
    12:e82566; `eval_dual_bootstrap` of rsatoolbox). Subjects and stimuli must be samples: trials of one image are not
    independent, give image-wise RDMs. A layer must not be chosen on the same RDMs. Samples of one subject only have no ceiling
    and are left out of that test.

    Work: n_bootstrap x n_stimuli^2 x n_subjects x (n_models + n_subjects / 2) x 2 multiplications per parcel.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth, wrong = rng.standard_normal((2, 780))                                # 40 stimuli
    >>> rdms = truth + rng.standard_normal((6, 780))
    >>> found = compare_models(rdms, np.stack([truth, wrong]), names=["true", "wrong"], n_bootstrap=200)
    >>> row = found[found["test"] == "difference"].iloc[0]
    >>> print(row["model"], row["other"], round(row["difference"], 1), row["p"] < 0.001)
    true wrong 0.7 True
    """
    rdms, models, names, rois, n = _checked(rdms, models, names, rois)
    subjects, stimuli = draw_counts(rdms.shape[1], n, n_bootstrap=n_bootstrap, seed=seed)
    average = fisher_mean if fisher else np.average
    parts = [_parcel(brain, candidates, subjects, stimuli, names, n, average, device).assign(roi=roi)
             for roi, brain, candidates in zip(rois, rdms, models)]
    import pandas
    table = pandas.concat(parts, ignore_index=True)
    table["p_fdr"] = table.groupby("test")["p"].transform(lambda p: fdr(p.to_numpy()))
    return table[["roi", *parts[0].columns[:-3], "p_fdr", "ceiling_lower", "ceiling_upper"]]


def image_rdm(rdms, images):
    """RDMs of images from RDMs of trials: the mean distance over all trials of two images.

    Pairs of trials of one image are left out: in a model their distance is 0 by construction, so that they measure how reliable
    the brain is and not what the model is like.

    Parameters
    ----------
    rdms : (n_rdms, n_pairs) array
        Condensed RDMs of trials.
    images : (n_trials,) array
        Image of each trial.

    Returns
    -------
    (n_rdms, n_image_pairs) float64 array
        Images in ascending order.

    Examples
    --------
    >>> image_rdm(np.array([[0.2, 0.9, 0.7]]), ["cat", "cat", "dog"])           # trials 01 (one image), 02, 12
    array([[0.8]])
    """
    from scipy.spatial.distance import squareform

    names, number = np.unique(images, return_inverse=True)
    member = np.zeros((len(names), len(number)))
    member[number, np.arange(len(number))] = 1 / np.bincount(number)[number]
    i, j = np.triu_indices(len(names), 1)
    return np.array([(member @ squareform(np.asarray(rdm, np.float64), checks=False) @ member.T)[i, j] for rdm in rdms])


def in_words(row, *, name=None):
    """One row of `compare_models` as a sentence: estimate, interval, test, corrected or not.

    Examples
    --------
    >>> row = {"roi": "V1", "test": "zero", "model": "net", "similarity": 0.1, "difference": 0.1, "low": 0.04, "high": 0.16}
    >>> in_words({**row, "t": 3.9, "dof": 7, "p": 0.006, "p_fdr": 0.031})
    'V1: net (r = 0.100) is 0.100, 95 % interval 0.040 to 0.160; t(7) = 3.90, p = 0.006 uncorrected, 0.031 after FDR.'
    """
    where = row["roi"] if name is None else name
    other = "" if row["test"] == "zero" else f" minus {row['other']} (r = {row['other_similarity']:.3f})"
    return (f"{where}: {row['model']} (r = {row['similarity']:.3f}){other} is {row['difference']:.3f}, 95 % interval "
            f"{row['low']:.3f} to {row['high']:.3f}; "
            f"t({row['dof']:.0f}) = {row['t']:.2f}, p {_p(row['p'])} uncorrected, {_p(row['p_fdr']).removeprefix('= ')} after "
            f"FDR.")


def ceilings(correlations, weights, average=fisher_mean):
    """Lower and upper noise ceiling from correlations between subjects.

    Parameters
    ----------
    correlations : (..., n_subjects, n_subjects) array
        r of the subjects' RDMs.
    weights : (..., n_subjects) array
        How often each subject is there. Its copies are not among "the others".
    average : callable
        fisher_mean or numpy.average.

    Returns
    -------
    lower, upper : (...) arrays
        With weights of 1 those of `noise_ceiling`. NaN where only one subject is there.
    """
    r = np.asarray(correlations, np.float64)
    weights = np.broadcast_to(np.asarray(weights, np.float64), r.shape[:-1])
    with_all = np.einsum("...ij,...j->...i", r, weights)                            # u_i . sum_j w_j u_j
    own = np.einsum("...ii->...i", r) * weights
    whole = np.einsum("...i,...i->...", weights, with_all)
    others = whole[..., None] - 2 * weights * with_all + weights * own              # |sum of the others|^2
    there = (weights > 0).sum(-1) > 1
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = average((with_all - own) / np.sqrt(others), axis=-1, weights=np.where(there[..., None], weights, 1))
        upper = average(with_all / np.sqrt(whole)[..., None], axis=-1, weights=weights)
    return np.where(there, lower, np.nan), np.where(there, upper, np.nan)


def _parcel(brain, models, subjects, stimuli, names, n, average, device):
    """Table of one parcel."""
    everything = np.ones((1, n), int)
    observed, between = (resampled_rsa(brain, other, everything, device=device) for other in (models, None))
    drawn, drawn_between = (resampled_rsa(brain, other, stimuli, device=device) for other in (models, None))
    observed, between, drawn, drawn_between = (np.asarray(values, np.float64)
                                               for values in (observed, between, drawn, drawn_between))
    equal = np.ones_like(subjects)
    one = lambda r, own, weights: _statistics(np.broadcast_to(r, (len(weights), *r.shape[1:])), own, weights, average)
    estimate = one(observed, between, equal[:1])[0]
    samples = [one(drawn, drawn_between, subjects), one(observed, between, subjects), one(drawn, drawn_between, equal)]
    return _rows(estimate, samples, names, brain.shape[0], n, ceilings(between[0], equal[0], average))


def _statistics(r, between, weights, average):
    """(n_samples, n_models + 1): mean similarity of every model, then the lower ceiling."""
    means = average(r, axis=1, weights=np.broadcast_to(weights[:, :, None], r.shape))
    between = np.broadcast_to(between, (len(weights), *between.shape[1:]))
    return np.concatenate([means, ceilings(between, weights, average)[0][:, None]], axis=1)


def _rows(estimate, samples, names, n_subjects, n, bounds):
    import pandas

    n_models = len(names)
    pairs = [("zero", k, None) for k in range(n_models)]
    pairs += [("difference", k, m) for k in range(n_models) for m in range(k + 1, n_models)]
    pairs += [("ceiling", k, n_models) for k in range(n_models)]
    labels, contrast = [*names, CEILING], np.zeros((len(pairs), n_models + 1))
    for row, (_, k, m) in enumerate(pairs):
        contrast[row, k] = 1
        if m is not None:
            contrast[row, m] = -1
    variances = [_variance(values, contrast) for values in samples]
    variance = two_factor_variance(*variances, n_subjects=n_subjects, n_stimuli=n)
    difference, error, low, high, t, dof, p = t_test(contrast @ np.nan_to_num(estimate), variance, min(n_subjects, n) - 1)
    return pandas.DataFrame({
        "test": [test for test, *_ in pairs], "model": [labels[k] for _, k, _ in pairs],
        "other": ["" if m is None else labels[m] for *_, m in pairs], "similarity": [estimate[k] for _, k, _ in pairs],
        "other_similarity": [0.0 if m is None else estimate[m] for *_, m in pairs],
        "difference": difference, "standard_error": error, "low": low, "high": high, "t": t, "dof": dof, "p": p,
        "ceiling_lower": float(bounds[0]), "ceiling_upper": float(bounds[1])})


def _variance(values, contrast):
    """Variance over samples of every contrast; samples that lack a statistic are left out of the contrasts that have it."""
    models, whole = np.isfinite(values[:, :-1]).all(1), np.isfinite(values).all(1)
    uses = contrast[:, -1] != 0
    of_models = (values[models, :-1] @ contrast[:, :-1].T).var(axis=0, ddof=1)
    return np.where(uses, (values[whole] @ contrast.T).var(axis=0, ddof=1), of_models)


def _p(p):
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _checked(rdms, models, names, rois):
    stacks = rdms if len(rdms.shape) == 3 else rdms[None]
    candidates = [models] * len(stacks) if len(models.shape) == 2 else models
    if len(candidates) != len(stacks):
        raise ValueError(f"compare_models: models are of {len(candidates)} parcels, rdms of {len(stacks)}")
    for brain, some in zip(stacks, candidates):
        _, n = validation.rdm_stacks("compare_models", rdms=brain, models=some)
    if stacks.shape[1] < 2:
        raise ValueError("compare_models: rdms has 1 subject; a bootstrap over subjects needs at least 2")
    n_models = len(candidates[0])
    names = [f"model {k}" for k in range(n_models)] if names is None else list(names)
    rois = range(len(stacks)) if rois is None else list(rois)
    if len(names) != n_models or len(rois) != len(stacks):
        raise ValueError(f"compare_models: {len(names)} names for {n_models} models, {len(rois)} rois for {len(stacks)} parcels; "
                         f"give one for each")
    return stacks, candidates, names, rois, n
