"""Contrasts between modalities, hemispheres and parts of the images, hub by hub: the table hub_contrasts.

    tables = {"layers": ..., "pairs_separated": ..., ...}       # those that there are
    contrasts(tables, atlas, models)                            # DataFrame

A hub's value is the mean over its parcels by Fisher's z (with reference=True arithmetic); over subjects and pairs, differences
are averaged as they are. A parcel that a subject lacks is left out for all, and the column `reason` names it.
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment import subject_model, subject_subject
from convergence.datasets.atlas import hubs_of
from convergence.storage.tables import conform, file_of

TABLE = "hub_contrasts"
VISION_LANGUAGE, HEMISPHERES, PARTITIONS = "vision - language", "lh - rh", "animate - inanimate"


def table_path(derivatives, dataset):
    """Where the table is."""
    return Path(derivatives) / file_of(TABLE, dataset=dataset)


def inputs(derivatives, dataset):
    """Paths of what contrasts are made of: layers, layers_separated, pairs_separated, partitions. Any may be missing."""
    of_pairs = lambda **options: [subject_subject.table_path(derivatives, dataset, shift=1, form=form, **options)
                                  for form in ("full", "diagonal")]
    either = lambda paths: next((path for path in paths if path.exists()), paths[0])
    return {"layers": subject_model.table_path(derivatives, dataset),
            "layers_separated": subject_model.table_path(derivatives, dataset, hemispheres="separated"),
            "pairs_separated": either(of_pairs(hemispheres="separated")),
            "partitions": either(of_pairs(partitions=("animate", "inanimate")))}


def contrasts(tables, atlas, models=None, *, reference=False, seed=0):
    """All contrasts that the tables allow.

    Parameters
    ----------
    tables : dict of DataFrame
        Some of those of `inputs`.
    atlas : DataFrame
        Table hcp: roi, name, hemisphere, hub.
    models : DataFrame
        Table models_info; needed with layers.
    reference : bool
        Tests as published: paired t (Bonferroni over the hubs between modalities, FDR over hubs and measures between
        hemispheres), Welch's t between parts of the images (FDR over parcels). Else sign flips and bootstraps over subjects, FDR
        over the rows of a contrast.
    seed : int

    Returns
    -------
    DataFrame
        Columns of hub_contrasts.

    Raises
    ------
    ValueError
        The atlas has no hubs, or no table allows a contrast.
    """
    hubs = hubs_of(atlas)
    if not hubs:
        raise ValueError("hub_contrasts: the atlas has no hubs; give its table a column hub")
    rows = []
    if "layers" in tables:
        rows += _modalities(_by_subject(tables["layers"], models), atlas, hubs, reference, seed)
    if "layers_separated" in tables:
        rows += _hemispheres_of_models(_by_subject(tables["layers_separated"], models), atlas, hubs, reference, seed)
    if "pairs_separated" in tables:
        rows += _hemispheres_of_pairs(_pairs(tables["pairs_separated"]), atlas, hubs, reference, seed)
    if "partitions" in tables:
        rows += _partitions(_pairs(tables["partitions"]), atlas, hubs, reference, seed)
    if not rows:
        raise ValueError("hub_contrasts: no contrast can be made; networks of vision and of language, separated hemispheres "
                         "(3_alignment/2_subject_subject.py --hemispheres separated) or parts of the images "
                         "(--partition animate inanimate) are needed")
    return conform(_corrected(pandas.DataFrame(rows), reference), TABLE)


def _modalities(values, atlas, hubs, reference, seed):
    if not {"vision", "language"} <= set(values["modality"]):
        return []
    wide = values.pivot(index="subject", columns=["modality", "roi"], values="similarity")
    rows = []
    for hub, names in hubs.items():
        first, second, reason = _sides(wide["vision"], wide["language"], _numbers(atlas, names, "lh"),
                                       _numbers(atlas, names, "lh"), names, reference)
        rows += _row(VISION_LANGUAGE, "models", hub, _over_subjects(first, second, reference, seed), reason)
    return rows


def _hemispheres_of_models(values, atlas, hubs, reference, seed):
    rows = []
    for modality, some in values.groupby("modality"):
        wide = some.pivot(index="subject", columns="roi", values="similarity")
        for hub, names in hubs.items():
            first, second, reason = _sides(wide, wide, _numbers(atlas, names, "lh"), _numbers(atlas, names, "rh"), names,
                                           reference)
            rows += _row(HEMISPHERES, modality, hub, _over_subjects(first, second, reference, seed), reason)
    return rows


def _hemispheres_of_pairs(values, atlas, hubs, reference, seed):
    wide = values.pivot(index=["subject_i", "subject_j"], columns="roi", values="similarity")
    rows = []
    for hub, names in hubs.items():
        first, second, reason = _sides(wide, wide, _numbers(atlas, names, "lh"), _numbers(atlas, names, "rh"), names, reference)
        rows += _row(HEMISPHERES, "intersubject", hub, _over_pairs(first, second, "paired" if reference else None, seed), reason)
    return rows


def _partitions(values, atlas, hubs, reference, seed):
    wide = values.astype({"subset": str}).pivot(index=["subject_i", "subject_j"], columns=["subset", "roi"], values="similarity")
    if not {"animate", "inanimate"} <= set(wide.columns.get_level_values(0)):
        return []
    single = {name: [name] for names in hubs.values() for name in names}
    rows = []
    for hub, names in (single if reference else {**hubs, **single}).items():
        numbers = _numbers(atlas, names, "lh")
        first, second, reason = _sides(wide["animate"], wide["inanimate"], numbers, numbers, names, reference)
        rows += _row(PARTITIONS, "intersubject", hub, _over_pairs(first, second, "welch" if reference else None, seed), reason)
    return rows


def _sides(first, second, left, right, names, reference):
    """Means over the parcels that every row has on both sides, and which parcels were left out."""
    from convergence.analysis.bootstrap import fisher_mean

    good = [k for k in range(len(names)) if left[k] in first and right[k] in second and first[left[k]].notna().all()
            and second[right[k]].notna().all()]
    lost = [name for k, name in enumerate(names) if k not in good]
    reason = f"not in all subjects: {', '.join(lost)}" if lost else ""
    if not good:
        return None, None, reason
    chosen = (side[[numbers[k] for k in good]] for side, numbers in ((first, left), (second, right)))
    mean = np.mean if reference else fisher_mean
    return (*(pandas.Series(mean(values.to_numpy(np.float64), axis=1), values.index) for values in chosen), reason)


def _over_subjects(first, second, reference, seed):
    from convergence.analysis.contrasts import over_subjects
    return None if first is None or len(first) < 2 else over_subjects(first, second, reference=reference, seed=seed)


def _over_pairs(first, second, reference, seed):
    from convergence.analysis.contrasts import over_pairs
    if first is None or len(first.index.unique(0)) < 3:
        return None
    return over_pairs(first, second, first.index.to_frame().to_numpy(), reference=reference, seed=seed)


def _row(contrast, measure, hub, found, reason):
    empty = dict.fromkeys(("first", "second", "difference", "standard_error", "low", "high", "t", "dof", "p"), float("nan"))
    if found is None:
        found = {**empty, "n_subjects": 0, "method": ""}
        reason = reason or "too few subjects"
    return [{"contrast": contrast, "measure": measure, "hub": hub, **found, "reason": reason}]


def _corrected(frame, reference):
    """With p_corrected and how: within each contrast."""
    from convergence.analysis.inference import fdr

    parts = []
    for contrast, rows in frame.groupby("contrast", sort=False):
        n = int(rows["p"].notna().sum())
        if reference and contrast == VISION_LANGUAGE:
            parts.append(rows.assign(p_corrected=(rows["p"] * n).clip(upper=1), correction=f"Bonferroni over {n}"))
        else:
            parts.append(rows.assign(p_corrected=fdr(rows["p"].to_numpy()), correction=f"FDR over {n}"))
    return pandas.concat(parts)


def _by_subject(layers, models):
    """Likeness with networks; NaN where a network is missing that other subjects or parcels have."""
    from convergence.analysis.aggregate import model_by_subject

    found = model_by_subject(layers, models)
    complete = found["n"] == found.groupby("modality")["n"].transform("max")
    return found.assign(similarity=found["similarity"].where(complete))


def _pairs(table):
    """Rows of different subjects, a parcel with itself, with a column roi."""
    from convergence.analysis.aggregate import same_parcel

    same = same_parcel(table)
    return same[same["subject_i"] != same["subject_j"]]


def _numbers(atlas, names, hemisphere):
    """Parcel numbers of names on a side; those of joined parcels are the left ones."""
    side = atlas[atlas["hemisphere"].isin([hemisphere, "both"])].set_index("name")["roi"]
    return [int(side[name]) if name in side else -1 for name in names]
