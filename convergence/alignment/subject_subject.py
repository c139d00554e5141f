"""Do two brains represent the same images alike? RSA of the parcels of one subject with those of another, from their RDM stores.

    unit = pair_unit(1, 2, stores, table, shift=1)      # tasks.Unit: writes the part of the ordered pair (1, 2)
    pair_similarity(subject_i=1, ...)                   # its table: roi_x, roi_y, similarity, ..., reason
    common_rows(store_i, store_j, shift)                # which stimuli of two stores belong together (trials.py says how)

r(x, y) is the Pearson correlation of the RDM of parcel x of subject i with that of parcel y of subject j over the common trials
(arXiv 2507.13941). The pair of a subject with itself is its reliability at shift 1 and 2, and 1 at shift 0.

The same on parts of the images (partitions.py), with control RDMs taken out (controls.py), without some pairs of trials
(analysis/exclusion.py), by another measure of similarity, from other RDMs (recipe.py), and with limits of outliers from the rows
of each comparison alone (`dataset` instead of stores: sources.py).

Memory: the prepared RDMs of subject i, n_rois x n_pairs x 4 bytes (3.2 GB for 180 parcels and 3,000 trials), and blocks of
subject j. The first stay for the next pair where it needs the same rows (`Latest`): units are in the order of i.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas

from convergence.alignment import controls as control_rdms
from convergence.alignment.parts import parts_folder
from convergence.alignment.partitions import equal_rows
from convergence.alignment.recipe import Recipe
from convergence.alignment.sources import Latest, ResponsesSource, StoreSource, blocks, stack
from convergence.alignment.trials import common_trials
from convergence.storage.tables import conform, file_of

# How the published file names say shift and hemispheres; not regular.
VARIANTS = {(0, "joined"): "joined_0", (1, "joined"): "shift_1_joined", (2, "joined"): "shift_2_joined",
            (0, "separated"): "separated_0", (1, "separated"): "shift_1_separated", (2, "separated"): "separated_2"}
TABLE = "rsa_subject_subject_alignment"
_DEFAULTS = {"method": "pearson", "exclude": (), "partitions": (), "equal": True, "seed": 0, "controls": (),
             "distance": "euclidean", "reference": False}


def table_path(derivatives, dataset, *, shift, hemispheres="joined", form="full", method="pearson", exclude=(), partitions=(),
               controls=(), recipe=Recipe()):
    """Where the table of all pairs is, under its published name; what the paper has not is told at the name's end."""
    variant, last = VARIANTS[shift, hemispheres], recipe.suffix + "".join(f"_without-{rule}" for rule in exclude)
    if form == "diagonal":
        last += "_diagonal"
    if method != "pearson" and not (controls or partitions):
        variant, method = f"{hemispheres}_{shift}_{method}", "pearson"
    last = (f"_{method}" if method != "pearson" else "") + last
    if controls:
        return Path(derivatives) / file_of(f"{TABLE}_controled", dataset=dataset, variant=f"{hemispheres}_{shift}{last}")
    if partitions:
        return Path(derivatives) / file_of(f"{TABLE}_partitions", dataset=dataset, variant=variant, more=last)
    return Path(derivatives) / file_of(TABLE, dataset=dataset, variant=variant + last)


def pair_unit(i, j, stores, table, *, shift, form="full", hemispheres="joined", rois=None, device="auto", latest=None,
              dataset=None, images=None, known=None, files=(), **more):
    """The unit of work of an ordered pair of subjects.

    Parameters
    ----------
    i, j : int
    stores : dict of path by subject
        None with `dataset`.
    table : path
        The table that the part will be merged into.
    shift : int
    form : {"full", "diagonal"}
        Every parcel with every parcel, or each with itself.
    hemispheres : {"joined", "separated"}
        What the stores hold.
    rois : list of int, optional
        Parcel numbers (default: all in the stores).
    device : str
    latest : Latest, optional
        Shared by the units of a process, saves preparing subject i again.
    dataset : Dataset, optional
        Compute RDMs from its responses, over the rows of the pair.
    images, known : dict, optional
        Images by partition (partitions.partition_images), controls (controls.read_controls).
    files : sequence of path
        What decides these.
    **more
        method, exclude, partitions, equal, seed, controls, distance, reference: see `pair_similarity`.
    """
    from convergence.tasks import Unit

    stated = {name: list(value) if isinstance(value, tuple) else value for name, value in more.items()
              if value != _DEFAULTS[name]}
    if dataset is None:
        places, inputs = {"store_i": stores[i], "store_j": stores[j]}, (stores[i], stores[j])
    else:
        places, inputs = {"dataset": dataset}, (*dataset.response_files(i), *dataset.response_files(j))
    places |= {name: value for name, value in (("images", images), ("known", known)) if value}
    return Unit(f"subjects {i} and {j}", parts_folder(table, rois) / f"subject-{i:02d}_subject-{j:02d}.parquet", pair_similarity,
                options={"subject_i": i, "subject_j": j, "shift": shift, "form": form, "hemispheres": hemispheres, "rois": rois,
                         **stated},
                places={**places, "device": device, "latest": latest}, inputs=tuple(dict.fromkeys([*inputs, *files])))


