"""From BOLD5000's sessions to one matrix per parcel: trials x voxels, float32, percent signal change as published.

    make_plan(dataset, ...)     which sessions a subject's set will have for one type of betas, and which it holds already
    session_matrix(...)         reads one session as a stream: (n_trials, n_labelled_voxels), a temporary file, NaN included
    subject_matrices(...)       writes the set: a folder of sub-1_hcpmmp_roi1_D.npy ..., rows_D.npy, manifest.json

Rows are trials, sessions ascending; rows_D.npy has the subject_index of each, so that a missing session shifts nothing. Columns
are voxels in C order of (x, y, z). NaN and infinity become 0, as published; manifest.json counts them per session and parcel,
and the voxels that are 0 in every trial, which are kept: they are not neutral for correlations between rows, so that one must
know.

One folder holds all types of a subject. It is replaced as a whole: types that it held are carried over, sessions too, so that
their beta files may be gone. Memory: one volume and the columns of one parcel. Time: what gunzip takes (5 s for a session of
370 volumes).
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convergence.datasets.bold5000 import files
from convergence.datasets.bold5000.atlas_check import checked_labels
from convergence.datasets.bold5000.volumes import check_betas, percent_signal_change, read_header, stream
from convergence.datasets.matrices import have_shapes, row_limits, write_npy_header
from convergence.datasets.voxels import standardised, voxel_columns
from convergence.storage.outputs import fingerprint, put_back

_TYPE = np.dtype("<f4")
_UNIT = "percent signal change"
ZSCORES = ("none", "session")


class Plan(NamedTuple):
    """What a subject's set will hold for one type of betas, and where from."""
    subject: int
    beta_type: str
    labels: list                    # ascending; one matrix each
    rows: dict                      # by session, ascending: (its first subject_index, the one after its last)
    sources: dict                   # by session: fingerprint of its beta file
    atlas: list                     # fingerprints of the files that decide which voxels a parcel has
    zscore: str                     # "none", or "session": each voxel within each session
    held: list                      # sessions that the present set holds
    left_out: list                  # sessions that have no betas of this type

    @property
    def to_read(self):
        return [session for session in self.rows if session not in self.held]

    @property
    def content(self):
        """What the matrices of this type depend on."""
        return {"labels": self.labels, "rows": self.rows, "sources": self.sources, "atlas": self.atlas, "zscore": self.zscore}


def make_plan(dataset, subject, labels, *, beta_type="D", sessions=None, zscore="none", fresh=False):
    """What to do for one subject and type.

    Parameters
    ----------
    dataset : Bold5000
    subject : int
    labels : list of int
    beta_type : {"A", "B", "C", "D"}
    sessions : list of int, optional
        Default: all with a beta file.
    zscore : {"none", "session"}
        "session" gives each voxel mean 0 and variance 1 within each session, as the authors of the data recommend.
    fresh : bool
        Forget what the present set holds for this type.

    Raises
    ------
    ValueError
        Sessions asked for that are not there, sessions beyond those planned, no session at all.
    """
    if zscore not in ZSCORES:
        raise ValueError(f"zscore: {zscore!r} is unknown; choose from {', '.join(ZSCORES)}")
    root, work = Path(dataset.root), Path(dataset.work)
    manifest = (read_manifest(work, subject) or {}).get(beta_type)
    manifest = None if fresh else manifest
    before = [int(session) for session in manifest["sessions"]] if manifest else []
    labels = sorted({*labels, *map(int, manifest["parcels"] if manifest else ())})
    planned, there = row_limits(dataset.all_trials, subject), files.beta_files(root, subject, beta_type)
    wanted = sorted({*(there if sessions is None else sessions), *before})
    beyond = [session for session in wanted if session not in planned]
    if beyond:
        raise ValueError(f"sessions {beyond} of subject {subject} are not among those planned, {min(planned)} to {max(planned)} "
                         f"({work / files.TRIALS}.csv); if it is out of date, run 1_dataset_preparation/2_build_indexes.py again")
    same = manifest if manifest and manifest["zscore"] == zscore else None
    held = _held_sessions(same, labels, {session: planned[session] for session in wanted}, there,
                          (root, work, subject, beta_type))
    absent = [session for session in wanted if session not in there and session not in held]
    if set(absent) & set(sessions or ()) or not wanted:
        raise ValueError(f"sessions {absent or 'of any number'} of subject {subject} have no betas of type {beta_type}, such as "
                         f"{root / files.beta_name(subject, beta_type, (absent or [1])[0])}; download them")
    rows = {session: planned[session] for session in wanted if session not in absent}
    sources = {session: held.get(session) or fingerprint(there[session]) for session in rows}
    left_out = [session for session in planned if rows and session not in rows and sessions is None]
    return Plan(subject, beta_type, labels, rows, sources, _atlas_prints(root, work, subject), zscore, sorted(held), left_out)


