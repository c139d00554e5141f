"""From the file of responses to one matrix per parcel: trials x voxels, float32, as published (no z-score unless asked for).

    write = subject_matrices(subject, labels, ..., root=root, work=work)
    write(folder)                   betas_glasser_roi_1.npy, ..., rows.npy, manifest.json: the set of a subject

Rows are trials in the order of trial_id; rows.npy has the trial_id (= subject_index) of each. Columns are the parcel's voxels,
ascending by voxel_id, the voxel_roi_index of roi_coordinates.parquet. A parcel without voxels has no file, as published;
manifest.json says so, and how many voxels of each parcel are dead (0 in every trial). Those are kept, unless asked for otherwise:
they are not neutral for correlations between rows, so that one must know.

The file has voxels x trials and the matrices are trials x voxels. So it is read once, front to back; the rows of voxels with an
area go to a scratch file in the order of parcels, and each parcel is then turned over by itself. Memory: one block of the file
(64 MB of it) and one parcel, twice. Disk: twice the set while it is made. Time: the disk's, some minutes for 16 GB.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np

from convergence.datasets.things import files
from convergence.datasets.things.index import read_stimuli
from convergence.datasets.things.responses_h5 import ResponseFile
from convergence.datasets.things.voxels import read_coordinates, voxel_ids
from convergence.storage.outputs import fingerprint

Z_SCORES = ("none", "session")
_UNIT = {"none": "GLM amplitude of run-wise z-scored data, as published",
         "session": "GLM amplitude, z-scored per voxel and session"}
_SCRATCH = "voxels.partial"
_TYPE = np.dtype("<f4")


def subject_matrices(subject, labels, hemisphere_compat, zscore, drop_dead_voxels, *, root, work):
    """The writer of a subject's set: a function of a path, where it makes a folder.

    Parameters
    ----------
    subject : int
    labels : list of int
        Parcels; one matrix each.
    hemisphere_compat : None or "reference"
        See voxels.py.
    zscore : "none" or "session"
        "session": every voxel has mean 0 and standard deviation 1 within each session; a voxel that does not vary there is 0.
    drop_dead_voxels : bool
        Leave out the voxels that are 0 in every trial.
    root, work : path
        The dataset's folder, and the one with roi_coordinates.parquet.

    Raises
    ------
    FileNotFoundError, ValueError
        A file is missing or damaged; the tables and the responses do not have the same trials or voxels; a value that is no
        finite number.
    """
    if zscore not in Z_SCORES:
        raise ValueError(f"zscore: {zscore!r} is unknown; use one of {', '.join(Z_SCORES)}")
    path, trials = files.table_file(root, subject, files.RESPONSES), read_stimuli(root, subject)
    table = read_coordinates(work, subject)
    table = table[table["roi"].isin(labels)].sort_values(["roi", "voxel_roi_index"])
    voxel_id, roi = table["voxel_id"].to_numpy(np.int64), table["roi"].to_numpy()
    sessions = trials["session"].to_numpy() if zscore == "session" else None

    def write(folder):
        folder.mkdir()
        _refuse_full_disk(folder, 2 * len(table) * len(trials) * _TYPE.itemsize)
        with ResponseFile(path) as file:
            file.check_against(len(trials), voxel_ids(root, subject))
            place = _places(file, voxel_id)
            alive = _collect(file, place, folder / _SCRATCH, voxel_id, sessions)
        manifest = {"subject": subject, "unit": _UNIT[zscore], "n_trials": len(trials), "hemisphere_compat": hemisphere_compat,
                    "zscore": zscore, "drop_dead_voxels": drop_dead_voxels, "parcels": {},
                    "sources": {source.name: fingerprint(source) for source in sources(root, subject)}}
        for label in sorted(labels):
            part = slice(*np.searchsorted(roi, [label, label + 1]))
            kept = alive[part] if drop_dead_voxels else np.ones(part.stop - part.start, bool)
            entry = {"n_voxels": int(kept.sum()), "n_dead": int((~alive[part]).sum())}
            manifest["parcels"][label] = entry | ({"dropped": voxel_id[part][~kept].tolist()} if not kept.all() else {})
            if kept.any():
                np.save(folder / files.matrix_name(label), _turned(folder / _SCRATCH, part, len(trials), kept))
        (folder / _SCRATCH).unlink()
        np.save(folder / files.ROWS, np.arange(len(trials), dtype=np.int64))
        (folder / files.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return write


def sources(root, subject):
    """The downloaded files that a subject's matrices are made from."""
    return (*(files.table_file(root, subject, kind) for kind in files.TABLES), files.grid_file(root, subject))


