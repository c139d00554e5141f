"""Metrics that compare who is near whom: mutual_knn, cycle_knn, lcs_knn, edit_distance_knn, cknna. Each takes topk=.

    neighbour_lists(x, topk=10)         # (n, topk): the stimuli most like each stimulus, nearest first, itself left out

How alike two stimuli are, is told by a kernel of kernels.py: "cosine" (default: inner products of rows of length 1, Huh et al.
2024), "linear" (inner products as they are), "pearson", "rbf" (Euclidean neighbours). It is computed in float64, and values
that differ by less than 2^-40 of the largest are equal; of equal ones the stimulus with the lower number comes first. So an
image that is shown twice is placed alike on every device.
"""

from convergence.analysis import validation
from convergence.analysis.metrics import kernels
from convergence.analysis.metrics.registry import in_parts, pair, register_metric

_PAIRS_AT_ONCE = 1 << 26                # comparisons of list entries that are held at once


def neighbour_lists(x, topk=10, kernel="cosine"):
    """The topk stimuli most like each: (n, p) tensor -> (n, topk) int64 tensor, nearest first.

    Raises
    ------
    ValueError
        topk is not from 1 to n - 1; an unknown kernel.
    """
    return _lists(_similarity(x, kernel, topk), topk)


def _similarity(x, kernel, topk):
    n = len(x)
    if validation.whole_number("neighbours", "topk", topk, at_least=1) > n - 1:
        raise ValueError(f"neighbours: topk={topk}, but each of {n} stimuli has {n - 1} others; give a smaller topk")
    return kernels.gram(kernel, x.double())


def _lists(similarity, topk):
    step = similarity.abs().max() / 2**40
    coarse = (similarity / step).round() if step > 0 else similarity.clone()
    return coarse.fill_diagonal_(-float("inf")).argsort(dim=1, descending=True, stable=True)[:, :topk].contiguous()


def _renumbered(lists, order):
    """Lists of the stimuli in another order: stimulus i is now the old order[i]."""
    import torch

    order = torch.as_tensor(order, device=lists.device)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    return place[lists[:, order]]


def _members(lists):
    """(n, n) bool: is j in the list of i?"""
    import torch

    n = len(lists)
    return torch.zeros((n, n), dtype=torch.bool, device=lists.device).scatter_(1, lists, True)


def _overlap(a, b):
    """(n, k) lists with (m, n, k) lists -> (m,) mean share that they have in common."""
    mine = _members(a)
    return mine.expand(len(b), *mine.shape).gather(2, b).double().mean((1, 2))


def _returns(a, b):
    """How many stimuli are in the first list of an entry of their second list."""
    listed_by = _members(a).T                                               # i, j: is i in the list of j?
    return listed_by.expand(len(b), *listed_by.shape).gather(2, b).any(2).double().mean(1)


def _longest_common(a, b):
    return _over_equal(a, b, _common_length) / a.shape[1]


def _edits(a, b):
    return 1 - _over_equal(a, b, _edit_distance) / a.shape[1]


