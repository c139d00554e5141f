"""Where in a network a parcel finds its likeness: peak depth and layer curves, from the long table rsa_subject_model_alignment.

    peak_depth(table)                   # subject, roi, model, depth, similarity: one best layer per curve, by one of four rules
    layer_curves(table)                 # subject, roi, model, depth, similarity: the whole curve, at the same depths for all

Depth is 0 at the first and 1 at the last layer of a model: layer / (last layer) where layers are numbered from 0, as this
project's tables are, and the same for tables numbered from 1. The table is taken model by model into one array (subjects,
parcels, sessions, layers), so that 40 million rows need no loop over groups. A similarity that is NaN makes every result NaN
that it would enter; none is averaged over silently.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from convergence.analysis import validation

_COLUMNS = ("subject", "roi", "model", "session", "layer", "similarity")


def peak_depth(table, *, rule="mean_curve", alpha=0.05):
    """Depth of the layer that is most like a parcel, for every subject, parcel and model.

    Parameters
    ----------
    table : DataFrame
        Columns subject, roi, model, session, layer, similarity; one row per combination, in any order. Subjects may have
        different sessions, models different layers.
    rule : {"mean_curve", "signed_max", "center_of_mass", "cross_validated"}
        "mean_curve": the largest r of the session-averaged curve. Sessions are averaged before the choice, so that it is the
        least noisy.
        "signed_max": in every session the layer with the largest \\|r\\|, its r with its sign; depth and r averaged over
        sessions. As published; in a parcel without signal the depth tends to the middle and the r is optimistic.
        "center_of_mass": mean depth of the session-averaged curve, weighted by its positive r; NaN where no r is positive. The
        similarity is the largest r of that curve.
        "cross_validated": the layer is chosen by the mean curve of every second session, its r is read off the other sessions'
        mean curve, then the other way round, and both are averaged. The r is not optimistic. Where it is not above 0 there is no
        peak, and the depth is NaN.
    alpha : float, above 0 to 1
        Of "cross_validated": one-sided level of that test (below). 1: every parcel has a depth.

    Returns
    -------
    DataFrame
        subject, roi, model, depth, similarity; one row per subject, parcel and model, in this order.

    Raises
    ------
    ValueError
        An unknown rule, an alpha out of range, a missing column, a combination that occurs twice, a session that lacks some
        layers or parcels, a model with one layer, or, cross-validated, a subject with one session.

    Notes
    -----
    arXiv 2507.13941 for "signed_max"; ties go to the earlier layer.

    No peak: a t-test over sessions of the r at the layer that the other half chose, in each half by itself; the two p-values,
    which depend on each other as each half chooses for the other, are combined as Cauchy variables (Liu & Xie 2020, J. Am.
    Stat. Assoc. 115:393-402). A half of one session has no p-value. With fewer than three sessions nothing can be tested, and
    every depth is given.

    Examples
    --------
    >>> import pandas as pd
    >>> curve = [0.1, 0.3, 0.2, 0.0, -0.4]
    >>> table = pd.DataFrame({"subject": 2, "roi": 7, "model": "net", "session": 1, "layer": range(5), "similarity": curve})
    >>> peak_depth(table)
       subject  roi model  depth  similarity
    0        2    7   net   0.25         0.3
    >>> peak_depth(table, rule="signed_max")
       subject  roi model  depth  similarity
    0        2    7   net    1.0        -0.4
    """
    validation.option("peak_depth", "rule", rule, _RULES)
    validation.number("peak_depth", "alpha", alpha, low=np.nextafter(0, 1), high=np.nextafter(1, 2))
    choose = partial(_cross_validated, alpha=alpha) if rule == "cross_validated" else _RULES[rule]
    depth, similarity, known = zip(*((*choose(cube), cube.known) for cube in _cubes("peak_depth", table)))
    return _long(table, np.stack(known, axis=-1), depth=np.stack(depth, axis=-1), similarity=np.stack(similarity, axis=-1))


def layer_curves(table, *, n_points=None, reference=False):
    """Similarity along the layers of every model, averaged over sessions and brought to the same depths for all models.

    Parameters
    ----------
    table : DataFrame
        As for `peak_depth`.
    n_points : int, optional
        Depths from 0 to 1 in equal steps; default: as many as the model with the most layers has, so that its curve stays as it
        is.
    reference : bool
        As published: one point fewer than that (the number of the last layer, counted from 0).

    Returns
    -------
    DataFrame
        subject, roi, model, depth, similarity; n_points rows per subject, parcel and model, in this order. Between two layers
        the curve is linear.

    Raises
    ------
    ValueError
        As for `peak_depth`; n_points below 2, or given together with reference.

    Notes
    -----
    arXiv 2507.13941 interpolates to one point fewer than the largest model has layers (`reference`): its curve is shifted, too.

    Examples
    --------
    >>> import pandas as pd
    >>> curve = [0.1, 0.3, 0.2]
    >>> table = pd.DataFrame({"subject": 2, "roi": 7, "model": "net", "session": 1, "layer": range(3), "similarity": curve})
    >>> layer_curves(table, n_points=5)["similarity"].tolist()
    [0.1, 0.2, 0.3, 0.25, 0.2]
    """
    if n_points is not None:
        n_points = validation.whole_number("layer_curves", "n_points", n_points, at_least=2)
        if reference:
            raise ValueError(f"layer_curves: n_points={n_points} and reference=True each choose the depths; give one of them")
    curves = [(_over_sessions(cube.values, cube.sessions), cube.depths, cube.known) for cube in _cubes("layer_curves", table)]
    grid = np.linspace(0, 1, n_points or max(len(depths) for _, depths, _ in curves) - reference)
    similarity = np.stack([_interpolate(curve, depths, grid) for curve, depths, _ in curves], axis=2)
    known = np.stack([known for *_, known in curves], axis=-1)
    return _long(table, known, depth=np.broadcast_to(grid, similarity.shape), similarity=similarity)


@dataclass(frozen=True)
class _Cube:
    """All similarities of one model."""

    model: str
    subjects: np.ndarray        # (n_subjects,)
    values: np.ndarray          # (n_subjects, n_rois, n_sessions, n_layers), NaN where the table says NaN or has no row
    known: np.ndarray           # (n_subjects, n_rois) whether the table has rows
    sessions: np.ndarray        # (n_subjects, n_sessions) whether the table has rows
    depths: np.ndarray          # (n_layers,) from 0 to 1


def _mean_curve(cube):
    return _at_peak(_over_sessions(cube.values, cube.sessions), cube.depths)


def _signed_max(cube):
    depth, similarity = _at_peak(cube.values, cube.depths, of=abs(cube.values))
    return _over_sessions(depth, cube.sessions), _over_sessions(similarity, cube.sessions)


def _center_of_mass(cube):
    curve = _over_sessions(cube.values, cube.sessions)
    weights = curve.clip(min=0)
    with np.errstate(invalid="ignore"):                         # 0 / 0 where no r is positive
        return weights @ cube.depths / weights.sum(-1), curve.max(-1)


def _cross_validated(cube, alpha):
    single = cube.subjects[cube.sessions.sum(1) == 1]
    if len(single):
        raise ValueError("peak_depth: rule='cross_validated' chooses in one half of the sessions and reads the other, "
                         f"but model {cube.model} has one session of subject {', '.join(map(str, single))}; "
                         "use rule='mean_curve', or leave them out")
    place = np.cumsum(cube.sessions, axis=1)
    masks = [cube.sessions & (place % 2 == odd) for odd in (1, 0)]
    halves = [_over_sessions(cube.values, mask) for mask in masks]
    both_ways = [_at_peak(chosen, cube.depths, read=other) for chosen, other in (halves, halves[::-1])]
    depth, similarity = (np.mean(results, axis=0) for results in zip(*both_ways))
    p = _either([_above_zero(cube.values, chosen.argmax(-1), mask) for chosen, mask in zip(halves, masks[::-1])])
    return np.where(p > alpha, np.nan, depth), similarity


def _above_zero(values, layer, sessions):
    """(n_subjects, n_rois) one-sided p of a t-test over sessions of the r at one layer of each curve; NaN with one session."""
    from scipy.stats import t as student

    r = np.take_along_axis(values, layer[:, :, None, None], axis=-1)[..., 0]
    n, mask = sessions.sum(1)[:, None], sessions[:, None, :]
    mean = np.where(mask, r, 0).sum(2) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(mask, (r - mean[..., None]) ** 2, 0).sum(2) / (n - 1)
        return np.where(variance > 0, student.sf(mean / np.sqrt(variance / n), n - 1), np.where(variance == 0, mean <= 0, np.nan))


def _either(p):
    """Cauchy combination of two arrays of p-values; where one is NaN, the other."""
    first, second = (np.where(np.isnan(own), other, own) for own, other in (p, p[::-1]))
    return 0.5 - np.arctan((np.tan((0.5 - first) * np.pi) + np.tan((0.5 - second) * np.pi)) / 2) / np.pi


_RULES = {"mean_curve": _mean_curve, "signed_max": _signed_max, "center_of_mass": _center_of_mass,
          "cross_validated": _cross_validated}


def _at_peak(curves, depths, *, of=None, read=None):
    """Depth of the largest value on the last axis (of `of`, if given), and the value there (of `read`, if given); NaN for NaN."""
    best = np.argmax(curves if of is None else of, axis=-1)[..., None]              # of the first NaN, if there is one
    found = np.take_along_axis(curves, best, axis=-1)[..., 0]
    similarity = found if read is None else np.where(np.isnan(found), np.nan, np.take_along_axis(read, best, axis=-1)[..., 0])
    return np.where(np.isnan(similarity), np.nan, depths[best[..., 0]]), similarity


def _over_sessions(values, sessions):
    """Mean over the sessions (axis 2) that a subject has; NaN if one of them is NaN, or if it has none."""
    mask = sessions[:, None, :].reshape(len(sessions), 1, -1, *[1] * (values.ndim - 3))
    with np.errstate(invalid="ignore"):
        return np.where(mask, values, 0).sum(2) / mask.sum(2)


def _interpolate(curves, depths, grid):
    """Linear, along the last axis; NaN reaches only the points next to it."""
    position = np.interp(grid, depths, np.arange(len(depths))).round(9)             # a point on a layer takes that layer alone
    left, right = np.floor(position).astype(int), np.ceil(position).astype(int)
    return curves[..., left] * (1 - (position - left)) + curves[..., right] * (position - left)


def _cubes(function, table):
    """One `_Cube` per model, in the order of _long; all have the same subjects, parcels and sessions."""
    validation.has_columns(function, "table", table, _COLUMNS)
    if not len(table):
        raise ValueError(f"{function}: table has no rows")
    empty = [column for column in _COLUMNS if column != "similarity" and table[column].isna().any()]
    if empty:
        raise ValueError(f"{function}: table has empty cells in {', '.join(empty)}; only similarity may be NaN")
    codes, models = table["model"].factorize(sort=True)
    axes = {column: np.sort(table[column].unique()) for column in ("subject", "roi", "session")}
    columns = {column: table[column].to_numpy() for column in ("subject", "roi", "session", "layer")}
    similarity = table["similarity"].to_numpy(np.float64, na_value=np.nan)
    for code, model in enumerate(models):
        rows = np.flatnonzero(codes == code)
        keys = {column: values[rows] for column, values in columns.items()}
        yield _cube(function, model, keys, similarity[rows], {**axes, "layer": np.unique(keys["layer"])})


def _cube(function, model, keys, similarity, axes):
    shape = tuple(len(axis) for axis in axes.values())
    cell = np.ravel_multi_index([np.searchsorted(axes[column], keys[column]) for column in axes], shape)
    count = np.bincount(cell, minlength=np.prod(shape)).reshape(shape)
    _refuse(count > 1, "more than one row", function, model, axes,
            "keep one value of join_hemispheres, and concatenate each part once")
    known, sessions = count.any((2, 3)), count.any((1, 3))
    missing = known[:, :, None, None] & sessions[:, None, :, None] & (count == 0)
    _refuse(missing, "no row", function, model, axes,
            "complete the table, or leave that session or parcel out; a value that could not be computed is NaN")
    layers = axes["layer"].astype(np.float64)
    if len(layers) < 2:
        raise ValueError(f"{function}: model {model} has 1 layer in the table ({axes['layer'][0]}); "
                         "depth needs a first and a last layer")
    values = np.full(shape, np.nan)
    values.reshape(-1)[cell] = similarity
    return _Cube(model, axes["subject"], values, known, sessions, (layers - layers[0]) / (layers[-1] - layers[0]))


def _refuse(bad, found, function, model, axes, remedy):
    """Raise if any cell is bad, with the first of them as an example."""
    where = np.argwhere(bad)
    if len(where):
        example = ", ".join(f"{column} {axes[column][k]}" for column, k in zip(axes, where[0]))
        raise ValueError(f"{function}: table has {found} for {validation.count(len(where), 'combination')} of model {model}, "
                         f"such as {example}; {remedy}")


def _long(table, known, **values):
    """(n_subjects, n_rois, n_models[, n_points]) arrays as a table; combinations that the input does not have are left out."""
    import pandas

    subject, roi, model = np.nonzero(known)
    models = table["model"].factorize(sort=True)[1]
    subjects, rois = (np.sort(table[column].unique()) for column in ("subject", "roi"))
    keys = {"subject": subjects[subject], "roi": rois[roi], "model": models[model]}
    columns = {name: array[known] for name, array in values.items()}
    repeats = columns["depth"].size // len(subject)
    frame = pandas.DataFrame({**{name: np.repeat(key, repeats) for name, key in keys.items()},
                              **{name: array.reshape(-1) for name, array in columns.items()}})
    return frame.astype({"model": table["model"].dtype})
