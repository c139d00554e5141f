"""The brains of the miniature THINGS-fMRI and what they measured: a table of voxels and responses of every voxel to every trial.

    brain = brain_of(seed, subject, names)              Voxels: places, areas, sides; the brain mask
    responses = measure(plan, subject, brain, rois)     (n_voxels, n_trials), of the type of the subject's file

Brains fill x = 1 to 15 of 16, so that the middle is at 8: left below. The table has all voxels with an area and some without.
Every parcel has its own random stream, so that changing what is planted in one leaves the others as they were.
"""

from typing import NamedTuple

import numpy as np

from convergence.datasets.miniature.responses import canaries, signal_of, simulate, stream
from convergence.datasets.miniature.truth import CANARY, DEAD, EMPTY, ONE_VOXEL
from convergence.datasets.miniature.volumes import draw_brain

GRIDS = {1: (16, 23, 19), 2: (16, 25, 19), 3: (16, 23, 21)}
TYPES = {1: np.float32, 2: np.float64, 3: np.float32}       # of the responses, by subject
SIDES = ("left", "right")
N_UNLABELLED = 300
EMPTY_IN, ONE_VOXEL_IN = 2, 3           # subjects
N_DEAD, DEAD_SIDE = 3, "left"           # voxels of the dead parcel that are 0 in every trial
_MEDIAN, _SPREAD, _SMALLEST, _LARGEST = 8.8, 0.25, 5, 16    # voxels of a parcel in one hemisphere


class Voxels(NamedTuple):
    places: np.ndarray          # (n_voxels, 3) x, y, z, in C order
    area: np.ndarray            # (n_voxels,) 1 .. n_areas, 0: none
    left: np.ndarray            # (n_voxels,) bool
    mask: np.ndarray            # (x, y, z) 1: brain


def brain_of(seed, subject, names):
    """A subject's voxels; `names` are the areas in the order of the atlas."""
    shape = GRIDS[subject]
    sizes = {side: _draw_sizes(len(names), stream(seed, "things", subject, side, "sizes")) for side in SIDES}
    for side in SIDES if subject == EMPTY_IN else ():
        sizes[side][names.index(EMPTY)] = 0
    if subject == ONE_VOXEL_IN:
        sizes["left"][names.index(ONE_VOXEL)], sizes["right"][names.index(ONE_VOXEL)] = 1, 0
    brain = draw_brain((shape[0] - 1, *shape[1:]), sizes, {})
    left, right, mask = (np.pad(volume, ((1, 0), (0, 0), (0, 0)), constant_values=fill)
                         for volume, fill in ((brain.left, -1), (brain.right, -1), (brain.mask, 0)))
    area = np.maximum(np.maximum(left, right), 0)
    free = np.flatnonzero((mask > 0) & (area == 0))
    chosen = area.ravel() > 0
    chosen[stream(seed, "things", subject, "unlabelled").choice(free, N_UNLABELLED, replace=False)] = True
    places = np.argwhere(chosen.reshape(shape))
    return Voxels(places, area[tuple(places.T)], places[:, 0] < shape[0] // 2, mask)


def measure(plan, subject, brain, rois):
    """Responses of one subject.

    Parameters
    ----------
    plan : things_plan.Plan
    subject : int
    brain : Voxels
    rois : dict
        What is planted (truth.plant), in the order of the atlas.

    Returns
    -------
    (n_voxels, n_trials) array
    """
    n_trials = len(plan.drift)
    responses = stream(plan.seed, "things", subject, "elsewhere").standard_normal((len(brain.area), n_trials))
    for area, (name, roi) in enumerate(rois.items(), start=1):
        for side in SIDES:
            rows = np.flatnonzero((brain.area == area) & (brain.left == (side == "left")))
            responses[rows] = _parcel(plan, subject, name, roi, side, len(rows)).T
            if (name, side) == (DEAD, DEAD_SIDE):
                responses[rows[:N_DEAD]] = 0
    return responses.astype(TYPES[subject])


def _parcel(plan, subject, name, roi, side, n_voxels):
    """(n_trials, n_voxels)."""
    if name == CANARY:
        return canaries(len(plan.drift), n_voxels)
    rng = stream(plan.seed, "things", subject, side, name)
    if not roi["snr"] or roi["hemisphere"] not in ("both", side):
        return simulate(plan.drift, n_voxels, rng)
    return simulate(plan.drift, n_voxels, rng, signal=signal_of(plan.latents, roi)[plan.shown[subject]], snr=roi["snr"])


def _draw_sizes(n_areas, rng):
    return np.clip(np.round(_MEDIAN * np.exp(_SPREAD * rng.standard_normal(n_areas))), _SMALLEST, _LARGEST).astype(int)
