"""What the alignment of two subjects would be if images meant nothing: the null of r(i, j) and r(j, i) together, parcel by parcel.

    units = pair_units(stores, table, null="closed-form", shift=1)      # tasks.Unit for every two subjects
    moments = mean_moments(outputs)                                     # of the mean over all ordered pairs: roi, mean, variance, skewness

Images are relabelled, their repetitions stay together; every subject has a relabelling of its own, so that a pair sees the quotient of two. r(i, j) and
r(j, i), two numbers of the same two subjects, therefore share a relabelling, and different pairs are uncorrelated (analysis/group_null.py). Subjects with
the same trials draw one relabelling each; a pair whose trials differ (missing sessions) draws its own, and its images change places only with images
that have as many rows in both directions.

Closed form (default): exact mean and variance of the mean over pairs; its skewness where all images have equally many rows in every pair, as the sum of the
pairs' third moments, which is that of a relabelling per pair. Sampled: `permutations` values per pair, (n_permutations, n_rois).
Memory: the RDMs of some parcels of two subjects. Time: closed form about a second per parcel and pair at 3,000 trials on a CPU core.
"""

from itertools import combinations

import numpy as np
import pandas

from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import prepare
from convergence.alignment.subject_subject import common_rows
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import read_table

_BLOCK = 2**25                                  # numbers of a block of RDMs: 128 MiB


def pair_units(stores, table, *, null, shift, rois, permutations=None, seed=None, device="auto"):
    """The units of work of every two subjects.

    Parameters
    ----------
    stores : dict of path by subject
        RDM stores (`alignment.choice.check_stores`).
    table : path
        The table of p-values, beside which the parts lie.
    null : {"closed-form", "sampled"}
    shift : int
        Of the repetitions of the two subjects.
    rois : list of int
    permutations, seed : int
        For the sampled null.
    device : str
    """
    from convergence.tasks import Unit

    pairs = list(combinations(sorted(stores), 2))
    strata = {pair: _strata_of_stores(*(stores[k] for k in pair), shift) for pair in pairs}
    common = {"shift": shift, "rois": rois}
    if null == "closed-form":
        common["skewness"] = all(len(found) == 1 for found in strata.values())
    else:
        common |= {"permutations": permutations, "seed": seed}
    function, suffix = (pair_moments, "moments.parquet") if null == "closed-form" else (pair_samples, "samples.npy")
    return [Unit(f"subjects {i} and {j}", parts_folder(table) / f"subject-{i:02d}_subject-{j:02d}_{suffix}", function,
                 options={"subject_i": i, "subject_j": j, **common}, places={"store_i": stores[i], "store_j": stores[j], "device": device},
                 inputs=(stores[i], stores[j])) for i, j in pairs]


def pair_moments(*, subject_i, subject_j, shift, rois, skewness, store_i, store_j, device="auto"):
    """Moments of (r(i, j) + r(j, i)) / 2 under relabelling of images.

    Returns
    -------
    DataFrame
        roi, mean, variance, skewness; NaN where a parcel cannot be computed in one of the subjects.
    """
    from convergence.analysis.group_null import joint_moments

    found = np.full((3, len(rois)), np.nan)
    with _Pair(store_i, store_j, shift) as pair:
        for places, a, b in pair.prepared(rois, device):
            found[:, places] = [value.cpu().numpy() for value in joint_moments(a, b, pair.images, skewness=skewness)]
    return pandas.DataFrame({"roi": rois, "mean": found[0], "variance": found[1], "skewness": found[2]})


def pair_samples(*, subject_i, subject_j, shift, rois, permutations, seed, store_i, store_j, device="auto"):
    """(r(i, j) + r(j, i)) / 2 for sampled relabellings of images: (permutations, n_rois) float32, NaN where a parcel cannot be computed.

    Subjects with the same trials are relabelled by what `seed` and their number draw, others by what `seed` and both numbers draw.
    """
    from convergence.analysis.null import permutation_null
    from convergence.analysis.relabelling import draw_images, image_strata, rows_of

    found = np.full((permutations, len(rois)), np.nan, np.float32)
    with _Pair(store_i, store_j, shift) as pair:
        strata = image_strata(*pair.images, function=pair.name)
        draw = lambda *number: np.concatenate(list(draw_images(strata, permutations, (seed, *number))))
        images = _quotient(draw(subject_i), draw(subject_j)) if pair.same_trials else draw(subject_i, subject_j)
        relabellings = [rows_of(images, strata, table) for table in (0, 1)]
        for places, a, b in pair.prepared(rois, device):
            both = [permutation_null(x, y, relabellings=rows, paired=True) for x, y, rows in zip(a, b, relabellings)]
            found[:, places] = ((both[0] + both[1]) / 2).cpu().numpy()
    return found


def mean_moments(parts):
    """Moments of the mean over all ordered pairs, from the tables of the pairs: a DataFrame roi, mean, variance, skewness."""
    from convergence.analysis.group_null import mean_of_uncorrelated
    from convergence.analysis.null import MantelMoments

    tables = [read_table(part) for part in parts]
    moments = mean_of_uncorrelated(MantelMoments(*(np.stack([table[name] for table in tables]) for name in ("mean", "variance", "skewness"))))
    return pandas.DataFrame({"roi": tables[0]["roi"], **moments._asdict()})


def mean_samples(*, parts):
    """Mean of the arrays of the pairs, (n_permutations, n_rois), one in memory at a time."""
    return sum(np.load(part).astype(np.float64) for part in parts) / len(parts)


class _Pair:
    """Two opened stores and the trials that their RDMs have in common: two tables, (i, j) and (j, i); in each, i's RDM comes first."""

    def __init__(self, store_i, store_j, shift):
        self.stores = i, j = RDMStore(store_i), RDMStore(store_j)
        self.rows = [common_rows(i, j, shift), common_rows(j, i, shift)[::-1]]
        self.images = [i.trials["image"].to_numpy()[rows] for rows, _ in self.rows]
        self.name = f"subjects {i.attributes['subject']} and {j.attributes['subject']}"
        self.same_trials = len({frozenset(zip(store.trials["image"], store.trials["repetition"])) for store in self.stores}) == 1

    def prepared(self, rois, device):
        """Yield (places in rois, [i's RDMs in either table], [j's]) of the parcels that can be computed, some at a time."""
        from convergence.analysis.rdm import select_stimuli

        at_once = max(1, _BLOCK // max(len(store.trials) ** 2 // 2 for store in self.stores))
        for start in range(0, len(rois), at_once):
            block = rois[start:start + at_once]
            units, good = [], np.ones(len(block), bool)
            for which, store in enumerate(self.stores):
                known = dict(zip(store.rois.tolist(), store.reasons))
                rdms = store.rdms(block)
                for rows in self.rows:
                    some, reasons = prepare(select_stimuli(rdms, rows[which]), [known[roi] for roi in block], device)
                    units.append(some)
                    good &= np.array([not reason for reason in reasons])
            if good.any():
                i_first, i_second, j_first, j_second = (some[good.nonzero()[0]] for some in units)
                yield start + good.nonzero()[0], [i_first, i_second], [j_first, j_second]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for store in self.stores:
            store.close()


def _strata_of_stores(store_i, store_j, shift):
    from convergence.analysis.relabelling import image_strata

    with _Pair(store_i, store_j, shift) as pair:
        return image_strata(*pair.images, function=pair.name)


def _quotient(first, second):
    """What a pair sees of two subjects' relabellings: r of a[first] and b[second] is r of a and b[quotient]."""
    return np.take_along_axis(second, np.argsort(first, axis=1), axis=1)
