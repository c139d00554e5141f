"""What COCO's annotators wrote about NSD's pictures.

    files = caption_files(folder)                   captions_train2017.json, captions_val2017.json
    caption_table(images, files)                    one row per picture, sorted by nsd_id: nsd_id, coco_id, cocoSplit, captions
    first_caption("A dog; a cat")                   what language features are extracted from: the text before the first ';'

NSD's pictures are square crops of COCO's; the captions were written for the whole picture.
"""

import json
import re
from collections import defaultdict
from pathlib import Path

SEPARATOR = ";"
_LONE_RETURN = re.compile(r"\r(?!\n)")         # CSV writers leave it unquoted, readers end the row there


def caption_files(folder):
    """The caption files of a folder of COCO annotations; FileNotFoundError where there are none."""
    found = sorted(Path(folder).glob("captions_*.json"))
    if not found:
        raise FileNotFoundError(f"{folder} holds no captions_*.json; expected COCO's captions_train2017.json and "
                                "captions_val2017.json (from annotations_trainval2017.zip); give their folder with --coco")
    return found


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
    wanted = set(images["coco_id"])
    for path in files:
        captions[Path(path).stem.removeprefix("captions_")] = _captions_of(path, wanted)
    absent = sorted(set(images["coco_split"]) - set(captions))
    if absent:
        expected = ", ".join(f"captions_{split}.json" for split in absent)
        raise ValueError(f"no captions for the COCO splits {absent}; expected the files {expected} beside "
                         f"{', '.join(Path(path).name for path in files)}")
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
    try:
        annotations = json.loads(Path(path).read_text(encoding="utf-8"))["annotations"]
        found = defaultdict(list)
        for annotation in annotations:
            if annotation["image_id"] in wanted:
                found[annotation["image_id"]].append(_LONE_RETURN.sub("\n", annotation["caption"].replace(SEPARATOR, ",")))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a COCO caption file ({type(error).__name__}: {error}); download "
                         "annotations_trainval2017.zip again") from error
    return found
