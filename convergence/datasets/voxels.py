"""Which voxels of a volume are the columns of the ROI matrices, and their responses on a common scale.

    columns = voxel_columns(labels, wanted)     parcels side by side, each in C order of (x, y, z), as a boolean mask gives them
    volume[columns.offsets]                     a volume as the disk has it (x fastest) -> one row
    standardised(block)                         each voxel with mean 0 and variance 1
"""

from typing import NamedTuple

import numpy as np

_WIDTH = 4096                       # voxels that are standardised at a time, which bounds the memory


class Columns(NamedTuple):
    """Which voxels are the columns: parcels side by side, each in C order."""
    offsets: np.ndarray             # (n_voxels,) place of each voxel in a volume as the disk has it (x fastest)
    of_label: dict                  # label -> slice of the columns


def voxel_columns(labels, wanted):
    """The columns for the wanted labels (ascending) of a label volume (x, y, z); a label without voxels has an empty slice."""
    flat = labels.ravel()
    places = np.flatnonzero(np.isin(flat, wanted))
    places = places[np.argsort(flat[places], kind="stable")]
    starts, ends = (np.searchsorted(flat[places], wanted, side=side) for side in ("left", "right"))
    offsets = np.ravel_multi_index(np.unravel_index(places, labels.shape), labels.shape, order="F")
    return Columns(offsets, {int(label): slice(int(a), int(b)) for label, a, b in zip(wanted, starts, ends)})


def standardised(block):
    """(n_trials, n_voxels) float32: each column with mean 0 and variance 1 (divided by n_trials); a constant one is 0."""
    result = np.zeros(block.shape, dtype="<f4")
    for first in range(0, block.shape[1], _WIDTH):
        part = block[:, first:first + _WIDTH].astype(np.float64)
        part -= part.mean(axis=0)
        deviation = part.std(axis=0)
        result[:, first:first + _WIDTH] = np.where(deviation > 0, part / np.where(deviation > 0, deviation, 1), 0)
    return result
