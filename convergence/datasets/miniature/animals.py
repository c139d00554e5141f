"""Eight species, each a body, a head and what makes it known; lying, standing or leaping. All look along their frame's x."""

import numpy as np

from convergence.datasets.miniature.canvas import mix, shade

_BLACK, _WHITE = (18, 15, 14), (250, 250, 246)


def draw_animal(frame, species, pose, rng):
    """Draw one animal into a frame; the colour of its coat by chance, where the species has several."""
    frame.spot(0.02, 0.005, 0.25 if species == "bird" else 0.5, 0.05, (52, 50, 46))
    _ANIMALS[species](frame, pose, rng)


def _on_legs(frame, pose, places, length, width, color):
    """Draw four legs below a body, folded or thrown apart if the pose says so; the frame of the body that they carry."""
    if pose == "resting":
        for x in (places[0], places[-1]):
            frame.limb([(x, 0.12), (x + 0.16, 0.06)], width, color)
        return frame.risen(0.16 - length)
    leaping = pose == "leaping"
    rise = 0.22 * length * leaping
    for k, x in enumerate(places):
        stride = np.sign(x) * 0.45 * length if leaping else (-0.03, 0.05)[k % 2]
        hoof = 0.03 + 0.25 * length * leaping
        frame.limb([(x, length + 0.08 + rise), (x + stride, hoof)], width, shade(color, (0.75, 1.0)[k % 2]))
    return frame.risen(rise)


def _elephant(frame, pose, rng):
    grey = mix((128, 126, 130), (158, 148, 140), rng.uniform())
    frame = _on_legs(frame, pose, (-0.36, -0.28, 0.18, 0.28), 0.36, 0.19, grey)
    frame.limb([(-0.5, 0.65), (-0.58, 0.35)], 0.04, grey)
    frame.ball(-0.05, 0.62, 0.5, 0.32, grey)
    raised, hanging = [(0.62, 0.68), (0.8, 0.66), (0.9, 0.84)], [(0.62, 0.68), (0.74, 0.5), (0.76, 0.3), (0.84, 0.18)]
    frame.limb(raised if pose == "leaping" else hanging, 0.11, grey)
    frame.ball(0.5, 0.74, 0.23, 0.23, grey)
    frame.line([(0.58, 0.58), (0.74, 0.5)], 0.045, _WHITE)
    frame.ball(0.34, 0.72, 0.17, 0.26, shade(grey, 0.88))
    frame.spot(0.58, 0.8, 0.028, 0.028, _BLACK)


def _equine(frame, pose, coat, mane, striped):
    frame = _on_legs(frame, pose, (-0.32, -0.25, 0.22, 0.3), 0.42, 0.085, coat)
    frame.limb([(-0.4, 0.66), (-0.52, 0.5), (-0.5, 0.3)], 0.07, mane)
    frame.ball(0, 0.58, 0.43, 0.18, coat)
    frame.limb([(0.3, 0.62), (0.46, 0.92)], 0.2, coat)
    frame.limb([(0.46, 0.94), (0.68, 0.8)], 0.13, coat)
    frame.line([(0.24, 0.74), (0.38, 1.0), (0.46, 1.03)], 0.07, mane)
    frame.polygon([(0.44, 1.0), (0.47, 1.14), (0.53, 1.0)], coat)
    if striped:
        for x in np.arange(-0.36, 0.37, 0.12):
            reach = 0.16 * np.sqrt(1 - (x / 0.45) ** 2)
            frame.line([(x, 0.58 + reach), (x + 0.03, 0.58 - reach * 0.8)], 0.045, _BLACK)
        for t in (0.2, 0.45, 0.7):
            x, y = 0.3 + 0.16 * t, 0.62 + 0.3 * t
            frame.line([(x - 0.08, y + 0.05), (x + 0.08, y - 0.05)], 0.035, _BLACK)
    frame.spot(0.7, 0.78, 0.05, 0.055, shade(mane, 0.7) if striped else shade(coat, 0.6))
    frame.spot(0.53, 0.93, 0.025, 0.025, _BLACK)


def _horse(frame, pose, rng):
    coat = ((134, 78, 40), (92, 54, 34), (176, 118, 66), (60, 44, 40))[rng.integers(4)]
    _equine(frame, pose, coat, shade(coat, 0.45), striped=False)


def _zebra(frame, pose, rng):
    _equine(frame, pose, (236, 232, 226), (40, 38, 40), striped=True)


def _cow(frame, pose, rng):
    coat, patch = ((240, 236, 228), (44, 36, 34)) if rng.uniform() < 0.7 else ((240, 230, 214), (150, 82, 42))
    frame = _on_legs(frame, pose, (-0.38, -0.3, 0.24, 0.33), 0.32, 0.11, coat)
    frame.line([(-0.5, 0.72), (-0.56, 0.36)], 0.035, patch)
    frame.ball(0, 0.56, 0.5, 0.24, coat)
    frame.spot(-0.26, 0.62, 0.16, 0.13, patch)
    frame.spot(0.1, 0.58, 0.13, 0.15, patch)
    frame.spot(0.34, 0.66, 0.1, 0.1, patch)
    frame.ball(-0.2, 0.33, 0.09, 0.06, (236, 170, 160))
    frame.limb([(0.42, 0.66), (0.58, 0.76)], 0.2, coat)
    frame.limb([(0.58, 0.8), (0.7, 0.66)], 0.17, patch)
    frame.spot(0.73, 0.62, 0.075, 0.065, (236, 176, 166))
    frame.line([(0.54, 0.9), (0.48, 1.0)], 0.035, (230, 220, 190))
    frame.line([(0.64, 0.9), (0.7, 1.0)], 0.035, (230, 220, 190))
    frame.spot(0.6, 0.8, 0.025, 0.025, _WHITE)


