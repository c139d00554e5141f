"""Write small datasets with planted truth, in the formats of the real ones.

Writes   <out>/nsd/: a miniature Natural Scenes Dataset as one would have downloaded it (4 subjects, 280 pictures, 17 sessions;
         15 MB), and truth.json: what is planted in which parcel. Brains and pictures are simulated, the formats are real.
         <out>/bold5000/: the same for BOLD5000 (4 subjects, 84 pictures, 11 sessions; 5 MB).
         <out>/things/: the same for THINGS-fMRI (3 subjects, 150 pictures, 3 sessions each; 15 MB). --datasets selects.

    python -m convergence make-miniature --out demo/datasets
    NSD_DATASET=demo/datasets/nsd python 1_dataset_preparation/1_check_dataset.py --deep

A quarter of a minute. The same seed gives the same files. A dataset that is there already is left alone; where files of it are
missing or changed, it is written again.
"""

import sys

from convergence.cli import command, options
from convergence.datasets.miniature import DATASETS, read_truth, write_miniature


@command
def main(arguments=None):
    parser = options(__doc__, "seed")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder below which each dataset gets a folder")
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), metavar="NAME", help=f"default: {' '.join(DATASETS)}")
    chosen = parser.parse_args(arguments)
    for name, root in write_miniature(chosen.out, chosen.seed, chosen.datasets).items():
        print(f"miniature {name}: {root}, seed {read_truth(root)['seed']}")


if __name__ == "__main__":
    sys.exit(main())
