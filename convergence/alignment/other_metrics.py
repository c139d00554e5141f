"""Brains with brains and with networks by any metric (convergence.list_metrics), raw and calibrated.

    scoring = Scoring("mutual_knn", {"topk": 5}, permutations=100)
    unit = pair_unit(dataset, 1, 2, table, scoring, shift=1)            # tasks.Unit: an ordered pair of subjects
    unit = session_unit(dataset, 1, 3, files, table, scoring)           # a subject's session, all networks

Values beyond the 0.3 % and 99.7 % quantiles of a matrix are set to these, as for RDMs; a row is a trial. Calibrated is a score
against its mean over relabelled images (analysis/metrics/calibration.py): all parcels of the other brain, or all layers of a
network, are relabelled in one way, so that the best layer can be held against the best layer of the null.

A parcel or layer that cannot be computed has rows without a score, and with a reason. Memory: what a metric keeps of each
parcel of one subject and of the other (convergence.analysis.metrics.Representations).
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas

from convergence.alignment import other_datasets
from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import CLIP, unusable
from convergence.alignment.sources import file_identity
from convergence.alignment.subject_subject import VARIANTS
from convergence.alignment.trials import common_trials, session_trials
from convergence.features.store import open_features
from convergence.python_files import load_python
from convergence.storage.outputs import Record, save, state
from convergence.storage.tables import conform, file_of, read_table

PAIRS, MODELS, UNTRAINED = "other_metric_subject_subject", "other_metric_subject_model", "untrained_models_similarity"
# Published names: cka_... is unbiased CKA, and rsa_... is written by stage 3.
_LABELS = {"unbiased_cka": "cka", "cka": "biased_cka", "rsa": "measured_rsa"}


@dataclass(frozen=True)
class Scoring:
    """How scores are computed.

    Attributes
    ----------
    metric : str
    options : dict
        Of the metric.
    permutations : int
        Relabellings of the null; 0: nothing is calibrated.
    seed : int
        Of these.
    reference : bool
        Matrices are scaled from 0 to 1, and negative activations are 0, as published.
    plugin : str, optional
        File that registers the metric.
    """

    metric: str
    options: dict = field(default_factory=dict)
    permutations: int = 100
    seed: int = 0
    reference: bool = False
    plugin: str | None = None

    @property
    def label(self):
        """What file names call it: cka is the unbiased one, as published."""
        return _LABELS.get(self.metric, self.metric)

    @property
    def suffix(self):
        return "".join(f"_{name}-{value}" for name, value in sorted(self.options.items()))

    @property
    def stated(self):
        """Options of a unit, for its sidecar."""
        return {name: value for name, value in asdict(self).items() if name != "plugin"}

    @property
    def files(self):
        return () if self.plugin is None else (Path(self.plugin),)

    def representations(self, matrices, device, faults):
        from convergence.analysis.metrics import Representations
        if self.plugin is not None:
            load_plugin(self.plugin)
        return Representations(self.metric, matrices, device=device, faults=faults, **self.options)


def load_plugin(path):
    """Run a file that registers metrics (convergence.register_metric); a ValueError where it registers none.

    It may be loaded again, and on every worker.
    """
    from convergence.analysis.metrics import METRICS

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"--plugin: {path} is not there; expected a Python file that registers a metric with "
                                "convergence.register_metric")
    module = load_python(path)
    if not any(function.__module__ == module.__name__ for function in METRICS.values()):
        raise ValueError(f"--plugin: {path} registers no metric; put @register_metric (from convergence import register_metric) "
                         "above a function of two matrices")


def pairs_path(derivatives, dataset, scoring, *, shift, hemispheres="joined", form="full"):
    """Where the table of all pairs of subjects is: nsd/cka_subject_subject_alignment_shift_1_joined.parquet for unbiased CKA."""
    return Path(derivatives) / file_of(PAIRS, dataset=dataset, metric=scoring.label, variant=VARIANTS[shift, hemispheres],
                                       more=scoring.suffix + "_diagonal" * (form == "diagonal"))


def models_path(derivatives, dataset, scoring, *, hemispheres="joined", untrained=False):
    """Where the table of all sessions and networks is."""
    if untrained:
        return Path(derivatives) / file_of(UNTRAINED, dataset=dataset, metric=scoring.label,
                                           more=scoring.suffix + "_separated" * (hemispheres == "separated"))
    return Path(derivatives) / file_of(MODELS, dataset=dataset, metric=scoring.label, hemispheres=hemispheres,
                                       more=scoring.suffix)


def pair_unit(dataset, i, j, table, scoring, *, shift, hemispheres="joined", form="full", rois=None, device="auto", latest=None):
    """The unit of work of an ordered pair of subjects; arguments as of `subject_subject.pair_unit`."""
    from convergence.tasks import Unit

    part = parts_folder(table, rois) / f"subject-{i:02d}_subject-{j:02d}.parquet"
    return Unit(f"{scoring.metric} of subjects {i} and {j}", part, pair_scores,
                options={"subject_i": i, "subject_j": j, "shift": shift, "hemispheres": hemispheres, "form": form, "rois": rois,
                         "scoring": scoring.stated},
                places={"dataset": dataset, "plugin": scoring.plugin, "device": device, "latest": latest},
                inputs=tuple(dict.fromkeys([*dataset.response_files(i), *dataset.response_files(j), *scoring.files])))


def pair_scores(*, subject_i, subject_j, shift, hemispheres, form, rois, scoring, dataset, plugin=None, device="auto",
                latest=None):
    """Table of one ordered pair: columns of other_metric_subject_subject. Arguments as of `pair_unit`; scoring: its fields.

    Raises
    ------
    FileNotFoundError, ValueError
        Responses are missing or damaged; fewer than 4 common trials; the metric or one of its options does not exist.
    """
    scoring = Scoring(**scoring, plugin=plugin)
    if dataset.repetitions_shift:
        trials = common_trials(dataset.trials, subject_i, subject_j, shift)
    else:
        trials = other_datasets.common(dataset.trials, subject_i, subject_j)
    if len(trials) < 4:
        raise ValueError(f"subjects {subject_i} and {subject_j} have {len(trials)} common trials at shift {shift}, at least 4 "
                         "are needed; get more of their sessions, or leave one of them out with --subjects")
    mine, theirs = trials["subject_index_i"].to_numpy(), trials["subject_index_j"].to_numpy()
    parcels = _chosen(dataset, hemispheres, rois)
    key = (dataset.name, str(dataset.root), subject_i, file_identity(dataset.response_files(subject_i)),
           tuple(p.roi for p in parcels), mine.tobytes(), repr(scoring), str(device))

    def first():
        return Side.of_parcels(dataset, subject_i, parcels, mine, scoring, device)
    x = first() if latest is None else latest(key, first)
    y = Side.of_parcels(dataset, subject_j, parcels, theirs, scoring, device)
    paired = form == "diagonal"
    found = scores(x, y, scoring, seed=(subject_i, subject_j), blocks=trials["image"].to_numpy(), paired=paired)
    names = [p.roi for p in parcels]
    where = {"roi": names} if paired else {"roi_x": np.repeat(names, len(names)), "roi_y": np.tile(names, len(names))}
    reasons = list(zip(x.reasons, y.reasons)) if paired else [(a, b) for a in x.reasons for b in y.reasons]
    frame = pandas.DataFrame({**where, **found, "reason": [_both(pair, ("subject_i", "subject_j")) for pair in reasons]})
    return conform(frame.assign(metric=scoring.metric, subject_i=subject_i, subject_j=subject_j, shift=shift,
                                join_hemispheres=hemispheres == "joined"), PAIRS)


def session_unit(dataset, subject, session, files, table, scoring, *, hemispheres="joined", rois=None, untrained=False,
                 device="auto", overwrite=False):
    """The unit of work of a subject's session with all networks; arguments as of `subject_model.session_unit`."""
    from convergence.tasks import Unit

    part = parts_folder(table, rois) / f"subject-{subject:02d}_session-{session:02d}.parquet"
    responses = tuple(dataset.response_files(subject))
    return Unit(f"{scoring.metric} of subject {subject}, session {session}", part, session_scores,
                options={"subject": subject, "session": session, "hemispheres": hemispheres, "rois": rois,
                         "scoring": scoring.stated, "untrained": untrained, "models": list(files)},
                places={"dataset": dataset, "files": files, "folder": part.with_suffix(""), "plugin": scoring.plugin,
                        "device": device, "overwrite": overwrite},
                inputs=(*responses, *files.values(), *scoring.files))


