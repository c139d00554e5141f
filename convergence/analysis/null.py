"""What r would be if the stimuli of one RDM had other labels: closed-form moments, and sampled nulls.

    mantel_moments(a, b)                                    # mean, variance and skewness of r, without sampling
    better_sampled(a, b)                                    # where the closed-form tails are not to be trusted
    permutation_null(a, b, n_permutations=10_000)           # (10_000, n_a, n_b)

A null relabels the stimuli of `b`; `inference.p_values` compares r with either. Where images were shown several times, give
`blocks`: images are relabelled and their repetitions stay together. Single trials must not be relabelled then: with three
repetitions that rejects 27-76 % of true nulls at 0.05, with blocks 3-5 %. `within` keeps them in their sessions. Statistics of
several subjects or sessions need to know which of them share a relabelling: `group_null.py`; largest values of many statistics:
`max_statistic.py`; control RDMs: `partial_null.py`. Cost: the closed form summarises every RDM once (n^2; the skewness n^3), then
a pair costs one dot product; sampling costs n^2 / 2 gathers per relabelling and RDM of b, and n^2 per pair.
"""

from typing import NamedTuple

import numpy as np

from convergence.analysis import validation
from convergence.analysis.relabelling import draw_images, rows_of, strata_of
from convergence.compute.device import enter

PRECISIONS = ("exact",)
REDUCTIONS = ("max", "signed_max")
MAIN_EFFECTS = 0.3                      # where single images explain more of both RDMs, the closed form's tails are too heavy

_VALUES_PER_BLOCK = 1 << 22             # of r that are held before they are reduced


class MantelMoments(NamedTuple):
    """Of r under relabelling: mean, variance, and skewness (NaN where it is not known)."""

    mean: np.ndarray
    variance: np.ndarray
    skewness: np.ndarray


def mantel_moments(a, b, *, paired=False, blocks=None, within=None, skewness=True):
    """Exact moments of Pearson's r of two RDMs over all relabellings of the stimuli of `b`.

    Parameters
    ----------
    a : (n_a, n_pairs) or (n_pairs,) array or tensor
        Condensed RDMs.
    b : (n_b, n_pairs) or (n_pairs,) array or tensor
        RDMs of the same stimuli in the same order.
    paired : bool
        The k-th RDM of `a` with the k-th of `b` only.
    blocks : (n,) array, optional
        The image that each stimulus (trial) shows. Images that have equally many trials change places, trial by trial in their
        order: the mean is then not 0, because trials of one image are alike in both RDMs. Default: every stimulus its own
        image.
    within : (n,) array, optional
        A label of each stimulus that it may not leave, such as its session: images change places whose trials carry the same
        labels in the same order.
    skewness : bool
        False leaves it out (NaN), and the n^3 products that it costs; `p_values` then takes the normal distribution.

    Returns
    -------
    MantelMoments
        mean, variance, skewness, each of the shape that ``rsa`` gives: (n_a, n_b), (n,) if paired, a number for two single
        RDMs. The skewness is NaN where images have unequal numbers of trials, or other labels of `within`. Where no relabelling
        changes r, variance and skewness are 0.

    Raises
    ------
    ValueError
        RDMs of different numbers of stimuli, NaN or infinity, a constant RDM, fewer than 4 stimuli, paired stacks of different
        lengths, blocks of another length or in which nothing can be relabelled; so many strata that sampling is cheaper.

    Notes
    -----
    Computed in float64; summaries are taken once per RDM. Memory: some square forms at a time.
    For Spearman's correlation pass ranks, for partial RSA the residuals of both RDMs.

    Mantel (1967), Cancer Research 27:209 for mean and variance without blocks; `moments.py` and `third_moment.py` for the rest.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.random((2, 190))                                             # 20 stimuli
    >>> exact = mantel_moments(a, b)
    >>> sampled = permutation_null(a, b, n_permutations=5000)
    >>> print(round(exact.variance ** 0.5, 3), round(sampled.std(), 3))
    0.073 0.073
    """
    from convergence.analysis.moments import moments

    out, x, y, shape, n = _summaries("mantel_moments", a, b, paired, blocks, within, skewness)
    return as_moments(*moments(x, y, paired=paired), n, lambda value: out(value.reshape(shape)) if shape else float(value))


