"""Tables of what COCO's annotators wrote about NSD's pictures. Captions, for now.

Reads    nsd_stim_info_merged.csv, and COCO's captions_train2017.json and captions_val2017.json (annotations_trainval2017.zip)
         from --coco, by default the folder `annotations` in the dataset's folder.
Writes   captions/nsd-captions-coco.csv into the dataset's folder, or below CONVERGENCE_WORK if that is set: one row per picture,
         sorted by nsd_id, all captions joined by ';'.
Time     seconds.

    python 1_dataset_preparation/3_build_coco_tables.py --root /data/nsd --coco /data/coco/annotations
"""

import sys
from pathlib import Path

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "overwrite", "dry-run")
    parser.add_argument("--coco", metavar="DIR", help="folder of COCO's annotation files; default: <root>/annotations")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import annotations, open_dataset
    from convergence.datasets.nsd import files, index
    from convergence.tasks import Unit, run_units

    if chosen.dataset != "nsd":
        raise ValueError(f"--dataset: {chosen.dataset!r} has no COCO annotations; this script knows nsd")
    dataset = open_dataset(chosen.dataset, chosen.root)
    captions = tuple(annotations.caption_files(chosen.coco or dataset.root / "annotations"))
    information = Path(dataset.root) / files.STIMULUS_INFORMATION
    unit = Unit("captions", dataset.work / files.CAPTIONS, index.caption_table,
                places={"root": dataset.root, "captions": captions}, inputs=(information, *captions))
    run_units([unit], title="COCO tables", overwrite=chosen.overwrite, dry_run=chosen.dry_run)


if __name__ == "__main__":
    sys.exit(main())
