"""A person: coat and hat, shirt and trousers, or light shirt and shorts; sitting, standing or leaping."""

from convergence.datasets.miniature.canvas import mix, paint, shade

_SKINS = ((255, 219, 186), (232, 184, 140), (198, 141, 96), (141, 90, 58), (96, 60, 40))
_HAIRS = ((40, 28, 22), (92, 58, 30), (214, 172, 92), (150, 72, 36), (190, 190, 190))
_HAT = (38, 34, 36)

# height of the hip, how far the feet are above the ground, legs (from the ground) and arms (from the hip) as chains of joints
_POSES = {
    "resting": (0.27, 0.0, (((-0.05, 0.27), (-0.12, 0.29), (-0.13, 0.03)), ((0.05, 0.27), (0.19, 0.29), (0.21, 0.03))),
                (((-0.14, 0.3), (-0.2, 0.12), (-0.06, 0.06)), ((0.14, 0.3), (0.21, 0.12), (0.12, 0.05)))),
    "standing": (0.46, 0.0, (((-0.06, 0.46), (-0.08, 0.03)), ((0.06, 0.46), (0.09, 0.03))),
                 (((-0.14, 0.31), (-0.2, 0.14), (-0.19, 0.0)), ((0.14, 0.31), (0.2, 0.15), (0.18, 0.0)))),
    "leaping": (0.46, 0.07, (((-0.05, 0.46), (-0.16, 0.3), (-0.32, 0.14)), ((0.05, 0.46), (0.2, 0.33), (0.18, 0.05))),
                (((-0.13, 0.3), (-0.27, 0.36), (-0.3, 0.58)), ((0.13, 0.3), (0.28, 0.38), (0.3, 0.6)))),
}


def draw_person(frame, pose, lightness, rng):
    """Draw one person into a frame; clothes by `lightness` (0: dark coat, 1: light shirt), their hue, skin and hair by chance."""
    skin, hair = (choice[rng.integers(len(choice))] for choice in (_SKINS, _HAIRS))
    shirt = paint(rng.uniform(), 0.25 + 0.55 * lightness, 0.25 + 0.7 * lightness)
    trousers = mix(paint(rng.uniform(), 0.4, 0.22), (235, 225, 205), max(0.0, 1.6 * lightness - 0.8))
    coat, summer = lightness < 1 / 3, lightness > 2 / 3
    hip, rise, legs, arms = _POSES[pose]
    frame.spot(0.02, 0.005, 0.25, 0.05, (52, 50, 46))
    body = frame.risen(rise)
    for leg in legs:
        _limb(body, leg, 0.105, trousers, skin, bare=summer)
        x, y = leg[-1]
        body.line([(x, y), (x + 0.05, y)], 0.06, (40, 32, 30))
    _torso(body.risen(hip), shirt, coat)
    for arm in arms:
        _limb(body.risen(hip), arm, 0.085, shirt, skin, bare=summer)
        body.risen(hip).spot(*arm[-1], 0.045, 0.045, skin)
    _head(body.risen(hip + 0.44), skin, hair, hat=coat)


def _limb(frame, joints, width, cloth, skin, bare):
    frame.limb(joints, width, skin if bare else cloth)
    if bare:                                                # a short sleeve, or one leg of the shorts
        (x, y), (to_x, to_y) = joints[:2]
        frame.limb([(x, y), (x + 0.6 * (to_x - x), y + 0.6 * (to_y - y))], 1.15 * width, cloth)


def _torso(frame, cloth, coat):
    hem, flare = (-0.2, 0.17) if coat else (-0.03, 0.12)
    frame.polygon([(-flare, hem), (flare, hem), (0.16, 0.3), (0.1, 0.35), (-0.1, 0.35), (-0.16, 0.3)], shade(cloth, 0.75))
    frame.polygon([(-flare, hem), (0.45 * flare, hem), (0.08, 0.33), (-0.1, 0.35), (-0.16, 0.3)], cloth)
    if coat:
        frame.polygon([(-0.05, 0.35), (0.05, 0.35), (0.0, 0.16)], (240, 238, 232))


def _head(frame, skin, hair, hat):
    frame.limb([(0, -0.1), (0, -0.04)], 0.07, skin)
    frame.spot(0, 0.02, 0.105, 0.115, hair)
    frame.ball(0.005, 0, 0.09, 0.1, skin)
    if hat:
        frame.polygon([(-0.16, 0.05), (0.16, 0.05), (0.16, 0.075), (-0.16, 0.075)], _HAT)
        frame.polygon([(-0.09, 0.07), (0.09, 0.07), (0.08, 0.16), (-0.08, 0.16)], _HAT)
    else:
        frame.spot(0, 0.075, 0.09, 0.045, hair)
    for x in (-0.035, 0.04):
        frame.spot(x, 0.005, 0.014, 0.016, (30, 22, 20))
    frame.spot(0.003, -0.05, 0.03, 0.011, (176, 70, 66))
