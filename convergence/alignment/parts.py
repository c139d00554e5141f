"""The tables of units (a pair of subjects, a subject and session) and the one table that they become.

    folder = parts_folder(table, rois=None)             # <derivatives>/nsd/parts/rsa_subject_subject_alignment_shift_1_joined/
    merge(parts, table, made_by=..., options=...)       # in the given order; skipped when the table is what these parts make

Parts stay where they are, so that a later run with more subjects, sessions or models adds what is missing and merges again. Parts
of a choice of parcels lie in a folder of their own, so that trying three parcels never costs the parts of all.
"""

import hashlib
import re

from convergence.storage.outputs import Record, state
from convergence.storage.tables import concatenate


def parts_folder(table, rois=None):
    """Folder of the parts of a table's path; `rois`: the parcel numbers of a choice, None for all."""
    if rois is None:
        return table.parent / "parts" / table.stem
    digest = hashlib.blake2b(" ".join(map(str, sorted(rois))).encode(), digest_size=4).hexdigest()
    return table.parent / "parts" / f"{table.stem}_{len(rois)}-rois-{digest}"


def merge(parts, table, *, made_by, options):
    """Write a table from its parts, unless it is there already; prints what could not be computed.

    Parameters
    ----------
    parts : list of path
        In the order of the table's rows.
    table : path
    made_by : str
        The script, for the sidecar.
    options : dict
        What the table is of (subjects, rois, models, ...), for the sidecar: a table of a choice says so there.
    """
    record = Record(made_by, tuple(parts), options)
    found, reason = state(table, record)
    if found == "stale":
        print(f"{table.name}: merged again, {reason}")
    if found != "done":
        concatenate(parts, table, record)
    for line in what_is_empty(table):
        print(f"{table.name}: not computed, {line}")
    return table


def what_is_empty(table, at_most=8):
    """Which parcels and layers lack similarity in a table: a line per reason, like 'no voxels: parcel 44, parcel 120'."""
    import pyarrow.parquet as pq

    wanted, there = ("roi", "roi_x", "roi_y", "layer", "model", "model_name", "reason"), pq.read_schema(table).names
    columns = [name for name in wanted if name in there]
    rows = pq.read_table(table, columns=columns, filters=[("reason", "!=", "")]).to_pandas().drop_duplicates()
    found = {}
    for row in rows.to_dict("records"):
        for side, reason in re.findall(r"(\w+): (.+?)(?:; (?=subject_\w+: |layer: )|$)", row["reason"]):
            found.setdefault(reason, set()).add(_place(side, row))
    return [f"{reason}: {_listed(places, at_most)}" for reason, places in sorted(found.items())]


def _place(side, row):
    if side == "layer":
        return f"layer {row['layer']} of {row.get('model', row.get('model_name'))}"
    parcel = row.get("roi_x" if side == "subject_i" else "roi_y")                  # subject_j, or one of a group: subject_3
    if parcel is None and "roi" not in row:
        return f"a layer of the {side} network"
    return f"parcel {row.get('roi') if parcel is None else parcel}"


def _listed(places, at_most):
    places = sorted(places, key=lambda place: (len(place), place))                      # parcel 8 before parcel 11
    return ", ".join(places[:at_most]) + (f", ... ({len(places)} in all)" if len(places) > at_most else "")