def better_sampled(a, b, *, paired=False, blocks=None, within=None):
    """Where p-values of closed-form moments are not to be trusted below 0.01, because single images carry both RDMs.

    Where the main effects of single images (one image is far from all others) explain much of both RDMs, the null has lighter
    tails than Pearson III: the closed form gives up to 1.3 times the true p at 0.01, 1.5 to 2.2 times at 0.001, and more beyond.
    It errs on the safe side, but misses what `permutation_null` finds.

    Parameters
    ----------
    a, b, paired, blocks, within
        As in `mantel_moments`.

    Returns
    -------
    bool array of the shape of `mantel_moments`, or bool
        True: sample.

    Notes
    -----
    True where single images explain more than 0.3 of what varies in both RDMs; in correlation RDMs of many patterns it is below
    0.1.

    Examples
    --------
    >>> from scipy.spatial.distance import pdist
    >>> points, others = np.random.default_rng(0).standard_normal((2, 30, 2))
    >>> better_sampled(pdist(points), pdist(others))                            # Euclidean distances in a plane: outliers
    True
    >>> better_sampled(pdist(points), np.random.default_rng(1).random(435))
    False
    """
    out, x, y, shape, _ = _summaries("better_sampled", a, b, paired, blocks, within, False)
    first, second = x.single > MAIN_EFFECTS, y.single > MAIN_EFFECTS
    both = first & second if paired else first[:, None] & second
    return out(both.reshape(shape)) if shape else bool(both)


