"""Which voxels of the ROIs are kept: those that are ever alive, those whose signal is large enough for their noise.

    ncsnr(standardised, images)                 ratio of signal to noise of every voxel, from repetitions
    select(sessions, source, ...)               Selection(keep, below): over the columns of all ROIs

`sessions` are arrays (n_trials, n_voxels) on the disk, one per session, as write_voxels leaves them. Memory: a few columns of all
sessions at a time (about 0.5 GB).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from convergence.datasets import nifti
from convergence.datasets.nsd import files
from convergence.datasets.voxels import standardised

_MEMORY = 2**27                     # bytes of standardised betas at a time


class Selection(NamedTuple):
    keep: np.ndarray                # (n_voxels,) bool
    below: np.ndarray               # (n_voxels,) bool: ratio of signal to noise below the limit


def select(sessions, source, *, ncsnr_path, shape, offsets, images=None):
    """The voxels that a source keeps.

    Parameters
    ----------
    sessions : list of (n_trials, n_voxels) int16 arrays
        Betas, unscaled, of the sessions that are present.
    source : Source
    ncsnr_path : path or None
        NSD's map of ncsnr on the betas' grid; None: it is computed from the sessions.
    shape : (3,) ints
        The grid.
    offsets : (n_voxels,) ints
        Place of each voxel in a volume, x fastest.
    images : (n_trials of all sessions,) ints, optional
        The picture of every trial; needed without a map.

    Raises
    ------
    ValueError
        The map is on another grid; no picture is repeated in the sessions.
    """
    keep, below = np.ones(len(offsets), dtype=bool), np.zeros(len(offsets), dtype=bool)
    if source.drop_dead_voxels:
        keep = np.zeros(len(offsets), dtype=bool)
        for session in sessions:
            for first in range(0, len(session), 64):
                keep |= session[first:first + 64].any(axis=0)
    if source.min_ncsnr is not None:
        ratio = _computed(sessions, images) if ncsnr_path is None else _published(ncsnr_path, shape)[offsets]
        below = ~(ratio >= source.min_ncsnr)            # a ratio that is not a number is below
    return Selection(keep & ~below, below)


def ncsnr(responses, images):
    """Ratio of signal to noise: standard deviation of the signal over that of the noise.

    The noise variance of a voxel is the variance over the presentations of a picture (divided by their number less one), averaged
    over pictures; as the responses have variance 1, the signal's is what is left, sqrt(max(0, 1 - noise variance)): ncsnr of
    Allen et al. 2022 (Nature Neuroscience 25:116-126), Methods, "Noise ceiling estimation". There all pictures have three
    presentations; here every picture with at least two counts, so that subjects with fewer sessions can be treated alike.

    Parameters
    ----------
    responses : (n_trials, n_voxels) array
        z-scored within sessions.
    images : (n_trials,) ints

    Returns
    -------
    (n_voxels,) float64
        0 or more; 0 for a voxel without variance.

    Raises
    ------
    ValueError
        No picture is repeated.
    """
    images = np.asarray(images)
    order = np.argsort(images, kind="stable")
    _, first, counts = np.unique(images[order], return_index=True, return_counts=True)
    if not (counts > 1).any():
        raise ValueError(f"--min-ncsnr: no picture is repeated in these {len(order)} trials, so that the noise is unknown; "
                         "extract more sessions, or download NSD's own map, ncsnr.nii.gz, to the folder of the betas")
    total = np.zeros(responses.shape[1])
    for count in np.unique(counts[counts > 1]):
        trials = order[first[counts == count, None] + np.arange(count)]                 # (n_images, count)
        mean = sum(responses[trials[:, k]].astype(np.float64) for k in range(count)) / count
        for k in range(count):
            total += ((responses[trials[:, k]] - mean) ** 2).sum(axis=0) / (count - 1)
    noise = total / np.count_nonzero(counts > 1)
    return np.where(noise > 0, np.sqrt(np.clip(1 - noise, 0, None) / np.where(noise > 0, noise, 1)), 0)


def ncsnr_path(root, subject, source):
    """NSD's map beside the betas where the source needs one and it is there, else None."""
    path = Path(root) / files.ncsnr_file(subject, source)
    return path if source.min_ncsnr is not None and path.exists() else None


def _computed(sessions, images):
    n_trials, n_voxels = sum(map(len, sessions)), sessions[0].shape[1]
    width, ratio = max(1, _MEMORY // (4 * n_trials)), np.zeros(n_voxels)
    for first in range(0, n_voxels, width):
        part = slice(first, first + width)
        ratio[part] = ncsnr(np.concatenate([standardised(session[:, part]) for session in sessions]), images)
    return ratio


def _published(path, shape):
    """The map, flat, x fastest."""
    header = nifti.read_header(path)
    if header.shape != (*shape, 1):
        raise ValueError(f"{path} has the shape {header.shape}; expected {(*shape, 1)}, the grid of the ROI volumes; download "
                         "both from the same folder of the same subject")
    values, = nifti.stream(header)
    return values if (header.slope, header.inter) == (1, 0) else values * header.slope + header.inter
