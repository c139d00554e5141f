"""Is the download complete, and are the files what they should be?

    findings = check(root, subjects=None, sessions=None, deep=False, jobs=1)        list of Finding(path, status, message)

Which files a complete download has: two files for all subjects; per subject three label volumes, a brain mask, and a beta file
for each session. The sessions are those asked for, or else those of the subject's behavioural record (responses.tsv) together
with all numbers up to the last one on the disk; without a record a session missing at the end cannot be noticed, so name them
then. `deep` also looks into the files: the table of stimuli, the pictures' array, labels and their agreement, the brain mask, and
of each beta file the header and every byte up to the checksum.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convergence.datasets.nsd import files
from convergence.datasets.nsd.index import planned_subjects, read_stimulus_information
from convergence.datasets.nsd.volumes import check_header, joined_labels, read_header, read_labels, stream, usual_count


class Finding(NamedTuple):
    """What was found about one file; status is "ok", "note" (worth knowing, no fault), "missing" or "wrong"."""
    path: str
    status: str
    message: str = ""


def check(root, *, subjects=None, sessions=None, deep=False, jobs=1):
    """Look for every file of the dataset, and with `deep` into it.

    Parameters
    ----------
    root : path
    subjects : list of int, optional
        Default: those of the stimulus table; where there is no such table, those with a folder.
    sessions : list of int, optional
        Expected of every subject; default: see the module.
    deep : bool
        Read everything to the end: seconds for a session of megabytes, half a minute for one of gigabytes.
    jobs : int
        Beta files that are read at a time.

    Returns
    -------
    list of Finding
    """
    root = Path(root)
    subjects = subjects or _subjects(root)
    needed = [files.STIMULI, files.STIMULUS_INFORMATION]
    for subject in subjects:
        needed += [files.label_file(subject, stem) for stem in (files.LEFT, files.RIGHT, files.COMBINED)]
        needed += [files.brain_mask_file(subject)]
        needed += [files.beta_file(subject, session) for session in sessions or expected_sessions(root, subject)]
    findings = [Finding(path, "ok" if (root / path).exists() else "missing") for path in needed]
    if not deep:
        return findings
    faults = _look_inside(root, subjects, {finding.path for finding in findings if finding.status == "ok"}, jobs)
    named = {fault.path for fault in faults if fault.status == "wrong"}
    return [finding for finding in findings if finding.path not in named] + faults


def expected_sessions(root, subject):
    """Sessions that a subject should have: those of the behavioural record, and 1 to the last on the disk."""
    present = files.sessions_on_disk(root, subject)
    expected = set(range(1, max(present, default=1) + 1))
    record = Path(root) / files.behaviour_file(subject)
    if record.exists():
        import pandas
        expected |= set(pandas.read_csv(record, sep="\t", usecols=["SESSION"])["SESSION"].astype(int))
    return sorted(expected)


def _subjects(root):
    try:
        return planned_subjects(read_stimulus_information(root))
    except (OSError, ValueError):                       # that the table is missing or wrong is a finding of its own
        return files.subjects_on_disk(root)


def _look_inside(root, subjects, present, jobs):
    """Findings about the contents of the files that are there."""
    findings = []
    n_images = None
    if files.STIMULUS_INFORMATION in present:
        fault, table = _attempt(files.STIMULUS_INFORMATION, read_stimulus_information, root)
        findings += fault
        n_images = None if table is None else len(table)
    if files.STIMULI in present:
        findings += _attempt(files.STIMULI, _check_pictures, root / files.STIMULI, n_images)[0]
    grids = {}
    for subject in subjects:
        found, grids[subject] = _check_labels(root, subject, present)
        findings += found
    return findings + _check_betas(root, {path: grids[subject] for subject in subjects for path in sorted(present)
                                          if path.startswith(Path(files.beta_file(subject, 1)).parent.as_posix() + "/")}, jobs)


def _attempt(path, function, *arguments):
    """([], result) of a function, or ([the finding], None) where it says what is wrong."""
    try:
        return [], function(*arguments)
    except (ValueError, OSError) as error:
        return [Finding(path, "wrong", str(error))], None


def _check_pictures(path, n_images):
    import h5py

    with h5py.File(path, "r") as file:
        if "imgBrick" not in file:
            raise ValueError(f"{path} has no dataset imgBrick; expected NSD's pictures; download it again")
        pictures = file["imgBrick"]
        if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8 or n_images not in (None, len(pictures)):
            raise ValueError(f"{path}: imgBrick is {pictures.dtype} {pictures.shape}; expected uint8 ({n_images or 'n'}, height, "
                             "width, 3)")


def _check_labels(root, subject, present):
    """(findings, grid): the label volumes agree with each other and lie within the brain mask."""
    from convergence.datasets.atlas import load_atlas

    volumes = [files.label_file(subject, stem) for stem in (files.LEFT, files.RIGHT, files.COMBINED)]
    if not set(volumes) <= present:
        return [], None
    n_areas = int((load_atlas()["hemisphere"] == "lh").sum())
    fault, labels = _attempt(volumes[0], joined_labels, root, subject, n_areas)
    if labels is None:
        return fault, None
    mask = files.brain_mask_file(subject)
    if mask in present:
        fault = _attempt(mask, _check_mask, root / mask, labels[0])[0] or _voxels_outside(root / mask, mask, labels[0])
    return fault, labels[0].shape


def _check_mask(path, labels):
    mask, _ = read_labels(path)
    if mask.shape != labels.shape or not set(np.unique(mask)) <= {0, 1}:
        raise ValueError(f"{path} has shape {mask.shape} and values {np.unique(mask)[:4].tolist()}; expected 0 and 1 on the grid "
                         f"{labels.shape} of the labels")


def _voxels_outside(path, name, labels):
    outside = np.count_nonzero((labels > 0) & (read_labels(path)[0] == 0))
    total = np.count_nonzero(labels)
    message = f"{outside} of {total} labelled voxels lie outside the brain mask; their betas are 0"
    return [Finding(name, "note", message)] if outside else []


def _check_betas(root, grid_of, jobs):
    """Findings about beta files, given the grid that each should have (None where the labels could not tell)."""
    from tqdm import tqdm

    findings, headers = [], {}
    for path in grid_of:
        fault, header = _attempt(path, read_header, root / path)
        findings += fault
        if header is not None:
            headers[path] = header
    if not headers:
        return findings
    usual = usual_count(headers.values())

    def read_to_the_end(path):
        return _attempt(path, _check_one, headers[path], grid_of[path] or headers[path].shape[:3], usual)[0]

    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        for fault in tqdm(pool.map(read_to_the_end, headers), total=len(headers), desc="reading betas", unit="session"):
            findings += fault
    return findings


def _check_one(header, grid, usual):
    check_header(header, grid, usual)
    for _ in stream(header):
        pass
