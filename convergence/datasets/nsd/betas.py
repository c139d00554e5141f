"""From NSD's sessions to one matrix per parcel: trials x voxels, by default int16, percent signal change x 300 as published.

    make_plan(dataset, ...)         which sessions a subject's set of matrices will have, and which of them it holds already
    session_matrix(...)             reads one session as a stream: (n_trials, n_voxels of all parcels), a temporary file
    subject_matrices(...)           writes the set: a folder of sub-01_roi-001.npy ..., rows.npy, manifest.json

Rows are trials, sessions ascending; rows.npy has the subject_index of each, so that a missing session shifts nothing. Columns are
voxels in C order of (x, y, z), the order that a boolean mask gives. manifest.json says from which bytes each session came (and
from which file, where that is not the .nii.gz) and counts, per parcel, the voxels and the dead ones (0 in every trial: outside
the brain mask).
They are not neutral for correlations between rows, so that one must know.

A `Source` may ask for more: z-scores (float32, each voxel within each session; one that is constant there is 0, and counted),
without dead voxels, with a least ratio of signal to noise. The manifest then has the voxels of each parcel before and after.

A set only grows: sessions and parcels that it holds stay, sessions by a copy, so that their beta files may be gone. One that is
z-scored or has voxels left out is made anew from all its sessions, because which voxels are left out depends on all of them.
Memory: one volume and the columns of one parcel in one session. Time: what gunzip takes (about 25 s for a session of 750 volumes
of 1 mm).
"""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convergence.datasets.matrices import have_shapes, row_limits, write_npy_header
from convergence.datasets.nsd import files
from convergence.datasets.nsd.files import Source
from convergence.datasets.nsd.selection import ncsnr_path, select
from convergence.datasets.nsd.volumes import TYPE, check_header, label_sources, read_header, read_labels, write_voxels
from convergence.datasets.voxels import standardised, voxel_columns
from convergence.storage.outputs import fingerprint, put_back

_UNIT = "percent signal change x 300"
_ZSCORED = "z-score within session"


class Plan(NamedTuple):
    """What a subject's set of matrices will hold, and where from."""
    subject: int
    labels: list                    # ascending; one matrix each
    rows: dict                      # by session, ascending: (its first subject_index, the one after its last)
    sources: dict                   # by session: fingerprint of its beta file
    hdf5: dict                      # by session: name of its beta file, where it is an .hdf5
    held: list                      # sessions that the present set holds
    left_out: list                  # sessions before the last that have no data

    @property
    def to_read(self):
        return [session for session in self.rows if session not in self.held]


def make_plan(dataset, subject, labels, *, source=Source(), sessions=None, fresh=False):
    """What to do for one subject.

    Parameters
    ----------
    dataset : NSD
    subject : int
    labels : list of int
        Labels asked for.
    source : Source
    sessions : list of int, optional
        Default: all with a beta file.
    fresh : bool
        Forget what the present set holds.

    Raises
    ------
    ValueError
        Sessions asked for that are not there, sessions beyond those planned, no session at all; a set that must be made anew
        lacks beta files.
    """
    root, work = Path(dataset.root), Path(dataset.work)
    manifest = None if fresh else read_manifest(work, subject, source)
    before = [] if manifest is None else [int(session) for session in manifest["sessions"]]
    labels = sorted({*labels, *map(int, manifest["parcels"] if manifest else ())})
    planned = row_limits(dataset.trials, subject)
    there = files.sessions_on_disk(root, subject, source)
    wanted = sorted({*(there if sessions is None else sessions), *before})
    beyond = [session for session in wanted if session not in planned]
    if beyond:
        raise ValueError(f"sessions {beyond} of subject {subject} are not among those planned, {min(planned)} to {max(planned)} "
                         f"({work / files.TRIALS}); if it is out of date, run 1_dataset_preparation/2_build_indexes.py again")
    held = held_sessions(manifest, labels, {session: planned[session] for session in wanted}, root=root, work=work, source=source)
    absent = [session for session in wanted if session not in there and session not in held]
    example = root / files.beta_file(subject, (absent or [1])[0], source)
    if set(absent) & set(sessions or ()) or not wanted:
        raise ValueError(f"sessions {absent or 'of any number'} of subject {subject} have no beta file, such as "
                         f"{example}; download them")
    if set(absent) & set(before) and not _grows(source):
        raise ValueError(f"sessions {absent} of subject {subject} have no beta file, such as {example}, and "
                         f"{work / source.folder} must be made anew from all its sessions, as they decide which voxels are left "
                         "out; download them, or make a set of those that are there with --overwrite")
    rows = {session: planned[session] for session in wanted if session not in absent}
    paths = {session: files.beta_path(root, subject, session, source) for session in rows}
    sources = {session: held.get(session) or fingerprint(paths[session]) for session in rows}
    hdf5 = {session: _hdf5_name(manifest["sessions"][str(session)].get("file") if session in held else paths[session].name)
            for session in rows}
    left_out = [session for session in planned if session < max(rows, default=0) and session not in rows and sessions is None]
    return Plan(subject, labels, rows, sources, {session: name for session, name in hdf5.items() if name}, sorted(held), left_out)


