"""Correlations across parcels, tested against maps that are as smooth: the spin test.

    turns = spins(coordinates, hemisphere, n_spins=10_000)          # (n_spins, n_parcels): which parcel's value comes where
    correlate_maps(x, y, turns)                                     # r, p (naive), p_spin

Neighbouring parcels are alike, so that two unrelated smooth maps often correlate and the naive p-value is far too small. A
random rotation of the cortical sphere moves one map as a whole and keeps its smoothness; r of many rotated maps is the null.
"""

from typing import NamedTuple

import numpy as np

from convergence.analysis import validation

METHODS = ("pearson", "spearman")
_PRODUCTS_PER_BLOCK = 20_000_000                # of 8 bytes


class MapCorrelation(NamedTuple):
    """r across parcels; p as if parcels were independent; p_spin against rotated maps; both two-sided."""
    r: float
    p: float
    p_spin: float


def spins(coordinates, hemisphere=None, *, n_spins=10_000, seed=0):
    """Random rotations of the sphere, as relabellings of parcels.

    Parameters
    ----------
    coordinates : (n_parcels, 3) array
        Centroids on the sphere (any radius), each in its hemisphere's own frame with x to the right.
    hemisphere : (n_parcels,) of "lh" and "rh", optional
        Default: all of one hemisphere, as for joined hemispheres, whose parcels are placed where the left ones are.
    n_spins : int
    seed : int

    Returns
    -------
    (n_spins, n_parcels) intp
        In spin s, parcel k gets the value of parcel result[s, k]: the one whose rotated centroid is nearest. The right
        hemisphere turns as the left one's mirror image.

    Raises
    ------
    ValueError
        Shapes that do not fit, a centroid at 0, a hemisphere that is neither.

    Notes
    -----
    Time: n_spins n_parcels^2; 10,000 spins of 180 parcels take some seconds. Use them for all pairs of maps.

    Alexander-Bloch et al. (2018), NeuroImage 178:540-551.
    """
    points = np.asarray(coordinates, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"spins: coordinates has shape {points.shape}; expected (n_parcels, 3)")
    sides = np.full(len(points), "lh") if hemisphere is None else np.asarray(hemisphere).astype(str)
    if sides.shape != (len(points),) or not np.isin(sides, ("lh", "rh")).all():
        raise ValueError(f"spins: hemisphere has shape {sides.shape} and values {', '.join(np.unique(sides)[:4])}; "
                         f"expected 'lh' or 'rh' for each of {len(points)} parcels")
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    validation.finite("spins", "coordinates", points)
    if not (lengths > 0).all():
        raise ValueError("spins: coordinates has a centroid at 0, which is on no sphere")
    points, rng = points / lengths, np.random.default_rng(seed)
    n_spins = validation.whole_number("spins", "n_spins", n_spins, at_least=1)
    turns = np.empty((n_spins, len(points)), np.intp)
    block = max(1, _PRODUCTS_PER_BLOCK // len(points) ** 2)
    for start in range(0, n_spins, block):
        rotations = _rotations(min(block, n_spins - start), rng)
        for side, mirror in (("lh", np.ones(3)), ("rh", np.array([-1.0, 1, 1]))):
            members = np.flatnonzero(sides == side)
            if len(members):
                turned = points[members] @ (mirror[:, None] * rotations * mirror)
                turns[start:start + block, members] = members[(points[members] @ turned.transpose(0, 2, 1)).argmax(2)]
    return turns


def correlate_maps(x, y, turns, *, method="pearson"):
    """Correlation of two maps across parcels, with a naive and a spin-test p-value.

    Parameters
    ----------
    x, y : (n_parcels,) array_like
        In the order of `turns`. Parcels where either is NaN are left out, of spun maps those where the spun one is.
    turns : (n_spins, n_parcels) int array
        From `spins`.
    method : {"pearson", "spearman"}

    Returns
    -------
    MapCorrelation

    Raises
    ------
    ValueError
        Unequal lengths, fewer than 4 parcels with both values, a constant map.

    Examples
    --------
    >>> around = np.random.default_rng(0).standard_normal((60, 3))
    >>> smooth = around[:, 0] / np.linalg.norm(around, axis=1)              # two maps of one slope each: as smooth as can be
    >>> other = around[:, 1] / np.linalg.norm(around, axis=1) + smooth / 2
    >>> result = correlate_maps(smooth, other, spins(around, n_spins=999))
    >>> result.p < 0.001 < 0.05 < result.p_spin
    True
    """
    from scipy.stats import pearsonr, spearmanr

    validation.option("correlate_maps", "method", method, METHODS)
    x, y, turns = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(turns)
    if x.ndim != 1 or x.shape != y.shape or turns.ndim != 2 or turns.shape[1] != len(x):
        raise ValueError(f"correlate_maps: x has shape {x.shape}, y {y.shape}, turns {turns.shape}; "
                         "expected two vectors and (n_spins, n_parcels) of one length")
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 4:
        raise ValueError(f"correlate_maps: {known.sum()} of {len(x)} parcels have both values; at least 4 are needed")
    if np.ptp(x[known]) == 0 or np.ptp(y[known]) == 0:
        raise ValueError(f"correlate_maps: {'x' if np.ptp(x[known]) == 0 else 'y'} is constant; its correlation is undefined")
    r, p = {"pearson": pearsonr, "spearman": spearmanr}[method](x[known], y[known])
    null = _rowwise(x[turns], y, ranks=method == "spearman")
    null = null[np.isfinite(null)]
    return MapCorrelation(float(r), float(p), float((1 + (np.abs(null) >= abs(r) - 1e-12).sum()) / (1 + len(null))))


def _rotations(n, rng):
    """(n, 3, 3) uniformly random rotations."""
    q, r = np.linalg.qr(rng.standard_normal((n, 3, 3)))
    q = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
    return q * np.sign(np.linalg.det(q))[:, None, None]


def _rowwise(rows, y, ranks):
    """Correlation of every row with y over the entries that both have."""
    known = np.isfinite(rows) & np.isfinite(y)
    y = np.broadcast_to(y, rows.shape)
    if ranks:
        from scipy.stats import rankdata
        rows, y = (rankdata(np.where(known, values, np.nan), axis=1, nan_policy="omit") for values in (rows, y))
    n = known.sum(1)
    x, y = (np.where(known, values, 0.0) for values in (rows, y))
    x, y = (np.where(known, values - values.sum(1, keepdims=True) / n[:, None], 0.0) for values in (x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (x * y).sum(1) / np.sqrt((x ** 2).sum(1) * (y ** 2).sum(1))
