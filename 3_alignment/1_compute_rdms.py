"""Compute every subject's RDMs of the shared images once; the next scripts read rows and columns of them.

reads    the ROI matrices of the dataset (1_dataset_preparation/4_extract_roi_betas.py)
writes   <derivatives>/<dataset>/rdms/subject-01_joined_shared.h5, one file per subject: every parcel's RDM (1 - Pearson r) over
         all existing trials of shared images, in order of presentation. A parcel that cannot be computed (no voxels, one voxel, a
         constant trial) is NaN, with the reason.
units    a subject; one that is done is skipped
time     NSD: about two minutes per subject on two CPU cores, and reading 3 GB; 3.3 GB of disk per subject, twice that with
         --hemispheres separated

    python 3_alignment/1_compute_rdms.py --dataset nsd --root /data/nsd
    python 3_alignment/1_compute_rdms.py --subjects 1 2 --rois V1 MST      # a choice: give the next scripts the same one

A file made with --rois holds these parcels only and says so; a later run without --rois makes it anew. A file with all parcels is
left as it is.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "subjects", "rois", "hemispheres", "device", "scheduler", "jobs",
                     "overwrite", "dry-run")
    chosen = parser.parse_args(arguments)

    from convergence.alignment.choice import check_responses, choose_parcels, choose_subjects
    from convergence.alignment.rdms import store_unit
    from convergence.datasets import open_dataset
    from convergence.storage.outputs import state
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives)
    subjects = choose_subjects(dataset, chosen.subjects)
    check_responses(dataset, subjects)

    def units(rois):
        parcels = choose_parcels(dataset, chosen.hemispheres, rois)
        return [store_unit(dataset, subject, parcels, chosen.hemispheres, folder, device=chosen.device) for subject in subjects]

    todo = [whole if state(whole.output, whole.record)[0] == "done" else wanted
            for whole, wanted in zip(units(None), units(chosen.rois))]
    run_units(todo, title="RDMs", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
              dry_run=chosen.dry_run)


if __name__ == "__main__":
    sys.exit(main())
