"""The index tables of THINGS-fMRI, read again: held against themselves and each other.

    images = checked_images(path)               DataFrame indexed by things_id
    trials = checked_index(path, images)        the stimulus index

Whoever reads these tables has nothing else to compare them with. But they say most things twice: numbers count rows, names
contain categories, paths contain names. So a table that was cut, edited or damaged contradicts itself, and is refused with its
first such row.
"""

import numpy as np

from convergence.datasets.things import files
from convergence.datasets.things.index import COLUMNS, IMAGE_COLUMNS, TRIAL_TYPES
from convergence.datasets.things.strict import read_text, whole

_REBUILD = "run 1_dataset_preparation/2_build_indexes.py --dataset things again"


def checked_images(path):
    """images.csv as image_table makes it, held against itself.

    Raises
    ------
    FileNotFoundError, ValueError
        No file; things_id, names, categories and paths do not belong together.
    """
    table = read_text(path, list(IMAGE_COLUMNS), _REBUILD)[list(IMAGE_COLUMNS)]
    for column in ("things_id", "category_id", "image_category_index"):
        table[column] = whole(table, column, path)
    names = list(table["image_name"])
    found = {
        "things_id is not 0 to n - 1 in order": table["things_id"] != np.arange(len(table)),
        "image_name is not in ascending order": [False, *(one >= following for one, following in zip(names, names[1:]))],
        "image_path is not where a picture of that name and category lies": [not _lies_at(*row) for row in zip(
            table["image_path"], table["category"], names)],
        "category_id is not that of the category's other pictures":
            table["category_id"] != table.groupby("category")["category_id"].transform(lambda ids: ids.mode().iloc[0]),
        "category_id belongs to two categories": table.groupby("category_id")["category"].transform("nunique") > 1,
        "image_category_index does not count the category's pictures":
            table["image_category_index"] != table.groupby("category").cumcount() + 1}
    _refuse(found, path)
    return table.set_index("things_id")


def checked_index(path, images):
    """The stimulus index, from .parquet or .csv; numbers as int64.

    Raises
    ------
    FileNotFoundError, ValueError
        No file; rows are lost, moved or changed: numbers do not count what they should, or name and number of a picture do not
        belong together.
        (In the published table run_index does not begin anew in a session; that is accepted.)
    """
    table = _read(path)
    by_subject, order = table.groupby("subject_id"), table["session"] * (table["run"].max() + 1) + table["run"]
    run_index, as_published = (table.groupby(["subject_id", *within, "run"]).cumcount() for within in (["session"], []))
    named = images.reindex(table["things_id"])
    found = {
        "subject_index does not count the subject's trials": table["subject_index"] != by_subject.cumcount(),
        "session or run goes back": order < order.groupby(table["subject_id"]).cummax(),
        "session_index does not count the session's trials":
            table["session_index"] != table.groupby(["subject_id", "session"]).cumcount(),
        "run_index does not count the run's trials":
            (table["run_index"] != run_index) & (table["run_index"] != as_published).any(),
        "things_id has no row in images.csv": named["image_name"].isna(),
        **{f"{column} is not that of things_id in images.csv": table[column].to_numpy() != named[column].to_numpy()
           for column in ("image_name", "category", "category_id", "image_category_index")},
        "repetition does not count the showings of the picture":
            table["repetition"] != table.groupby(["subject_id", "things_id"]).cumcount() + 1,
        "trial_type is neither train nor test": ~table["trial_type"].isin(TRIAL_TYPES)}
    _refuse(found, path)
    return table


def _read(path):
    """The columns of the stimulus index: whole numbers and text."""
    import pandas

    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {_REBUILD.removesuffix(' again')}")
    if path.suffix == ".csv":
        table = read_text(path, list(COLUMNS), _REBUILD)
        numbers = {column: whole(table, column, path) for column, dtype in COLUMNS.items() if dtype != "str"}
        return table.assign(**numbers)[list(COLUMNS)]
    try:
        table = pandas.read_parquet(path)
        missing = [column for column in COLUMNS if column not in table]
        text = {column: table[column].astype(str) for column, dtype in COLUMNS.items() if dtype == "str" and not missing}
    except Exception as error:                              # pyarrow raises a dozen types for damaged files
        raise ValueError(f"{path} cannot be read as a table ({type(error).__name__}: {error}); {_REBUILD}") from error
    odd = [column for column, dtype in COLUMNS.items() if not missing and dtype != "str" and table[column].dtype.kind not in "iu"]
    if missing or odd or table.empty:
        raise ValueError(f"{path}: columns missing {missing}, without whole numbers {odd}, rows {len(table)}; {_REBUILD}")
    numbers = {column: table[column].astype(np.int64) for column, dtype in COLUMNS.items() if dtype != "str"}
    return table.assign(**numbers, **text)[list(COLUMNS)]


def _lies_at(path, category, name):
    return path.startswith(f"{files.PICTURES}/object_images") and path.split("/")[4:] == [category, f"{name}.jpg"]


def _refuse(found, path):
    """ValueError with the first row of the first fault."""
    for fault, rows in found.items():
        rows = np.asarray(rows, bool)
        if rows.any():
            raise ValueError(f"{path}: {fault} in {rows.sum()} of {len(rows)} rows, first row {int(np.argmax(rows)) + 1}; "
                             f"{_REBUILD}")