def session_scores(*, subject, session, hemispheres, rois, scoring, untrained, models, dataset, files, folder, plugin=None,
                   device="auto", overwrite=False):
    """Table of one session, all networks: columns of other_metric_subject_model, or of untrained_models_similarity.

    Each network's rows are also saved below `folder`, so that a network that is added later is the only one computed.

    Raises
    ------
    FileNotFoundError, ValueError
        Responses or features are missing or damaged; fewer than 4 trials; the metric or one of its options does not exist.
    """
    known = {"subject": subject, "session": session, "hemispheres": hemispheres, "rois": rois, "scoring": scoring}
    scoring = Scoring(**scoring, plugin=plugin)
    trials = session_trials(dataset.trials, subject, session)
    if len(trials) < 4:
        raise ValueError(f"subject {subject}, session {session} has {len(trials)} existing trials, at least 4 are needed")
    schema, parcels, brain, tables = UNTRAINED if untrained else MODELS, _chosen(dataset, hemispheres, rois), None, []
    for model in models:
        path = folder / f"{model}.parquet"
        inputs = (*dataset.response_files(subject), files[model], *scoring.files)
        record = Record(f"{__name__}.model_scores", inputs, {**known, "model": model}, str(device))
        if overwrite or state(path, record)[0] != "done":
            brain = brain or Side.of_parcels(dataset, subject, parcels, trials["subject_index"].to_numpy(), scoring, device)
            with open_features(files[model], dataset.name) as file:
                found = model_scores([p.roi for p in parcels], brain, file, trials["image"].to_numpy(), scoring,
                                     (subject, session), device)
                modality = file.attributes["modality"]
            more = ({"model": model, "modality": modality, "n_stim": len(trials)} if untrained else
                    {"model_name": model, "join_hemispheres": hemispheres == "joined"})
            save(conform(found.assign(metric=scoring.metric, subject=subject, session=session, **more), schema), path, record)
        tables.append(read_table(path).astype({"model" if untrained else "model_name": str}))
    return conform(pandas.concat(tables), schema)


