"""Which dimensions several people's responses to the same images share, and whether they also agree on images that were not used.

    found = shared_dimensions(kernels, mask=mask)       # kernels: one Gram matrix of the images per person (gram_of)
    found.scores                                        # (n_images, n_components): where every image lies
    found.held_out_r, found.p, found.p_max              # agreement on images left out of the fit, and its permutation test
    found.shared_variance                               # part of a person's response variance that lies along a dimension
    leave_pair_out(kernels, found, mask=mask)           # the same coordinates, found without the two people that are compared

The penalty of KMCCA (multiview.py) is chosen by cross-validation over images. Everything works on the people's Gram matrices,
so that folds, penalties and refits cost no further pass over voxels. Supposes that images are exchangeable: average repetitions
first.
"""

from typing import NamedTuple

import numpy as np

from convergence.analysis import validation
from convergence.analysis.multiview import KMCCA

PENALTIES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)


class SharedDimensions(NamedTuple):
    """regularization: the penalty chosen; eigenvalues (k,) of the fit to all images; scores (n, k), of length 1 over the
    images, signs as KMCCA's; held_out_r (k,): mean over pairs of people; p (k,), one-sided, and p_max (k,), corrected for the k
    dimensions; shared_variance (k,)."""
    regularization: float
    eigenvalues: np.ndarray
    scores: np.ndarray
    held_out_r: np.ndarray
    p: np.ndarray
    p_max: np.ndarray
    shared_variance: np.ndarray


def gram_of(responses):
    """(n, n) float64 inner products of the images' centred responses (n, n_voxels), scaled to a trace of n.

    Kernels of parcels that are to count by their voxels are added before scaling: give their responses side by side.
    """
    x = np.asarray(responses, np.float64)
    x = x - x.mean(0)
    gram = x @ x.T
    trace = np.trace(gram)
    if not trace > 0:
        raise ValueError("gram_of: responses is constant: no image differs from another")
    return gram * (len(x) / trace)


def shared_dimensions(kernels, *, mask=None, n_components=10, penalties=PENALTIES, n_folds=5, n_permutations=1_000, seed=0,
                      device="auto"):
    """Find the shared dimensions and test them on held-out images.

    Parameters
    ----------
    kernels : list of (n, n) arrays
        Gram matrices of the same images in the same order, one per person, at least two. Rows and columns of images that a
        person lacks may hold anything.
    mask : (n_subjects, n) bool, optional
        Which images each person has; default: all.
    n_components : int
    penalties : sequence of float
        Candidates for KMCCA's regularization.
    n_folds : int
        Parts that the images are divided into at random; each is held out once.
    n_permutations : int
    seed : int
        Of the division and of the permutations.
    device : {"auto", "cpu", "cuda", ...}

    Returns
    -------
    SharedDimensions

    Raises
    ------
    ValueError
        Unequal shapes; fewer images than folds can hold; options out of range.

    Notes
    -----
    Chosen is the penalty with the largest mean of the held-out agreements of all dimensions.

    Null: the held-out scores of every person are shuffled within every fold, each person on its own, without a new fit; the
    penalty is chosen anew in each shuffle, so that choosing it is part of the test. Each fold has a p-value of its own, and
    these are combined (`combined`): models of different folds share training images, so that the folds' agreements are
    correlated, which no shuffle of scores imitates, and a test of their mean rejects too many true nulls. In 200 draws in which
    nothing is shared this one rejected at most 10 % at 0.05, of every dimension and by p_max (tests/analysis/
    test_shared_dimensions.py). p_max compares with the largest of the k dimensions, each in standard deviations of its null
    (max-T; Westfall & Young 1993, Resampling-Based Multiple Testing).

    Time: n_folds x penalties + 1 fits of KMCCA, of n^3 per person each.
    """
    kernels, mask = _checked("shared_dimensions", kernels, mask)
    penalties = [validation.number("shared_dimensions", "penalties", penalty, low=0, high=1) for penalty in penalties]
    fold = folds(kernels[0].shape[0], n_folds, seed)
    options = {"n_components": n_components, "device": device}
    held_out = np.stack([held_out_scores(kernels, mask, fold, regularization=penalty, **options) for penalty in penalties])
    observed = agreement(held_out, fold)
    best = int(observed.mean((1, 2)).argmax())
    p, p_max = _tested(observed[best], _null(held_out, fold, n_permutations, seed))
    model = _fit(kernels, mask, penalties[best], **options)
    scores = common_scores(model.view_scores_)
    return SharedDimensions(penalties[best], model.eigenvalues_, scores, observed[best].mean(0), combined(p), combined(p_max),
                            shared_variance(kernels, scores, mask=mask))


