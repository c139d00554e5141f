"""From NSD's sessions to one matrix per parcel: trials x voxels, int16, percent signal change x 300 as published.

    make_plan(dataset, ...)         which sessions a subject's set of matrices will have, and which of them it holds already
    session_matrix(...)             reads one session as a stream: (n_trials, n_voxels of all parcels), a temporary file
    subject_matrices(...)           writes the set: a folder of sub-01_roi-001.npy ..., rows.npy, manifest.json

Rows are trials, sessions ascending; rows.npy has the subject_index of each, so that a missing session shifts nothing. Columns are
voxels in C order of (x, y, z), the order that a boolean mask gives. manifest.json says from which bytes each session came and
counts, per parcel, the voxels and the dead ones (0 in every trial: outside the brain mask), which are kept: they are not neutral
for correlations between rows, so that one must know.

A set only grows: sessions and parcels that it holds stay, sessions by a copy, so that their beta files may be gone. Memory: one
volume and the columns of one parcel in one session. Time: what gunzip takes (about 25 s for a session of 750 volumes of 1 mm).
"""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convergence.datasets.nsd import files
from convergence.datasets.nsd.volumes import check_header, label_sources, read_header, read_labels, stream, whole_numbers
from convergence.storage.outputs import fingerprint

_TYPE = np.dtype("<i2")
_UNIT = "percent signal change x 300"


class Plan(NamedTuple):
    """What a subject's set of matrices will hold, and where from."""
    subject: int
    labels: list                    # ascending; one matrix each
    rows: dict                      # by session, ascending: (its first subject_index, the one after its last)
    sources: dict                   # by session: fingerprint of its beta file
    held: list                      # sessions that the present set holds
    left_out: list                  # sessions before the last that have no data

    @property
    def to_read(self):
        return [session for session in self.rows if session not in self.held]


class Columns(NamedTuple):
    """Which voxels are the columns: parcels side by side, each in C order."""
    offsets: np.ndarray             # (n_voxels,) place of each voxel in a volume as the disk has it (x fastest)
    of_label: dict                  # label -> slice of the columns


def make_plan(dataset, subject, labels, *, sessions=None, fresh=False):
    """What to do for one subject.

    Parameters
    ----------
    dataset : NSD
    subject : int
    labels : list of int
        Labels asked for.
    sessions : list of int, optional
        Default: all with a beta file.
    fresh : bool
        Forget what the present set holds.

    Raises
    ------
    ValueError
        Sessions asked for that are not there, sessions beyond those planned, no session at all.
    """
    root, work = Path(dataset.root), Path(dataset.work)
    manifest = None if fresh else read_manifest(work, subject)
    before = [] if manifest is None else [int(session) for session in manifest["sessions"]]
    labels = sorted({*labels, *map(int, manifest["parcels"] if manifest else ())})
    planned = _planned_rows(dataset, subject)
    there = files.sessions_on_disk(root, subject)
    wanted = sorted({*(there if sessions is None else sessions), *before})
    beyond = [session for session in wanted if session not in planned]
    if beyond:
        raise ValueError(f"sessions {beyond} of subject {subject} are not among those planned, {min(planned)} to {max(planned)} "
                         f"({work / files.TRIALS}); if it is out of date, run 1_dataset_preparation/2_build_indexes.py again")
    held = held_sessions(manifest, labels, {session: planned[session] for session in wanted}, root=root, work=work)
    absent = [session for session in wanted if session not in there and session not in held]
    if set(absent) & set(sessions or ()) or not wanted:
        raise ValueError(f"sessions {absent or 'of any number'} of subject {subject} have no beta file, such as "
                         f"{root / files.beta_file(subject, (absent or [1])[0])}; download them")
    rows = {session: planned[session] for session in wanted if session not in absent}
    sources = {session: held.get(session) or fingerprint(root / files.beta_file(subject, session)) for session in rows}
    left_out = [session for session in planned if session < max(rows, default=0) and session not in rows and sessions is None]
    return Plan(subject, labels, rows, sources, sorted(held), left_out)


def _planned_rows(dataset, subject):
    """By session, ascending: the first subject_index, and the one after the last."""
    limits = dataset.trials.loc[dataset.trials["subject"] == subject].groupby("session")["subject_index"].agg(["min", "max"])
    return {int(session): (int(first), int(last) + 1) for session, first, last in limits.itertuples()}


def held_sessions(manifest, labels, rows, *, root, work):
    """By session, the fingerprint of its beta file: the sessions that a set holds for all labels, made from the same label
    volumes and beta file.

    A beta file that is gone (it was deleted after its extraction) cannot have changed.
    """
    if manifest is None or not set(map(str, labels)) <= set(manifest["parcels"]) or not _is_whole(manifest, work):
        return {}
    subject = manifest["subject"]
    if [fingerprint(path) for path in label_sources(root, subject)] != manifest["label_volumes"]:
        return {}
    held = {}
    for session, limits in rows.items():
        found, path = manifest["sessions"].get(str(session)), Path(root) / files.beta_file(subject, session)
        if found and tuple(found["rows"]) == limits and (not path.exists() or fingerprint(path) == found["source"]):
            held[session] = found["source"]
    return held


