"""What stage 1 does for BOLD5000; the scripts of 1_dataset_preparation call these functions.

    check(root, chosen)                 list of Finding: what a complete download has, and with --deep whether it is sound
    forecast(root, chosen, findings)    lines: time, disk, and the commands that download what is missing or damaged
    index_units(dataset, derivatives)   images.{csv,parquet}, stimulus_index.{csv,parquet}, the atlas table
    report(dataset)                     lines: what the indexes say
    extract(dataset, subject, chosen)   one matrix per parcel, of one type of betas
"""

import math
from pathlib import Path

import numpy as np

from convergence.datasets.bold5000 import files
from convergence.datasets.bold5000.check import ITEM, beta_type_of, check, subjects_of

__all__ = ["check", "extract", "forecast", "index_units", "report"]

# What figshare's names of the betas of a type have in them.
_ONLY = {"A": "ASSUMEHRF", "B": "FITHRF_ses", "C": "GLMDENOISE_ses", "D": "GLMDENOISE-RR"}
_READING = 30e6                                                         # bytes of gzip a second
_SESSION, _PICTURES = 0.3e9, 1e9        # bytes of a session, where there is none to measure, and of the pictures
_STIMULI_SITE = "bold5000-dataset.org (Download: BOLD5000_Stimuli.zip, presentation lists included)"


def forecast(root, chosen, findings):
    """Lines: how long reading takes, how much disk is needed and free, and how to download what `check` found to be missing or
    damaged.
    """
    from convergence.datasets.disk import disk_lines, in_words
    from convergence.datasets.figshare import removals
    from convergence.datasets.findings import paths_of
    from convergence.storage.paths import work_folder

    root, work, lines, matrices, sizes = Path(root), work_folder("bold5000", root), [], [], []
    beta_type = beta_type_of(chosen)
    for subject in subjects_of(root, chosen):
        try:
            there = files.beta_files(root, subject, beta_type)
        except ValueError:                                              # one file under two names: a finding of its own
            continue
        betas = [path for session, path in there.items() if session in (chosen.sessions or [session])]
        sizes += [path.stat().st_size for path in betas]
        n_bytes = sum(path.stat().st_size for path in betas)
        if (work / files.rows_file(subject, beta_type)).exists():
            lines.append(f"subject {subject}: a set of matrices of type {beta_type} is there, in {files.matrix_folder(subject)}")
        elif betas:
            needed = _matrix_bytes(root, subject, betas)
            matrices.append(needed or 0)
            disk = f"matrices at most {in_words(matrices[-1])}, and twice as much while they are made"
            if needed is None:
                disk = "the disk that its matrices need is told once its brain mask and betas can be read"
            lines.append(f"subject {subject}: {len(betas)} sessions of type {beta_type}, {in_words(n_bytes)} to read, about "
                         f"{math.ceil(n_bytes / _READING / 60)} min; {disk}")
    missing, damaged = paths_of(findings, status="missing"), paths_of(findings, damaged=True)
    to_come = sum("GLMbetas" in path for path in missing) * (np.mean(sizes) if sizes else _SESSION)
    to_come += _PICTURES * any(files.PICTURES in path for path in missing)
    lines += disk_lines(root, to_come, work, sum(matrices) + max(matrices, default=0))
    return lines + removals(root, damaged) + _downloads(root, {*missing, *paths_of(findings, status="wrong")}, beta_type)


def _downloads(root, needed, beta_type):
    """Shell lines for files that are needed, given by their paths below root; [] for none."""
    from convergence.datasets import figshare

    lines = []
    for word, only, description in (("_imgnames.txt", "imgnames", "lists of image names, 1 MB"),
                                    ("_brainmask", "brainmask", "brain masks, 1 MB"),
                                    ("_GLMbetas", _ONLY[beta_type], f"betas of type {beta_type}, about 0.3 GB a session")):
        if any(word in path for path in needed):
            lines += figshare.commands(root, ITEM, description, only=only)
    if any(files.STIMULI in path.lower() for path in needed):
        lines += [f"# pictures and presentation lists, from {_STIMULI_SITE}; no sum of it is published:",
                  f"#   curl -fL -C - -O URL && unzip -n BOLD5000_Stimuli.zip -d {root}"]
    if any("HCP_atlas" in path for path in needed):
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
    from convergence.datasets.atlas import atlas_units
    from convergence.datasets.bold5000 import index
    from convergence.storage.paths import derivatives_folder
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
    return [*units, *atlas_units(derivatives_folder(derivatives), dataset.atlas_file)]


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
        "session").

    A set only grows: sessions and parcels that it holds stay (unless chosen.overwrite), other types of betas too.
    """
    from convergence.datasets.atlas import labels_of
    from convergence.datasets.bold5000 import atlas_check, betas
    from convergence.tasks import run_units

    beta_type, n_areas = beta_type_of(chosen), int((dataset.atlas()["hemisphere"] == "lh").sum())
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


def _matrix_bytes(root, subject, betas):
    """Bytes of a subject's matrices if all of the brain has labels; None where a file that tells is missing or damaged."""
    from convergence.datasets.bold5000.volumes import read_header, read_labels

    try:
        n_voxels = np.count_nonzero(read_labels(files.brain_mask_file(root, subject)).values > 0)
        return 4 * n_voxels * sum(read_header(path).shape[3] for path in betas)
    except (ValueError, OSError):                                       # a finding of its own
        return None
