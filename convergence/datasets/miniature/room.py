"""The inside of a house: wall, floor, a window that shows the sky, a bookshelf and a chair."""

import numpy as np

from convergence.datasets.miniature.canvas import mix, shade

# by what would be outside
_WALLS = {"mountains": (206, 190, 160), "forest": (168, 186, 150), "trees": (224, 214, 190), "houses": (226, 196, 170),
          "towers": (196, 202, 210)}
_FLOORS = {"water": (124, 148, 166), "sand": (206, 170, 118), "grass": (120, 146, 100), "road": (132, 112, 100)}
_WHITE = (246, 244, 238)


def draw_room(canvas, setting, sky, rng):
    """Fill the canvas with the room that a Setting describes; `sky` is the colour in the window."""
    floor, wall, boards = setting.horizon + 0.12, _WALLS[setting.structures], _FLOORS[setting.ground]
    canvas.gradient(0, floor, shade(wall, 0.92), wall)
    canvas.gradient(floor, 1, shade(boards, 0.8), boards)
    for x in np.linspace(-0.5, 1.5, 9):
        canvas.line([(0.25 + 0.5 * x, floor), (x, 1)], 0.008, shade(boards, 0.68), round_ends=False)
    canvas.box(0, floor - 0.02, 1, floor + 0.01, _WHITE)
    _window(canvas, rng.uniform(0.22, 0.4), max(0.04, floor - 0.5), floor - 0.14, sky)
    _chair(canvas, rng.uniform(0.08, 0.2), floor + 0.08)
    _bookshelf(canvas, rng.uniform(0.6, 0.68), floor, setting.density, rng)


def _window(canvas, x, top, foot, sky):
    canvas.box(x - 0.17, top, x + 0.17, foot, _WHITE)
    canvas.box(x - 0.15, top + 0.02, x + 0.15, foot - 0.02, sky)
    canvas.box(x - 0.01, top, x + 0.01, foot, _WHITE)
    for curtain in (x - 0.2, x + 0.2):
        canvas.box(curtain - 0.05, top - 0.03, curtain + 0.05, foot + 0.04, (172, 72, 66))


def _bookshelf(canvas, left, floor, density, rng):
    canvas.box(left, max(0.05, floor - 0.55), left + 0.3, floor + 0.03, (112, 74, 46))
    for top in np.arange(max(0.07, floor - 0.53), floor - 0.1, 0.14):
        canvas.box(left + 0.015, top, left + 0.285, top + 0.115, (64, 42, 28))
        for k in range(2 + round(6 * density)):
            x, cover = left + 0.02 + 0.032 * k, mix((150, 60, 50), (60, 90, 140), rng.uniform())
            canvas.box(x, top + rng.uniform(0.01, 0.04), x + 0.026, top + 0.115, cover)


def _chair(canvas, x, foot):
    for leg in (x, x + 0.13):
        canvas.box(leg, foot - 0.13, leg + 0.02, foot, (92, 58, 34))
    canvas.box(x, foot - 0.32, x + 0.02, foot - 0.13, (92, 58, 34))
    canvas.box(x - 0.005, foot - 0.33, x + 0.035, foot - 0.2, (150, 98, 54))
    canvas.box(x - 0.01, foot - 0.16, x + 0.16, foot - 0.125, (168, 112, 64))
