"""Two brains in datasets whose repetitions cannot be shifted (THINGS, BOLD5000): RSA session by session, as published.

    unit = pair_unit(dataset, 1, 3, table)              # tasks.Unit: the sessions of subject 1 against subject 3
    table_path(derivatives, "things", hemispheres="joined")

Trials belong together where they show the same repetition of the same image; a row of the RDMs is such a pair. The rows are those
of one session of subject i; those of subject j may come from any of its sessions. RDMs are computed from these rows, limits of
outliers included.

Memory: two subjects' RDMs of one session, n_rois x n_pairs x 4 bytes each.
"""

from pathlib import Path

import pandas

from convergence.alignment.parts import parts_folder
from convergence.alignment.recipe import Recipe
from convergence.alignment.sources import ResponsesSource
from convergence.alignment.subject_subject import Comparison
from convergence.alignment.trials import shared_trials
from convergence.storage.tables import conform, file_of

TABLE = "rsa_other_subject_subject_alignment"
FAMILIES = ("things", "bold5000")


def session_wise(dataset):
    """Whether the published tables of a dataset are session by session and unshifted."""
    return folder_of(dataset.name) in FAMILIES


def table_path(derivatives, dataset, *, hemispheres="joined", form="full", method="pearson", exclude=(), table=TABLE):
    """Where the table of a dataset is, under its published name: things/rsa_things_subject_subject_alignment_joined.parquet."""
    left_out = "".join(f"_without-{rule}" for rule in exclude)
    more = (f"_{method}" if method != "pearson" else "") + left_out + "_diagonal" * (form == "diagonal")
    return Path(derivatives) / file_of(table, family=folder_of(dataset), dataset=dataset, hemispheres=hemispheres, more=more)


def folder_of(dataset):
    """Folder of a dataset's tables below the derivatives: the parts of BOLD5000 share that of the whole."""
    from convergence.datasets import whole_of
    return whole_of(dataset)


def pair_unit(dataset, i, j, table, *, hemispheres="joined", form="full", rois=None, method="pearson", exclude=(),
              reference=False, sessions=None, device="auto"):
    """The unit of work of an ordered pair of subjects: all sessions of the first (or `sessions` of them)."""
    from convergence.tasks import Unit

    options = {"subject_i": i, "subject_j": j, "hemispheres": hemispheres, "form": form, "rois": rois, "clip": Recipe.clip}
    defaults = (("method", method, "pearson"), ("exclude", list(exclude), []), ("reference", reference, False),
                ("sessions", sessions, None))
    stated = {name: value for name, value, plain in defaults if value != plain}
    return Unit(f"subjects {i} and {j}", parts_folder(table, rois) / f"subject-{i:02d}_subject-{j:02d}.parquet", pair_similarity,
                options=options | stated, places={"dataset": dataset, "device": device},
                inputs=tuple(dict.fromkeys([*dataset.response_files(i), *dataset.response_files(j)])))


def pair_similarity(*, subject_i, subject_j, hemispheres, form, rois, clip, dataset, method="pearson", exclude=(),
                    reference=False, sessions=None, device="auto"):
    """Table of one ordered pair, all sessions of the first: columns of rsa_other_subject_subject_alignment.

    A session with fewer than 4 common trials has no rows; without any session this is an error.

    Raises
    ------
    FileNotFoundError, ValueError
        Responses are missing or damaged; no session with 4 common trials.
    """
    table = dataset.trials
    pairs, frames = common(table, subject_i, subject_j), []
    mine, theirs = (ResponsesSource(dataset, subject, hemispheres, table, device) for subject in (subject_i, subject_j))
    for number, (session, rows) in enumerate(pairs.groupby("session_i")):
        if len(rows) < 4 or (sessions is not None and session not in sessions):
            continue
        compared = Comparison(mine, theirs, rows.reset_index(drop=True), method, exclude, {}, device, None)
        for frame in compared.frames(mine.rois if rois is None else rois, form):
            frames.append(frame.assign(session=number if reference else session))
    if not frames:
        raise ValueError(f"subjects {subject_i} and {subject_j} have {len(pairs)} common trials, and no session with at least 4 "
                         "of them; get more of their sessions, or leave one of them out with --subjects")
    known = {"subject_i": subject_i, "subject_j": subject_j, "join_hemispheres": hemispheres == "joined", "dataset": dataset.name}
    return conform(pandas.concat(frames).assign(**known, rep_shift=dataset.name if reference else "0"), TABLE)


def common(trials, i, j):
    """Trials of two subjects that show the same repetition of the same image, in i's order: columns of trials.common_trials."""
    mine, theirs = shared_trials(trials, i), shared_trials(trials, j)
    pairs = mine.merge(theirs, on=["image", "repetition"], suffixes=("_i", "_j"), validate="one_to_one")
    return pairs.sort_values("subject_index_i", ignore_index=True)
