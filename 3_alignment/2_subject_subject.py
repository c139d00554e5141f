"""RSA of every ordered pair of subjects, parcel by parcel: between subjects, and of a subject with itself (its reliability).

reads    <derivatives>/<dataset>/rdms/ (1_compute_rdms.py); with --reference, and for THINGS and BOLD5000, the ROI matrices
writes   <derivatives>/<dataset>/rsa_subject_subject_alignment_shift_1_joined.parquet; as published, the other names end in
         joined_0, shift_2_joined, shift_1_separated, separated_0, separated_2, joined_1_spearman (--method spearman),
         shift_1_joined_partitions (--partition), controled_joined_1 (--control); _diagonal is appended for --form diagonal, and
         _without-... for --exclude-pairs. THINGS and BOLD5000, session by session and unshifted:
         things/rsa_things_subject_subject_alignment_joined.parquet, bold5000/rsa_bold5000-coco_... Columns: derivatives/README.md
units    an ordered pair of subjects; its part lies in <derivatives>/<dataset>/parts/ and is skipped when it is done, so that a
         killed run goes on
time     NSD, 8 subjects, 180 parcels: 64 pairs of about a minute on two CPU cores, and reading 3 to 6 GB per pair; 6 GB of
         memory

    python 3_alignment/2_subject_subject.py --dataset nsd --shift 1
    python 3_alignment/2_subject_subject.py --hemispheres separated --form diagonal --subjects 1 2
    python 3_alignment/2_subject_subject.py --partition animate inanimate
    python 3_alignment/2_subject_subject.py --control same_session temporal_lag visual_cortex_cca_1
    python 3_alignment/2_subject_subject.py --exclude-pairs same-image same-session lag10

With --subjects or --rois the table holds that choice only, under the same name; its sidecar (.json) lists what is in it. A later
run without them finds that the table is not the whole one, computes the pairs that are missing, and writes it; pairs of all
parcels are never lost to a choice of --rois.

--reference: limits of outliers from the rows of each pair of subjects, partitions as large as they come; THINGS and BOLD5000:
sessions counted from 0, and the dataset's name in rep_shift. The table has the same name: keep it in a folder of its own.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "derivatives", "subjects", "rois", "hemispheres", "shift", "form",
                     "seed", "device", "scheduler", "jobs", "overwrite", "dry-run", "pilot", "reference",
                     "control", "distance", "exclude-pairs")
    parser.set_defaults(shift=None)
    parser.add_argument("--method", choices=("pearson", "spearman", "rho_a", "cosine"), default="pearson",
                        help="similarity of two RDMs: pearson (default, the paper's), spearman (ties share their rank), rho_a, "
                             "cosine")
    parser.add_argument("--metric", choices=("correlation", "euclidean", "cosine", "crossnobis"), default="correlation",
                        help="RDMs that 1_compute_rdms.py made with this metric; crossnobis: only --shift 0")
    parser.add_argument("--noise", choices=("diagonal", "shrinkage"), default="diagonal", help="the same, of crossnobis")
    parser.add_argument("--zscore", action="store_true", help="RDMs that 1_compute_rdms.py made with --zscore")
    parser.add_argument("--images", action="store_true", help="RDMs of image-averaged responses (1_compute_rdms.py --images); "
                                                              "only --shift 0")
    parser.add_argument("--partition", nargs="+", default=[], metavar="PART", help="parts of the images: animate, inanimate, or "
                                                                                   "COLUMN=VALUE of --content")
    parser.add_argument("--content", metavar="FILE", help="table of what images show (default: content.csv of "
                                                          "1_dataset_preparation/3_build_coco_tables.py)")
    chosen = parser.parse_args(arguments)

    from convergence.alignment.choice import choose_parcels, choose_subjects, pilot, refuse_shift
    from convergence.alignment.other_datasets import session_wise
    from convergence.alignment.pair_plan import other_work, shifted_work
    from convergence.alignment.parts import merge
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas)
    folder = derivatives_folder(chosen.derivatives)
    own = session_wise(dataset)
    chosen.shift = (0 if own else 1) if chosen.shift is None else chosen.shift
    refuse_shift(dataset, chosen.shift)
    subjects = choose_subjects(dataset, chosen.subjects)
    output = folder
    if chosen.pilot:
        output, chosen.rois = pilot(folder, dataset, chosen.hemispheres, chosen.rois)
        subjects = subjects[:2]
    parcels = choose_parcels(dataset, chosen.hemispheres, chosen.rois)
    plan = other_work if own else shifted_work
    units, table, what = plan(dataset, chosen, subjects, parcels, output, controls=folder)
    parts = run_units(units, title="subject-subject", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                      dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by="3_alignment/2_subject_subject.py", options=what)


if __name__ == "__main__":
    sys.exit(main())
