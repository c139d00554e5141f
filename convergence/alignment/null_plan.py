"""The units of work of 3_alignment/5_p_values.py, and what must be there before the first of them starts.

    work = plan(dataset, derivatives, features, comparisons=None, null="closed-form", permutations=10_000, seed=0)
    work.pairs, work.sessions           # the heavy units: two subjects; a subject's session
    work.means, work.table              # what is made of their outputs
"""

from dataclasses import dataclass
from pathlib import Path

from convergence.alignment import intersubject_null, model_null, nulls, subject_model, subject_subject
from convergence.alignment.choice import check_responses, check_stores
from convergence.storage.paths import features_folder
from convergence.storage.tables import file_of, read_table
from convergence.tasks import Unit


@dataclass(frozen=True)
class Work:
    """Units in the order in which they run: three lists, and the one of the table."""

    pairs: list
    sessions: list
    means: list
    table: Unit


def plan(dataset, derivatives, features=None, *, comparisons=None, null="closed-form", permutations=10_000, seed=0, device="auto"):
    """The units that make the table of p-values.

    Parameters
    ----------
    dataset : Dataset
    derivatives, features : path
    comparisons : list of str, optional
        "intersubject", "vision", "language"; default: intersubject, and the modalities of the networks in the table of layers.
    null : {"closed-form", "sampled"}
        Of the comparison between subjects; with networks it is sampled.
    permutations, seed : int
    device : str

    Returns
    -------
    Work

    Raises
    ------
    FileNotFoundError, ValueError
        A table, store, feature file or ROI matrix is missing (the message says what makes it), or lacks what the observed statistics were computed from; a
        comparison of which the table has no networks; fewer than two subjects; trials in which nothing can be relabelled.
    """
    shift = 1 if dataset.repetitions_shift else 0
    table = nulls.table_path(derivatives, dataset.name)
    tables = {"pairs": subject_subject.table_path(derivatives, dataset.name, shift=shift), "layers": subject_model.table_path(derivatives, dataset.name),
              "models": Path(derivatives) / file_of("models_info")}
    drawn = {"permutations": permutations, "seed": seed, "device": device}
    pairs, sessions, means, rois = [], [], {}, {}
    if comparisons is None or "intersubject" in comparisons:
        found = read_table(tables["pairs"], ["roi_x", "subject_i"])
        rois["intersubject"], parcels = _parcels(dataset, found["roi_x"])
        stores = check_stores(derivatives, dataset.name, nulls.at_least_two(found["subject_i"]), "joined", parcels)
        pairs = intersubject_null.pair_units(stores, table, null=null, shift=shift, rois=rois["intersubject"], **drawn)
        if null == "sampled":
            means["intersubject"] = intersubject_null.mean_samples, {}, [unit.output for unit in pairs]
    if comparisons is None or set(comparisons) & set(nulls.MODALITIES):
        found = read_table(tables["layers"], ["roi", "subject", "session", "model"])
        modalities = _modalities(found, read_table(tables["models"]), comparisons, tables)
        numbers, _ = _parcels(dataset, found["roi"])
        where = sorted(map(tuple, found[["subject", "session"]].drop_duplicates().to_numpy().tolist()))
        files = _feature_files(dataset, features, modalities, where)
        sessions = model_null.session_units(dataset, where, files, modalities, table, rois=numbers, **drawn)
        for which, modality in enumerate(modalities):
            rois[modality] = numbers
            means[modality] = model_null.mean_null, {"which": which, "sessions": where}, [unit.output for unit in sessions]
    means = {name: Unit(name, nulls.null_path(derivatives, dataset.name, name, permutations), function, options, {"parts": parts}, tuple(parts))
             for name, (function, options, parts) in means.items()}
    moments = [] if "intersubject" in means else [unit.output for unit in pairs]
    samples = {name: unit.output for name, unit in means.items()}
    read = [tables[name] for name, needed in (("pairs", pairs), ("layers", sessions), ("models", sessions)) if needed]
    return Work(pairs, sessions, list(means.values()), Unit(
        table.stem, table, nulls.p_value_table, {"rois": rois}, {**tables, "moments": moments, "samples": samples, "atlas": dataset.atlas()},
        (*read, *moments, *samples.values())))


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
        raise ValueError(f"comparisons: {tables['layers']} has no trained network of {' and '.join(lacking)}, only of {' and '.join(found)}; extract "
                         "features (2_model_extraction) and run 3_alignment/3_subject_model.py, or leave it out")
    return {name: found[name] for name in wanted}


def _feature_files(dataset, features, modalities, sessions):
    """Feature files of the networks, {name: path}, after seeing that they have all images of the sessions, and that there are responses."""
    subjects = sorted({subject for subject, _ in sessions})
    check_responses(dataset, subjects)
    names = sorted(name for some in modalities.values() for name in some)
    files = subject_model.choose_features(features_folder(features), dataset.name, names)
    trials = dataset.trials
    subject_model.check_images(files, dataset.name, trials.loc[trials["subject"].isin(subjects) & trials["exists"], "image"])
    return {name: files[name] for name in names}
