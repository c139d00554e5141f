"""NSD's tables made from COCO's annotations: where they lie, what makes them, how they are read.

    first, last = units(dataset, place)             captions, objects, persons; then content, which is made from the tables
    read(dataset, "objects")                        a DataFrame; "captions", "objects", "persons" or "content"

All are sorted by nsd_id. Captions and content have one row per picture, row number = nsd_id.
"""

from functools import partial
from pathlib import Path

from convergence.datasets import annotations
from convergence.datasets.annotations.source import ARCHIVE
from convergence.datasets.download import Remote
from convergence.datasets.nsd import files, index

# The sum and the length are those of the object that COCO's bucket serves (its S3 ETag); COCO itself publishes none.
REMOTE = Remote("http://images.cocodataset.org/annotations/annotations_trainval2017.zip", n_bytes=252_907_541,
                md5="f4bbac642086de4f52a3fdda2de5fa2c")
FILES = {"captions": files.CAPTIONS, "objects": "coco_objects_annotations.csv", "persons": "coco_persons_annotations.csv",
         "content": "content.csv"}
KINDS = {"captions": "captions", "objects": "instances", "persons": "person_keypoints"}         # table: files of COCO
_SCRIPT = "1_dataset_preparation/3_build_coco_tables.py"
_INTEGERS = ("nsd_id", "coco_id", "category_id", "area", "iscrowd", "annotation_id", "person_image_id", "num_keypoints",
             "n_objects", "n_person", "n_animal", "n_crowd")
_LOGICAL = ("animate", "inanimate", "is_person")


def place_of(dataset):
    """Where COCO's annotations are expected: the folder `annotations` of the dataset, or of its prepared files."""
    places = [Path(folder) / "annotations" for folder in (dataset.root, dataset.work)]
    return next((place for place in places if any(place.glob("*_*2017.*"))), places[0])


def is_whole(place):
    """Whether a place holds files of every kind."""
    try:
        return all(annotations.annotation_files(place, kind) for kind in KINDS.values())
    except (FileNotFoundError, ValueError):
        return False


def archive_of(dataset):
    """Where the download of COCO's annotations goes."""
    return Path(dataset.work) / "annotations" / ARCHIVE


def units(dataset, place, *, tables=None, segmentation=False, min_visible=0.0):
    """Units of work that make the tables.

    Parameters
    ----------
    dataset : NSD
    place : path
        COCO's JSON files or their zip.
    tables : collection of str, optional
        Keys of FILES; default: those for which there are files.
    segmentation, min_visible
        See annotations.person_table and annotations.content_table.

    Returns
    -------
    first, last : list of Unit
        `last` reads what `first` writes.
    left_out : dict
        {table: why it is not made}.

    Raises
    ------
    FileNotFoundError
        There are no captions, or no files of a table that was asked for.
    """
    from convergence.tasks import Unit

    information, sources, left_out = Path(dataset.root) / files.STIMULUS_INFORMATION, {}, {}
    needed = {"objects", "persons"} if "content" in (tables or ()) else set()
    for table, kind in KINDS.items():
        if tables and table not in needed | set(tables):
            continue
        try:
            sources[table] = tuple(annotations.annotation_files(place, kind))
        except FileNotFoundError as error:
            if tables or table == "captions":
                raise
            left_out[table] = str(error)
    functions = {"captions": (index.caption_table, "captions", {}), "objects": (object_table, "files", {}),
                 "persons": (person_table, "files", {"segmentation": segmentation})}
    first = []
    for table, paths in sources.items():
        function, argument, options = functions[table]
        first.append(Unit(table, dataset.work / FILES[table], function, options, {"root": dataset.root, argument: paths},
                          (information, *annotations.files_on_disk(paths))))
    if (tables and "content" not in tables) or not {"objects", "persons"} <= set(sources):
        return first, [], left_out
    inputs = annotations.files_on_disk(sources["objects"] + sources["persons"])
    return first, [Unit("content", dataset.work / FILES["content"], content_table, {"min_visible": min_visible},
                        {"root": dataset.root, "work": dataset.work}, (information, *inputs))], left_out


def object_table(*, root, files):
    """coco_objects_annotations.csv (annotations.object_table)."""
    return annotations.object_table(_images(root), files)


def person_table(*, root, files, segmentation):
    """coco_persons_annotations.csv (annotations.person_table)."""
    return annotations.person_table(_images(root), files, segmentation=segmentation)


def content_table(*, root, work, min_visible):
    """content.csv from the two (annotations.content_table): a row for every picture of NSD."""
    read_from = partial(read_file, Path(work))
    return annotations.content_table(read_from("objects"), read_from("persons"), len(_images(root)), min_visible=min_visible)


def read(dataset, table):
    """One of the tables of an opened NSD; see read_file."""
    return read_file(Path(dataset.work), table)


def read_file(work, table):
    """One of the tables, checked.

    Parameters
    ----------
    work : path
        The folder of NSD's prepared files.
    table : {"captions", "objects", "persons", "content"}

    Returns
    -------
    DataFrame

    Raises
    ------
    FileNotFoundError
        It has not been made.
    ValueError
        The name is unknown; the file is damaged, or its rows are not in NSD's order.
    """
    import pandas

    if table not in FILES:
        raise ValueError(f"table: {table!r} is unknown; known: {', '.join(FILES)}")
    path = Path(work) / FILES[table]
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {_SCRIPT} makes it")
    try:
        found = pandas.read_csv(path, keep_default_na=False, na_values=None if table == "captions" else [""])
        _check(found, table)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}); delete it and run {_SCRIPT} again") from error
    return found


def _check(found, table):
    from pandas.api import types

    expected = {"captions": {"nsd_id", "coco_id", "cocoSplit", "captions"}, "persons": {"nsd_id", "bbox", "visible_fraction"},
                "objects": {"nsd_id", "category", "supercategory", "bbox", "visible_fraction"},
                "content": {"nsd_id", "animate", "inanimate", "is_person", "n_objects"}}[table]
    if expected - set(found):
        raise ValueError(f"columns {sorted(expected - set(found))} are missing")
    for column in found:
        if column in _INTEGERS and (not types.is_integer_dtype(found[column]) or (found[column] < 0).any()):
            raise ValueError(f"column {column} is not all whole numbers from 0")
        if column in _LOGICAL and not types.is_bool_dtype(found[column]):
            raise ValueError(f"column {column} is not all True or False")
    if "visible_fraction" in found and not found["visible_fraction"].between(0, 1).all():
        raise ValueError("column visible_fraction is not all 0 to 1")
    if table in ("captions", "content") and list(found["nsd_id"]) != list(range(len(found))):
        raise ValueError(f"nsd_id is not 0 to {len(found) - 1} in order")
    if table in ("objects", "persons") and not (found["nsd_id"].is_monotonic_increasing and found["annotation_id"].is_unique):
        raise ValueError("rows are not in the order of nsd_id, or annotations occur twice")


def _images(root):
    return index.read_stimulus_information(root).rename(
        columns={"nsdId": "nsd_id", "cocoId": "coco_id", "cocoSplit": "coco_split", "cropBox": "crop_box"})
