"""NSD's volumes: betas from .nii.gz or .hdf5, all the same to who reads them, and the label volume of both hemispheres.

    header = read_header(path)                  nifti.Header or hdf5.Header: .path, .shape (x, y, z, n_trials), .dtype, ...
    check_header(header, grid, n_trials)        a ValueError unless the file is a session on this grid
    write_voxels(header, offsets, path)         its voxels as a .npy: (n_trials, n_voxels) int16, the same bytes from either kind
    read_through(header)                        every byte, up to the checksums
    labels, affine = joined_labels(root, subject, n_areas, source)

NSD publishes a ROI volume as lh., rh. and a plain one: -1 (not cortex of this hemisphere), 0 (cortex without label) or a label
from 1. Joined, left labels keep their numbers and right ones follow: label + n_areas, the number of labels that the volume
can have in a hemisphere (180 of HCP_MMP1, 1 of nsdgeneral, 7 of streams, 25 of Kastner2015), whether a subject has them all or
not.
"""

import gzip
import os
from collections import Counter
from pathlib import Path

import numpy as np

from convergence.datasets import nifti
from convergence.datasets.matrices import write_npy_header
from convergence.datasets.nsd import files, hdf5

TYPE = np.dtype("<i2")              # of betas, as published


def read_header(path, grid=None):
    """What a file says about itself.

    Parameters
    ----------
    path : path
        A .nii.gz or .hdf5 file.
    grid : (3,) ints, optional
        Only for .hdf5: the grid by which its axes are told apart; default: that of the brain mask two folders up.

    Raises
    ------
    FileNotFoundError, ValueError
        No file; none of this kind.
    """
    return hdf5.read_header(path, grid) if str(path).endswith(".hdf5") else nifti.read_header(path)


def write_voxels(header, offsets, path):
    """Write the betas of some voxels as a .npy: (n_trials, n_voxels) int16.

    Parameters
    ----------
    header : nifti.Header or hdf5.Header
    offsets : (n_voxels,) ints
        Place of each voxel in a volume, x fastest.
    path : path

    Raises
    ------
    ValueError
        Damage, or a scaling, that only reading on can tell.
    """
    shape = (header.shape[3], len(offsets))
    if isinstance(header, hdf5.Header):
        if 0 in shape:
            np.save(path, np.empty(shape, TYPE))
        else:
            hdf5.gather(header, offsets, _allocated(path, shape))
        return
    with open(path, "wb") as file:
        write_npy_header(file, shape, TYPE)
        for values in nifti.stream(header):
            file.write(whole_numbers(values[offsets], header).astype(TYPE).tobytes())


def read_through(header):
    """Read a file to its end; ValueError where it is damaged."""
    if isinstance(header, hdf5.Header):
        hdf5.gather(header, np.arange(np.prod(header.shape[:3])))
        return
    for _ in nifti.stream(header):
        pass


def _allocated(path, shape):
    """A .npy on the disk to be filled in any order; a disk that is too full is an OSError here, not a crash later."""
    with open(path, "wb") as file:
        write_npy_header(file, shape, TYPE)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), file.tell(), int(np.prod(shape)) * TYPE.itemsize)
        else:
            file.truncate(file.tell() + int(np.prod(shape)) * TYPE.itemsize)
    return np.load(path, mmap_mode="r+")


def whole_numbers(values, header):
    """The betas that stored values mean: slope and intercept undone, as int16.

    Raises
    ------
    ValueError
        The header scales to numbers that are not whole or do not fit into 16 bits: the file is not in NSD's unit (percent signal
        change x 300).
    """
    if (header.slope, header.inter) == (1, 0):
        return values
    scaled = values * header.slope + header.inter
    rounded = np.rint(scaled)
    limits = np.iinfo(np.int16)
    if not np.array_equal(scaled, rounded) or scaled.min(initial=0) < limits.min or scaled.max(initial=0) > limits.max:
        raise ValueError(f"{header.path}: slope {header.slope:g} and intercept {header.inter:g} of its header give values that "
                         "are not whole numbers of 16 bits; expected NSD's betas, percent signal change x 300 as int16")
    return rounded.astype(np.int16)


