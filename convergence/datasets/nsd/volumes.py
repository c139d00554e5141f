"""NSD's NIfTI files: headers, a stream of volumes, and the label volume of both hemispheres.

    header = read_header(path)                  Header(path, shape, dtype, offset, slope, inter), from the first bytes
    for volume in stream(header): ...           flat, one 3-D volume at a time, in the order of the disk (x fastest)
    whole_numbers(values, header)               int16, any scaling of the header undone
    labels, affine = joined_labels(root, subject, n_areas)

A session of betas is a gzip of several gigabytes; it is read once, front to back, and never held. A file that ends early, is
damaged, or does not hold what its header says is a ValueError with the file's path, what was expected and what was found.
"""

import gzip
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convergence.datasets.nsd import files

_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


class Header(NamedTuple):
    path: Path
    shape: tuple            # (x, y, z, n_volumes)
    dtype: np.dtype         # with the file's byte order
    offset: int             # of the first value, in the decompressed file
    slope: float
    inter: float


def read_header(path):
    """The header of a .nii.gz file; ValueError where it is none, FileNotFoundError where there is none."""
    import nibabel

    try:
        proxy = nibabel.load(path).dataobj
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there; 1_dataset_preparation/1_check_dataset.py lists what is missing") from None
    except Exception as error:                          # nibabel and the codecs below it raise a dozen types for damaged files
        raise ValueError(f"{path} cannot be read as NIfTI ({type(error).__name__}: {error}); download it again") from error
    shape = (*proxy.shape, 1, 1, 1, 1)[:4]
    shape = tuple(int(n) for n in shape)
    return Header(Path(path), shape, np.dtype(proxy.dtype), int(proxy.offset), float(proxy.slope), float(proxy.inter))


def stream(header):
    """Yield the volumes of a file as flat arrays (x fastest) of the file's own type, one in memory at a time.

    Raises
    ------
    ValueError
        The gzip ends early or is damaged (its checksum is compared at the end), or holds more volumes than the header says.
    """
    n_volumes, n_values = header.shape[3], int(np.prod(header.shape[:3]))
    n_bytes = n_values * header.dtype.itemsize
    index = 0
    with gzip.open(header.path, "rb") as file:
        try:
            file.read(header.offset)
            for index in range(n_volumes):
                data = file.read(n_bytes)
                if len(data) < n_bytes:
                    raise EOFError(f"{len(data)} of {n_bytes} bytes")
                yield np.frombuffer(data, header.dtype)
            index, surplus = n_volumes, 0
            while data := file.read(2**20):             # to the end, where the checksum is
                surplus += len(data)
        except _DAMAGED as error:
            raise ValueError(f"{header.path} is truncated or damaged: its header says {n_volumes} volumes, it can be read up to "
                             f"volume {index} ({error}); download it again") from error
    if surplus >= n_bytes:
        raise ValueError(f"{header.path} holds {n_volumes + surplus // n_bytes} volumes, its header says {n_volumes}; download "
                         "it again")


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
                         "subject's ROI volumes; download both from func1mm of the same subject")
    if header.shape[3] != n_volumes:
        raise ValueError(f"{header.path} has {header.shape[3]} volumes; expected {n_volumes}, one for each trial of the session; "
                         "download it again")


def usual_count(headers):
    """The number of volumes that most files have (of two equally frequent ones the larger)."""
    return max(Counter(header.shape[3] for header in headers).items(), key=lambda item: item[::-1])[0]


def read_labels(path):
    """(labels int32 (x, y, z), affine) of a label volume; ValueError if it holds anything but whole numbers."""
    import nibabel

    read_header(path)                                   # for its messages
    image = nibabel.load(path)
    try:
        values = np.asarray(image.dataobj)
    except (*_DAMAGED, OSError, ValueError) as error:
        raise ValueError(f"{path} is truncated or damaged ({error}); download it again") from error
    labels = np.nan_to_num(values).astype(np.int32)
    if not np.array_equal(labels, values):
        raise ValueError(f"{path} holds values that are not whole numbers; expected labels")
    return labels, image.affine


def label_sources(root, subject):
    """The three label volumes that NSD publishes for a subject: left, right, combined."""
    return tuple(Path(root) / files.label_file(subject, stem) for stem in (files.LEFT, files.RIGHT, files.COMBINED))


def joined_labels(root, subject, n_areas):
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
    paths = label_sources(root, subject)
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


def write_joined_labels(subject, n_areas, *, root):
    """The writer of both.HCP_MMP1.nii.gz: a function of a path. The same labels give the same bytes."""
    import nibabel

    labels, affine = joined_labels(root, subject, n_areas)
    content = gzip.compress(nibabel.Nifti1Image(labels, affine).to_bytes(), mtime=0)
    return lambda path: path.write_bytes(content)


def _by(shape):
    return " x ".join(str(n) for n in shape)
