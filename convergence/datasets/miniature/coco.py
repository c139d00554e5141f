"""Annotation files in COCO's format for pictures made from latents: captions, instances and person keypoints of two splits.

    photographs = [Photograph(coco_id, split, width, height, latents, ...), ...]
    annotation_files(photographs, rng)              {"captions_train2017.json": {...}, ...}: six dictionaries

What they say of persons and animals is what the picture shows (latents.people_of); where they stand is invented. On purpose they
hold all that makes the real ones awkward: 5 to 7 captions with semicolons, line breaks and letters beyond ASCII; crowds as run
lengths; persons without keypoints; pictures without instances; rows in no order of pictures. A picture may have a canary, a word
that stands in its first caption, and a decoy, another picture's canary, in its second.
"""

from dataclasses import dataclass

import numpy as np

from convergence.datasets.miniature.coco_names import KEYPOINTS, categories, person_categories
from convergence.datasets.miniature.latents import caption_words, cast_of, people_of, scene_words, setting_of

SPLITS = ("train2017", "val2017")
_INFO = {"description": "simulated pictures in the format of COCO 2017", "year": 2017}
_CROWD = 5                      # so many persons are also marked as a crowd
_FIRST_CROWD = 900100000000     # COCO numbers crowds from here
# The keypoints of a standing person, as fractions of its box.
_UPRIGHT = ((.5, .06), (.53, .04), (.47, .04), (.57, .06), (.43, .06), (.68, .2), (.32, .2), (.76, .35), (.24, .35), (.8, .5),
            (.2, .5), (.6, .52), (.4, .52), (.6, .74), (.4, .74), (.6, .96), (.4, .96))


@dataclass(frozen=True)
class Photograph:
    """One picture as COCO knows it, before it was cropped."""
    coco_id: int
    split: str
    width: int
    height: int
    latents: dict               # {"low": (6,), "scene": (6,), "social": (6,)}
    canary: str = ""
    decoy: str = ""
    annotated: bool = True      # whether it has instances


def annotation_files(photographs, rng):
    """The six files, each a dictionary, by name."""
    captions, persons, things = ([rows_of(photograph, np.random.default_rng(photograph.coco_id)) for photograph in photographs]
                                 for rows_of in (_captions, _persons, _things))
    instances = [[_without_keypoints(row) for row in some] + others for some, others in zip(persons, things)]
    kinds = {"captions": (captions, {}), "instances": (instances, {"categories": categories()}),
             "person_keypoints": (persons, {"categories": person_categories()})}
    files = {}
    for kind, (rows, more) in kinds.items():
        rows = _scattered(rows, rng)
        for split in SPLITS:
            images = [_image(photograph) for photograph in photographs if photograph.split == split]
            here = {image["id"] for image in images}
            files[f"{kind}_{split}.json"] = {"info": _INFO, "licenses": [], "images": images, **more,
                                             "annotations": [row for row in rows if row["image_id"] in here]}
    return files


def _scattered(rows, rng):
    """Numbered rows of all pictures, those of one picture in order, but among the others'."""
    turns = rng.permutation(np.repeat(np.arange(len(rows)), [len(some) for some in rows]))
    waiting = [iter(enumerate(some)) for some in rows]
    return [{"id": 100 * row["image_id"] + position, **row} for position, row in (next(waiting[turn]) for turn in turns)]


def _image(photograph):
    name = f"{photograph.coco_id:012d}.jpg"
    return {"id": photograph.coco_id, "file_name": name, "height": photograph.height, "width": photograph.width}


def _captions(photograph, rng):
    words, scene = caption_words(photograph.latents), scene_words(photograph.latents["scene"])
    others = [f"There is {words}.", f"A small picture: {words}", f"Seen {scene}.", f"Near a café: {scene}…", f"{words}.\n"]
    first = f"{words[0].upper()}{words[1:]}{rng.choice([', ', '; ', chr(10)])}{photograph.canary}".rstrip(",; \n") + "."
    second = f"Someone drew {words}; naïve, but neat. {photograph.decoy}".strip()
    texts = [first, second, *(others[k] for k in rng.permutation(len(others))[:rng.integers(3, 6)])]
    return [{"image_id": photograph.coco_id, "caption": text} for text in texts]


def _persons(photograph, rng):
    """One row per person; every fourth has no keypoints, some keypoints are hidden. Many persons are also marked as a crowd."""
    if not photograph.annotated:
        return []
    n_persons, _ = people_of(photograph.latents["social"])
    rows = []
    for person, box in enumerate(_boxes(photograph, n_persons, rng)):
        visible = rng.choice([0, 1, 2], size=len(KEYPOINTS), p=[.2, .2, .6]) * ((photograph.coco_id + person) % 4 > 0)
        rows.append(_region(photograph, 1, box) | _keypoints(box, visible))
    if n_persons >= _CROWD:
        rows.append(_crowd(photograph) | _keypoints((0, 0, 0, 0), np.zeros(len(KEYPOINTS), dtype=int)))
    return rows


def _keypoints(box, visible):
    """x, y, visibility (0: not labelled, 1: hidden, 2: visible) of every keypoint, one after the other."""
    points = [(round(box[0] + x * box[2]), round(box[1] + y * box[3]), int(v)) if v else (0, 0, 0)
              for (x, y), v in zip(_UPRIGHT, visible)]
    return {"num_keypoints": int(np.count_nonzero(visible)), "keypoints": [value for point in points for value in point]}


def _things(photograph, rng):
    """One row per animal and object; persons have the rows of _persons."""
    if not photograph.annotated:
        return []
    number = {category["name"]: category["id"] for category in categories()}
    cast = cast_of(photograph.latents["social"])
    furniture = ["bench"] * (cast.pose == "resting") + ["book"] * setting_of(photograph.latents["scene"]).indoors
    names = [cast.species] * cast.n_animals + [cast.prop] * (cast.prop in number) + furniture
    return [_region(photograph, number[name], box) for name, box in zip(names, _boxes(photograph, len(names), rng))]


def _boxes(photograph, n, rng):
    """[x, y, width, height] of `n` things side by side, in pixels of the picture before cropping."""
    boxes = []
    for k in range(n):
        width, height = photograph.width / (n + 1) * rng.uniform(.6, .95), photograph.height * rng.uniform(.3, .55)
        x, y = photograph.width * (k + .5) / n - width / 2, photograph.height * .92 - height
        boxes.append([round(float(v), 2) for v in (max(x, 0), y, width, height)])
    return boxes


def _region(photograph, category, box):
    x, y, width, height = box
    outline = [round(v, 2) for v in (x, y, x + width, y, x + width, y + height, x, y + height)]
    return {"segmentation": [outline], "area": round(width * height, 4), "iscrowd": 0, "image_id": photograph.coco_id,
            "bbox": box, "category_id": category}


def _crowd(photograph):
    """Part of the background, marked as a crowd of persons: lengths of runs outside and inside by turns, column by column."""
    across, down = photograph.width, photograph.height
    x, y, width, height = across // 10, down // 3, across * 8 // 10, down // 6
    runs = [x * down + y] + [height, down - height] * (width - 1) + [height]
    runs.append(across * down - sum(runs))
    return {"id": _FIRST_CROWD + photograph.coco_id, "segmentation": {"counts": runs, "size": [down, across]},
            "area": width * height, "iscrowd": 1, "image_id": photograph.coco_id, "bbox": [x, y, width, height], "category_id": 1}


def _without_keypoints(row):
    return {key: value for key, value in row.items() if key not in ("num_keypoints", "keypoints")}
