"""BOLD5000's NIfTI files, each read to its end, where the checksum is.

    labels, oriented, affine = read_labels(path)        a volume of whole numbers, and what its header says about orientation
    check_betas(header, grid, n_trials)                 a ValueError unless a session is what it should be

The betas are float32, percent signal change, under a header that knows the size of the voxels and nothing about orientation.
"""

from typing import NamedTuple

import numpy as np

from convergence.datasets.nifti import read_header, stream


class Labels(NamedTuple):
    values: np.ndarray          # (x, y, z) int32
    affine: np.ndarray          # (4, 4) voxel -> millimetres, x to the right
    oriented: bool              # whether the header states an orientation (qform or sform code above 0)


def read_labels(path):
    """A volume of whole numbers.

    Raises
    ------
    FileNotFoundError, ValueError
        No file; damaged, four-dimensional, or other values than whole numbers.
    """
    import nibabel

    header = read_header(path)
    if header.shape[3] != 1:
        raise ValueError(f"{path} holds {header.shape[3]} volumes; expected one volume of labels")
    values, = stream(header)
    if (header.slope, header.inter) != (1, 0):
        values = values * header.slope + header.inter
    labels = np.nan_to_num(values.astype(np.float64), posinf=0.5, neginf=0.5)
    if not np.array_equal(labels, np.rint(labels)) or np.abs(labels).max(initial=0) > np.iinfo(np.int32).max:
        raise ValueError(f"{path} holds values that are not whole numbers; expected labels (resample with nearest neighbour)")
    image = nibabel.load(path)
    oriented = int(image.header["qform_code"]) > 0 or int(image.header["sform_code"]) > 0
    return Labels(labels.reshape(header.shape[:3], order="F").astype(np.int32), image.affine, oriented)


def check_betas(header, grid, n_trials):
    """ValueError unless a beta file holds real numbers, on a grid, in a number of volumes; None: that is not looked at."""
    if header.dtype.kind != "f":
        raise ValueError(f"{header.path} holds values of type {header.dtype}; expected float32 (percent signal change); download "
                         f"it again")
    if grid is not None and header.shape[:3] != tuple(grid):
        raise ValueError(f"{header.path} has volumes of {by(header.shape[:3])} voxels; expected {by(grid)} as in the subject's "
                         "brain mask; download both again")
    if n_trials is not None and header.shape[3] != n_trials:
        raise ValueError(f"{header.path} has {header.shape[3]} volumes; expected {n_trials}, one for each trial of the "
                         "session; download it again")


def percent_signal_change(values, header):
    """Stored values as float32, the scaling of the header undone where there is one; NaN and infinity stay."""
    values = values.astype(np.float32)
    if (header.slope, header.inter) == (1, 0):
        return values
    return values * np.float32(header.slope) + np.float32(header.inter)


def by(shape):
    return " x ".join(str(n) for n in shape)