def pair_similarity(*, subject_i, subject_j, shift, form, hemispheres, rois, store_i=None, store_j=None, dataset=None,
                    device="auto", latest=None, method="pearson", exclude=(), partitions=(), equal=True, seed=0, images=None,
                    controls=(), known=None, distance="euclidean", reference=False):
    """Table of one ordered pair: columns of rsa_subject_subject_alignment, of its diagonal form, with subset, or with control.

    Arguments are those of `pair_unit`, with the paths of the two stores, or the dataset; also

    method : {"pearson", "spearman", "rho_a", "cosine"}
    exclude : sequence of str
        Rules of analysis.exclusion: a pair of trials counts where it counts in both subjects.
    partitions : sequence of str
        Names of the parts of the images; `images` holds them. `equal`, `seed`: as many trials of each (partitions.equal_rows).
    controls : sequence of str
        Names of the control RDMs; `known` holds them. `distance` is theirs.
    reference : bool
        Stated only: limits of outliers, and the trials of partitions, are as published.

    Raises
    ------
    FileNotFoundError, ValueError
        A store is missing or unreadable, or lacks a parcel; fewer than 4 common trials. (A parcel that cannot be computed is a
        row without similarity, and with a reason.)
    """
    with (_source(store_i, dataset, subject_i, hemispheres, device) as mine,
          _source(store_j, dataset, subject_j, hemispheres, device) as theirs):
        table = common_table(mine, theirs, shift)
        subsets = equal_rows(table["image"], images, equal=equal, seed=seed) if partitions else {None: np.arange(len(table))}
        frames = []
        for subset, rows in subsets.items():
            _enough(subject_i, subject_j, shift, subset, rows, mine, theirs)
            compared = Comparison(mine, theirs, table.iloc[rows].reset_index(drop=True), method, exclude, known or {}, device,
                                  latest)
            for frame in compared.frames(mine.rois if rois is None else rois, form):
                frames.append(frame if subset is None else frame.assign(subset=subset))
    frame = pandas.concat(frames).assign(subject_i=subject_i, subject_j=subject_j, join_hemispheres=hemispheres == "joined",
                                         rep_shift=str(shift))
    schema = TABLE + ("_partitions" if partitions else "_controled" if controls else "_diagonal" if form == "diagonal" else "")
    return conform(frame, schema)


class Comparison:
    """All parcels of two sources over the rows of one table of paired trials."""

    def __init__(self, mine, theirs, table, method, exclude, controls, device, latest):
        controls = control_rdms.without_subjects(controls, mine.subject, theirs.subject)
        available = control_rdms.images_of(controls)
        if available is not None:
            table = table[table["image"].isin(available)].reset_index(drop=True)
            if len(table) < 4:
                raise ValueError(f"subjects {mine.subject} and {theirs.subject} have {len(table)} common trials of images that "
                                 f"the controls {', '.join(controls)} have; at least 4 are needed")
        self.mine, self.theirs, self.table, self.device = mine, theirs, table, device
        self.method, self.controls = method, controls
        self.kept, self.latest = _kept(exclude, table), latest or Latest()
        self.n_pairs = len(table) * (len(table) - 1) // 2 if self.kept is None else int(self.kept.sum())

    def frames(self, rois, form):
        """Yield tables of roi_x, roi_y (or roi), similarity, reason, n_pairs; with controls, one for each choice of them, which
        it names."""
        how, rows = {"method": self.method, "kept": self.kept}, self.table["subject_index_i"].to_numpy()
        digest = None if self.kept is None else hashlib.blake2b(np.packbits(self.kept).tobytes()).digest()
        key = (*self.mine.identity, tuple(rois), rows.tobytes(), self.method, digest, self.device)
        units, reasons_x = self.latest(key, lambda: stack(self.mine, rois, rows, self.device, **how))
        controls, numbers = (control_rdms.stacked(self.controls, self.table, self.kept, method=self.method, device=self.device)
                             if self.controls else (None, []))
        found, reasons_y = self._compare(units, rois, form, controls)
        sides = zip(reasons_x, reasons_y) if form == "diagonal" else ((x, y) for x in reasons_x for y in reasons_y)
        reasons = [_both(x, y) for x, y in sides]
        for name, distance, which in control_rdms.choices(self.controls) if self.controls else [(None, "", ())]:
            r, lost = found.partial(sorted({k for n in which for k in numbers[n]}))
            why = [reason or more for reason, more in zip(reasons, lost)]
            frame = pandas.DataFrame({**_parcels(rois, form), "similarity": r.ravel(), "reason": why, "n_pairs": self.n_pairs})
            yield frame if name is None else frame.assign(control=name, distance=distance)

    def _compare(self, units, rois, form, controls):
        """Products of prepared RDMs with the other source's and with the controls', and the other source's reasons."""
        from convergence.analysis.similarity import rsa_of_units

        ab, bc, reasons, paired = [], [], [], form == "diagonal"
        rows = self.table["subject_index_j"].to_numpy()
        for start, others, more in blocks(self.theirs, rois, rows, self.device, method=self.method, kept=self.kept):
            mine = units[start:start + len(others)] if paired else units
            ab.append(rsa_of_units(mine, others, paired=paired).cpu().numpy())
            reasons += more
            if controls is not None:
                bc.append(rsa_of_units(others, controls).cpu().numpy())
        ab = np.concatenate(ab, axis=-1)
        if controls is None:
            return Products(ab), reasons
        on_a, on_c = (rsa_of_units(x, controls).cpu().numpy() for x in (units, controls))
        return Products(ab, on_a, np.concatenate(bc), on_c), reasons


