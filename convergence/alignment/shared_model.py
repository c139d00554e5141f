"""Does a network represent images as a brain does, over all trials of shared images at once? With or without control RDMs.

    unit = subject_unit(dataset, 1, files, table, known=controls)       # tasks.Unit: subject 1, all networks
    table_path(derivatives, "nsd", controls=names)      # ..._controled_joined.parquet; without controls ..._joined_shared.parquet

One RDM per parcel over the trials of shared images of a subject, all repetitions (arXiv 2507.13941, partial RSA); rows of a
network are repeated as its images are. With controls: their partial correlation, without control, with each, and with all at
once.

Each network has a file of its own beside the unit's part, so that a network that is added later is the only one computed.
Memory: (n_rois + n_layers of one network) x n_pairs x 4 bytes, 3.2 GB for 180 parcels and 3,000 trials.
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment import controls as control_rdms
from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import CLIP, described_layer_rdms, prepare
from convergence.alignment.subject_model import prepared_parcels
from convergence.alignment.trials import shared_trials
from convergence.features.store import open_features
from convergence.storage.outputs import Record, save, state
from convergence.storage.tables import conform, file_of, read_table

_SHARED, _CONTROLED = "rsa_subject_model_alignment_shared", "rsa_subject_model_alignment_controled"


def table_path(derivatives, dataset, *, hemispheres="joined", untrained=False, controls=(), exclude=()):
    """Where the table of all subjects and networks is."""
    more = "_untrained" * untrained + "".join(f"_without-{rule}" for rule in exclude)
    return Path(derivatives) / file_of(_CONTROLED if controls else _SHARED, dataset=dataset, hemispheres=hemispheres, more=more)


def subject_unit(dataset, subject, files, table, *, hemispheres="joined", rois=None, known=None, control_files=(), exclude=(),
                 device="auto",
                 overwrite=False):
    """The unit of work of a subject.

    Parameters
    ----------
    dataset : Dataset
    subject : int
    files : dict of path by name
        Feature files (subject_model.choose_features).
    table : path
        The table that the part will be merged into.
    hemispheres, rois, device, overwrite
        As of subject_model.session_unit.
    known : dict of Control, optional
        controls.read_controls; `control_files` decide them.
    exclude : sequence of str
        Rules of analysis.exclusion: pairs of trials to leave out.
    """
    from convergence.tasks import Unit

    part = parts_folder(table, rois) / f"subject-{subject:02d}.parquet"
    responses, known = tuple(dataset.response_files(subject)), known or {}
    options = {"subject": subject, "hemispheres": hemispheres, "rois": rois, "clip": CLIP, "models": list(files),
               "exclude": list(exclude),
               "controls": {name: control.distance for name, control in known.items()}}
    return Unit(f"subject {subject}", part, subject_similarity, options=options,
                places={"dataset": dataset, "files": files, "known": known, "inputs": (*responses, *control_files),
                        "folder": part.with_suffix(""),
                        "device": device, "overwrite": overwrite},
                inputs=(*responses, *control_files, *files.values()))


def subject_similarity(*, subject, hemispheres, rois, clip, models, exclude, controls, dataset, files, known, inputs, folder,
                       device="auto",
                       overwrite=False):
    """Table of one subject, all networks. Arguments are those of `subject_unit`.

    Raises
    ------
    FileNotFoundError, ValueError
        Responses or features are missing or damaged; fewer than 4 trials. (A parcel or layer that cannot be computed is a row
        without similarity, and with a reason.)
    """
    trials, known = shared_trials(dataset.trials, subject), control_rdms.without_subjects(known, subject)
    available = control_rdms.images_of(known)
    if available is not None:
        trials = trials[trials["image"].isin(available)].reset_index(drop=True)
    if len(trials) < 4:
        raise ValueError(f"subject {subject} has {len(trials)} existing trials of shared "
                         f"images{' that the controls have' if known else ''}, at least 4 are needed")
    options = {"subject": subject, "hemispheres": hemispheres, "rois": rois, "clip": clip, "exclude": exclude,
               "controls": controls}
    brain, tables, schema = None, [], _CONTROLED if known else _SHARED
    for model in models:
        path = folder / f"{model}.parquet"
        record = Record(f"{__name__}.subject_similarity", (*inputs, files[model]), {**options, "model": model}, str(device))
        if overwrite or state(path, record)[0] != "done":
            brain = brain or _Brain(dataset, subject, hemispheres, rois, trials, clip, exclude, known, device)
            with open_features(files[model], dataset.name) as file:
                found = brain.meets(file)
            save(conform(found.assign(subject=subject, model=model, join_hemispheres=hemispheres == "joined"), schema), path,
                 record)
        tables.append(read_table(path).astype({"model": str}))
    return conform(pandas.concat(tables), schema)


class _Brain:
    """The prepared RDMs of a subject's parcels, and of the controls over the same pairs of trials."""

    def __init__(self, dataset, subject, hemispheres, rois, trials, clip, exclude, known, device):
        from convergence.analysis.exclusion import kept_pairs

        self.trials, self.known, self.device, self.clip = trials, known, device, clip
        self.kept = kept_pairs(exclude, {**trials, "position": trials["subject_index"]})
        parcels = [parcel for parcel in dataset.parcels(hemispheres) if rois is None or parcel.roi in rois]
        self.rois, self.units, self.reasons = prepared_parcels(dataset, subject, parcels, trials, clip, device, self.kept)
        self.controls, self.numbers = control_rdms.stacked(known, trials, self.kept, device=device) if known else (None, [])

    def meets(self, file):
        """Similarity with all layers of a network: roi, layer, similarity, reason, n_pairs, and with controls control,
        distance."""
        from convergence.alignment.subject_subject import Products
        from convergence.analysis.similarity import rsa_of_units

        rdms, reasons = described_layer_rdms(file, self.trials["image"].to_numpy(), clip=self.clip, device=self.device)
        layers, reasons = prepare(rdms, reasons, self.device, kept=self.kept)
        products = lambda a, b: rsa_of_units(a, b).cpu().numpy()
        c = self.controls
        found = Products(products(self.units, layers),
                         *((products(self.units, c), products(layers, c), products(c, c)) if c is not None else ()))
        both = [(parcel, layer) for parcel in self.reasons for layer in reasons]
        why = ["; ".join(f"{what}: {reason}" for what, reason in zip(("parcel", "layer"), pair) if reason) for pair in both]
        known = {"roi": np.repeat(self.rois, len(layers)), "layer": np.tile(np.arange(len(layers)), len(self.rois)),
                 "n_pairs": self.units.shape[1]}
        frames = []
        for name, distance, which in control_rdms.choices(self.known) if self.known else [(None, "", ())]:
            r, lost = found.partial(sorted({k for n in which for k in self.numbers[n]}), sides=("parcel", "layer"))
            frame = pandas.DataFrame({**known, "similarity": r.ravel(),
                                      "reason": [reason or more for reason, more in zip(why, lost)]})
            frames.append(frame if name is None else frame.assign(control=name, distance=distance))
        return pandas.concat(frames)
