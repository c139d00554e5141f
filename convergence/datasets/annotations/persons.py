"""Persons: one row per annotated person with its keypoints, sorted by nsd_id; and body parts per picture.

    table = person_table(images, annotation_files(place, "person_keypoints"))
    body_parts(table, n_images)                     (n_images, n_keypoints): persons of whom the nose, the left eye, ... is marked

Persons without a keypoint keep their rows, in both splits: filter on num_keypoints where they are unwanted.
"""

import json

from convergence.datasets.annotations.crop import visible_fraction
from convergence.datasets.annotations.objects import area_and_box, check_images, frames_of, in_order
from convergence.datasets.annotations.source import explained, integer, numbers, of_splits, read_annotations

_FIELDS = ("id", "image_id", "num_keypoints", "keypoints", "area", "bbox", "iscrowd")
_BEFORE = ["nsd_id", "coco_id", "coco_split", "person_image_id", "num_keypoints", "area"]
_AFTER = ["bbox", "iscrowd", "annotation_id", "visible_fraction", "segmentation"]


def person_table(images, files, *, segmentation=False):
    """All persons of all pictures.

    Parameters
    ----------
    images : DataFrame
        Columns nsd_id, coco_id, coco_split, crop_box; one row per picture in any order.
    files : sequence of path
        COCO keypoint files, each named person_keypoints_<split>.json.
    segmentation : bool
        Add the outlines (polygons, or run lengths of a crowd, as JSON): by far the largest column.

    Returns
    -------
    DataFrame (n_persons, 10 + n_keypoints)
        nsd_id, coco_id, coco_split, person_image_id (counts the persons of a picture from 0 in the order of the file),
        num_keypoints, area, a column per keypoint ("[x, y]" in pixels of the whole picture, empty where it is not marked), bbox
        "[x, y, w, h]", iscrowd, annotation_id, visible_fraction; sorted by nsd_id and annotation_id.

    Raises
    ------
    ValueError
        A split has no file, a file is not COCO's, an annotation occurs twice, splits name other keypoints.

    Notes
    -----
    Memory: 1 GB, more with segmentation; half a minute for all of NSD.
    """
    import pandas

    tables, names = [], None
    for split, path, own in of_splits(images, files, "person_keypoints"):
        rows, found = _persons_of(path, split, own, segmentation)
        if names not in (None, found):
            raise ValueError(f"{path} names the keypoints {found}, the other split {names}; download both again")
        names = found
        tables += rows
    columns = [*_BEFORE, *names, *_AFTER[:len(_AFTER) - (not segmentation)]]
    return in_order(pandas.DataFrame(tables, columns=columns))


def keypoint_names(persons):
    """Names of the keypoints: the columns of person_table that are nothing else."""
    return [column for column in persons if column not in (*_BEFORE, *_AFTER)]


def body_parts(persons, n_images):
    """Of how many persons every body part is marked.

    Parameters
    ----------
    persons : DataFrame
        As person_table makes it.
    n_images : int
        Rows of the result; pictures without persons are zeros.

    Returns
    -------
    DataFrame (n_images, n_keypoints) of int
        Index nsd_id.

    Raises
    ------
    ValueError
        An nsd_id beyond n_images.
    """
    import pandas

    check_images(persons, n_images)
    marked = persons[keypoint_names(persons)].notna()
    counts = marked.groupby(persons["nsd_id"].to_numpy()).sum()
    return counts.reindex(pandas.RangeIndex(n_images, name="nsd_id"), fill_value=0).astype("int64")


def _persons_of(path, split, own, segmentation):
    with explained(path, "person_keypoints"):
        fields = (*_FIELDS, "segmentation") if segmentation else _FIELDS
        rows, content = read_annotations(path, "person_keypoints", own["coco_id"], fields)
        category, = content["categories"]
        names = [str(name) for name in category["keypoints"]]
        frames, seen, found = frames_of(content, own), {}, []
        for row in rows:
            nsd_id, *frame = frames[row["image_id"]]
            seen[nsd_id] = seen.get(nsd_id, -1) + 1
            points, (area, box) = _keypoints(row, len(names)), area_and_box(row)
            outline = [json.dumps(row["segmentation"])] if segmentation else []
            found.append((nsd_id, row["image_id"], split, seen[nsd_id], row["num_keypoints"], int(area), *points, str(box),
                          row["iscrowd"], integer(row, "id"), round(visible_fraction(box, *frame), 4), *outline))
        return found, names


def _keypoints(row, n):
    """"[x, y]" or None per keypoint; ValueError where their number is not the one that the annotation states."""
    values = numbers(row, "keypoints", 3 * n)
    points = [str([x, y]) if visibility >= 1 else None for x, y, visibility in zip(values[::3], values[1::3], values[2::3])]
    marked = n - points.count(None)
    if marked != integer(row, "num_keypoints"):
        raise ValueError(f"annotation {row['id']} marks {marked} keypoints and says num_keypoints {row['num_keypoints']}")
    return points