class Products:
    """Products of prepared RDMs with each other and with the controls': what every choice of controls is computed from."""

    def __init__(self, ab, ac=None, bc=None, cc=None):
        self.ab, self.ac, self.bc, self.cc = ab, ac, bc, cc

    def partial(self, chosen, sides=("subject_i", "subject_j")):
        """Similarity with these controls taken out; and, per similarity, '' or which side the controls explain wholly."""
        if not chosen:
            return self.ab, [""] * self.ab.size
        from convergence.analysis import partial

        one = [np.ones(len(x)) for x in (self.ac, self.bc)]
        sums = (x.astype(np.float64) for x in (self.ab, *one, self.ac, self.bc, self.cc))
        r, *lost = partial.partial_of(partial.Products(*sums, self.ab.ndim == 1), chosen)
        words = [[f"{side}: the controls explain it wholly" * bool(x) for x in some] for side, some in zip(sides, lost)]
        pairs = zip(*words) if self.ab.ndim == 1 else ((x, y) for x in words[0] for y in words[1])
        return r, ["; ".join(filter(None, pair)) for pair in pairs]


def common_table(mine, theirs, shift):
    """The trials that two sources share: the table of trials.common_trials."""
    if (mine.by_image or theirs.by_image) and shift:
        raise ValueError(f"shift: stimuli of these RDMs are images, whose repetitions are pooled, so that they cannot be shifted "
                         f"by {shift}; use --shift 0")
    trials = [mine.trials] if mine.subject == theirs.subject else [mine.trials, theirs.trials]
    return common_trials(pandas.concat(trials), mine.subject, theirs.subject, shift, repetitions=mine.repetitions)


def common_rows(store_i, store_j, shift):
    """Which stimuli of two opened stores (RDMStore) belong together.

    Returns
    -------
    rows_i, rows_j : (n,) int arrays
        Stimuli of the first and of the second store, in the first subject's order of presentation.

    Raises
    ------
    ValueError
        There are fewer than 4, or the shift is impossible.
    """
    with StoreSource(store_i.path) as mine, StoreSource(store_j.path) as theirs:
        pairs = common_table(mine, theirs, shift)
        _enough(mine.subject, theirs.subject, shift, None, pairs, mine, theirs)
        return mine.places(pairs["subject_index_i"]), theirs.places(pairs["subject_index_j"])


def _source(store, dataset, subject, hemispheres, device):
    return StoreSource(store) if dataset is None else ResponsesSource(dataset, subject, hemispheres, device=device)


def _enough(i, j, shift, subset, rows, mine, theirs):
    if len(rows) < 4:
        images = len(set.intersection(*(set(side.trials.loc[side.trials["shared"], "image"]) for side in (mine, theirs))))
        of = f" of partition {subset}" if subset is not None else ""
        raise ValueError(f"subjects {i} and {j} have {len(rows)} common trials{of} at shift {shift} ({images} images that both "
                         "saw), at least 4 are needed; get more of their sessions, or leave one of them out with --subjects")


def _kept(rules, table):
    """Pairs of rows that count in both subjects, or None: all."""
    from convergence.analysis.exclusion import kept_pairs

    if not rules:
        return None
    columns = {"image": "image", "session": "session_{}", "run": "run_{}", "position": "subject_index_{}"}
    sides = [{name: table[column.format(side)] for name, column in columns.items() if column.format(side) in table}
             for side in "ij"]
    kept = kept_pairs(rules, sides[0]) & kept_pairs(rules, sides[1])
    if kept.sum() < 4:
        raise ValueError(f"exclude-pairs: {', '.join(rules)} leave {kept.sum()} of {len(kept)} pairs of trials in two subjects; "
                         "at least 4 are needed")
    return kept


def _parcels(rois, form):
    return {"roi": rois} if form == "diagonal" else {"roi_x": np.repeat(rois, len(rois)), "roi_y": np.tile(rois, len(rois))}


def _both(x, y):
    return "; ".join(f"subject_{which}: {reason}" for which, reason in (("i", x), ("j", y)) if reason)
