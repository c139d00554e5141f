"""Extract the layer activations of vision networks for every picture of a dataset.

Reads    the dataset's pictures (nsd: nsd.csv and nsd_stimuli.hdf5).
Writes   <features>/<dataset>/all/<model>_pool-cls.h5 (transformers: class token of every block)
         or <model>_pool-avg.h5 (all other networks: every stage, averaged over positions);
         with --untrained all-untrained/<model>_pool-..-untrained-seed<seed>.h5;
         <derivatives>/metadata/models-info.csv, from all feature files that are there.

    python 2_model_extraction/1_extract_vision_features.py --root /data/nsd --models vit_base_patch16_224.augreg_in21k
    python 2_model_extraction/1_extract_vision_features.py --root demo/datasets/nsd --models efficientnet_lite0 --untrained

Networks are named as in timm, which gets their trained weights from the Hugging Face hub; efficientnet_lite0 comes in a package
and needs no connection. torchvision:resnet50 is torchvision's; mynetworks.py:blurred_resnet calls that function of yours, which
returns (torch.nn.Module, transform, layer names). models.yml says more about a network than its name
(convergence/features/entries.py).
What is done is skipped; what was stopped goes on (every 256 pictures are kept); a network that fails leaves no file, the others
go on, and the exit status is 1. A picture that cannot be read is named after all others were extracted; --skip-bad leaves it out.
Time: efficientnet_lite0 takes 0.07 s a picture and core (NSD: 73,000 pictures; large networks want a GPU). Memory: the network,
a batch, and 256 pictures x layers x width x 4 bytes. Disk: 4 bytes x pictures x layers x width (--dtype bfloat16, float16:
half): 2.7 GB for a base-sized transformer and the NSD, and as much again while it is written.
"""

import sys
from pathlib import Path

from convergence.cli import command, options
from convergence.features.command import add_network_options, networks, run_jobs

MODELS = Path(__file__).with_name("models.yml")


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "features", "derivatives", "models", "device", "overwrite", "dry-run")
    parser.add_argument("--pool", choices=("auto", "cls", "avg"), default="auto",
                        help="cls: class token; avg: mean over positions; auto (default): cls for networks that timm names "
                             "vit_*, deit*, beit*, eva*, flexivit*, else avg")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), default="auto",
                        help="type of the computation (weights stay in float32) and of the file; auto (default): float32, as "
                             "published; float16 refuses activations above 65504")
    parser.add_argument("--weights", metavar="PATH",
                        help="weights of the model, or a folder with <model>.safetensors (.pth, .pt, .bin) of each, instead of "
                             "the hub's")
    add_network_options(parser, MODELS)
    parser.add_argument("--batch-size", default="auto", metavar="N",
                        help="pictures at a time; auto (default): 32, halved whenever memory runs out")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads that decode pictures (default: 2)")
    parser.add_argument("--skip-bad", action="store_true",
                        help="leave pictures that cannot be read out of the file, which says which and why")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import open_dataset
    from convergence.features.extraction import vision_jobs
    from convergence.storage.paths import features_folder

    models, seeds = networks(chosen, "vision")
    dataset, features = open_dataset(chosen.dataset, chosen.root), features_folder(chosen.features)
    jobs = vision_jobs(dataset, models, features, pool=chosen.pool, dtype=chosen.dtype, seeds=seeds, weights=chosen.weights,
                       device=chosen.device, batch_size=chosen.batch_size, workers=chosen.workers, skip_bad=chosen.skip_bad)
    run_jobs(jobs, chosen, features, title="vision features")


if __name__ == "__main__":
    sys.exit(main())
