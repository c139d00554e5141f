"""Little pictures from latents: a scene, who is in it, and how the whole picture looks (latents.py says which axis does what).

    picture = draw_picture(latents, rng)        latents of one image: three 6-vectors -> (64, 64, 3) uint8
    figures = arrange(latents["social"], rng)   what stands where, from back to front

Scenery and figures are drawn from their latents (scenery.py, persons.py, animals.py, props.py); places, colours of clothes and
coats, clouds and furniture come from `rng` and belong to no latent. Then the low latent changes the colour of every pixel
(`tone`) and nothing that one would recognise. So a network's early layers see `low`, its late ones `scene` and `social`.
A picture takes about 3 ms.
"""

from dataclasses import dataclass

import numpy as np

from convergence.datasets.miniature.animals import draw_animal
from convergence.datasets.miniature.canvas import Canvas, Frame
from convergence.datasets.miniature.latents import SPECIES, cast_of, people_of, scene_words, setting_of
from convergence.datasets.miniature.persons import draw_person
from convergence.datasets.miniature.props import draw_prop
from convergence.datasets.miniature.scenery import draw_scenery

__all__ = ["Figure", "arrange", "draw_picture", "people_of", "scene_words", "tone"]

# height where a person's is 1 (a prop's: as a fraction of the picture's), and half the width in units of that height
_SIZES = {"person": (1.0, 0.3),
          "elephant": (0.95, 0.7), "zebra": (0.85, 0.6), "cow": (0.72, 0.7), "horse": (0.9, 0.6),
          "sheep": (0.66, 0.6), "dog": (0.6, 0.65), "cat": (0.56, 0.6), "bird": (0.56, 0.6),
          "car": (0.36, 1.25), "bicycle": (0.42, 1.05), "umbrella": (0.74, 0.62), "balloons": (0.7, 0.6),
          "bench": (0.48, 1.4), "blanket": (0.2, 1.9), "hurdle": (0.3, 1.4)}

_LIMIT = 2.5                                            # latents beyond are drawn as this
_RED_BLUE, _GREEN_MAGENTA = np.array([1.0, -0.2, -1.0]), np.array([-0.7, 0.8, -0.7])
_LUMA = np.array([0.3, 0.59, 0.11])


@dataclass(frozen=True)
class Figure:
    """Something in a picture: where it stands (the middle of its foot), how large it is; in fractions of the picture's side."""
    kind: str           # "person", a species, or a thing
    x: float
    foot: float
    height: float
    facing: int         # 1 right, -1 left

    @property
    def box(self):
        """(left, top, width, height) of what lies inside the picture, about, as fractions of its side."""
        half = self.height * _SIZES[self.kind][1]
        edges = (self.x - half, self.x + half, self.foot - self.height, self.foot)
        left, right, top, bottom = (min(1.0, max(0.0, edge)) for edge in edges)
        return left, top, right - left, bottom - top


def draw_picture(latents, rng, size=64):
    """Draw the picture of one image.

    Parameters
    ----------
    latents : dict of (6,) arrays
        "low", "scene" and "social".
    rng : numpy.random.Generator
        The only source of chance: the same state gives the same bytes. Its first numbers go to `arrange`.
    size : int
        Side of the picture in pixels.

    Returns
    -------
    (size, size, 3) uint8 array
    """
    cast, figures = cast_of(latents["social"]), arrange(latents["social"], rng)
    canvas = Canvas(size)
    draw_scenery(canvas, setting_of(latents["scene"]), rng)
    for figure in figures:
        frame = Frame(canvas, figure.x, figure.foot, figure.height, figure.facing)
        if figure.kind == "person":
            draw_person(frame, cast.pose, cast.lightness, rng)
        elif figure.kind in SPECIES:
            draw_animal(frame, figure.kind, cast.pose, rng)
        else:
            draw_prop(frame, figure.kind, rng)
    return np.round(255 * tone(canvas.pixels(), latents["low"])).astype(np.uint8)


def arrange(social, rng):
    """What stands where.

    Parameters
    ----------
    social : (6,) array
    rng : numpy.random.Generator
        A generator in the state that `draw_picture` was given gives the figures of that picture.

    Returns
    -------
    list of Figure
        From back to front: what lies and stands behind, persons and animals (as many as `people_of` says), what stands before.
    """
    cast = cast_of(social)
    n = cast.n_persons + cast.n_animals
    ground = 0.84 + max(0.0, 0.9 * (cast.height - 0.7))             # the feet of who is very near are below the picture
    kinds = rng.permutation(["person"] * cast.n_persons + [cast.species] * cast.n_animals).tolist()
    places = 0.5 + 0.84 * ((np.arange(n) + 0.5) / max(n, 1) - 0.5) + rng.uniform(-0.05, 0.05, n)
    feet = ground + rng.uniform(-0.04, 0.02, n)
    feet += [0.05 if kind == "person" else 0.0 for kind in kinds]   # in front, or else elephants would hide them
    crowd = [_figure(kinds[k], places[k], feet[k], cast.height, rng) for k in np.argsort(feet)]
    near = cast.height ** 0.5
    behind, before = [], []
    if cast.pose == "resting":
        behind = [_figure("blanket", 0.5, ground + 0.1, near, rng), _figure("bench", 0.5, ground - 0.02, near, rng)]
    elif cast.pose == "leaping":
        before = [_figure("hurdle", 0.5, ground + 0.08, near, rng)]
    if cast.prop:
        behind.append(_figure(cast.prop, 0.5 + rng.choice((-0.2, 0.2)), 0.8, cast.prop_size, rng))
    return behind + crowd + before


def _figure(kind, x, foot, scale, rng):
    return Figure(kind, float(x), float(foot), scale * _SIZES[kind][0], int(rng.choice((-1, 1))))


def tone(pixels, low):
    """Change the look of a whole picture: its colour cast, brightness and contrast, and the colour of its shadows.

    Parameters
    ----------
    pixels : (height, width, 3) array
        Between 0 and 1.
    low : (6,) array
        The low latent. Zeros leave colours and contrast as they are.

    Returns
    -------
    (height, width, 3) array
        Between 0 and 1. Its mean before clipping depends on `low` only, so that brightness tells nothing about the scene.
    """
    warmth, greenness, brightness, contrast, shadow_warmth, shadow_greenness = np.clip(low, -_LIMIT, _LIMIT)
    toned = 0.5 + 0.14 * brightness + np.exp(0.2 * contrast) * (pixels - pixels.mean())
    darkness = 1 - np.clip(toned @ _LUMA, 0, 1)[:, :, None]
    toned = np.clip(toned, 0, 1) * np.exp(0.16 * (warmth * np.array([1, 0, -1]) + 0.6 * greenness * np.array([-1, 1, -1])))
    toned += darkness * (0.2 * shadow_warmth * _RED_BLUE + 0.15 * shadow_greenness * _GREEN_MAGENTA)
    return np.clip(toned, 0, 1)