def contents_with(plan, work):
    """{type: what its matrices depend on} of the whole set of a subject once a plan is carried out."""
    held = {name: {"labels": sorted(map(int, entry["parcels"])), "atlas": entry["atlas"], "zscore": entry["zscore"],
                   "rows": {session: found["rows"] for session, found in entry["sessions"].items()},
                   "sources": {session: found["source"] for session, found in entry["sessions"].items()}}
            for name, entry in (read_manifest(work, plan.subject) or {}).items()}
    return {**held, plan.beta_type: plan.content}


def read_manifest(work, subject):
    """{type: what the set of a subject holds}, or None where there is no set.

    Raises
    ------
    ValueError
        The manifest is damaged.
    """
    path = Path(work) / files.matrix_folder(subject) / files.MANIFEST
    put_back(path.parent)                                   # beta files that it was made from may be gone
    if not path.exists():
        return None
    again = f"delete {path.parent} and run 1_dataset_preparation/4_extract_roi_betas.py --dataset bold5000 again"
    try:
        content = json.loads(path.read_text())
        types, digest = content["types"], content["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}); {again}") from error
    if digest != _digest(types):
        raise ValueError(f"{path} is damaged or was edited: its digest is {digest}, that of its content {_digest(types)}; "
                         f"{again}")
    return types


def rows_of(entry):
    """(n_rows,) subject_index of every row of one type (an entry of `read_manifest`)."""
    return np.concatenate([np.arange(*session["rows"], dtype=np.int64) for session in entry["sessions"].values()])


def session_matrix(subject, beta_type, session, labels, rows, n_areas, *, root, work):
    """The writer of one session's matrix: a function of a path, for outputs.save; `rows` are those of the session.

    Raises
    ------
    ValueError, FileNotFoundError
        The atlas is refused; the beta file is not there, truncated, of another grid, type or number of volumes; the writer
        raises what only reading on can tell.
    """
    header = read_header(files.beta_file(root, subject, beta_type, session))
    volume = checked_labels(root, work, subject, n_areas)
    check_betas(header, volume.shape, rows[1] - rows[0])
    offsets = voxel_columns(volume, labels).offsets

    def write(path):
        with open(path, "wb") as file:
            write_npy_header(file, (rows[1] - rows[0], len(offsets)), _TYPE)
            for values in stream(header):
                file.write(percent_signal_change(values[offsets], header).astype(_TYPE).tobytes())
    return write


