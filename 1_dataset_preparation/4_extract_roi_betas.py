"""One response matrix per parcel (trials x voxels) from the downloaded responses.

Reads    nsd        the beta files (.nii.gz or .hdf5), each once and as a stream; the label volumes; nsd_stimuli.csv
         things     the responses' HDF5 files by blocks of voxels; VoxelMetadata; a brain mask
         bold5000   the beta files of one type, each once; the atlas in the subject's space
Writes   into the dataset's folder, or below CONVERGENCE_WORK if that is set:
         nsd        betas/sub01/sub-01_roi-001.npy, ..., rows.npy, manifest.json; int16, percent signal change x 300 as published
         things     preprocessed/sub-01/roi_coordinates.parquet, mask-glasser.npy, betas_roi/
         bold5000   preprocessed/betas/sub-1/sub-1_hcpmmp_roi1_D.npy, ...; float32, percent signal change
         `folder` comes with its matrices: nothing to do.
Needs    under 1 GB of memory a job; on the disk, while a subject is worked on, twice its matrices (NSD at 1 mm: 15 to 35 GB).
         1_check_dataset.py tells both, and whether the disk is large enough.
Time     nsd: 25 s for a session of 750 volumes of 1 mm, two hours for 284 sessions, less with --jobs; a sixth of it at 1.8 mm.
         things: a few minutes a subject. bold5000: ten minutes a subject.

Options that name one dataset in brackets are for that dataset. What NSD's matrices are made from is part of their folder's name:
betas/ for the default (1 mm, fithrf_GLMdenoise_RR, HCP_MMP1), else e.g. betas_func1pt8mm_fithrf_nsdgeneral_zscore/. Later stages
read the default set, or that which the environment variable NSD_MATRICES names.

Stop it whenever you like, and run it again: finished sessions are not read again. A subject's matrices appear together, when all
its sessions are done. Sessions downloaded later are added: what a set of matrices holds is kept, also where beta files were
deleted since or less is asked for; --overwrite makes exactly what is asked for. A parcel given by name or number stands for both
its hemispheres.

    python 1_dataset_preparation/4_extract_roi_betas.py --root /data/nsd --jobs 4
    python 1_dataset_preparation/4_extract_roi_betas.py --root /data/nsd --subjects 1 --sessions 1 --rois V1 MT     # a first look
    python 1_dataset_preparation/4_extract_roi_betas.py --root /data/nsd --resolution func1pt8mm --zscore session
    python 1_dataset_preparation/4_extract_roi_betas.py --dataset bold5000 --root /data/bold5000 --type D
"""

import sys

from convergence.cli import command, options
from convergence.datasets.options import add_options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "subjects", "sessions", "rois", "scheduler", "jobs", "overwrite",
                     "dry-run")
    add_options(parser, "release", "resolution", "betas", "volume", "zscore", "drop-dead-voxels", "min-ncsnr", "type",
                "hemisphere-compat")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import preparation
    from convergence.datasets.options import open_chosen
    from convergence.tasks import UnitsFailed

    steps, dataset = preparation(chosen.dataset), open_chosen(chosen)
    unknown = sorted(set(chosen.subjects or ()) - set(dataset.subjects))
    if unknown:
        raise ValueError(f"--subjects: {unknown} are not in the dataset, which has {dataset.subjects}")
    failures = []
    for subject in chosen.subjects or dataset.subjects:
        try:
            steps.extract(dataset, subject, chosen)
        except (UnitsFailed, ValueError, OSError) as error:         # the other subjects go on
            failures.append(str(error))
    if failures:
        raise UnitsFailed("\n".join(dict.fromkeys(failures)))


if __name__ == "__main__":
    sys.exit(main())
