"""What the pictures of the miniature datasets are about: three independent 6-d Gaussian latents per image, and how they are read.

    latents = draw_latents(n_images, rng)   {"low": (n_images, 6), "scene": (n_images, 6), "social": (n_images, 6)}
    people_of(social), cast_of(social)      who is there: (n_persons, n_animals), and everything else about them
    shows_somebody(latents["social"])       (n_images,) whether anybody is
    setting_of(scene)                       where they are
    caption_words(latents)                  "two people and a dog on a bench beside a car, on a road in front of some trees"

       low: the look of all pixels  scene                                 social
    0  cold - warm                  mountains - towers                    no - many persons and animals (0 to 6)
    1  magenta - green              low - high horizon                    persons - animals
    2  dark - bright                few, small - many, large structures   far - near
    3  flat - contrasty             water - sand - grass - road           elephants, dark coats - birds, light shirts
    4  shadows cold - warm          night - overcast - clear sky          on a bench, lying - standing - leaping
    5  shadows magenta - green      open - fence - wall - indoors         large car, bicycle - nothing - umbrella, balloons

An axis has opposite effects at its two ends, because the RDM of a latent depends on its direction, not on its length. The effects
of `low` are continuous (pictures.tone). What must be decided, such as a number of persons or a species, is decided here, and
picture, caption and annotations ask here, so that they say the same. A third of the pictures shows nobody, neither person nor
animal; these show a thing that COCO has a name for, so that they are inanimate and not empty.
"""

from dataclasses import dataclass

import numpy as np

N_AXES = 6
LATENTS = ("low", "scene", "social")
SPECIES = ("elephant", "zebra", "cow", "horse", "sheep", "dog", "cat", "bird")
PROPS = ("car", "bicycle", "", "umbrella", "balloons")
_PROPS_ALONE = ("car", "bicycle", "bicycle", "umbrella", "umbrella")        # where nobody is: COCO knows no balloons

_MOST = 6
_NUMBERS = ("no", "a", "two", "three", "four", "five", "six")
_GROUND_WORDS = {"water": "by the water", "sand": "on the sand", "grass": "on the grass", "road": "on a road"}
_STRUCTURE_WORDS = {"mountains": "mountains", "forest": "a forest", "trees": "some trees", "houses": "a row of houses",
                    "towers": "tall buildings"}
_BARRIER_WORDS = {"": "", "fence": " with a white fence", "wall": " with a brick wall"}
_SKY_WORDS = {"night": " at night", "overcast": " under a cloudy sky", "clear": ""}
_PROP_WORDS = {"": "", "car": "a car", "bicycle": "a bicycle", "umbrella": "a big umbrella", "balloons": "some balloons"}


@dataclass(frozen=True)
class Cast:
    """Who is in a picture, and with what."""
    n_persons: int
    n_animals: int
    species: str        # one of SPECIES, of all animals in the picture
    pose: str           # "resting", "standing" or "leaping"
    prop: str           # one of PROPS; "" is nothing
    prop_size: float    # 0.8 (small) to 1.3
    height: float       # of a standing person, as a fraction of the picture's height
    lightness: float    # of clothes: 0 dark coats, 1 light shirts


@dataclass(frozen=True)
class Setting:
    """Where a picture is. Indoors, the words on what is outside choose wall, floor and what the window shows."""
    indoors: bool
    barrier: str        # "", "fence" or "wall"
    structures: str     # "mountains", "forest", "trees", "houses" or "towers"
    ground: str         # "water", "sand", "grass" or "road"
    sky: str            # "night", "overcast" or "clear"
    horizon: float      # its distance from the picture's top, as a fraction of the picture's height
    density: float      # 0 to 1: how many and how large structures


def draw_latents(n_images, rng):
    """Latents of `n_images` pictures: a dictionary of three (n_images, 6) standard normal arrays."""
    return {name: rng.standard_normal((n_images, N_AXES)) for name in LATENTS}


