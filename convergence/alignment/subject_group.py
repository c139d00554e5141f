"""Does a brain represent images as the other brains do on average? RSA of every subject with the group of all others.

    unit = group_unit(1, stores, table, shift=1)        # tasks.Unit: subject 1 and all others
    table_path(derivatives, "nsd", shift=1)             # rsa_subject_group_alignment_joined_1.parquet

Rows are the trials of subject i that have a partner, at the shift, in all other subjects. With unit RDMs u_j of the others:

    mean_of_r       u_i . mean_j u_j: the mean of the correlations with each; the published "group" (arXiv 2507.13941)
    r_with_mean     u_i . mean_j u_j / |mean_j u_j|: the correlation with the group's RDM, in which the others' noise is averaged
                    out: each subject's part of the lower noise ceiling

Memory: the prepared RDMs of subject i, and blocks of the others.
"""

from functools import reduce
from pathlib import Path

import numpy as np
import pandas

from convergence.alignment.parts import parts_folder
from convergence.alignment.sources import StoreSource, blocks, stack
from convergence.alignment.subject_subject import common_table
from convergence.storage.tables import conform, file_of

TABLE = "rsa_subject_group_alignment"


def table_path(derivatives, dataset, *, shift, hemispheres="joined", form="full"):
    """Where the table of all subjects is, under its published name."""
    return Path(derivatives) / file_of(TABLE, dataset=dataset, hemispheres=hemispheres, shift=shift,
                                       more="_diagonal" * (form == "diagonal"))


def group_unit(subject, stores, table, *, shift, form="full", hemispheres="joined", rois=None, reference=False, device="auto"):
    """The unit of work of a subject; the group is all other subjects of `stores`."""
    from convergence.tasks import Unit

    options = {"subject": subject, "others": sorted(set(stores) - {subject}), "shift": shift, "form": form,
               "hemispheres": hemispheres, "rois": rois}
    return Unit(f"subject {subject}", parts_folder(table, rois) / f"subject-{subject:02d}.parquet", group_similarity,
                options=options | ({"reference": True} if reference else {}), places={"stores": stores, "device": device},
                inputs=tuple(stores.values()))


def group_similarity(*, subject, others, shift, form, hemispheres, rois, stores, reference=False, device="auto"):
    """Table of one subject: columns of rsa_subject_group_alignment.

    Parameters
    ----------
    subject, others : int, list of int
    shift : int
        Repetition r of the subject meets repetition r - shift of each other.
    form : {"full", "diagonal"}
    hemispheres, rois, stores, device
        As of subject_subject.pair_unit.
    reference : bool
        The column `similarity` is mean_of_r, as published; else r_with_mean.

    Raises
    ------
    FileNotFoundError, ValueError
        A store is missing or unreadable; fewer than 4 trials with a partner in all others. (A parcel that cannot be computed in
        one of the subjects is a row without similarity, and with a reason.)
    """
    with StoreSource(stores[subject]) as mine:
        sources = [StoreSource(stores[other]) for other in others]
        try:
            table = common_with_all(mine, sources, shift)
            rois = mine.rois if rois is None else rois
            units, reasons_x = stack(mine, rois, table["subject_index"].to_numpy(), device)
            mean_of_r, length, reasons_y = products_with_group(units, sources, table, rois, form, device)
        finally:
            for source in sources:
                source.__exit__()
    with_mean = mean_of_r / length
    if form == "diagonal":
        rows, pairs = {"roi": rois}, zip(reasons_x, reasons_y)
    else:
        rows = {"roi_x": np.repeat(rois, len(rois)), "roi_y": np.tile(rois, len(rois))}
        pairs = ((x, y) for x in reasons_x for y in reasons_y)
    reasons = ["; ".join(filter(None, (f"subject_i: {x}" if x else "", y))) for x, y in pairs]
    frame = pandas.DataFrame({**rows, "similarity": (mean_of_r if reference else with_mean).ravel(),
                              "mean_of_r": mean_of_r.ravel(),
                              "r_with_mean": with_mean.ravel(), "reason": reasons})
    return conform(frame.assign(subject_i=subject, subject_j="group_without_i", join_hemispheres=hemispheres == "joined",
                                rep_shift=str(shift),
                                n_pairs=len(table) * (len(table) - 1) // 2), TABLE)


def common_with_all(mine, sources, shift):
    """Trials of a subject with a partner in every other: subject_index, and the partners' as columns 0, 1, ... in the order of
    the sources."""
    tables = []
    for k, other in enumerate(sources):
        pairs = common_table(mine, other, shift)[["subject_index_i", "subject_index_j"]]
        tables.append(pairs.rename(columns={"subject_index_i": "subject_index", "subject_index_j": k}))
    table = reduce(lambda a, b: a.merge(b, on="subject_index"), tables).sort_values("subject_index", ignore_index=True)
    if len(table) < 4:
        raise ValueError(f"subject {mine.subject} has {len(table)} trials at shift {shift} with a partner in all of subjects "
                         f"{', '.join(str(source.subject) for source in sources)}; at least 4 are needed, get more sessions or "
                         "choose other subjects with --subjects")
    return table


def products_with_group(units, sources, table, rois, form, device):
    """(products with the mean of the others' unit RDMs, lengths of these means, reasons), some parcels of the group at a time."""
    from convergence.analysis.similarity import rsa_of_units

    n = max(source.n_stimuli for source in sources)                         # the same parcels of all subjects at a time
    readers = [blocks(source, rois, table[k].to_numpy(), device, n_stimuli=n) for k, source in enumerate(sources)]
    found, lengths, reasons = [], [], []
    for together in zip(*readers):
        start, total = together[0][0], 0
        for _, others, _ in together:
            total = total + others
        mean = total / len(sources)
        block = units[start:start + len(mean)] if form == "diagonal" else units
        found.append(rsa_of_units(block, mean, paired=form == "diagonal").cpu().numpy())
        lengths.append((rsa_of_units(mean, mean, paired=True).cpu().numpy()) ** 0.5)
        reasons += ["; ".join(f"subject_{source.subject}: {why}" for source, why in zip(sources, whys) if why)
                    for whys in zip(*(more for _, _, more in together))]
    return np.concatenate(found, axis=-1), np.concatenate(lengths), reasons
