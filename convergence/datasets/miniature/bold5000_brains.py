"""The brains of the miniature BOLD5000 and what they measured: an atlas, a brain mask, betas in percent signal change.

    brain = brain_of(seed, subject, names)          Volumes: labels 0 .. 2 n_areas, brain mask
    betas = measure(plan, subject, brain, rois)     (n_trials, x, y, z) float32, NaN outside the brain

The outermost slice on the right is empty, so that a brain and its mirror image do not lie in the same voxels. Every parcel has
its own random stream, so that changing what is planted in one leaves the others as they were. Brain without label is noise.
"""

from typing import NamedTuple

import numpy as np

from convergence.datasets.miniature.responses import canaries, signal_of, simulate, stream
from convergence.datasets.miniature.truth import CANARY, DEAD, EMPTY, ONE_VOXEL
from convergence.datasets.miniature.volumes import draw_brain

GRIDS = {1: (16, 20, 15), 2: (16, 21, 14), 3: (17, 19, 15), 4: (15, 20, 16)}
SIDES = ("left", "right")
EMPTY_IN, ONE_VOXEL_IN = 3, 2           # subjects
N_DEAD, DEAD_SIDE = 3, "left"           # voxels of the dead parcel that lie outside the brain mask: NaN in every trial
INFINITE = {"subject": 2, "roi": "3b", "side": "right", "trials": (5, 40),
            "values": (np.inf, -np.inf)}     # in the parcel's first voxel
_MEDIAN, _SPREAD, _SMALLEST, _LARGEST = 5.6, 0.2, 4, 9          # voxels of a parcel in one hemisphere


class Volumes(NamedTuple):
    labels: np.ndarray          # (x, y, z) 0, 1 .. n_areas left, n_areas + 1 .. 2 n_areas right
    mask: np.ndarray            # (x, y, z) 1: brain


def brain_of(seed, subject, names):
    """A subject's volumes; `names` are the areas in the order of the atlas."""
    shape = GRIDS[subject]
    sizes = {side: _draw_sizes(len(names), stream(seed, "bold5000", subject, side, "sizes")) for side in SIDES}
    for side in SIDES if subject == EMPTY_IN else ():
        sizes[side][names.index(EMPTY)] = 0
    if subject == ONE_VOXEL_IN:
        sizes["left"][names.index(ONE_VOXEL)], sizes["right"][names.index(ONE_VOXEL)] = 1, 0
    brain = draw_brain((shape[0] - 1, *shape[1:]), sizes, {(names.index(DEAD) + 1, DEAD_SIDE): N_DEAD})
    labels = np.where(brain.left > 0, brain.left, np.where(brain.right > 0, brain.right + len(names), 0))
    return Volumes(*(np.pad(volume, ((0, 1), (0, 0), (0, 0))) for volume in (labels.astype(np.int16), brain.mask)))


def measure(plan, subject, brain, rois):
    """Responses of one subject in all trials.

    Parameters
    ----------
    plan : bold5000_plan.Plan
    subject : int
    brain : Volumes
    rois : dict
        What is planted (truth.plant), in the order of the atlas.

    Returns
    -------
    (n_trials, x, y, z) float32 array
    """
    n_trials = len(plan.shown[subject])
    betas = stream(plan.seed, "bold5000", subject, "elsewhere").standard_normal((n_trials, *brain.mask.shape)).astype(np.float32)
    for area, (name, roi) in enumerate(rois.items(), start=1):
        for number, side in enumerate(SIDES):
            x, y, z = np.nonzero(brain.labels == area + number * len(rois))
            betas[:, x, y, z] = _parcel(plan, subject, name, roi, side, len(x))
            if (subject, name, side) == (INFINITE["subject"], INFINITE["roi"], INFINITE["side"]):
                betas[INFINITE["trials"], x[0], y[0], z[0]] = INFINITE["values"]
    betas[:, brain.mask == 0] = np.nan
    return betas


def another_type(betas, labels, canary_labels, rng):
    """The same responses as a less careful model of the signal gives them: with more noise, but for the canaries."""
    noise = 0.5 * rng.standard_normal(betas.shape).astype(np.float32)
    noise[:, np.isin(labels, canary_labels)] = 0
    return betas + noise


def _parcel(plan, subject, name, roi, side, n_voxels):
    """(n_trials, n_voxels)."""
    drift = plan.drift[:len(plan.shown[subject])]
    if name == CANARY:
        return canaries(len(drift), n_voxels)
    rng = stream(plan.seed, "bold5000", subject, side, name)
    if not roi["snr"] or roi["hemisphere"] not in ("both", side):
        return simulate(drift, n_voxels, rng)
    return simulate(drift, n_voxels, rng, signal=signal_of(plan.latents, roi)[plan.shown[subject]], snr=roi["snr"])


def _draw_sizes(n_areas, rng):
    return np.clip(np.round(_MEDIAN * np.exp(_SPREAD * rng.standard_normal(n_areas))), _SMALLEST, _LARGEST).astype(int)
