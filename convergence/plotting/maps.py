"""Cortical maps: one value per parcel on the inflated cortex, both hemispheres, lateral, medial, ventral and posterior.

    figure = maps.cortex(values, label="inter-subject RSA (r)", significant=p < 0.05)  # values: Series indexed by parcel number
    figure = maps.cortex(values, label="depth", atlas="metadata/hcp.csv")               # parcels of that table

The cortex is one raster image (surface.py renders it once, a map only recolours it); text and colour bar are vectors.
"""

import numpy as np

from convergence.datasets.atlas import open_atlas
from convergence.plotting import style
from convergence.plotting.surface import SUPERSAMPLING, sheet

_ROOM_FOR_BAR, _ROOM_FOR_TITLE = 11, 6          # millimetres of the page below and above the cortex


def cortex(values, *, label, limits=None, cmap=None, significant=None, hemispheres="joined", title=None, width="double",
           atlas=None):
    """Draw one value per parcel on both hemispheres.

    Parameters
    ----------
    values : Series
        Indexed by parcel number, the column roi of the tables. "joined": the smallest number of a name, whose value is
        painted on all parcels of that name, left and right; "separated": every parcel has its own. NaN, and parcels that are
        left out, are drawn in grey.
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
    atlas : Atlas or path, optional
        The table of another atlas than HCP-MMP1, with labels on the surface (`datasets.atlas.open_atlas`).

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    FileNotFoundError
        The atlas has no labels on the surface.
    ValueError
        A parcel number that the atlas does not have, or another word for the hemispheres.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    drawn = significant if significant is not None else values.notna()
    pale = ~drawn.reindex(values.index, fill_value=False).astype(bool)
    shown = values[~pale].dropna()
    scale = ScalarMappable(Normalize(*(symmetric_limits(shown) if limits is None else limits)), cmap or style.DIVERGING)
    atlas = open_atlas(atlas)
    image = paint(parcel_colors(values, scale, pale, hemispheres, atlas), atlas)
    figure, edge = _figure_with(image, sheet(atlas).names, title, width)
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


def parcel_colors(values, scale, pale, hemispheres="joined", atlas=None):
    """(1 + largest parcel number, 3) colours by parcel number; NO_PARCEL, 0, is the medial wall."""
    from matplotlib.colors import to_rgb

    table = open_atlas(atlas).table
    colors = np.tile(to_rgb(style.NO_DATA), (1 + int(table["roi"].max()), 1))
    of_values = np.where(pale.to_numpy()[:, None], to_rgb(style.NOT_SIGNIFICANT), scale.to_rgba(values.to_numpy(float))[:, :3])
    place = {roi: k for k, roi in enumerate(values.index) if not np.isnan(values.iloc[k])}
    for roi, analysed in analysed_as(values.index, table, hemispheres).items():
        if analysed in place:
            colors[roi] = of_values[place[analysed]]
    return colors


def analysed_as(rois, table, hemispheres="joined"):
    """{number of a parcel: number under which tables list it}, for every parcel of the atlas.

    Parameters
    ----------
    rois : sequence of int
        Numbers that a table lists; ValueError where some are not among those of the atlas.
    table : DataFrame
        Of the atlas: roi, name.
    hemispheres : {"joined", "separated"}
        Joined parcels go by the smallest number of their name.
    """
    if hemispheres not in ("joined", "separated"):
        raise ValueError(f"hemispheres: {hemispheres!r} is neither 'joined' nor 'separated'")
    listed = table.groupby("name")["roi"].transform("min") if hemispheres == "joined" else table["roi"]
    known = set(listed)
    unknown = [roi for roi in rois if roi not in known]
    if unknown:
        raise ValueError(f"values: parcel numbers {unknown[:5]} are not among {_ranges(listed)}, the parcels of "
                         f"{hemispheres} hemispheres; index the values by the column roi of the tables, and give the atlas that "
                         "they were made with")
    return dict(zip(table["roi"].tolist(), listed.tolist()))


def paint(colors, atlas=None):
    """(height, width, 3) image of the page: parcels in their colours, shaded, with borders, at the resolution of print."""
    page = sheet(atlas)
    with_background = np.append(colors, [[1, 1, 1]], axis=0).astype(np.float32)          # BACKGROUND, -1, takes the last row
    image = with_background[page.parcel]
    image *= page.shade[..., None]
    height, width = (n // SUPERSAMPLING for n in page.parcel.shape)
    image = image[:height * SUPERSAMPLING, :width * SUPERSAMPLING]
    return image.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean((1, 3))


def _ranges(numbers, at_most=6):
    """'1 to 180' or '3, 8, 11 to 14, ...'."""
    numbers = sorted(set(numbers))
    starts = [k for k, number in enumerate(numbers) if k == 0 or number != numbers[k - 1] + 1]
    spans = [(numbers[start], numbers[end - 1]) for start, end in zip(starts, [*starts[1:], len(numbers)])]
    texts = [str(low) if low == high else f"{low} to {high}" for low, high in spans]
    return ", ".join(texts[:at_most]) + (", ..." if len(texts) > at_most else "")


def _figure_with(image, names, title, width):
    """A figure with the painted page, names of the views and a title; and where the page ends, as a fraction of the figure."""
    millimetres = style.WIDTHS.get(width, width)
    page = millimetres * image.shape[0] / image.shape[1]
    height = page + _ROOM_FOR_BAR + (_ROOM_FOR_TITLE if title else 0)
    figure = style.figure(width, height, layout=None)
    axes = figure.add_axes((0, _ROOM_FOR_BAR / height, 1, page / height))
    axes.imshow(image, extent=(0, 1, 1, 0), aspect="auto", interpolation="none")
    axes.axis("off")
    for name, x, y in names:
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
