"""Is the disk large enough for what is still to be downloaded and made?

    lines = disk_lines(root, 737e9, work, 120e9)        a line per disk: needed, free, and whether that is enough
    in_words(2.6e9)                                     "2.6 GB"
"""

import shutil
from pathlib import Path


def disk_lines(root, to_download, work, to_make):
    """A line for each disk.

    Parameters
    ----------
    root, work : path
        The dataset's folder, and the one of its prepared files, which need not be there yet.
    to_download, to_make : float
        Bytes that are still to come into each.

    Returns
    -------
    list of str
        [] where nothing is to come.
    """
    root, work = Path(root), next(folder for folder in (Path(work), *Path(work).resolve().parents) if folder.exists())
    if root.stat().st_dev == work.stat().st_dev:
        needs = [(root, to_download + to_make, "to download and to make")]
    else:
        needs = [(root, to_download, "to download"), (work, to_make, "to make")]
    return [_line(folder, n_bytes, what) for folder, n_bytes, what in needs if n_bytes]


def in_words(n_bytes):
    """A number of bytes."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if n_bytes >= unit / 10:
            return f"{n_bytes / unit:,.1f} {name}"
    return f"{n_bytes:,.0f} bytes"


def _line(folder, needed, what):
    free = shutil.disk_usage(folder).free
    verdict = "enough" if free >= needed else f"NOT ENOUGH, {in_words(needed - free)} are lacking"
    return f"disk of {folder}: about {in_words(needed)} {what}, {in_words(free)} free: {verdict}"