def permutation_null(a, b, *, n_permutations=None, seed=0, paired=False, blocks=None, within=None, relabellings=None, reduce=None,
                     precision="exact", device="auto"):
    """Pearson's r of RDMs for random relabellings of the stimuli of `b`.

    Parameters
    ----------
    a, b : (n_a, n_pairs), (n_b, n_pairs), or (n_pairs,) arrays or tensors
        Condensed RDMs of the same stimuli in the same order.
    n_permutations : int
        How many; not needed where `relabellings` are given.
    seed : int or sequence of int
        What is drawn depends on it, on the number of stimuli and on `blocks`, on nothing else: see
        `relabelling.draw_relabellings`.
    paired : bool
        The k-th RDM of `a` with the k-th of `b` only.
    blocks : (n,) array, optional
        The image that each stimulus (trial) shows; images change places, their trials stay together. See `mantel_moments`.
    within : (n,) array, optional
        A label that stimuli do not leave. See `mantel_moments`.
    relabellings : (n_permutations, n) integer array, optional
        Use these instead of drawing: row k compares a[i, j] with b[p[i], p[j]].
    reduce : {None, "max", "signed_max"} or callable
        What to keep of every relabelling, so that (n_permutations, n_a, n_b) values need not be held. "max": the largest value
        over the last axis; "signed_max": the one with the largest \\|r\\|, with its sign. A function takes a block (k, n_a, n_b)
        and returns (k, ...); it must not depend on how the relabellings are cut into blocks.
    precision : {"exact"}
        "exact": RDMs are centred in float64, products are summed in float32 (float64 for float64 RDMs); the error of r is below
        1e-6.
    device : {"auto", "cpu", "cuda", ...}
        Where to compute; "auto": where a tensor lies, for NumPy input a GPU if there is one.

    Returns
    -------
    (n_permutations, ...) array or tensor
        After the first axis the shape of ``rsa``, or what `reduce` makes of it. All RDMs share the relabelling of a row.

    Raises
    ------
    ValueError
        As `mantel_moments`; unknown reduce, precision or device; relabellings that are no permutations of the n stimuli, or given
        together with blocks or within.

    Notes
    -----
    Memory: the square forms of the smaller of the two stacks, the triangles of the other, and one block of results.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rois, layers = rng.random((3, 190)), rng.random((8, 190))
    >>> permutation_null(rois, layers, n_permutations=1000, reduce="signed_max").shape         # the best layer of every parcel
    (1000, 3)
    """
    validation.option("permutation_null", "precision", precision, PRECISIONS)
    (a, b), n = validation.rdm_stacks("permutation_null", a=a, b=b)
    _same_length("permutation_null", a, b, paired)
    shape = _shape(a, b, paired)
    reduce = _reduction(reduce, shape)
    source, n_permutations = _relabellings(n, n_permutations, seed, blocks, within, relabellings)
    from convergence.compute.permute import relabelled_products

    out, x, y = enter(*(rdms.reshape(-1, rdms.shape[-1]) for rdms in (a, b)), device=device)
    swap = not paired and len(x) < len(y)               # relabel the smaller stack: r(a, p b) = r(inverse of p on a, b)
    products = relabelled_products(*(_centered_units(rdms) for rdms in ((y, x) if swap else (x, y))), paired=paired)
    size = max(1, _VALUES_PER_BLOCK // (products.together * max(1, int(np.prod(shape))))) * products.together
    kept = []
    for block in _in_blocks(source, n_permutations, size):
        r = products(np.argsort(block, axis=1)).transpose(1, 2) if swap else products(block)
        kept.append(_checked(reduce(out(r.reshape(len(block), *shape))), len(block)))
    return _joined(kept)


def as_moments(mean, variance, third, n, out=lambda value: value):
    """MantelMoments from central moments; a variance that is nothing but rounding, of RDMs of n stimuli, becomes 0."""
    nothing = variance < 1e-14 / n
    variance = variance.masked_fill(nothing, 0.0)
    skewness = (third / variance.masked_fill(nothing, 1.0) ** 1.5).masked_fill(nothing, 0.0)
    return MantelMoments(out(mean), out(variance), out(skewness))


def _summaries(function, a, b, paired, blocks, within, third):
    """The way back, summaries of both stacks, shape of the result, number of stimuli."""
    (a, b), n = validation.rdm_stacks(function, a=a, b=b)
    _same_length(function, a, b, paired)
    strata = strata_of(function, blocks, n, within)
    from convergence.analysis.moments import check_size, summarise

    check_size(function, strata)
    out, x, y = enter(*(rdms.reshape(-1, rdms.shape[-1]) for rdms in (a, b)))
    return out, *(summarise([rdms], strata, third=third) for rdms in (x, y)), _shape(a, b, paired), n


def _same_length(function, a, b, paired):
    if paired and (a.ndim != b.ndim or len(a) != len(b)):
        raise ValueError(f"{function}: paired=True compares the k-th RDM of a with the k-th of b, but a has shape "
                         f"{tuple(a.shape)} and b has shape {tuple(b.shape)}")


def _shape(a, b, paired):
    """Of one value per pair, as in ``rsa``: an axis for each stack."""
    return tuple(x.shape[0] for x in ((a,) if paired else (a, b)) if x.ndim == 2)


def _reduction(reduce, shape):
    if reduce is None:
        return lambda block: block
    if callable(reduce):
        return reduce
    validation.option("permutation_null", "reduce", reduce, REDUCTIONS)
    if not shape:
        raise ValueError(f"permutation_null: reduce={reduce!r} takes the largest value over RDMs, but a and b are one RDM each; "
                         "pass stacks, or leave reduce out")
    return signed_max if reduce == "signed_max" else lambda block: _extremes(block)[1]


def signed_max(block):
    """Over the last axis, the value with the largest absolute value; of r and -r, r."""
    low, high = _extremes(block)
    choose = high >= -low
    return choose * high + ~choose * low


def _extremes(block):
    if isinstance(block, np.ndarray):
        return block.min(-1), block.max(-1)
    return block.amin(-1), block.amax(-1)


def _relabellings(n, n_permutations, seed, blocks, within, relabellings):
    """An iterable of (k, n) arrays, and how many rows it has in all."""
    if relabellings is None:
        n_permutations = validation.whole_number("permutation_null", "n_permutations", n_permutations, at_least=1)
        strata = strata_of("permutation_null", blocks, n, within)
        return (rows_of(images, strata) for images in draw_images(strata, n_permutations, seed)), n_permutations
    if blocks is not None or within is not None:
        other = "within" if blocks is None else "blocks"
        raise ValueError(f"permutation_null: {other} and relabellings were given; relabellings already say what changes places, "
                         "leave one of them out")
    relabellings = validation.relabellings("permutation_null", "relabellings", relabellings, n)
    if n_permutations not in (None, len(relabellings)):
        raise ValueError(f"permutation_null: n_permutations={n_permutations}, but relabellings has {len(relabellings):,} rows; "
                         "leave n_permutations out")
    return [relabellings], len(relabellings)


def _in_blocks(source, n_permutations, size):
    """The rows of an iterable of arrays, `size` at a time."""
    waiting, held = [], 0
    for part in source:
        while held + len(part) >= size:
            taken = size - held
            yield np.concatenate([*waiting, part[:taken]])
            waiting, held, part = [], 0, part[taken:]
        waiting.append(part)
        held += len(part)
    if held:
        yield np.concatenate(waiting)


def _centered_units(rdms):
    """Centred in float64, norm 1, in the type of the products."""
    units = rdms.new_empty(rdms.shape)
    for rdm, unit in zip(rdms, units):
        centered = rdm.double() - rdm.double().mean()
        unit[:] = centered / centered.norm()
    return units


def _checked(reduced, k):
    if np.ndim(reduced) == 0 or len(reduced) != k:
        found = "a number" if np.ndim(reduced) == 0 else f"{len(reduced):,} rows"
        raise ValueError(f"permutation_null: reduce returned {found} for a block of {k:,} relabellings; it must keep the first "
                         "axis")
    return reduced


def _joined(kept):
    if isinstance(kept[0], np.ndarray):
        return np.concatenate(kept)
    import torch
    return torch.cat(kept)
