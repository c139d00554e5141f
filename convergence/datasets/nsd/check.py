"""Is the download complete, and are the files what they should be?

    findings = check(root, subjects=None, sessions=None, deep=False, jobs=1, ...)       list of Finding(status, path, message)

Which files a complete download has: two files for all subjects; per subject three label volumes, a brain mask, and a beta file
for each session. The sessions are those asked for, or those of a release (assets/sessions.csv), or else those of the subject's
behavioural record (responses.tsv) together with all numbers up to the last one on the disk; without a record and a release a
session missing at the end cannot be noticed. `deep` also looks into the files: the table of stimuli, the pictures' array, labels
and their agreement, the brain mask, the behavioural record, and of each beta file the header and every byte up to the checksum.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from convergence.datasets.findings import Finding, attempt
from convergence.datasets.nsd import files
from convergence.datasets.nsd.files import Source
from convergence.datasets.nsd.index import (check_behaviour, planned_subjects, planned_trials, read_stimulus_information,
                                             shared_positions)
from convergence.datasets.nsd.parcels import n_areas
from convergence.datasets.nsd.volumes import check_header, joined_labels, read_header, read_labels, read_through, usual_count

RELEASES = ("first", "full")
_SESSIONS = Path(__file__).parent / "assets" / "sessions.csv"


def check(root, *, subjects=None, sessions=None, deep=False, jobs=1, source=Source(), release=None):
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
    source : Source
        Which betas, on which grid, with which ROI volume.
    release : {"first", "full"}, optional
        Expect the sessions of this release; not together with `sessions`.

    Returns
    -------
    list of Finding

    Raises
    ------
    ValueError
        A release is asked for of a subject that it does not know, or together with sessions.
    """
    root = Path(root)
    if release and sessions:
        raise ValueError("--sessions and --release both say which sessions are expected; give one of them")
    subjects = subjects or _subjects(root, release)
    needed = [files.STIMULI, files.STIMULUS_INFORMATION]
    for subject in subjects:
        expected = sessions or expected_sessions(root, subject, source, release)
        needed += [*files.label_files(subject, source), files.brain_mask_file(subject, source)]
        needed += [files.beta_path(root, subject, session, source).relative_to(root).as_posix() for session in expected]
    findings = [Finding("ok" if (root / path).exists() else "missing", path) for path in needed]
    if not deep:
        return findings
    faults = _look_inside(root, subjects, {finding.path for finding in findings if finding.status == "ok"}, jobs, source)
    named = {fault.path for fault in faults if fault.status == "wrong"}
    return [finding for finding in findings if finding.path not in named] + faults


def expected_sessions(root, subject, source=Source(), release=None):
    """Sessions that a subject should have: those of the release, or of the behavioural record and 1 to the last on the disk."""
    if release:
        return list(range(1, sessions_of_release(subject, release) + 1))
    present = files.sessions_on_disk(root, subject, source)
    expected = set(range(1, max(present, default=1) + 1))
    record = Path(root) / files.behaviour_file(subject)
    if record.exists():
        import pandas
        try:
            expected |= set(pandas.read_csv(record, sep="\t", usecols=["SESSION"])["SESSION"].astype(int))
        except ValueError:                              # a damaged record is a finding of its own, of the deep check
            pass
    return sorted(expected)


def sessions_of_release(subject, release):
    """How many sessions a release has of a subject: "full" all, "first" without those that were held out from it at first.

    Raises
    ------
    ValueError
        The release or the subject is unknown.
    """
    import pandas

    table = pandas.read_csv(_SESSIONS, index_col="subject")
    if release not in RELEASES or subject not in table.index:
        raise ValueError(f"--release {release}: nothing is known of subject {subject}; releases {' and '.join(RELEASES)} have "
                         f"the subjects {table.index.min()} to {table.index.max()}; leave --release out, or name --sessions")
    return int(table.loc[subject, "sessions"] - (table.loc[subject, "held_out"] if release == "first" else 0))


def _subjects(root, release):
    try:
        return planned_subjects(read_stimulus_information(root))
    except (OSError, ValueError):                       # that the table is missing or wrong is a finding of its own
        import pandas
        return files.subjects_on_disk(root) or (pandas.read_csv(_SESSIONS)["subject"].tolist() if release else [])