def model_scores(rois, brain, feature_file, images, scoring, seed, device="auto"):
    """Scores of parcels with all layers of a network: roi, layer, what `scores` gives, reason."""
    layers = Side((limited(feature_file.layer(k, images), scoring.reference, activations=True)
                   for k in range(feature_file.n_layers)), scoring, device)
    n = len(layers.reasons)
    found = scores(brain, layers, scoring, seed=seed, blocks=images, best=True)
    reasons = [_both(pair, ("parcel", "layer")) for pair in ((a, b) for a in brain.reasons for b in layers.reasons)]
    return pandas.DataFrame({"roi": np.repeat(rois, n), "layer": np.tile(np.arange(n), len(rois)), **found, "reason": reasons})


class Side:
    """Matrices on one side of a comparison.

    Attributes
    ----------
    reasons : list of str
        Why a matrix cannot be used; '' where it can.
    places : list of int
        Which ones can.
    representations : Representations
        Of these.
    """

    def __init__(self, matrices, scoring, device):
        """matrices: arrays, or a reason in place of an array; asked for one after the other."""
        self.reasons, faults = [], {}

        def usable():
            for matrix in matrices:
                self.reasons.append(matrix if isinstance(matrix, str) else "")
                if not self.reasons[-1]:
                    yield matrix
        self.representations = scoring.representations(usable(), device, faults)
        self.places = [k for k, reason in enumerate(self.reasons) if not reason]
        if len(self.places) == len(faults) > 0 and len(set(faults.values())) == 1:       # an option, not the data
            raise ValueError(faults[0])
        for k in sorted(faults, reverse=True):
            self.reasons[self.places.pop(k)] = faults[k]

    @classmethod
    def of_parcels(cls, dataset, subject, parcels, rows, scoring, device):
        """Responses of parcels to trials."""
        return cls((limited(dataset.responses(subject, parcel.labels, rows), scoring.reference) for parcel in parcels), scoring,
                   device)


