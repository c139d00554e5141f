"""The units of work of 3_alignment/3_subject_model.py: session by session, or over all trials of shared images.

    units, table, what = session_work(dataset, chosen, subjects, parcels, files, folder)
    units, table, what = shared_work(dataset, chosen, subjects, parcels, files, folder, controls=derivatives)

`chosen` are the script's options; `what` says in the table's sidecar what it holds.
"""

from convergence.alignment import shared_model, subject_model
from convergence.alignment.choice import existing_sessions, say_cost
from convergence.alignment.controls import control_files, read_controls
from convergence.alignment.trials import session_trials, shared_trials
from convergence.analysis.exclusion import parse_rules

_WIDTH = 3000                   # voxels of a parcel and units of a layer, for estimates


def session_work(dataset, chosen, subjects, parcels, files, folder, *, controls=None):
    """Units of all sessions, the table that they become, and what it holds."""
    rois, sessions = _rois(chosen, parcels), existing_sessions(dataset, subjects)
    if chosen.pilot:
        sessions = sessions[:1]
    table = subject_model.table_path(folder, dataset.name, hemispheres=chosen.hemispheres, untrained=chosen.untrained)
    units = [subject_model.session_unit(dataset, subject, session, files, table, hemispheres=chosen.hemispheres, rois=rois,
                                        device=chosen.device,
                                        overwrite=chosen.overwrite, reference=chosen.reference) for subject, session in sessions]
    if chosen.dry_run:
        _say(units, max(len(session_trials(dataset.trials, *session)) for session in sessions[:20]), parcels, files)
    return units, table, _what(chosen, subjects, rois, files)


def shared_work(dataset, chosen, subjects, parcels, files, folder, *, controls):
    """Units of all subjects over the trials of shared images, the table, and what it holds."""
    rois, exclude = _rois(chosen, parcels), parse_rules(chosen.exclude_pairs)
    known = read_controls(controls, dataset, chosen.control, distance=chosen.distance)
    table = shared_model.table_path(folder, dataset.name, hemispheres=chosen.hemispheres, untrained=chosen.untrained,
                                    controls=chosen.control, exclude=exclude)
    units = [shared_model.subject_unit(dataset, subject, files, table, hemispheres=chosen.hemispheres, rois=rois, known=known,
                                       exclude=exclude,
                                       control_files=control_files(controls, chosen.control), device=chosen.device,
                                       overwrite=chosen.overwrite)
             for subject in subjects]
    if chosen.dry_run:
        _say(units, max(len(shared_trials(dataset.trials, subject)) for subject in subjects), parcels, files)
    return units, table, {**_what(chosen, subjects, rois, files), "trials": "shared", "controls": chosen.control,
                          "exclude": list(exclude)}


def _rois(chosen, parcels):
    return [parcel.roi for parcel in parcels] if chosen.rois else None


def _what(chosen, subjects, rois, files):
    return {"hemispheres": chosen.hemispheres, "subjects": subjects, "rois": rois or "all", "models": list(files)}


def _say(units, n, parcels, files):
    from convergence.features.store import open_features

    n_layers = []
    for path in files.values():
        with open_features(path) as file:
            n_layers.append(file.n_layers)
    n_rois, pairs = len(parcels), n * n / 2
    say_cost(units, flops=(n_rois + sum(n_layers)) * n * n * _WIDTH + 2 * n_rois * sum(n_layers) * pairs,
             memory=4 * pairs * (3 * max(n_layers) + 2 * n_rois), disk=12 * n_rois * sum(n_layers))
