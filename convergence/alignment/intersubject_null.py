"""What the alignment of subjects would be if images meant nothing: the null of r(i, j) and r(j, i) together, by parcel.

    units = pair_units(stores, table, shift=1, rois=rois)               # closed form: tasks.Unit for every two subjects
    moments = mean_moments(outputs)                                     # of the mean over all ordered pairs: roi, mean, ...
    units = sample_units(stores, table, shift=1, rois=rois, permutations=10_000, seed=0)    # sampled: some parcels, all pairs
    null = joined_samples(parts=outputs)                                # (permutations, n_rois) float32

Images are relabelled, their repetitions stay together (`within_sessions`: and take the places of images of the same sessions);
every subject has a relabelling of its own, so that a pair sees the quotient of two. r(i, j) and r(j, i), two numbers of the same
two subjects, therefore share a relabelling, and different pairs are uncorrelated (analysis/group_null.py). Subjects with the same
trials draw one relabelling each; a pair whose trials differ (missing sessions) draws its own, and its images change places only
with images that have as many rows in both directions. Pairs of trials can be left out (`exclude`), control RDMs taken out
(`known`), in what is observed and under every relabelling alike. `published`: single trials, one list of permutations for all.

Only means over pairs are written: 10,000 relabellings of 180 parcels are 7 MB. Memory: the RDMs of some parcels of two subjects,
and 1,000 relabellings. Time: closed form about a second per parcel and pair at 3,000 trials on a CPU core.
"""

from functools import cached_property
from itertools import combinations

import numpy as np
import pandas

from convergence.alignment import controls as control_rdms
from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import prepare
from convergence.alignment.sources import StoreSource
from convergence.alignment.subject_subject import Comparison, common_rows, common_table
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import read_table

_BLOCK = 2**25                                  # numbers of a block of RDMs: 128 MiB
_PARCELS = 10                                   # of a unit of samples
_TOGETHER = 1000                                # relabellings that are held


def pair_units(stores, table, *, shift, rois, device="auto", exclude=(), known=None, files=(), within_sessions=False):
    """The units of work of every two subjects: closed-form moments.

    Parameters
    ----------
    stores : dict of path by subject
        RDM stores (`alignment.choice.check_stores`).
    table : path
        The table of p-values, beside which the parts lie.
    shift : int
        Of the repetitions of the two subjects.
    rois : list of int
    device : str
    exclude : sequence of str
        Rules of analysis.exclusion that relabelling images does not change.
    known : dict of Control, optional
        Controls that are taken out (controls.read_controls); `files` decide them.
    within_sessions : bool
    """
    from convergence.tasks import Unit

    pairs, how = list(combinations(sorted(stores), 2)), _stated(exclude, known, within_sessions)
    places = {"device": device, **({"known": known} if known else {})}
    simple = all(_n_strata(stores[i], stores[j], shift, exclude, known, within_sessions) == 1 for i, j in pairs)
    return [Unit(f"subjects {i} and {j}", parts_folder(table) / f"subject-{i:02d}_subject-{j:02d}_moments.parquet",
                 pair_moments, inputs=(stores[i], stores[j], *files),
                 options={"subject_i": i, "subject_j": j, "shift": shift, "rois": rois, "skewness": simple, **how},
                 places={"store_i": stores[i], "store_j": stores[j], **places}) for i, j in pairs]


def sample_units(stores, table, *, shift, rois, permutations, seed, device="auto", exclude=(), known=None, files=(),
                 within_sessions=False, published=None):
    """The units of work of some parcels each, all pairs of subjects: sampled nulls of the mean over ordered pairs.

    Parameters
    ----------
    permutations, seed : int
    published : int, optional
        Relabel single trials as published, by one list of permutations of so many trials.
    others
        As of `pair_units`.
    """
    from convergence.tasks import Unit

    for i, j in combinations(sorted(stores), 2):
        if not published:                       # one clear error now, instead of one per unit
            _n_strata(stores[i], stores[j], shift, exclude, known, within_sessions)
    options = {"shift": shift, "subjects": sorted(stores), "permutations": permutations, "seed": seed,
               **_stated(exclude, known, within_sessions), **({"published": published} if published else {})}
    places = {"stores": stores, "device": device, **({"known": known} if known else {})}
    blocks = [rois[start:start + _PARCELS] for start in range(0, len(rois), _PARCELS)]
    return [Unit(f"parcels {some[0]} to {some[-1]}", parts_folder(table) / f"parcels-{some[0]:03d}-{some[-1]:03d}_samples.npy",
                 mean_samples, options={"rois": some, **options}, places=places, inputs=(*stores.values(), *files))
            for some in blocks]


