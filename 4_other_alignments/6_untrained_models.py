"""How much alignment comes without training? Every parcel with every layer of networks that have random weights.

reads    the ROI matrices of the dataset, and <features>/<dataset>/all-untrained/*.h5 (2_model_extraction --untrained)
writes   <derivatives>/<dataset>/cka_untrained_models_similarity.parquet: unbiased CKA, session by session; for --metric
         mutual_knn mutual_knn_untrained_models_similarity.parquet. With --trained the same of all/*.h5, to compare with, into
         cka_subject_model_alignment_joined.parquet (which 1_other_metrics.py --compare models writes with calibrated scores).
         Columns: derivatives/README.md
units    a subject's session, with all networks; a network that is added later is the only one computed
time     NSD, 284 sessions: 10 s each for the ROI matrices and 0.2 s per layer on two CPU cores; --permutations N costs 0.1 s more
         per layer and relabelling (default: none; unbiased CKA of unrelated matrices is 0 on average anyway)

    python 4_other_alignments/6_untrained_models.py
    python 4_other_alignments/6_untrained_models.py --models efficientnet_lite0 --trained

RSA of the same networks: 3_alignment/3_subject_model.py --untrained.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "features", "subjects", "rois", "models", "hemispheres", "seed",
                     "device", "scheduler", "jobs", "overwrite", "dry-run", "pilot")
    parser.add_argument("--metric", default="unbiased_cka", metavar="NAME", help="metric (default: unbiased_cka, as published)")
    parser.add_argument("--permutations", type=int, default=0, metavar="N",
                        help="relabellings that scores are calibrated against (default: 0, raw scores only)")
    parser.add_argument("--trained", action="store_true", help="the trained networks instead")
    parser.set_defaults(plugin=None, topk=None, kernel=None, reference=False)
    chosen = parser.parse_args(arguments)
    chosen.metric = [chosen.metric]

    from convergence.alignment.metric_plan import choose_scorings, model_work
    from convergence.alignment.parts import merge
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives)
    (scoring,) = choose_scorings(chosen)
    units, table, what = model_work(dataset, chosen, scoring, folder, untrained=not chosen.trained)
    parts = run_units(units, title=f"{scoring.metric} of {'trained' if chosen.trained else 'untrained'} networks",
                      scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by="4_other_alignments/6_untrained_models.py", options=what)


if __name__ == "__main__":
    sys.exit(main())
