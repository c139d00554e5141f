"""Sky, ground and what stands on the horizon (structures.py), or a room (room.py): the background of a picture."""

from convergence.datasets.miniature.canvas import shade
from convergence.datasets.miniature.room import draw_room
from convergence.datasets.miniature.structures import BARRIERS, STRUCTURES

# colours at the upper and the lower edge
_SKIES = {"night": ((18, 22, 56), (66, 62, 104)), "overcast": ((150, 158, 168), (206, 208, 210)),
          "clear": ((64, 138, 220), (188, 220, 244))}
_GROUNDS = {"water": ((64, 126, 156), (28, 78, 122)), "sand": ((236, 214, 160), (206, 176, 116)),
            "grass": ((124, 168, 76), (62, 116, 46)), "road": ((150, 148, 146), (98, 96, 98))}


def draw_scenery(canvas, setting, rng):
    """Fill the canvas with the background that a Setting describes; clouds, trees, houses and furniture vary by chance."""
    if setting.indoors:
        draw_room(canvas, setting, _SKIES[setting.sky][0], rng)
        return
    dim = 0.5 if setting.sky == "night" else 1.0
    _sky(canvas, setting, rng)
    STRUCTURES[setting.structures](canvas, setting.horizon, setting.density, dim, rng)
    _ground(canvas, setting, dim, rng)
    BARRIERS[setting.barrier](canvas, setting.horizon + 0.06, dim)


def _sky(canvas, setting, rng):
    canvas.gradient(0, setting.horizon + 0.02, *_SKIES[setting.sky])
    if setting.sky == "night":
        for x, y in rng.uniform(0, 1, (14, 2)):
            canvas.ellipse(x, y * setting.horizon, 0.006, 0.006, (240, 240, 220))
        canvas.ellipse(rng.uniform(0.15, 0.85), 0.14, 0.06, 0.06, (246, 240, 206))
        return
    cloud = (252, 252, 252) if setting.sky == "clear" else (128, 134, 144)
    for _ in range(2 if setting.sky == "clear" else 5):
        x, y, size = rng.uniform(0, 1), rng.uniform(0.05, 0.22), rng.uniform(0.07, 0.12)
        for k in range(4):
            canvas.ellipse(x + (k - 1.5) * size * 0.8, y - size * 0.25 * (k in (1, 2)), size * 0.8, size * 0.42, cloud)


def _ground(canvas, setting, dim, rng):
    above, below = (shade(c, dim) for c in _GROUNDS[setting.ground])
    canvas.gradient(setting.horizon, 1, above, below)
    if setting.ground == "water":
        _waves(canvas, setting.horizon, above, dim, rng)
    elif setting.ground == "road":
        _road(canvas, setting.horizon, dim, rng)
    else:
        blade, tall = (shade(below, 0.8), 0.035) if setting.ground == "grass" else (shade(below, 1.12), 0.0)
        for x, t in rng.uniform(0, 1, (30, 2)):
            y = setting.horizon + (1 - setting.horizon) * t
            canvas.line([(x, y), (x + 0.012, y - tall * t)], 0.008, blade, round_ends=False)


def _waves(canvas, horizon, water, dim, rng):
    """Water down to a sandy shore."""
    shore = horizon + 0.5 * (1 - horizon)
    for x, t in rng.uniform(0, 1, (9, 2)):
        y = horizon + (shore - horizon) * t
        canvas.line([(x, y), (x + 0.05 + 0.1 * t, y)], 0.008, shade(water, 1.35), round_ends=False)
    canvas.gradient(shore, 1, shade((222, 204, 158), dim), shade((196, 170, 116), dim))
    foam = [(0, shore), (0.3, shore + 0.012), (0.6, shore), (1, shore + 0.015)]
    canvas.line(foam, 0.02, shade((240, 248, 250), dim), round_ends=False)


def _road(canvas, horizon, dim, rng):
    """A road that runs from the lower edge to a point on the horizon, between verges."""
    middle, verge = rng.uniform(0.35, 0.65), shade((104, 132, 80), dim)
    for edge, aside in ((0, -1), (1, 1)):
        canvas.polygon([(edge, horizon), (middle + 0.03 * aside, horizon), (edge + 0.25 * aside, 1), (edge, 1)], verge)
    for near, far in ((0.98, 0.72), (0.56, 0.38), (0.28, 0.16)):
        y, z = (horizon + (1 - horizon) * t for t in (near, far))
        dash = [(middle - 0.02 * near, y), (middle + 0.02 * near, y), (middle + 0.02 * far, z), (middle - 0.02 * far, z)]
        canvas.polygon(dash, shade((244, 240, 220), dim))
