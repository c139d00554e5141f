"""Objects: one row per instance that COCO's annotators outlined, sorted by nsd_id; and counts of them per picture.

    table = object_table(images, annotation_files(place, "instances"))
    category_counts(table, n_images)                (n_images, n_categories), all-zero rows for pictures without instances
    supercategory_counts(table, n_images)           the same, coarser

Boxes are in pixels of COCO's whole picture; `visible_fraction` says how much of a box is left in NSD's crop. A crowd region
(iscrowd) is one row for many things: it is not counted unless asked for.
"""

import numpy as np

from convergence.datasets.annotations.crop import read_crop, visible_fraction
from convergence.datasets.annotations.source import explained, integer, numbers, of_splits, read_annotations
from convergence.storage.tables import conform

_FIELDS = ("id", "image_id", "category_id", "area", "bbox", "iscrowd")


def object_table(images, files):
    """All instances of all pictures.

    Parameters
    ----------
    images : DataFrame
        Columns nsd_id, coco_id, coco_split, crop_box (NSD's cropBox); one row per picture in any order.
    files : sequence of path
        COCO instance files, each named instances_<split>.json.

    Returns
    -------
    DataFrame (n_objects, 11)
        nsd_id, coco_id, coco_split, category, supercategory, category_id, area (square pixels, truncated), bbox "(x, y, w, h)",
        iscrowd, annotation_id, visible_fraction; sorted by nsd_id and annotation_id. A picture without instances has no row.

    Raises
    ------
    ValueError
        A split has no file, a file is not COCO's, an annotation occurs twice.

    Notes
    -----
    Memory: 1.2 GB, most of it the text of instances_train2017.json and its bytes; half a minute for all of NSD.
    """
    import pandas

    rows = [row for split, path, own in of_splits(images, files, "instances") for row in _objects_of(path, split, own)]
    columns = ["nsd_id", "coco_id", "coco_split", "category", "supercategory", "category_id", "area", "bbox", "iscrowd",
               "annotation_id", "visible_fraction"]
    return conform(in_order(pandas.DataFrame(rows, columns=columns)), "coco_objects")


def category_counts(objects, n_images, *, min_visible=0.0, crowds=False):
    """How many objects of every category a picture shows.

    Parameters
    ----------
    objects : DataFrame
        As object_table makes it.
    n_images : int
        Rows of the result; pictures without objects are zeros.
    min_visible : float
        Count objects of whose box at least this part lies in NSD's crop; 0 (default): all, as published.
    crowds : bool
        Count a crowd region as one object, as published (default: not at all).

    Returns
    -------
    DataFrame (n_images, n_categories) of int
        Index nsd_id, columns the categories that occur in the table, in COCO's order.

    Raises
    ------
    ValueError
        An nsd_id beyond n_images.
    """
    order = objects.sort_values("category_id", kind="stable")["category"].unique()
    return _counts(objects, "category", order, n_images, min_visible, crowds)


def supercategory_counts(objects, n_images, *, min_visible=0.0, crowds=False):
    """category_counts of COCO's supercategories (person, vehicle, animal, ...): DataFrame (n_images, n_supercategories)."""
    order = objects.sort_values("category_id", kind="stable")["supercategory"].unique()
    return _counts(objects, "supercategory", order, n_images, min_visible, crowds)


def check_images(table, n_images):
    """ValueError unless every nsd_id is one of 0 to n_images - 1."""
    beyond = sorted(set(table.loc[~table["nsd_id"].between(0, n_images - 1), "nsd_id"].tolist()))
    if beyond:
        raise ValueError(f"n_images: {n_images} pictures have the numbers 0 to {n_images - 1}, the table of annotations has also "
                         f"{beyond[:3]}; they do not belong together")


def in_order(table):
    """Rows by nsd_id, within a picture by annotation_id; ValueError where an annotation occurs twice."""
    twice = table.loc[table["annotation_id"].duplicated(), "annotation_id"].tolist()
    if twice:
        raise ValueError(f"{len(twice)} COCO annotations occur twice, such as {twice[:3]}; the files of the splits are mixed up, "
                         "download them again")
    return table.sort_values(["nsd_id", "annotation_id"], kind="stable", ignore_index=True)


def frames_of(content, own):
    """{coco id: (nsd_id, width, height, crop)} of the pictures of one split that the file lists."""
    sizes = {image["id"]: (integer(image, "width"), integer(image, "height")) for image in content["images"]}
    absent = sorted(set(own["coco_id"]) - set(sizes))
    if absent:
        raise ValueError(f"it does not list {len(absent)} of {len(own)} pictures, such as the COCO ids {absent[:3]}")
    return {coco_id: (nsd_id, *sizes[coco_id], read_crop(crop))
            for coco_id, nsd_id, crop in zip(own["coco_id"], own["nsd_id"], own["crop_box"])}


def area_and_box(row):
    """Area and box of an annotation; ValueError where they are none, or where iscrowd is neither 0 nor 1."""
    (area,), box = numbers({"area": [row["area"]]}, "area", 1), numbers(row, "bbox", 4)
    if row["iscrowd"] not in (0, 1) or min(area, *box[2:]) < 0:
        raise ValueError(f"annotation {row['id']} has iscrowd {row['iscrowd']}, area {area}, bbox {box}")
    return area, box


def _objects_of(path, split, own):
    with explained(path, "instances"):
        rows, content = read_annotations(path, "instances", own["coco_id"], _FIELDS)
        categories = {category["id"]: (str(category["name"]), str(category["supercategory"]))
                      for category in content["categories"]}
        frames, found = frames_of(content, own), []
        for row in rows:
            nsd_id, *frame = frames[row["image_id"]]
            number, (area, box) = integer(row, "category_id"), area_and_box(row)
            if number not in categories:
                raise ValueError(f"annotation {row['id']} has category {number}, which is none of its categories")
            found.append((nsd_id, row["image_id"], split, *categories[number], number, int(area), str(tuple(box)), row["iscrowd"],
                          integer(row, "id"), round(visible_fraction(box, *frame), 4)))
        return found


def _counts(objects, column, order, n_images, min_visible, crowds):
    import pandas

    check_images(objects, n_images)
    counted = objects[(objects["visible_fraction"] >= min_visible) & (crowds | (objects["iscrowd"] == 0))]
    values = np.zeros((n_images, len(order)), dtype=np.int64)
    np.add.at(values, (counted["nsd_id"].to_numpy(), pandas.Index(order).get_indexer(counted[column])), 1)
    return pandas.DataFrame(values, index=pandas.RangeIndex(n_images, name="nsd_id"), columns=list(order))
