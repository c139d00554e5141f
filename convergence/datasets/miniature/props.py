"""Things beside, behind and before the figures: what the axes of possession and energy of the social latent show."""

import numpy as np

from convergence.datasets.miniature.canvas import paint, shade

_WOOD, _RUBBER, _CREAM = (150, 100, 58), (28, 28, 30), (248, 244, 236)


def draw_prop(frame, kind, rng):
    """Draw one thing into a frame, whose unit is the thing's own height; its colour by chance."""
    _PROPS[kind](frame, rng)


def _car(frame, rng):
    body = paint(rng.uniform(), 0.75, 0.8)
    frame.spot(0, 0.02, 1.25, 0.08, (52, 50, 46))
    roof = [(-1.18, 0.58), (-0.75, 0.64), (-0.5, 1.0), (0.45, 1.0), (0.8, 0.64), (1.2, 0.56)]
    frame.polygon([(-1.2, 0.2), *roof, (1.22, 0.2)], shade(body, 0.75))
    frame.polygon([(-1.18, 0.4), *roof, (1.2, 0.4)], body)
    frame.polygon([(-0.62, 0.64), (-0.43, 0.92), (-0.05, 0.92), (-0.05, 0.64)], (176, 206, 222))
    frame.polygon([(0.03, 0.64), (0.03, 0.92), (0.4, 0.92), (0.64, 0.64)], (150, 186, 206))
    for x in (-0.7, 0.7):
        frame.spot(x, 0.2, 0.26, 0.24, _RUBBER)
        frame.spot(x, 0.2, 0.12, 0.11, (190, 190, 194))
    frame.spot(1.12, 0.48, 0.07, 0.07, (255, 240, 170))
    frame.spot(-1.12, 0.48, 0.05, 0.07, (210, 40, 36))


def _bicycle(frame, rng):
    tube = paint(rng.uniform(), 0.85, 0.85)
    for x in (-0.62, 0.62):
        frame.ring(x, 0.44, 0.42, 0.075, _RUBBER)
        for angle in (0.3, 1.35, 2.4):
            dx, dy = 0.4 * np.cos(angle), 0.4 * np.sin(angle)
            frame.line([(x - dx, 0.44 - dy), (x + dx, 0.44 + dy)], 0.02, (170, 170, 172))
    frame.line([(-0.62, 0.44), (-0.25, 0.86), (0.42, 0.86), (-0.05, 0.44), (-0.62, 0.44)], 0.075, tube)
    frame.line([(-0.05, 0.44), (-0.3, 0.98)], 0.07, tube)
    frame.line([(0.62, 0.44), (0.38, 1.02), (0.58, 1.1)], 0.07, tube)
    frame.line([(-0.42, 1.0), (-0.18, 1.0)], 0.09, _RUBBER)


def _umbrella(frame, rng):
    cloth, reach, rim = paint(rng.uniform(), 0.8, 0.9), 0.62, 0.62
    frame.line([(0, 0), (0, 0.95)], 0.04, (120, 84, 50))
    edges = np.linspace(-reach, reach, 7)
    arc = rim + 0.36 * np.sqrt(np.maximum(0, 1 - (edges / reach) ** 2))
    for k in range(6):
        gore = [(edges[k], rim), (edges[k + 1], rim), (edges[k + 1], arc[k + 1]), (0, 1), (edges[k], arc[k])]
        frame.polygon(gore, shade(cloth if k % 2 else _CREAM, 1 - 0.06 * k))


def _balloons(frame, rng):
    for k, y in enumerate((0.66, 0.84, 0.72, 0.86, 0.68)):
        x, y = -0.42 + 0.21 * k, y + rng.uniform(-0.03, 0.03)
        frame.line([(0, 0.05), (x, y - 0.15)], 0.012, (90, 90, 90))
        frame.ball(x, y, 0.14, 0.17, paint(rng.uniform(), 0.85, 0.95))


def _bench(frame, rng):
    for x in (-1.15, 1.15):
        frame.line([(x, 0), (x, 0.96)], 0.1, shade(_WOOD, 0.5))
    for y in (0.62, 0.78, 0.94):
        frame.line([(-1.35, y), (1.35, y)], 0.1, _WOOD)
    frame.polygon([(-1.4, 0.36), (1.4, 0.36), (1.35, 0.52), (-1.35, 0.52)], shade(_WOOD, 1.2))
    frame.polygon([(-1.4, 0.3), (1.4, 0.3), (1.4, 0.36), (-1.4, 0.36)], shade(_WOOD, 0.6))


def _blanket(frame, rng):
    """A chequered cloth on the ground, narrower at its far edge."""
    cloth = paint(rng.uniform(), 0.6, 0.75)
    columns = np.linspace(-1, 1, 9)
    for row in range(3):
        near, far = 1.9 - 0.13 * row, 1.9 - 0.13 * (row + 1)
        for k in range(8):
            left, right, bottom, top = columns[k], columns[k + 1], row / 3, (row + 1) / 3
            corners = [(near * left, bottom), (near * right, bottom), (far * right, top), (far * left, top)]
            frame.polygon(corners, cloth if (row + k) % 2 else shade(cloth, 1.3))


def _hurdle(frame, rng):
    """Two posts and two striped bars."""
    stripe = paint(rng.uniform(), 0.9, 0.85)
    for y in (0.45, 0.85):
        for k in range(9):
            x = -1.35 + 0.3 * k
            frame.polygon([(x, y - 0.08), (x + 0.3, y - 0.08), (x + 0.3, y + 0.08), (x, y + 0.08)], _CREAM if k % 2 else stripe)
    for x in (-1.35, 1.35):
        frame.line([(x, 0), (x, 1)], 0.13, _CREAM)


_PROPS = {"car": _car, "bicycle": _bicycle, "umbrella": _umbrella, "balloons": _balloons,
          "bench": _bench, "blanket": _blanket, "hurdle": _hurdle}
