"""CSV files, read so that damage is an error: a lost comma, an inserted quote or half a row must not become another value.

    table = read_text(path, ["trial_id", "stimulus"], source="...")         all columns as text; the named ones must be there
    whole(table, "trial_id", path)                                          (n,) int64; "3.5", "" and "1e2" are refused

Every column is read, also those that nobody needs: pandas counts the fields of a row only then.
"""

import numpy as np


def read_text(path, required, source, **options):
    """A CSV file with all values as text, or an iterator over blocks of its rows where `chunksize` is given.

    Parameters
    ----------
    path : Path
    required : list of str
        Columns that must be there.
    source : str
        Where the file comes from, for messages: "download it from ...".
    options
        Of pandas.read_csv.

    Raises
    ------
    FileNotFoundError, ValueError
        No file; not a table; columns missing; rows longer than the header.
    """
    import pandas

    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {source}")
    try:
        found = pandas.read_csv(path, keep_default_na=False, **{"dtype": str, "encoding": "utf-8-sig", **options})
        parts = [found] if isinstance(found, pandas.DataFrame) else found
        checked = (_check(part, required, path, source) for part in parts)
        return next(checked) if isinstance(found, pandas.DataFrame) else _guarded(checked, path, source)
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise _unreadable(path, error, source) from error


def whole(table, column, path, *, at_most=np.iinfo(np.int64).max):
    """The whole numbers (from 0) of a text column.

    Raises
    ------
    ValueError
        Something else; the message has the first row (from 1) and what it says.
    """
    text = table[column]
    wrong = ~text.str.fullmatch(r"[0-9]{1,18}(\.0+)?").to_numpy(bool)
    if not wrong.any():
        numbers = text.str.partition(".")[0].astype(np.int64).to_numpy()
        wrong = numbers > at_most
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        limit = "" if at_most == np.iinfo(np.int64).max else f" to {at_most}"
        raise ValueError(f"{path}: column {column} must hold whole numbers from 0{limit}; row {table.index[row] + 1} says "
                         f"{text.iloc[row]!r}")
    return numbers


def read_lines(path, source):
    """Lines of a text file, without the line breaks and what is blank at their ends."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {source}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, error, source) from error
    if "\0" in text:
        raise ValueError(f"{path} holds bytes that are no text; {source}")
    return [line.rstrip() for line in text.replace("\r\n", "\n").removesuffix("\n").split("\n")]


def _check(part, required, path, source):
    import pandas

    if not isinstance(part.index, pandas.RangeIndex):
        raise ValueError(f"{path}: its rows have more fields than its header; {source}")
    missing = [column for column in required if column not in part]
    if missing:
        raise ValueError(f"{path}: the columns {missing} are missing, found are {_some(list(part))}; {source}")
    if part.empty:
        raise ValueError(f"{path} has no rows; {source}")
    return part


def _guarded(parts, path, source):
    import pandas

    try:
        yield from parts
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise _unreadable(path, error, source) from error


def _unreadable(path, error, source):
    return ValueError(f"{path} is not a readable table ({error}); {source}")


def _some(names):
    return f"{names[:12]}{' and more' if len(names) > 12 else ''}"
