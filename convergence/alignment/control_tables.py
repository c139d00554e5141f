"""Control tables that this project makes itself: what COCO's annotators marked in a picture, and how a picture looks.

    units = category_units(dataset, derivatives)        # tasks.Units: control_matrices/control_categories.parquet, ...
    units = statistic_units(dataset, derivatives, sets=["edge_density+homogeneity"])
    control_name(dataset, "person")                     # "person" of nsd; "things_person" of another dataset

A table has a row per image: the dataset's image number, then the columns of the vector. controls.py reads them, as controls of an
alignment; control_similarity.py compares them with brains.
"""

from pathlib import Path

import numpy as np

from convergence.alignment.controls import control_path
from convergence.datasets import annotations, image_statistics
from convergence.storage.tables import read_table

OBJECTS, PERSONS = "coco_objects_annotations.csv", "coco_persons_annotations.csv"
_PERSON = "person"              # COCO's name of the category, and of its supercategory
_VECTORS = {
    "categories": (OBJECTS, lambda table, n, how: annotations.category_counts(table, n, **how)),
    "supercategories": (OBJECTS, lambda table, n, how: annotations.supercategory_counts(table, n, **how)),
    "categories_without_person": (OBJECTS, lambda table, n, how: _without(annotations.category_counts(table, n, **how))),
    "supercategories_without_person": (
        OBJECTS, lambda table, n, how: _without(annotations.supercategory_counts(table, n, **how))),
    "body_parts": (PERSONS, lambda table, n, how: annotations.body_parts(table, n))}
_BINARY = "_binary"
VECTORS = (*_VECTORS, *(name + _BINARY for name in _VECTORS), "is_person")
PAIR = "edge_density+homogeneity"               # the published set of two statistics
ALL = "all_statistics"


def control_name(dataset, name):
    """Name of a control table: NSD's have no prefix, other datasets' their name."""
    return name if dataset.name == "nsd" else f"{dataset.name}_{name}"


def choose_vectors(names=None):
    """VECTORS, or those of them in `names`, in their order; ValueError names the unknown."""
    unknown = sorted(set(names or ()) - set(VECTORS))
    if unknown:
        raise ValueError(f"--vectors: {', '.join(unknown)} not among {', '.join(VECTORS)}")
    return [name for name in VECTORS if names is None or name in names]


def category_units(dataset, derivatives, *, crowds=False, min_visible=0.0):
    """Units of work, one per vector of VECTORS.

    Parameters
    ----------
    dataset : Dataset
        Its prepared files hold COCO's tables (coco_objects_annotations.csv, coco_persons_annotations.csv), with its own image
        number or nsd_id.
    derivatives : path
    crowds : bool
        Count a crowd region as one object, as published.
    min_visible : float
        Count objects of whose box at least this part is in the picture.

    Raises
    ------
    FileNotFoundError
        The dataset has no such tables.
    """
    from convergence.tasks import Unit

    missing = [name for name in (OBJECTS, PERSONS) if not (Path(dataset.work) / name).exists()]
    if missing:
        raise FileNotFoundError(f"{' and '.join(str(Path(dataset.work) / name) for name in missing)} not there; "
                                "1_dataset_preparation/3_build_coco_tables.py makes NSD's; of other datasets give tables with "
                                f"the same columns and {dataset.image_key}")
    return [Unit(name, control_path(derivatives, control_name(dataset, name)), category_matrix,
                 options={"name": name, "crowds": crowds, "min_visible": min_visible}, places={"dataset": dataset},
                 inputs=(Path(dataset.work) / _source(name),)) for name in VECTORS]


def category_matrix(*, name, crowds, min_visible, dataset):
    """One vector for every image: a DataFrame with the image number and whole numbers; images without annotations are zeros.

    name : one of VECTORS
        Counts of the 80 categories, of the 12 supercategories, both without the person; of how many persons each body part is
        marked; with "_binary" whether there are any; is_person, whether any body part is marked.
    """
    table, n = _annotations(dataset, _source(name)), len(dataset.images)
    how = {"crowds": crowds, "min_visible": min_visible}
    if name == "is_person":
        vector = annotations.body_parts(table, n).any(axis=1).to_frame("is_person")
    else:
        vector = _VECTORS[name.removesuffix(_BINARY)][1](table, n, how)
        vector = vector > 0 if name.endswith(_BINARY) else vector
    return vector.astype("int16").rename_axis(dataset.image_key).reset_index()


def statistic_sets(sets=None):
    """{name: statistics}: every one alone, and sets of them ("edge_density+homogeneity"; default: that one, and all).

    A set's name is its members' joined by "_", as published. ValueError: an unknown statistic.
    """
    found = {name: [name] for name in image_statistics.NAMES}
    for text in (PAIR, ALL) if sets is None else sets:
        members = list(image_statistics.NAMES) if text == ALL else text.split("+")
        unknown = sorted(set(members) - set(image_statistics.NAMES))
        if unknown:
            raise ValueError(f"--sets: {', '.join(unknown)} not among the statistics {', '.join(image_statistics.NAMES)}; join "
                             f"some by +, or give {ALL}")
        found[ALL if text == ALL else "_".join(members)] = members
    return found


def statistic_units(dataset, derivatives, sets=None):
    """Units of work, one per set of image statistics (`statistic_sets`).

    Raises
    ------
    FileNotFoundError
        The pictures were not measured.
    """
    from convergence.tasks import Unit

    source = image_statistics.table_path(dataset, derivatives)
    if not source.exists():
        raise FileNotFoundError(f"{source} is not there; 1_dataset_preparation/5_measure_image_statistics.py --dataset "
                                f"{dataset.name} makes it")
    return [Unit(name, control_path(derivatives, control_name(dataset, name)), statistic_matrix, options={"statistics": members},
                 places={"source": source, "key": dataset.image_key}, inputs=(source,))
            for name, members in statistic_sets(sets).items()]


def statistic_matrix(*, statistics, source, key):
    """Some image statistics, z-scored over all images that have them; images without one (a single grey has no spectrum) are left
    out.

    Raises
    ------
    ValueError
        A statistic is the same in all images, or fewer than 4 images have all.
    """
    table = read_table(source, columns=["image", *statistics]).dropna()
    values = table[statistics].astype(np.float64)
    flat = [name for name in statistics if len(values) < 4 or values[name].min() == values[name].max()]
    if flat:
        raise ValueError(f"{source}: {', '.join(flat)} of {len(values)} images cannot be z-scored; at least 4 images with "
                         "different values are needed")
    return ((values - values.mean()) / values.std(ddof=0)).assign(**{key: table["image"]})[[key, *statistics]]


def _source(name):
    return PERSONS if name == "is_person" else _VECTORS[name.removesuffix(_BINARY)][0]


def _without(counts):
    return counts.drop(columns=_PERSON, errors="ignore")


def _annotations(dataset, file):
    """COCO's table of a dataset, its image number under the name nsd_id."""
    if dataset.name == "nsd":
        from convergence.datasets.nsd import coco_tables
        return coco_tables.read(dataset, next(name for name, path in coco_tables.FILES.items() if path == file))
    table = read_table(Path(dataset.work) / file)
    if {"nsd_id", dataset.image_key}.isdisjoint(table):
        raise ValueError(f"{Path(dataset.work) / file} has no column {dataset.image_key}; it has "
                         f"{', '.join(map(str, table.columns))}")
    return table.rename(columns={dataset.image_key: "nsd_id"})
