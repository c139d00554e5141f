"""What brains share when their trials lie alike in time and show other pictures: sessions paired by the place of their trials.

    pairs = draw_sessions(dataset, subjects, draws=20, seed=0)          # [(3, 7), (1, 12), ...]: different sessions
    unit = session_pair_unit(dataset, subjects, 0, (3, 7), table)       # tasks.Unit: session 3 of all with session 7 of all
    summary(table)                                                      # per parcel, against the null of analysis/trial_order.py

Trial k of one session meets trial k of the other; places where both show the same picture are left out. RDMs are computed from
the session's trials as in 3_alignment/3_subject_model.py. Memory: one parcel of all subjects, two sessions.
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import CLIP, rdm_or_reason
from convergence.alignment.trials import sessions
from convergence.storage.tables import conform, file_of, read_table

TABLE, PARCELS = "out_of_order", "out_of_order_parcels"
PUBLISHED_SESSIONS, PUBLISHED_CLIP = range(10, 28), 0.001


def table_path(derivatives, dataset, *, hemispheres="joined", table=TABLE):
    """Where the table of all draws is; PARCELS: of parcels."""
    return Path(derivatives) / file_of(table, dataset=dataset, hemispheres=hemispheres)


def draw_sessions(dataset, subjects, *, draws, seed=0, among=None):
    """Pairs of different sessions, each at most once, in the order drawn.

    Parameters
    ----------
    dataset : Dataset
    subjects : list of int
    draws : int
        How many; all there are, where they are fewer.
    seed : int
    among : collection of int, optional
        Only these sessions.

    Returns
    -------
    list of (int, int)
        The smaller one first.

    Raises
    ------
    ValueError
        There are no two sessions.
    """
    found = sorted({session for subject in subjects for session in sessions(dataset.trials, subject)
                    if among is None or session in among})
    pairs = [(a, b) for k, a in enumerate(found) for b in found[k + 1:]]
    if not pairs:
        raise ValueError(f"sessions: {', '.join(map(str, found)) or 'none'} of those asked for exist; two different ones "
                         "are needed")
    return [pairs[k] for k in np.random.default_rng(seed).permutation(len(pairs))[:draws]]


def session_pair_unit(dataset, subjects, draw, pair, table, *, hemispheres="joined", rois=None, clip=CLIP, seed=0, device="auto"):
    """The unit of work of a pair of sessions: every subject's first with every subject's second.

    Parameters
    ----------
    dataset : Dataset
    subjects : list of int
    draw : int
        The pair's number.
    pair : (int, int)
        Sessions.
    table : path
        The table that the part will be merged into.
    hemispheres, rois, clip, device
        As of control_similarity.session_unit.
    seed : int
        Of the shuffled trials.
    """
    from convergence.tasks import Unit

    part = parts_folder(table, rois) / f"session-{pair[0]:02d}_session-{pair[1]:02d}.parquet"
    return Unit(f"sessions {pair[0]} and {pair[1]}", part, session_pair_similarity,
                options={"subjects": list(subjects), "draw": draw, "session1": pair[0], "session2": pair[1],
                         "hemispheres": hemispheres, "rois": rois, "clip": clip, "seed": seed},
                places={"dataset": dataset, "device": device},
                inputs=tuple(dict.fromkeys(file for subject in subjects for file in dataset.response_files(subject))))


def session_pair_similarity(*, subjects, draw, session1, session2, hemispheres, rois, clip, seed, dataset, device="auto"):
    """Table of one pair of sessions. Arguments are those of `session_pair_unit`.

    Raises
    ------
    FileNotFoundError, ValueError
        Responses are missing or damaged; no two subjects with four places. (A parcel that cannot be computed is a row without
        similarity, and with a reason.)
    """
    trials = {(subject, session): _placed(dataset.trials, subject, session)
              for subject in subjects for session in (session1, session2)}
    common = {(i, j): _common_places(trials[i, session1], trials[j, session2]) for i in subjects for j in subjects}
    common = {pair: places for pair, places in common.items() if len(places[0]) > 3}
    if not common:
        raise ValueError(f"sessions {session1} and {session2} of subjects {', '.join(map(str, subjects))} have no four places "
                         "at which they show different pictures")
    of_parcel, rows = _atlas_names(dataset, hemispheres), []
    for parcel in dataset.parcels(hemispheres):
        if rois is not None and parcel.roi not in rois:
            continue
        rdms = {key: rdm_or_reason(dataset.responses(key[0], parcel.labels, of_it["subject_index"].to_numpy()), "voxel",
                                   clip=clip, device=device) for key, of_it in trials.items() if len(of_it) > 3}
        for (i, j), places in common.items():
            known = {"roi": parcel.roi, "subject1": i, "subject2": j, "atlas": of_parcel.get(parcel.roi, hemispheres),
                     "n_trials": len(places[0])}
            rng = np.random.default_rng([seed, session1, session2, i, j])       # one relabelling for all parcels
            rows.append({**known, **_similarity(rdms[i, session1], rdms[j, session2], *places, rng)})
    return conform(pandas.DataFrame(rows).assign(session1=session1, session2=session2, draw=draw), TABLE)


def summary(table):
    """One row per parcel: the mean over what could be computed, against its null; columns of out_of_order_parcels."""
    from convergence.analysis.inference import fdr
    from convergence.analysis.trial_order import against_reversed

    rows = []
    for roi, of_it in table.groupby("roi"):
        computed = of_it.dropna(subset=["rsa"])
        by_sessions = computed.groupby(["session1", "session2"])[["rsa", "rsa_reversed", "rsa_shuffled"]].mean()
        found = {"roi": roi, "n_draws": len(by_sessions)}
        if len(by_sessions):
            null = against_reversed(by_sessions["rsa"], by_sessions["rsa_reversed"], by_sessions.index.to_list())
            found |= {"observed": null.observed, "null_mean": null.null_mean, "null_std": null.null_std, "z": null.z,
                      "pvalue": null.p, "shuffled": by_sessions["rsa_shuffled"].mean()}
        rows.append(found)
    frame = pandas.DataFrame(rows, columns=["roi", "observed", "null_mean", "null_std", "z", "pvalue", "shuffled", "n_draws"])
    tested = frame["pvalue"].notna()
    frame["pvalue_fdr_bh"] = np.nan
    if tested.any():
        frame.loc[tested, "pvalue_fdr_bh"] = fdr(frame.loc[tested, "pvalue"].to_numpy(np.float64))
    return conform(frame, PARCELS)


def _placed(trials, subject, session):
    """subject_index and image of the existing trials of a session, by their place among the planned ones."""
    own = trials[(trials["subject"] == subject) & (trials["session"] == session)].sort_values("subject_index")
    own = own.assign(place=np.arange(len(own)))
    return own.loc[own["exists"].astype(bool), ["place", "subject_index", "image"]].reset_index(drop=True)


def _common_places(first, second):
    """Row numbers of two tables of `_placed` that have the same place and show different pictures."""
    both = first.reset_index().merge(second.reset_index(), on="place", suffixes=("_1", "_2")).sort_values("place")
    both = both[both["image_1"] != both["image_2"]]
    return both["index_1"].to_numpy(), both["index_2"].to_numpy()


def _similarity(first, second, rows_1, rows_2, rng):
    """r of two RDMs over paired trials: as they are, with the first one shuffled, and backwards."""
    from convergence.analysis.rdm import select_stimuli

    reason = next((f"parcel: {reason}" for _, reason in (first, second) if reason), "")
    if reason:
        return {"reason": reason}
    orders = (rows_1, rng.permutation(rows_1), rows_1[::-1])
    units = [_unit(select_stimuli(first[0], rows)) for rows in orders]
    other = _unit(select_stimuli(second[0], rows_2))
    if other is None or units[0] is None:
        return {"reason": "parcel: all distances are the same"}
    r, shuffled, backwards = (float(unit @ other) for unit in units)
    return {"rsa": r, "rsa_shuffled": shuffled, "rsa_reversed": backwards, "reason": ""}


def _unit(rdm):
    """Mean 0 and length 1, or None where all distances are the same."""
    if rdm.max() - rdm.min() <= 8 * np.finfo(np.float32).eps:
        return None
    rdm = rdm.astype(np.float64) - rdm.mean(dtype=np.float64)
    return rdm / np.linalg.norm(rdm)


def _atlas_names(dataset, hemispheres):
    atlas = dataset.atlas()
    return dict(zip(atlas["roi"], atlas["atlas"])) if hemispheres == "separated" and "atlas" in atlas else {}


def read_summary(path):
    """`summary` of a table on disk."""
    return summary(read_table(path))
