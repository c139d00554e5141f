"""What stage 1 does for BOLD5000; the scripts of 1_dataset_preparation call these functions.

    check(root, chosen)                 list of Finding: what a complete download has, and with --deep whether it is sound
    forecast(root, chosen)              lines: time, disk, and the commands that download what is missing
    index_units(dataset, derivatives)   images.{csv,parquet}, stimulus_index.{csv,parquet}, the atlas table
    report(dataset)                     lines: what the indexes say
    extract(dataset, subject, chosen)   one matrix per parcel, of one type of betas

Which subjects there should be is read off the disk: 1 to the last one of whom there is a list of image names; their sessions
are those of their presentation lists.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from convergence.datasets.bold5000 import files

ITEM = 14456124                                                         # on figshare
_ONLY = {"A": "ASSUMEHRF", "B": "FITHRF_ses", "C": "GLMDENOISE_ses", "D": "GLMDENOISE-RR"}      # what figshare's names have in them
_READING = 30e6                                                         # bytes of gzip a second
_STIMULI_SITE = "bold5000-dataset.org (Download: BOLD5000_Stimuli.zip, presentation lists included)"


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
    from convergence.datasets.findings import Finding

    root = Path(root)
    needed, faults = _needed(root, chosen)
    missing = {path for path, _ in needed if not path.exists()}
    findings = [Finding("missing", _below(root, path), f"{path} is not there ({what})") if path in missing
                else Finding("ok", _below(root, path)) for path, what in needed]
    if chosen.deep and not faults:
        faults = _look_inside(root, chosen, missing)
    wrong = {fault.path for fault in faults if fault.status == "wrong"}
    return [finding for finding in findings if finding.path not in wrong] + faults


def forecast(root, chosen):
    """Lines: how long reading takes, how much disk the matrices need, and how to download what is missing.

    Raises
    ------
    ValueError
        One file lies there under two names, or figshare's list is damaged.
    """
    from convergence.datasets import figshare

    root, lines, beta_type = Path(root), [], _beta_type(chosen)
    for subject in _subjects(root, chosen):
        betas = [path for session, path in files.beta_files(root, subject, beta_type).items()
                 if session in (chosen.sessions or [session])]
        n_bytes = sum(path.stat().st_size for path in betas)
        if betas:
            lines.append(f"subject {subject}: {len(betas)} sessions of type {beta_type}, {n_bytes / 1e9:.2f} GB to read, about "
                         f"{math.ceil(n_bytes / _READING / 60)} min; {_disk(root, subject, betas)}")
    missing = {path for path, _ in _needed(root, chosen)[0] if not path.exists()}
    for word, only, description in ((".txt", "imgnames", "lists of image names, 1 MB"),
                                    ("brainmask", "brainmask", "brain masks, 1 MB"),
                                    ("GLMbetas", _ONLY[beta_type], f"betas of type {beta_type}, 54 sessions of about 0.3 GB")):
        if any(word in path.name and path.parent == root for path in missing):
            lines += figshare.commands(root, ITEM, description, only=only)
    if any(files.STIMULI in _below(root, path).lower() for path in missing):
        lines += [f"# pictures and presentation lists, from {_STIMULI_SITE}; no sum of it is published:",
                  f"#   curl -fL -C - -O URL && unzip -n BOLD5000_Stimuli.zip -d {root}"]
    if any("HCP_atlas" in path.name for path in missing):
        lines += ["# atlas: figshare 3501911 (HCP-MMP1 in MNI space), then 1_dataset_preparation/warp_atlas.sh for every subject "
                  "(FSL, about an hour each)"]
    return lines


def index_units(dataset, derivatives):
    """The units that make the index tables.

    Raises
    ------
    FileNotFoundError
        There is no list of image names.
    """
    from convergence.datasets import atlas
    from convergence.datasets.bold5000 import index
    from convergence.storage.paths import derivatives_folder
    from convergence.storage.tables import file_of
    from convergence.tasks import Unit

    root, subjects = Path(dataset.root), files.subjects_on_disk(dataset.root)
    if not subjects:
        raise FileNotFoundError(f"{files.image_names_file(root, 1)} is not there; 1_dataset_preparation/1_check_dataset.py "
                                "--dataset bold5000 lists what is missing, and how to download it")
    lists = tuple(path for subject in subjects for path in (files.image_names_file(root, subject),
                                                            *files.run_lists(root, subject).values()))
    options = {"images": {"subjects": subjects}, "trials": {"subjects": subjects, "volumes": index.beta_volumes(root, subjects)}}
    tables = (("images", files.IMAGES, index.image_table), ("trials", files.TRIALS, index.trial_table))
    units = [Unit(f"{name} ({kind})", dataset.work / f"{file}.{kind}", table, options[name], {"root": root}, lists)
             for name, file, table in tables for kind in ("csv", "parquet")]
    return [*units, Unit("atlas", derivatives_folder(derivatives) / file_of("hcp"), atlas.load_atlas,
                         inputs=(atlas.AREAS, atlas.REGIONS))]


def report(dataset):
    """Lines: how many trials and pictures there are, how often pictures were repeated, how they are shared."""
    trials, images = dataset.trials, dataset.images
    there = trials[trials["exists"]].groupby("subject").size()
    sources = images.groupby("stim_source").size()
    lines = ["trials with data: " + ", ".join(f"subject {subject} {there.get(subject, 0)}" for subject in dataset.subjects),
             f"pictures: {len(images)} ({', '.join(f'{n} {source}' for source, n in sources.items())}), "
             f"{trials.loc[trials['shared'], 'image'].nunique()} shown to more than one subject"]
    for subject in dataset.subjects:
        times = trials[trials["subject"] == subject].groupby("image").size().value_counts().sort_index(ascending=False)
        lines.append(f"subject {subject}: "
                     f"{', '.join(f'{n} pictures {k} times' for k, n in times.items() if k > 1) or 'no picture repeated'}, "
                     f"{times.get(1, 0)} once")
    return lines


def extract(dataset, subject, chosen):
    """Bring one subject's matrices of one type of betas up to what is asked for; prints what was set to 0.

    Parameters
    ----------
    dataset : Bold5000
    subject : int
    chosen : object
        sessions, rois (None: all), scheduler, jobs, overwrite, dry_run; and where they are given type ("D"), zscore ("none",
        "session"). min_ncsnr and drop_dead_voxels must not be set.

    A set only grows: sessions and parcels that it holds stay (unless chosen.overwrite), other types of betas too.
    """
    from convergence.datasets.atlas import labels_of
    from convergence.datasets.bold5000 import atlas_check, betas
    from convergence.tasks import run_units

    _refuse(chosen, "min_ncsnr", "drop_dead_voxels")
    beta_type, n_areas = _beta_type(chosen), _n_areas(dataset)
    absent = atlas_check.absent_labels(atlas_check.checked_labels(dataset.root, dataset.work, subject, n_areas), n_areas)
    if absent:
        print(f"subject {subject}: {len(absent)} of {2 * n_areas} parcels have no voxel ({', '.join(map(str, absent[:5]))}); "
              f"their matrices are empty")
    plan = betas.make_plan(dataset, subject, labels_of(dataset.atlas(), chosen.rois or dataset.atlas()["roi"]),
                           beta_type=beta_type,
                           sessions=chosen.sessions, zscore=getattr(chosen, "zscore", None) or "none", fresh=chosen.overwrite)
    if plan.left_out:
        print(f"subject {subject}: sessions {plan.left_out} have no betas of type {beta_type}; the matrices have no rows "
              f"for them")
    scheduler = "threads" if chosen.scheduler == "local" and chosen.jobs > 1 else chosen.scheduler
    redo = {"overwrite": chosen.overwrite, "dry_run": chosen.dry_run}
    run_units(_session_units(dataset, plan, n_areas), title=f"subject {subject}, sessions", scheduler=scheduler, jobs=chosen.jobs,
              **redo)
    run_units([_set_unit(dataset, plan, n_areas)], title=f"subject {subject}, matrices", **redo)
    if not chosen.dry_run:
        betas.remove_session_matrices(dataset.work, subject, beta_type)
        nan, infinite, n_parcels = betas.counts(betas.read_manifest(dataset.work, subject)[beta_type])
        if nan or infinite:
            print(f"subject {subject}, type {beta_type}: {nan} NaN and {infinite} infinite values in {n_parcels} parcels were "
                  f"set to 0")


def _session_units(dataset, plan, n_areas):
    from convergence.datasets.bold5000.betas import atlas_sources, session_matrix
    from convergence.tasks import Unit

    root, work, subject, beta_type = dataset.root, dataset.work, plan.subject, plan.beta_type
    return [Unit(f"session {session}", work / files.session_matrix_file(subject, beta_type, session), session_matrix,
                 {"subject": subject, "beta_type": beta_type, "session": session, "labels": plan.labels,
                  "rows": plan.rows[session], "n_areas": n_areas},
                 {"root": root, "work": work}, (files.beta_file(root, subject, beta_type, session),
                                                *atlas_sources(root, work, subject)))
            for session in plan.to_read]


def _set_unit(dataset, plan, n_areas):
    from convergence.datasets.bold5000.betas import contents_with, subject_matrices
    from convergence.tasks import Unit

    options = {"subject": plan.subject, "types": contents_with(plan, dataset.work), "n_areas": n_areas}
    places = {"beta_type": plan.beta_type, "root": dataset.root, "work": dataset.work, "held": plan.held}
    return Unit("all parcels", dataset.work / files.matrix_folder(plan.subject), subject_matrices, options, places)


def _disk(root, subject, betas):
    """Words: what a subject's matrices take if every voxel of the brain has a label."""
    from convergence.datasets.bold5000.volumes import read_header, read_labels

    try:
        n_voxels = np.count_nonzero(read_labels(files.brain_mask_file(root, subject)).values > 0)
        n_bytes = 4 * n_voxels * sum(read_header(path).shape[3] for path in betas)
    except (ValueError, OSError):                                       # missing or damaged: a finding of its own
        return "the disk that its matrices need is told once its brain mask and betas can be read"
    return f"matrices at most {n_bytes / 1e9:.2f} GB, and twice as much while they are made"


