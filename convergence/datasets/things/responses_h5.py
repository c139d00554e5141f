"""The file of responses: a pandas frame of fixed format in HDF5, voxels x trials, read a block of voxels at a time.

    with ResponseFile(path) as file:
        file.n_voxels, file.n_trials, file.voxel_ids        (n_voxels,) int64
        for first, values in file.blocks(): ...             (n_rows, n_trials) float32, rows first, first + 1, ... of the file

A file is 8 to 16 GB and is never held. pandas keeps the numbers in arrays (block0_values: responses; block1_values: voxel_id) and
the labels of rows and columns as pickled objects. Those are never read: unpickling runs whatever the file says. Instead the
responses must be as wide as the subject has trials, which stand there in the order of trial_id. HDF5 has no checksum over the
responses; but it notes how long the file is, and a file of another length, cut or with something inserted, is refused.
"""

import re
from pathlib import Path

import numpy as np

from convergence.datasets.things import files

KEY = "ResponseData"
BLOCK_BYTES = 64 * 2**20
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LENGTH_AT = {0: 40, 1: 44, 2: 28, 3: 28}           # byte at which the file's length stands, by version of the first block
_AGAIN = "download betas_csv of THINGS-data (figshare+ item 20492835) again"


class ResponseFile:
    """A context manager around one file; see the module.

    Raises
    ------
    FileNotFoundError, ValueError
        On opening: no file; no HDF5 file, or of another length than it says; not a frame of responses and voxel_id; voxels that
        are there twice.
    """

    def __init__(self, path):
        self.path = Path(path)

    def __enter__(self):
        import h5py

        check_length(self.path)
        try:
            self._file = h5py.File(self.path, "r")
        except Exception as error:                      # h5py passes on whatever its library makes of a damaged file
            raise self._damaged(error) from error
        try:
            self._values, ids = self._find_blocks()
            self.n_voxels, self.n_trials = self._values.shape
            self.voxel_ids = self._read(ids, slice(None))[:, 0].astype(np.int64)
            if len(np.unique(self.voxel_ids)) < self.n_voxels:
                raise ValueError(f"{self.path}: {self.n_voxels - len(np.unique(self.voxel_ids))} values of voxel_id are there "
                                 f"more than once; {_AGAIN}")
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_):
        self._file.close()

    @property
    def dtype(self):
        return self._values.dtype

    def check_against(self, n_trials=None, voxel_ids=None):
        """ValueError where the subject's tables have other trials or voxels than the file; None: not compared."""
        apart = "the two do not belong together"
        if n_trials is not None and self.n_trials != n_trials:
            raise ValueError(f"{self.path} has responses to {self.n_trials} trials, the subject's {files.TRIALS_OF} has "
                             f"{n_trials}; {apart}")
        differ = np.setxor1d(voxel_ids, self.voxel_ids) if voxel_ids is not None else ()
        if len(differ):
            raise ValueError(f"{self.path} and the subject's {files.VOXELS} have different voxels: {len(differ)} are in one "
                             f"only, such as voxel_id {differ[0]}; {apart}")

    def blocks(self, n_bytes=BLOCK_BYTES):
        """Yield (first row, (n_rows, n_trials) float32), `n_bytes` of the file at a time, from the first row to the last.

        Raises
        ------
        ValueError
            A block cannot be read.
        """
        n_rows = max(1, n_bytes // max(1, self.n_trials * self.dtype.itemsize))
        if self._values.chunks:
            n_rows = max(self._values.chunks[0], n_rows // self._values.chunks[0] * self._values.chunks[0])
        for first in range(0, self.n_voxels, n_rows):
            with np.errstate(over="ignore"):            # too large for float32 is infinite, and refused as such
                yield first, self._read(self._values, slice(first, first + n_rows)).astype(np.float32, copy=False)

    def _find_blocks(self):
        """(responses, voxel_id): the two arrays of the frame."""
        try:
            arrays = {name: item for name, item in self._file[KEY].items() if re.fullmatch(r"block\d+_values", name)}
            found = {name: (item.dtype, item.shape) for name, item in arrays.items()}
        except Exception as error:
            raise self._damaged(error) from error
        responses = [name for name, (dtype, shape) in found.items() if dtype.kind == "f" and len(shape) == 2]
        ids = [name for name, (dtype, shape) in found.items() if dtype.kind in "iu" and len(shape) == 2 and shape[1] == 1]
        n_rows = {shape[0] for _, shape in found.values() if shape}
        if len(found) != 2 or len(responses) != 1 or len(ids) != 1 or len(n_rows) != 1 or 0 in found[responses[0]][1]:
            said = ", ".join(f"{name} {dtype} {shape}" for name, (dtype, shape) in found.items()) or "none"
            raise ValueError(f"{self.path}: expected two arrays in {KEY}, responses (n_voxels, n_trials) of a floating type and "
                             f"voxel_id (n_voxels, 1) of whole numbers; found {said}; {_AGAIN}")
        return arrays[responses[0]], arrays[ids[0]]

    def _read(self, array, rows):
        try:
            return array[rows]
        except Exception as error:
            raise self._damaged(error) from error

    def _damaged(self, error):
        return ValueError(f"{self.path} is not a readable HDF5 file of responses ({type(error).__name__}: {error}); {_AGAIN}")


def check_length(path):
    """ValueError where a file is no HDF5 file or not as long as it says; FileNotFoundError where there is none."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {_AGAIN}")
    with open(path, "rb") as file:
        head = file.read(52)
    if not head.startswith(_SIGNATURE) or len(head) < 52 or head[8] not in _LENGTH_AT:
        raise ValueError(f"{path} is not an HDF5 file; {_AGAIN}")
    place = _LENGTH_AT[head[8]]
    expected, found = int.from_bytes(head[place:place + 8], "little"), path.stat().st_size
    if expected != found:
        raise ValueError(f"{path} has {found:,} bytes, but says it has {expected:,}: it was cut, or something was inserted; "
                         f"{_AGAIN}")
