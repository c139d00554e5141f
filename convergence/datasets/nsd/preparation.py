"""What stage 1 does for the Natural Scenes Dataset; the scripts of 1_dataset_preparation call these functions.

    check(root, chosen)                 list of Finding: what a complete download has, and with --deep whether it is sound
    forecast(root, chosen, findings)    lines: time, disk, and the commands that download what is missing or damaged
    reader_options(chosen)              the Source that --betas, --resolution, --volume, --zscore, ... name, for the reader
    index_units(dataset, derivatives)   nsd.csv, nsd_stimuli.csv, nsd_masks.csv, the atlas table
    report(dataset)                     lines: what the indexes say
    extract(dataset, subject, chosen)   one matrix per parcel, of the dataset's source
"""

from pathlib import Path

from convergence.datasets.nsd import files
from convergence.datasets.nsd.files import Source

_SOURCE_OPTIONS = ("resolution", "betas", "volume", "zscore", "drop_dead_voxels", "min_ncsnr")


def check(root, chosen):
    """Look for every file of the dataset, and with chosen.deep into it.

    Parameters
    ----------
    root : path
    chosen : object
        subjects, sessions (None: see `nsd.check`), deep, jobs; and where they are given resolution, betas, volume, release.

    Returns
    -------
    list of Finding
    """
    from convergence.datasets.nsd.check import check as look

    return look(root, subjects=chosen.subjects, sessions=chosen.sessions, deep=chosen.deep, jobs=chosen.jobs or 1,
                source=source_of(chosen), release=_given(chosen, "release"))


def forecast(root, chosen, findings):
    """Lines: how long reading takes, how much disk is needed and free, and how to download what `check` found to be missing or
    damaged.
    """
    from convergence.datasets.findings import paths_of
    from convergence.datasets.nsd import download
    from convergence.storage.paths import work_folder

    source = source_of(chosen)
    missing, damaged = paths_of(findings, status="missing"), paths_of(findings, damaged=True)
    there = {subject: files.sessions_on_disk(root, subject, source)
             for subject in chosen.subjects or files.subjects_on_disk(root)}
    sessions = {subject: [session for session in some if session in (chosen.sessions or some)] for subject, some in there.items()}
    # Of label volumes that contradict each other, it cannot be told which one is wrong.
    together = {volume: volumes for subject in there for volumes in [files.label_files(subject, source)] for volume in volumes}
    damaged = list(dict.fromkeys(path for one in damaged for path in together.get(one, (one,)) if path not in missing))
    lines = download.forecast(root, work_folder("nsd", root), sessions, missing, source)
    if missing or damaged:
        what = " and ".join(word for word, paths in (("missing", missing), ("damaged", damaged)) if paths)
        lines += [f"# what is {what}, from the bucket of the Natural Scenes Dataset (pip install awscli; accept its terms):",
                  *download.commands(root, missing, damaged)]
    return lines


def source_of(chosen):
    """The Source that options name; what was not given is as in `Source()`. ValueError: see `Source`."""
    given = {name: _given(chosen, name) for name in _SOURCE_OPTIONS}
    return Source(**{name: value for name, value in given.items() if value is not None})


def reader_options(chosen):
    """Options of NSD.open: the source, where any of its options was given."""
    source = source_of(chosen)
    return {} if source == Source() else {"source": source}


def index_units(dataset, derivatives):
    """The units that make the index tables.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no table of stimuli, or neither betas nor a behavioural record.
    """
    from convergence.datasets.nsd import index
    from convergence.tasks import Unit

    root, source = Path(dataset.root), dataset.source
    information = root / files.STIMULUS_INFORMATION
    subjects = index.planned_subjects(index.read_stimulus_information(root))
    sessions = {subject: files.sessions_on_disk(root, subject, source) for subject in subjects}
    records = [path for subject in subjects if (path := root / files.behaviour_file(subject)).exists()]
    grid = {} if source.resolution == Source().resolution else {"resolution": source.resolution}
    estimate = {} if source.betas == Source().betas else {"betas": source.betas}
    if (grid or estimate) and not any(sessions.values()):
        raise FileNotFoundError(f"{root} has no betas of {' '.join([*grid.values(), *estimate.values()])}; the tables are left as they are. "
                                "Download them first (1_check_dataset.py with the same options prints the commands)")
    trials = {"per_session": index.trials_per_session(root, sessions, source), "sessions": sessions, **grid, **estimate}
    return [Unit("images", dataset.work / files.IMAGES, index.image_table, {}, {"root": root}, (information,)),
            Unit("trials", dataset.work / files.TRIALS, index.trial_table, trials, {"root": root}, (information, *records)),
            Unit("masks", dataset.work / files.MASKS, index.mask_table, {"volumes": index.volumes_on_disk(root, **grid)}),
            *_atlas_units(dataset, derivatives)]


def _atlas_units(dataset, derivatives):
    """The units that write the table of parcels; none where a ROI volume has no table."""
    from convergence.datasets.atlas import atlas_units
    from convergence.datasets.nsd.parcels import table_file
    from convergence.storage.paths import derivatives_folder

    file = dataset.atlas_file
    if file is None and dataset.source.volume != Source().volume:
        file = table_file(dataset.source.volume)
    return atlas_units(derivatives_folder(derivatives), file) if file is None or file.exists() else []


def report(dataset):
    """Lines: how many trials there are, and whether shared pictures fall on the same trials."""
    from convergence.datasets.nsd.index import shared_positions

    there = dataset.trials[dataset.trials["exists"]].groupby("subject").size()
    equal, total = shared_positions(dataset.trials)
    return ["trials with data: " + ", ".join(f"subject {subject} {there.get(subject, 0)}" for subject in dataset.subjects),
            f"shared pictures: {equal} of {total} presentations have the same trial number in every subject"]


def extract(dataset, subject, chosen):
    """Bring one subject's set of matrices, of the dataset's source, up to what is asked for.

    Parameters
    ----------
    dataset : NSD
    subject : int
    chosen : object
        sessions, rois (None: all), scheduler, jobs, overwrite, dry_run; release, where it is given.

    A set only grows: sessions and parcels that it holds stay (unless chosen.overwrite).
    """
    from convergence.datasets.atlas import labels_of
    from convergence.datasets.nsd import extraction

    labels = labels_of(dataset.atlas(), chosen.rois or dataset.atlas()["roi"])
    extraction.extract(dataset, subject, labels, dataset.source, sessions=_sessions(dataset, subject, chosen),
                       scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite, dry_run=chosen.dry_run)


def _sessions(dataset, subject, chosen):
    """The sessions asked for by number or by release; None: all that are there."""
    from convergence.datasets.nsd.check import sessions_of_release

    release = _given(chosen, "release")
    if release is None:
        return chosen.sessions
    if chosen.sessions:
        raise ValueError("--sessions and --release both say which sessions to take; give one of them")
    of_release = range(1, sessions_of_release(subject, release) + 1)
    there = files.sessions_on_disk(dataset.root, subject, dataset.source)
    absent = sorted(set(of_release) - set(there))
    if absent:
        print(f"subject {subject}: sessions {absent} of release {release} have no beta file; the matrices have no rows for them")
    return [session for session in there if session in of_release]


def _given(chosen, name):
    return getattr(chosen, name, None)
