"""Metrics that turn one matrix into the other as well as a linear map can: cca, svcca, procrustes.

Columns are centred first. All are computed in float64, without random numbers.
"""

import math

from convergence.analysis import validation
from convergence.analysis.metrics.registry import in_parts, pair, register_metric


def _relabel(items, order):
    import torch
    return [item[torch.as_tensor(order, device=item.device)] for item in items]


def _singular_values(reduce):
    """(n_a, n_b), or of pairs, of a function of the singular values of a'b and the smaller number of columns."""
    def value(a, b):
        import torch
        return float(reduce(torch.linalg.svdvals(a.T @ b).clamp(max=1), min(a.shape[1], b.shape[1])))

    def compare(a, b, paired=False):
        import numpy as np
        if paired:
            return np.array([value(x, y) for x, y in zip(a, b)])
        return np.array([[value(x, y) for y in b] for x in a])
    return compare


_mean = _singular_values(lambda values, width: values.sum() / width)
_sum = _singular_values(lambda values, width: values.sum().clamp(max=1))


def _principal(x):
    """Left singular vectors and singular values of the columns, the largest first; those that are rounding are left out.

    From the smaller of the two Gram matrices.
    """
    import torch

    wide = x.shape[1] > x.shape[0]
    values, vectors = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    values, vectors = values.flip(0), vectors.flip(1)
    rank = int((values > values[0] * max(x.shape) * torch.finfo(x.dtype).eps).sum())
    values = values[:rank].sqrt()
    return (vectors[:, :rank] if wide else x @ (vectors[:, :rank] / values)), values


def _centred(x):
    x = x.double()
    x = x - x.mean(0)
    if not bool(x.abs().max() > 0):
        raise ValueError("columns: every column has one value in all rows, so that there is nothing to compare; leave "
                         "this matrix out")
    return x


def _basis(x):
    n, p = x.shape
    if n <= p + 1:
        raise ValueError(f"cca: {n} stimuli and {p} columns: with no more stimuli than columns (and one) every correlation is 1; "
                         "use svcca, which keeps few components, or linear_predictivity or unbiased_cka, or more stimuli")
    return _principal(_centred(x))[0]


@register_metric
@in_parts(_basis, _mean, _relabel, stacked=False)
def cca(x, y):
    """From 0 to 1, larger is more alike: mean canonical correlation; above 0 by chance, the more the wider the matrices.

    Parameters
    ----------
    x, y : (n, p), (n, q) tensors or arrays
        More stimuli than columns; p + q < n, or some correlations are 1 by construction.

    Raises
    ------
    ValueError
        n <= p + 1 or n <= q + 1; all columns are constant.

    Notes
    -----
    Mean over the smaller of the two numbers of columns (of independent ones). Hotelling (1936), Biometrika 28:321.
    Cost: n (p^2 + q^2).
    """
    return pair(cca, x, y)


def _components(x, n_components=10, scale=True):
    n = len(x)
    whole = not isinstance(n_components, float)
    if whole:
        validation.whole_number("svcca", "n_components", n_components, at_least=1)
    else:
        validation.number("svcca", "n_components", n_components, low=math.ulp(0.0), high=1)
    x = _centred(x)
    if scale:
        deviation = x.norm(dim=0)
        varies = deviation > 1e-12 * deviation.max()
        x = x[:, varies] / deviation[varies]
    vectors, values = _principal(x)
    share = (values ** 2).cumsum(0) / (values ** 2).sum()
    kept = n_components if whole else 1 + int((share < n_components).sum())
    if kept >= n - 1:
        raise ValueError(f"svcca: {kept} components of {n} stimuli: with no more stimuli than components (and one) every "
                         "correlation is 1; give fewer n_components, or more stimuli")
    return vectors[:, :kept]


@register_metric
@in_parts(_components, _mean, _relabel, stacked=False)
def svcca(x, y, *, n_components=10, scale=True):
    """From 0 to 1, larger is more alike: mean canonical correlation of the largest principal components; above 0 by chance.

    Parameters
    ----------
    x, y : (n, p), (n, q) tensors or arrays
    n_components : int or float
        How many components of each (as published: 10), or the share of variance that they explain (Raghu et al.: 0.99).
    scale : bool
        Columns have standard deviation 1 first, as published; constant ones are left out.

    Raises
    ------
    ValueError
        As many components as stimuli; all columns are constant.

    Notes
    -----
    Raghu et al. (2017), NeurIPS, arXiv 1706.05806. An exact decomposition: nothing is drawn, no noise is added.
    Cost: n p min(n, p), and n n_components^2 for a pair.
    """
    return pair(svcca, x, y, n_components=n_components, scale=scale)


def _rotated(x):
    """At most n columns, total length 1: x up to a rotation of its columns."""
    x = _centred(x)
    x = x / x.norm()
    if x.shape[1] <= x.shape[0]:
        return x
    vectors, values = _principal(x)
    return vectors * values


@register_metric
@in_parts(_rotated, _sum, _relabel, stacked=False)
def procrustes(x, y):
    """From 0 to 1, larger is more alike: how well rotation, reflection and scaling make one the other; above 0 by chance.

    Parameters
    ----------
    x, y : (n, p), (n, q) tensors or arrays

    Raises
    ------
    ValueError
        All columns are constant.

    Notes
    -----
    The nuclear norm of x'y after centring both and scaling them to length 1 (Schoenemann 1966, Psychometrika 31:1): cosine of the
    angular shape distance of Williams et al. (2021), NeurIPS; 1 minus its square is the disparity of scipy.spatial.procrustes.
    Cost: n p min(n, p), and min(n, p)^3 for a pair.
    """
    return pair(procrustes, x, y)
