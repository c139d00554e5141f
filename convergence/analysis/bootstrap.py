"""How certain is a similarity? Bootstraps over subjects, over stimuli, and over both at once.

    subjects, stimuli = draw_counts(8, 515, n_bootstrap=1000, seed=0)       # how often each was drawn: (1000, 8), (1000, 515)
    r = resampled_rsa(brains, models, stimuli)                              # (1000, n_brains, n_models)
    variance = two_factor_variance(both, over_subjects, over_stimuli, n_subjects=8, n_stimuli=515)
    bootstrap_pairs(values, pairs, n_bootstrap=1000)                        # means of values of pairs of subjects

A stimulus that is drawn twice has no distance to its copy: such pairs are dropped, not counted as 0. What remains is a Pearson
correlation in which the pair (k, l) has the weight count_k x count_l, so that no RDM is copied: three sums per draw.
"""

from typing import NamedTuple

import numpy as np

from convergence.analysis import validation
from convergence.compute.device import enter

_LEAST_VARIANCE = 1e-12         # of unit RDMs under the weights of a draw; below it r is not defined
_Z_LIMIT = 1 - 1e-9             # r of 1 has no finite z


class PairsMean(NamedTuple):
    """Mean over pairs of subjects, its standard error over subjects, 95 % interval, t, degrees of freedom, two-sided p."""

    mean: float
    standard_error: float
    low: float
    high: float
    t: float
    dof: int
    p: float


def fisher_mean(r, axis=None, weights=None):
    """Mean of correlations by way of Fisher's z: tanh(mean(arctanh(r))); r beyond 1 - 1e-9 count as that."""
    return np.tanh(np.average(np.arctanh(np.clip(r, -_Z_LIMIT, _Z_LIMIT)), axis=axis, weights=weights))


def draw_counts(n_subjects, n_stimuli, *, n_bootstrap=1000, seed=0):
    """How often every subject and every stimulus is in each bootstrap sample.

    Parameters
    ----------
    n_subjects, n_stimuli : int
    n_bootstrap : int
    seed : int

    Returns
    -------
    subjects : (n_bootstrap, n_subjects) int array
        Rows sum to n_subjects.
    stimuli : (n_bootstrap, n_stimuli) int array
        Rows sum to n_stimuli; drawn independently of the subjects.

    Raises
    ------
    ValueError
        A count below 1.
    """
    n_bootstrap = validation.whole_number("draw_counts", "n_bootstrap", n_bootstrap, at_least=1)
    rng = np.random.default_rng(seed)
    return tuple(rng.multinomial(validation.whole_number("draw_counts", name, n, at_least=1), np.full(n, 1 / n), n_bootstrap)
                 for name, n in (("n_subjects", n_subjects), ("n_stimuli", n_stimuli)))


def resampled_rsa(a, b, counts, *, images=None, paired=False, device="auto"):
    """Pearson's r of RDMs in samples of their stimuli.

    Parameters
    ----------
    a : (n_a, n_pairs) array or tensor
        Condensed RDMs.
    b : (n_b, n_pairs) array or tensor, or None
        RDMs of the same stimuli; None: `a` with itself, (n_samples, n_a, n_a).
    counts : (n_samples, n_stimuli) array of integers from 0
        How often each stimulus is in the sample: 0 and 1 make a subset, the rows of `draw_counts` a bootstrap. With `images`,
        one count per image, in the order of their sorted names.
    images : (n_stimuli,) array, optional
        The image of each stimulus (trial). Pairs of trials of one image count within each copy of it, not between copies.
    paired : bool
        The k-th RDM of `a` with the k-th of `b` only.
    device : str
        Where to compute.

    Returns
    -------
    (n_samples, n_a, n_b) array or tensor; (n_samples, n_a) if paired
        NaN where a sample has fewer than 3 pairs that differ.

    Raises
    ------
    ValueError
        RDMs as for `rsa`; counts that are negative or of another length.

    Notes
    -----
    Equal to r of the resampled RDM without the pairs of a stimulus with its copy. Work: 2 n_samples n_images^2 for every product
    of two RDMs; memory: one square RDM, and n_samples x n_images numbers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shared, *own = rng.standard_normal((3, 1225))                           # 50 stimuli; r is about 0.5
    >>> subsets = np.array([rng.permutation(np.repeat([0, 1], 25)) for _ in range(200)])
    >>> r = resampled_rsa(shared + own[:1], shared + own[1:], subsets)
    >>> print(r.shape, round(float(r.mean()), 1))
    (200, 1, 1) 0.5
    """
    stacks = {"a": a} if b is None else {"a": a, "b": b}
    stacks, n = validation.rdm_stacks("resampled_rsa", **stacks)
    number = np.arange(n) if images is None else np.unique(validation.one_per_stimulus("resampled_rsa", "images", images, n),
                                                          return_inverse=True)[1]
    out, w, x, *more = enter(_checked_counts(counts, number.max() + 1), *stacks, device=device)
    w = w.to(x.dtype)
    weigh = _Weights(w, number, n)
    x = _centred(x)
    y = _centred(more[0]) if more else x
    return out(_paired(weigh, x, y) if paired else _all(weigh, x, y, symmetric=not more))


