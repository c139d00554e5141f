"""Captions: one row per picture, sorted by nsd_id.

The captions were written for COCO's whole picture; NSD shows a square crop of it.
"""

import re
from collections import defaultdict
from pathlib import Path

from convergence.datasets.annotations.source import annotation_files, explained, of_splits, read_annotations

SEPARATOR = ";"
_LONE_RETURN = re.compile(r"\r(?!\n)")         # CSV writers leave it unquoted, readers end the row there


def caption_files(place):
    """The caption files of a folder of COCO annotations, or of its zip; FileNotFoundError where there are none."""
    return annotation_files(place, "captions")


def caption_table(images, files):
    """All captions of every picture, in the order of NSD.

    Parameters
    ----------
    images : DataFrame
        Columns nsd_id, coco_id, coco_split; one row per picture in any order.
    files : sequence of path
        COCO caption files, each named captions_<split>.json.

    Returns
    -------
    DataFrame (n_images, 4)
        nsd_id (ascending), coco_id, cocoSplit, captions: joined by ';' in the order of the file, a ';' within a caption made ','.

    Raises
    ------
    ValueError
        A split has no file, a file is not COCO's, or pictures have no caption.
    """
    captions = {}
    for split, path, own in of_splits(images, files, "captions"):
        captions[split] = _captions_of(path, set(own["coco_id"]))
    table = images[["nsd_id", "coco_id", "coco_split"]].sort_values("nsd_id", ignore_index=True)
    table = table.rename(columns={"coco_split": "cocoSplit"})
    table["captions"] = [SEPARATOR.join(captions[split].get(coco_id, ()))
                         for coco_id, split in zip(table["coco_id"], table["cocoSplit"])]
    silent = table.loc[table["captions"] == "", "coco_id"].tolist()
    if silent:
        raise ValueError(f"{len(silent)} of {len(table)} pictures have no caption in "
                         f"{', '.join(Path(path).name for path in files)}, such as the COCO ids {silent[:5]}; the annotation "
                         "files are incomplete or of another year than 2017")
    return table


def first_caption(captions):
    """The first of several captions that a ';' joins."""
    return captions.split(SEPARATOR)[0].strip()


def _captions_of(path, wanted):
    """{coco id: [caption, ...]} of the wanted pictures of one file."""
    found = defaultdict(list)
    with explained(path, "captions"):
        rows, _ = read_annotations(path, "captions", wanted, ("image_id", "caption"))
        for row in rows:
            found[row["image_id"]].append(_LONE_RETURN.sub("\n", row["caption"].replace(SEPARATOR, ",")))
    return found