def _sheep(frame, pose, rng):
    wool, face = mix((244, 240, 228), (214, 204, 186), rng.uniform()), (52, 44, 42)
    frame = _on_legs(frame, pose, (-0.28, -0.2, 0.18, 0.26), 0.26, 0.08, face)
    for angle in np.linspace(0, 2 * np.pi, 10, endpoint=False):
        frame.ball(0.36 * np.cos(angle), 0.55 + 0.22 * np.sin(angle), 0.15, 0.15, wool)
    frame.ball(0, 0.57, 0.36, 0.24, wool)
    frame.limb([(0.44, 0.76), (0.58, 0.64)], 0.19, face)
    frame.spot(0.36, 0.74, 0.09, 0.045, face)
    frame.ball(0.42, 0.86, 0.12, 0.09, wool)
    frame.spot(0.52, 0.76, 0.03, 0.03, _WHITE)


def _dog(frame, pose, rng):
    coat = ((196, 140, 78), (120, 76, 44), (226, 206, 170), (58, 50, 48))[rng.integers(4)]
    ear = shade(coat, 0.55)
    frame = _on_legs(frame, pose, (-0.36, -0.28, 0.2, 0.28), 0.34, 0.1, coat)
    frame.limb([(-0.38, 0.56), (-0.54, 0.74), (-0.52, 0.86)], 0.08, coat)
    frame.ball(-0.03, 0.5, 0.42, 0.18, coat)
    frame.limb([(0.3, 0.56), (0.42, 0.78)], 0.2, coat)
    frame.ball(0.46, 0.86, 0.18, 0.17, coat)
    frame.limb([(0.54, 0.82), (0.68, 0.79)], 0.14, mix(coat, (255, 245, 230), 0.4))
    frame.spot(0.74, 0.82, 0.045, 0.04, _BLACK)
    frame.ball(0.34, 0.82, 0.075, 0.16, ear)
    frame.spot(0.54, 0.91, 0.03, 0.032, _BLACK)


def _cat(frame, pose, rng):
    coat = ((216, 142, 66), (120, 118, 116), (44, 42, 44), (230, 220, 204))[rng.integers(4)]
    stripe = shade(coat, 0.6)
    frame = _on_legs(frame, pose, (-0.3, -0.22, 0.18, 0.25), 0.28, 0.09, coat)
    frame.limb([(-0.32, 0.5), (-0.5, 0.62), (-0.46, 0.95), (-0.36, 1.0)], 0.08, coat)
    frame.ball(-0.02, 0.45, 0.37, 0.18, coat)
    for x in (-0.22, -0.08, 0.06):
        frame.line([(x, 0.61), (x + 0.02, 0.48)], 0.035, stripe)
    frame.polygon([(0.22, 0.78), (0.2, 1.06), (0.36, 0.9)], coat)
    frame.polygon([(0.58, 0.78), (0.6, 1.06), (0.44, 0.9)], coat)
    frame.ball(0.4, 0.74, 0.22, 0.19, coat)
    for x in (0.32, 0.48):
        frame.spot(x, 0.77, 0.042, 0.045, (176, 206, 92))
        frame.spot(x, 0.77, 0.018, 0.04, _BLACK)
    frame.spot(0.4, 0.69, 0.03, 0.022, (226, 130, 130))
    frame.spot(0.4, 0.64, 0.08, 0.035, mix(coat, (255, 250, 245), 0.6))


def _bird(frame, pose, rng):
    coat = ((52, 108, 196), (206, 60, 48), (70, 66, 70), (88, 150, 92))[rng.integers(4)]
    if pose != "resting":
        for x in (-0.04, 0.08):
            frame.line([(x, 0.3), (x + 0.02, 0.02), (x + 0.1, 0.02)], 0.035, (232, 150, 40))
    frame = frame.risen({"resting": -0.18, "standing": 0.0, "leaping": 0.1}[pose])
    frame.polygon([(-0.2, 0.5), (-0.66, 0.3), (-0.6, 0.44)], shade(coat, 0.6))
    frame.ball(0, 0.48, 0.34, 0.25, coat)
    frame.spot(0.12, 0.4, 0.2, 0.15, (240, 226, 200))
    if pose == "leaping":
        frame.polygon([(-0.16, 0.55), (0.16, 0.58), (-0.3, 1.1), (-0.42, 0.9)], shade(coat, 0.7))
    else:
        frame.spot(-0.1, 0.5, 0.22, 0.13, shade(coat, 0.65))
    frame.ball(0.26, 0.78, 0.19, 0.18, coat)
    frame.polygon([(0.4, 0.84), (0.66, 0.76), (0.4, 0.7)], (240, 166, 40))
    frame.spot(0.32, 0.82, 0.04, 0.04, _WHITE)
    frame.spot(0.33, 0.82, 0.022, 0.022, _BLACK)


_ANIMALS = {"elephant": _elephant, "zebra": _zebra, "cow": _cow, "horse": _horse,
            "sheep": _sheep, "dog": _dog, "cat": _cat, "bird": _bird}
