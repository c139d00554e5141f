"""What stage 1 does for THINGS-fMRI; the scripts of 1_dataset_preparation call these functions.

    check(root, chosen)                         list of Finding: what a complete download has, and with --deep whether it is sound
    forecast(root, chosen, findings)            lines: time, disk, and the commands that download what is missing or damaged
    index_units(dataset, derivatives)           categories.csv, images.csv, stimulus_index.{parquet,csv}, the atlas
    report(dataset)                             lines: what the indexes say
    extract(dataset, subject, chosen)           the voxels' parcels, and one matrix per parcel

Responses are one file per subject, all sessions together: --sessions does not apply. Which subjects there should be is read off
the disk: 1 to the last one of whom there is a table.
"""

from pathlib import Path

from convergence.datasets.things import files
from convergence.datasets.things.voxels import REFERENCE

_READING = 150e6                # bytes a second, of an ordinary disk
_LABELLED = 1 / 3               # of the voxels have a parcel, about
_TYPICAL, _PICTURES = 20e9, 5e9         # bytes of a subject's responses and their part of the archive, and of the pictures
_WITHOUT = {"sessions": "has one file of responses per subject, with all sessions",
            "min_ncsnr": "comes without a volume of ncsnr"}


def check(root, chosen):
    """Look for every file of the dataset, and with chosen.deep into it.

    Parameters
    ----------
    root : path
    chosen : object
        subjects (None: 1 to the last on the disk), sessions (must be None), deep, jobs.

    Returns
    -------
    list of Finding
    """
    from convergence.datasets.findings import Finding
    from convergence.datasets.things.checks import look_inside

    _refuse(chosen, "sessions")
    findings = [Finding(path=path, status="ok" if there else "missing", message="" if there else message) for path, there,
                message in _needed(root, chosen)]
    present = {finding.path for finding in findings if finding.status == "ok"}
    faults = look_inside(Path(root), _subjects(root, chosen), present, deep=chosen.deep, jobs=chosen.jobs or 1)
    wrong = {fault.path for fault in faults if fault.status == "wrong"}
    return [finding for finding in findings if finding.path not in wrong] + faults


def forecast(root, chosen, findings):
    """Lines: how long reading takes, how much disk is needed and free, and how to download what `check` found to be missing or
    damaged.
    """
    from convergence.datasets.disk import disk_lines, in_words
    from convergence.datasets.figshare import removals
    from convergence.datasets.findings import paths_of
    from convergence.storage.paths import work_folder

    root, work, lines, matrices = Path(root), work_folder("things", root), [], []
    for subject in _subjects(root, chosen):
        path = files.table_file(root, subject, files.RESPONSES)
        if (work / files.matrix_folder(subject) / files.MANIFEST).exists():
            lines.append(f"subject {subject}: a set of matrices is there, in {files.matrix_folder(subject)}")
        elif path.exists():
            n_bytes = path.stat().st_size
            matrices.append(n_bytes * _LABELLED)
            lines.append(f"subject {subject}: {in_words(n_bytes)} to read, about {n_bytes / _READING / 60:.0f} min; matrices "
                         f"about {in_words(matrices[-1])}, and as much again while they are made (a third of the voxels have a "
                         "parcel)")
    missing, damaged = paths_of(findings, status="missing"), paths_of(findings, damaged=True)
    to_come = _TYPICAL * sum(path.endswith(files.RESPONSES) for path in missing) + _PICTURES * (files.PICTURES in missing)
    lines += disk_lines(root, to_come, work, sum(matrices) + max(matrices, default=0))
    return lines + removals(root, damaged) + _downloads(root, {*missing, *paths_of(findings, status="wrong")})


def index_units(dataset, derivatives):
    """The units that make the index tables."""
    from convergence.datasets.atlas import atlas_units
    from convergence.datasets.things import index
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import Unit

    root, places = Path(dataset.root), {"root": dataset.root}
    subjects = files.subjects_on_disk(root)
    if not subjects:
        raise FileNotFoundError(f"{files.table_file(root, 1, files.TRIALS_OF)} is not there; "
                                "1_dataset_preparation/1_check_dataset.py --dataset things lists what is missing, and how to "
                                "download it")
    pictures = (root / files.PICTURES, root / files.CONCEPTS)
    categories = (root / files.CONCEPTS, files.higher_file(root, files.MEMBERSHIP), files.higher_file(root, files.TAGS))
    shown = tuple(files.table_file(root, subject, files.TRIALS_OF) for subject in subjects)
    _refuse_missing(*categories, *pictures, *shown)
    return [Unit("categories", dataset.work / files.CATEGORIES, index.category_table, {}, places, categories),
            Unit("images", dataset.work / files.IMAGES, index.image_table, {}, places, pictures),
            *(Unit(name, dataset.work / file, index.stimulus_table, {"subjects": subjects}, places, (*pictures, *shown))
              for name, file in (("trials", files.INDEX), ("trials as text", files.INDEX_CSV))),
            *atlas_units(derivatives_folder(derivatives), dataset.atlas_file)]


def report(dataset):
    """Lines: how many trials and images there are, and how they are shared."""
    trials = dataset.trials
    there = trials[trials["exists"]].groupby("subject").size()
    kinds = trials.drop_duplicates(["image"]).groupby("trial_type").size()
    return ["trials with data: " + ", ".join(f"subject {subject} {there.get(subject, 0)}" for subject in dataset.subjects),
            f"images: {trials['image'].nunique()} of {len(dataset.images)} were shown "
            f"({', '.join(f'{n} {kind}' for kind, n in kinds.items())}), {trials.loc[trials['shared'], 'image'].nunique()} to "
            "more than one subject"]


