"""COCO's six annotation files for five pictures of two splits, of which NSD has four, with all that is awkward in the real ones.

Picture 1 (val2017) has a crowd and a person without keypoints, 2 nothing but a crowd of persons, 3 nothing at all, 0 (train2017)
objects without life. Rows are in no order; annotation ids do not follow the pictures'.
"""

import json
from pathlib import Path

import pandas as pd

IMAGES = pd.DataFrame({"nsd_id": [2, 0, 3, 1], "coco_id": [77, 532481, 9, 100],
                       "coco_split": ["train2017", "train2017", "val2017", "val2017"],
                       "crop_box": ["(0.125, 0.125, 0, 0)", "(0, 0, 0.25, 0.25)", "(0, 0, 0, 0)", "(0, 0, 0, 0.5)"]})
SIZES = {77: (60, 80), 532481: (200, 100), 9: (50, 50), 100: (100, 50), 6: (10, 10)}
CATEGORIES = [{"supercategory": "person", "id": 1, "name": "person"}, {"supercategory": "animal", "id": 18, "name": "dog"},
              {"supercategory": "vehicle", "id": 3, "name": "car"}, {"supercategory": "indoor", "id": 84, "name": "book"}]
PARTS = ["nose", "left_eye", "right_ankle"]
_SPLIT = {77: "train2017", 532481: "train2017", 6: "train2017", 9: "val2017", 100: "val2017"}


def instance(number, picture, category, box, *, iscrowd=0, **more):
    return {"segmentation": {"counts": [3, 4], "size": [1, 7]} if iscrowd else [[1.5, 2, 3, 4]], "area": box[2] * box[3] * 0.7,
            "iscrowd": iscrowd, "image_id": picture, "bbox": box, "category_id": category, "id": number, **more}


def instances():
    return [instance(31, 532481, 84, [0, 0, 50, 10]), instance(12, 100, 18, [25, 0, 50.5, 20]),
            instance(900, 100, 1, [0, 0, 9, 9], iscrowd=1),
            instance(11, 100, 1, [60, 0, 30, 10]), instance(30, 532481, 84, [40, 20, 20, 20]), instance(5, 6, 18, [1, 1, 2, 2]),
            instance(901, 77, 1, [0, 0, 60, 80], iscrowd=1), instance(13, 100, 1, [10, 5, 10, 10]),
            instance(29, 532481, 3, [190, 90, 30, 30])]


def persons():
    marked = {11: [0, 0, 0, 0, 0, 0, 0, 0, 0], 13: [15, 6, 2, 0, 0, 0, 12, 14, 1], 900: [0] * 9, 901: [0] * 9}
    rows = [row for row in instances() if row["category_id"] == 1]
    return [{**row, "keypoints": marked[row["id"]], "num_keypoints": sum(v > 0 for v in marked[row["id"]][2::3])} for row in rows]


def captions():
    return [{"id": k, "image_id": picture, "caption": f"a picture, {k}"}
            for k, picture in enumerate([100, 9, 6, 532481, 77, 100])]


def content(split, kind, rows):
    """One file's content: the rows of the pictures of a split."""
    categories = {"instances": CATEGORIES, "person_keypoints": [{**CATEGORIES[0], "keypoints": PARTS, "skeleton": []}]}
    return {"info": {}, "images": [{"id": picture, "width": width, "height": height} for picture, (width, height) in SIZES.items()
                                   if _SPLIT[picture] == split],
            "annotations": [row for row in rows if _SPLIT[row["image_id"]] == split], "categories": categories.get(kind, [])}


def write(folder, **changed):
    """The six files; changed: rows in place of those of instances(), persons() or captions()."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"instances": instances(), "person_keypoints": persons(), "captions": captions(), **changed}
    for kind, some in rows.items():
        for split in ("train2017", "val2017"):
            (folder / f"{kind}_{split}.json").write_text(json.dumps(content(split, kind, some)))
    return folder
