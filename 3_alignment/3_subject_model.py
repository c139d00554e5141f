"""RSA of every parcel with every layer of every network, session by session over all trials of the session, or over shared
images.

reads    the ROI matrices of the dataset, and the feature files <features>/<dataset>/all/*.h5 (2_model_extraction), of which
         only the rows of the images are read
writes   <derivatives>/<dataset>/rsa_subject_model_alignment_joined.parquet (or _separated); with --untrained, of the networks
         with random weights in <features>/<dataset>/all-untrained/, rsa_subject_model_alignment_joined_untrained.parquet; of
         THINGS and BOLD5000 things/rsa_things_subject_model_alignment_joined.parquet, ...
         --trials shared: over all trials of shared images of a subject, rsa_subject_model_alignment_joined_shared.parquet; with
         --control NAME ... also with control RDMs taken out, rsa_subject_model_alignment_controled_joined.parquet.
         Layers count from 0. Columns: derivatives/README.md
units    a subject's session (a subject), with all networks; parts lie in <derivatives>/<dataset>/parts/ (one file per
         network), and what is done is skipped, so that a killed run goes on and a network that is added later is the only one
         computed
time     NSD, 284 sessions: 10 s each for the ROI matrices and 0.1 s per layer on two CPU cores; 2 GB of memory. Shared images:
         8 subjects of two minutes, and 3 s per layer; 6 GB

    python 3_alignment/3_subject_model.py --dataset nsd
    python 3_alignment/3_subject_model.py --models efficientnet_lite0 --untrained
    python 3_alignment/3_subject_model.py --control visual_cortex_cca_1 same_session

With --subjects, --rois or --models the table holds that choice only, under the same name; its sidecar (.json) lists what is in
it. A later run without them finds that the table is not the whole one, computes what is missing, and writes it; parts of all
parcels are never lost to a choice of --rois.

--reference: layers of THINGS and BOLD5000 count from 1, as published, session by session; nothing else is changed.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "derivatives", "features", "subjects", "rois", "models", "hemispheres",
                     "device", "scheduler", "jobs", "overwrite", "dry-run", "pilot", "reference",
                     "control", "distance", "exclude-pairs")
    parser.add_argument("--untrained", action="store_true",
                        help="the networks with random weights (all-untrained/) instead, into a table of their own")
    parser.add_argument("--trials", choices=("sessions", "shared"), help="session by session (default), or all trials of shared "
                                                                         "images (default with --control)")
    chosen = parser.parse_args(arguments)
    chosen.trials = chosen.trials or ("shared" if chosen.control else "sessions")
    if chosen.trials == "sessions" and (chosen.control or chosen.exclude_pairs):
        raise ValueError("--control and --exclude-pairs are for --trials shared: the published controlled table is not session "
                         "by session")

    from convergence.alignment.choice import check_responses, choose_parcels, choose_subjects, pilot
    from convergence.alignment.model_plan import session_work, shared_work
    from convergence.alignment.parts import merge
    from convergence.alignment.subject_model import check_images, choose_features
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder, features_folder
    from convergence.tasks import run_units

    dataset = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas)
    folder = derivatives_folder(chosen.derivatives)
    files = choose_features(features_folder(chosen.features), dataset.name, chosen.models, untrained=chosen.untrained)
    subjects = choose_subjects(dataset, chosen.subjects)
    check_responses(dataset, subjects)
    output = folder
    if chosen.pilot:
        output, chosen.rois = pilot(folder, dataset, chosen.hemispheres, chosen.rois)
        subjects = subjects[:1]
    parcels = choose_parcels(dataset, chosen.hemispheres, chosen.rois)
    shown = dataset.trials.loc[dataset.trials["subject"].isin(subjects) & dataset.trials["exists"], "image"]
    check_images(files, dataset.name, shown)
    plan = session_work if chosen.trials == "sessions" else shared_work
    units, table, what = plan(dataset, chosen, subjects, parcels, files, output, controls=folder)
    parts = run_units(units, title="subject-model", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                      dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by="3_alignment/3_subject_model.py", options=what)


if __name__ == "__main__":
    sys.exit(main())