def extract(dataset, subject, chosen):
    """Bring one subject's coordinates, label volumes and set of matrices up to what is asked for.

    Parameters
    ----------
    dataset : Things
    subject : int
    chosen : object
        rois (None: all), hemisphere_compat (None or "reference"), overwrite, dry_run; and where they are given zscore ("none",
        "session") and drop_dead_voxels. sessions and min_ncsnr must be None.

    A set only grows: parcels that it holds stay (unless chosen.overwrite).
    """
    from convergence.tasks import run_units

    _refuse(chosen, "sessions", "min_ncsnr")
    compat = getattr(chosen, "hemisphere_compat", None)
    if compat not in (None, REFERENCE):
        raise ValueError(f"hemisphere_compat: {compat!r} is unknown; leave it out, or use {REFERENCE!r} for the files as "
                         "published")
    redo = {"overwrite": chosen.overwrite, "dry_run": chosen.dry_run}
    first, *others = _voxel_units(dataset, subject, compat)
    run_units([first], title=f"subject {subject}, voxels", **redo)
    run_units([*others], title=f"subject {subject}, label volumes", **redo)
    run_units([_set_unit(dataset, subject, compat, chosen)], title=f"subject {subject}, matrices", **redo)


def _voxel_units(dataset, subject, compat):
    from convergence.datasets.things.voxels import coordinate_table, label_volume
    from convergence.tasks import Unit

    table, grid = files.table_file(dataset.root, subject, files.VOXELS), files.grid_file(dataset.root, subject)
    inputs = (table, grid, *dataset.atlas_files())
    _refuse_missing(*inputs)
    options, places = {"subject": subject, "hemisphere_compat": compat}, {"root": dataset.root}
    return [Unit("coordinates", dataset.work / files.coordinate_file(subject), coordinate_table, options,
                 places | {"atlas": dataset.atlas()}, inputs),
            *(Unit(f"labels {suffix}", dataset.work / files.label_file(subject, suffix), label_volume,
                   options | {"suffix": suffix}, places | {"work": dataset.work}, inputs) for suffix in (".npy", ".nii.gz"))]


def _set_unit(dataset, subject, compat, chosen):
    from convergence.datasets.atlas import labels_of
    from convergence.datasets.things.matrices import read_manifest, sources, subject_matrices
    from convergence.tasks import Unit

    folder = dataset.work / files.matrix_folder(subject)
    labels = set(labels_of(dataset.atlas(), chosen.rois or dataset.atlas()["roi"]))
    if (folder / files.MANIFEST).exists() and not chosen.overwrite:
        labels |= set(read_manifest(folder / files.MANIFEST)["n_voxels"])
    options = {"subject": subject, "labels": sorted(labels), "hemisphere_compat": compat,
               "zscore": getattr(chosen, "zscore", None) or "none",
               "drop_dead_voxels": bool(getattr(chosen, "drop_dead_voxels", False))}
    inputs = (*sources(dataset.root, subject), *dataset.atlas_files())
    _refuse_missing(*inputs)
    return Unit("all parcels", folder, subject_matrices, options, {"root": dataset.root, "work": dataset.work}, inputs)


def _needed(root, chosen):
    """(path below root, whether it is there, what to say if not) of everything that a complete download has."""
    root = Path(root)
    needed = []
    for subject in _subjects(root, chosen):
        for kind in files.TABLES:
            needed.append((files.table_file(root, subject, kind), "from betas_csv"))
        needed.append((files.grid_file(root, subject), "the brain mask, or a volume of betas_vol/, tells left from right"))
    needed += [(root / files.PICTURES, "the folder of the pictures"), (root / files.CONCEPTS, "the names of the categories"),
               *((files.higher_file(root, name), "from the folder of the 27 higher-level categories")
                 for name in (files.MEMBERSHIP, files.TAGS))]
    return [(path.relative_to(root).as_posix(), path.exists(), f"{path} is not there ({what})") for path, what in needed]


def _downloads(root, needed):
    """Shell lines for files that are needed, given by their paths below root; [] for none."""
    from convergence.datasets import figshare

    lines = []
    if any(path.startswith("betas_csv") for path in needed):                        # a table, or the archive of all
        lines += figshare.commands(root, files.RESPONSE_ITEM, "responses and their tables, 8 to 17 GB per subject when unpacked",
                                   only="betas_csv")
    if any(files.is_mask(path) for path in needed):
        lines += figshare.commands(root, files.MASK_ITEM, "the brain masks: sub-0S_space-T1w_brainmask.nii.gz, a few MB",
                                   only="brainmask", into=files.MASK_FOLDER)
    if any(path.startswith("stimuli/") for path in needed):
        lines += [f"# pictures and categories: from osf.io/jum2f into {Path(root) / 'stimuli/THINGS'}:",
                  "#   Images (26,107 pictures of 1,854 concepts, about 5 GB; the password of the archive stands in a file "
                  "beside it),",
                  "#   Metadata, 27 higher-level categories. We do not know their checksums: osf.io shows the size and SHA-256 "
                  "of each",
                  "#   file beside it, to be compared with sha256sum"]
    return lines


def _subjects(root, chosen):
    return list(chosen.subjects or range(1, max(files.subjects_on_disk(root), default=1) + 1))


def _refuse(chosen, *names):
    """ValueError where an option is given that this dataset has no use for."""
    for name in names:
        if getattr(chosen, name, None) is not None:
            raise ValueError(f"--{name.replace('_', '-')}: dataset 'things' {_WITHOUT[name]}; leave the option out")


def _refuse_missing(*paths):
    absent = [str(path) for path in dict.fromkeys(paths) if not Path(path).exists()]
    if absent:
        raise FileNotFoundError(f"not there: {', '.join(absent)}; 1_dataset_preparation/1_check_dataset.py --dataset things "
                                "tells how to download what is missing")
