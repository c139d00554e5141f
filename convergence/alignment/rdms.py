"""From a subject's responses and a network's activations to RDMs, and the store that holds a subject's RDMs of shared trials.

    parcel_rdms(dataset, subject, parcels, rows)        # yields (parcel, n_voxels, condensed, reason), one parcel at a time
    layer_rdms(feature_file, images)                    # (n_layers, n_pairs)
    store_unit(dataset, subject, parcels, "joined", derivatives)        # tasks.Unit: store_path(...); recipe.py: other RDMs
    units, reasons = prepare(rdms, reasons)             # centred, unit length: similarity is then a product

What cannot be computed stops nothing: it has None (or NaN) in place of numbers, and a reason in words that later tables repeat.
Values beyond the 0.3 % and 99.7 % quantiles of a matrix (of the rows in the RDM) are set to these quantiles first, as published
(arXiv 2507.13941). In a store the rows are all shared trials of the subject, so that a pair of subjects does not move the limits.
"""

from pathlib import Path

import numpy as np

from convergence.alignment.recipe import CLIP, Recipe
from convergence.alignment.trials import repetition_codes, session_trials, shared_trials


def parcel_rdms(dataset, subject, parcels, rows, *, metric="correlation", clip=CLIP, device="auto"):
    """RDM of every parcel over the same trials, one after the other.

    Parameters
    ----------
    dataset : Dataset
    subject : int
    parcels : iterable of Parcel
    rows : (n,) array_like of int
        Trials, as in trials.subject_index; also the order of the RDM's stimuli.
    metric : str
        See `convergence.compute_rdm`.
    clip : float
        Fraction at either end of all values of a parcel that is set to the quantile there (0.003 as published).
    device : str
        Where to compute.

    Yields
    ------
    parcel : Parcel
    n_voxels : int
    condensed : (n_pairs,) float32 array, or None where the parcel cannot be computed
    reason : str
        Why not; '' where it can.

    Raises
    ------
    FileNotFoundError, ValueError
        Responses are not there, or a row has none. (A parcel that cannot be computed raises nothing.)
    """
    for parcel in parcels:
        responses = dataset.responses(subject, parcel.labels, rows)
        condensed, reason = rdm_or_reason(responses, "voxel", metric=metric, clip=clip, device=device)
        yield parcel, responses.shape[1], condensed, reason


def layer_rdms(feature_file, images, *, clip=CLIP, device="auto"):
    """RDM of every layer of a network over the same images.

    Parameters
    ----------
    feature_file : FeatureFile
        Opened for reading (convergence.features.store).
    images : (n,) array_like of int
        Image of every stimulus of the RDM; an image may be repeated.
    clip, device
        As in `parcel_rdms`.

    Returns
    -------
    (n_layers, n_pairs) float32 array
        A layer that cannot be computed is NaN; `described_layer_rdms` says why.

    Raises
    ------
    ValueError
        Images are not in the file (names them).
    """
    return described_layer_rdms(feature_file, images, clip=clip, device=device)[0]


