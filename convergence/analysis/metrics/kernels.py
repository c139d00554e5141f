"""Gram kernels: how alike every stimulus of one matrix is to every stimulus of another.

    gram("rbf", x)                          # (n, p) -> (n, n)
    gram("rbf", new, x, gamma=0.01)         # (m, p), (n, p) -> (m, n)
    settle("rbf", x, {})                    # {"gamma": 0.013}: what is left open is decided by the data, before new stimuli come
    centre(k)                               # as if the features of the kernel had mean 0 over the stimuli

A kernel is a function of tensors in KERNELS, entered there by its own name; larger means more alike. Everything here takes and
returns torch tensors: the public functions that use it (measure, KMCCA) bring in what the caller has.
"""

import inspect
import math

from convergence.analysis import validation
from convergence.analysis.similarity import centered_ranks

KERNELS = {}


def kernel(function):
    """Enter a kernel `function(x, y, **parameters) -> (n, m)` in KERNELS under its own name."""
    KERNELS[function.__name__] = function
    return function


def gram(name, x, y=None, **parameters):
    """The kernel of every row of x with every row of y.

    Parameters
    ----------
    name : str
        One of KERNELS.
    x : (n, p) torch.Tensor
    y : (m, p) torch.Tensor, optional
        Default: x.
    **parameters
        Of the kernel; what is left out is settled from x (`settle`).

    Returns
    -------
    (n, m) torch.Tensor

    Raises
    ------
    ValueError
        An unknown kernel, or a parameter that it does not have.
    """
    parameters = settle(name, x, parameters)
    return KERNELS[name](x, x if y is None else y, **parameters)


def settle(name, x, parameters):
    """All parameters of a kernel as numbers: those given, else the kernel's defaults; an open `gamma` is settled from the rows
    of x.

    gamma is 1 / (median squared distance of two rows) for "rbf", 1 / (median distance) for "laplacian", where distances are what
    counts, and 1 / p for "polynomial" and "sigmoid".
    """
    validation.option("kernel", "kernel", name, KERNELS)
    known = {key: value.default for key, value in list(inspect.signature(KERNELS[name]).parameters.items())[2:]}
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise ValueError(f"kernel: {name!r} has no parameter {', '.join(map(repr, unknown))}; {has}")
    settled = {**known, **parameters}
    if settled.get("gamma", 0) is None:
        settled["gamma"] = _gamma(name, x)
    return settled


def centre(k):
    """The Gram matrix of the same features after subtracting their mean: rows and columns of k then sum to 0."""
    means = k.mean(0, keepdim=True)
    return k - means - k.mean(1, keepdim=True) + means.mean()


@kernel
def linear(x, y):
    """Inner products x y'; the features as they are."""
    return x @ y.T


@kernel
def cosine(x, y):
    """Cosine of the angle of two rows, from -1 to 1."""
    return _unit(x) @ _unit(y).T


@kernel
def pearson(x, y):
    """Pearson correlation of two rows, from -1 to 1: the cosine after subtracting each row's mean."""
    return _unit(x - x.mean(1, keepdim=True)) @ _unit(y - y.mean(1, keepdim=True)).T


@kernel
def spearman(x, y):
    """Spearman correlation of two rows, from -1 to 1: the Pearson correlation of their ranks, ties at their average rank."""
    return cosine(centered_ranks(x).to(x.dtype), centered_ranks(y).to(y.dtype))


@kernel
def rbf(x, y, gamma=None):
    """exp(-gamma d^2) of the Euclidean distance d of two rows, from 0 to 1."""
    return (-gamma * _squared_distances(x, y)).exp()


@kernel
def laplacian(x, y, gamma=None):
    """exp(-gamma d) of the city-block distance d of two rows, from 0 to 1."""
    import torch
    return (-gamma * torch.cdist(x, y, p=1)).exp()


@kernel
def polynomial(x, y, degree=3, gamma=None, coef0=1.0):
    """(gamma x y' + coef0) ** degree: products of up to `degree` features."""
    return (gamma * (x @ y.T) + coef0) ** degree


@kernel
def sigmoid(x, y, gamma=None, coef0=0.0):
    """tanh(gamma x y' + coef0), from -1 to 1; not positive semi-definite for all parameters."""
    return (gamma * (x @ y.T) + coef0).tanh()


@kernel
def knn(x, y, k=10):
    """1 where a row of y is among the k nearest (Euclidean) of a row of x, else 0; a row of x does not count itself.

    Of x with itself it is made symmetric: 1 where either is among the nearest of the other.
    """
    import torch

    same = x is y
    distances = _squared_distances(x, y)
    if same:
        distances = distances.fill_diagonal_(math.inf)
    available = len(y) - same
    if not 1 <= k <= available:
        raise ValueError(f"kernel: 'knn' needs k from 1 to {available}, found {k}")
    nearest = torch.zeros_like(distances).scatter_(1, distances.argsort(dim=1, stable=True)[:, :k], 1.0)
    return torch.maximum(nearest, nearest.T) if same else nearest


def _gamma(name, x):
    import torch

    if name in ("polynomial", "sigmoid"):
        return 1 / x.shape[1]
    distances = _squared_distances(x, x) if name == "rbf" else torch.cdist(x, x, p=1)
    upper = torch.triu_indices(len(x), len(x), offset=1, device=x.device)
    median = float(distances[upper[0], upper[1]].median())
    if not median > 0:
        raise ValueError(f"kernel: {name!r} cannot settle gamma: the median distance of two rows is {median:g}; give gamma=")
    return 1 / median


def _squared_distances(x, y):
    """From features with a common mean subtracted, so that the distance of two near rows is not lost in rounding."""
    mean = y.mean(0)
    x, y = x - mean, y - mean
    return ((x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * (x @ y.T)).clamp_(min=0)


def _unit(x):
    norms = x.norm(dim=1, keepdim=True)
    if not bool((norms > 0).all()):
        bad = (norms[:, 0] == 0).nonzero()[:, 0].tolist()
        raise ValueError(f"kernel: rows {', '.join(map(str, bad[:10]))} have no direction (zero, or constant for a correlation); "
                         "leave these stimuli out")
    return x / norms