def _over_equal(a, b, function):
    """Mean over stimuli of a function of which entries of two lists are equal."""
    import torch

    n, k = a.shape
    step = max(1, _PAIRS_AT_ONCE // (n * k * k))
    return torch.cat([function(a[:, :, None] == b[start:start + step, :, None, :]).double().mean(1)
                      for start in range(0, len(b), step)])


def _common_length(equal):
    """Longest common subsequence, of (..., k, k) bool."""
    import torch

    k, zero = equal.shape[-1], torch.zeros(equal.shape[:-2], dtype=torch.int16, device=equal.device)
    above = [zero] * (k + 1)
    for i in range(k):
        row = [zero]
        for j in range(k):
            row.append(torch.where(equal[..., i, j], above[j] + 1, torch.maximum(above[j + 1], row[j])))
        above = row
    return above[k]


def _edit_distance(equal):
    """Fewest insertions, deletions and substitutions, of (..., k, k) bool."""
    import torch

    k, zero = equal.shape[-1], torch.zeros(equal.shape[:-2], dtype=torch.int16, device=equal.device)
    above = [zero + j for j in range(k + 1)]
    for i in range(k):
        row = [zero + i + 1]
        for j in range(k):
            changed = above[j] + (~equal[..., i, j]).to(torch.int16)
            row.append(torch.minimum(changed, torch.minimum(above[j + 1], row[j]) + 1))
        above = row
    return above[k]


def _all(one_with_many):
    """(n_a, n_b), or of pairs, from a function of one item and a stack."""
    def compare(a, b, paired=False):
        import torch
        if paired:
            return torch.cat([one_with_many(x, y[None]) for x, y in zip(a, b)])
        return torch.stack([one_with_many(x, b) for x in a])
    return compare


@register_metric
@in_parts(neighbour_lists, _all(_overlap), _renumbered)
def mutual_knn(x, y, *, topk=10, kernel="cosine"):
    """From 0 to 1, larger is more alike: share of a stimulus' topk neighbours that is the same in both; topk / (n - 1) by chance.

    Parameters
    ----------
    x, y : (n, p), (n, q) tensors or arrays
    topk : int
        Neighbours of a stimulus, at most n - 1.
    kernel : str
        What makes neighbours: see the module.

    Notes
    -----
    Huh et al. (2024), ICML, arXiv 2405.07987, appendix A. Cost: n^2 (p + q).
    """
    return pair(mutual_knn, x, y, topk=topk, kernel=kernel)


@register_metric
@in_parts(neighbour_lists, _all(_returns), _renumbered)
def cycle_knn(x, y, *, topk=10, kernel="cosine"):
    """From 0 to 1, larger is more alike: share of stimuli that are x-neighbours of one of their y-neighbours. Not symmetric.

    Parameters
    ----------
    x, y, topk, kernel
        As of `mutual_knn`.

    Notes
    -----
    The way from a stimulus to its neighbours in y, and from there to theirs in x, leads back (Huh et al. 2024). Cost: n^2 (p +
    q).
    """
    return pair(cycle_knn, x, y, topk=topk, kernel=kernel)


@register_metric
@in_parts(neighbour_lists, _all(_longest_common), _renumbered)
def lcs_knn(x, y, *, topk=10, kernel="cosine"):
    """From 0 to 1, larger is more alike: longest common subsequence of two lists of neighbours, divided by topk.

    Parameters
    ----------
    x, y, topk, kernel
        As of `mutual_knn`.

    Notes
    -----
    Lists are nearest first; mean over stimuli. Published is the length itself, topk times this. Cost: n^2 (p + q), and
    n topk^2 for a pair.
    """
    return pair(lcs_knn, x, y, topk=topk, kernel=kernel)


@register_metric
@in_parts(neighbour_lists, _all(_edits), _renumbered)
def edit_distance_knn(x, y, *, topk=10, kernel="cosine"):
    """From 0 to 1, larger is more alike: 1 - edit distance of two lists of neighbours, divided by topk.

    Parameters
    ----------
    x, y, topk, kernel
        As of `mutual_knn`.

    Notes
    -----
    Fewest insertions, deletions and substitutions that make one list, nearest first, the other (Levenshtein), mean over stimuli.
    Cost: as of `lcs_knn`.
    """
    return pair(edit_distance_knn, x, y, topk=topk, kernel=kernel)


def _local_units(x, topk=10, kernel="cosine"):
    """Rows of the Gram matrix minus their mean over the other stimuli, at the neighbours; 0 elsewhere. Length 1, (n, n)."""
    similarity = _similarity(x, kernel, topk)
    near = _members(_lists(similarity, topk))
    similarity = similarity.fill_diagonal_(0)
    local = near * (similarity - similarity.sum(1, keepdim=True) / (len(x) - 1))
    length = local.norm()
    if not bool(length > 1e-12 * similarity.abs().max()):
        raise ValueError(f"cknna: every two rows are equally alike to the {kernel} kernel; leave this matrix out")
    return (local / length).to(x.dtype)


def _local_products(a, b, paired=False):
    from convergence.analysis.similarity import rsa_of_units
    return rsa_of_units(a.flatten(1), b.flatten(1), paired=paired)


def _reordered(stack, order):
    import torch

    order = torch.as_tensor(order, device=stack.device)
    return stack[:, order[:, None], order]


@register_metric
@in_parts(_local_units, _local_products, _reordered)
def cknna(x, y, *, topk=10, kernel="cosine"):
    """From -1 to 1, larger is more alike: kernel alignment of the neighbours that both matrices agree on; above 0 by chance.

    Parameters
    ----------
    x, y, topk, kernel
        As of `mutual_knn`.

    Notes
    -----
    Sum over i and j of alpha(i, j) k(i, j) l(i, j), divided by the roots of the same of x with x and of y with y: k and l are
    the two kernels, each row minus its mean over the other stimuli, and alpha(i, j) is 1 where j is a neighbour of i in both
    (Huh et al. 2024, appendix A). A mask of own neighbours contains the common one, so that this never leaves -1 to 1. (Their
    program puts masked kernels into HSIC_u instead, which may be undefined.) Cost: n^2 (p + q), and n^2 for a pair.
    """
    return pair(cknna, x, y, topk=topk, kernel=kernel)