def folds(n, n_folds, seed=0):
    """(n,) int: the part, from 0, that each of n images belongs to; sizes differ by one at most."""
    n_folds = validation.whole_number("folds", "n_folds", n_folds, at_least=2)
    if n < n_folds * validation.MINIMUM_STIMULI:
        raise ValueError(f"folds: {n} images in {n_folds} folds are fewer than {validation.MINIMUM_STIMULI} in each; give more "
                         "images or fewer folds")
    return np.random.default_rng(seed).permutation(np.arange(n) % n_folds)


def held_out_scores(kernels, mask, fold, *, regularization, n_components=10, device="auto"):
    """(n_subjects, n, n_components) scores of every image by the model of the folds that it is not in; NaN where a person lacks
    it."""
    found = np.full((len(kernels), len(fold), n_components), np.nan)
    for part in np.unique(fold):
        train, test = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        model = _fit([k[np.ix_(train, train)] for k in kernels], mask[:, train], regularization, n_components=n_components,
                     device=device)
        found[:, test] = model.transform([k[np.ix_(test, train)] for k in kernels], mask=mask[:, test])
    return found


def agreement(scores, fold):
    """Mean over pairs of people of the correlation of their scores, in every fold.

    Parameters
    ----------
    scores : (..., n_subjects, n, k) array
        NaN where a person lacks an image.
    fold : (n,) int

    Returns
    -------
    (..., n_folds, k) array
        Where nothing is missing, the mean Pearson r of all pairs. Else scores are standardised over the images that a person
        has, and their products are averaged over all pairs and images that both have.
    """
    z = _standardised(scores, fold)
    products = z.sum(-3) ** 2 - (z ** 2).sum(-3)
    return np.stack([products[..., fold == part, :].sum(-2) for part in np.unique(fold)], -2) / _n_products(scores, fold)


def combined(p):
    """One p-value from several (n, ...) that may depend on each other: the Cauchy combination over the first axis.

    Liu & Xie (2020), J. Am. Stat. Assoc. 115:393-402. p above 0.99 count as 0.99, so that no single one undoes all others.
    """
    return 0.5 - np.arctan(np.tan((0.5 - np.minimum(p, 0.99)) * np.pi).mean(0)) / np.pi


def common_scores(view_scores):
    """(n, k) mean over people of their scores (n_subjects, n, k), NaN left out, of length 1 over the images; NaN where nobody
    has the image."""
    present = ~np.isnan(view_scores)
    n = present.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(n > 0, np.where(present, view_scores, 0).sum(0) / n, np.nan)
    return mean / np.sqrt(np.nansum(mean ** 2, axis=0))


def shared_variance(kernels, scores, *, mask=None):
    """Part of the variance of a person's responses that a regression on a dimension explains, averaged over people: (k,), 0 to 1.

    Of a person with centred Gram matrix K and a dimension's scores c, centred and of length 1 over the images that the person
    has: c' K c / trace K, the R^2 of all voxels together. One dimension at a time: scores of two dimensions may be correlated,
    so that parts do not add up. In-sample.
    """
    kernels, mask = _checked("shared_variance", kernels, mask)
    parts = []
    for kernel, rows in zip(kernels, mask):
        k = _centred(kernel[np.ix_(rows, rows)])
        c = scores[rows] - scores[rows].mean(0)
        c = c / np.linalg.norm(c, axis=0)
        parts.append(((k @ c) * c).sum(0) / np.trace(k))
    return np.mean(parts, axis=0)


def signed(scores, positive=None):
    """Scores (n, k) with the sign of each dimension chosen: images in `positive` (n,) bool have the higher mean; where there
    are none, or nothing else, the score that is largest in size is positive."""
    known = np.isfinite(scores).all(1)
    if positive is not None:
        positive = np.asarray(positive, bool)
        if positive[known].any() and not positive[known].all():
            difference = scores[known & positive].mean(0) - scores[known & ~positive].mean(0)
            return scores * np.where(difference < 0, -1, 1)
    largest = np.take_along_axis(scores[known], np.abs(scores[known]).argmax(0)[None], 0)[0]
    return scores * np.where(largest < 0, -1, 1)


def leave_pair_out(kernels, found, *, mask=None, device="auto"):
    """Coordinates of the images from all people but the one or two whose representations are to be compared.

    Parameters
    ----------
    kernels, mask : see `shared_dimensions`
    found : SharedDimensions
        Of all people: its penalty is used again, and its dimensions name those of the refit.

    Returns
    -------
    dict of (n, k) arrays by (a, b)
        a <= b, numbers of kernels left out; a = b: one. NaN for images that none of the others has. Empty of those for which
        fewer than two people are left.

    Notes
    -----
    A refit may find dimensions in another order or turned around: the one that correlates most with dimension k of
    `found` is called k (one to one, largest sum of \\|r\\|), with the sign that makes r positive.
    """
    from scipy.optimize import linear_sum_assignment

    kernels, mask = _checked("leave_pair_out", kernels, mask)
    coordinates, n = {}, len(kernels)
    for a, b in ((a, b) for a in range(n) for b in range(a, n)):
        others = [c for c in range(n) if c not in (a, b)]
        if len(others) < 2:
            continue
        model = _fit([kernels[c] for c in others], mask[others], found.regularization, n_components=found.scores.shape[1],
                     device=device)
        scores = common_scores(model.view_scores_)
        known = np.isfinite(scores).all(1) & np.isfinite(found.scores).all(1)
        r = np.corrcoef(found.scores[known], scores[known], rowvar=False)[:len(found.eigenvalues), len(found.eigenvalues):]
        _, order = linear_sum_assignment(-np.abs(r))
        coordinates[a, b] = scores[:, order] * np.where(r[np.arange(len(order)), order] < 0, -1, 1)
    return coordinates