def _needed(root, chosen):
    """([(path, what it is), ...] of everything that a complete download has, [Finding, ...] of what is wrong with the names)."""
    from convergence.datasets.findings import Finding
    from convergence.storage.paths import work_folder

    needed, faults = [], []
    for subject in _subjects(root, chosen):
        lists = files.stimuli_folder(root) / files.LISTS / f"CSI{subject}"
        try:
            needed += [(files.image_names_file(root, subject), "names of the pictures in the order of the betas"),
                       (files.brain_mask_file(root, subject), "the brain mask"),
                       (files.atlas_file(root, work_folder("bold5000", root), subject), "1_dataset_preparation/warp_atlas.sh "
                        "makes it"),
                       (lists, "presentation lists")]
            sessions = chosen.sessions or sorted({session for session, _ in files.run_lists(root, subject)}) or [1]
            needed += [(files.beta_file(root, subject, _beta_type(chosen), session), "betas") for session in sessions]
        except ValueError as error:                                     # one file under two names
            faults.append(Finding(status="wrong", path=_below(root, lists), message=str(error)))
    pictures = files.stimuli_folder(root) / files.PICTURES
    return needed + [(pictures / folder, "pictures") for folder in files.PICTURE_FOLDERS.values()], faults


def _look_inside(root, chosen, missing):
    """Findings about the contents of the files that are there."""
    from convergence.datasets import figshare
    from convergence.datasets.bold5000 import index
    from convergence.datasets.findings import Finding
    from convergence.storage.paths import work_folder

    work, n_areas = work_folder("bold5000", root), _n_areas()
    findings = [Finding(status="wrong", path=path, message=message)
                for path, message in figshare.faults(root, ITEM, deep=True).items()]
    everyone = files.subjects_on_disk(root)
    if everyone:
        findings += _attempt(root, files.image_names_file(root, everyone[0]),
                             lambda: index.trial_table(everyone, index.beta_volumes(root, everyone), root=root))
        findings += _look_for_pictures(root, everyone) if not findings else []
    for subject in _subjects(root, chosen):
        atlas = files.atlas_file(root, work, subject)
        if not {atlas, files.brain_mask_file(root, subject)} & missing:
            findings += _look_at_atlas(root, work, subject, n_areas)
    return findings + _read_betas(root, chosen)


