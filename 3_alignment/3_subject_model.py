"""RSA of every parcel with every layer of every network, session by session over all trials of the session.

reads    the ROI matrices of the dataset, and the feature files <features>/<dataset>/all/*.h5 (2_model_extraction)
writes   <derivatives>/<dataset>/rsa_subject_model_alignment_joined.parquet (or _separated); with --untrained, of the networks
         with random weights in <features>/<dataset>/all-untrained/, rsa_subject_model_alignment_joined_untrained.parquet.
         Layers count from 0. Columns: derivatives/README.md
units    a subject's session, with all networks; parts lie in <derivatives>/<dataset>/parts/ (one file per network), and what is
         done is skipped, so that a killed run goes on and a network that is added later is the only one computed
time     NSD, 284 sessions: 10 s each for the ROI matrices and 0.1 s per layer on two CPU cores; 2 GB of memory

    python 3_alignment/3_subject_model.py --dataset nsd
    python 3_alignment/3_subject_model.py --models efficientnet_lite0 --untrained

With --subjects, --rois or --models the table holds that choice only, under the same name; its sidecar (.json) lists what is in
it. A later run without them finds that the table is not the whole one, computes what is missing, and writes it; parts of all
parcels are never lost to a choice of --rois.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "features", "subjects", "rois", "models", "hemispheres", "device",
                     "scheduler", "jobs", "overwrite", "dry-run")
    parser.add_argument("--untrained", action="store_true",
                        help="the networks with random weights (all-untrained/) instead, into a table of their own")
    chosen = parser.parse_args(arguments)

    from convergence.alignment.choice import check_responses, choose_parcels, choose_subjects, existing_sessions
    from convergence.alignment.parts import merge
    from convergence.alignment.subject_model import check_images, choose_features, session_unit, table_path
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder, features_folder
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives)
    files = choose_features(features_folder(chosen.features), dataset.name, chosen.models, untrained=chosen.untrained)
    subjects = choose_subjects(dataset, chosen.subjects)
    check_responses(dataset, subjects)
    rois = [parcel.roi for parcel in choose_parcels(dataset, chosen.hemispheres, chosen.rois)] if chosen.rois else None
    sessions = existing_sessions(dataset, subjects)
    shown = dataset.trials.loc[dataset.trials["subject"].isin(subjects) & dataset.trials["exists"], "image"]
    check_images(files, dataset.name, shown)
    table = table_path(folder, dataset.name, hemispheres=chosen.hemispheres, untrained=chosen.untrained)
    units = [session_unit(dataset, subject, session, files, table, hemispheres=chosen.hemispheres, rois=rois,
                          device=chosen.device, overwrite=chosen.overwrite) for subject, session in sessions]
    parts = run_units(units, title="subject-model", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                      dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by="3_alignment/3_subject_model.py",
              options={"hemispheres": chosen.hemispheres, "subjects": subjects, "rois": rois or "all", "models": list(files)})


if __name__ == "__main__":
    sys.exit(main())