def most_trials(stores):
    """Length of the published list of permutations: the most trials that a store has."""
    return max(_n_trials(path) for path in stores.values())


def pair_moments(*, subject_i, subject_j, shift, rois, skewness, store_i, store_j, device="auto", **how):
    """Moments of (r(i, j) + r(j, i)) / 2 under relabelling of images.

    Returns
    -------
    DataFrame
        roi, mean, variance, skewness, sample (analysis.null.better_sampled); NaN where a parcel cannot be computed in one of the
        subjects.
    """
    from convergence.analysis.group_null import joint_moments
    from convergence.analysis.null import better_sampled

    found, sample = np.full((3, len(rois)), np.nan), np.zeros(len(rois), bool)
    with _Pair(store_i, store_j, shift, device=device, **how) as pair:
        for places, a, b in pair.prepared(rois):
            moments = joint_moments(a, b, pair.images, within=pair.within, skewness=skewness)
            found[:, places] = [value.cpu().numpy() for value in moments]
            within = None if pair.within is None else pair.within[0]
            sample[places] = better_sampled(a[0], b[0], paired=True, blocks=pair.images[0], within=within).cpu().numpy()
    return pandas.DataFrame({"roi": rois, **dict(zip(("mean", "variance", "skewness"), found)), "sample": sample})


def mean_samples(*, subjects, shift, rois, permutations, seed, stores, device="auto", published=None, **how):
    """Mean r over ordered pairs for sampled relabellings: (permutations, n_rois) float32; NaN: a parcel cannot be computed.

    Subjects with the same trials are relabelled by what `seed` and their number draw, others by what `seed` and both numbers
    draw.
    """
    pairs = list(combinations(subjects, 2))
    total = np.zeros((permutations, len(rois)))
    for i, j in pairs:
        there = np.zeros(len(rois), bool)
        with _Pair(stores[i], stores[j], shift, device=device, **how) as pair:
            for places, a, b in pair.prepared(rois):
                start = 0
                for rows in pair.relabellings(permutations, seed, published):
                    both = sum(pair.null(table, a[table], b[table], rows[table]) for table in (0, 1)) / 2
                    total[start:start + len(both), places] += both / len(pairs)
                    start += len(both)
                there[places] = True
        total[:, ~there] = np.nan
    return total.astype(np.float32)


def mean_moments(parts):
    """Of the mean over all ordered pairs, from the tables of the pairs: roi, mean, variance, skewness, sample (in most pairs)."""
    from convergence.analysis.group_null import mean_of_uncorrelated
    from convergence.analysis.null import MantelMoments

    tables = [read_table(part) for part in parts]
    stack = {name: np.stack([table[name] for table in tables]) for name in ("mean", "variance", "skewness", "sample")}
    moments = mean_of_uncorrelated(MantelMoments(*(stack[name] for name in MantelMoments._fields)))
    return pandas.DataFrame({"roi": tables[0]["roi"], **moments._asdict(), "sample": stack["sample"].mean(0) > 0.5})


def joined_samples(*, parts):
    """The arrays of all parcels side by side: (permutations, n_rois) float32."""
    return np.concatenate([np.load(part) for part in parts], axis=1)


