"""The units of work of 3_alignment/5_p_values.py, and what must be there before the first of them starts.

    work = plan(dataset, derivatives, features, Choice(comparisons=None, null="closed-form", permutations=10_000, seed=0))
    work.pairs, work.samples, work.sessions     # the heavy units: two subjects; some parcels; a subject's session
    work.means, work.table                      # what is made of their outputs
"""

from dataclasses import dataclass
from pathlib import Path

from convergence.alignment import intersubject_null, model_null, nulls, subject_model, subject_subject
from convergence.alignment.choice import check_responses, check_stores
from convergence.alignment.controls import control_files, read_controls
from convergence.alignment.trials import session_trials
from convergence.analysis.exclusion import parse_rules, refuse_moments
from convergence.storage.paths import features_folder
from convergence.storage.tables import file_of, read_table
from convergence.tasks import Unit


@dataclass(frozen=True)
class Choice:
    """What is tested, and by which null.

    comparisons : list of "intersubject", "vision", "language"; None: intersubject, and the modalities of the networks in the
    table. null : "closed-form" or "sampled", between subjects; with networks it is sampled. maximum : also family-wise
    p-values, which take samples. within_sessions : between subjects, images take the places of images of the same sessions
    only. exclude, controls, distance : rules of analysis.exclusion, names of controls and the distance of their features.
    reference : relabel single trials, one list of permutations for all, as published.
    """

    comparisons: list | None = None
    null: str = "closed-form"
    permutations: int = 10_000
    seed: int = 0
    maximum: bool = False
    within_sessions: bool = False
    exclude: tuple = ()
    controls: tuple = ()
    distance: str = "euclidean"
    reference: bool = False
    device: str = "auto"

    @property
    def between_subjects_only(self):
        """The options that only the comparison between subjects has, as words."""
        given = {"--within-sessions": self.within_sessions, "--exclude-pairs": self.exclude, "--control": self.controls}
        return [name for name, value in given.items() if value]

    def check(self):
        """The choice with its comparisons; a ValueError names options that contradict each other."""
        foreign = self.between_subjects_only
        if self.reference and foreign:
            raise ValueError(f"--reference: the published test has no {', '.join(foreign)}; leave it out")
        if self.exclude and self.controls:
            raise ValueError("--exclude-pairs and --control make a table each; give one of them at a time")
        models = set(self.comparisons or ()) & set(nulls.MODALITIES)
        if foreign and models:
            raise ValueError(f"{', '.join(foreign)}: only for the comparison between subjects; leave {', '.join(sorted(models))} "
                             "out of --comparisons")
        if self.null == "closed-form" and not self.reference:
            refuse_moments(self.exclude)
        return ["intersubject"] if foreign else self.comparisons


@dataclass(frozen=True)
class Work:
    """Units in the order in which they run: four lists, and the one of the table."""

    pairs: list
    samples: list
    sessions: list
    means: list
    table: Unit


def plan(dataset, derivatives, features=None, choice=Choice()):
    """The units that make the table of p-values.

    Parameters
    ----------
    dataset : Dataset
    derivatives, features : path
    choice : Choice

    Returns
    -------
    Work

    Raises
    ------
    FileNotFoundError, ValueError
        A table, store, feature file, control or ROI matrix is missing (the message says what makes it), or lacks what the
        observed statistics were computed from; a comparison of which the table has no networks; fewer than two subjects; trials
        in which nothing can be relabelled; options that contradict each other, or that the closed form does not know.
    """
    choice = Choice(**{**vars(choice), "exclude": parse_rules(choice.exclude), "controls": tuple(choice.controls)})
    comparisons, shift = choice.check(), 1 if dataset.repetitions_shift else 0
    named = {"controls": choice.controls, "exclude": choice.exclude}
    table = nulls.table_path(derivatives, dataset.name, **named)
    tables = {"pairs": _pairs_table(derivatives, dataset, shift, named),
              "layers": subject_model.table_path(derivatives, dataset.name), "models": Path(derivatives) / file_of("models_info")}
    pairs, samples, sessions, means, rois = [], [], [], {}, {}
    if comparisons is None or "intersubject" in comparisons:
        rois["intersubject"], pairs, samples = _between_subjects(dataset, derivatives, tables["pairs"], table, shift, choice)
        if samples:
            means["intersubject"] = intersubject_null.joined_samples, {}, [unit.output for unit in samples]
    if comparisons is None or set(comparisons) & set(nulls.MODALITIES):
        found = read_table(tables["layers"], ["roi", "subject", "session", "model"])
        modalities = _modalities(found, read_table(tables["models"]), comparisons, tables)
        numbers, _ = _parcels(dataset, found["roi"])
        where = sorted(map(tuple, found[["subject", "session"]].drop_duplicates().to_numpy().tolist()))
        files = _feature_files(dataset, features, modalities, where)
        largest = max(len(session_trials(dataset.trials, *one)) for one in where) if choice.reference else None
        sessions = model_null.session_units(dataset, where, files, modalities, table, rois=numbers, published=largest,
                                            permutations=choice.permutations, seed=choice.seed, device=choice.device)
        for which, modality in enumerate(modalities):
            rois[modality] = numbers
            means[modality] = model_null.mean_null, {"which": which, "sessions": where}, [unit.output for unit in sessions]
    path_of = lambda name: nulls.null_path(derivatives, dataset.name, name, choice.permutations, shift=shift, **named)
    means = {name: Unit(name, path_of(name), function, options, {"parts": parts}, tuple(parts))
             for name, (function, options, parts) in means.items()}
    moments, drawn = [unit.output for unit in pairs], {name: unit.output for name, unit in means.items()}
    needed = {"pairs": "intersubject" in rois, "layers": sessions, "models": sessions}
    read = [tables[name] for name in tables if needed[name]]
    options = {"rois": rois, **({"control": "+".join(choice.controls)} if choice.controls else {}),
               **({"maximum": True} if choice.maximum else {}), **({"published": True} if choice.reference else {})}
    return Work(pairs, samples, sessions, list(means.values()), Unit(
        table.stem, table, nulls.p_value_table, options,
        {**tables, "moments": moments, "samples": drawn, "atlas": dataset.atlas()},
        (*read, *moments, *drawn.values(), *dataset.atlas_files())))


