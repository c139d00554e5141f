"""Is the download of BOLD5000 complete, and are its files what they should be?

    findings = check(root, chosen)              list of Finding: what a complete download has, and with --deep whether it is sound

Which subjects there should be is read off the disk: 1 to the last one of whom there is a list of image names; their sessions are
those of their presentation lists. `deep` looks into everything: figshare's sums, lists and headers that must agree, the atlas,
every byte of the betas.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from convergence.datasets import figshare
from convergence.datasets.bold5000 import files, index
from convergence.datasets.bold5000.atlas_check import absent_labels, checked_labels
from convergence.datasets.bold5000.volumes import check_betas, read_header, read_labels, stream
from convergence.datasets.findings import Finding, attempt
from convergence.storage.paths import work_folder

ITEM = 14456124                                                         # on figshare


def check(root, chosen):
    """Look for every file of the dataset, and with chosen.deep into it.

    Parameters
    ----------
    root : path
    chosen : object
        subjects (None: 1 to the last on the disk), sessions (None: those of the presentation lists), deep, jobs; type, where it
        is given.

    Returns
    -------
    list of Finding
    """
    root = Path(root)
    needed, faults = _needed_files(root, chosen)
    missing = {path for path, _ in needed if not path.exists()}
    findings = [Finding("missing", _below(root, path), f"{path} is not there ({what})") if path in missing
                else Finding("ok", _below(root, path)) for path, what in needed]
    if chosen.deep and not faults:
        faults = _look_inside(root, chosen, missing)
    wrong = {fault.path for fault in faults if fault.status == "wrong"}
    return [finding for finding in findings if finding.path not in wrong] + faults


def _needed_files(root, chosen):
    """([(path, what it is), ...] of everything that a complete download has, [Finding, ...] of what is wrong with the names)."""
    needed, faults = [], []
    for subject in subjects_of(root, chosen):
        lists = files.stimuli_folder(root) / files.LISTS / f"CSI{subject}"
        try:
            needed += [(files.image_names_file(root, subject), "names of the pictures in the order of the betas"),
                       (files.brain_mask_file(root, subject), "the brain mask"),
                       (files.atlas_file(root, work_folder("bold5000", root), subject), "1_dataset_preparation/warp_atlas.sh "
                        "makes it"),
                       (lists, "presentation lists")]
            sessions = chosen.sessions or sorted({session for session, _ in files.run_lists(root, subject)}) or [1]
            needed += [(files.beta_file(root, subject, beta_type_of(chosen), session), "betas") for session in sessions]
        except ValueError as error:                                     # one file under two names
            faults.append(Finding(status="wrong", path=_below(root, lists), message=str(error)))
    pictures = files.stimuli_folder(root) / files.PICTURES
    return needed + [(pictures / folder, "pictures") for folder in files.PICTURE_FOLDERS.values()], faults


def subjects_of(root, chosen):
    """The subjects asked for, or 1 to the last on the disk."""
    return list(chosen.subjects or range(1, max(files.subjects_on_disk(root), default=1) + 1))


def beta_type_of(chosen):
    """The type of betas asked for."""
    return getattr(chosen, "type", None) or "D"


def _look_inside(root, chosen, missing):
    """Findings about the contents of the files that are there."""
    fault, found = attempt(figshare.list_file(root, ITEM).name, lambda: figshare.faults(root, ITEM, deep=True), damaged=False)
    findings, everyone = fault or found, files.subjects_on_disk(root)
    if everyone:
        first = _below(root, files.image_names_file(root, everyone[0]))
        of_lists = attempt(first, _compare_lists, root, everyone, damaged=False)[0]
        findings += of_lists or _look_for_pictures(root, everyone)
    masks = {}
    for subject in subjects_of(root, chosen):
        path = files.brain_mask_file(root, subject)
        if path not in missing:
            fault, masks[subject] = attempt(_below(root, path), read_labels, path)
            findings += fault
        if masks.get(subject) and files.atlas_file(root, work_folder("bold5000", root), subject) not in missing:
            findings += _look_at_atlas(root, subject)
    return findings + _read_betas(root, chosen, masks)


def _compare_lists(root, subjects):
    index.trial_table(subjects, index.beta_volumes(root, subjects), root=root)


def _look_for_pictures(root, subjects):
    folder = files.stimuli_folder(root) / files.PICTURES
    there = {index.stem(path.name) for path in folder.glob("*/*")}
    names = index.image_table(subjects, root=root)["image_name"]
    absent = [name for name in names if index.stem(name) not in there]
    message = f"{folder} lacks {len(absent)} of {len(names)} pictures, such as {absent[:3]}; unpack the archive again"
    return [Finding("missing", _below(root, folder), message)] if absent else []


def _look_at_atlas(root, subject):
    from convergence.datasets.atlas import load_atlas

    work, n_areas = work_folder("bold5000", root), int((load_atlas()["hemisphere"] == "lh").sum())
    path = _below(root, files.atlas_file(root, work, subject))
    fault, labels = attempt(path, checked_labels, root, work, subject, n_areas, damaged=False)
    absent = [] if fault else absent_labels(labels, n_areas)
    return fault + [Finding("note", path, f"{len(absent)} of {2 * n_areas} parcels have no voxel: {absent[:5]}")] * bool(absent)


def _read_betas(root, chosen, masks):
    """Findings about beta files, each read to its end; NaN and infinity inside the brain mask are noted."""
    jobs = [(root, path, masks.get(subject)) for subject in subjects_of(root, chosen)
            for session, path in files.beta_files(root, subject, beta_type_of(chosen)).items()
            if session in (chosen.sessions or [session])]
    with ThreadPoolExecutor(max(chosen.jobs or 1, 1)) as pool:
        return [finding for found in pool.map(lambda job: _look_at_session(*job), jobs) for finding in found]


def _look_at_session(root, path, mask):
    fault, wrong = attempt(_below(root, path), _count_wrong_values, path, mask)
    note = Finding("note", _below(root, path), f"{wrong} NaN or infinite values in the brain; extraction sets them to 0")
    return fault or [note] * bool(wrong)


def _count_wrong_values(path, mask):
    """How many values in the brain are NaN or infinite; ValueError where the file is not one of betas on the mask's grid."""
    header = read_header(path)
    check_betas(header, None if mask is None else mask.values.shape, None)
    brain = slice(None) if mask is None else mask.values.ravel(order="F") > 0
    return sum(int(np.count_nonzero(~np.isfinite(values[brain]))) for values in stream(header))


def _below(root, path):
    try:
        return Path(path).relative_to(root).as_posix()
    except ValueError:                                                  # in the work folder
        return str(path)
