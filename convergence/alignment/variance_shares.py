"""How much of every parcel's RDM do several control RDMs explain, each alone and in common? Units of work per subject.

    unit = subject_unit(stores, 1, dataset, derivatives, ["is_person", "luminance", "temporal_lag"], table)
    table_path(derivatives, "nsd", solver="nonnegative")        # nsd/variance_partitioning_joined_nonnegative.parquet

RDMs are those of 3_alignment/1_compute_rdms.py over the trials of shared images; controls as in 3_alignment/2_subject_subject.py:
tables of control_matrices/, same_image, same_session, temporal_lag, repetition_difference. The mathematics:
analysis/variance_partitioning.py.
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment.controls import control_files, images_of, read_controls, without_subjects
from convergence.alignment.parts import parts_folder
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import conform, file_of, read_table

TABLE = "variance_partitioning"
_AT_ONCE = 2 ** 27              # numbers of RDMs in memory at a time


def table_path(derivatives, dataset, *, hemispheres="joined", solver="ordinary"):
    """Where the table of all subjects is."""
    more = "" if solver == "ordinary" else f"_{solver}"
    return Path(derivatives) / file_of(TABLE, dataset=dataset, hemispheres=hemispheres, more=more)


def subject_unit(stores, subject, dataset, derivatives, names, table, *, rois=None, distance="euclidean", solver="ordinary",
                 n_bootstrap=200, seed=0):
    """The unit of work of a subject.

    Parameters
    ----------
    stores : dict of path by subject
        RDM stores (choice.check_stores).
    subject : int
    dataset : Dataset
    derivatives : path
        The folder whose control_matrices/ hold the tables.
    names : sequence of str
        Controls; an RDM that follows from those before it is left out.
    table : path
        The table that the part will be merged into.
    rois : list of int, optional
        Parcel numbers (default: all of the store).
    distance : {"euclidean", "pearson"}
        Of the features of a control.
    solver, n_bootstrap, seed
        As of `convergence.analysis.variance_partitioning.partition_variance`.
    """
    from convergence.tasks import Unit

    return Unit(f"subject {subject}", parts_folder(table, rois) / f"subject-{subject:02d}.parquet", subject_shares,
                options={"subject": subject, "rois": rois, "names": list(names), "distance": distance, "solver": solver,
                         "n_bootstrap": n_bootstrap, "seed": seed},
                places={"store": stores[subject], "dataset": dataset, "derivatives": derivatives},
                inputs=(stores[subject], *control_files(derivatives, names)))


def subject_shares(*, subject, rois, names, distance, solver, n_bootstrap, seed, store, dataset, derivatives):
    """Table of one subject, all parcels and terms: columns of variance_partitioning. Arguments are those of `subject_unit`.

    Raises
    ------
    FileNotFoundError, ValueError
        A control's table or the store is missing or damaged; fewer than 4 trials of images that all controls have; no control
        that varies. (A parcel without RDM is a row without share, and with a reason.)
    """
    controls = without_subjects(read_controls(derivatives, dataset, names, distance=distance), subject)
    with RDMStore(store) as opened:
        trials = opened.trials.rename(columns={"row": "subject_index"})
        available = images_of(controls)
        places = np.flatnonzero(trials["image"].isin(available)) if available is not None else np.arange(len(trials))
        if len(places) < 4:
            raise ValueError(f"subject {subject} has {len(places)} trials of shared images that all controls have, at "
                             "least 4 are needed")
        rows = trials.iloc[places].reset_index(drop=True)
        rdms = [_rdm_of(control, rows) for control in controls.values()]
        known = dict(zip(opened.rois.tolist(), opened.reasons))
        wanted = [int(roi) for roi in opened.rois if rois is None or roi in rois]
        good, frames = [roi for roi in wanted if not known[roi]], [_without(wanted, known)]
        step = max(1, _AT_ONCE // len(rdms[0]))
        for start in range(0, len(good), step):
            some = good[start:start + step]
            frames.append(_shares(opened, some, places, rdms, names, rows, solver, n_bootstrap, seed))
    found = pandas.concat([frame for frame in frames if len(frame)]).assign(subject=subject)
    return conform(found, TABLE)


def left_out(table):
    """A line per control that was left out, from a table's reasons."""
    rows = read_table(table, columns=["subject", "reason"])
    rows = rows[(rows["reason"] != "") & ~rows["reason"].str.startswith("parcel: ")].drop_duplicates()
    return [f"left out, {reason} (subjects {', '.join(map(str, of_it))})" for reason, of_it in rows.groupby("reason")["subject"]]


def _shares(store, rois, places, controls, names, rows, solver, n_bootstrap, seed):
    from convergence.analysis.rdm import select_stimuli
    from convergence.analysis.variance_partitioning import partition_variance

    rdms = select_stimuli(store.rdms(rois), places)
    varied = rdms.max(1) - rdms.min(1) > 8 * np.finfo(np.float32).eps
    flat = [roi for roi, is_varied in zip(rois, varied) if not is_varied]
    frames = [_without(flat, dict.fromkeys(flat, "all distances are the same"))]
    if varied.any():
        found = partition_variance(rdms[varied], controls, names, solver=solver, n_bootstrap=n_bootstrap,
                                   images=rows["image"].to_numpy(), seed=seed)
        frames.append(found.table([roi for roi, is_varied in zip(rois, varied) if is_varied]))
    return pandas.concat([frame for frame in frames if len(frame)])


def _rdm_of(control, rows):
    """A control's RDM, zeros where it is constant (partition_variance says so by name)."""
    found = control.rdms(rows)
    return found[0] if len(found) else np.zeros(len(rows) * (len(rows) - 1) // 2, np.float32)


def _without(rois, reasons):
    """Rows of parcels that have no RDM."""
    empty = dict.fromkeys(("r_squared", "low", "high", "weight", "variance_inflation", "condition_number"), np.nan)
    return pandas.DataFrame([{"roi": roi, "term": "all", "kind": "total", **empty, "solver": "",
                              "reason": f"parcel: {reasons[roi]}"}
                             for roi in rois if reasons[roi]])