def limited(matrix, reference=False, *, activations=False):
    """A matrix without outliers, float32; or why it cannot be used.

    Values beyond the quantiles CLIP and 1 - CLIP are set to these. reference: scaled from 0 to 1 afterwards; of activations,
    all below 0 are 0 and all above the quantile 1 - CLIP of their size are this, as published.
    """
    from convergence.compute.quantiles import tail_limits

    column = "unit" if activations else "voxel"
    reason = unusable(matrix, column, constant=False)
    if reason:
        return reason
    matrix = np.asarray(matrix, np.float32)
    if reference and activations:
        low, high = 0.0, float(np.quantile(abs(matrix), 1 - CLIP))
    else:
        low, high = tail_limits(matrix, CLIP)
    matrix = matrix.clip(low, high)
    if (matrix == matrix[0]).all():
        return f"all trials have the same value in every {column}"
    return (matrix - low) / (high - low) if reference else matrix


def scores(x, y, scoring, *, seed, blocks, paired=False, best=False):
    """Scores of two `Side`s with their null, flat arrays in the order of (x, y), NaN where one of the two cannot be used.

    Returns
    -------
    dict
        score; with permutations also null_mean (exact where it has a closed form, else sampled) and calibrated; with best also,
        of every matrix of x, best_calibrated and best_pvalue: its largest score against the largest under each relabelling.
    """
    from convergence.analysis.inference import p_values
    from convergence.analysis.metrics.calibration import against, exact_null_mean, relabelled
    from convergence.analysis.relabelling import draw_relabellings

    a, b, places = _matched(x, y, paired)
    raw, shape = a.compare(b, paired=paired), (len(x.reasons),) if paired else (len(x.reasons), len(y.reasons))
    found = {"score": _spread(raw, places, shape)}
    if not scoring.permutations:
        return found
    null_mean, largest = None if best else exact_null_mean(a, b, blocks, paired=paired), []
    if null_mean is None:
        null_mean = np.zeros_like(raw)
        relabellings = draw_relabellings(len(blocks), scoring.permutations, (scoring.seed, *seed), blocks)
        for null in relabelled(a, b, relabellings, paired=paired):
            null_mean += null / scoring.permutations
            if best:
                largest.append(null.max(axis=1, initial=-np.inf))
    found |= {"null_mean": _spread(null_mean, places, shape), "calibrated": _spread(against(raw, null_mean), places, shape)}
    if best and raw.size:
        values = {"best_calibrated": against(raw.max(axis=1), np.mean(largest, axis=0)),
                  "best_pvalue": p_values(raw.max(axis=1), np.array(largest), tail="greater")}
        found |= {name: np.repeat(_spread(value, places[:1], shape[:1]), shape[1]) for name, value in values.items()}
    elif best:
        found |= dict.fromkeys(("best_calibrated", "best_pvalue"), np.nan)
    return found


def _matched(x, y, paired):
    """Representations that can be compared, and where their scores belong."""
    if not paired:
        return x.representations, y.representations, (x.places, y.places)
    both = sorted(set(x.places) & set(y.places))
    return (*(side.representations.take([side.places.index(k) for k in both]) for side in (x, y)), (both,))


def _spread(values, places, shape):
    whole = np.full(shape, np.nan)
    whole[np.ix_(*places)] = values
    return whole.ravel()


def _chosen(dataset, hemispheres, rois):
    return [parcel for parcel in dataset.parcels(hemispheres) if rois is None or parcel.roi in rois]


def _both(reasons, sides):
    return "; ".join(f"{side}: {reason}" for side, reason in zip(sides, reasons) if reason)