def two_factor_variance(both, over_subjects, over_stimuli, *, n_subjects, n_stimuli):
    """Variance of a statistic that generalises to new subjects and new stimuli, from three bootstraps.

    Parameters
    ----------
    both, over_subjects, over_stimuli : (...) array
        Bootstrap variances: of both drawn at once, of subjects only, of stimuli only.
    n_subjects, n_stimuli : int
        At least 2.

    Returns
    -------
    (...) array
        At least each of the two corrected one-factor variances, at most `both`.

    Notes
    -----
    Drawing both at once counts what varies with subject and stimulus together (the noise of single values) three times, the
    one-factor bootstraps once each; this combination counts it once. Equations of Schuett et al. (2023), eLife 12:e82566, as
    `eval_dual_bootstrap` of rsatoolbox.
    """
    subjects, stimuli = n_subjects / (n_subjects - 1), n_stimuli / (n_stimuli - 1)
    both, one, other = (np.asarray(values, np.float64) for values in (both, over_subjects, over_stimuli))
    variance = subjects * one + stimuli * other - subjects * stimuli * (both - one - other)
    return np.minimum(np.maximum(variance, np.maximum(subjects * one, stimuli * other)), both)


def bootstrap_pairs(values, pairs, *, n_bootstrap=2000, seed=0, fisher=False):
    """Mean of values that belong to pairs of subjects, tested by drawing subjects.

    Each subject is in many pairs, so that values of pairs are dependent and a t-test over them, or over the subjects' means,
    finds differences that are not there (at 8 subjects 30-60 % of true nulls at 0.05 instead of 5 %).

    Parameters
    ----------
    values : (n_pairs,) array
        Similarities, or differences of two similarities of the same pair.
    pairs : (n_pairs, 2) array
        Subjects of each value, two different ones; both orders may be there.
    n_bootstrap, seed : int
    fisher : bool
        Average z of the values (which are correlations) and transform back.

    Returns
    -------
    PairsMean
        The variance is that of the means of samples of subjects in which a pair has the weight count_i x count_j (a subject and
        its copy make no pair), times n / (n - 1); the test is t with n_subjects - 1 degrees of freedom.

    Raises
    ------
    ValueError
        Fewer than 3 subjects, a pair of a subject with itself, NaN.

    Examples
    --------
    >>> person = np.array([0.1, 0.2, 0.3, 0.2, 0.1])
    >>> pairs = np.array([(i, j) for i in range(5) for j in range(5) if i != j])
    >>> found = bootstrap_pairs(person[pairs].sum(1), pairs)
    >>> print(round(found.mean, 2), found.dof, found.p < 0.05)
    0.36 4 True
    """
    values, pairs = np.asarray(values, np.float64), np.asarray(pairs)
    if pairs.shape != (len(values), 2) or (pairs[:, 0] == pairs[:, 1]).any():
        raise ValueError(f"bootstrap_pairs: pairs has shape {pairs.shape}, values has {len(values)} entries; expected two "
                         "different subjects for every value")
    if np.isnan(values).any():
        raise ValueError(f"bootstrap_pairs: values has {np.isnan(values).sum()} NaN; leave these pairs out")
    subjects, number = np.unique(pairs, return_inverse=True)
    number, n = number.reshape(pairs.shape), len(subjects)
    if n < 3:
        raise ValueError(f"bootstrap_pairs: {n} subjects; a test over subjects needs at least 3")
    counts, _ = draw_counts(n, 1, n_bootstrap=n_bootstrap, seed=seed)
    weights = (counts[:, number[:, 0]] * counts[:, number[:, 1]]).astype(np.float64)
    weights = weights[weights.sum(1) > 0]                                       # one subject only: no pair
    back = np.tanh if fisher else (lambda mean: mean)
    scaled = np.arctanh(np.clip(values, -_Z_LIMIT, _Z_LIMIT)) if fisher else values
    means = back(weights @ scaled / weights.sum(1))
    return PairsMean(*t_test(float(back(scaled.mean())), means.var(ddof=1) * n / (n - 1), n - 1))


