"""Who sees what and when in the miniature THINGS-fMRI: concepts, pictures, each subject's order of trials, drift.

Train pictures are shown once, test pictures once in every session. Every subject sees all of them in an order of its own, so that
where the same picture is shown, the clock is another: unlike in NSD, drift is not in step with the pictures. What coupling is
left by chance is made small by drawing many orders and keeping the best.

What a picture shows is drawn from its latents and has nothing to do with the name of its concept.
"""

from typing import NamedTuple

import numpy as np

from convergence.datasets.miniature.latents import draw_latents
from convergence.datasets.miniature.responses import draw_drift, drift_similarity, stream
from convergence.datasets.things import files

SUBJECTS = (1, 2, 3)
N_SESSIONS, N_RUNS, TRIALS_PER_RUN = 3, 2, 25
N_TRAIN_CONCEPTS, N_TRAIN_PER_CONCEPT, N_TEST = 30, 4, 10
N_UNSHOWN_BESIDE, N_UNSHOWN_PER_CONCEPT = 8, 2              # pictures that nobody saw: of shown concepts; of each other concept
_N_ORDERS = 200
_SIZE = N_RUNS * TRIALS_PER_RUN

HIGHER = ("animal", "bird", "body part", "clothing", "clothing accessory", "container", "dessert", "drink", "electronic device",
          "food", "fruit", "furniture", "home decor", "insect", "kitchen appliance", "kitchen tool", "medical equipment",
          "musical instrument", "office supply", "part of car", "plant", "sports equipment", "tool", "toy", "vegetable",
          "vehicle", "weapon")
# Concepts in the order of unique_id.csv, with their higher-level categories.
CONCEPTS = {
    "aardvark": "animal", "acorn": "plant", "apple": "food;fruit", "backpack": "clothing accessory;container",
    "banjo": "musical instrument", "bat1": "animal", "bat2": "sports equipment", "bee": "animal;insect", "camel": "animal",
    "chair": "furniture", "dog": "animal", "drum": "musical instrument", "eggplant": "food;vegetable", "fork": "kitchen tool",
    "grenade": "weapon", "hammer": "tool", "ice-cream_cone": "dessert;food", "jeep": "vehicle", "kite": "toy",
    "lemon": "food;fruit", "mug": "container", "nose": "body part", "owl": "animal;bird", "puddle": "", "quill": "office supply",
    "radio": "electronic device", "sandal": "clothing", "scissors": "office supply;tool", "stethoscope": "medical equipment",
    "stove": "kitchen appliance", "t-shirt": "clothing", "tea": "drink", "umbrella": "clothing accessory", "vase": "home decor",
    "wheel": "part of car", "zebra": "animal"}
_FOLDERS = ("A-C", "D-K", "L-Q", "R-S", "T-Z")


class Plan(NamedTuple):
    seed: int
    images: object              # DataFrame indexed by things_id: image_name, category, category_id, kind (train, ...), path
    latents: dict               # {"low": (n_images, 6), ...}
    shown: dict                 # by subject: (n_trials,) things_id of every trial
    drift: np.ndarray           # (n_trials, n_components)
    coupling: float             # largest |r| of the drift's RDMs between two subjects in a session


def draw_plan(seed):
    """The plan of a seed; a second."""
    images = draw_images(stream(seed, "things", "images"))
    drift = draw_drift(_SIZE, N_SESSIONS, stream(seed, "things", "drift"))
    shown, coupling = choose_orders(images, drift_similarity(drift), stream(seed, "things", "orders"))
    return Plan(seed, images, draw_latents(len(images), stream(seed, "things", "latents")), shown, drift, coupling)


def draw_images(rng):
    """The images of a Plan, in the code-point order of their file names."""
    import pandas

    names = list(CONCEPTS)
    used = sorted(rng.choice(names, N_TRAIN_CONCEPTS, replace=False))
    kinds = {name: ["train"] * N_TRAIN_PER_CONCEPT if name in used else ["unshown"] * N_UNSHOWN_PER_CONCEPT for name in names}
    for kind, n_images in (("test", N_TEST), ("unshown", N_UNSHOWN_BESIDE)):
        for name in rng.choice(used, n_images, replace=False):
            kinds[str(name)].append(kind)
    rows = []
    for category_id, name in enumerate(names):
        for number, kind in enumerate(rng.permutation(kinds[name]), start=1):
            image = f"{name}_{number:02d}{'b' if number == 1 else 's'}"
            path = f"{files.PICTURES}/object_images_{_folder(name)}/{name}/{image}.jpg"
            rows.append((image, name, category_id, str(kind), path))
    images = pandas.DataFrame(rows, columns=["image_name", "category", "category_id", "kind", "path"])
    return images.sort_values("image_name", key=lambda names: names + ".jpg", ignore_index=True).rename_axis("things_id")


def choose_orders(images, similarity, rng):
    """({subject: (n_trials,) things_id}, coupling): of many orders, those in which drift looks least like agreement."""
    best, least = None, np.inf
    for _ in range(_N_ORDERS):
        shown = {subject: _draw_order(images, rng) for subject in SUBJECTS}
        coupling = max(abs(r) for r in _couplings(shown, similarity))
        if coupling < least:
            best, least = shown, coupling
    return best, float(least)


def repetitions_of(shown):
    """(n_trials,) how often the picture was shown before."""
    import pandas
    return pandas.Series(shown).groupby(shown).cumcount().to_numpy()


def _draw_order(images, rng):
    train, test = (images.index[images["kind"] == kind].to_numpy() for kind in ("train", "test"))
    parts = np.split(rng.permutation(train), N_SESSIONS)
    return np.concatenate([rng.permutation(np.concatenate([part, test])) for part in parts])


def _couplings(shown, similarity):
    """r of the drift's RDMs for ordered pairs of subjects and sessions of the first; trials paired by image and repetition."""
    for i, mine in shown.items():
        for j, theirs in shown.items():
            if i == j:
                continue
            place = {key: trial for trial, key in enumerate(zip(theirs, repetitions_of(theirs)))}
            partner = np.array([place[key] for key in zip(mine, repetitions_of(mine))])
            for first in range(0, len(mine), _SIZE):
                rows, above = np.arange(first, first + _SIZE), np.triu_indices(_SIZE, 1)
                a, b = (similarity[np.ix_(trials, trials)][above] for trials in (rows, partner[rows]))
                yield np.corrcoef(a, b)[0, 1]


def _folder(name):
    return next(folder for folder in _FOLDERS if folder[0] <= name[0].upper() <= folder[-1])
