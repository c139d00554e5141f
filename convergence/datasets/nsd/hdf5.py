"""NSD's betas as .hdf5: dataset `betas`, the trials and the three axes of the grid in an order that the shape tells.

    header = read_header(path, grid)            Header(path, shape (x, y, z, n_trials), dtype, axes, chunks, ...)
    gather(header, offsets, out)                some voxels of every trial -> out (n_trials, n_voxels)

MATLAB writes the array (X, Y, Z, trials), which h5py sees as (trials, Z, Y, X); other programs write it as they see it. Which
axis is which follows from the sizes of the subject's grid, and is refused where these leave two answers (equal sizes). The file
is read chunk by chunk, and chunks without a wanted voxel are left out: where chunks hold all trials of a few voxels, that is most
of the file. Memory: 64 MB, or one chunk where chunks are larger. Damage: HDF5 notices a file cut short, broken structures, and
broken data in compressed chunks; a value changed in uncompressed data cannot be noticed (the format keeps no checksum of them).
"""

from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convergence.datasets import nifti

_NAME = "betas"
_MEMORY = 2**26


class Header(NamedTuple):
    path: Path
    shape: tuple            # (x, y, z, n_trials)
    dtype: np.dtype
    axes: tuple             # where x, y, z and trials lie among the axes of the file
    chunks: tuple           # sizes of what is best read at once, in the order of `shape`
    slope: float = 1.0      # HDF5 knows no scaling
    inter: float = 0.0


