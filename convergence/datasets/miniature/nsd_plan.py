"""Who sees what and when in the miniature NSD: images, lists of images, master ordering, drift. Drawn from a seed; no file here.

A subject sees the shared images and some of its own, each three times, in the master ordering of all subjects (design.py). More
sessions are planned than some subjects have.
"""

from typing import NamedTuple

import numpy as np

from convergence.datasets.miniature.coco import SPLITS
from convergence.datasets.miniature.design import choose_ordering, repetitions_of
from convergence.datasets.miniature.latents import draw_latents
from convergence.datasets.miniature.responses import draw_drift, drift_similarity, stream

SESSIONS = {1: 5, 2: 5, 3: 4, 4: 3}                 # that exist, by subject
PLANNED_SESSIONS, TRIALS_PER_SESSION = 5, 60
N_SHARED, N_OWN, N_REPETITIONS = 40, 60, 3
_N_UNRELATED = 40                                   # pictures that COCO has and NSD has not
_N_IMAGES = N_SHARED + N_OWN * len(SESSIONS)
_N_FLAGGED, _N_BOLD5000_BESIDE_SHARED = 5, 10
_LAST_COCO_ID = 581929
_FRAMES = ((640, 480), (480, 640), (500, 500), (640, 427))     # width, height before cropping
_TRAIN = 0.7                                        # fraction of pictures in COCO's train split


class Plan(NamedTuple):
    seed: int
    images: object              # DataFrame indexed by nsd_id: coco_id, split, width, height, shared, flagged, bold5000
    latents: dict               # {"low": (n_images, 6), ...}
    lists: dict                 # by subject: (n_columns,) nsd_id of every column of the ordering
    ordering: np.ndarray        # (n_trials,) column on every trial
    repetition: np.ndarray      # (n_trials,) 0, 1, 2
    drift: np.ndarray           # (n_trials, n_components)
    coupling: float             # largest |r| of the drift's RDMs at a repetition shift of 1

    def shown(self, subject):
        """(n_trials,) nsd_id of every planned trial."""
        return self.lists[subject][self.ordering]


def draw_plan(seed):
    """The plan of a seed; two seconds, for the ordering."""
    images, lists = draw_images(stream(seed, "nsd", "images"))
    drift = draw_drift(TRIALS_PER_SESSION, PLANNED_SESSIONS, stream(seed, "drift"))
    ordering, coupling = choose_ordering(
        drift_similarity(drift), [n * TRIALS_PER_SESSION for n in SESSIONS.values()], stream(seed, "nsd", "ordering"),
        n_columns=N_SHARED + N_OWN, n_shared=N_SHARED, n_repetitions=N_REPETITIONS)
    return Plan(seed, images, latents_of(seed), lists, ordering, repetitions_of(ordering), drift, float(coupling))


def latents_of(seed):
    """Latents of the images: {"low": (n_images, 6), "scene": ..., "social": ...}."""
    return draw_latents(_N_IMAGES, stream(seed, "nsd", "latents"))


def draw_images(rng):
    """(images, lists) of a Plan. COCO's numbers are in another order than NSD's."""
    import pandas

    shared, *own = np.split(rng.permutation(_N_IMAGES), N_SHARED + N_OWN * np.arange(len(SESSIONS)))
    coco_id = rng.choice(_LAST_COCO_ID, _N_IMAGES, replace=False) + 1
    split = np.where(rng.random(_N_IMAGES) < _TRAIN, *SPLITS)
    width, height = np.array(_FRAMES)[rng.integers(len(_FRAMES), size=_N_IMAGES)].T
    images = pandas.DataFrame({"coco_id": coco_id, "split": split, "width": width, "height": height, "shared": False,
                               "flagged": False, "bold5000": False}, index=range(_N_IMAGES))
    images.loc[shared, ["shared", "bold5000"]] = True
    images.loc[rng.choice(np.concatenate(own), _N_BOLD5000_BESIDE_SHARED, replace=False), "bold5000"] = True
    images.loc[rng.choice(_N_IMAGES, _N_FLAGGED, replace=False), "flagged"] = True
    return images, {subject: np.concatenate([shared, mine]) for subject, mine in zip(SESSIONS, own)}


def draw_unrelated(taken, rng):
    """[(coco_id, split, width, height), ...] of pictures that are not NSD's."""
    free = np.setdiff1d(np.arange(1, _LAST_COCO_ID + 1), taken)
    return [(int(coco_id), SPLITS[k % len(SPLITS)], *_FRAMES[k % len(_FRAMES)])
            for k, coco_id in enumerate(rng.choice(free, _N_UNRELATED, replace=False))]
