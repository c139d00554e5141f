"""Does a network represent images as a brain does? RSA of every parcel with every layer of every network, session by session.

    files = choose_features(folder, "nsd", models=None)     # {name: path}; untrained=True: networks with random weights
    check_images(files, "nsd", images)                      # a network without some of the images stops the run at its start
    unit = session_unit(dataset, 1, 2, files, table)        # tasks.Unit: subject 1, session 2, all networks

r(parcel, layer) is the Pearson correlation of two RDMs over all trials of a session (arXiv 2507.13941): of the parcel's
responses to the trials, and of the layer's activations to their images (an image shown twice is there twice). Layers count
from 0; in the published tables of THINGS and BOLD5000 from 1 (reference=True). Over all trials of shared images: shared_model.py.

A unit reads the session's rows of the ROI matrices once and meets all networks. Each network has a file of its own beside the
unit's part, so that a network that is added later is the only one computed. Memory: (n_rois + n_layers of one network) x n_pairs
x 4 bytes.
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment import other_datasets
from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import CLIP, described_layer_rdms, parcel_rdms, prepare
from convergence.alignment.trials import session_trials
from convergence.datasets import option_of
from convergence.features.store import FOLDERS, list_features, open_features
from convergence.storage.outputs import Record, save, state
from convergence.storage.tables import conform, file_of, read_table

_TABLES = {False: "rsa_subject_model_alignment", True: "rsa_subject_model_alignment_untrained"}
_OTHER = "rsa_other_subject_model_alignment"


def table_path(derivatives, dataset, *, hemispheres="joined", untrained=False):
    """Where the table of all subjects, sessions and networks is."""
    if other_datasets.folder_of(dataset) in other_datasets.FAMILIES:
        return Path(derivatives) / file_of(_OTHER, family=other_datasets.folder_of(dataset), dataset=dataset,
                                           hemispheres=hemispheres,
                                           more="_untrained" * untrained)
    return Path(derivatives) / file_of(_TABLES[untrained], dataset=dataset, hemispheres=hemispheres)


def choose_features(folder, dataset, models=None, *, untrained=False):
    """Feature files of a dataset, {stem: path} in the order of their names.

    Parameters
    ----------
    folder : path
    dataset : str
    models : list of str, optional
        Only these: stems of files, or names of networks (all seeds and poolings of a network).
    untrained : bool
        Files of networks with random weights instead.

    Raises
    ------
    FileNotFoundError
        There are no files; the message says which scripts make them.
    ValueError
        A file of another dataset, or a name in `models` that no file has.
    """
    paths = list_features(folder, dataset, untrained=untrained)
    if not paths:
        raise FileNotFoundError(f"no feature files in {Path(folder) / dataset / FOLDERS[untrained]}; make them with "
                                "2_model_extraction/1_extract_vision_features.py or 3_extract_language_features.py "
                                f"--dataset {option_of(dataset)}{' --untrained' if untrained else ''}")
    names = {path.stem: {path.stem, _network(path, dataset)} for path in paths}
    unknown = sorted(set(models or ()).difference(*names.values()))
    if unknown:
        raise ValueError(f"models: no feature file of {dataset!r} is of {', '.join(unknown)}; there are "
                         f"{', '.join(sorted(set().union(*names.values())))}")
    return {path.stem: path for path in paths if models is None or names[path.stem] & set(models)}


def check_images(files, dataset, images):
    """See that every feature file is of this dataset and has these images; a ValueError names the files and what they lack."""
    images, faults = np.unique(images), []
    for path in files.values():
        with open_features(path, dataset) as file:
            lacking = np.setdiff1d(images, file.ids)
            if len(lacking):
                first = ", ".join(map(str, lacking[:5])) + (", ..." if len(lacking) > 5 else "")
                faults.append(f"{path} lacks {len(lacking)} of the {len(images)} images that the subjects saw "
                              f"({file.attributes['id_name']} {first})")
    if faults:
        raise ValueError(f"{'; '.join(faults)}; extract its features again from all images (2_model_extraction), "
                         "or leave it out with --models")


def session_unit(dataset, subject, session, files, table, *, hemispheres="joined", rois=None, device="auto", overwrite=False,
                 reference=False):
    """The unit of work of a subject's session.

    Parameters
    ----------
    dataset : Dataset
    subject, session : int
    files : dict of path by name
        Feature files (`choose_features`).
    table : path
        The table that the part will be merged into.
    hemispheres : {"joined", "separated"}
    rois : list of int, optional
        Parcel numbers (default: all).
    device : str
    overwrite : bool
        Redo the networks that are done.
    reference : bool
        Layers of THINGS and BOLD5000 count from 1, as published.
    """
    from convergence.tasks import Unit

    part = parts_folder(table, rois) / f"subject-{subject:02d}_session-{session:02d}.parquet"
    responses = tuple(dataset.response_files(subject))
    return Unit(f"subject {subject}, session {session}", part, session_similarity,
                options={"subject": subject, "session": session, "hemispheres": hemispheres, "rois": rois, "clip": CLIP,
                         "models": list(files), **({"reference": True} if reference else {})},
                places={"dataset": dataset, "files": files, "responses": responses, "folder": part.with_suffix(""),
                        "device": device, "overwrite": overwrite},
                inputs=(*responses, *files.values()))


def session_similarity(*, subject, session, hemispheres, rois, clip, models, dataset, files, responses, folder, device="auto",
                       overwrite=False, reference=False):
    """Table of one session, all networks: columns of rsa_subject_model_alignment.

    Arguments are those of `session_unit`; each network's rows are also saved below `folder`, and `responses` (the files that the
    session's rows come from) stand in their sidecars.

    Raises
    ------
    FileNotFoundError, ValueError
        Responses or features are missing or damaged; fewer than 4 trials. (A parcel or layer that cannot be computed is a row
        without similarity, and with a reason.)
    """
    trials = session_trials(dataset.trials, subject, session)
    if len(trials) < 4:
        raise ValueError(f"subject {subject}, session {session} has {len(trials)} existing trials, at least 4 are needed")
    options = {"subject": subject, "session": session, "hemispheres": hemispheres, "rois": rois, "clip": clip}
    brain, tables = None, []
    for model in models:
        path = folder / f"{model}.parquet"
        record = Record(f"{__name__}.model_similarity", (*responses, files[model]), {**options, "model": model}, str(device))
        if overwrite or state(path, record)[0] != "done":
            brain = brain or prepared_parcels(dataset, subject, _parcels(dataset, hemispheres, rois), trials, clip, device)
            with open_features(files[model], dataset.name) as file:
                found = model_similarity(*brain, file, trials["image"].to_numpy(), clip=clip, device=device)
            known = {"session": session, "subject": subject, "model": model, "join_hemispheres": hemispheres == "joined",
                     "n_pairs": len(trials) * (len(trials) - 1) // 2}
            save(conform(found.assign(**known), _TABLES[False]), path, record)
        tables.append(read_table(path).astype({"model": str}))
    table = pandas.concat(tables)
    if not other_datasets.session_wise(dataset):
        return conform(table, _TABLES[False])
    return conform(table.assign(dataset=dataset.name, layer=table["layer"].astype(int) + reference), _OTHER)


def model_similarity(rois, units, reasons, feature_file, images, *, clip=CLIP, device="auto"):
    """RSA of prepared RDMs of parcels with all layers of a network.

    Parameters
    ----------
    rois : list of int
    units : (n_rois, n_pairs) tensor
        From `alignment.rdms.prepare`.
    reasons : list of str
        Why a parcel cannot be computed, or ''.
    feature_file : FeatureFile
    images : (n,) array of int
        Image of every stimulus of the RDMs.

    Returns
    -------
    DataFrame
        roi, layer, similarity, reason.
    """
    from convergence.analysis.similarity import rsa_of_units

    layers, layer_reasons = prepare(*described_layer_rdms(feature_file, images, clip=clip, device=device), device)
    similarity = rsa_of_units(units, layers).cpu().numpy()
    both = ["; ".join(f"{what}: {reason}" for what, reason in (("parcel", parcel), ("layer", layer)) if reason)
            for parcel in reasons for layer in layer_reasons]
    return pandas.DataFrame({"roi": np.repeat(rois, len(layers)), "layer": np.tile(np.arange(len(layers)), len(rois)),
                             "similarity": similarity.ravel(), "reason": both})


def prepared_parcels(dataset, subject, parcels, trials, clip, device, kept=None):
    """RDMs of parcels over some trials (pairs that are kept), ready for `model_similarity`: parcel numbers, (n_rois, n_pairs)
    tensor, reasons."""
    n, rows = len(trials), trials["subject_index"].to_numpy()
    rdms, reasons = np.full((len(parcels), n * (n - 1) // 2), np.nan, np.float32), []
    for k, (_, _, condensed, reason) in enumerate(parcel_rdms(dataset, subject, parcels, rows, clip=clip, device=device)):
        reasons.append(reason)
        if condensed is not None:
            rdms[k] = condensed
    return [parcel.roi for parcel in parcels], *prepare(rdms, reasons, device, kept=kept)


def _parcels(dataset, hemispheres, rois):
    return [parcel for parcel in dataset.parcels(hemispheres) if rois is None or parcel.roi in rois]


def _network(path, dataset):
    with open_features(path, dataset) as file:
        return file.attributes["model"]
