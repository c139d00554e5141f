"""How reliable is the alignment of a parcel? Noise ceilings, agreement of repetitions, random subsets of the images.

    units = ceiling_units(stores, folder, rois=rois)            # tasks.Unit: a subject's part of the ceilings, its split half
    units = subset_units(stores, folder, rois=rois, draws=1000, size=500)       # an ordered pair: r of random subsets
    tables = reliability_tables(pairs, ceilings, subsets, names)                # DataFrames by the name of their schema

Of one subject and parcel over trials that have a partner, one repetition apart, in all other subjects (shift 1, as in the table
of subjects): the ceilings are r with the sum of the others' RDMs, without and with the subject's own. `within_subject` is r of a
subject's RDM with itself one repetition apart (2_subject_subject.py): the reliability of an RDM of single trials, which ratios
use. `split_half` is that of RDMs of one repetition each; where images that follow each other do so in every repetition, as in
short experiments, they have the clock in common too, and it is too high. Subsets take images with all their trials.
"""

import math
from pathlib import Path

import numpy as np
import pandas

from convergence.alignment import subject_group
from convergence.alignment.parts import parts_folder
from convergence.alignment.sources import StoreSource, stack
from convergence.alignment.subject_subject import common_rows
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import conform, file_of, read_table

SHIFT = 1
_BLOCK = 2**25                                  # numbers of a block of RDMs: 128 MiB
CEILINGS, SUBSETS, GROUP = "reliability_subjects", "reliability_subsets", "reliability"
NETWORK, MODELS = "reliability_connectivity", "reliability_models"
TABLES = (GROUP, CEILINGS, SUBSETS, NETWORK, MODELS)


def table_path(derivatives, dataset, table=GROUP):
    """Where one of the tables is: reliability, reliability_subjects, _subsets, _connectivity, _models."""
    return Path(derivatives) / file_of(table, dataset=dataset)


def ceiling_units(stores, table, *, rois, whole=True, device="auto"):
    """The units of every subject; `stores` paths by subject, `table` the path of reliability_subjects, `whole`: rois are all."""
    from convergence.tasks import Unit

    parts = parts_folder(table, None if whole else rois)
    return [Unit(f"subject {subject}", parts / f"subject-{subject:02d}.parquet", subject_ceilings,
                 options={"subject": subject, "others": sorted(set(stores) - {subject}), "rois": rois},
                 places={"stores": stores, "device": device},
                 inputs=tuple(stores.values())) for subject in sorted(stores)]


def subset_units(stores, table, *, rois, draws, size=None, seed=0, whole=True, device="auto"):
    """The units of every ordered pair of subjects; `table` the path of reliability_subsets, the rest as `pair_subsets`."""
    from convergence.tasks import Unit

    images = shared_images(stores)
    size = subset_size(len(images), size)
    parts = parts_folder(table, None if whole else rois)
    return [Unit(f"subjects {i} and {j}", parts / f"subject-{i:02d}_subject-{j:02d}.parquet", pair_subsets,
                 options={"subject_i": i, "subject_j": j, "rois": rois, "draws": draws, "size": size, "seed": seed,
                          "n_images": len(images)},
                 places={"stores": stores, "device": device}, inputs=tuple(stores.values())) for i in sorted(stores)
            for j in sorted(stores) if i != j]


