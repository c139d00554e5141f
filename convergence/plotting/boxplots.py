"""Boxplots over subjects, a box per parcel in the colour of its area, with the null's ribbon and stars of significance."""

import numpy as np

from convergence.plotting import style
from convergence.plotting.labels import area_legend, legend_height

_ROOM_FOR_STARS = 0.2                   # of the height of the values
_RIBBON_ALPHA = 0.6


def parcels(values, rois, atlas, *, label, column="similarity", limits=None, p_values=None, title=None, per_row=60,
            width="double"):
    """Draw one box per parcel: quartiles and median over subjects, whiskers to the extremes, a dot per subject.

    Boxes, and marks on the axis where boxes are flat, have the colour of the area.

    Parameters
    ----------
    values : DataFrame
        roi and `column`, one row per subject and parcel.
    rois : sequence of int
        Parcels in the order of drawing; rows of `per_row` boxes are stacked.
    atlas : DataFrame
        Indexed by parcel number: name, area, area_color (`derivatives.joined_atlas`).
    label : str
        Quantity and unit of the vertical axis.
    column : str
    limits : (low, high), optional
        Of the vertical axis; default: as the values ask for.
    p_values : DataFrame, optional
        Rows of one comparison of the table rsa_pvalues_subject_language_vision: a ribbon shows null_mean +- null_std (of the mean
        over subjects, not of single subjects), apa_star stands over the box.
    title : str, optional
    per_row : int
    width : str or float
        See `style.figure`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        There is nothing to draw.
    """
    rois = list(rois)
    if not rois:
        raise ValueError(f"rois: no parcel to draw ({label}); the table holds no value, or none is significant")
    rows = [rois[k:k + per_row] for k in range(0, len(rois), per_row)]
    nulls, extra = (None, {}) if p_values is None else (p_values.set_index("roi"), {"null, mean ± SD": style.COLORS["null"]})
    figure = style.figure(width, height=7 + 50 * len(rows) + legend_height(atlas.loc[rois], width, extra))
    for k, (axes, row) in enumerate(zip(np.ravel(figure.subplots(len(rows), 1, sharey=True, squeeze=False)), rows)):
        _draw_row(axes, values[values["roi"].isin(row)], row, atlas, column, nulls)
        axes.set(ylabel=label, title=title if k == 0 else None, xlim=(-0.7, min(per_row, len(rois)) - 0.3))
    low, high = axes.get_ylim()
    axes.set_ylim(limits or (low, high + _ROOM_FOR_STARS * (high - low) * (nulls is not None)))
    area_legend(figure, atlas.loc[rois], extra)
    return figure


def _draw_row(axes, values, rois, atlas, column, nulls):
    by_parcel = {roi: group.to_numpy(float) for roi, group in values.groupby("roi")[column]}
    samples = [by_parcel[roi][~np.isnan(by_parcel[roi])] for roi in rois]
    places, line = np.arange(len(rois)), {"linewidth": 0.5}
    drawn = axes.boxplot(samples, positions=places, widths=0.65, whis=(0, 100), patch_artist=True, manage_ticks=False,
                         boxprops=line, whiskerprops=line,
                         capprops=line, medianprops={"color": "black", "linewidth": 0.8})
    colors = list(atlas.loc[rois, "area_color"])
    for box, color in zip(drawn["boxes"], colors):
        box.set_facecolor(color)
    axes.plot(np.repeat(places, [len(s) for s in samples]), np.concatenate(samples), "o", markersize=1.4, color="black",
              alpha=0.7, markeredgewidth=0)
    axes.scatter(places, np.zeros(len(places)), s=7, marker="s", c=colors, transform=axes.get_xaxis_transform(), clip_on=False,
                 zorder=4)
    axes.set_xticks(places, atlas.loc[rois, "name"], rotation=90)
    if nulls is not None:
        axes.axhline(0, color="0.7", linewidth=0.5, zorder=0)
        _draw_null(axes, places, nulls.reindex(rois))
        _draw_stars(axes, places, samples, nulls["apa_star"].reindex(rois))


def _draw_null(axes, places, nulls):
    """Ribbon of mean +- SD, a step per parcel."""
    edges = np.append(places - 0.5, places[-1] + 0.5)
    low, high = (nulls["null_mean"] + sign * nulls["null_std"] for sign in (-1, 1))
    axes.stairs(high, edges, baseline=low, fill=True, facecolor=style.COLORS["null"], alpha=_RIBBON_ALPHA, linewidth=0,
                zorder=0.5)


def _draw_stars(axes, places, samples, stars):
    for place, sample, star in zip(places, samples, stars):
        if isinstance(star, str) and star.startswith("*"):
            axes.annotate(star, (place, sample.max()), xytext=(0, 2), textcoords="offset points", rotation=90, ha="center",
                          va="bottom", fontsize=5)
