"""What a notebook reads: all of its tables at once, and the atlas as drawings want it.

    data = derivatives.read(folder, atlas="metadata/hcp.csv", layers="nsd/rsa_subject_model_alignment_joined.parquet")
    atlas = derivatives.joined_atlas(data.atlas)        # one row per parcel of joined hemispheres
    derivatives.hub_panels(atlas)                       # {"EVC": {1: "V1", ...}, "Ventral": {...}, "LOTC": {...}}

The published files do as well as our own: columns that only ours have are not needed here.
"""

from pathlib import Path
from types import SimpleNamespace

from convergence.storage.tables import read_table, written_by

_NOT_DRAWN = ("reason", "join_hemispheres")             # text and constants, which cost memory in tables of millions of rows
_SHOWN_AS = {"H": "Hipp"}


def read(folder, **files):
    """Read the tables of a notebook.

    Parameters
    ----------
    folder : path
        The derivatives.
    files : str
        Name of a table in the result -> its file below `folder`.

    Returns
    -------
    SimpleNamespace of DataFrames

    Raises
    ------
    FileNotFoundError
        Tables are not there: all of them are listed, each with the script that writes it.
    ValueError
        A file is no table.
    """
    absent = missing(folder, files.values())
    if absent:
        raise FileNotFoundError(f"{len(absent)} of {len(files)} tables are not in {folder}: {explain_missing(absent)}")
    paths = {name: Path(folder) / file for name, file in files.items()}
    return SimpleNamespace(**{name: read_table(path, _columns(path)) for name, path in paths.items()})


def missing(folder, files):
    """Those of `files` that are not below `folder`, in order."""
    return [file for file in files if not (Path(folder) / file).exists()]


def explain_missing(files):
    """One line: which script writes each of these tables."""
    return "; ".join(f"{file} ({written_by(file)} writes it)" for file in files)


def joined_atlas(atlas):
    """The parcels of joined hemispheres: one row per name, indexed by the smaller number, which joined tables use for both sides.

    Parameters
    ----------
    atlas : DataFrame
        Table metadata/hcp.csv, ours or the published one.

    Returns
    -------
    DataFrame
        Indexed by roi; name ("H" is shown as "Hipp"), area, area_color, roi_order, and hub where the table has it.
    """
    shown = [column for column in ("name", "area", "area_color", "roi_order", "hub") if column in atlas]
    rows = atlas.sort_values("roi").drop_duplicates("name").set_index("roi")[shown]
    if "hub" in rows:
        rows["hub"] = rows["hub"].fillna("")                # an empty field of a CSV file
    return rows.assign(name=rows["name"].replace(_SHOWN_AS))


def hub_panels(atlas):
    """{hub: {parcel number: name}} in the order of display, for a joined atlas (`datasets.atlas.hubs_of`)."""
    from convergence.datasets.atlas import hubs_of

    number = {name: roi for roi, name in atlas["name"].items()}
    return {hub: {number[name]: name for name in names} for hub, names in hubs_of(atlas).items()}


def _columns(path):
    """Columns of a .parquet to read; None (all) for others, and for a file that is broken, which read_table then explains."""
    import pyarrow.parquet

    if path.suffix != ".parquet":
        return None
    try:
        names = pyarrow.parquet.read_schema(path).names
    except (OSError, ValueError):
        return None
    return [name for name in names if name not in _NOT_DRAWN and not name.startswith("__index")]