def _between_subjects(dataset, derivatives, pairs_table, table, shift, choice):
    """Numbers of the parcels, units of closed-form moments, units of samples."""
    import pyarrow.parquet as pq

    read_table(pairs_table, ["subject_i"])                                      # says what makes it, if it is not there
    roi = "roi" if "roi" in pq.read_schema(pairs_table).names else "roi_x"
    found = read_table(pairs_table, [roi, "subject_i"])
    rois, parcels = _parcels(dataset, found[roi])
    stores = check_stores(derivatives, dataset.name, nulls.at_least_two(found["subject_i"]), "joined", parcels)
    known = read_controls(derivatives, dataset, choice.controls, distance=choice.distance) if choice.controls else None
    common = {"shift": shift, "rois": rois, "device": choice.device, "exclude": choice.exclude, "known": known,
              "files": control_files(derivatives, choice.controls), "within_sessions": choice.within_sessions}
    closed = choice.null == "closed-form" and not choice.reference
    pairs = intersubject_null.pair_units(stores, table, **common) if closed else []
    if closed and not choice.maximum:
        return rois, pairs, []
    published = intersubject_null.most_trials(stores) if choice.reference else None
    return rois, pairs, intersubject_null.sample_units(stores, table, permutations=choice.permutations, seed=choice.seed,
                                                       published=published, **common)


def _pairs_table(derivatives, dataset, shift, named):
    """The full table of pairs, or, where only that one is there, the diagonal one."""
    paths = [subject_subject.table_path(derivatives, dataset.name, shift=shift, form=form, **named)
             for form in ("full", "diagonal")]
    return paths[1] if paths[1].exists() and not paths[0].exists() else paths[0]


def _parcels(dataset, rois):
    """Numbers and parcels of the dataset that a column of a table names, in the dataset's order."""
    there = set(rois.unique().tolist())
    parcels = [parcel for parcel in dataset.parcels("joined") if parcel.roi in there]
    return [parcel.roi for parcel in parcels], parcels


def _modalities(layers, models, comparisons, tables):
    """Names of the trained networks of each modality that is asked for."""
    found = nulls.networks(layers, models)
    wanted = found if comparisons is None else [name for name in nulls.MODALITIES if name in comparisons]
    lacking = [name for name in wanted if name not in found]
    if lacking:
        raise ValueError(f"comparisons: {tables['layers']} has no trained network of {' and '.join(lacking)}, only of "
                         f"{' and '.join(found)}; extract features (2_model_extraction) and run 3_alignment/3_subject_model.py, "
                         "or leave it out")
    return {name: found[name] for name in wanted}


def _feature_files(dataset, features, modalities, sessions):
    """Feature files of the networks, {name: path}, after seeing that they have all images, and that there are responses."""
    subjects = sorted({subject for subject, _ in sessions})
    check_responses(dataset, subjects)
    names = sorted(name for some in modalities.values() for name in some)
    files = subject_model.choose_features(features_folder(features), dataset.name, names)
    trials = dataset.trials
    subject_model.check_images(files, dataset.name, trials.loc[trials["subject"].isin(subjects) & trials["exists"], "image"])
    return {name: files[name] for name in names}