def subset_size(n_images, size=None):
    """Images of a subset: 500 as published, half of them where that is less; ValueError where `size` is no choice of them."""
    if size is None:
        return min(500, n_images // 2)
    if not 4 <= size < n_images:
        raise ValueError(f"--subset-images: {size} of {n_images} shared images cannot be drawn in several ways; expected 4 to "
                         f"{n_images - 1}")
    return size


def shared_images(stores):
    """Images that any of the stores has, ascending."""
    found = []
    for path in stores.values():
        with RDMStore(path) as store:
            found.append(store.trials["image"].to_numpy())
    return np.unique(np.concatenate(found))


def subject_ceilings(*, subject, others, rois, stores, device="auto"):
    """One subject's part of the noise ceilings, and its split half.

    Returns
    -------
    DataFrame
        roi, subject, ceiling_lower, ceiling_upper, split_half, split_half_corrected, reason.

    Raises
    ------
    FileNotFoundError, ValueError
        A store is missing or unreadable; fewer than 4 trials with a partner in all others. (A parcel that cannot be computed is a
        row without numbers, and with a reason.)
    """
    from convergence.analysis.reliability import ceiling_of_products

    with StoreSource(stores[subject]) as mine:
        sources = [StoreSource(stores[other]) for other in others]
        try:
            table = subject_group.common_with_all(mine, sources, SHIFT)
            units, reasons = stack(mine, rois, table["subject_index"].to_numpy(), device)
            mean_of_r, length, more = subject_group.products_with_group(units, sources, table, rois, "diagonal", device)
        finally:
            for source in sources:
                source.__exit__()
        lower, upper = ceiling_of_products(mean_of_r * len(others), (length * len(others)) ** 2)
        halves, why = _split_halves(mine.store, rois, mine.repetitions)
    reason = ["; ".join(dict.fromkeys(filter(None, (f"subject_{subject}: {own}" if own else "", other, half))))
              for own, other, half in zip(reasons, more, why)]
    return pandas.DataFrame({"roi": rois, "subject": subject, "ceiling_lower": lower, "ceiling_upper": upper,
                             "split_half": halves[:, 0],
                             "split_half_corrected": halves[:, 1], "reason": reason})


def pair_subsets(*, subject_i, subject_j, rois, draws, size, seed, n_images, stores, device="auto"):
    """r of an ordered pair of subjects on random subsets of the shared images, the same subsets for all pairs.

    Parameters
    ----------
    subject_i, subject_j : int
    rois : list of int
    draws, size, seed : int
        How many subsets, of how many of the `n_images` images that the stores have together; a pair has those of them that both
        saw.
    stores : dict of path by subject
    device : str

    Returns
    -------
    DataFrame
        Columns of reliability_subsets; no rows of parcels that cannot be computed in one of the two.
    """
    from convergence.analysis.bootstrap import resampled_rsa

    everything = shared_images(stores)
    drawn = subsets(len(everything), size, draws, seed)
    found = np.full((len(rois), draws), np.nan, np.float32)
    with RDMStore(stores[subject_i]) as i, RDMStore(stores[subject_j]) as j:
        rows_i, rows_j = common_rows(i, j, SHIFT)
        images = i.trials["image"].to_numpy()[rows_i]
        mine, theirs = (dict(zip(store.rois.tolist(), store.reasons)) for store in (i, j))
        counts = drawn[:, np.isin(everything, images)]
        good = np.flatnonzero([not (mine[roi] or theirs[roi]) for roi in rois])
        for some in np.array_split(good, math.ceil(len(good) * len(rows_i) ** 2 / 2 / _BLOCK)) if len(good) else []:
            a, b = (_selected(store, [rois[k] for k in some], rows) for store, rows in ((i, rows_i), (j, rows_j)))
            found[some] = resampled_rsa(a, b, counts, images=images, paired=True, device=device).T
    trials = counts @ np.unique(images, return_counts=True)[1]
    frame = pandas.DataFrame({"roi": np.repeat(rois, draws), "subset": np.tile(np.arange(draws), len(rois)),
                              "subset_size": np.tile(trials, len(rois)),
                              "similarity": found.ravel(), "subject_i": subject_i, "subject_j": subject_j})
    return conform(frame.dropna(subset="similarity"), SUBSETS)


def subsets(n_images, size, draws, seed):
    """(draws, n_images) array of 0 and 1, `size` ones in every row."""
    order = np.random.default_rng(seed).random((draws, n_images)).argsort(axis=1)
    chosen = np.zeros((draws, n_images), int)
    np.put_along_axis(chosen, order[:, :size], 1, axis=1)
    return chosen


def reliability_tables(pairs, ceilings, names, subsets=None, *, least, reference=False):
    """The tables of a group, from the parts of its subjects.

    Parameters
    ----------
    pairs : DataFrame
        Table rsa_subject_subject_alignment at shift 1, full or diagonal, pairs of a subject with itself included.
    ceilings : DataFrame
        Tables of `subject_ceilings`, one below the other.
    names : dict
        Names of parcels by number.
    subsets : sequence of paths, optional
        Parts of reliability_subsets.
    least : float
        Reliability below which there are no ratios.
    reference : bool
        Arithmetic means of r, as published; else by Fisher's z.

    Returns
    -------
    dict of DataFrame
        reliability, reliability_subjects, and for full tables reliability_connectivity.
    """
    from convergence.analysis.aggregate import same_parcel
    from convergence.analysis.reliability import disattenuate

    diagonal = same_parcel(pairs)
    diagonal = diagonal[diagonal["roi"].isin(ceilings["roi"])]
    own = diagonal["subject_i"] == diagonal["subject_j"]
    within = diagonal[own].set_index(["subject_i", "roi"])["similarity"].astype(float)
    between = diagonal[~own].rename(columns={"subject_i": "subject"})
    both = [within.reindex(pandas.MultiIndex.from_frame(between[[side, "roi"]])).to_numpy() for side in ("subject", "subject_j")]
    between = between.assign(ratio=disattenuate(between["similarity"], *both, least=least)[0])
    subject = ["subject", "roi"]
    of_subject = ceilings.set_index(subject).assign(
        within_subject=within.rename_axis(subject), intersubject=_means(between, subject, "similarity", reference),
        intersubject_ratio=between.groupby(subject)["ratio"].mean()).reset_index()
    of_subject["reason"] = _reasons(of_subject, least)
    tables = {CEILINGS: conform(of_subject, CEILINGS), GROUP: _group(of_subject, between, names, subsets, least, reference)}
    if "roi_x" in pairs:
        tables[NETWORK] = _network(pairs, ceilings["roi"].unique(), least)
    return tables


def model_ratios(layers, of_subject, *, least):
    """Similarity with models beside its ratio to the reliability of the parcel: r / sqrt(within_subject).

    Parameters
    ----------
    layers : DataFrame
        Table rsa_subject_model_alignment_shared: one RDM over all trials of shared images, as within_subject is of.
    of_subject : DataFrame
        Table reliability_subjects.
    least : float

    Returns
    -------
    DataFrame
        Columns of reliability_models.
    """
    from convergence.analysis.reliability import disattenuate

    known = of_subject.set_index(["subject", "roi"])["within_subject"]
    reliability = known.reindex(pandas.MultiIndex.from_frame(layers[["subject", "roi"]])).to_numpy()
    ratio, reason = disattenuate(layers["similarity"].to_numpy(), reliability, least=least)
    columns = {"within_subject": reliability, "ratio": ratio, "reason": reason}
    return conform(layers[["subject", "roi", "model", "layer", "similarity"]].assign(**columns), MODELS)


def _group(of_subject, between, names, subsets, least, reference):
    bounds = ["ceiling_lower", "ceiling_upper", "within_subject", "split_half", "split_half_corrected"]
    frame = pandas.DataFrame({name: _means(of_subject, ["roi"], name, reference) for name in bounds})
    frame["intersubject"] = _means(between, ["roi"], "similarity", reference)
    ratios = between.groupby("roi")["ratio"]
    frame["intersubject_ratio"], frame["n_ratios"] = ratios.mean(), ratios.count()
    frame["n_subjects"] = of_subject.groupby("roi")["ceiling_lower"].count()
    nothing = pandas.DataFrame(np.nan, frame.index, ["subset_mean", "subset_sd", "relative_error", "snr"])
    frame = frame.join(_subset_summary(subsets) if subsets else nothing)
    frame = frame.reindex(of_subject["roi"].unique()).rename_axis("roi").reset_index().fillna({"n_subjects": 0, "n_ratios": 0})
    empty = ["" if n else f"no ratio: reliability of {'no pair' if w == w else 'nobody'} is {least:g} or more"
             for n, w in zip(frame["n_ratios"], frame["within_subject"])]
    pairs = between.groupby("roi")["similarity"].agg(["count", "size"]).reindex(frame["roi"]).fillna(0).to_numpy(int)
    fewer = [f"intersubject is of {count} of {size} pairs of subjects" if 0 < count < size else "" for count, size in pairs]
    frame["reason"] = ["; ".join(filter(None, both)) for both in zip(empty, fewer)]
    return conform(frame.assign(name=frame["roi"].map(names)), GROUP)


def _subset_summary(parts):
    """subset_mean, subset_sd, relative_error, snr by roi, of the mean over pairs in each subset."""
    from convergence.analysis.reliability import subset_summary

    total = count = None
    for part in parts:
        table = read_table(part, ["roi", "subset", "similarity"]).set_index(["roi", "subset"])["similarity"].astype(float)
        ones = pandas.Series(1, table.index)
        total, count = (table, ones) if total is None else (total.add(table, fill_value=0), count.add(ones, fill_value=0))
    means = (total / count).unstack("subset")
    found = subset_summary(means.to_numpy(), axis=1)
    return pandas.DataFrame({{"mean": "subset_mean", "sd": "subset_sd"}.get(name, name): values
                             for name, values in found.items()}, index=means.index)


def _network(pairs, rois, least):
    """Connectivity within subjects beside its disattenuated form, with reasons."""
    from convergence.analysis.connectivity import connectivity_matrix
    from convergence.analysis.reliability import disattenuate

    matrix = connectivity_matrix(pairs[pairs["roi_x"].isin(rois) & pairs["roi_y"].isin(rois)], subjects="within")
    diagonal, known = np.diag(matrix.to_numpy()), matrix.index.to_numpy()
    ratio, reason = disattenuate(matrix, diagonal[:, None], np.broadcast_to(diagonal, matrix.shape), least=least)
    return conform(pandas.DataFrame({"roi_x": np.repeat(known, len(known)), "roi_y": np.tile(known, len(known)),
                                     "similarity": matrix.to_numpy().ravel(),
                                     "ratio": ratio.ravel(), "reason": reason.ravel()}), NETWORK)


def _means(table, keys, column, reference):
    from convergence.analysis.bootstrap import fisher_mean

    return table.dropna(subset=column).groupby(keys)[column].agg("mean" if reference else lambda r: float(fisher_mean(r)))


def _reasons(table, least):
    low = [f"within_subject {within:.3f} is below {least:g}, so that there is no ratio" if within < least else ""
           for within in table["within_subject"]]
    return ["; ".join(filter(None, both)) for both in zip(table["reason"], low)]


def _selected(store, rois, rows):
    from convergence.analysis.rdm import select_stimuli
    return select_stimuli(store.rdms(rois), rows)


def _split_halves(store, rois, repetitions):
    """(n_rois, 2) of split_half, and reasons."""
    from convergence.analysis.rdm import select_stimuli
    from convergence.analysis.reliability import split_half

    found, reasons, known = np.full((len(rois), 2), np.nan), [], dict(zip(store.rois.tolist(), store.reasons))
    place = store.trials.reset_index().pivot(index="image", columns="repetition", values="index")
    place = place.reindex(columns=list(repetitions)).dropna()
    few = f"split_half: {len(place)} images have all {len(repetitions)} repetitions, at least 4 are needed" * (len(place) < 4)
    for k, roi in enumerate(rois):
        reasons.append(few)
        if not (few or known[roi]):
            try:
                rdm = store.rdms([roi])
                found[k] = split_half(np.concatenate([select_stimuli(rdm, place[code].to_numpy(int)) for code in repetitions]))
            except ValueError as error:                 # constant over the images of one repetition: the function says so
                reasons[-1] = str(error)
    return found, reasons
