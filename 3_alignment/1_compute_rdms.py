"""Compute every subject's RDMs of the shared images once; the next scripts read rows and columns of them.

reads    the ROI matrices of the dataset (1_dataset_preparation/4_extract_roi_betas.py)
writes   <derivatives>/<dataset>/rdms/subject-01_joined_shared.h5, one file per subject: every parcel's RDM (1 - Pearson r) over
         all existing trials of shared images, in order of presentation. A parcel that cannot be computed (no voxels, one voxel, a
         constant trial) is NaN, with the reason. Other RDMs have other names: ..._shared_euclidean.h5, ..._shared_zscore.h5,
         ..._shared_images.h5; --sessions-too adds subject-01_joined_session-03.h5 of all trials of each session
units    a subject (a session); one that is done is skipped
time     NSD: about two minutes per subject on two CPU cores, and reading 3 GB; 3.3 GB of disk per subject, twice that with
         --hemispheres separated, half with --float16

    python 3_alignment/1_compute_rdms.py --dataset nsd --root /data/nsd
    python 3_alignment/1_compute_rdms.py --subjects 1 2 --rois V1 MST      # a choice: give the next scripts the same one
    python 3_alignment/1_compute_rdms.py --metric crossnobis --noise shrinkage

A file made with --rois holds these parcels only and says so; a later run without --rois makes it anew. A file with all parcels is
left as it is.

Crossnobis: squared distances from products of different repetitions only, so that noise adds nothing on average; needs images
shown twice or more. Noise that the repetitions of an image share (denoising by regressors of all trials, as GLMdenoise's) is
signal to it. Its stimuli are images, not trials, as with --images: the next scripts then take --shift 0.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "derivatives", "subjects", "rois", "hemispheres", "device", "scheduler",
                     "jobs", "overwrite", "dry-run", "pilot")
    parser.add_argument("--metric", choices=("correlation", "euclidean", "cosine", "crossnobis"), default="correlation",
                        help="dissimilarity of two stimuli: correlation (default), 1 - Pearson r; euclidean, not squared; "
                             "cosine; crossnobis")
    parser.add_argument("--noise", choices=("diagonal", "shrinkage"), default="diagonal",
                        help="of crossnobis: variances of voxels (default), or a shrunken covariance")
    parser.add_argument("--zscore", action="store_true", help="every voxel with mean 0 and standard deviation 1 within each "
                                                              "session first")
    parser.add_argument("--images", action="store_true", help="responses averaged over the repetitions of an image first")
    parser.add_argument("--float16", action="store_true", help="half the disk, three digits")
    parser.add_argument("--sessions-too", action="store_true", help="also RDMs of all trials of every session (real NSD: 57 GB)")
    chosen = parser.parse_args(arguments)

    from convergence.alignment.choice import check_responses, choose_parcels, choose_subjects, existing_sessions, pilot, say_cost
    from convergence.alignment.rdms import say_not_computed, store_unit
    from convergence.alignment.recipe import GLMDENOISE, Recipe
    from convergence.alignment.trials import session_trials, shared_trials
    from convergence.datasets import open_dataset
    from convergence.storage.outputs import state
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas)
    folder = derivatives_folder(chosen.derivatives)
    recipe = Recipe(metric=chosen.metric, zscore=chosen.zscore, images=chosen.images, noise=chosen.noise)
    subjects, wanted = choose_subjects(dataset, chosen.subjects), chosen.rois
    check_responses(dataset, subjects)
    if chosen.pilot:
        folder, wanted = pilot(folder, dataset, chosen.hemispheres, wanted)
    work = [(subject, None) for subject in subjects]
    if chosen.sessions_too:
        sessions = existing_sessions(dataset, subjects)
        work += sessions[:1] if chosen.pilot else sessions
    if recipe.metric == "crossnobis" and dataset.name.split("-")[0] in ("nsd", "bold5000"):
        print(GLMDENOISE)

    def units(rois):
        parcels, dtype = choose_parcels(dataset, chosen.hemispheres, rois), "float16" if chosen.float16 else "float32"
        return [store_unit(dataset, subject, parcels, chosen.hemispheres, folder, recipe=recipe, session=session, dtype=dtype,
                           device=chosen.device) for subject, session in work]

    todo = [whole if state(whole.output, whole.record)[0] == "done" else some for whole, some in zip(units(None), units(wanted))]
    if chosen.dry_run:
        trials = [shared_trials(dataset.trials, s) if session is None else session_trials(dataset.trials, s, session) for s,
                  session in work]
        n, n_parcels = sum(map(len, trials)) / len(trials), len(todo[0].options["rois"])
        say_cost(todo, flops=n_parcels * n * n * 2000, memory=4 * n * n * 4,
                 disk=n_parcels * n * n / 2 * (2 if chosen.float16 else 4))
    paths = run_units(todo, title="RDMs", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                      dry_run=chosen.dry_run)
    if not chosen.dry_run:
        say_not_computed(paths)


if __name__ == "__main__":
    sys.exit(main())
