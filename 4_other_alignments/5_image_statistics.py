"""RSA of every parcel with how the pictures look: luminance, contrast, edges, spectrum, texture; session by session.

reads    the ROI matrices of the dataset, and <derivatives>/<dataset>/image_statistics.parquet
         (1_dataset_preparation/5_measure_image_statistics.py)
writes   <derivatives>/control_matrices/control_<statistic>.parquet, z-scored over images, for every statistic and set (a set's
         name is its members' joined by _; all_statistics); of other datasets than nsd control_<dataset>_<statistic>.parquet. They
         serve as --control of the scripts of 3_alignment
         <derivatives>/<dataset>/perceptual_similarity_joined.parquet (or _separated). Columns: derivatives/README.md
units    a set, then a subject's session with all sets; what is done is skipped, so that a killed run goes on
time     NSD, 284 sessions: 20 s each on two CPU cores per metric; 1 GB of memory

    python 4_other_alignments/5_image_statistics.py --dataset nsd
    python 4_other_alignments/5_image_statistics.py --sets luminance+contrast all_statistics --metric rsa unbiased_cka

--metric auto (default) is RSA with the Euclidean distances of the z-scores. --reference is as published: unbiased_cka, and values
beyond the 0.5 % quantiles limited; it has the same file name, keep it in a folder of its own. Pictures without a statistic (one
grey has no spectrum) are left out of all.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "subjects", "rois", "hemispheres", "device", "scheduler", "jobs",
                     "overwrite", "dry-run", "pilot", "reference")
    parser.add_argument("--sets", nargs="*", metavar="A+B",
                        help="sets of statistics beside each alone (default: edge_density+homogeneity "
                                                                 "all_statistics)")
    parser.add_argument("--metric", nargs="+", metavar="NAME", help="auto (default), rsa, rho_a, spearman, unbiased_cka, ...")
    parser.add_argument("--distance", choices=("euclidean", "pearson"), default="euclidean", help="of a set in two images")
    chosen = parser.parse_args(arguments)
    chosen.metric = chosen.metric or (["unbiased_cka"] if chosen.reference else ["auto"])
    clip = 0.005 if chosen.reference else 0.003

    from convergence.alignment.choice import choose_subjects
    from convergence.alignment.control_similarity import compare_sessions
    from convergence.alignment.control_tables import statistic_units
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder

    dataset = open_dataset(chosen.dataset, chosen.root)
    matrices = statistic_units(dataset, derivatives_folder(chosen.derivatives), chosen.sets)
    compare_sessions(dataset, chosen, choose_subjects(dataset, chosen.subjects), matrices, kind="perceptual_similarity",
                     title="image statistics", made_by="4_other_alignments/5_image_statistics.py", clip=clip)


if __name__ == "__main__":
    sys.exit(main())