def people_of(social):
    """(n_persons, n_animals) of the picture of a social latent (6,): exactly what is drawn."""
    n = min(_MOST, round(max(0.0, 1.55 + 2.4 * social[0])))         # 0 below -0.44
    n_animals = round(n * _squash(1.6 * social[1]))
    return n - n_animals, n_animals


def shows_somebody(social):
    """(n_images,) bool: is there a person or an animal in the pictures of social latents (n_images, 6)?"""
    return np.array([sum(people_of(one)) > 0 for one in social])


def cast_of(social):
    """Read a social latent (6,) as a Cast."""
    n_persons, n_animals = people_of(social)
    _, _, nearness, kind, energy, possession = (float(value) for value in social)
    return Cast(n_persons, n_animals,
                species=_choose(SPECIES, kind, (-1.15, -0.67, -0.32, 0, 0.32, 0.67, 1.15)),             # equally often
                pose=_choose(("resting", "standing", "leaping"), energy, (-0.43, 0.43)),                # equally often
                prop=_choose(PROPS if n_persons + n_animals else _PROPS_ALONE, possession, (-1, -0.3, 0.3, 1)),
                prop_size=0.7 + 0.3 * min(abs(possession), 2.0),
                height=float(np.clip(0.58 * np.exp(0.3 * nearness), 0.3, 1.05)),
                lightness=_squash(1.5 * kind))


def setting_of(scene):
    """Read a scene latent (6,) as a Setting."""
    culture, height, density, ground, sky, enclosure = (float(value) for value in scene)
    return Setting(indoors=enclosure > 0.9,
                   barrier=_choose(("", "fence", "wall"), enclosure, (-0.3, 0.4)),
                   structures=_choose(tuple(_STRUCTURE_WORDS), culture, (-1, -0.35, 0.25, 0.9)),
                   ground=_choose(tuple(_GROUND_WORDS), ground, (-0.67, 0, 0.67)),
                   sky=_choose(tuple(_SKY_WORDS), sky, (-0.8, 0)),
                   horizon=float(np.clip(0.48 - 0.1 * height, 0.22, 0.75)),
                   density=_squash(1.5 * density))


def scene_words(scene):
    """A phrase that says where: "on the sand in front of mountains at night"."""
    setting = setting_of(scene)
    if setting.indoors:
        return "in a room with a window and a bookshelf"
    return (f"{_GROUND_WORDS[setting.ground]} in front of {_STRUCTURE_WORDS[setting.structures]}"
            f"{_BARRIER_WORDS[setting.barrier]}{_SKY_WORDS[setting.sky]}")


def social_words(social):
    """A phrase that says who: "two people and a dog on a bench beside a car", "an empty bench and a bicycle"."""
    cast = cast_of(social)
    who = _join(count_words(cast.n_persons, "person", "people"), count_words(cast.n_animals, cast.species))
    prop = _PROP_WORDS[cast.prop]
    if not who:
        furniture = {"resting": "an empty bench", "standing": "", "leaping": "a hurdle"}[cast.pose]
        return _join(furniture, prop)
    resting = " on a bench" if cast.n_persons else " lying on a blanket"
    doing = {"resting": resting, "standing": "", "leaping": " jumping over a hurdle"}[cast.pose]
    return who + doing + (f" beside {prop}" if prop else "")


def caption_words(latents):
    """One plain English phrase for the picture of one image; `latents` is a dictionary of 6-vectors."""
    return f"{social_words(latents['social'])}, {scene_words(latents['scene'])}"


def count_words(n, singular, plural=None):
    """ "a dog", "an elephant", "three sheep"; "" for none."""
    if n == 0:
        return ""
    if n == 1:
        return f"an {singular}" if singular[0] in "aeiou" else f"a {singular}"
    return f"{_NUMBERS[n]} {plural or (singular if singular == 'sheep' else singular + 's')}"


def _join(first, second):
    return " and ".join(filter(None, (first, second)))


def _squash(x):
    """A number between 0 and 1: the logistic function."""
    return float(1 / (1 + np.exp(-x)))


def _choose(words, value, edges):
    """The word of the interval between `edges` that a value falls into."""
    return words[int(np.searchsorted(edges, value))]
