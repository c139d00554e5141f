"""One response matrix per parcel (trials x voxels) from the sessions of whole-brain betas.

Reads    the beta files, each once and as a stream; the label volumes; nsd_stimuli.csv (2_build_indexes.py).
Writes   subj01/func1mm/roi/both.HCP_MMP1.nii.gz and betas/sub01/sub-01_roi-001.npy, ... , rows.npy, manifest.json into the
         dataset's folder, or below CONVERGENCE_WORK if that is set. int16, percent signal change x 300 as published.
Needs    under 1 GB of memory a job; on the disk, while a subject is worked on, twice its matrices (15 to 35 GB at 1 mm).
Time     about 25 s for a session of 750 volumes of 1 mm: two hours for 284 sessions, less with --jobs.

Stop it whenever you like, and run it again: finished sessions are not read again. A subject's matrices appear together, when all
its sessions are done. Sessions downloaded later are added: what a set of matrices holds is kept, also where beta files were
deleted since or less is asked for; --overwrite makes exactly what is asked for. A parcel given by name or number stands for both
its hemispheres.

    python 1_dataset_preparation/4_extract_roi_betas.py --root /data/nsd --jobs 4
    python 1_dataset_preparation/4_extract_roi_betas.py --root /data/nsd --subjects 1 --sessions 1 --rois V1 MT     # a first look
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "subjects", "sessions", "rois", "scheduler", "jobs", "overwrite", "dry-run")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import open_dataset
    from convergence.datasets.atlas import labels_of
    from convergence.tasks import UnitsFailed

    if chosen.dataset != "nsd":
        raise ValueError(f"--dataset: {chosen.dataset!r} has no betas to extract; this script knows nsd")
    dataset = open_dataset(chosen.dataset, chosen.root)
    unknown = sorted(set(chosen.subjects or ()) - set(dataset.subjects))
    if unknown:
        raise ValueError(f"--subjects: {unknown} are not in the dataset, which has {dataset.subjects}")
    labels = labels_of(dataset.atlas(), chosen.rois or dataset.atlas()["roi"])
    failures = []
    for subject in chosen.subjects or dataset.subjects:
        try:
            extract(dataset, subject, labels, chosen)
        except (UnitsFailed, ValueError, OSError) as error:         # the other subjects go on
            failures.append(str(error))
    if failures:
        raise UnitsFailed("\n".join(failures))


def extract(dataset, subject, labels, chosen):
    """Bring one subject's set of matrices up to what is asked for."""
    from convergence.datasets.nsd.betas import make_plan, remove_session_matrices
    from convergence.tasks import run_units

    scheduler = "threads" if chosen.scheduler == "local" and chosen.jobs > 1 else chosen.scheduler
    redo = {"overwrite": chosen.overwrite, "dry_run": chosen.dry_run}
    run_units([label_unit(dataset, subject)], title=f"subject {subject}, labels", **redo)
    plan = make_plan(dataset, subject, labels, sessions=chosen.sessions, fresh=chosen.overwrite)
    if plan.left_out:
        print(f"subject {subject}: sessions {plan.left_out} have no beta file; the matrices have no rows for them")
    run_units(session_units(dataset, plan), title=f"subject {subject}, sessions", scheduler=scheduler, jobs=chosen.jobs, **redo)
    run_units([set_unit(dataset, plan)], title=f"subject {subject}, matrices", **redo)
    if not chosen.dry_run:
        remove_session_matrices(dataset.work, subject)


def label_unit(dataset, subject):
    from convergence.datasets.nsd import files
    from convergence.datasets.nsd.volumes import label_sources, write_joined_labels
    from convergence.tasks import Unit

    n_areas = int((dataset.atlas()["hemisphere"] == "lh").sum())
    return Unit("both hemispheres", dataset.work / files.label_file(subject, files.BOTH), write_joined_labels,
                {"subject": subject, "n_areas": n_areas}, {"root": dataset.root}, label_sources(dataset.root, subject))


def session_units(dataset, plan):
    from convergence.datasets.nsd import files
    from convergence.datasets.nsd.betas import session_matrix
    from convergence.datasets.nsd.volumes import label_sources
    from convergence.tasks import Unit

    places = {"root": dataset.root, "work": dataset.work}
    return [Unit(f"session {session}", dataset.work / files.session_matrix_file(plan.subject, session), session_matrix,
                 {"subject": plan.subject, "session": session, "labels": plan.labels, "rows": plan.rows[session]}, places,
                 (dataset.root / files.beta_file(plan.subject, session), *label_sources(dataset.root, plan.subject)))
            for session in plan.to_read]


def set_unit(dataset, plan):
    from convergence.datasets.nsd import files
    from convergence.datasets.nsd.betas import subject_matrices
    from convergence.datasets.nsd.volumes import label_sources
    from convergence.tasks import Unit

    return Unit("all parcels", dataset.work / files.matrix_folder(plan.subject), subject_matrices,
                {"subject": plan.subject, "labels": plan.labels, "rows": plan.rows, "sources": plan.sources},
                {"root": dataset.root, "work": dataset.work, "held": plan.held}, label_sources(dataset.root, plan.subject))


if __name__ == "__main__":
    sys.exit(main())
