"""What the alignment with networks would be if images meant nothing: the sampled null of the best layer, parcel by parcel.

    units = session_units(dataset, sessions, files, modality, table, ...)       # tasks.Unit for every (subject, session)
    null = mean_null(parts=outputs, sessions=sessions, which=0)                 # of the first modality: (n_permutations, n_rois)

The statistic: in every session the layer with the largest |r|, its r with its sign; mean over the sessions of a subject, over
the networks of a modality, over subjects. Its null relabels the images that a session showed, on the networks' side: the rows
of an image keep their order, images change places that were shown equally often in the session. One relabelling serves all
layers, networks and parcels of a session. It is drawn for images in the order of their first appearance, from the seed and the
session's number, so that subjects whose sessions have the same structure share it: against a model, one relabelling must serve
all subjects who share a geometry (analysis/group_null.py). Sessions are relabelled independently. `published`: single trials
change places, by one list of permutations for all sessions and subjects.

Only the mean over the networks of a modality leaves a unit: (n_modalities, n_permutations, n_rois) float32, 14 MB for 180
parcels and 10,000 relabellings. Memory: RDMs of one session (n_rois + n_layers of one network). Time per network:
n_permutations x n_rois x n_layers x n_trials^2 multiplications.
"""

import numpy as np
import pandas

from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import CLIP, described_layer_rdms, prepare
from convergence.alignment.subject_model import prepared_parcels
from convergence.alignment.trials import session_trials
from convergence.features.store import open_features


def session_units(dataset, sessions, files, modalities, table, *, rois, permutations, seed, device="auto", published=None):
    """The units of work of some sessions.

    Parameters
    ----------
    dataset : Dataset
    sessions : list of (subject, session)
    files : dict of path by name
        Feature files of the networks.
    modalities : dict of list of str
        Names of the networks of each modality.
    table : path
        The table of p-values, beside which the parts lie.
    rois : list of int
    permutations, seed : int
    device : str
    published : int, optional
        Relabel single trials as published, by one list of permutations of so many trials.
    """
    from convergence.tasks import Unit

    options = {"rois": rois, "modalities": modalities, "permutations": permutations, "seed": seed, "clip": CLIP,
               **({"published": published} if published else {})}
    return [Unit(f"subject {subject}, session {session}",
                 parts_folder(table) / f"subject-{subject:02d}_session-{session:02d}_samples.npy", session_null,
                 options={"subject": subject, "session": session, **options},
                 places={"dataset": dataset, "files": files, "device": device},
                 inputs=(*dataset.response_files(subject), *files.values())) for subject, session in sessions]


def session_null(*, subject, session, rois, modalities, permutations, seed, clip, dataset, files, device="auto", published=None):
    """Null of the best layer in one session, mean over the networks of each modality: (n_modalities, permutations, n_rois)
    float32.

    NaN where a parcel, or a layer of one of the networks, cannot be computed.
    """
    from convergence.analysis.null import permutation_null
    from convergence.analysis.relabelling import draw_published, draw_relabellings

    trials = session_trials(dataset.trials, subject, session)
    images = trials["image"].to_numpy()
    if published:
        relabellings = np.concatenate(list(draw_published(len(images), permutations, seed, published)))
    else:
        relabellings = draw_relabellings(len(images), permutations, (seed, session), blocks=pandas.factorize(images)[0])
    parcels = [parcel for parcel in dataset.parcels("joined") if parcel.roi in set(rois)]
    found_rois, units, reasons = prepared_parcels(dataset, subject, parcels, trials, clip, device)
    place = {roi: rois.index(roi) for roi in found_rois}
    good = [k for k, reason in enumerate(reasons) if not reason]
    null = np.full((len(modalities), permutations, len(rois)), np.nan, np.float32)
    for m, names in enumerate(modalities.values()):
        total = 0.0
        for name in names:
            with open_features(files[name], dataset.name) as file:
                layers, layer_reasons = prepare(*described_layer_rdms(file, images, clip=clip, device=device), device)
            if any(layer_reasons):
                total = np.nan
                break
            best = permutation_null(units[good], layers, relabellings=relabellings, reduce="signed_max")
            total = total + best.cpu().numpy()
        null[m][:, [place[found_rois[k]] for k in good]] = total / len(names)
    return null


def mean_null(*, parts, sessions, which):
    """Mean over the sessions of a subject, then over subjects, from the arrays of the units; one of them in memory at a time.

    Parameters
    ----------
    parts : list of path
    sessions : list of (subject, session)
        Of every part.
    which : int
        Number of the modality.

    Returns
    -------
    (n_permutations, n_rois) float32 array
        NaN for a parcel that could not be computed in one of the sessions.
    """
    subjects = [subject for subject, _ in sessions]
    total = 0.0
    for part, subject in zip(parts, subjects):
        total = total + np.load(part, mmap_mode="r")[which] / float(subjects.count(subject) * len(set(subjects)))
    return total.astype(np.float32)