def check_header(header, shape, n_volumes):
    """ValueError unless a beta file has int16 values, the grid `shape` of the ROI volumes, and `n_volumes` volumes."""
    if header.dtype.kind != "i" or header.dtype.itemsize != 2:
        raise ValueError(f"{header.path} holds values of type {header.dtype}; expected int16 (percent signal change x 300)")
    if header.shape[:3] != tuple(shape):
        raise ValueError(f"{header.path} has volumes of {_by(header.shape[:3])} voxels; expected {_by(shape)} as in the "
                         f"subject's ROI volumes; download both from {Path(header.path).parent.parent.name} of the same subject")
    if header.shape[3] != n_volumes:
        raise ValueError(f"{header.path} has {header.shape[3]} volumes; expected {n_volumes}, one for each trial of the session; "
                         "download it again")


def usual_count(headers):
    """The number of volumes that most files have (of two equally frequent ones the larger)."""
    return max(Counter(header.shape[3] for header in headers).items(), key=lambda item: item[::-1])[0]


def read_labels(path):
    """(labels int32 (x, y, z), affine) of a label volume; ValueError if it holds anything but whole numbers."""
    import nibabel

    nifti.read_header(path)                             # for its messages
    image = nibabel.load(path)
    try:
        values = np.asarray(image.dataobj)
    except (*nifti.DAMAGED, OSError, ValueError) as error:
        raise ValueError(f"{path} is truncated or damaged ({error}); download it again") from error
    labels = np.nan_to_num(values).astype(np.int32)
    if not np.array_equal(labels, values):
        raise ValueError(f"{path} holds values that are not whole numbers; expected labels")
    return labels, image.affine


def label_sources(root, subject, source=files.Source()):
    """The three label volumes that NSD publishes for a subject: left, right, combined."""
    return tuple(Path(root) / path for path in files.label_files(subject, source))


def joined_labels(root, subject, n_areas, source=files.Source()):
    """One label volume of both hemispheres: 1..n_areas left, n_areas + 1.. 2 n_areas right, 0 elsewhere.

    NSD's lh. and rh. volumes hold -1 (not cortex of this hemisphere), 0 (cortex without label) or the area; the combined volume
    the area of whichever hemisphere. No voxel may belong to both, and the combined volume must agree.

    Returns
    -------
    labels : (x, y, z) uint16
    affine : (4, 4)

    Raises
    ------
    ValueError
        Grids that differ, labels outside -1..n_areas, voxels in both hemispheres, disagreement with the combined volume.
    """
    paths = label_sources(root, subject, source)
    (left, affine), (right, _), (combined, _) = (read_labels(path) for path in paths)
    for path, labels in zip(paths, (left, right, combined)):
        if labels.shape != left.shape:
            raise ValueError(f"{path} has {_by(labels.shape)} voxels; expected {_by(left.shape)} as in {paths[0].name}")
        if labels.min() < -1 or labels.max() > n_areas:
            raise ValueError(f"{path} holds labels from {labels.min()} to {labels.max()}; expected -1 to {n_areas}")
    both = np.count_nonzero((left > 0) & (right > 0))
    if both:
        raise ValueError(f"{paths[0]} and {paths[1].name} overlap: {both} voxels have a label in both hemispheres; download them "
                         "again")
    single = np.maximum(left, right)
    differ = np.count_nonzero((single != combined) & ((single > 0) | (combined > 0)))
    if differ:
        raise ValueError(f"{paths[2]} disagrees with {paths[0].name} and {paths[1].name} in {differ} voxels; download the three "
                         "again")
    return np.where(left > 0, left, np.where(right > 0, right + n_areas, 0)).astype(np.uint16), affine


def write_joined_labels(subject, n_areas, *, root, source=files.Source()):
    """The writer of both.HCP_MMP1.nii.gz, or of another volume: a function of a path. The same labels give the same bytes."""
    import nibabel

    labels, affine = joined_labels(root, subject, n_areas, source)
    content = gzip.compress(nibabel.Nifti1Image(labels, affine).to_bytes(), mtime=0)
    return lambda path: path.write_bytes(content)


def _by(shape):
    return " x ".join(str(n) for n in shape)
