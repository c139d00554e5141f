"""Extract the layer activations of language networks for one caption of every picture of a dataset.

Reads    the dataset's captions (nsd: captions/nsd-captions-coco.csv, the first caption of a picture).
Writes   <features>/<dataset>/all/<organisation>_<model>_pool-avg_prompt-coco.h5: embeddings and every block, averaged over the
         tokens of the caption; with --untrained all-untrained/...-untrained-seed<seed>.h5;
         <derivatives>/metadata/models-info.csv, from all feature files that are there.

    python 2_model_extraction/3_extract_language_features.py --root /data/nsd --models bigscience/bloomz-560m
    python 2_model_extraction/3_extract_language_features.py --root demo/datasets/nsd --models minilm

Networks are named as on the Hugging Face hub, or are folders that transformers' save_pretrained wrote; minilm (all-MiniLM-L6-v2)
comes in a package and needs no connection. What is done is skipped; a network that fails leaves nothing half-written, the others
go on, and the exit status is 1. Time: minilm takes 0.01 s a caption and core (NSD: 73,000 captions; large networks want a GPU).
Memory: 4 bytes per parameter. Disk: 4 bytes x captions x layers x width: 7.5 GB for bloomz-560m and the NSD.
"""

import sys
from pathlib import Path

from convergence.cli import command, options

MODELS = Path(__file__).with_name("models.yml")


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "features", "derivatives", "models", "device", "overwrite", "dry-run")
    parser.add_argument("--untrained", action="store_true", help="random weights instead of trained ones")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N", help="with --untrained: a set of random weights per seed "
                                                                          "(default: 0)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="captions at a time (default: 32)")
    chosen = parser.parse_args(arguments)
    if chosen.seeds and not chosen.untrained:
        raise ValueError("--seeds: they are those of random weights; add --untrained, or leave them out")

    from convergence.datasets import open_dataset
    from convergence.features.entries import read_models
    from convergence.features.extraction import language_jobs
    from convergence.features.store import write_models_info
    from convergence.storage.paths import derivatives_folder, features_folder
    from convergence.tasks import Unit, run_units

    dataset = open_dataset(chosen.dataset, chosen.root)
    features = features_folder(chosen.features)
    models = read_models(MODELS, "language", chosen.models)
    seeds = (chosen.seeds or [0]) if chosen.untrained else None
    jobs = language_jobs(dataset, models, features, seeds=seeds, device=chosen.device, batch_size=chosen.batch_size)
    try:
        run_units([Unit(**job) for job in jobs], title="language features", overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    finally:
        if not chosen.dry_run:
            write_models_info(features, derivatives_folder(chosen.derivatives))


if __name__ == "__main__":
    sys.exit(main())
