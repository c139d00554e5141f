"""RSA of every parcel with what COCO's annotators marked in the pictures: objects, persons, body parts; session by session.

reads    the ROI matrices of the dataset, and its coco_objects_annotations.csv and coco_persons_annotations.csv
         (1_dataset_preparation/3_build_coco_tables.py; other datasets: tables with the same columns, and their image number)
writes   <derivatives>/control_matrices/control_<vector>.parquet for every vector: categories (80 counts), supercategories (12),
         both ..._without_person, body_parts, the five with _binary (whether there are any), is_person; of other datasets than nsd
         control_<dataset>_<vector>.parquet. They serve as --control of the scripts of 3_alignment
         <derivatives>/<dataset>/objects_cka_similarity_joined.parquet (or _separated), the published name for any metric.
         Columns: derivatives/README.md
units    a vector, then a subject's session with all vectors; what is done is skipped, so that a killed run goes on
time     NSD, 284 sessions: 20 s each on two CPU cores per metric; 1 GB of memory

    python 4_other_alignments/3_categories.py --dataset nsd
    python 4_other_alignments/3_categories.py --metric rsa unbiased_cka --vectors categories is_person --rois MST V1

--metric auto (default) is RSA with the Euclidean distances of the vectors: Pearson's r, or rho_a where many distances are equal,
which does not favour coarse vectors. --reference is as published: unbiased_cka, values beyond the 0.5 % quantiles limited, crowds
counted once each; it has the same file name, keep it in a folder of its own.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "subjects", "rois", "hemispheres", "device", "scheduler", "jobs",
                     "overwrite", "dry-run", "pilot", "reference")
    parser.add_argument("--vectors", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--metric", nargs="+", metavar="NAME", help="auto (default), rsa, rho_a, spearman, unbiased_cka, ...")
    parser.add_argument("--distance", choices=("euclidean", "pearson"), default="euclidean", help="of a vector in two images")
    parser.add_argument("--crowds", action="store_true", help="count a crowd region as one object")
    parser.add_argument("--min-visible", type=float, default=0.0, metavar="P",
                        help="count objects of whose box at least this part is in the picture (default: 0)")
    chosen = parser.parse_args(arguments)
    chosen.metric = chosen.metric or (["unbiased_cka"] if chosen.reference else ["auto"])
    clip = 0.005 if chosen.reference else 0.003

    from convergence.alignment.choice import choose_subjects
    from convergence.alignment.control_similarity import compare_sessions
    from convergence.alignment.control_tables import category_units, choose_vectors
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder

    dataset, names = open_dataset(chosen.dataset, chosen.root), choose_vectors(chosen.vectors)
    matrices = [unit for unit in category_units(dataset, derivatives_folder(chosen.derivatives),
                                                crowds=chosen.crowds or chosen.reference, min_visible=chosen.min_visible)
                if unit.name in names]
    compare_sessions(dataset, chosen, choose_subjects(dataset, chosen.subjects), matrices, kind="objects_similarity",
                     title="categories", made_by="4_other_alignments/3_categories.py", clip=clip)


if __name__ == "__main__":
    sys.exit(main())