def _grows(source):
    """Whether a set can be added to: its voxels do not depend on the sessions, and its values are the betas themselves."""
    return source.zscore == "none" and not source.drop_dead_voxels and source.min_ncsnr is None


def _hdf5_name(name):
    return name if name and name.endswith(".hdf5") else None


def held_sessions(manifest, labels, rows, *, root, work, source=Source()):
    """By session, the fingerprint of its beta file: the sessions that a set holds for all labels, made from the same label
    volumes (and map of signal to noise) and beta file. Of a set that cannot grow, all its sessions or none.

    A beta file that is gone (it was deleted after its extraction) cannot have changed.
    """
    if manifest is None or not set(map(str, labels)) <= set(manifest["parcels"]) or not _is_whole(manifest, work, source):
        return {}
    subject = manifest["subject"]
    if _voxel_prints(root, subject, source) != manifest["label_volumes"]:
        return {}
    held = {}
    for session, limits in rows.items():
        found, path = manifest["sessions"].get(str(session)), files.beta_path(root, subject, session, source)
        if found and tuple(found["rows"]) == limits and (not path.exists() or fingerprint(path) == found["source"]):
            held[session] = found["source"]
    return held if _grows(source) or len(held) == len(rows) else {}


def read_manifest(work, subject, source=Source()):
    """The manifest of a subject's set, or None where there is no set; ValueError where it is damaged."""
    path = Path(work) / files.matrix_folder(subject, source) / files.MANIFEST
    put_back(path.parent)                                   # beta files that it was made from may be gone
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text())
        n_entries = [len(manifest[part]) for part in ("label_volumes", "sessions", "parcels")]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}); delete {path.parent} and run "
                         "1_dataset_preparation/4_extract_roi_betas.py again") from error
    return manifest if all(n_entries) else None


def _voxel_prints(root, subject, source):
    """Fingerprints of the files that decide which voxels a parcel has."""
    return [fingerprint(path) for path in voxel_files(root, subject, source)]


def voxel_files(root, subject, source=Source()):
    """The files that decide which voxels a parcel has: the label volumes, and the map of signal to noise where it is used."""
    ratio = ncsnr_path(root, subject, source)
    return (*label_sources(root, subject, source), *([ratio] if ratio else []))


def _is_whole(manifest, work, source):
    """Whether every matrix of a set has the shape that its manifest says."""
    n_rows = sum(entry["rows"][1] - entry["rows"][0] for entry in manifest["sessions"].values())
    return have_shapes({Path(work) / files.matrix_file(manifest["subject"], int(label), source): (n_rows, entry["n_voxels"])
                        for label, entry in manifest["parcels"].items()})


def session_matrix(subject, session, labels, rows, source=Source(), *, root, work):
    """The writer of one session's matrix: a function of a path, for outputs.save. Parameters as in `Plan`, `rows` those of the
    session.

    Raises
    ------
    ValueError, FileNotFoundError
        The beta file is not there, truncated, of another grid, type or number of volumes; the writer raises what only reading on
        can tell.
    """
    volume, _ = read_labels(Path(work) / files.joined_label_file(subject, source))
    header = read_header(files.beta_path(root, subject, session, source), volume.shape)
    check_header(header, volume.shape, rows[1] - rows[0])
    offsets = voxel_columns(volume, labels).offsets
    return lambda path: write_voxels(header, offsets, path)


