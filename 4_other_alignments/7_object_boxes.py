"""Find objects in every picture of a dataset with a detection network, and the pictures that one object fills.

Reads    the dataset's pictures (nsd: nsd.csv and nsd_stimuli.hdf5).
Writes   <derivatives>/<dataset>/<dataset>_scenes_objects.parquet           a row per box: label, confidence, edges in pixels, and
                                                                            percent_area, the share of the picture from 0 to 1
         <derivatives>/<dataset>/<dataset>_scenes_objects_images.parquet    a row per picture: n_boxes, largest_area,
                                                                            element_dominated, status and reason

    python 4_other_alignments/7_object_boxes.py --root /data/nsd
    python 4_other_alignments/7_object_boxes.py --root /data/nsd --model /data/models/detr-resnet-50 --threshold 0.9

The network is facebook/detr-resnet-50 as published, or any of transformers' class AutoModelForObjectDetection, by hub id or
folder. A picture is element-dominated when some box covers more than 60 % of it and there are fewer than three boxes. Boxes are
cut at the picture's edges; --reference leaves them as the network gives them, so that percent_area may exceed 1, as published.
Every batch is kept: stop whenever you like, and run the same command again to go on. Pictures that fail are named at the end and
the exit status is 1; the same command tries those again, and --skip-bad accepts the tables as they are.
Time: detr-resnet-50 needs about 80 billion multiplications a picture: seconds on a CPU core, hundredths of a second on a large
GPU (NSD: 73,000 pictures). Memory: the network (0.2 GB) and a batch (some 0.3 GB a picture). Disk: 0.1 KB a box.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "device", "overwrite", "dry-run")
    parser.add_argument("--model", metavar="NAME", help="hub id or folder (default: facebook/detr-resnet-50)")
    parser.add_argument("--revision", metavar="COMMIT",
                        help="commit or branch on the hub (default: no_timm for facebook/detr-resnet-50, else main)")
    parser.add_argument("--threshold", type=float, default=0.8, metavar="P",
                        help="leave out boxes of a lower confidence (default: 0.8, as published)")
    parser.add_argument("--batch-size", default="8", metavar="N",
                        help="pictures at a time (default: 8); auto: 32, halved whenever memory runs out")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads that read pictures (default: 2)")
    parser.add_argument("--skip-bad", action="store_true", help="accept tables in which pictures failed")
    parser.add_argument("--reference", action="store_true", help="boxes may leave the picture, as published")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import open_dataset
    from convergence.features.object_boxes import DEFAULT_MODEL, box_jobs, run_boxes
    from convergence.storage.paths import derivatives_folder

    if chosen.reference:
        print("as published: boxes are not cut at the picture's edges, so that percent_area may exceed 1")
    jobs = box_jobs(open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives),
                    model=chosen.model or DEFAULT_MODEL, revision=chosen.revision, threshold=chosen.threshold,
                    clip=not chosen.reference, device=chosen.device, batch_size=chosen.batch_size, workers=chosen.workers)
    run_boxes(jobs, overwrite=chosen.overwrite, dry_run=chosen.dry_run, skip_bad=chosen.skip_bad)


if __name__ == "__main__":
    sys.exit(main())
