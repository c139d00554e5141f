"""Layer curves: how alignment changes from the first layer of a network to the last, a panel per hub and a line per parcel."""

import numpy as np

from convergence.analysis.aggregate import over_subjects
from convergence.plotting import style


def hubs(curves, panels, *, label="RSA (r)", title=None, width="double"):
    """Mean over subjects with a ribbon of one standard error to each side.

    Parameters
    ----------
    curves : DataFrame
        subject, roi, depth, similarity: one modality of `aggregate.curves_by_subject`.
    panels : dict
        Title of a panel -> {parcel number: name}; parcels without a curve are left out.
    label : str
        Quantity and unit of the vertical axis.
    title : str, optional
    width : str or float
        See `style.figure`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = style.figure(width, height=66)
    all_axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    summary = over_subjects(curves, ["roi", "depth"])
    for axes, (name, parcels) in zip(all_axes, panels.items()):
        for color, (roi, parcel) in zip(np.resize(style.SERIES, len(parcels)), parcels.items()):
            if roi in summary.index.get_level_values("roi"):
                _draw_curve(axes, summary.loc[roi].dropna(subset="mean"), color, parcel)
        axes.axhline(0, color="0.7", linewidth=0.5, zorder=0)
        axes.set(title=name, xlabel="relative depth (first to last layer)", xlim=(0, 1))
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2 if len(parcels) <= 4 else 3, handlelength=1.2,
                    columnspacing=1)
    all_axes[0].set_ylabel(label)
    if title:
        figure.suptitle(title, fontsize=8)
    return figure


def _draw_curve(axes, curve, color, name):
    axes.plot(curve.index, curve["mean"], color=color, label=name)
    axes.fill_between(curve.index, curve["mean"] - curve["error"], curve["mean"] + curve["error"], color=color, alpha=0.2,
                      linewidth=0)