def read_manifest(path):
    """The manifest of a set.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no set; the file is damaged.
    """
    again = "run 1_dataset_preparation/4_extract_roi_betas.py --dataset things"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {again} makes it, and the matrices beside it")
    try:
        manifest = json.loads(path.read_text())
        parcels = {int(label): int(entry["n_voxels"]) for label, entry in manifest["parcels"].items()}
        return manifest | {"n_trials": int(manifest["n_trials"]), "n_voxels": parcels}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}); {again} --overwrite again") from error


def _places(file, voxel_id):
    """(n_voxels of the file,) place of every voxel in the order of the matrices' columns, -1 for those that have none."""
    order = np.argsort(file.voxel_ids)
    where = np.searchsorted(file.voxel_ids, voxel_id, sorter=order).clip(max=file.n_voxels - 1)
    absent = file.voxel_ids[order[where]] != voxel_id
    if absent.any():
        raise ValueError(f"{file.path}: {absent.sum()} of {len(voxel_id)} voxels of roi_coordinates.parquet have no responses, "
                         f"such as voxel_id {voxel_id[absent][0]}; delete roi_coordinates.parquet and extract again")
    place = np.full(file.n_voxels, -1)
    place[order[where]] = np.arange(len(voxel_id))
    return place


def _collect(file, place, scratch, voxel_id, sessions):
    """Write the wanted voxels' responses, in the order of their places; returns which of them are not 0 in every trial."""
    from tqdm import tqdm

    alive = np.zeros(len(voxel_id), bool)
    with open(scratch, "wb") as out, tqdm(total=file.n_voxels, desc=file.path.name, unit="voxel", file=sys.stderr) as progress:
        out.truncate(len(voxel_id) * file.n_trials * _TYPE.itemsize)
        for first, values in file.blocks():
            here = place[first:first + len(values)]
            wanted = np.flatnonzero(here >= 0)
            wanted = wanted[np.argsort(here[wanted])]
            there, values = here[wanted], values[wanted]
            _refuse_not_finite(values, voxel_id[there], file.path)
            alive[there] = values.any(axis=1)
            if sessions is not None:
                values = _standardized(values, sessions)
            for run in np.split(np.arange(len(there)), np.flatnonzero(np.diff(there) > 1) + 1):
                if run.size:
                    out.seek(int(there[run[0]]) * file.n_trials * _TYPE.itemsize)
                    out.write(np.ascontiguousarray(values[run], _TYPE).data)
            progress.update(len(here))
    return alive


def _turned(scratch, part, n_trials, kept):
    """(n_trials, n_voxels) of one parcel."""
    shape = (part.stop - part.start, n_trials)
    voxels = np.fromfile(scratch, _TYPE, shape[0] * n_trials, offset=part.start * n_trials * _TYPE.itemsize).reshape(shape)
    return np.ascontiguousarray(voxels[kept].T)


def _standardized(values, sessions):
    result = np.empty_like(values)
    for session in np.unique(sessions):
        part = values[:, sessions == session].astype(np.float64)
        part -= part.mean(axis=1, keepdims=True)
        spread = part.std(axis=1, keepdims=True)
        result[:, sessions == session] = np.divide(part, spread, out=np.zeros_like(part), where=spread > 0)
    return result


def _refuse_not_finite(values, voxel_id, path):
    wrong = ~np.isfinite(values).all(axis=1)
    if wrong.any():
        raise ValueError(f"{path}: {wrong.sum()} voxels of a block have responses that are no finite numbers, the first is "
                         f"voxel_id {voxel_id[wrong][0]}; download betas_csv of THINGS-data (figshare+ item 20492835) again")


def _refuse_full_disk(folder, n_bytes):
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OSError(f"{Path(folder).parent} has {free / 2**30:.1f} GB free, the matrices need {n_bytes / 2**30:.1f} GB while "
                      "they are made; make room, or set CONVERGENCE_WORK to a folder on another disk")
