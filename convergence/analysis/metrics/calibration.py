"""What a score is worth: against the same score of relabelled stimuli.

    calibrate("mutual_knn", x, y)                       # one pair: the null mean of a raw score is rarely 0
    calibrate("cka", layers, widths)                    # lists: the best of all pairs, against the best under each relabelling

The best of 24 layers is larger than any one of them by luck alone. One relabelling serves all layers, so that the best of the
relabelled ones has the same luck: what is left above it is not from searching.
"""

from typing import NamedTuple

import numpy as np

from convergence.analysis import validation
from convergence.analysis.inference import p_values
from convergence.analysis.metrics.representations import Representations
from convergence.analysis.relabelling import draw_relabellings

REDUCTIONS = {"max": np.max, "mean": np.mean}


class Calibration(NamedTuple):
    """A score (or several) and its null; see `calibrate`."""

    raw: float
    null_mean: float
    null_std: float
    calibrated: float
    p: float


def calibrate(name, x, y, *, reduce="max", n_permutations=200, seed=0, blocks=None, relabellings=None, device="auto", **options):
    """A score of one metric against its own null: the stimuli of y are relabelled, all matrices of y in one way.

    Parameters
    ----------
    name : str
        One of `list_metrics()`.
    x : (n, p) array or tensor, or list of (n, p_k)
        A matrix, or several: layers, or widths.
    y : (n, q) array or tensor, or list of (n, q_k)
        The same stimuli in the same order.
    reduce : {"max", "mean", None} or callable
        What is made of the (n_x, n_y) scores, observed and relabelled alike: the largest, their mean, all of them, or a
        function of the array.
    n_permutations : int
        Relabellings; p is at least 1 / (1 + n_permutations), the null mean is known to null_std / sqrt(n_permutations).
    seed : int
    blocks : (n,) array, optional
        The image of every stimulus: images are relabelled, their repetitions stay together (see `draw_relabellings`). Give it
        where images repeat, else the null is too narrow.
    relabellings : (n_permutations, n) int array, optional
        These, in place of drawn ones.
    device : str
    **options
        Of the metric.

    Returns
    -------
    Calibration
        raw: the score. null_mean, null_std: of the relabelled ones. calibrated: (raw - null_mean) / (1 - null_mean): 0 on
        average where x and y are unrelated, 1 where raw is 1, the largest value of every metric here. p: (1 + how many
        relabelled scores are at least as large) / (1 + n_permutations). Floats, or arrays of what `reduce` returns.

    Raises
    ------
    ValueError
        As of `measure` and `draw_relabellings`.

    Notes
    -----
    The design (one relabelling for all layers) is that of Groeger, Wen & Brbic (2026), "Revisiting the Platonic Representation
    Hypothesis: An Aristotelian View", who subtract the 95 % quantile of the null and cut at 0; the mean keeps the score
    unbiased, so that scores of sessions and people can be averaged. Cost: n_permutations comparisons; matrices are prepared
    once where the metric is told in parts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> layers, y = rng.standard_normal((24, 50, 30)), rng.standard_normal((50, 30))        # nothing in common
    >>> found = calibrate("cka", list(layers), y)
    >>> bool(found.raw > 0.4), bool(abs(found.calibrated) < 0.05)
    (True, True)
    """
    reduced = _reduction(reduce)
    x, y = (Representations(name, matrices if isinstance(matrices, (list, tuple)) else [matrices], device=device, **options)
            for matrices in (x, y))
    if relabellings is None:
        relabellings = draw_relabellings(y.n_stimuli, n_permutations, seed, blocks)
    else:
        relabellings = validation.relabellings("calibrate", "relabellings", relabellings, y.n_stimuli)
    raw = np.asarray(reduced(x.compare(y)))
    null = np.stack([reduced(scores) for scores in relabelled(x, y, relabellings)])
    p = np.asarray(p_values(raw, null, tail="greater"))
    found = Calibration(raw, null.mean(0), null.std(0), against(raw, null.mean(0)), p)
    return found if raw.ndim else Calibration(*map(float, found))


def relabelled(x, y, relabellings, *, paired=False):
    """Yield the scores of two `Representations` under each relabelling of the stimuli of y."""
    for order in relabellings:
        yield x.compare(y, order=order, paired=paired)


def exact_null_mean(x, y, blocks=None, *, paired=False):
    """Mean score of two `Representations` over all relabellings of the stimuli of y, in closed form; None where there is none.

    rsa (by Pearson or Spearman) and unbiased_cka have one: without blocks it is 0. With blocks it is not, as repetitions of an
    image are alike on both sides.
    """
    from convergence.analysis.null import mantel_moments

    if x.parts is None or not x.parts.is_pearson(x.options) or not len(x) or not len(y):
        return None
    try:
        mean = mantel_moments(x.items, y.items, paired=paired, blocks=blocks, skewness=False).mean
    except ValueError:                          # images fall into so many strata that sampling is cheaper
        return None
    return np.asarray(mean.cpu() if hasattr(mean, "cpu") else mean, np.float64)


def against(raw, null_mean):
    """The calibrated score: 0 at the null mean, 1 where raw is 1; NaN where the null is always 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(null_mean < 1, (raw - null_mean) / (1 - null_mean), np.nan)


def _reduction(reduce):
    if reduce is None:
        return lambda scores: scores
    return reduce if callable(reduce) else REDUCTIONS[validation.option("calibrate", "reduce", reduce, REDUCTIONS)]
