"""Content partitions: the same comparison on images with living beings, on images without, or on any other part of the images.

    images = partition_images(dataset, ["animate", "inanimate"])            # {"animate": [nsd_id, ...], "inanimate": [...]}
    rows = equal_rows(pairs["image"], images, seed=0)                       # {"animate": rows of the table of pairs, ...}

The tables that say what an image shows are made by stage 1 (content.csv) or given with --content. Similarities of parts with
different numbers of trials are not comparable in their noise, so that all parts get as many as the smallest; the published ones
are as large as they come (--reference).
"""

import numpy as np

CONTENT = "content.csv"


def partition_images(dataset, partitions, content=None):
    """Images of every partition.

    Parameters
    ----------
    dataset : Dataset
    partitions : sequence of str
        "animate", "inanimate": a column of the table that holds true and false; or "<column>=<value>".
    content : path, optional
        Table with the dataset's image number (nsd_id, ...) and these columns, .csv or .parquet; default: content.csv with the
        prepared files.

    Returns
    -------
    dict of sorted (n,) int arrays by partition

    Raises
    ------
    FileNotFoundError, ValueError
        The table is not there, has no such column, or no image of a partition; two partitions of one name.
    """
    from pathlib import Path

    from convergence.storage.tables import read_table

    path = Path(content) if content else dataset.work / CONTENT
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; it says what images show: 1_dataset_preparation/3_build_coco_tables.py "
                                f"makes NSD's, for other datasets give a table with the columns {dataset.image_key} and animate, "
                                "inanimate, ... with --content")
    table = read_table(path)
    if dataset.image_key not in table:
        raise ValueError(f"{path} has no column {dataset.image_key}; it has {', '.join(map(str, table.columns))}")
    twice = sorted({name for name in partitions if list(partitions).count(name) > 1})
    if twice:
        raise ValueError(f"partition: {', '.join(twice)} is asked for more than once")
    return {name: _images_of(table, name, dataset.image_key, path) for name in partitions}


def _images_of(table, name, key, path):
    column, given, value = name.partition("=")
    if column not in table and name == "inanimate" and {"animate", "n_objects"} <= set(table):
        chosen = ~table["animate"].astype(bool) & (table["n_objects"] > 0)
    elif column not in table:
        raise ValueError(f"partition: {path} has no column {column!r}; it has "
                         f"{', '.join(str(c) for c in table.columns if c != key)}")
    elif given:
        chosen = table[column].astype(str) == value
    elif table[column].isin([0, 1]).all():
        chosen = table[column].astype(bool)
    else:
        raise ValueError(f"partition: column {column!r} of {path} holds values other than true and false; name one of them: "
                         f"{', '.join(f'{column}={v}' for v in sorted(table[column].astype(str).unique())[:5])}")
    if not chosen.any():
        raise ValueError(f"partition: no image of {path} is {name}; values of {column} are "
                         f"{', '.join(sorted(table[column].astype(str).unique())[:10])}")
    return np.sort(table.loc[chosen, key].to_numpy(np.int64))


def equal_rows(image, partitions, *, equal=True, seed=0):
    """Rows of every partition among paired trials.

    Parameters
    ----------
    image : (n,) array
        Image of every paired trial.
    partitions : dict of arrays of images by name
    equal : bool
        Draw as many rows from each as the smallest has: whole images in an order that `seed` decides, the same for all pairs of
        subjects, the last one in part where the number does not divide.
    seed : int

    Returns
    -------
    dict of ascending row numbers by name
    """
    image = np.asarray(image)
    rows = {name: np.flatnonzero(np.isin(image, images)) for name, images in partitions.items()}
    if not equal:
        return rows
    n = min(map(len, rows.values()))
    drawn = {}
    for name, of_it in rows.items():
        order = np.random.default_rng(seed).permutation(partitions[name])
        place = dict(zip(order.tolist(), range(len(order))))
        by_image = sorted(of_it.tolist(), key=lambda row: (place[int(image[row])], row))
        drawn[name] = np.sort(np.array(by_image[:n], np.int64))
    return drawn
