"""Cortical maps: one value per parcel on the inflated cortex, both hemispheres, lateral, medial, ventral and posterior.

    figure = maps.cortex(values, label="inter-subject RSA (r)", significant=p < 0.05)  # values: Series indexed by parcel number

The cortex is one raster image (surface.py renders it once, a map only recolours it); text and colour bar are vectors.
"""

import numpy as np

from convergence.plotting import style
from convergence.plotting.surface import N_PER_HEMISPHERE, SUPERSAMPLING, sheet

_ROOM_FOR_BAR, _ROOM_FOR_TITLE = 11, 6          # millimetres of the page below and above the cortex


def cortex(values, *, label, limits=None, cmap=None, significant=None, hemispheres="joined", title=None, width="double"):
    """Draw one value per parcel on both hemispheres.

    Parameters
    ----------
    values : Series
        Indexed by parcel number: 1 to 180 for "joined" (each value is painted on the left and on the right), 1 to 360 for
        "separated". NaN, and parcels that are left out, are drawn in grey.
    label : str
        Name and unit of the values, beside the colour bar.
    limits : (low, high), optional
        Ends of the colours; default: symmetric about 0 and wide enough for every value that is shown.
    cmap : str, optional
        Default: the diverging colours of style.py.
    significant : Series of bool, optional
        Indexed like `values`; parcels that are False, or left out, are drawn pale.
    hemispheres : {"joined", "separated"}
    title : str, optional
    width : str or float
        See `style.figure`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        A parcel number that the atlas does not have, or another word for the hemispheres.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    drawn = significant if significant is not None else values.notna()
    pale = ~drawn.reindex(values.index, fill_value=False).astype(bool)
    shown = values[~pale].dropna()
    scale = ScalarMappable(Normalize(*(symmetric_limits(shown) if limits is None else limits)), cmap or style.DIVERGING)
    image = paint(parcel_colors(values, scale, pale, hemispheres))
    figure, edge = _figure_with(image, title, width)
    _color_bar(figure, scale, shown, label, edge)
    _legend(figure, values, pale, edge)
    return figure


def symmetric_limits(values):
    """(-m, m), m the smallest of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that no value exceeds; (-1, 1) for zeros."""
    largest = float(np.abs(values).max()) if len(values) else 0.0
    if largest == 0:
        return -1.0, 1.0
    power = 10.0 ** np.floor(np.log10(largest))
    limit = next(step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= largest * (1 - 1e-9)) * power
    return -limit, limit


def parcel_colors(values, scale, pale, hemispheres="joined"):
    """(1 + 2 x 180, 3) colours by parcel number; number 0 is the medial wall."""
    from matplotlib.colors import to_rgb

    known = {"joined": N_PER_HEMISPHERE, "separated": 2 * N_PER_HEMISPHERE}
    if hemispheres not in known:
        raise ValueError(f"hemispheres: {hemispheres!r} is neither 'joined' nor 'separated'")
    unknown = [roi for roi in values.index if not 1 <= roi <= known[hemispheres]]
    if unknown:
        raise ValueError(f"values: parcel numbers {unknown[:5]} are not among 1 to {known[hemispheres]}, the parcels of "
                         f"{hemispheres} hemispheres; index the values by the column roi of the tables")
    one_side = np.array(values.index)
    colors = np.tile(to_rgb(style.NO_DATA), (1 + 2 * N_PER_HEMISPHERE, 1))
    of_values = np.where(pale.to_numpy()[:, None], to_rgb(style.NOT_SIGNIFICANT), scale.to_rgba(values.to_numpy(float))[:, :3])
    there = ~np.isnan(values.to_numpy(float))
    for offset in (0, N_PER_HEMISPHERE) if hemispheres == "joined" else (0,):
        colors[one_side[there] + offset] = of_values[there]
    return colors


def paint(colors):
    """(height, width, 3) image of the page: parcels in their colours, shaded, with borders, at the resolution of print."""
    page = sheet()
    with_background = np.append(colors, [[1, 1, 1]], axis=0).astype(np.float32)          # BACKGROUND, -1, takes the last row
    image = with_background[page.parcel]
    image *= page.shade[..., None]
    height, width = (n // SUPERSAMPLING for n in page.parcel.shape)
    image = image[:height * SUPERSAMPLING, :width * SUPERSAMPLING]
    return image.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean((1, 3))


def _figure_with(image, title, width):
    """A figure with the painted page, names of the views and a title; and where the page ends, as a fraction of the figure."""
    millimetres = style.WIDTHS.get(width, width)
    page = millimetres * image.shape[0] / image.shape[1]
    height = page + _ROOM_FOR_BAR + (_ROOM_FOR_TITLE if title else 0)
    figure = style.figure(width, height, layout=None)
    axes = figure.add_axes((0, _ROOM_FOR_BAR / height, 1, page / height))
    axes.imshow(image, extent=(0, 1, 1, 0), aspect="auto", interpolation="none")
    axes.axis("off")
    for name, x, y in sheet().names:
        axes.text(x, y, name, ha="center", va="top", fontsize=6)
    if title:
        figure.text(0.5, 1 - 1 / height, title, ha="center", va="top", fontsize=8)
    return figure, _ROOM_FOR_BAR / height


def _color_bar(figure, scale, shown, label, edge):
    low, high = scale.norm.vmin, scale.norm.vmax
    below, above = bool((shown < low).any()), bool((shown > high).any())
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]
    axes = figure.add_axes((0.36, edge * 0.62, 0.28, edge * 0.22))
    figure.colorbar(scale, cax=axes, orientation="horizontal", extend=extend, ticks=np.linspace(low, high, 5),
                    format="%.3g").outline.set_linewidth(0.4)
    figure.text(0.345, edge * 0.73, label, ha="right", va="center", fontsize=7)


def _legend(figure, values, pale, edge):
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=style.NO_DATA, edgecolor="black", linewidth=0.3, label="no data")]
    if (pale & values.notna()).any():
        handles.append(Patch(facecolor=style.NOT_SIGNIFICANT, edgecolor="black", linewidth=0.3, label="not significant"))
    figure.legend(handles=handles, loc="center left", bbox_to_anchor=(0.66, edge * 0.73), ncols=2, handlelength=1, handleheight=1,
                  columnspacing=1)
