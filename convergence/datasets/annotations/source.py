"""COCO's annotation files, as they were unpacked or still in their zip, one split at a time.

    files = annotation_files(place, "instances")    .../instances_train2017.json, .../instances_val2017.json
    for split, path, own in of_splits(images, files, "instances"): ...
    with explained(path, "instances"): rows, content = read_annotations(path, "instances", wanted, fields)

A file in a zip has the zip's path followed by its own: /data/annotations_trainval2017.zip/annotations/instances_val2017.json. It
is read without being unpacked. Memory: the text of one file (450 MB for instances_train2017.json) and, while it is decoded, its
bytes; of the annotations only the wanted pictures' and the wanted fields stay, the outlines in pixels (most of the file) go as
they are met.
"""

import json
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

ARCHIVE = "annotations_trainval2017.zip"
_WORDS = {"captions": "caption", "instances": "instance", "person_keypoints": "keypoint"}
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, EOFError, RuntimeError, zipfile.BadZipFile,
           zlib.error)


def annotation_files(place, kind):
    """Paths of the files of one kind, one per split, sorted.

    Parameters
    ----------
    place : path
        A folder that holds COCO's JSON files, or its annotations_trainval2017.zip; or that zip.
    kind : {"captions", "instances", "person_keypoints"}

    Raises
    ------
    FileNotFoundError
        There are none.
    ValueError
        The zip is damaged.
    """
    place = Path(place)
    found = sorted(place.glob(f"{kind}_*.json")) if place.is_dir() else []
    archive = place / ARCHIVE if place.is_dir() else place
    if not found and archive.is_file():
        found = [archive / name for name in _names_in(archive) if Path(name).match(f"{kind}_*.json")]
    if not found:
        raise FileNotFoundError(f"{place} holds no {kind}_*.json; expected COCO's {kind}_train2017.json and {kind}_val2017.json "
                                f"(from {ARCHIVE}); give their folder with --coco")
    return sorted(found)


def files_on_disk(files):
    """The files themselves, or the zip that holds them, each once: what an output was made from."""
    return tuple(dict.fromkeys(_archive_of(path) or Path(path) for path in files))


def of_splits(images, files, kind):
    """[(split, path, images of that split), ...]; ValueError where a split of the images has no file."""
    by_split = {Path(path).stem.removeprefix(f"{kind}_"): path for path in files}
    absent = sorted(set(images["coco_split"]) - set(by_split))
    if absent:
        expected = ", ".join(f"{kind}_{split}.json" for split in absent)
        raise ValueError(f"no {kind} for the COCO splits {absent}; expected the files {expected} beside "
                         f"{', '.join(Path(path).name for path in files)}")
    return [(split, path, images[images["coco_split"] == split]) for split, path in sorted(by_split.items())]


def read_annotations(path, kind, wanted, fields):
    """What one file says about some pictures.

    Parameters
    ----------
    path : path
        As annotation_files gives it.
    kind : str
        As in annotation_files; the pictures of all but caption files are checked.
    wanted : collection of int
        COCO ids.
    fields : sequence of str
        What to keep of every annotation; all must be there.

    Returns
    -------
    rows : list of dict
        In the order of the file.
    content : dict
        The other parts of the file: categories, images.

    Raises
    ------
    ValueError, KeyError, TypeError, ...
        The file is not as expected; `explained` makes one sentence of them.
    """
    wanted, mentioned = set(wanted), set()

    def slim(entry):
        if "image_id" not in entry:
            return entry
        mentioned.add(entry["image_id"])
        return {field: entry[field] for field in fields} if entry["image_id"] in wanted else None

    content = json.loads(_text(path), object_hook=slim)
    rows = [row for row in content.pop("annotations") if row is not None]
    if rows and not all(isinstance(row, dict) and set(row) == set(fields) for row in rows):
        raise KeyError("image_id")
    if kind != "captions":
        foreign = mentioned - {image["id"] for image in content["images"]}
        if foreign:
            raise ValueError(f"annotations of pictures that it does not list: {sorted(foreign, key=str)[:3]}")
    return rows, content


@contextmanager
def explained(path, kind):
    """Whatever goes wrong within the block is said in one sentence that names the file and the remedy."""
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(f"{path} is not a COCO {_WORDS[kind]} file ({type(error).__name__}: {error}); download {ARCHIVE} "
                         "again") from error


def integer(row, field):
    """A whole number of an annotation; ValueError where it is none."""
    value = row[field]
    if type(value) is not int or value < 0:
        raise ValueError(f"{field} is {value!r}, expected a whole number from 0")
    return value


def numbers(row, field, n):
    """A list of `n` finite numbers of an annotation; ValueError where it is none."""
    values = row[field]
    if not isinstance(values, list) or len(values) != n or not all(type(v) in (int, float) and abs(v) < 1e9 for v in values):
        raise ValueError(f"{field} is {str(values)[:60]}, expected {n} numbers")
    return values


def _archive_of(path):
    """The zip that a path leads into, or None."""
    path = Path(path)
    return None if path.exists() else next((parent for parent in path.parents if parent.is_file()), None)


def _text(path):
    archive = _archive_of(path)
    if archive is None:
        return Path(path).read_text(encoding="utf-8")
    with zipfile.ZipFile(archive) as opened:
        return opened.read(Path(path).relative_to(archive).as_posix()).decode("utf-8")


def _names_in(archive):
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist()
    except (*_DAMAGE, OSError) as error:
        raise ValueError(f"{archive} is not a readable zip ({error}); its download may be incomplete: run "
                         "1_dataset_preparation/3_build_coco_tables.py --download, which goes on where it stopped") from error
