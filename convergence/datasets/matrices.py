"""ROI matrices as .npy files, whichever dataset they are of: rows by their subject_index, headers, whether a set is whole.

    limits = row_limits(trials, subject)                {session: (first subject_index, the one after its last)}
    places = places_of(rows, present, subject)          where rows stand in matrices that hold the rows `present`
    write_npy_header(file, shape, dtype)                the start of a .npy file, whose rows are appended as they come
    have_shapes({path: shape})                          whether every matrix is there and has its shape
"""

import numpy as np

_EXTRACT = "1_dataset_preparation/4_extract_roi_betas.py"


def row_limits(trials, subject):
    """By session, ascending: the first subject_index, and the one after the last."""
    limits = trials.loc[trials["subject"] == subject].groupby("session")["subject_index"].agg(["min", "max"])
    return {int(session): (int(first), int(last) + 1) for session, first, last in limits.itertuples()}


def places_of(rows, present, subject):
    """Where rows stand in a subject's matrices.

    Parameters
    ----------
    rows : (n,) array_like of int
        Values of trials.subject_index, in any order.
    present : (n_rows,) array of int
        subject_index of every row of the matrices, ascending.
    subject : int
        For messages.

    Returns
    -------
    (n,) int64 array

    Raises
    ------
    ValueError
        Not a list of whole numbers; rows that the matrices do not have.
    """
    rows = _whole_numbers(rows)
    places = np.searchsorted(present, rows).clip(max=len(present) - 1)
    absent = rows[present[places] != rows]
    if absent.size:
        raise ValueError(f"rows: {absent.size} of {rows.size} rows of subject {subject} have no data, such as "
                         f"{absent[:5].tolist()}; use rows where trials.exists is true, and run {_EXTRACT} if their sessions "
                         "were downloaded since")
    return places


def checked_rows(rows, n_trials, subject):
    """Rows of matrices that hold all of a subject's trials, as int64; ValueError where they are no trials."""
    rows = _whole_numbers(rows)
    absent = rows[(rows < 0) | (rows >= n_trials)]
    if absent.size:
        raise ValueError(f"rows: {absent.size} of {rows.size} are not trials of subject {subject}, such as "
                         f"{absent[:5].tolist()}; there are 0 to {n_trials - 1}")
    return rows


def _whole_numbers(rows):
    rows = np.asarray(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError(f"rows: expected a list of subject_index values, found an array of shape {rows.shape} and type "
                         f"{rows.dtype}")
    return rows.astype(np.int64)


def write_npy_header(file, shape, dtype):
    """The start of a .npy file, whose rows are appended as they come."""
    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})


def have_shapes(expected):
    """Whether every matrix of {path: shape} can be opened and has its shape."""
    for path, shape in expected.items():
        try:
            found = np.load(path, mmap_mode="r").shape
        except Exception:                                   # NumPy reads the header as Python code, which can fail in many ways
            return False
        if found != shape:
            return False
    return True
