"""The brains of the miniature NSD and what they measured: label volumes and betas as percent signal change x 300, int16.

    brain, betas = measure(plan, subject, rois)     betas (n_trials, x, y, z)

Every parcel has its own random stream, so that changing what is planted in one leaves the others as they were. Brain without
label is noise.
"""

import numpy as np

from convergence.datasets.miniature.responses import as_int16, canaries, signal_of, simulate, stream
from convergence.datasets.miniature.truth import CANARY, DEAD, EMPTY, ONE_VOXEL
from convergence.datasets.miniature.volumes import draw_brain, draw_sizes

GRIDS = {1: (20, 24, 18), 2: (21, 23, 18), 3: (20, 25, 17), 4: (22, 22, 18)}
SIDES = ("left", "right")
EMPTY_IN, ONE_VOXEL_IN = 3, 2           # subjects
N_DEAD, DEAD_SIDE = 3, "left"           # voxels of the dead parcel that lie outside the brain mask


def measure(plan, subject, rois):
    """One subject's brain and all planned trials.

    Parameters
    ----------
    plan : nsd_plan.Plan
    subject : int
    rois : dict
        What is planted (truth.plant), in the order of the atlas.

    Returns
    -------
    brain : volumes.Brain
    betas : (n_trials, x, y, z) int16
        0 outside the brain mask.
    """
    brain = brain_of(plan.seed, subject, list(rois))
    n_trials = len(plan.ordering)
    betas = as_int16(stream(plan.seed, "nsd", subject, "elsewhere").standard_normal((n_trials, *brain.mask.shape)))
    for area, (name, roi) in enumerate(rois.items(), start=1):
        for side in SIDES:
            x, y, z = brain.voxels(area, side)
            betas[:, x, y, z] = _parcel(plan, subject, name, roi, side, len(x))
    betas *= brain.mask.astype(np.int16)
    return brain, betas


def brain_of(seed, subject, names):
    """A subject's volumes; `names` are the areas in the order of the atlas."""
    sizes = {side: draw_sizes(len(names), stream(seed, "nsd", subject, side, "sizes")) for side in SIDES}
    if subject == EMPTY_IN:
        for side in SIDES:
            sizes[side][names.index(EMPTY)] = 0
    if subject == ONE_VOXEL_IN:
        sizes["left"][names.index(ONE_VOXEL)], sizes["right"][names.index(ONE_VOXEL)] = 1, 0
    return draw_brain(GRIDS[subject], sizes, {(names.index(DEAD) + 1, DEAD_SIDE): N_DEAD})


def _parcel(plan, subject, name, roi, side, n_voxels):
    """(n_trials, n_voxels) int16."""
    if name == CANARY:
        return canaries(len(plan.ordering), n_voxels)
    rng = stream(plan.seed, "nsd", subject, side, name)
    if not roi["snr"] or roi["hemisphere"] not in ("both", side):
        return as_int16(simulate(plan.drift, n_voxels, rng))
    signal = signal_of(plan.latents, roi)[plan.shown(subject)]
    return as_int16(simulate(plan.drift, n_voxels, rng, signal=signal, snr=roi["snr"]))
