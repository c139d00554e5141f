"""Extract the layer activations of language networks for one caption of every picture of a dataset.

Reads    the dataset's captions (nsd: captions/nsd-captions-coco.csv, the first caption of a picture), or --captions: a .csv, .tsv
         or .parquet table with a column caption, such as 2_caption_images.py writes.
Writes   <features>/<dataset>/all/<organisation>_<model>_pool-avg_prompt-coco.h5: embeddings and every block, averaged over the
         tokens of the caption; causal networks: loss (nats per token) and bits per byte of every caption;
         with --untrained all-untrained/...-untrained-seed<seed>.h5;
         <derivatives>/metadata/models-info.csv, from all feature files that are there.

    python 2_model_extraction/3_extract_language_features.py --root /data/nsd --models bigscience/bloomz-560m
    python 2_model_extraction/3_extract_language_features.py --root /data/nsd --captions nsd-captions-pixtral.csv --exclude-bos
    python 2_model_extraction/3_extract_language_features.py --root demo/datasets/nsd --models minilm --untrained --seeds 0 1 2

Networks are named as on the Hugging Face hub, or are folders that transformers' save_pretrained wrote; minilm (all-MiniLM-L6-v2)
comes in a package and needs no connection. models.yml says more about a network than its name (convergence/features/entries.py).
What is done is skipped; what was stopped goes on (every 256 captions are kept); a network that fails leaves no file, the others
go on, and the exit status is 1. Captions that are missing, empty or too long are named before anything is computed; --skip-bad
leaves their images out. Nothing is cut off. Time: minilm takes 0.01 s a caption and core (NSD: 73,000 captions; large networks
want a GPU). Memory: 4 bytes per parameter (half precision: 2), a batch, and 256 captions x layers x width x 4 bytes. Disk:
4 bytes x captions x layers x width (half precision: 2): 7.5 GB for bloomz-560m and NSD, and as much again while it is written.
"""

import sys
from pathlib import Path

from convergence.cli import command, options
from convergence.features.command import add_network_options, networks, run_jobs

MODELS = Path(__file__).with_name("models.yml")


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "features", "derivatives", "models", "device", "overwrite", "dry-run")
    parser.add_argument("--captions", metavar="FILE", help="table of the texts (default: the dataset's captions)")
    parser.add_argument("--prompt", metavar="NAME",
                        help="what the file's name calls the texts (default: coco; with --captions what its name says after "
                             "'captions-', or its whole stem)")
    parser.add_argument("--pool", choices=("avg", "last", "cls"), default="avg",
                        help="avg (default): mean over the tokens, as published; last: the last token; cls: an encoder's [CLS]")
    parser.add_argument("--exclude-bos", action="store_true",
                        help="leave the token that begins a text out of the mean; Llama's and Gemma's tokenizers add one, whose "
                             "activations are far larger than those of words (default: it takes part, as published)")
    parser.add_argument("--final-norm", choices=("keep", "drop"), default="keep",
                        help="keep (default): the last layer comes after the network's final norm, as published; drop: before it")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), default="auto",
                        help="type of weights, computation and file; auto (default): bfloat16 on a GPU that computes in it, as "
                             "published, else float32; texts are pooled in float32 always")
    add_network_options(parser, MODELS)
    parser.add_argument("--batch-size", default="auto", metavar="N",
                        help="captions at a time; auto (default): 32, halved whenever memory runs out")
    parser.add_argument("--skip-bad", action="store_true",
                        help="leave images whose captions cannot be used out of the file, which says which and why")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import open_dataset
    from convergence.features.extraction import language_jobs
    from convergence.storage.paths import features_folder

    models, seeds = networks(chosen, "language")
    dataset, features = open_dataset(chosen.dataset, chosen.root), features_folder(chosen.features)
    jobs = language_jobs(dataset, models, features, pool=chosen.pool, dtype=chosen.dtype, exclude_bos=chosen.exclude_bos,
                         final_norm=chosen.final_norm, captions=chosen.captions, prompt=chosen.prompt, seeds=seeds,
                         device=chosen.device, batch_size=chosen.batch_size, skip_bad=chosen.skip_bad)
    run_jobs(jobs, chosen, features, title="language features")


if __name__ == "__main__":
    sys.exit(main())
