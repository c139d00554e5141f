"""Little brains: label volumes, a brain mask, and NIfTI files whose bytes depend on their content alone.

A brain is a rounded box. Its outermost voxels on either side are cortex, cut into parcels of the sizes asked for.
Files are written as the real ones are: 1-mm voxels in left-posterior-inferior order, the origin in the middle, gzip.
"""

import gzip
from typing import NamedTuple

import numpy as np

MEDIAN_SIZE, SPREAD, SMALLEST, LARGEST = 12.4, 0.25, 7, 24         # voxels of a parcel in one hemisphere
_UNLABELLED = 40                                                    # voxels of cortex without label, in each hemisphere


class Brain(NamedTuple):
    """Volumes (x, y, z) of one subject."""
    left: np.ndarray            # -1: not cortex of the left hemisphere, 0: its cortex without label, 1 .. n_areas
    right: np.ndarray
    mask: np.ndarray            # 1: brain

    def voxels(self, area, side):
        """(3, n_voxels) coordinates of an area, in C order, the order that a boolean mask gives."""
        return np.array(np.nonzero((self.left if side == "left" else self.right) == area))

    @property
    def combined(self):
        """The same areas for both hemispheres: left first, right filled in."""
        return np.maximum(self.left, self.right)


def draw_sizes(n_areas, rng):
    """(n_areas,) number of voxels of every area in one hemisphere."""
    return np.clip(np.round(MEDIAN_SIZE * np.exp(SPREAD * rng.standard_normal(n_areas))), SMALLEST, LARGEST).astype(int)


def draw_brain(shape, sizes, outside_mask):
    """A brain whose areas have the given sizes.

    Parameters
    ----------
    shape : (3,) ints
    sizes : {"left": (n_areas,), "right": (n_areas,)} int arrays
        Voxels of every area.
    outside_mask : {(area, side): int}
        How many voxels of an area lie outside the brain mask.
    """
    mask = _rounded_box(shape) <= 1
    halves = {"left": np.arange(shape[0]) < shape[0] // 2, "right": np.arange(shape[0]) >= (shape[0] + 1) // 2}
    labels = {side: _label(mask & half[:, None, None], sizes[side]) for side, half in halves.items()}
    brain = Brain(labels["left"], labels["right"], mask.astype(np.uint8))
    for (area, side), n_voxels in outside_mask.items():
        brain.mask[tuple(brain.voxels(area, side)[:, :n_voxels])] = 0
    return brain


def nifti_writer(values):
    """The writer of a .nii.gz file: a function of a path. The same values give the same bytes."""
    def write(path):
        import nibabel

        affine = np.eye(4)
        affine[:3, 3] = -(np.array(values.shape[:3]) - 1) / 2
        image = nibabel.Nifti1Image(values, affine)
        image.header.set_xyzt_units("mm")
        with open(path, "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as file:
            file.write(image.to_bytes())
    return write


def _rounded_box(shape):
    """(x, y, z) distance from the middle, 1 at the brain's surface."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return sum(axis**4 for axis in axes)


def _label(hemisphere, sizes):
    """Labels of one hemisphere: its outermost voxels, cut into pieces that hang together."""
    distance = np.where(hemisphere, _rounded_box(hemisphere.shape), -1)
    n_cortex = sizes.sum() + _UNLABELLED
    if n_cortex > hemisphere.sum():
        raise ValueError(f"sizes: {n_cortex} voxels of cortex do not fit into the {hemisphere.sum()} of a hemisphere; use "
                         "smaller areas or a larger volume")
    cortex = np.sort(np.argsort(distance, axis=None, kind="stable")[-n_cortex:])
    labels = np.full(hemisphere.shape, -1, dtype=np.int16)
    labels.flat[cortex] = 0
    labels.flat[_winding(cortex, hemisphere.shape)[:sizes.sum()]] = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    return labels


def _winding(places, shape):
    """Places of a volume, front to back in slabs of three slices, around the middle within a slab."""
    x, y, z = np.unravel_index(places, shape)
    angle = np.arctan2(z - (shape[2] - 1) / 2, x - x.mean())
    return places[np.lexsort((angle, y // 3))]
