"""The units of work of 4_other_alignments/1_other_metrics.py and 6_untrained_models.py, and what must be there before them.

    for scoring in choose_scorings(chosen):             # one per metric, with the options that it has
        units, table, what = pair_work(dataset, chosen, scoring, folder)            # or model_work

`chosen` are the script's options; `what` says in the table's sidecar what it holds.
"""

import inspect

from convergence.alignment import other_metrics
from convergence.alignment.choice import (check_responses, choose_parcels, choose_subjects, existing_sessions, pilot,
                                          refuse_shift, say_cost)
from convergence.alignment.sources import Latest
from convergence.alignment.subject_model import check_images, choose_features
from convergence.alignment.trials import session_trials, shared_trials

_WIDTH = 3000                   # voxels of a parcel and units of a layer, for estimates


def choose_scorings(chosen):
    """A `Scoring` for each metric of --metric; --topk and --kernel go to those that have them.

    Raises
    ------
    FileNotFoundError, ValueError
        A metric that does not exist, an option that none of them has, a negative number of permutations, a plugin that
        registers nothing.
    """
    from convergence.analysis import validation
    from convergence.analysis.metrics import METRICS

    if chosen.permutations < 0:
        raise ValueError(f"--permutations: {chosen.permutations}; expected 0 (raw scores only) or more")
    if chosen.plugin is not None:
        other_metrics.load_plugin(chosen.plugin)
    options = {name: getattr(chosen, name) for name in ("topk", "kernel") if getattr(chosen, name) is not None}
    found, used = [], set()
    for name in dict.fromkeys(chosen.metric):
        validation.option("--metric", "metric", name, METRICS)
        own = {option: value for option, value in options.items() if option in inspect.signature(METRICS[name]).parameters}
        used |= set(own)
        found.append(other_metrics.Scoring(name, own, chosen.permutations, chosen.seed, chosen.reference, chosen.plugin))
    if set(options) - used:
        raise ValueError(f"{', '.join(f'--{option}' for option in sorted(set(options) - used))}: none of the metrics "
                         f"{', '.join(chosen.metric)} has it; leave it out")
    return found


def pair_work(dataset, chosen, scoring, folder):
    """Units of all ordered pairs of subjects, the table that they become, and what it holds."""
    shift = (1 if dataset.repetitions_shift else 0) if chosen.shift is None else chosen.shift
    refuse_shift(dataset, shift)
    subjects, parcels, folder, rois = _chosen(dataset, chosen, folder, at_most=2)
    name = {"shift": shift, "hemispheres": chosen.hemispheres, "form": chosen.form}
    table, latest = other_metrics.pairs_path(folder, dataset.name, scoring, **name), Latest()
    units = [other_metrics.pair_unit(dataset, i, j, table, scoring, rois=rois, device=chosen.device, latest=latest, **name)
             for i in subjects for j in subjects if i != j or dataset.repetitions_shift]
    if not units:
        raise ValueError(f"subjects: {subjects[0]} is one subject, whose repetitions cannot be shifted; give two or more")
    if chosen.dry_run:
        n, n_rois = max(len(shared_trials(dataset.trials, subject)) for subject in subjects), len(parcels)
        products = n_rois ** (1 + (chosen.form == "full")) * n * n
        say_cost(units, flops=4 * n_rois * n * n * _WIDTH + products * (1 + scoring.permutations), memory=4 * n_rois * n * n,
                 disk=n_rois ** 2 * 12)
    return units, table, {**name, "subjects": subjects, "rois": rois or "all", "scoring": scoring.stated}


def model_work(dataset, chosen, scoring, folder, *, untrained=False):
    """Units of all sessions with all networks, the table that they become, and what it holds."""
    from convergence.storage.paths import features_folder

    files = choose_features(features_folder(chosen.features), dataset.name, chosen.models, untrained=untrained)
    subjects, parcels, folder, rois = _chosen(dataset, chosen, folder, at_most=1)
    shown = dataset.trials.loc[dataset.trials["subject"].isin(subjects) & dataset.trials["exists"], "image"]
    check_images(files, dataset.name, shown)
    sessions = existing_sessions(dataset, subjects)[:1 if chosen.pilot else None]
    table = other_metrics.models_path(folder, dataset.name, scoring, hemispheres=chosen.hemispheres, untrained=untrained)
    units = [other_metrics.session_unit(dataset, subject, session, files, table, scoring, hemispheres=chosen.hemispheres,
                                        rois=rois, untrained=untrained, device=chosen.device, overwrite=chosen.overwrite)
             for subject, session in sessions]
    if chosen.dry_run:
        n, n_rois = max(len(session_trials(dataset.trials, *session)) for session in sessions[:20]), len(parcels)
        n_layers = sum(_n_layers(path) for path in files.values())
        say_cost(units, flops=2 * (n_rois + n_layers) * n * n * _WIDTH + n_rois * n_layers * n * n * (1 + scoring.permutations),
                 memory=2 * n * n * (n_rois + 2 * n_layers / len(files)), disk=16 * n_rois * n_layers)
    return units, table, {"hemispheres": chosen.hemispheres, "subjects": subjects, "rois": rois or "all", "models": list(files),
                          "scoring": scoring.stated}


def _chosen(dataset, chosen, folder, *, at_most):
    """Subjects, parcels, where to write, and the numbers of the parcels (None: all); a pilot has few of them."""
    subjects, names = choose_subjects(dataset, chosen.subjects), chosen.rois
    check_responses(dataset, subjects)
    if chosen.pilot:
        (folder, names), subjects = pilot(folder, dataset, chosen.hemispheres, names), subjects[:at_most]
    parcels = choose_parcels(dataset, chosen.hemispheres, names)
    return subjects, parcels, folder, [parcel.roi for parcel in parcels] if names else None


def _n_layers(path):
    from convergence.features.store import open_features
    with open_features(path) as file:
        return file.n_layers
