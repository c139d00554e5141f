"""Vectors of pictures: COCO's counts in a dataset of another name, and z-scored statistics."""

import numpy as np
import pandas as pd
import pytest
import toy_brains

from convergence.alignment.control_tables import (VECTORS, category_matrix, category_units, choose_vectors, control_name,
                                                  statistic_matrix,
                                                  statistic_sets, statistic_units)
from convergence.datasets.image_statistics import NAMES
from convergence.tasks import run_units

OBJECTS = [(103, "person", "person", 1, 0), (103, "dog", "animal", 18, 0), (103, "dog", "animal", 18, 0),
           (107, "person", "person", 1, 1),
           (107, "cat", "animal", 17, 0), (2, "car", "vehicle", 3, 0), (2, "person", "person", 1, 0)]
PERSONS = [(103, "[3, 4]", None), (107, None, None), (2, "[1, 1]", "[2, 2]"), (2, "[5, 5]", None)]


def write_annotations(dataset, key="toy_id"):
    objects = pd.DataFrame(OBJECTS, columns=[key, "category", "supercategory", "category_id", "iscrowd"])
    objects = objects.assign(visible_fraction=[1, 0.2, 1, 1, 1, 1, 1], annotation_id=range(7))
    objects.to_csv(dataset.work / "coco_objects_annotations.csv", index=False)
    persons = pd.DataFrame(PERSONS, columns=[key, "nose", "left_eye"]).assign(bbox="[0, 0, 1, 1]", iscrowd=0,
                                                                              visible_fraction=1.0,
                                                                               annotation_id=range(4), num_keypoints=1)
    persons.to_csv(dataset.work / "coco_persons_annotations.csv", index=False)


@pytest.fixture
def toy(tmp_path):
    dataset = toy_brains.write(tmp_path / "toy")
    write_annotations(dataset)
    return dataset


def rows(dataset, name, images=(103, 107, 2, 0), **options):
    found = category_matrix(name=name, **{"crowds": False, "min_visible": 0.0, **options}, dataset=dataset)
    assert list(found)[0] == "toy_id" and found["toy_id"].tolist() == list(range(len(dataset.images)))
    assert (found.drop(columns="toy_id").dtypes == "int16").all()
    return found.set_index("toy_id").loc[list(images)]


def test_every_vector_of_four_pictures(toy):
    expected = {"categories": {"person": [1, 0, 1, 0], "car": [0, 0, 1, 0], "cat": [0, 1, 0, 0], "dog": [2, 0, 0, 0]},
                "categories_binary": {"person": [1, 0, 1, 0], "car": [0, 0, 1, 0], "cat": [0, 1, 0, 0], "dog": [1, 0, 0, 0]},
                "categories_without_person": {"car": [0, 0, 1, 0], "cat": [0, 1, 0, 0], "dog": [2, 0, 0, 0]},
                "supercategories": {"person": [1, 0, 1, 0], "vehicle": [0, 0, 1, 0], "animal": [2, 1, 0, 0]},
                "supercategories_without_person_binary": {"vehicle": [0, 0, 1, 0], "animal": [1, 1, 0, 0]},
                "body_parts": {"nose": [1, 0, 2, 0], "left_eye": [0, 0, 1, 0]},
                "body_parts_binary": {"nose": [1, 0, 1, 0], "left_eye": [0, 0, 1, 0]}, "is_person": {"is_person": [1, 0, 1, 0]}}
    for name, columns in expected.items():
        assert rows(toy, name).to_dict("list") == columns, name
    assert rows(toy, "categories", crowds=True)["person"].tolist() == [1, 1, 1, 0]
    assert rows(toy, "categories", min_visible=0.5)["dog"].tolist() == [1, 0, 0, 0]


def test_units_write_control_matrices_that_controls_read(toy, tmp_path):
    from convergence.alignment.controls import read_controls

    units = category_units(toy, tmp_path / "out")
    assert [unit.name for unit in units] == list(VECTORS) and len(VECTORS) == 11
    run_units(units, title="vectors")
    control = read_controls(tmp_path / "out", toy, ["toy_is_person"])["toy_is_person"]
    assert control.features.loc[[103, 107, 2]].to_numpy().tolist() == [[1], [0], [1]]
    toy.name = "nsd"
    assert control_name(toy, "is_person") == "is_person"


def test_nsd_ids_serve_where_a_dataset_has_no_other(toy):
    write_annotations(toy, key="nsd_id")
    assert rows(toy, "categories")["dog"].tolist() == [2, 0, 0, 0]
    write_annotations(toy, key="picture")
    with pytest.raises(ValueError, match="coco_objects_annotations.csv has no column toy_id; it has picture, category"):
        rows(toy, "categories")


def test_missing_tables_and_wrong_names(toy):
    (toy.work / "coco_persons_annotations.csv").unlink()
    with pytest.raises(FileNotFoundError,
                       match="coco_persons_annotations.csv not there; .*3_build_coco_tables.py makes NSD's; .* toy_id"):
        category_units(toy, toy.work)
    with pytest.raises(ValueError, match="--vectors: persons not among categories, supercategories"):
        choose_vectors(["persons", "is_person"])
    assert choose_vectors(["is_person", "categories"]) == ["categories", "is_person"]
    with pytest.raises(ValueError, match=r"--sets: hue not among the statistics luminance, .*; join some by \+"):
        statistic_sets(["hue+luminance"])
    with pytest.raises(FileNotFoundError,
                       match="image_statistics.parquet is not there; .*5_measure_image_statistics.py --dataset toy"):
        statistic_units(toy, toy.work)


def test_statistics_are_z_scored_over_the_images_that_have_them(tmp_path):
    table = pd.DataFrame({"image": [4, 9, 2, 7, 30], "luminance": [1, 2, 3, 4, 100], "contrast": [5, 1, 1, 1, 2.0],
                          "spatial_frequency": [1, 1, 2, 3, np.nan], "entropy": 2.0}).astype({"luminance": "float32"})
    table.to_parquet(tmp_path / "some.parquet")
    make = lambda *names: statistic_matrix(statistics=list(names), source=tmp_path / "some.parquet", key="toy_id")
    both = make("luminance", "spatial_frequency")
    assert both["toy_id"].tolist() == [4, 9, 2, 7] and list(both) == ["toy_id", "luminance", "spatial_frequency"]
    assert np.allclose(both["luminance"], (np.arange(4) - 1.5) / np.std(np.arange(4)))
    assert make("luminance")["toy_id"].tolist() == [4, 9, 2, 7, 30] and abs(make("contrast")["contrast"].std(ddof=0) - 1) < 1e-12
    with pytest.raises(ValueError, match="some.parquet: entropy of 5 images cannot be z-scored"):
        make("luminance", "entropy")


def test_sets_are_named_as_published():
    found = statistic_sets()
    assert list(found) == [*NAMES, "edge_density_homogeneity", "all_statistics"]
    assert found["edge_density_homogeneity"] == ["edge_density", "homogeneity"] and found["all_statistics"] == list(NAMES)
    assert list(statistic_sets(["luminance+contrast"]))[-1] == "luminance_contrast" and len(statistic_sets([])) == len(NAMES)
