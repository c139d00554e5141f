"""Index tables of a dataset: which picture was shown in which trial, which pictures there are, and the table of the atlas.

Reads    nsd        nsd_stim_info_merged.csv, the headers of the beta files, behav/responses.tsv where there is one
         things     the tables of betas_csv, the names of the pictures' files, the lists of categories
         bold5000   the lists of image names and presentation lists, the headers of the beta files, which must agree
Writes   into the dataset's folder, or below CONVERGENCE_WORK if that is set:
         nsd        nsd.csv (pictures), nsd_stimuli.csv (trials), nsd_masks.csv (ROI volumes)
         things     preprocessed/categories.csv, images.csv, stimulus_index.parquet and .csv
         bold5000   preprocessed/images.csv and .parquet, stimulus_index.csv and .parquet
         and for all of them the atlas into the derivatives: metadata/hcp.csv, of the atlas that --atlas names with the labels on
         the surface that lie beside it. `folder` comes with its tables: nothing to do.
Checks   that lists agree with each other; reports trials with data and how pictures are shared.
Time     seconds; things up to a minute (26,107 files are listed).

Run it again after further sessions were downloaded: what did not change is skipped. README.md explains every column.

    python 1_dataset_preparation/2_build_indexes.py --root /data/nsd --derivatives derivatives
    python 1_dataset_preparation/2_build_indexes.py --dataset bold5000 --root /data/bold5000
"""

import sys

from convergence.cli import command, options
from convergence.datasets.options import add_options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "atlas", "overwrite", "dry-run")
    add_options(parser, "resolution", "betas", "volume")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import preparation
    from convergence.datasets.options import open_chosen
    from convergence.tasks import run_units

    steps, dataset = preparation(chosen.dataset), open_chosen(chosen)
    units = steps.index_units(dataset, chosen.derivatives)
    if units:
        run_units(units, title="indexes", overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    if not chosen.dry_run:
        print("\n".join(steps.report(dataset)))


if __name__ == "__main__":
    sys.exit(main())
