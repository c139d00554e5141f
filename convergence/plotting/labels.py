"""Names and legends: names beside points without collisions, and which colour is which area.

    place_labels(axes, {"V1": (0.19, 0.16), ...}, others=points)  # each name takes the free place that is nearest to its point
    area_legend(figure, atlas.loc[rois])                                # one patch per area, below everything
"""

import numpy as np

from convergence.plotting.style import MILLIMETRES_PER_INCH, WIDTHS

_ANGLES = np.deg2rad([0, 180, 90, 270, 45, 135, 315, 225, 22, 158, 202, 338, 68, 112, 248, 292])
_DISTANCES = (3, 7, 12, 18, 26, 36, 50)           # points from the mark
_LEADER_FROM = 5                                  # points from the mark to the name
_LEGEND_COLUMN, _LEGEND_LINE = 42, 3.3            # millimetres that the longest name of an area needs, and a line of the legend


def place_labels(axes, labelled, others=(), size=6):
    """Write names near their points.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With its final limits.
    labelled : dict
        Name -> (x, y) in data coordinates; names that come first get the best places.
    others : (n, 2) array
        Points that no name should cover.
    size : float
        Font size in points.

    Returns
    -------
    list of matplotlib.text.Annotation
    """
    figure = axes.get_figure()
    figure.draw_without_rendering()                                     # positions are final from here
    renderer, per_point = figure.canvas.get_renderer(), figure.dpi / 72
    marks = axes.transData.transform(np.array([*labelled.values(), *others], float).reshape(-1, 2))
    frame, taken, written = axes.get_window_extent(renderer), [], []
    for name, point in labelled.items():
        text = axes.annotate(name, point, xytext=(0, 0), textcoords="offset points", fontsize=size, ha="center", va="center")
        box = text.get_window_extent(renderer)
        half = np.array([box.width, box.height]) / 2
        at = axes.transData.transform(point)
        offset, center = _best_place(at, half, per_point, marks, taken, frame)
        text.set_position(offset / per_point)
        edge = (offset - np.clip(offset, -half, half)) / per_point              # where the name begins, seen from the mark
        if np.hypot(*edge) > _LEADER_FROM:
            axes.annotate("", point, xytext=edge, textcoords="offset points",
                          arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "0.4", "shrinkA": 1, "shrinkB": 2})
        taken.append((center - half, center + half))
        written.append(text)
    return written


def area_legend(figure, chosen, extra=None):
    """Patches below a figure, an entry per area in the order of the atlas.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        With constrained layout, which makes room.
    chosen : DataFrame
        Rows of a joined atlas: area, area_color, roi_order.
    extra : dict, optional
        Further entries, name -> colour.
    """
    from matplotlib.patches import Patch

    areas = chosen.sort_values("roi_order").drop_duplicates("area")
    entries = {**dict(zip(areas["area"], areas["area_color"])), **(extra or {})}
    handles = [Patch(facecolor=color, edgecolor="black", linewidth=0.3, label=name) for name, color in entries.items()]
    n_columns = _legend_columns(figure.get_figwidth() * MILLIMETRES_PER_INCH)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), n_columns), handlelength=1, handleheight=1,
                  columnspacing=1.2)


def legend_height(chosen, width, extra=None):
    """Millimetres that `area_legend` takes of a figure that is `width` (of style.WIDTHS, or millimetres) wide."""
    n_entries = chosen["area"].nunique() + len(extra or {})
    return 3 + _LEGEND_LINE * -(-n_entries // _legend_columns(WIDTHS.get(width, width)))


def _legend_columns(millimetres):
    return max(1, int(millimetres // _LEGEND_COLUMN))


def _best_place(at, half, per_point, marks, taken, frame):
    """Offset in pixels from the mark, and centre, of the first place that covers nothing; of the least bad one otherwise."""
    best = None
    for distance in _DISTANCES:
        for angle in _ANGLES:
            direction = np.array([np.cos(angle), np.sin(angle)])
            offset = direction * (distance * per_point + half * np.abs(direction))
            low, high = at + offset - half - per_point, at + offset + half + per_point
            cost = _cost(low, high, marks, taken, frame)
            if cost == 0:
                return offset, at + offset
            if best is None or cost < best[0]:
                best = cost, offset
    return best[1], at + best[1]


def _cost(low, high, marks, taken, frame):
    """How much a box covers: names count most, then leaving the frame, then points."""
    names = sum(bool((low < other_high).all() and (other_low < high).all()) for other_low, other_high in taken)
    outside = bool(low[0] < frame.x0 or low[1] < frame.y0 or high[0] > frame.x1 or high[1] > frame.y1)
    return 100 * names + 50 * outside + int(((marks > low) & (marks < high)).all(1).sum())