def _look_inside(root, subjects, present, jobs, source):
    """Findings about the contents of the files that are there."""
    findings, table = [], None
    if files.STIMULUS_INFORMATION in present:
        fault, table = attempt(files.STIMULUS_INFORMATION, read_stimulus_information, root)
        findings += fault
    if files.STIMULI in present:
        findings += attempt(files.STIMULI, _check_pictures, root / files.STIMULI, None if table is None else len(table))[0]
    grids, betas = {}, {}
    for subject in subjects:
        found, grids[subject] = _check_labels(root, subject, present, source)
        findings += found
        folder = files.beta_folder(subject, source) + "/"
        betas |= {path: grids[subject] for path in sorted(present) if path.startswith(folder)}
    found, usual = _check_betas(root, betas, jobs)
    findings += found
    if table is not None and usual:
        findings += _compare_trials(root, table, usual)
    return findings


def _compare_trials(root, information, per_session):
    """The behavioural records name the table's pictures (73KID counts from 1); shared pictures have equal trial numbers."""
    fault, trials = attempt(files.STIMULUS_INFORMATION, planned_trials, information, per_session, damaged=False)
    if fault:
        return fault
    findings = []
    for subject, own in trials.groupby("subject"):
        record = files.behaviour_file(subject)
        if (root / record).exists():
            fault, n_trials = attempt(record, check_behaviour, own, root / record)         # the table is sound by itself
            findings += fault or [Finding("ok", record, f"{n_trials} trials name the pictures of {files.STIMULUS_INFORMATION} "
                                          "(73KID, from 1)")]
    equal, total = shared_positions(trials)
    message = f"{equal} of {total} presentations of shared pictures have the same trial number in every subject"
    return findings + [Finding("ok" if equal == total else "note", files.STIMULUS_INFORMATION, message)]


def _check_pictures(path, n_images):
    import h5py

    with h5py.File(path, "r") as file:
        if "imgBrick" not in file:
            raise ValueError(f"{path} has no dataset imgBrick; expected NSD's pictures; download it again")
        pictures = file["imgBrick"]
        if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8 or n_images not in (None, len(pictures)):
            raise ValueError(f"{path}: imgBrick is {pictures.dtype} {pictures.shape}; expected uint8 ({n_images or 'n'}, height, "
                             "width, 3)")


def _check_labels(root, subject, present, source):
    """(findings, grid): the label volumes agree with each other and lie within the brain mask."""
    volumes, n_labels = files.label_files(subject, source), n_areas(source.volume)
    faults = [fault for volume in volumes if volume in present for fault in attempt(volume, read_labels, root / volume)[0]]
    if faults or not set(volumes) <= present or n_labels is None:
        return faults, None
    fault, labels = attempt(volumes[0], joined_labels, root, subject, n_labels, source)
    if labels is None:
        return fault, None
    findings = [Finding("ok", volumes[0], f"left, right and combined labels agree in {np.count_nonzero(labels[0])} voxels")]
    mask = files.brain_mask_file(subject, source)
    if mask in present:
        findings += attempt(mask, _check_mask, root / mask, labels[0])[0] or _voxels_outside(root / mask, mask, labels[0])
    return findings, labels[0].shape


def _check_mask(path, labels):
    mask, _ = read_labels(path)
    if mask.shape != labels.shape or not set(np.unique(mask)) <= {0, 1}:
        raise ValueError(f"{path} has shape {mask.shape} and values {np.unique(mask)[:4].tolist()}; expected 0 and 1 on the grid "
                         f"{labels.shape} of the labels")


def _voxels_outside(path, name, labels):
    outside = np.count_nonzero((labels > 0) & (read_labels(path)[0] == 0))
    total = np.count_nonzero(labels)
    message = f"{outside} of {total} labelled voxels lie outside the brain mask; their betas are 0"
    return [Finding("note", name, message)] if outside else []


def _check_betas(root, grid_of, jobs):
    """(findings, usual number of volumes) of beta files, given the grid of each (None: the labels could not tell)."""
    from tqdm import tqdm

    findings, headers = [], {}
    for path in grid_of:
        fault, header = attempt(path, read_header, root / path)
        findings += fault
        if header is not None:
            headers[path] = header
    if not headers:
        return findings, None
    usual = usual_count(headers.values())

    def read_to_the_end(path):
        return attempt(path, _check_one, headers[path], grid_of[path] or headers[path].shape[:3], usual)[0]

    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        for fault in tqdm(pool.map(read_to_the_end, headers), total=len(headers), desc="reading betas", unit="session"):
            findings += fault
    return findings, usual


def _check_one(header, grid, usual):
    check_header(header, grid, usual)
    read_through(header)
