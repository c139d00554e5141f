"""Which text stands for an image: the dataset's captions, or those of a table of your own.

    texts = read_texts(dataset)                         # a Series in the order of dataset.images, indexed by image number
    texts = read_texts(dataset, "captions.parquet")     # .csv, .tsv or .parquet with a column caption, or captions
    unusable(texts, dataset)                            # {image: why}: no row, empty, not a number (NaN), failed

A column `captions` holds several captions, divided by ";": the first one counts. A column with the dataset's own image number
(nsd_id, ...), or `image`, says whose caption a row is; a table without one must have a row per image, in their order.
"""

from pathlib import Path

import numpy as np

_TEXT, _STATUS = ("caption", "captions"), "status"


def read_texts(dataset, path=None):
    """The text of every image.

    Parameters
    ----------
    dataset : Dataset
    path : path, optional
        A table; default: the dataset's captions.

    Returns
    -------
    Series, indexed by image number in the order of ``dataset.images``
        str, or None where there is none. ``attrs["rows"]`` says in which row of the table (counted from 0) each stands, -1 where
        in none; ``attrs["source"]`` which table that is; ``attrs["failed"]`` {image: status} of captions that failed.

    Raises
    ------
    FileNotFoundError
        The table is not there.
    ValueError
        It cannot be read, has no column of texts, has an image twice, or another number of rows and no column of images.
    """
    import pandas

    images = dataset.images.index
    if path is None:
        captions, source, failed = dataset.captions, f"the captions of {dataset.name}", {}
    else:
        path = Path(path)
        captions, failed = _column(_table(path), path, dataset)
        source = path.name
    rows = captions.index.get_indexer(images)
    texts = [captions.iloc[row] if row >= 0 else None for row in rows]
    texts = [text if isinstance(text, str) else None for text in texts]
    found = pandas.Series(texts, index=images, dtype=object, name="text")
    found.attrs.update(rows=rows, source=source, failed=failed)
    return found


def unusable(texts, dataset):
    """{image: why} of the images whose text cannot stand for them, in the order of `texts`, which `read_texts` returned."""
    source, failed, why = texts.attrs["source"], texts.attrs["failed"], {}
    for row, (image, text) in zip(texts.attrs["rows"], texts.items()):
        place = f"the caption of {dataset.image_key} {image} (row {row} of {source})"
        if row < 0:
            why[image] = f"{dataset.image_key} {image} has no row in {source}"
        elif image in failed:
            why[image] = f"{place} has the status {failed[image]!r}"
        elif text is None:
            why[image] = f"{place} is NaN"
        elif not text.strip():
            why[image] = f"{place} is empty"
    return why


def refuse(why, n, dataset):
    """A ValueError that names the images whose captions cannot be used, if there are such."""
    if why:
        shown = "; ".join(list(why.values())[:10]) + (f"; ... ({len(why)} in all)" if len(why) > 10 else "")
        raise ValueError(f"{len(why)} of {n} captions of the dataset {dataset.name!r} cannot be used: {shown}. Mend them, or "
                         "leave those images out of the file with --skip-bad")


def prompt_of(path):
    """What the name of a feature file calls the captions of a table: `pixtral` for nsd-captions-pixtral.csv; else its stem."""
    stem = Path(path).stem
    return stem.rpartition("captions-")[2] or stem


def _table(path):
    import pandas

    if not path.exists():
        raise FileNotFoundError(f"--captions: {path} is not there; give a .csv, .tsv or .parquet table with a column caption")
    if path.suffix not in (".csv", ".tsv", ".parquet"):
        raise ValueError(f"--captions: {path} is neither .csv, .tsv nor .parquet")
    try:
        if path.suffix == ".parquet":
            return pandas.read_parquet(path)
        text = dict.fromkeys((*_TEXT, _STATUS), str)
        # An empty cell is an empty caption; "NA" and "null" are words.
        return pandas.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", dtype=text, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"--captions: {path} cannot be read as a table ({error}); write it again") from error


def _column(table, path, dataset):
    """The texts of a table as a Series indexed by image number, and {image: status} where it is not "ok"."""
    import pandas

    column = next((name for name in _TEXT if name in table), None)
    if column is None:
        raise ValueError(f"--captions: {path} has the columns {list(map(str, table))}; expected caption, or captions (several, "
                         "divided by ';')")
    images = _images(table, path, dataset)
    twice = images[images.duplicated()].unique()
    if len(twice):
        raise ValueError(f"--captions: {path} has {len(twice)} images twice, such as {dataset.image_key} {twice[0]}; keep one "
                         "row of each")
    texts = pandas.Series(table[column].to_numpy(dtype=object), index=images)
    if column == "captions":
        texts = texts.map(lambda text: text.split(";")[0].strip() if isinstance(text, str) else text)
    failed = {}
    if _STATUS in table:
        failed = {image: status for image, status in zip(images, table[_STATUS]) if status != "ok"}
    return texts, failed


def _images(table, path, dataset):
    import pandas

    key = next((name for name in (dataset.image_key, "image") if name in table), None)
    expected = dataset.images.index
    if key is not None:
        numbers = pandas.to_numeric(table[key], errors="coerce").to_numpy(dtype=float)
        bad = np.flatnonzero(~np.isfinite(numbers) | (numbers != np.round(numbers)))
        if len(bad):
            raise ValueError(f"--captions: {path}: row {bad[0]} has the {key} {table[key].iloc[bad[0]]!r}; expected a whole "
                             "number")
        return pandas.Index(numbers.astype(np.int64), name=dataset.image_key)
    if len(table) != len(expected):
        raise ValueError(f"--captions: {path} has {len(table)} rows and no column {dataset.image_key}; {dataset.name} has "
                         f"{len(expected)} images: add that column, or a row per image in their order")
    print(f"{path.name} does not say whose caption a row is: row k is taken for row k of the images of {dataset.name}")
    return expected
