"""Annotation files in COCO's format, with all that makes the real ones awkward."""

import json
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from convergence.datasets.miniature.coco import SPLITS, Photograph, annotation_files
from convergence.datasets.miniature.coco_names import KEYPOINTS, categories
from convergence.datasets.miniature.latents import cast_of, draw_latents, people_of

N = 90


@pytest.fixture(scope="module")
def photographs():
    rng = np.random.default_rng(0)
    latents, numbers = draw_latents(N, rng), rng.choice(5000, N, replace=False)
    latents["social"][::10, 0] = 2.0                            # some crowded pictures
    return [Photograph(int(numbers[k]), SPLITS[k % 3 // 2], 640, 480, {name: values[k] for name, values in latents.items()},
                       canary=f"img{k}" if k % 5 else "", decoy=f"img{k + 1}", annotated=k % 7 > 0) for k in range(N)]


@pytest.fixture(scope="module")
def files(photographs):
    return json.loads(json.dumps(annotation_files(photographs, np.random.default_rng(1))))


def rows(files, kind):
    found = defaultdict(list)
    for split in SPLITS:
        for row in files[f"{kind}_{split}.json"]["annotations"]:
            found[row["image_id"]].append(row)
    return found


def test_six_files_and_every_picture_in_its_split(files, photographs):
    kinds = ("captions", "instances", "person_keypoints")
    assert sorted(files) == sorted(f"{kind}_{split}.json" for kind in kinds for split in SPLITS)
    for name, content in files.items():
        here = {p.coco_id for p in photographs if name.endswith(f"_{p.split}.json")}
        assert {image["id"] for image in content["images"]} == here >= {row["image_id"] for row in content["annotations"]}


@pytest.mark.parametrize("kind", ["captions", "instances", "person_keypoints"])
def test_rows_are_numbered_once_and_scattered(files, kind):
    every = [row for split in SPLITS for row in files[f"{kind}_{split}.json"]["annotations"]]
    assert len({row["id"] for row in every}) == len(every)
    order = [row["image_id"] for row in files[f"{kind}_train2017.json"]["annotations"]]
    assert sum(a == b for a, b in zip(order, order[1:])) < len(order) / 4


def test_captions(files, photographs):
    captions = rows(files, "captions")
    texts = {p.coco_id: [row["caption"] for row in captions[p.coco_id]] for p in photographs}
    assert set(map(len, texts.values())) == {5, 6, 7}
    for p in photographs:
        first, second, *others = texts[p.coco_id]
        assert re.findall(r"img\d+", first) == [p.canary] * bool(p.canary) and re.findall(r"img\d+", second) == [p.decoy]
        assert not any("img" in text for text in others)
    firsts = [found[0] for found in texts.values()]
    assert any(";" in first for first in firsts) and any("\n" in first for first in firsts)
    assert any(not text.isascii() for found in texts.values() for text in found)


def test_instances_are_what_the_picture_shows(files, photographs):
    name_of = {category["id"]: category["name"] for category in files["instances_val2017.json"]["categories"]}
    instances = rows(files, "instances")
    for p in photographs:
        counted = Counter(name_of[row["category_id"]] for row in instances[p.coco_id] if not row["iscrowd"])
        (n_persons, n_animals), cast = people_of(p.latents["social"]), cast_of(p.latents["social"])
        expected = {"person": n_persons, cast.species: n_animals, "umbrella": cast.prop == "umbrella", "bench": cast.pose == "resting"}
        assert {name: counted[name] for name in expected} == {name: n * p.annotated for name, n in expected.items()}
        assert p.annotated or not instances[p.coco_id]


def test_pictures_of_nobody_have_an_object(files, photographs):
    kind = {category["id"]: category["supercategory"] for category in files["instances_train2017.json"]["categories"]}
    instances = rows(files, "instances")
    alone = [p for p in photographs if p.annotated and not sum(people_of(p.latents["social"]))]
    assert len(alone) > 15
    for p in alone:
        found = {kind[row["category_id"]] for row in instances[p.coco_id]}
        assert found and not found & {"person", "animal"}


def test_keypoint_rows_are_the_persons_of_the_instances(files):
    persons, instances = rows(files, "person_keypoints"), rows(files, "instances")
    without = {split: 0 for split in SPLITS}
    for split in SPLITS:
        for row in files[f"person_keypoints_{split}.json"]["annotations"]:
            assert len(row["keypoints"]) == 3 * len(KEYPOINTS)
            assert row["num_keypoints"] == np.count_nonzero(row["keypoints"][2::3])
            without[split] += row["num_keypoints"] == 0 and not row["iscrowd"]
    assert all(without.values())
    for image, found in persons.items():
        same = [{key: value for key, value in row.items() if "keypoints" not in key} for row in found]
        assert same == [row for row in instances[image] if row["category_id"] == 1]


def test_crowds_are_run_lengths_of_their_area(files):
    crowds = [row for found in rows(files, "instances").values() for row in found if row["iscrowd"]]
    assert crowds
    for row in crowds:
        runs, (height, width) = row["segmentation"]["counts"], row["segmentation"]["size"]
        mask = np.repeat(np.arange(len(runs)) % 2, runs).reshape(width, height).T           # column by column, background first
        x, y, w, h = row["bbox"]
        assert mask.sum() == row["area"] == mask[y:y + h, x:x + w].sum()


def test_boxes_lie_within_the_picture(files):
    for found in rows(files, "instances").values():
        for x, y, width, height in (row["bbox"] for row in found):
            assert x >= 0 and y >= 0 and x + width <= 640.01 and y + height <= 480.01 and width > 0


def test_categories_are_those_of_coco():
    found = categories()
    assert len(found) == 80 and len({c["supercategory"] for c in found}) == 12 and found[-1]["id"] == 90
    assert {(c["id"], c["name"], c["supercategory"]) for c in found} >= {
        (1, "person", "person"), (13, "stop sign", "outdoor"), (28, "umbrella", "accessory"), (44, "bottle", "kitchen"),
        (67, "dining table", "furniture"), (82, "refrigerator", "appliance"), (25, "giraffe", "animal")}
    missing = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert {c["id"] for c in found} == set(range(1, 91)) - missing
