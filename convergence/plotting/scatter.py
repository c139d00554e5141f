"""Scatter of one value per parcel against another; the strongest parcels are named and their areas coloured."""

import numpy as np

from convergence.plotting import style
from convergence.plotting.labels import area_legend, legend_height, place_labels

_OTHER = "#DDDDDD"


def parcels(x, y, atlas, *, x_label, y_label, n_labels=15, note=None, title=None, width="single"):
    """Draw the parcels that have both values.

    Parameters
    ----------
    x, y : Series
        One value per parcel, indexed by parcel number.
    atlas : DataFrame
        Indexed by parcel number: name, area, area_color (`derivatives.joined_atlas`).
    x_label, y_label : str
        Quantity and unit.
    n_labels : int
        So many parcels, the farthest from the origin, are named.
    note : str, optional
        Written over the upper left corner, e.g. the correlation that analysis found.
    title : str, optional
    width : str or float
        See `style.figure`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    both = x.index[x.notna()].intersection(y.index[y.notna()])
    points, chosen = np.stack([x[both], y[both]], 1).astype(float), atlas.loc[both]
    order = np.argsort(-np.hypot(*(points / np.maximum(np.ptp(points, axis=0), 1e-12)).T), kind="stable")[:n_labels]
    named = chosen["area"].isin(chosen["area"].iloc[order])
    extra = {} if named.all() else {"other areas": _OTHER}
    figure = style.figure(width, height=74 + legend_height(chosen[named], width, extra))
    axes = figure.subplots()
    for line in (axes.axhline, axes.axvline):
        line(0, color="0.8", linewidth=0.6, zorder=0)
    axes.scatter(*points.T, s=14, c=chosen["area_color"].where(named, _OTHER), edgecolors="black", linewidths=0.3)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    axes.margins(0.1)
    if note:
        axes.set_title(note, loc="left", fontsize=7)
    area_legend(figure, chosen[named], extra)
    place_labels(axes, {chosen["name"].iloc[k]: points[k] for k in order}, others=np.delete(points, order, axis=0))
    return figure
