"""Brains with brains, or brains with networks, by any metric: unbiased CKA, neighbours, Procrustes, ..., or one of your own.

reads    the ROI matrices of the dataset; with --compare models also the feature files <features>/<dataset>/all/*.h5
writes   for every metric, below <derivatives>/<dataset>/
         cka_subject_subject_alignment_shift_1_joined.parquet (unbiased CKA, as published), mutual_knn_subject_subject_...;
         joined_0, shift_2_joined, shift_1_separated, ... as in 3_alignment/2_subject_subject.py; _diagonal for --form diagonal
         --compare models: cka_subject_model_alignment_joined.parquet, mutual_knn_subject_model_...
         Metric cka is named biased_cka and metric rsa measured_rsa there; options are told at the end (_topk-5).
         Columns: score, and calibrated: against its mean over relabelled images, 0 where nothing is shared; for networks also
         the best layer against the best of the relabelled ones; derivatives/README.md has them all
units    an ordered pair of subjects; a subject's session. What is done is skipped, so that a killed run goes on
time     NSD, 180 parcels, unbiased CKA: ten minutes for a pair on two CPU cores, seconds on a GPU, its null mean included, which
         has a closed form (so has rsa's). Others are sampled: a minute per relabelling for cka, seconds for mutual_knn, an hour
         for procrustes (--permutations 0; see --dry-run and --pilot). Memory: 7 GB for unbiased CKA, 14 GB for cknna

    python 4_other_alignments/1_other_metrics.py --metric unbiased_cka mutual_knn --topk 10
    python 4_other_alignments/1_other_metrics.py --compare models --metric linear_predictivity --permutations 0
    python 4_other_alignments/1_other_metrics.py --metric mine --plugin mine.py

mine.py is any Python file with a function of two matrices, an image (trial) in each row, that returns a number:

    import numpy; from convergence import register_metric
    @register_metric
    def mine(x, y): return numpy.corrcoef(x.mean(1), y.mean(1))[0, 1]

Where repetitions cannot be shifted (THINGS, BOLD5000), all common trials of a pair are compared at once, unshifted.
--reference: matrices are scaled from 0 to 1, and negative activations are 0 (as published; both change neighbours).
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "features", "subjects", "rois", "models", "hemispheres", "shift",
                     "form", "seed", "device", "scheduler", "jobs", "overwrite", "dry-run", "pilot", "reference")
    parser.set_defaults(shift=None)
    parser.add_argument("--metric", nargs="+", default=["unbiased_cka"], metavar="NAME",
                        help="metrics: rsa, cka, unbiased_cka (default), cknna, mutual_knn, ...: python -c 'import convergence; "
                             "print(convergence.list_metrics())'")
    parser.add_argument("--compare", choices=("subjects", "models"), default="subjects",
                        help="brains with brains (default), or with networks")
    parser.add_argument("--plugin", metavar="FILE.py", help="Python file that registers metrics of your own")
    parser.add_argument("--topk", type=int, metavar="N", help="neighbours, of the metrics that have them (default: 10)")
    parser.add_argument("--kernel", metavar="NAME", help="kernel, of the metrics that have one: linear, rbf, cosine, ...")
    parser.add_argument("--permutations", type=int, default=100, metavar="N",
                        help="relabellings that scores are calibrated against (default: 100); 0: raw scores only")
    chosen = parser.parse_args(arguments)

    from convergence.alignment.metric_plan import choose_scorings, model_work, pair_work
    from convergence.alignment.parts import merge
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives)
    plan = pair_work if chosen.compare == "subjects" else model_work
    for scoring in choose_scorings(chosen):
        units, table, what = plan(dataset, chosen, scoring, folder)
        parts = run_units(units, title=scoring.metric, scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                          dry_run=chosen.dry_run)
        if not chosen.dry_run:
            merge(parts, table, made_by="4_other_alignments/1_other_metrics.py", options=what)


if __name__ == "__main__":
    sys.exit(main())
