"""Which of several control RDMs explains what of a brain's RDM: alone, only it, and what some have in common.

    found = partition_variance(rdms, controls, ["person", "edges", "lag"], n_bootstrap=500)
    found.table()                       # a row per RDM and term: total, alone, unique, shared

R2 is the part of the variance over pairs of stimuli that a weighted sum of control RDMs and a constant explains. With every
subset S of the controls fitted, what exactly the controls T have in common (and no other explains) is

    common(T) = sum over S in T of (-1)^(|S| + 1) R2(all without T, and S)          common of one control: its unique part

These parts sum to the R2 of all (Mood 1971, commonality analysis). A part of several may be negative: controls that explain more
together than each alone. All subsets come from the sums of products of the RDMs, taken once.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from convergence.analysis import validation
from convergence.analysis.bootstrap import draw_counts

SOLVERS = ("ordinary", "nonnegative")
MOST = 8                        # controls: 2^8 fits per RDM
_LEFT = 1e-6                    # of a control's variance: what the others leave less of is rounding of float32
_BLOCK = 1 << 13                # pairs at a time


class VariancePartition(NamedTuple):
    """Parts of the variance of RDMs; see `partition_variance`. Terms that are left out are NaN."""

    names: tuple                # of the controls
    r_squared: dict             # {(kind, names of the term): (n_rdms,)}
    low: dict                   # the same, 2.5 % quantile over samples of stimuli; empty without bootstrap
    high: dict
    weights: np.ndarray         # (n_controls, n_rdms), in standard deviations
    variance_inflation: np.ndarray      # (n_controls,)
    condition_number: float
    reasons: dict               # {name: why it is left out}
    solver: str

    def table(self, rois=None):
        """DataFrame: roi, term, kind, r_squared, low, high, weight, variance_inflation, condition_number, solver, reason."""
        import pandas

        n = self.weights.shape[1]
        frames, nothing = [], np.full(n, np.nan)
        for (kind, term), values in self.r_squared.items():
            single = self.names.index(term[0]) if len(term) == 1 and kind == "unique" else None
            frames.append(pandas.DataFrame({
                "roi": np.arange(n) if rois is None else rois, "term": "all" if kind == "total" else "+".join(term), "kind": kind,
                "r_squared": values, "low": self.low.get((kind, term), nothing), "high": self.high.get((kind, term), nothing),
                "weight": nothing if single is None else self.weights[single],
                "variance_inflation": np.nan if single is None else self.variance_inflation[single],
                "condition_number": self.condition_number, "solver": self.solver,
                "reason": self.reasons.get(term[0], "") if len(term) == 1 else ""}))
        return pandas.concat(frames, ignore_index=True)


def partition_variance(rdms, controls, names=None, *, solver="ordinary", n_bootstrap=0, images=None, seed=0):
    """Divide the variance of RDMs among control RDMs.

    Parameters
    ----------
    rdms : (n_rdms, n_pairs) or (n_pairs,) array
        Condensed RDMs to be explained.
    controls : (n_controls, n_pairs) array
        RDMs of the same stimuli, at most 8.
    names : sequence of str, optional
        Of the controls; default "0", "1", ...
    solver : {"ordinary", "nonnegative"}
        Least squares, or with weights from 0: an RDM that is a sum of distances cannot have a negative share.
    n_bootstrap : int
        Samples of stimuli for the intervals; 0: none. Pairs of a stimulus with its copy are dropped.
    images : (n,) array, optional
        The image of every stimulus; images are drawn then. Pairs of trials of one image count within each copy.
    seed : int

    Returns
    -------
    VariancePartition
        A control that is constant, or a combination of those before it, is left out: its terms are NaN, with the reason, and the
        rest is as without it. variance_inflation is 1 / (1 - R2 of a control on the others), infinite for one that is left out;
        condition_number that of the standardised controls that are kept.

    Raises
    ------
    ValueError
        RDMs as for `rsa`; no control or more than 8; names that do not match or occur twice.

    Notes
    -----
    Cost: n_pairs x n_controls x (n_rdms + n_controls) per bootstrap sample, and 2^n_controls small solutions. Weights of
    different pairs of one stimulus are dependent, so that ordinary standard errors of the regression do not hold: take the
    intervals. Samples repeat stimuli, so that R2 is a little larger in them than in all stimuli.

    Lawson & Hanson (1974) for non-negative least squares.

    Examples
    --------
    >>> a, b, noise = np.random.default_rng(0).random((3, 780))                 # 40 stimuli
    >>> found = partition_variance(a + b + noise, [a, b, 2 * a], ["a", "b", "a again"])
    >>> {" ".join(term): round(float(x[0]), 1) for (kind, term), x in found.r_squared.items() if kind == "unique"}
    {'a': 0.3, 'b': 0.3, 'a again': nan}
    >>> found.reasons
    {'a again': 'a again is a combination of a'}
    """
    validation.option("partition_variance", "solver", solver, SOLVERS)
    n_bootstrap = validation.whole_number("partition_variance", "n_bootstrap", n_bootstrap, at_least=0)
    (rdms,), n = validation.rdm_stacks("partition_variance", rdms=rdms)
    x, y = _standardised(controls, np.atleast_2d(rdms))
    names = _checked_names(names, len(x))
    kept, reasons = _independent(x @ x.T / x.shape[1], names)
    if not kept:
        raise ValueError(f"partition_variance: no control varies over these stimuli ({', '.join(names)}); leave them out")
    x = x[kept]
    sums = _weighted_sums(x, y, np.ones((1, n), np.int64), None)
    observed, weights = _parts(*(part[0] for part in sums), solver)
    draws = []
    if n_bootstrap:
        images = np.arange(n) if images is None else validation.one_per_stimulus("partition_variance", "images", images, n)
        _, number = np.unique(images, return_inverse=True)
        counts = draw_counts(1, number.max() + 1, n_bootstrap=n_bootstrap, seed=seed)[1]
        draws = [_parts(*of_it, solver)[0] for of_it in zip(*_weighted_sums(x, y, counts, number))]
    correlation = _centred(*(part[0] for part in sums))[0]
    return _named(names, kept, reasons, observed, draws, weights, correlation, y.shape[0], solver)


def _standardised(controls, rdms):
    """Controls (float64) and RDMs (their type) with mean 0 and mean square 1, so that products are correlations."""
    x = np.asarray(controls, np.float64)
    if x.ndim != 2 or x.shape[1] != rdms.shape[1] or not 1 <= len(x) <= MOST:
        raise ValueError(f"partition_variance: controls has shape {x.shape}; expected 1 to {MOST} RDMs of "
                         f"{rdms.shape[1]:,} pairs")
    validation.finite("partition_variance", "controls", x, what="controls")
    centred = x - x.mean(1, keepdims=True)
    size = np.sqrt((centred ** 2).mean(1, keepdims=True))
    flat = size <= 1e-7 * np.maximum(abs(x).max(1, keepdims=True), np.finfo(float).tiny)
    x = np.where(flat, 0, centred / np.where(flat, 1, size))
    y = np.asarray(rdms, np.float32 if rdms.dtype != np.float64 else np.float64)
    y = y - y.mean(1, keepdims=True, dtype=np.float64).astype(y.dtype)
    return x, y / np.sqrt((y ** 2).mean(1, keepdims=True, dtype=np.float64)).astype(y.dtype)


def _checked_names(names, n):
    names = tuple(map(str, range(n) if names is None else names))
    if len(names) != n or len(set(names)) < n:
        raise ValueError(f"partition_variance: names are {', '.join(names)}; expected {n} different ones, one per control")
    return names


def _independent(correlation, names):
    """Numbers of the controls that those before them do not make up, and why the others are left out."""
    kept, reasons = [], {}
    for k, name in enumerate(names):
        if correlation[k, k] == 0:
            reasons[name] = f"{name} is constant over these stimuli"
            continue
        coefficients = np.linalg.lstsq(correlation[np.ix_(kept, kept)], correlation[kept, k], rcond=None)[0]
        if 1 - coefficients @ correlation[kept, k] > _LEFT:
            kept.append(k)
        else:
            of = [names[j] for j, weight in zip(kept, coefficients) if abs(weight) > 1e-3]
            reasons[name] = f"{name} is a combination of {', '.join(of)}"
    return kept, reasons


def _weighted_sums(x, y, counts, number):
    """Sums over pairs in every sample: of weights (B,), x (B, K), y (B, R), x x' (B, K, K), x y' (B, K, R), y y (B, R)."""
    n_samples, k, r = len(counts), len(x), len(y)
    total, sx, sy = np.zeros(n_samples), np.zeros((n_samples, k)), np.zeros((n_samples, r))
    xx, xy, yy = np.zeros((n_samples, k, k)), np.zeros((n_samples, k, r)), np.zeros((n_samples, r))
    n = validation.n_stimuli(x.shape[1])
    i, j = np.triu_indices(n, 1) if number is not None else (None, None)
    for start in range(0, x.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        a, b = x[:, block], y[:, block].astype(np.float64)
        if number is None:
            w = np.ones((1, a.shape[1]))
        else:
            first, second = number[i[block]], number[j[block]]
            w = (counts[:, first] * np.where(first == second, 1, counts[:, second])).astype(np.float64)
        total += w.sum(1)
        sx += w @ a.T
        sy += w @ b.T
        yy += w @ (b ** 2).T
        for m in range(k):
            weighted = w * a[m]
            xx[:, m] += weighted @ a.T
            xy[:, m] += weighted @ b.T
    return total, sx, sy, xx, xy, yy


def _centred(total, sx, sy, xx, xy, yy):
    """Covariances of the controls, with the RDMs, and variances of the RDMs, in one sample."""
    sx, sy = sx / total, sy / total
    return xx / total - np.outer(sx, sx), xy / total - np.outer(sx, sy), yy / total - sy ** 2


def _parts(total, sx, sy, xx, xy, yy, solver):
    """{(kind, numbers of the controls): (n_rdms,)} of one sample, and the weights of all controls."""
    xx, xy, yy = _centred(total, sx, sy, xx, xy, yy)
    everything = tuple(range(len(xx)))
    explained, weights = {(): np.zeros(len(yy))}, None
    for size in range(1, len(xx) + 1):
        for some in combinations(everything, size):
            weights = _solved(xx[np.ix_(some, some)], xy[list(some)], solver)
            explained[some] = (weights * xy[list(some)]).sum(0) / yy
    parts = {("total", everything): explained[everything]} | {("alone", (k,)): explained[k,] for k in everything}
    for size in range(1, len(xx) + 1):
        for some in combinations(everything, size):
            rest = [k for k in everything if k not in some]
            inner = (tuple(part) for m in range(size + 1) for part in combinations(some, m))
            parts["unique" if size == 1 else "shared", some] = sum(
                (-1) ** (len(part) + 1) * explained[tuple(sorted((*rest, *part)))] for part in inner)
    return parts, weights * np.sqrt(np.diag(xx))[:, None] / np.sqrt(yy)


def _solved(xx, xy, solver):
    """Weights (K, R) of least squares, from covariances."""
    if solver == "ordinary":
        return np.linalg.pinv(xx, rcond=1e-12, hermitian=True) @ xy
    from scipy.optimize import nnls

    values, vectors = np.linalg.eigh(xx)
    root = np.sqrt(values.clip(0))
    target = np.divide(1, root, out=np.zeros_like(root), where=root > 1e-6 * root.max())[:, None] * (vectors.T @ xy)
    return np.stack([nnls(root[:, None] * vectors.T, column)[0] for column in target.T], axis=1)


def _named(names, kept, reasons, observed, draws, weights, covariance, n_rdms, solver):
    def named(numbers):
        return tuple(names[kept[k]] for k in numbers)

    nothing, low, high, found = np.full(n_rdms, np.nan), {}, {}, {}
    for (kind, numbers), values in observed.items():
        term = names if kind == "total" else named(numbers)
        found[kind, term] = values
        if draws:
            low[kind, term], high[kind, term] = np.quantile([draw[kind, numbers] for draw in draws], [0.025, 0.975], axis=0)
    absent = {(kind, (name,)): nothing for kind in ("alone", "unique") for name in reasons}
    order = {kind: k for k, kind in enumerate(("total", "alone", "unique", "shared"))}
    found = dict(sorted({**found, **absent}.items(),
                        key=lambda item: (order[item[0][0]], [names.index(name) for name in item[0][1]])))
    all_weights, inflation = np.full((len(names), n_rdms), np.nan), np.full(len(names), np.inf)
    all_weights[kept] = weights
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    inflation[kept] = np.diag(np.linalg.inv(correlation))
    values = np.linalg.eigvalsh(correlation)
    return VariancePartition(names, found, low, high, all_weights, inflation, float(np.sqrt(values[-1] / values[0])), reasons,
                             solver)
