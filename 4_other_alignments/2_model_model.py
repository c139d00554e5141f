"""Networks with networks: every layer of one with every layer of the other, in blocks of images. By default language with vision.

reads    the feature files <features>/<dataset>/all/*.h5 (2_model_extraction); no brain data
writes   <derivatives>/<dataset>/alignment_model_model_coco.parquet for NSD (else alignment_model_model_<dataset>.parquet), a row
         for every block, metric, pair of networks, and pair of layers; layer -1 is all layers side by side. Other modalities,
         e.g. --first vision --second vision: alignment_model_model_coco_vision-vision.parquet. Columns: derivatives/README.md
units    a block of 750 images in the order of their numbers, with all networks (fewer than 20 that are left over belong to the
         last block); what is done is skipped. A network that is added later is a reason to compute all blocks again
time     a block: 2 x 750^2 operations for each unit of all layers, and 3e5 for each pair of layers: NSD with 31 networks, 98
         blocks of a minute on two CPU cores; 3 GB of memory

    python 4_other_alignments/2_model_model.py
    python 4_other_alignments/2_model_model.py --first vision --second vision --metric unbiased_cka
    python 4_other_alignments/2_model_model.py --first minilm --second efficientnet_lite0 --batch 500

Values of a layer beyond its 0.3 % and 99.7 % quantiles in the block are set to these, then rows are scaled to length 1.
--reference: sizes are limited to their 95 % quantile instead, as published.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "features", "device", "scheduler", "jobs", "overwrite", "dry-run",
                     "reference")
    parser.add_argument("--first", nargs="+", default=["language"], metavar="NAME",
                        help="language (default), vision, or names of networks")
    parser.add_argument("--second", nargs="+", default=["vision"], metavar="NAME",
                        help="vision (default), language, or names of networks")
    parser.add_argument("--metric", nargs="+", default=["rsa", "unbiased_cka", "mutual_knn"], metavar="NAME",
                        help="metrics (default: rsa unbiased_cka mutual_knn)")
    parser.add_argument("--batch", type=int, default=750, metavar="N", help="images in a block (default: 750)")
    chosen = parser.parse_args(arguments)

    from convergence.alignment.model_model import model_pairs_work
    from convergence.alignment.parts import merge
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder, features_folder
    from convergence.tasks import run_units

    dataset = open_dataset(chosen.dataset, chosen.root)
    units, table, what = model_pairs_work(dataset.name, features_folder(chosen.features), derivatives_folder(chosen.derivatives),
                                          first=chosen.first, second=chosen.second, metrics=chosen.metric, size=chosen.batch,
                                          device=chosen.device, reference=chosen.reference)
    parts = run_units(units, title="networks with networks", scheduler=chosen.scheduler, jobs=chosen.jobs,
                      overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by="4_other_alignments/2_model_model.py", options=what)


if __name__ == "__main__":
    sys.exit(main())