def described_layer_rdms(feature_file, images, *, clip=CLIP, device="auto"):
    """The array of `layer_rdms`, and a list of n_layers reasons ('' where a layer could be computed)."""
    n, reasons = len(images), []
    rdms = np.full((feature_file.n_layers, n * (n - 1) // 2), np.nan, np.float32)
    for layer in range(feature_file.n_layers):
        condensed, reason = rdm_or_reason(feature_file.layer(layer, images), "unit", clip=clip, device=device)
        reasons.append(reason)
        if condensed is not None:
            rdms[layer] = condensed
    return rdms, reasons


def rdm_or_reason(responses, column, *, metric="correlation", clip=CLIP, device="auto"):
    """(condensed, '') or (None, why not) for one (n, p) matrix; `column` is the word for a column: voxel, unit."""
    from convergence.analysis import validation
    from convergence.analysis.rdm import METRICS, compute_rdm

    validation.option("parcel_rdms", "metric", metric, METRICS)
    validation.number("parcel_rdms", "clip", clip or 0, low=0, high=0.5)
    reason = unusable(responses, column, constant=metric == "correlation")
    if reason:
        return None, reason
    try:
        return compute_rdm(responses, metric=metric, clip=clip, device=device), ""
    except ValueError as error:                                 # what only shows after clipping; the function says it in words
        return None, str(error)


def prepare(rdms, reasons, device="auto", *, method="pearson", kept=None):
    """Centre RDMs and scale them to unit length once, so that the similarity of any two is the sum of their products.

    Parameters
    ----------
    rdms : (n_rdms, n_pairs) float32 array
    reasons : sequence of str
        '' for the RDMs that can be used; the others are not looked at.
    device : str
    method : {"pearson", "spearman", "rho_a", "cosine"}
        See `convergence.rsa`.
    kept : (n_pairs,) bool array, optional
        Pairs that count (analysis/exclusion.py); the others are left out.

    Returns
    -------
    units : (n_rdms, n_pairs or n_kept) float32 tensor on the device, NaN where there is a reason
    reasons : list of str
        The given ones, and "constant" ones added.
    """
    import torch

    from convergence.analysis.similarity import unit_values
    from convergence.compute.device import resolve

    rdms = torch.as_tensor(rdms if kept is None else rdms[:, kept]).to(resolve(device))
    # Distances are differences from 1: what varies by less than the rounding of 1 is constant.
    spread = (rdms.amax(1) - rdms.amin(1)).cpu().numpy()
    flat = spread <= 8 * np.finfo(np.float32).eps
    reasons = [reason or ("all distances are the same" if constant else "") for reason, constant in zip(reasons, flat)]
    good = [k for k, reason in enumerate(reasons) if not reason]
    if len(good) == len(rdms):
        return unit_values(rdms, method=method), reasons
    units = torch.full_like(rdms, torch.nan)
    if good:
        units[good] = unit_values(rdms[good], method=method)
    return units, reasons


def store_path(derivatives, dataset, subject, hemispheres, recipe=Recipe(), session=None):
    """Where a subject's RDMs of shared trials are: <derivatives>/nsd/rdms/subject-01_joined_shared.h5; of one session:
    ..._session-03.h5."""
    trials = "shared" if session is None else f"session-{session:02d}"
    return Path(derivatives) / dataset / "rdms" / f"subject-{subject:02d}_{hemispheres}_{trials}{recipe.suffix}.h5"


def say_not_computed(paths, at_most=8):
    """Print which parcels have no RDM in stores: a line per store and reason."""
    from convergence.storage.rdm_store import RDMStore

    for path in paths:
        with RDMStore(path) as store:
            for reason in sorted({reason for reason in store.reasons if reason}):
                rois = [str(roi) for roi, why in zip(store.rois, store.reasons) if why == reason]
                more = f", and {len(rois) - at_most} more" if len(rois) > at_most else ""
                print(f"{Path(path).name}: not computed, {reason}: parcels {', '.join(rois[:at_most])}{more}")


def store_unit(dataset, subject, parcels, hemispheres, derivatives, *, recipe=Recipe(), session=None, dtype="float32",
               device="auto"):
    """The unit of work (tasks.Unit) that writes a subject's store; session: of all trials of that session instead of the shared
    ones."""
    from convergence.tasks import Unit

    name = f"subject {subject}" if session is None else f"subject {subject}, session {session}"
    more = {} if session is None else {"session": session}
    return Unit(name, store_path(derivatives, dataset.name, subject, hemispheres, recipe, session), subject_rdms,
                options={"subject": subject, "hemispheres": hemispheres, "rois": [parcel.roi for parcel in parcels],
                         **recipe.options, **more, **({} if dtype == "float32" else {"dtype": dtype})},
                places={"dataset": dataset, "device": device}, inputs=tuple(dataset.response_files(subject)))


def subject_rdms(*, subject, hemispheres, rois, dataset, session=None, dtype="float32", device="auto", **recipe):
    """A function of a path that writes the RDMs of all existing trials of shared images (of a session), in order of presentation.

    Parameters
    ----------
    subject, hemispheres, rois, dataset, session, dtype, device
        As of `store_unit`.
    **recipe
        Fields of a Recipe.

    Raises
    ------
    ValueError
        The subject has fewer than 4 such stimuli.
    """
    from convergence.storage.rdm_store import write_rdms

    recipe = Recipe(**recipe)
    trials = shared_trials(dataset.trials, subject) if session is None else session_trials(dataset.trials, subject, session)
    stimuli = recipe.stimuli(trials)
    if len(stimuli) < 4:
        raise ValueError(_too_few(dataset, subject, session, trials, recipe, len(stimuli)))
    parcels = [parcel for parcel in dataset.parcels(hemispheres) if parcel.roi in set(rois)]
    repetitions = repetition_codes(dataset.trials)
    if recipe.by_image:                                     # one number in all subjects, whatever sessions they have
        stimuli = stimuli.assign(repetition=repetitions.start)
    attributes = {"dataset": dataset.name, "subject": subject, "hemispheres": hemispheres, **recipe.options,
                  "stimuli": "images" if recipe.by_image else "trials",
                  "first_repetition": repetitions.start, "n_repetitions": len(repetitions)}
    found = ((parcel.roi, *recipe.condensed(dataset, subject, parcel, trials, device=device)) for parcel in parcels)
    return lambda path: write_rdms(path, parcels=_Sized(len(parcels), found),
                                   trials=stimuli.rename(columns={"subject_index": "row"}),
                                   attributes=attributes, dtype=dtype)


def _too_few(dataset, subject, session, trials, recipe, n_stimuli):
    if session is not None:
        return f"subject {subject}, session {session} has {n_stimuli} stimuli for an RDM, at least 4 are needed"
    if recipe.by_image and len(trials) >= 4:
        return (f"subject {subject} has {n_stimuli} shared images that were shown often enough, at least 4 are needed; get its "
                "sessions, or choose other subjects with --subjects")
    planned = int(dataset.trials.loc[dataset.trials["subject"] == subject, "shared"].sum())
    return (f"subject {subject} has {len(trials)} existing trials of shared images ({planned} were planned), "
            "at least 4 are needed; get its sessions, or choose other subjects with --subjects")


def unusable(responses, column, *, constant=True):
    """Why a matrix has no RDM, in words, or ''; constant: trials with one value have none, as their correlation is undefined."""
    n, p = responses.shape
    if p < 2:
        return f"no {column}s" if p == 0 else f"one {column}: a pattern needs at least two"
    low, high = responses.min(axis=1), responses.max(axis=1)
    broken = ~(np.isfinite(low) & np.isfinite(high))
    if broken.any():
        return f"NaN or infinity in {broken.sum()} of {n} trials"
    flat = low == high
    return f"{flat.sum()} of {n} trials have one value in all {column}s" if constant and flat.any() else ""


class _Sized:
    """An iterator that knows how many items will come."""

    def __init__(self, n, items):
        self._n, self._items = n, items

    def __len__(self):
        return self._n

    def __iter__(self):
        return self._items
