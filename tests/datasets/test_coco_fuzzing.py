"""Damaged JSON files, zips and CSV tables of COCO: always a clear error or a table that holds, never a crash or half a row."""

import zipfile

import numpy as np
import pytest
import tiny_coco
from harms import HARMS, harmed
from tiny_coco import IMAGES

from convergence.datasets.annotations import annotation_files, caption_table, content_table, object_table, person_table
from convergence.datasets.annotations.source import ARCHIVE
from convergence.datasets.nsd import coco_tables
from convergence.storage.outputs import Record, save

TABLES = {"captions": caption_table, "instances": object_table, "person_keypoints": person_table}


def sound(table):
    assert table["nsd_id"].isin(IMAGES["nsd_id"]).all() and table["nsd_id"].is_monotonic_increasing
    assert dict(zip(IMAGES["nsd_id"], IMAGES["coco_id"])).items() >= dict(zip(table["nsd_id"], table["coco_id"])).items()
    if "visible_fraction" in table:
        assert table["visible_fraction"].between(0, 1).all() and (table["area"] >= 0).all()


@pytest.mark.parametrize("how", ["remove", *HARMS])
@pytest.mark.parametrize("kind", list(TABLES))
def test_damaged_json(tmp_path, kind, how):
    folder, refused = tiny_coco.write(tmp_path / "a"), 0
    path = folder / f"{kind}_val2017.json"
    good = path.read_bytes()
    for seed in range(40):
        path.write_bytes(harmed(good, how, np.random.default_rng(seed)))
        try:
            sound(TABLES[kind](IMAGES, annotation_files(folder, kind)))
        except ValueError as error:
            refused += 1
            signs = f"{path} is not a COCO", "have no caption in", "occur twice", "names the keypoints"
            assert any(sign in str(error) for sign in signs)
    assert refused > 10


@pytest.mark.parametrize("how", ["remove", *HARMS])
def test_a_damaged_zip(tmp_path, how):
    folder, archive = tiny_coco.write(tmp_path / "a"), tmp_path / ARCHIVE
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in sorted(folder.iterdir()):
            opened.write(file, f"annotations/{file.name}")
    good, expected, refused = archive.read_bytes(), object_table(IMAGES, annotation_files(folder, "instances")), 0
    for seed in range(40):
        archive.write_bytes(harmed(good, how, np.random.default_rng(seed)))
        try:
            assert object_table(IMAGES, annotation_files(archive, "instances")).equals(expected)       # the zip's own checksums
        except (ValueError, FileNotFoundError) as error:
            refused += 1
            assert str(archive) in str(error) or "no instances for the COCO splits" in str(error)
    assert refused > 5


@pytest.mark.parametrize("how", ["remove", *HARMS])
@pytest.mark.parametrize("table", ["objects", "content"])
def test_damaged_tables(tmp_path, table, how):
    folder, refused = tiny_coco.write(tmp_path / "a"), 0
    objects, persons = (TABLES[kind](IMAGES, annotation_files(folder, kind)) for kind in ("instances", "person_keypoints"))
    whole = {"objects": objects, "content": content_table(objects, persons, 4)}[table]
    path = save(whole, tmp_path / coco_tables.FILES[table], Record("test"))
    good = path.read_bytes()
    for seed in range(40):
        path.write_bytes(harmed(good, how, np.random.default_rng(seed)))
        try:
            found = coco_tables.read_file(tmp_path, table)
            assert (found["nsd_id"] >= 0).all() and found["nsd_id"].is_monotonic_increasing
        except ValueError as error:
            refused += 1
            assert f"{path} is damaged" in str(error) and "3_build_coco_tables.py again" in str(error)
    assert refused > 5