def read_header(path, grid=None):
    """The header of a .hdf5 file of betas.

    Parameters
    ----------
    path : path
    grid : (3,) ints, optional
        (x, y, z) of the subject's volumes; default: of the brain mask beside the folder of the betas.

    Raises
    ------
    FileNotFoundError
        No file, or no brain mask to know the grid by.
    ValueError
        No HDF5 with betas in it, data missing, sizes that are not those of the grid or leave two answers.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; 1_dataset_preparation/1_check_dataset.py lists what is missing")
    grid = tuple(grid or nifti.read_header(path.parent.parent / "brainmask.nii.gz").shape[:3])
    try:
        with opened(path, _NAME) as betas:
            shape, dtype, chunks = betas.shape, betas.dtype, betas.chunks
            complete = is_complete(betas)
    except Unreadable as error:
        raise ValueError(f"{path} cannot be read as HDF5 with a dataset {_NAME!r} ({error}); download it again") from error
    axes = _axes(path, shape, grid)
    if not complete:
        raise ValueError(f"{path} is damaged: a part of its dataset {_NAME!r} was never written, or lies in a wrong place; "
                         "download it again")
    chunks = chunks or (1, *shape[1:])                  # not chunked: one piece after the other along the first axis
    return Header(path, tuple(shape[axis] for axis in axes), dtype, axes, tuple(chunks[axis] for axis in axes))


def gather(header, offsets, out=None):
    """Copy some voxels of every trial.

    Parameters
    ----------
    header : Header
    offsets : (n_voxels,) ints
        Place of each voxel in a volume, x fastest.
    out : (n_trials, n_voxels) array, optional
        What is filled; None: the data are read, and that is all.

    Raises
    ------
    ValueError
        The data are damaged.
    """
    places = np.unravel_index(offsets, header.shape[:3], order="F")
    at = "its start"
    try:
        with opened(header.path, _NAME) as betas:
            for box, columns in _boxes(places, header):
                within = tuple(place[columns] - part.start for place, part in zip(places, box))
                for trials in _trial_blocks(box, header):
                    at = f"trial {trials.start + 1}, voxel {tuple(part.start for part in box)}"
                    block = betas[_in_order_of_file((*box, trials), header.axes)].transpose(header.axes)
                    if out is not None:
                        out[trials, columns] = block[within].T
    except Unreadable as error:
        raise ValueError(f"{header.path} is truncated or damaged: it can be read up to {at} ({error}); download it "
                         "again") from error


class Unreadable(Exception):
    """What h5py and the library below say about a damaged file, in a dozen types."""


class opened:
    """An array of four axes in a file, for a with block; every error in the block counts as one of the file and is Unreadable."""

    def __init__(self, path, name):
        self.path, self.name = path, name

    def __enter__(self):
        import h5py

        self.file = None
        try:
            self.file = h5py.File(self.path, "r")
            array = self.file[self.name]
            if not isinstance(array, h5py.Dataset) or array.ndim != 4 or array.is_virtual or array.external:
                raise ValueError(f"{self.name!r} is not an array of four axes in this file")
            return array
        except Exception as error:
            self._close()
            raise Unreadable(f"{type(error).__name__}: {error}") from error

    def __exit__(self, kind, error, trace):
        self._close()
        if isinstance(error, Exception):
            raise Unreadable(f"{kind.__name__}: {error}") from error

    def _close(self):
        try:
            if self.file is not None:
                self.file.close()
        except Exception:                               # a damaged file may fail there once more; its error is on its way
            pass


def is_complete(array):
    """Whether all data of an array are there, and in their places; HDF5 would give zeros for what is not."""
    if array.chunks is None:
        return array.id.get_storage_size() == array.size * array.dtype.itemsize
    places = set()

    def note(chunk):
        within = all(at % size == 0 and at < n for at, size, n in zip(chunk.chunk_offset, array.chunks, array.shape))
        places.add(chunk.chunk_offset if within and chunk.filter_mask == 0 else None)
    array.id.chunk_iter(note)
    return None not in places and len(places) == np.prod([-(-n // size) for n, size in zip(array.shape, array.chunks)])


def _axes(path, shape, grid):
    """Where x, y, z and trials lie among the axes."""
    found = [order for order in permutations(range(4)) if tuple(shape[axis] for axis in order[:3]) == grid]
    if not found:
        raise ValueError(f"{path}: {_NAME} has the shape {_by(shape)}; expected the axes {_by(grid)} of the subject's volumes "
                         f"and one of trials, in any order; download both from {path.parent.parent.name} of the same subject")
    if len(found) > 1:
        raise ValueError(f"{path}: {_NAME} has the shape {_by(shape)}, of which sizes are equal, so that the axes of the grid "
                         f"{_by(grid)} and of trials cannot be told apart; use the .nii.gz of this session")
    return found[0]


def _boxes(places, header):
    """Yield ((x, y, z) slices, columns): boxes of whole chunks that hold all voxels at `places`, chunks in a row joined."""
    blocks = tuple(place // size for place, size in zip(places, header.chunks))
    counts = tuple(-(-n // size) for n, size in zip(header.shape, header.chunks))
    used, which = np.unique(np.ravel_multi_index(blocks[::-1], counts[2::-1]), return_inverse=True)
    starts = np.flatnonzero(np.r_[True, (np.diff(used) != 1) | (used[1:] % counts[0] == 0)][:len(used)])
    position = np.arange(len(used)) - np.repeat(starts, np.diff(np.r_[starts, len(used)]))
    row_bytes = int(np.prod(header.chunks)) * header.dtype.itemsize
    box = np.cumsum(position % max(1, _MEMORY // row_bytes) == 0) - 1           # of each used chunk
    order = np.argsort(box[which], kind="stable")
    edges = np.searchsorted(box[which][order], np.arange(box[-1] + 2 if len(box) else 1))
    for first, after in zip(edges[:-1], edges[1:]):
        columns = order[first:after]
        yield tuple(slice(int(block[columns].min()) * size, min((int(block[columns].max()) + 1) * size, n))
                    for block, size, n in zip(blocks, header.chunks, header.shape)), columns


def _trial_blocks(box, header):
    """Slices of whole chunks along the trials, as many as the memory allows."""
    n_trials, size = header.shape[3], header.chunks[3]
    trial_bytes = int(np.prod([part.stop - part.start for part in box])) * header.dtype.itemsize
    step = max(size, _MEMORY // trial_bytes // size * size)
    return [slice(first, min(first + step, n_trials)) for first in range(0, n_trials, step)]


def _in_order_of_file(slices, axes):
    return tuple(slices[axes.index(axis)] for axis in range(4))


def _by(shape):
    return " x ".join(str(n) for n in shape)