def read_manifest(work, subject):
    """The manifest of a subject's set, or None where there is no set."""
    path = Path(work) / files.matrix_folder(subject) / files.MANIFEST
    return json.loads(path.read_text()) if path.exists() else None


def _is_whole(manifest, work):
    """Whether every matrix of a set has the shape that its manifest says."""
    n_rows = sum(entry["rows"][1] - entry["rows"][0] for entry in manifest["sessions"].values())
    for label, entry in manifest["parcels"].items():
        try:
            shape = np.load(Path(work) / files.matrix_file(manifest["subject"], int(label)), mmap_mode="r").shape
        except (OSError, ValueError):
            return False
        if shape != (n_rows, entry["n_voxels"]):
            return False
    return True


def voxel_columns(labels, wanted):
    """The columns for the wanted labels (ascending) of a label volume (x, y, z); a label without voxels has an empty slice."""
    flat = labels.ravel()
    places = np.flatnonzero(np.isin(flat, wanted))
    places = places[np.argsort(flat[places], kind="stable")]
    starts, ends = (np.searchsorted(flat[places], wanted, side=side) for side in ("left", "right"))
    offsets = np.ravel_multi_index(np.unravel_index(places, labels.shape), labels.shape, order="F")
    return Columns(offsets, {int(label): slice(int(a), int(b)) for label, a, b in zip(wanted, starts, ends)})


def session_matrix(subject, session, labels, rows, *, root, work):
    """The writer of one session's matrix: a function of a path, for outputs.save. Parameters as in `Plan`, `rows` those of the
    session.

    Raises
    ------
    ValueError, FileNotFoundError
        The beta file is not there, truncated, of another grid, type or number of volumes; the writer raises what only reading on
        can tell.
    """
    header = read_header(Path(root) / files.beta_file(subject, session))
    volume, _ = read_labels(Path(work) / files.label_file(subject, files.BOTH))
    check_header(header, volume.shape, rows[1] - rows[0])
    offsets = voxel_columns(volume, labels).offsets

    def write(path):
        with open(path, "wb") as file:
            _write_header(file, (rows[1] - rows[0], len(offsets)))
            for values in stream(header):
                file.write(whole_numbers(values[offsets], header).astype(_TYPE).tobytes())
    return write


def subject_matrices(subject, labels, rows, sources, *, root, work, held):
    """The writer of a subject's set of matrices: a function of a path, where it makes a folder. Parameters as in `Plan`.

    Sessions in `held` are copied from the present set, all others from their session matrices.
    """
    work = Path(work)
    volume, _ = read_labels(work / files.label_file(subject, files.BOTH))
    columns = voxel_columns(volume, labels)
    manifest = {"subject": subject, "unit": _UNIT, "label_volumes": [fingerprint(path) for path in label_sources(root, subject)],
                "sessions": {session: {"rows": rows[session], "source": sources[session]} for session in rows}}

    def write(folder):
        folder.mkdir()
        n_rows = sum(after - first for first, after in rows.values())
        for label, part in columns.of_label.items():
            with open(folder / _name(subject, label), "wb") as file:
                _write_header(file, (n_rows, part.stop - part.start))
        alive = np.zeros(len(columns.offsets), dtype=bool)
        for session in rows:
            block_of = (_from_set if session in held else _from_session)(work, subject, session, columns)
            for label, part in columns.of_label.items():
                block = np.ascontiguousarray(block_of(label), dtype=_TYPE)
                alive[part] |= block.any(axis=0)
                with open(folder / _name(subject, label), "ab") as file:
                    file.write(block.tobytes())
        np.save(folder / files.ROWS, np.concatenate([np.arange(*limits, dtype=np.int64) for limits in rows.values()]))
        manifest["parcels"] = {label: {"n_voxels": part.stop - part.start, "n_dead": int(np.sum(~alive[part]))}
                               for label, part in columns.of_label.items()}
        (folder / files.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return write


def remove_session_matrices(work, subject):
    """Delete the temporary matrices of a subject whose set is complete."""
    shutil.rmtree((Path(work) / files.session_matrix_file(subject, 1)).parent, ignore_errors=True)


def _from_session(work, subject, session, columns):
    matrix = np.load(work / files.session_matrix_file(subject, session), mmap_mode="r")
    return lambda label: matrix[:, columns.of_label[label]]


def _from_set(work, subject, session, columns):
    limits = read_manifest(work, subject)["sessions"][str(session)]["rows"]
    first, after = np.searchsorted(np.load(work / files.matrix_folder(subject) / files.ROWS), limits)
    return lambda label: np.load(work / files.matrix_file(subject, label), mmap_mode="r")[first:after]


def _write_header(file, shape):
    np.lib.format.write_array_header_1_0(file, {"descr": _TYPE.str, "fortran_order": False, "shape": shape})


def _name(subject, label):
    return Path(files.matrix_file(subject, label)).name
