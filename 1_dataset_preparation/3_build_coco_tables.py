"""Tables of what COCO's annotators wrote about NSD's pictures: captions, objects, persons, and what a picture shows in one row.

Reads    nsd_stim_info_merged.csv, and COCO's captions_, instances_ and person_keypoints_{train,val}2017.json from --coco: a
         folder that holds them, or annotations_trainval2017.zip, which is not unpacked; by default the folder `annotations` in
         the dataset's folder. With --download the zip (253 MB) is fetched first if that folder lacks any of them, and its
         checksum compared; broken off, it goes on where it stopped.
Writes   into the dataset's folder, or below CONVERGENCE_WORK if that is set, all sorted by nsd_id:
         captions/nsd-captions-coco.csv     a row per picture, all captions joined by ';'
         coco_objects_annotations.csv       a row per instance; boxes in pixels of the picture before NSD cropped it
         coco_persons_annotations.csv       a row per person, with 17 keypoints; --segmentation adds outlines
         content.csv                        a row per picture: counts, animate, inanimate, is_person
         Where the folder has captions only, the other tables are left out; derivatives/README.md states all columns.
Needs    1.5 GB of memory: the text of one split of one file, and what it says about NSD's pictures.
Time     two minutes.

    python 1_dataset_preparation/3_build_coco_tables.py --root /data/nsd --download
    python 1_dataset_preparation/3_build_coco_tables.py --root /data/nsd --coco /data/coco/annotations --min-visible 0.5
"""

import sys

from convergence.cli import command, options

TABLES = ("captions", "objects", "persons", "content")


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "overwrite", "dry-run")
    parser.add_argument("--coco", metavar="PATH", help="folder or zip of COCO's annotation files; default: <root>/annotations")
    parser.add_argument("--download", action="store_true", help="download COCO's annotations first, if they are not there")
    parser.add_argument("--tables", nargs="+", choices=TABLES, help="only these (default: all for which there are files)")
    parser.add_argument("--segmentation", action="store_true", help="keep the outlines of persons (a gigabyte)")
    parser.add_argument("--min-visible", type=float, default=0.0, metavar="FRACTION",
                        help="content.csv: count objects of whose box at least this part lies in NSD's crop (default: 0, all)")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import family, open_dataset
    from convergence.datasets.download import download
    from convergence.datasets.nsd import coco_tables
    from convergence.tasks import run_units

    if family(chosen.dataset) != "nsd":
        raise ValueError(f"--dataset: {chosen.dataset!r} has no COCO annotations; this script knows nsd")
    if chosen.download and chosen.coco:
        raise ValueError("--download brings annotations_trainval2017.zip to the dataset, --coco names another place; give one")
    if not 0 <= chosen.min_visible <= 1:
        raise ValueError(f"--min-visible: {chosen.min_visible} is not a fraction; expected 0 to 1")
    dataset = open_dataset(chosen.dataset, chosen.root)
    place = chosen.coco or coco_tables.place_of(dataset)
    fetch = chosen.download and not coco_tables.is_whole(place)
    if fetch and chosen.dry_run:
        print(f"COCO tables: {coco_tables.REMOTE.url} would be downloaded to {coco_tables.archive_of(dataset)}")
        return
    if fetch:
        place = download(coco_tables.REMOTE, coco_tables.archive_of(dataset))
    first, last, left_out = coco_tables.units(dataset, place, tables=chosen.tables, segmentation=chosen.segmentation,
                                              min_visible=chosen.min_visible)
    for table, reason in left_out.items():
        print(f"COCO tables: {table} is left out: {reason}")
    if last:
        run_units(first, title="COCO tables", overwrite=chosen.overwrite, dry_run=chosen.dry_run)
        first = last
    run_units(first, title="COCO content" if last else "COCO tables", overwrite=chosen.overwrite, dry_run=chosen.dry_run)


if __name__ == "__main__":
    sys.exit(main())
