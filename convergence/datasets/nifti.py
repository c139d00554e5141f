"""Compressed NIfTI files of any dataset: the header, and a stream of volumes.

    header = read_header(path)                  Header(path, shape, dtype, offset, slope, inter), from the first bytes
    for volume in stream(header): ...           flat, one 3-D volume at a time, in the order of the disk (x fastest)

A session of betas is a gzip of several gigabytes; it is read once, front to back, and never held. A file that ends early, is
damaged, or does not hold what its header says is a ValueError with the file's path, what was expected and what was found.
"""

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


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
        except DAMAGED as error:
            raise ValueError(f"{header.path} is truncated or damaged: its header says {n_volumes} volumes, it can be read up to "
                             f"volume {index} ({error}); download it again") from error
    if surplus >= n_bytes:
        raise ValueError(f"{header.path} holds {n_volumes + surplus // n_bytes} volumes, its header says {n_volumes}; download "
                         "it again")