def subject_matrices(subject, labels, rows, sources, source=Source(), hdf5=None, *, root, work, held):
    """The writer of a subject's set of matrices: a function of a path, where it makes a folder. Parameters as in `Plan`.

    Sessions in `held` are copied from the present set, all others from their session matrices.
    """
    work, root = Path(work), Path(root)
    volume, _ = read_labels(work / files.joined_label_file(subject, source))
    columns = voxel_columns(volume, labels)
    names = {session: {"file": name} for session, name in (hdf5 or {}).items()}
    manifest = {"subject": subject, "unit": _UNIT if source.zscore == "none" else _ZSCORED,
                "label_volumes": _voxel_prints(root, subject, source),
                "sessions": {session: {"rows": rows[session], "source": sources[session], **names.get(session, {})}
                             for session in rows}}

    def write(folder):
        if set(held) == set(rows):                          # the present set, written again because its sidecar is lost or old
            shutil.copytree(work / files.matrix_folder(subject, source), folder)
            return
        folder.mkdir()
        selection = _selection(subject, rows, source, volume.shape, columns.offsets, root, work)
        blocks_of = {session: (_from_set if session in held else _from_session)(work, subject, session, columns, source)
                     for session in rows}
        manifest["parcels"] = {}
        for label, part in columns.of_label.items():
            path = folder / Path(files.matrix_file(subject, label, source)).name
            manifest["parcels"][label] = _write_parcel(path, label, blocks_of, selection, part, rows, source,
                                                       manifest["sessions"])
        np.save(folder / files.ROWS, np.concatenate([np.arange(*limits, dtype=np.int64) for limits in rows.values()]))
        (folder / files.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return write


def _write_parcel(path, label, blocks_of, selection, part, rows, source, sessions):
    """Write one matrix; returns its entry in the manifest."""
    keep = slice(None) if selection is None else selection.keep[part]
    n_before, dtype = part.stop - part.start, TYPE if source.zscore == "none" else np.dtype("<f4")
    n_after, alive = n_before if selection is None else int(keep.sum()), np.zeros(n_before, dtype=bool)
    with open(path, "wb") as file:
        write_npy_header(file, (sum(after - first for first, after in rows.values()), n_after), dtype)
        for session, block_of in blocks_of.items():
            block = np.ascontiguousarray(block_of(label), dtype=TYPE)
            alive |= block.any(axis=0)
            block = block[:, keep]
            if source.zscore == "session":
                n_constant = int(np.count_nonzero(block.min(axis=0) == block.max(axis=0)))
                if n_constant:
                    sessions[session].setdefault("n_constant", {})[label] = n_constant
                block = standardised(block)
            file.write(block.tobytes())
    found = {"n_voxels": n_after, "n_dead": int(np.sum(~alive))}
    if selection is not None:
        found["n_voxels_before"] = n_before
        if source.min_ncsnr is not None:
            found["n_below_ncsnr"] = int(selection.below[part].sum())
    return found


def _selection(subject, rows, source, shape, offsets, root, work):
    """The voxels that are kept, or None where all are."""
    if not source.drop_dead_voxels and source.min_ncsnr is None:
        return None
    sessions = [np.load(work / files.session_matrix_file(subject, session, source), mmap_mode="r") for session in rows]
    ratio, images = ncsnr_path(root, subject, source), None
    if source.min_ncsnr is not None and ratio is None:
        import pandas

        trials = pandas.read_csv(work / files.TRIALS, usecols=["subject", "subject_index", "nsd_id"])
        trials = trials.query("subject == @subject")
        images = trials.set_index("subject_index")["nsd_id"].loc[np.concatenate([np.arange(*limits) for limits in rows.values()])]
    return select(sessions, source, ncsnr_path=ratio, shape=shape, offsets=offsets, images=images)


def remove_session_matrices(work, subject, source=Source()):
    """Delete the temporary matrices of a subject whose set is complete."""
    shutil.rmtree((Path(work) / files.session_matrix_file(subject, 1, source)).parent, ignore_errors=True)


def _from_session(work, subject, session, columns, source):
    matrix = np.load(work / files.session_matrix_file(subject, session, source), mmap_mode="r")
    return lambda label: matrix[:, columns.of_label[label]]


def _from_set(work, subject, session, columns, source):
    limits = read_manifest(work, subject, source)["sessions"][str(session)]["rows"]
    first, after = np.searchsorted(np.load(work / files.matrix_folder(subject, source) / files.ROWS), limits)
    return lambda label: np.load(work / files.matrix_file(subject, label, source), mmap_mode="r")[first:after]
