"""The parcels in a subject's space: one label volume on the grid of the betas, made by some registration, and tested here.

    labels = checked_labels(root, work, subject, n_areas)   (x, y, z) uint16: 1 .. n_areas left, n_areas + 1 .. 2 n_areas right

Five tests, each a ValueError with the numbers: the grid of the brain mask; labels as an atlas has them; nearly all of them;
left labels left of the right ones, area by area, in the orientation that the atlas' own header states (the betas' header states
none); labels inside the brain mask, and better so than their mirror image, which a volume whose data and header were flipped
together would not be.

Accepted forms, told apart by the labels: 1 .. 2 n_areas; 1 .. n_areas left and 200 + area right; 1 .. n_areas on both sides
with a volume of hemispheres beside it (files.hemispheres_file).
"""

import numpy as np

from convergence.datasets.bold5000 import files
from convergence.datasets.bold5000.volumes import by, read_labels

LEAST_INSIDE = 0.75             # fraction of labelled voxels that lie in the brain mask
LESS_THAN_MIRRORED = 0.02       # by how much the mirror image must fit better to be believed
MOST_ABSENT = 0.1               # fraction of labels without a voxel; a few small areas vanish at 2 mm
MOST_SWAPPED = 0.05             # fraction of areas whose left parcel may lie right of its right one
_RIGHT_OFFSET = 200             # of the atlas in MNI space whose right labels are 200 + area
_MAKE = "make it again with 1_dataset_preparation/warp_atlas.sh, the reference volume on the grid of the betas"


def checked_labels(root, work, subject, n_areas):
    """The labels of a subject, after all tests.

    Parameters
    ----------
    root, work : path
    subject : int
    n_areas : int
        Areas of one hemisphere.

    Returns
    -------
    (x, y, z) uint16 array

    Raises
    ------
    FileNotFoundError, ValueError
        No atlas or no brain mask; a test failed.
    """
    path = files.atlas_file(root, work, subject)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; 1_dataset_preparation/warp_atlas.sh makes it from the atlas in MNI space")
    atlas, mask = read_labels(path), read_labels(files.brain_mask_file(root, subject)).values
    if atlas.values.shape != mask.shape:
        raise ValueError(f"{path} has {by(atlas.values.shape)} voxels; expected {by(mask.shape)} as in the brain mask of "
                         f"CSI{subject}; {_MAKE}")
    labels = _both_sides(path, atlas.values, n_areas, files.hemispheres_file(root, work, subject))
    _check_presence(path, labels, n_areas)
    _check_sides(path, labels, atlas, n_areas)
    _check_mask(path, labels, mask)
    return labels


def absent_labels(labels, n_areas):
    """Labels that no voxel has, ascending: small areas can vanish between voxels of 2 mm."""
    return sorted(set(range(1, 2 * n_areas + 1)) - set(np.unique(labels).tolist()))


def centroids(labels, affine):
    """(n_labels, 3) middle of every label that there is, in millimetres, and the labels themselves."""
    x, y, z = np.nonzero(labels)
    present, number = np.unique(labels[x, y, z], return_inverse=True)
    count = np.bincount(number)
    voxels = np.stack([np.bincount(number, axis) / count for axis in (x, y, z)], axis=1)
    return voxels @ affine[:3, :3].T + affine[:3, 3], present


def _both_sides(path, values, n_areas, hemispheres):
    """Labels 0 to 2 n_areas from whichever form."""
    found = np.unique(values[values != 0])
    single, double = set(range(1, n_areas + 1)), set(range(1, 2 * n_areas + 1))
    if found.size and set(found.tolist()) <= single:
        return _with_hemispheres(path, values, n_areas, hemispheres)
    offset = {*single, *(_RIGHT_OFFSET + area for area in single)}
    if found.size and set(found.tolist()) <= double and (found > n_areas).any() and (found <= n_areas).any():
        return values.astype(np.uint16)
    if found.size and set(found.tolist()) <= offset:
        return np.where(values > _RIGHT_OFFSET, values - _RIGHT_OFFSET + n_areas, values).astype(np.uint16)
    strange = sorted(set(found.tolist()) - double)
    some = f"{len(strange)} others, such as {strange[:3]}" if strange else "none of one of the hemispheres"
    raise ValueError(f"{path} holds {found.size} labels from {min(found, default=0)} to {max(found, default=0)}; expected 1 to "
                     f"{n_areas} (left) and {n_areas + 1} to {2 * n_areas} or {_RIGHT_OFFSET + 1} to {_RIGHT_OFFSET + n_areas} "
                     f"(right), found {some}; {_MAKE}")


