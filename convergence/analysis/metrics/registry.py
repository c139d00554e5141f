"""Metrics by name, and `measure`, which looks one up, checks its arguments, and calls it.

A metric is a function `name(x, y, *, option=default, ...)` of an (n, p) and an (n, q) matrix. Where the work on one matrix can be
told from the work on a pair, `in_parts` says how, so that many matrices can be compared with many (representations.py).
"""

import inspect
import math
from dataclasses import dataclass
from typing import Callable

import numpy as np

from convergence.analysis import validation
from convergence.compute.device import enter, is_tensor

METRICS = {}


@dataclass(frozen=True)
class Parts:
    """A metric, taken apart.

    prepare(x, **options): what one (n, p) tensor is compared by, a tensor. compare(a, b, paired=False): stacks of these ->
    (n_a, n_b) or (n,). relabel(stack, order): those of x[order]. stacked: prepared tensors have one shape and lie in one; else
    in a list. is_pearson(options): whether they are like condensed RDMs and scores are their Pearson correlations, whose null has
    a closed form.
    """

    prepare: Callable
    compare: Callable
    relabel: Callable
    stacked: bool = True
    is_pearson: Callable = lambda options: False


def register_metric(function):
    """Make a function a metric under its own name; a decorator.

    Parameters
    ----------
    function : callable
        Takes an (n, p) and an (n, q) matrix with the same stimuli in their rows (NumPy or torch, float32 or float64, as the
        caller of `measure` has them) and returns a number, larger where they are more alike. Keyword arguments with defaults
        are its options. State the range in the first line of its docstring.

    Returns
    -------
    The function.

    Raises
    ------
    ValueError
        Another module has a metric of this name. (The same module may register its function again.)

    Examples
    --------
    >>> @register_metric
    ... def mean_response(x, y):
    ...     return np.corrcoef(x.mean(1), y.mean(1))[0, 1]
    >>> x = np.random.default_rng(0).random((20, 5))
    >>> round(measure("mean_response", x, 3 - x), 6)
    -1.0
    >>> _ = METRICS.pop("mean_response")
    """
    name, taken = function.__name__, METRICS.get(function.__name__)
    if taken is not None and taken.__module__ != function.__module__:
        raise ValueError(f"register_metric: {name!r} of {function.__module__} is the name of a metric of {taken.__module__} "
                         "already; give the function another name")
    METRICS[name] = function
    return function


def in_parts(prepare, compare, relabel, **more):
    """Say how a metric is taken apart (`Parts`); a decorator, below `register_metric`."""
    def attach(function):
        function.parts = Parts(prepare, compare, relabel, **more)
        return function
    return attach


def pair(function, x, y, **options):
    """What a metric in parts says about two matrices."""
    _, a, b = enter(x, y)
    prepared = [[function.parts.prepare(matrix, **options)] for matrix in (a, b)]
    if function.parts.stacked:
        prepared = [item[None] for (item,) in prepared]
    return float(function.parts.compare(*prepared)[0, 0])


def list_metrics():
    """Names of all metrics, in alphabetical order."""
    return sorted(METRICS)


def measure(name, x, y, **options):
    """How alike two representations of the same stimuli are, by a metric of this name.

    Parameters
    ----------
    name : str
        One of `list_metrics()`.
    x : (n, p) array or tensor
        Responses or activations, a row per stimulus; float64 is computed in float64 (where it matters, see the metric), all
        else in float32.
    y : (n, q) array or tensor
        The same stimuli in the same order.
    **options
        Of the metric: topk= of the neighbour metrics, kernel= of cka, ...

    Returns
    -------
    float
        Larger is more alike. The range stands in the first line of the metric's docstring.

    Raises
    ------
    ValueError
        An unknown metric or option; wrong shapes, different numbers of stimuli, fewer than 4, NaN or infinity; what the metric
        cannot be computed for. It is never NaN.

    Examples
    --------
    >>> shared, noise_x, noise_y = np.random.default_rng(0).standard_normal((3, 200, 10))
    >>> round(measure("unbiased_cka", shared + noise_x, shared + noise_y), 1)           # r = 0.5 in every column: 0.5 squared
    0.2
    >>> abs(round(measure("unbiased_cka", noise_x, noise_y), 1))
    0.0
    >>> round(measure("mutual_knn", shared, 3 * shared, topk=5), 6)
    1.0
    """
    function = find("measure", name, options)
    x, y = (floating(validation.responses("measure", side, matrix)) for side, matrix in (("x", x), ("y", y)))
    for side, matrix in (("x", x), ("y", y)):
        if matrix.ndim != 2:
            raise ValueError(f"measure: {side} has shape {tuple(matrix.shape)}; expected (n_stimuli, n_features); for many "
                             "matrices at once use convergence.analysis.metrics.Representations")
    same_stimuli("measure", "x", len(x), "y", len(y))
    return finite("measure", name, function(x, y, **options))


def find(caller, name, options):
    """The metric of a name, after seeing that it has these options."""
    function = METRICS[validation.option(caller, "name", name, METRICS)]
    parameters = list(inspect.signature(function).parameters.values())[2:]
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    unknown = sorted(set(options) - set(known))
    if unknown and len(known) == len(parameters):
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise ValueError(f"{caller}: metric {name!r} has no option {', '.join(unknown)}; {has}")
    return function


def same_stimuli(caller, x, n_x, y, n_y):
    """See that two matrices have as many rows."""
    if n_x != n_y:
        raise ValueError(f"{caller}: {y} has {validation.count(n_y, 'row')} (stimuli), {x} has {n_x:,}; select the same stimuli "
                         "in both first, in the same order")


def finite(caller, name, value):
    """A metric's result as a float, which is a number."""
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"{caller}: metric {name!r} gave {value}; leave out what it cannot be computed for (constant columns or "
                         "rows)")
    return value


def floating(matrix):
    """float64 as it is, wide whole numbers as float64, everything else as float32; in the caller's library, on its device."""
    if is_tensor(matrix):
        import torch
        return matrix.to(torch.float64 if matrix.dtype in (torch.float64, torch.int64, torch.int32) else torch.float32)
    return matrix.astype(np.float64 if matrix.dtype.itemsize > 2 and matrix.dtype != np.float32 else np.float32, copy=False)
