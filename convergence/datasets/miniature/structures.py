"""What stands on the horizon (mountains, forest, trees, houses, towers) and before it (fence, wall).

Each function draws one kind. `horizon` and `foot` are heights on the canvas, `density` (0 to 1) says how many and how large, and
`dim` darkens all but lit windows.
"""

import numpy as np

from convergence.datasets.miniature.canvas import mix, shade

_PLASTERS = ((234, 216, 176), (214, 150, 120), (176, 196, 206), (240, 238, 230), (206, 176, 92))


def _mountains(canvas, horizon, density, dim, rng):
    for k in range(2 + round(3 * density)):
        x, reach = rng.uniform(0, 1), rng.uniform(0.2, 0.36)
        peak = horizon - (0.14 + 0.24 * density) * rng.uniform(0.7, 1)
        rock = shade(mix((96, 108, 134), (128, 116, 112), rng.uniform()), dim)
        canvas.polygon([(x - reach, horizon + 0.02), (x, peak), (x + reach, horizon + 0.02)], rock)
        canvas.polygon([(x, peak), (x + reach, horizon + 0.02), (x + 0.15 * reach, horizon + 0.02)], shade(rock, 0.72))
        snow, hollow = peak + 0.32 * (horizon - peak), peak + 0.22 * (horizon - peak)
        canvas.polygon([(x, peak), (x + 0.32 * reach, snow), (x, hollow), (x - 0.32 * reach, snow)], shade((246, 248, 252), dim))


def _forest(canvas, horizon, density, dim, rng):
    for x in np.sort(rng.uniform(-0.02, 1.02, 7 + round(9 * density))):
        tall = (0.2 + 0.26 * density) * rng.uniform(0.75, 1.1)
        green = shade(mix((24, 74, 46), (52, 104, 62), rng.uniform()), dim)
        canvas.box(x - 0.012, horizon - 0.06, x + 0.012, horizon + 0.03, shade((82, 56, 38), dim))
        for k in range(3):
            base, width = horizon - 0.02 - 0.26 * k * tall, (0.09 - 0.022 * k) * (0.7 + 0.5 * density)
            canvas.polygon([(x - width, base), (x, base - 0.5 * tall), (x + width, base)], shade(green, 1 + 0.12 * k))


def _trees(canvas, horizon, density, dim, rng):
    n = 2 + round(4 * density)
    for x in (np.arange(n) + rng.uniform(0.2, 0.8, n)) / n:
        size = (0.08 + 0.07 * density) * rng.uniform(0.8, 1.15)
        green = shade(mix((70, 130, 50), (130, 150, 50), rng.uniform()), dim)
        canvas.line([(x, horizon + 0.04), (x, horizon - 1.4 * size)], 0.28 * size, shade((104, 72, 46), dim))
        for dx, dy in ((-0.7, 0), (0.7, 0), (0, 0.1), (-0.35, -0.7), (0.4, -0.65)):
            canvas.ball(x + dx * size, horizon - 1.7 * size + dy * size, 0.75 * size, 0.68 * size, green)


def _houses(canvas, horizon, density, dim, rng):
    n = 2 + round(3 * density)
    for k in range(n):
        left, right = k / n + 0.01, (k + 1) / n - 0.01
        top, foot = horizon - (0.13 + 0.16 * density) * rng.uniform(0.85, 1.15), horizon + 0.03
        wall = shade(_PLASTERS[rng.integers(len(_PLASTERS))], dim)
        canvas.box(left, top, right, foot, wall)
        canvas.box(right - 0.2 * (right - left), top, right, foot, shade(wall, 0.82))
        canvas.polygon([(left - 0.015, top), ((left + right) / 2, top - 0.13), (right + 0.015, top)], shade((158, 66, 52), dim))
        pane = (250, 220, 120) if dim < 1 else (84, 110, 134)
        for t in (0.25, 0.7):
            x = left + t * (right - left)
            canvas.box(x - 0.03, top + 0.03, x + 0.03, top + 0.1, shade((250, 250, 246), dim))
            canvas.box(x - 0.022, top + 0.038, x + 0.022, top + 0.092, pane)
        x = (left + right) / 2
        canvas.box(x - 0.028, foot - 0.1, x + 0.022, foot, shade((104, 62, 40), dim))


def _towers(canvas, horizon, density, dim, rng):
    n = 3 + round(4 * density)
    for k in rng.permutation(n):
        left, width = k / n - 0.02, 1.15 / n
        top = horizon - (0.22 + 0.3 * density) * rng.uniform(0.6, 1.1)
        wall = shade(mix((120, 132, 146), (176, 170, 162), rng.uniform()), dim)
        canvas.box(left, top, left + width * 0.86, horizon + 0.03, wall)
        canvas.box(left + width * 0.66, top, left + width * 0.86, horizon + 0.03, shade(wall, 0.75))
        pane = (250, 224, 130) if dim < 1 else (70, 92, 118)
        for y in np.arange(top + 0.025, horizon, 0.05):
            for x in np.linspace(left + 0.02, left + width * 0.62 - 0.02, max(2, round(width / 0.055))):
                canvas.box(x, y, x + 0.02, y + 0.026, pane)


def _fence(canvas, foot, dim):
    plank = shade((236, 228, 210), dim)
    for y in (foot - 0.1, foot - 0.05):
        canvas.box(0, y, 1, y + 0.018, plank)
    for x in np.arange(0.02, 1, 0.09):
        top = [(x, foot - 0.12), (x + 0.018, foot - 0.145), (x + 0.036, foot - 0.12)]
        canvas.polygon([(x, foot), *top, (x + 0.036, foot)], plank)


def _wall(canvas, foot, dim):
    mortar = shade((206, 190, 170), dim)
    canvas.box(0, foot - 0.16, 1, foot, shade((170, 96, 70), dim))
    for k in range(4):
        y = foot - 0.16 + 0.04 * k
        canvas.box(0, y, 1, y + 0.006, mortar)
        for x in np.arange(0.05 * (k % 2), 1, 0.1):
            canvas.box(x, y, x + 0.006, y + 0.04, mortar)


STRUCTURES = {"mountains": _mountains, "forest": _forest, "trees": _trees, "houses": _houses, "towers": _towers}
BARRIERS = {"": lambda canvas, foot, dim: None, "fence": _fence, "wall": _wall}