class _Pair:
    """Two opened stores and the trials that they have in common: two tables, (i, j) and (j, i); in each, i's RDM comes first."""

    def __init__(self, store_i, store_j, shift, *, exclude=(), controls=(), known=None, within_sessions=False, device="auto"):
        self.sources = i, j = StoreSource(store_i), StoreSource(store_j)
        common_rows(i.store, j.store, shift)                    # says what is wrong where there are too few trials
        self.device, names = device, list("ij")
        self.name = f"subjects {i.subject} and {j.subject}"
        both = [Comparison(x, y, common_table(x, y, shift), "pearson", exclude, known or {}, device, None)
                for x, y in ((i, j), (j, i))]
        tables = [(one.table, sides) for one, sides in zip(both, (names, names[::-1]))]
        self.rows = [[table[f"subject_index_{side}"].to_numpy() for side in sides] for table, sides in tables]
        self.images = [one.table["image"].to_numpy() for one in both]
        self.kept = [one.kept for one in both]
        self.within = [_sessions_of_both(*one) for one in tables] if within_sessions else None
        self.known, self.tables = both[0].controls, [one.table for one in both]
        shown = [frozenset(zip(x.store.trials["image"], x.store.trials["repetition"])) for x in self.sources]
        self.same_trials = shown[0] == shown[1]

    @cached_property
    def controls(self):
        """RDMs of the controls over the rows of either table; None where there are none, or all are constant."""
        return [control_rdms.stacked(self.known, table, device=self.device)[0] if self.known else None for table in self.tables]

    def strata(self):
        from convergence.analysis.relabelling import image_strata
        return image_strata(*self.images, within=self.within, function=self.name)

    def prepared(self, rois):
        """Yield (places in rois, [i's RDMs in either table], [j's]) of the parcels that can be computed, some at a time."""
        masked = self.kept[0] is not None                       # whose samples take several square forms at a time, in float64
        at_once = max(1, _BLOCK // max(source.n_stimuli ** 2 // 2 for source in self.sources) // (4 if masked else 1))
        for start in range(0, len(rois), at_once):
            block = rois[start:start + at_once]
            units, good = [], np.ones(len(block), bool)
            for which, source in enumerate(self.sources):
                for table in (0, 1):
                    rdms = source.condensed(block, self.rows[table][which])
                    some, reasons = prepare(*rdms, self.device, kept=self.kept[table])
                    units.append(_in_place(some, self.kept[table]))
                    good &= np.array([not reason for reason in reasons])
            if good.any():
                places = good.nonzero()[0]
                i_first, i_second, j_first, j_second = (self._left(some[places], k % 2) for k, some in enumerate(units))
                yield start + places, [i_first, i_second], [j_first, j_second]

    def relabellings(self, permutations, seed, published=None):
        """Yield relabellings of the rows of both tables, [(k, n), (k, n)], some at a time: b[p[i], p[j]] for j's RDM b."""
        from convergence.analysis.relabelling import draw_images, draw_published, rows_of

        if published:                           # in the second table j's trials come first: i's RDM is the one that is relabelled
            lists = [draw_published(len(images), permutations, seed, published, _TOGETHER) for images in self.images]
            yield from ([first, np.argsort(second, axis=1)] for first, second in zip(*lists))
            return
        strata, (i, j) = self.strata(), (source.subject for source in self.sources)
        seeds = [(seed, i), (seed, j)] if self.same_trials else [(seed, i, j)]
        for drawn in zip(*(draw_images(strata, permutations, one, _TOGETHER) for one in seeds)):
            images = _quotient(*drawn) if self.same_trials else drawn[0]
            yield [rows_of(images, strata, table) for table in (0, 1)]

    def null(self, table, a, b, rows):
        """Similarities of a with relabelled b, (k, n_rois)."""
        from convergence.analysis.exclusion import masked_null
        from convergence.analysis.null import permutation_null
        from convergence.analysis.partial_null import partial_null

        if self.kept[table] is not None:
            return masked_null(a, b, self.kept[table], self.kept[table], rows)
        if self.controls[table] is not None:
            return partial_null(a, b, self.controls[table], paired=True, relabellings=rows).cpu().numpy()
        return permutation_null(a, b, paired=True, relabellings=rows).cpu().numpy()

    def _left(self, units, table):
        from convergence.analysis.partial_null import residuals
        return units if self.controls[table] is None else residuals(units, self.controls[table])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for source in self.sources:
            source.store.close()


def _n_strata(store_i, store_j, shift, exclude, known, within_sessions):
    with _Pair(store_i, store_j, shift, exclude=exclude, known=known, within_sessions=within_sessions, device="cpu") as pair:
        return len(pair.strata())


def _n_trials(path):
    with RDMStore(path) as store:
        return len(store.trials)


def _stated(exclude, known, within_sessions):
    """Options that are not the default, for the sidecars."""
    return {**({"exclude": list(exclude)} if exclude else {}), **({"within_sessions": True} if within_sessions else {}),
            **({"controls": {name: control.distance for name, control in known.items()}} if known else {})}


def _in_place(units, kept):
    """Prepared RDMs of the pairs that count as RDMs of all pairs, 0 at the others; a sum of products is the same."""
    if kept is None:
        return units
    import torch

    whole = units.new_zeros(len(units), len(kept))
    whole[:, torch.as_tensor(kept).to(units.device)] = units
    return whole


def _sessions_of_both(table, sides):
    """A number for each combination of the two subjects' sessions; the same number in either direction."""
    first, second = (table[f"session_{side}"].to_numpy().astype(np.int64) for side in sides)
    return first * 1000 + second


def _quotient(first, second):
    """What a pair sees of two subjects' relabellings: r of a[first] and b[second] is r of a and b[quotient]."""
    return np.take_along_axis(second, np.argsort(first, axis=1), axis=1)