def subject_matrices(subject, types, n_areas, *, beta_type, root, work, held):
    """The writer of a subject's set: a function of a path, where it makes a folder.

    Parameters
    ----------
    subject : int
    types : dict
        What `contents_with` says of every type.
    n_areas : int
    beta_type : str
        The type that is new: its sessions in `held` are copied from the present set, all others from their session matrices.
        Other types are carried over.
    root, work : path
    held : list of int
    """
    work, rows, sources = Path(work), types[beta_type]["rows"], types[beta_type]["sources"]
    columns = voxel_columns(checked_labels(root, work, subject, n_areas), types[beta_type]["labels"])
    before = read_manifest(work, subject) or {}

    def write(folder):
        folder.mkdir()
        _carry_over(work, subject, [other for other in before if other != beta_type], folder)
        sessions = {session: {"rows": rows[session], "source": sources[session], "n_nan": {}, "n_infinite": {}}
                    for session in rows}
        parcels = {}
        for label, part in columns.of_label.items():
            blocks = []
            for session, entry in sessions.items():
                if session in held:
                    blocks.append(_block_of_set(work, subject, beta_type, session, label, before[beta_type]))
                    _copy_counts(before[beta_type]["sessions"][str(session)], entry, label)
                else:
                    matrix = np.load(work / files.session_matrix_file(subject, beta_type, session), mmap_mode="r")
                    block = _finite(matrix[:, part], entry, label)
                    blocks.append(block if types[beta_type]["zscore"] == "none" else standardised(block))
            values = np.concatenate(blocks)
            np.save(folder / _name(subject, label, beta_type), values)
            parcels[label] = {"n_voxels": values.shape[1], "n_dead": int(np.sum(~values.any(axis=0)))}
        np.save(folder / Path(files.rows_file(subject, beta_type)).name, rows_of({"sessions": sessions}))
        entries = {**before, beta_type: {"unit": _UNIT, "atlas": types[beta_type]["atlas"], "zscore": types[beta_type]["zscore"],
                                         "sessions": sessions, "parcels": parcels}}
        entries = json.loads(json.dumps({name: entries[name] for name in sorted(entries)}))
        manifest = {"subject": subject, "digest": _digest(entries), "types": entries}
        (folder / files.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return write


def counts(entry):
    """What was set to 0 in the matrices of one type (an entry of `read_manifest`): (n_nan, n_infinite, n_parcels concerned)."""
    found = [entry["sessions"][session] for session in entry["sessions"]]
    nan, infinite = (sum(sum(session[kind].values()) for session in found) for kind in ("n_nan", "n_infinite"))
    return nan, infinite, len({label for session in found for kind in ("n_nan", "n_infinite") for label in session[kind]})


def remove_session_matrices(work, subject, beta_type):
    """Delete the temporary matrices of a type whose set is complete."""
    folder = (Path(work) / files.session_matrix_file(subject, beta_type, 1)).parent
    for path in folder.glob(f"{beta_type}-*"):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        shutil.rmtree(folder)


def atlas_sources(root, work, subject):
    """The files that decide which voxels a parcel has."""
    return tuple(path for path in (files.atlas_file(root, work, subject), files.hemispheres_file(root, work, subject),
                                   files.brain_mask_file(root, subject)) if path.exists())


def _held_sessions(manifest, labels, rows, there, where):
    """By session, the fingerprint of its beta file: sessions that the set holds for all labels, from the same atlas and betas.

    A beta file that is gone (it was deleted after its extraction) cannot have changed.
    """
    root, work, subject, beta_type = where
    if manifest is None or not set(map(str, labels)) <= set(manifest["parcels"]):
        return {}
    if manifest["atlas"] != _atlas_prints(root, work, subject) or not _is_whole(manifest, work, subject, beta_type):
        return {}
    held = {}
    for session, limits in rows.items():
        found = manifest["sessions"].get(str(session))
        if found and tuple(found["rows"]) == limits and (session not in there or fingerprint(there[session]) == found["source"]):
            held[session] = found["source"]
    return held


def _atlas_prints(root, work, subject):
    return [fingerprint(path) for path in atlas_sources(root, work, subject)]


def _is_whole(manifest, work, subject, beta_type):
    """Whether every matrix of a type has the shape that the manifest says."""
    n_rows = sum(entry["rows"][1] - entry["rows"][0] for entry in manifest["sessions"].values())
    return have_shapes({Path(work) / files.matrix_file(subject, int(label), beta_type): (n_rows, entry["n_voxels"])
                        for label, entry in manifest["parcels"].items()})


def _block_of_set(work, subject, beta_type, session, label, manifest):
    first, after = np.searchsorted(np.load(work / files.rows_file(subject, beta_type)),
                                   manifest["sessions"][str(session)]["rows"])
    return np.load(work / files.matrix_file(subject, label, beta_type), mmap_mode="r")[first:after]


def _copy_counts(before, entry, label):
    for kind in ("n_nan", "n_infinite"):
        if str(label) in before[kind]:
            entry[kind][str(label)] = before[kind][str(label)]


def _finite(block, entry, label):
    """A block with NaN and infinity set to 0; how many there were is noted in the session's entry."""
    for kind, wrong in (("n_nan", np.isnan(block)), ("n_infinite", np.isinf(block))):
        if n_wrong := int(np.count_nonzero(wrong)):
            entry[kind][str(label)] = n_wrong
    return np.nan_to_num(block, nan=0, posinf=0, neginf=0)


def _carry_over(work, subject, types, folder):
    """Bring the files of other types from the present set into the new folder: by links where the file system has them."""
    for path in sorted((work / files.matrix_folder(subject)).glob("*.npy")):
        if path.stem.rpartition("_")[2] in types:
            try:
                os.link(path, folder / path.name)
            except OSError:
                shutil.copy2(path, folder / path.name)


def _digest(types):
    return hashlib.blake2b(json.dumps(types, sort_keys=True).encode(), digest_size=16).hexdigest()


def _name(subject, label, beta_type):
    return Path(files.matrix_file(subject, label, beta_type)).name