def _checked(function, kernels, mask):
    arrays = [np.asarray(kernel, np.float64) for kernel in kernels]
    if len(arrays) < 2:
        raise ValueError(f"{function}: found {validation.count(len(arrays), 'kernel')}; at least 2 people are needed")
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1 or any(len(shape) != 2 or shape[0] != shape[1] for shape in shapes):
        raise ValueError(f"{function}: kernels have the shapes {', '.join(map(str, sorted(shapes)))}; expected square matrices "
                         "of the same images (gram_of)")
    n = len(arrays[0])
    mask = np.ones((len(arrays), n), bool) if mask is None else np.asarray(mask)
    if mask.shape != (len(arrays), n) or mask.dtype != bool:
        raise ValueError(f"{function}: mask has shape {mask.shape} and type {mask.dtype}; expected ({len(arrays)}, {n}) bool")
    return [np.where(np.outer(rows, rows), array, 0) for array, rows in zip(arrays, mask)], mask


def _fit(kernels, mask, regularization, *, n_components, device):
    return KMCCA(n_components, kernel="precomputed", regularization=regularization, device=device).fit(kernels, mask=mask)


def _null(held_out, fold, n_permutations, seed):
    """(n_permutations, n_folds, k) agreement at the penalty that each shuffle would choose."""
    validation.whole_number("shared_dimensions", "n_permutations", n_permutations, at_least=1)
    z, rng = _standardised(held_out, fold), np.random.default_rng([seed, 1])
    missing = np.isnan(held_out[0, :, :, 0])
    n_products, starts = _n_products(held_out, fold), np.flatnonzero(np.diff(np.sort(fold), prepend=-1))
    by_fold = np.argsort(fold, kind="stable")
    constant = np.add.reduceat((z ** 2).sum(1)[:, by_fold], starts, axis=1)
    # (n_subjects, n): a shuffle leaves missing images in place
    groups = np.where(missing, -1, fold)
    places = np.argsort(groups, axis=1, kind="stable")
    null = np.empty((n_permutations, *n_products.shape[1:]))
    for one in null:
        total = 0
        for a, group in enumerate(groups):
            shuffled = np.empty_like(places[a])
            shuffled[places[a]] = np.argsort(group + rng.random(len(group)))
            total = total + z[:, a, shuffled]
        r = (np.add.reduceat((total ** 2)[:, by_fold], starts, axis=1) - constant) / n_products
        one[:] = r[r.mean((1, 2)).argmax()]
    return null


def _tested(observed, null):
    """p and p_max, (n_folds, k) each, of agreements (n_folds, k) against (n_permutations, n_folds, k)."""
    mean, spread = null.mean(0), np.maximum(null.std(0), 1e-300)
    largest = ((null - mean) / spread).max(2, keepdims=True)
    at_least = lambda samples, value: (1 + (samples >= value - 1e-12).sum(0)) / (1 + len(samples))
    return at_least(null, observed), at_least(largest, (observed - mean) / spread)


def _standardised(scores, fold):
    """Mean 0 and variance 1 within each person and fold; 0 where the person lacks the image."""
    z = np.where(np.isnan(scores), 0.0, scores)
    present = ~np.isnan(scores)
    for part in np.unique(fold):
        rows, there = z[..., fold == part, :], present[..., fold == part, :]
        n = np.maximum(there.sum(-2, keepdims=True), 1)
        rows = np.where(there, rows - rows.sum(-2, keepdims=True) / n, 0)
        deviation = np.sqrt((rows ** 2).sum(-2, keepdims=True) / n)
        z[..., fold == part, :] = rows / np.where(deviation > 0, deviation, np.inf)
    return z


def _n_products(scores, fold):
    """(..., n_folds, k) how many ordered pairs of people that have the same image there are, over a fold's images."""
    m = (~np.isnan(scores)).sum(-3)
    products = np.stack([(m * (m - 1))[..., fold == part, :].sum(-2) for part in np.unique(fold)], -2)
    if not products.all():
        raise ValueError("shared_dimensions: in some fold no image is common to two people; use fewer folds, or leave out "
                         "people with few images")
    return products


def _centred(kernel):
    means = kernel.mean(0)
    return kernel - means - means[:, None] + means.mean()
