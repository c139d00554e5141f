"""ROI matrices from one NSD session of true size, beside the published way: load it as float64, cast to int16, mask 360 times.

    python benchmarks/nsd_extraction.py [--volumes 75] [--repetitions 3]

Makes a dataset of one session on subject 1's grid (145 x 186 x 148, int16, gzip) in a temporary folder: noise of the betas'
spread within the brain, 0 outside, 360 parcels in its shell. Both sides go from the .nii.gz to 360 .npy files, which are compared
byte by byte.
Prints a line and a JSON line. 75 volumes take three minutes, 3 GB of memory (nearly all the published way's) and 0.5 GB of disk.
"""

import argparse
import filecmp
import gzip
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import nibabel
import numpy as np
from timing import race

from convergence.datasets.nsd import files
from convergence.datasets.nsd.betas import session_matrix, subject_matrices
from convergence.datasets.nsd.volumes import write_joined_labels

GRID, N_AREAS, TARGET = (145, 186, 148), 180, 5
_DISTINCT = 5                       # volumes that are drawn; the session repeats them, each a gzip member of its own
_SPREAD = 500                       # of a beta: 1.7 percent x 300


def write_dataset(root, n_volumes):
    """A dataset of one subject and session below root; returns the labels (x, y, z) of both hemispheres."""
    distance = _distance()
    shell, left = np.flatnonzero((distance > 0.55) & (distance < 0.72)), np.arange(GRID[0])[:, None, None] < GRID[0] // 2
    labels = np.zeros(GRID, dtype=np.int16)
    labels.flat[shell] = np.arange(len(shell)) % 7919 * N_AREAS // 7919 + 1
    volumes = {files.LEFT: np.where(left, labels, -1), files.RIGHT: np.where(left, -1, labels), files.COMBINED: labels}
    for stem, values in volumes.items():
        _save(root / files.label_file(1, stem), values.shape, [values.astype("<i2").tobytes(order="F")])
    drawn = [drawn_volume(volume).tobytes(order="F") for volume in range(_DISTINCT)]
    _save(root / files.beta_file(1, 1), (*GRID, n_volumes), drawn, n_volumes)
    joined = root / files.joined_label_file(1)
    write_joined_labels(1, N_AREAS, root=root)(joined)
    return np.asarray(nibabel.load(joined).dataobj)


def drawn_volume(volume):
    """(x, y, z) int16: what a volume of the session holds."""
    rng = np.random.default_rng(volume % _DISTINCT)
    return np.where(_distance() < 0.75, rng.normal(0, _SPREAD, GRID), 0).astype("<i2")


def _distance():
    return sum(axis**2 for axis in np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID), indexing="ij"))


def _save(path, shape, blocks, n_volumes=1):
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header["vox_offset"] = 352
    members = [gzip.compress(block, compresslevel=1) for block in blocks]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(gzip.compress(header.binaryblock + bytes(4)))
        for volume in range(n_volumes):
            file.write(members[volume % len(members)])


def ours(root, n_volumes):
    """As script 4 does it: the session's matrix, then the set."""
    shutil.rmtree(root / "betas", ignore_errors=True)
    labels, rows, places = list(range(1, 2 * N_AREAS + 1)), (0, n_volumes), {"root": root, "work": root}
    session = root / files.session_matrix_file(1, 1)
    session.parent.mkdir(parents=True)
    session_matrix(1, 1, labels, rows, **places)(session)
    subject_matrices(1, labels, {1: rows}, {1: "benchmark"}, held=[], **places)(root / files.matrix_folder(1))
    return root / files.matrix_folder(1)


def published(root, labels):
    """The whole session as float64, cast, then a boolean mask for every parcel."""
    folder = root / "published"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    betas = nibabel.load(root / files.beta_file(1, 1)).get_fdata(caching="unchanged").astype(np.int16)
    for label in range(1, 2 * N_AREAS + 1):
        np.save(folder / Path(files.matrix_file(1, label)).name, np.ascontiguousarray(betas[labels == label].T))
    return folder


def n_different(ours, theirs):
    """How many parcels' files are not the same bytes."""
    names = [Path(files.matrix_file(1, label)).name for label in range(1, 2 * N_AREAS + 1)]
    return len(names) - len(filecmp.cmpfiles(ours, theirs, names, shallow=False)[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volumes", type=int, default=75, metavar="N")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        session = Path(folder)
        both = write_dataset(session, chosen.volumes)
        race(f"NSD session, {chosen.volumes} volumes of {' x '.join(map(str, GRID))}", lambda: ours(session, chosen.volumes),
             lambda: published(session, both), difference=n_different, tolerance=0, target=TARGET, repetitions=chosen.repetitions)
