"""How to download what is missing of NSD, how long its extraction takes, and whether the disk is large enough.

    commands(root, missing, damaged)                                lines for a shell
    forecast(root, work, {1: [1, 2, 3]}, missing, source)           lines: time and disk per subject, and in all

Nothing is downloaded here. The bucket natural-scenes-dataset needs no account (its terms must be accepted all the same). `aws s3
sync` goes on where it stopped, file by file; a damaged file, which it would take for a whole one, is copied anew.
"""

import math
import shlex
from pathlib import Path

import numpy as np

from convergence.datasets.disk import disk_lines, in_words
from convergence.datasets.nsd import files
from convergence.datasets.nsd.files import Source

BUCKET = "s3://natural-scenes-dataset"
_READING = 100e6                                        # bytes of gzip a second
_TYPICAL = {"func1mm": 2.6e9, "func1pt8mm": 0.45e9}     # bytes of a session where there is none to measure (737 GB in 284 files)
_PICTURES = 40e9
_SYNC_FROM = 3                                          # files of one folder from which one sync is shorter than single copies


def commands(root, missing, damaged=()):
    """Shell lines that download files, given by their paths below root; damaged ones whatever lies in their places."""
    lines, folders = [], {}
    for path in map(Path, missing):
        folders.setdefault((path.parent, Path(key_of(path)).parent.as_posix()), []).append(path.name)
    for (folder, key), names in folders.items():
        place = Path(root) / folder
        if len(names) < _SYNC_FROM:
            lines += [_copy(root, folder / name) for name in names]
        else:
            lines.append(f"aws s3 sync --no-sign-request {BUCKET}/{key} {shlex.quote(str(place))} --exclude '*' "
                         + " ".join(f"--include '{name}'" for name in names))
    return lines + [_copy(root, path) for path in damaged]


def _copy(root, path):
    return f"aws s3 cp --no-sign-request {BUCKET}/{key_of(path)} {shlex.quote(str(Path(root) / path))}"


def key_of(path):
    """Where the bucket has a file, given by its path below the dataset's folder."""
    path = Path(path)
    if path.name == files.STIMULI:
        return f"nsddata_stimuli/stimuli/nsd/{path.name}"
    if path.name == files.STIMULUS_INFORMATION:
        return f"nsddata/experiments/nsd/{path.name}"
    tree = "nsddata_betas" if path.parent.name.startswith("betas_") else "nsddata"
    return f"{tree}/ppdata/{path.as_posix()}"


def forecast(root, work, sessions, missing, source=Source()):
    """Lines: what there is to read and to write per subject, and whether the disk is large enough for all that is to come.

    Parameters
    ----------
    root, work : path
        The dataset's folder, and where prepared files go.
    sessions : dict of int to list of int
        Sessions whose betas are there, by subject.
    missing : list of str
        Files to be downloaded, below root.
    source : Source

    Notes
    -----
    Matrices take 2 bytes per trial and labelled voxel (4 when z-scored), and as much again for one subject while they are made.
    """
    lines, matrices, sizes = [], [], []
    for subject, some in sessions.items():
        paths = [files.beta_path(root, subject, session, source) for session in some]
        sizes += [path.stat().st_size for path in paths]
        if (Path(work) / files.matrix_folder(subject, source) / files.MANIFEST).exists():
            lines.append(f"subject {subject}: {len(paths)} sessions; a set of matrices is there, in "
                         f"{files.matrix_folder(subject, source)}")
        elif paths:
            n_bytes = sum(path.stat().st_size for path in paths)
            needed = _matrix_bytes(root, subject, paths, source)
            matrices.append(needed or 0)
            minutes, disk = math.ceil(n_bytes / _READING / 60), f"matrices {in_words(needed or 0)}"
            if needed is None:
                disk = "the disk for its matrices is told once betas and label volumes can be read"
            lines.append(f"subject {subject}: {len(paths)} sessions, {in_words(n_bytes)} to read, about {minutes} min; {disk}")
    usual = np.mean(sizes) if sizes else _TYPICAL[source.resolution]
    to_come = sum(usual for path in missing if "betas_session" in path) + (_PICTURES if files.STIMULI in missing else 0)
    return lines + disk_lines(root, to_come, work, sum(matrices) + max(matrices, default=0))


def _matrix_bytes(root, subject, paths, source):
    """Bytes of a subject's matrices; None where a file that tells is missing or damaged."""
    from convergence.datasets.nsd.volumes import read_header, read_labels

    try:
        left, right = (read_labels(Path(root) / path)[0] for path in files.label_files(subject, source)[:2])
        n_trials = len(paths) * read_header(paths[0]).shape[3]
    except (ValueError, OSError):                       # a finding of its own
        return None
    return (4 if source.zscore == "session" else 2) * n_trials * (np.count_nonzero(left > 0) + np.count_nonzero(right > 0))