def t_test(estimate, variance, dof):
    """(estimate, standard error, low, high, t, dof, p): Student's t of an estimate against 0, with its 95 % interval.

    An estimate of 0 without variance (two models that are one) has t 0 and p 1.
    """
    from scipy.stats import t as student

    error = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where((estimate == 0) & (error == 0), 0.0, estimate / error)
    reach = student.ppf(0.975, dof) * error
    found = [estimate, error, estimate - reach, estimate + reach, t, np.full(np.shape(t), dof), 2 * student.sf(abs(t), dof)]
    return [value.item() if np.ndim(value) == 0 and hasattr(value, "item") else value for value in found]


class _Weights:
    """Sums over the pairs of a sample: of condensed values, (n_pairs,) -> (n_samples,)."""

    def __init__(self, w, number, n):
        import torch

        self.w, self.n_images = w, w.shape[1]
        number = torch.from_numpy(number).to(w.device)
        i, j = torch.triu_indices(n, n, 1, device=w.device)
        self.place = number[i] * self.n_images + number[j]                     # of every pair in the matrix of images
        self.total = self(torch.ones(n * (n - 1) // 2, dtype=w.dtype, device=w.device))

    def __call__(self, values):
        square = values.new_zeros(self.n_images ** 2).index_add_(0, self.place, values).view(self.n_images, self.n_images)
        square = square + square.T
        within = square.diagonal().clone()
        square.diagonal().zero_()
        return (((self.w @ square) * self.w).sum(1) + self.w @ within) / 2


def _centred(x):
    """Mean 0 and mean square 1, so that sums over millions of pairs lose nothing."""
    x = x - x.double().mean(1, keepdim=True).to(x.dtype)
    return x / (x.double() ** 2).mean(1, keepdim=True).sqrt().to(x.dtype)


def _moments(weigh, x):
    """Mean and variance of every RDM in every sample, (n_samples, n_rdms)."""
    import torch

    mean = torch.stack([weigh(values) for values in x], 1) / weigh.total[:, None]
    square = torch.stack([weigh(values ** 2) for values in x], 1) / weigh.total[:, None]
    return mean, square - mean ** 2


def _r(products, mean_x, variance_x, mean_y, variance_y):
    import torch

    scale = variance_x * variance_y
    r = (products - mean_x * mean_y) / scale.clamp(min=_LEAST_VARIANCE ** 2).sqrt()
    defined = (variance_x > _LEAST_VARIANCE) & (variance_y > _LEAST_VARIANCE)
    return torch.where(defined, r, torch.nan).clamp(-1, 1)


def _paired(weigh, x, y):
    import torch

    if len(x) != len(y):
        raise ValueError(f"resampled_rsa: paired=True compares the k-th RDM of a with the k-th of b, but a has {len(x)} and b "
                         f"has {len(y)}")
    products = torch.stack([weigh(one * other) for one, other in zip(x, y)], 1) / weigh.total[:, None]
    return _r(products, *_moments(weigh, x), *_moments(weigh, y))


def _all(weigh, x, y, symmetric):
    import torch

    products = weigh.w.new_empty(len(weigh.w), len(x), len(y))
    for k, one in enumerate(x):
        for m in range(k if symmetric else 0, len(y)):
            products[:, k, m] = weigh(one * y[m]) / weigh.total
            if symmetric:
                products[:, m, k] = products[:, k, m]
    mean_x, variance_x = _moments(weigh, x)
    mean_y, variance_y = (mean_x, variance_x) if symmetric else _moments(weigh, y)
    r = _r(products, mean_x[:, :, None], variance_x[:, :, None], mean_y[:, None], variance_y[:, None])
    return r if not symmetric else torch.where(torch.eye(len(x), dtype=bool, device=r.device) & ~r.isnan(), 1.0, r)


def _checked_counts(counts, n):
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] != n or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError(f"resampled_rsa: counts has shape {counts.shape} and type {counts.dtype}; expected whole numbers from "
                         f"0, shape (n_samples, {n}): how often each of the {n} stimuli or images is in the sample")
    return counts.astype(np.int16)