def _look_for_pictures(root, subjects):
    from convergence.datasets.bold5000 import index
    from convergence.datasets.findings import Finding

    folder = files.stimuli_folder(root) / files.PICTURES
    there = {index.stem(path.name) for path in folder.glob("*/*")}
    names = index.image_table(subjects, root=root)["image_name"]
    absent = [name for name in names if index.stem(name) not in there]
    message = f"{folder} lacks {len(absent)} of {len(names)} pictures, such as {absent[:3]}; unpack the archive again"
    return [Finding(status="missing", path=_below(root, folder), message=message)] if absent else []


def _look_at_atlas(root, work, subject, n_areas):
    from convergence.datasets.bold5000.atlas_check import absent_labels, checked_labels
    from convergence.datasets.findings import Finding

    path, labels = files.atlas_file(root, work, subject), []
    faults = _attempt(root, path, lambda: labels.append(checked_labels(root, work, subject, n_areas)))
    absent = absent_labels(labels[0], n_areas) if labels else []
    if absent:
        faults.append(Finding(status="note", path=_below(root, path), message=f"{len(absent)} of {2 * n_areas} parcels have no "
                              f"voxel: {absent[:5]}"))
    return faults


def _read_betas(root, chosen):
    """Findings about beta files, each read to its end; NaN and infinity inside the brain mask are noted."""
    from convergence.datasets.bold5000.volumes import read_labels

    work = []
    for subject in _subjects(root, chosen):
        try:
            mask = read_labels(files.brain_mask_file(root, subject)).values
        except (ValueError, OSError):                                   # a finding of its own
            mask = None
        for session, path in files.beta_files(root, subject, _beta_type(chosen)).items():
            if session in (chosen.sessions or [session]):
                work.append((path, mask))
    with ThreadPoolExecutor(max(chosen.jobs or 1, 1)) as pool:
        found = pool.map(lambda job: _attempt(root, job[0], lambda: _read_session(root, *job)), work)
        return [finding for some in found for finding in some]