def _with_hemispheres(path, values, n_areas, hemispheres):
    if not hemispheres.exists():
        raise ValueError(f"{path} holds the labels 1 to {values.max()} only, the same on both sides; put a volume with 1 in "
                         f"the left and 2 in the right hemisphere beside it as {hemispheres.name} (warp_atlas.sh "
                         f"--hemispheres), or use an atlas with labels 1 to {2 * n_areas}")
    sides = read_labels(hemispheres).values
    if sides.shape != values.shape or set(np.unique(sides).tolist()) - {0, 1, 2}:
        raise ValueError(f"{hemispheres} has {by(sides.shape)} voxels and values {np.unique(sides)[:5].tolist()}; expected 0, "
                         f"1 (left) and 2 (right) on the grid {by(values.shape)} of {path.name}")
    without = np.count_nonzero((values > 0) & (sides == 0))
    if without:
        raise ValueError(f"{hemispheres} has neither 1 nor 2 in {without} of {np.count_nonzero(values)} labelled voxels of "
                         f"{path.name}; every labelled voxel needs a hemisphere")
    return np.where((values > 0) & (sides == 2), values + n_areas, values).astype(np.uint16)


def _check_presence(path, labels, n_areas):
    absent = absent_labels(labels, n_areas)
    if len(absent) > MOST_ABSENT * 2 * n_areas:
        raise ValueError(f"{path} has no voxel of {len(absent)} of {2 * n_areas} labels, such as {absent[:3]}; expected at most "
                         f"{MOST_ABSENT:.0%} to be absent (small areas vanish between voxels); look at the registration, and "
                         f"{_MAKE}")


def _check_sides(path, labels, atlas, n_areas):
    if not atlas.oriented:
        raise ValueError(f"{path} has no orientation in its header (qform and sform codes are 0), so that left and right "
                         f"cannot be told apart; {_MAKE} and with an orientation of its own, such as the mean functional "
                         "volume")
    middles, present = centroids(labels, atlas.affine)
    x_of = dict(zip(present.tolist(), middles[:, 0].tolist()))
    both = [area for area in range(1, n_areas + 1) if area in x_of and area + n_areas in x_of]
    swapped = [area for area in both if x_of[area] >= x_of[area + n_areas]]
    left, right = (middles[side, 0].mean() for side in (present <= n_areas, present > n_areas))
    if len(swapped) > MOST_SWAPPED * len(both) or left >= right:
        what = "is mirrored" if len(swapped) > len(both) / 2 else "mixes left and right"
        raise ValueError(f"{path} {what}: the middle of the left labels (1 to {n_areas}) is at x = {left:.1f} mm, that of the "
                         f"right at {right:.1f} mm, and {len(swapped)} of {len(both)} areas lie further right in the left "
                         f"hemisphere than in the right; expected left at smaller x and at most {MOST_SWAPPED:.0%} of areas; "
                         f"{_MAKE}")


def _check_mask(path, labels, mask):
    labelled = labels > 0
    inside, mirrored = (np.count_nonzero(mask[volume] > 0) / np.count_nonzero(labelled) for volume in (labelled, labelled[::-1]))
    if mirrored - inside > LESS_THAN_MIRRORED:
        raise ValueError(f"{path} seems mirrored: {inside:.1%} of its labelled voxels lie in the brain mask, of its left-right "
                         f"mirror image {mirrored:.1%}; was it or its reference reoriented (fslreorient2std)? {_MAKE}")
    if inside < LEAST_INSIDE:
        raise ValueError(f"{path}: {inside:.1%} of its labelled voxels lie in the brain mask, expected at least "
                         f"{LEAST_INSIDE:.0%}; look at the registration, and {_MAKE}")
