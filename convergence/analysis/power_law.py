"""Power laws between measures of the same parcels.

    fit_power_law(x, y)                 # y = a x^b by least squares: a, b, r_squared, and a bootstrap interval
    fit_joint_power_law(measures)       # X_rj = a_j rho_r^b_j: several measures as powers of one quality of every parcel

Parcels that lie side by side are alike, so that drawing parcels one by one makes intervals too narrow: give `blocks` (an area,
a hemisphere's region) and whole blocks are drawn.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from convergence.analysis import validation


class PowerLaw(NamedTuple):
    """y = a x^b; r_squared = 1 - residual / total sum of squares; interval: DataFrame with rows a, b and columns low, high (95
    %)."""
    a: float
    b: float
    r_squared: float
    interval: pd.DataFrame


class JointPowerLaw(NamedTuple):
    """measures: DataFrame, index measure, columns a, b, r_squared and the bounds a_low, a_high, b_low, b_high (95 %); rho:
    Series, index parcel."""
    measures: pd.DataFrame
    rho: pd.Series


def fit_power_law(x, y, *, blocks=None, n_bootstrap=1_000, seed=0):
    """Fit y = a x^b.

    Parameters
    ----------
    x, y : (n,) array_like
        x positive.
    blocks : (n,) array_like, optional
        What is drawn together in the bootstrap; default: every case on its own.
    n_bootstrap : int
    seed : int

    Returns
    -------
    PowerLaw

    Raises
    ------
    ValueError
        Unequal lengths, fewer than 4 cases, NaN, x not positive, a fit that does not converge.

    Notes
    -----
    Non-linear least squares in y, so that large values count most (a line through the logarithms lets the small
    ones decide). Percentile interval; draws with fewer than 3 different x are left out.

    arXiv 2507.13941 fits so, with single parcels drawn.

    Examples
    --------
    >>> x = np.linspace(0.01, 0.25, 40)
    >>> law = fit_power_law(x, 0.33 * x ** 0.54, n_bootstrap=10)
    >>> round(law.a, 3), round(law.b, 3), round(law.r_squared, 3)
    (0.33, 0.54, 1.0)
    """
    x, y = _pair("fit_power_law", x, y)
    if not (x > 0).all():
        raise ValueError(f"fit_power_law: x has {validation.count(int((x <= 0).sum()), 'value')} at or below 0, of which a power "
                         "is undefined; leave these parcels out, or shift x and say so")
    n_bootstrap = validation.whole_number("fit_power_law", "n_bootstrap", n_bootstrap, at_least=1)
    a, b = _least_squares(x, y)
    residual, total = ((y - a * x ** b) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    draws = []
    for rows in _draws("fit_power_law", len(x), blocks, n_bootstrap, seed):
        if len(np.unique(x[rows])) >= 3:
            draws.append(_least_squares(x[rows], y[rows], start=(a, b)))
    interval = pd.DataFrame(np.percentile(draws, [2.5, 97.5], axis=0).T, index=["a", "b"], columns=["low", "high"])
    return PowerLaw(float(a), float(b), float(1 - residual / total), interval)


def fit_joint_power_law(measures, *, blocks=None, n_bootstrap=200, n_restarts=10, seed=0):
    """Fit X_rj = a_j rho_r^b_j for parcels r and measures j.

    Parameters
    ----------
    measures : (n_rois, n_measures) DataFrame
        At least 2 measures, all positive; leave parcels out that are not.
    blocks : (n_rois,) array_like, optional
        As in `fit_power_law`.
    n_bootstrap, seed : int
    n_restarts : int
        Starts from jittered row and column means; the best is kept.

    Returns
    -------
    JointPowerLaw

    Raises
    ------
    ValueError
        Fewer than 2 measures, fewer than 4 parcels, a value that is not positive, NaN.

    Notes
    -----
    The model is NOT identifiable by itself: (rho, a_j, b_j) and (c rho^k, a_j c^(-b_j / k), b_j / k) fit equally
    well for every c and k. Only b_j / b_i, and with it the law between two measures, is in the data. Here the smallest b is set
    to 1 and the largest a to 1: rho is then what the measure with b = 1 would be if it reached the ceiling of the best one. The
    published fit (arXiv 2507.13941) bounds rho and a by 1 and b from below by 1, and lets the start decide the rest; its rho is
    a ceiling by convention only.

    Unweighted least squares by Levenberg-Marquardt in the logarithms of all parameters, with the analytic Jacobian.

    Examples
    --------
    >>> rho = np.linspace(0.1, 0.9, 30)
    >>> law = fit_joint_power_law(pd.DataFrame({"within": rho, "between": 0.5 * rho ** 2}), n_bootstrap=5)
    >>> law.measures["b"].round(2).tolist()
    [1.0, 2.0]
    """
    values = _positive_measures(measures)
    n_bootstrap = validation.whole_number("fit_joint_power_law", "n_bootstrap", n_bootstrap, at_least=1)
    n_restarts = validation.whole_number("fit_joint_power_law", "n_restarts", n_restarts, at_least=1)
    rng = np.random.default_rng(seed)
    starts = [_start(values, rng, jitter=0.25 * (k > 0)) for k in range(n_restarts)]
    rho, a, b = min((_minimise(values, start) for start in starts), key=lambda found: _error(values, *found))
    fitted = a * rho[:, None] ** b
    draws = np.array([np.concatenate(_minimise(values[rows], (rho[rows], a, b))[1:])
                      for rows in _draws("fit_joint_power_law", len(values), blocks, n_bootstrap, seed)])
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    n = len(a)
    r_squared = 1 - ((values - fitted) ** 2).sum(0) / ((values - values.mean(0)) ** 2).sum(0)
    table = pd.DataFrame({"a": a, "b": b, "r_squared": r_squared,
                          "a_low": low[:n], "a_high": high[:n], "b_low": low[n:], "b_high": high[n:]}, index=measures.columns)
    return JointPowerLaw(table.rename_axis("measure"), pd.Series(rho, index=measures.index, name="rho"))


def _pair(function, x, y):
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"{function}: x has shape {x.shape}, y {y.shape}; expected two vectors of one length")
    if len(x) < 4:
        raise ValueError(f"{function}: found {validation.count(len(x), 'case')}; at least 4 are needed")
    for name, values in (("x", x), ("y", y)):
        validation.finite(function, name, values)
    return x, y


def _positive_measures(measures):
    values = np.asarray(measures, np.float64)
    if not isinstance(measures, pd.DataFrame) or values.shape[1] < 2 or len(values) < 4:
        raise ValueError(f"fit_joint_power_law: measures has shape {values.shape}; expected a DataFrame of at least 4 parcels by "
                         "2 measures")
    bad = ~(values > 0).all(1) | ~np.isfinite(values).all(1)
    if bad.any():
        raise ValueError(f"fit_joint_power_law: measures is not positive in {bad.sum()} of {len(bad)} parcels: "
                         f"{', '.join(map(str, measures.index[bad][:10]))}; leave them out")
    return values


def _least_squares(x, y, start=(1.0, 0.5)):
    from scipy.optimize import curve_fit
    try:
        return curve_fit(lambda x, a, b: a * x ** b, x, y, p0=start, maxfev=5_000,
                         jac=lambda x, a, b: np.stack([x ** b, a * x ** b * np.log(x)], 1))[0]
    except RuntimeError as error:
        raise ValueError(f"fit_power_law: no convergence ({error}); is y a rising or falling curve of x at all?") from error


def _draws(function, n, blocks, n_bootstrap, seed):
    """Rows of every bootstrap draw: blocks with replacement, whole."""
    blocks = np.arange(n) if blocks is None else np.asarray(blocks)
    if blocks.shape != (n,):
        raise ValueError(f"{function}: blocks has shape {blocks.shape}; expected one per case, ({n},)")
    members = [np.flatnonzero(blocks == block) for block in pd.unique(blocks)]
    rng = np.random.default_rng(seed)
    for _ in range(n_bootstrap):
        yield np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))])


def _start(values, rng, jitter):
    rows, columns = values.mean(1), values.mean(0)
    draw = [np.exp(jitter * rng.standard_normal(len(x))) for x in (rows, columns, columns)]
    return rows / rows.max() * draw[0], columns / columns.max() * draw[1], draw[2]


def _minimise(values, start):
    """(rho, a, b) in the gauge min b = 1, max a = 1."""
    from scipy.optimize import least_squares

    n, m = values.shape
    entry, rows, columns = np.arange(n * m), np.repeat(np.arange(n), m), np.tile(np.arange(m), n)

    def fitted(parameters):
        rho, a, b = np.split(parameters, [n, n + m])
        return np.exp(np.minimum(a + rho[:, None] * np.exp(b), 50))         # a step too far must not overflow

    def slopes(parameters):
        rho, b = parameters[:n], np.exp(parameters[n + m:])
        x, jacobian = fitted(parameters), np.zeros((n * m, len(parameters)))
        jacobian[entry, rows], jacobian[entry, n + columns] = (x * b).ravel(), x.ravel()
        jacobian[entry, n + m + columns] = (x * rho[:, None] * b).ravel()
        return jacobian

    found = least_squares(lambda parameters: (fitted(parameters) - values).ravel(), np.log(np.concatenate(start)), jac=slopes,
                          method="lm", max_nfev=2_000).x
    log_rho, log_a, b = found[:n], found[n:n + m], np.exp(found[n + m:])
    log_rho, b = log_rho * b.min(), b / b.min()
    shift = (log_a / b).max()                               # rho -> c rho, a -> a c^-b with the c that makes the largest a 1
    return np.exp(log_rho + shift), np.exp(log_a - shift * b), b


def _error(values, rho, a, b):
    return ((values - a * rho[:, None] ** b) ** 2).sum()