def _read_session(root, path, mask):
    from convergence.datasets.bold5000.volumes import check_betas, read_header, stream
    from convergence.datasets.findings import Finding

    header = read_header(path)
    check_betas(header, None if mask is None else mask.shape, None)
    brain = slice(None) if mask is None else mask.ravel(order="F") > 0
    wrong = sum(int(np.count_nonzero(~np.isfinite(values[brain]))) for values in stream(header))
    return [Finding(status="note", path=_below(root, path), message=f"{wrong} NaN or infinite values in the brain; "
                    "extraction sets them to 0")] if wrong else []


def _attempt(root, path, function):
    """What a function finds, or the finding that it raises."""
    from convergence.datasets.findings import Finding

    try:
        found = function()
        return found if isinstance(found, list) else []
    except (ValueError, OSError) as error:
        return [Finding(status="wrong", path=_below(root, path), message=str(error))]


def _subjects(root, chosen):
    return list(chosen.subjects or range(1, max(files.subjects_on_disk(root), default=1) + 1))


def _beta_type(chosen):
    return getattr(chosen, "type", None) or "D"


def _n_areas(dataset=None):
    from convergence.datasets.atlas import load_atlas

    atlas = load_atlas() if dataset is None else dataset.atlas()
    return int((atlas["hemisphere"] == "lh").sum())


def _refuse(chosen, *names):
    for name in names:
        if getattr(chosen, name, None):
            raise ValueError(f"--{name.replace('_', '-')} is not for dataset 'bold5000'; leave it out (manifest.json counts dead "
                             f"voxels)")


def _below(root, path):
    try:
        return Path(path).relative_to(root).as_posix()
    except ValueError:                                                  # in the work folder
        return str(path)
