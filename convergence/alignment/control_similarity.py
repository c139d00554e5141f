"""How far do vectors that describe pictures (what they show, how they look) explain what parcels tell apart? Session by session.

    unit = session_unit(dataset, 1, 2, {"person": "person"}, table, derivatives, kind="objects_similarity")     # tasks.Unit
    compare_sessions(dataset, chosen, subjects, matrices, kind=..., title=..., made_by=..., clip=...)           # of a script
    lost_vectors(table, kind)                           # which vectors could not be compared, in words

The vectors are control tables (controls.py), so that what is compared here can be taken out there. Stimuli are all existing
trials of a session whose images all tables have; an image that is shown twice is there twice. Metrics:

    auto                rsa, or rho_a for a vector whose distances are tied in large groups (counts, categories), in all sessions
    rsa, spearman, rho_a    of the RDM of the responses (1 - Pearson r) with that of the vector (Euclidean distance)
    any other           of the responses and the vectors themselves (convergence.list_metrics): unbiased_cka, mutual_knn, ...

Memory: n_rois x n_pairs x 4 bytes for the metrics of RDMs, one matrix for the others.
"""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas

from convergence.alignment.choice import check_responses, choose_parcels, existing_sessions, pilot, say_cost
from convergence.alignment.control_tables import control_name
from convergence.alignment.controls import control_path, images_of, read_controls
from convergence.alignment.parts import merge, parts_folder
from convergence.alignment.rdms import CLIP, parcel_rdms, prepare, unusable
from convergence.alignment.trials import session_trials
from convergence.storage.paths import derivatives_folder
from convergence.storage.tables import conform, file_of, read_table
from convergence.tasks import run_units

OF_RDMS = {"rsa": "pearson", "spearman": "spearman", "rho_a": "rho_a"}          # metric: method of convergence.rsa
_ENOUGH = 300           # images that show whether distances are tied
VECTOR = {"objects_similarity": "tokenizer", "perceptual_similarity": "perceptual"}        # table: column with the vector's name


def table_path(derivatives, dataset, kind, *, hemispheres="joined"):
    """Where the table of all subjects, sessions and vectors is."""
    return Path(derivatives) / file_of(kind, dataset=dataset, hemispheres=hemispheres)


def check_metrics(metrics):
    """ValueError where one of them is neither `auto` nor a metric; the message has the names."""
    from convergence.analysis import validation
    from convergence.analysis.metrics import list_metrics

    for metric in metrics:
        validation.option("--metric", "metric", metric,
                          ["auto", *OF_RDMS, *(name for name in list_metrics() if name not in OF_RDMS)])


def compare_sessions(dataset, chosen, subjects, matrices, *, kind, title, made_by, clip):
    """What a script does: make the vectors, compare them session by session, merge the table, and say what could not be.

    Parameters
    ----------
    dataset : Dataset
    chosen : object
        The script's options: derivatives, hemispheres, rois, metric, distance, device, scheduler, jobs, overwrite, dry_run,
        pilot.
    subjects : list of int
    matrices : list of Unit
        They write the control tables; a vector goes by its unit's name.
    kind : str
        The table, a key of VECTOR.
    title, made_by : str
        What progress says; the script, for the sidecar.
    clip : float
    """
    check_metrics(chosen.metric)
    check_responses(dataset, subjects)
    output = folder = derivatives_folder(chosen.derivatives)
    if chosen.pilot:
        output, chosen.rois = pilot(folder, dataset, chosen.hemispheres, chosen.rois)
        subjects = subjects[:1]
    parcels = choose_parcels(dataset, chosen.hemispheres, chosen.rois)
    run_units(matrices, title=f"{title}, vectors", overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    if chosen.dry_run and not all(unit.output.exists() for unit in matrices):
        return print(f"{title}: the sessions can be listed when the vectors are there")
    rois = [parcel.roi for parcel in parcels] if chosen.rois else None
    table = table_path(output, dataset.name, kind, hemispheres=chosen.hemispheres)
    names = {unit.name: control_name(dataset, unit.name) for unit in matrices}
    sessions = existing_sessions(dataset, subjects)[:1 if chosen.pilot else None]
    units = [session_unit(dataset, subject, session, names, table, folder, kind=kind, hemispheres=chosen.hemispheres, rois=rois,
                          metrics=chosen.metric, distance=chosen.distance, clip=clip, device=chosen.device)
             for subject, session in sessions]
    if chosen.dry_run:
        n, n_rois = max(len(session_trials(dataset.trials, *session)) for session in sessions[:20]), len(parcels)
        say_cost([unit for unit in units if all(Path(file).exists() for file in unit.inputs)],
                 flops=n_rois * n * n * (3000 + len(names)) * len(chosen.metric), memory=4 * n * n * n_rois,
                 disk=20 * n_rois * len(names))
    parts = run_units(units, title=title, scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                      dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by=made_by,
              options={"hemispheres": chosen.hemispheres, "subjects": subjects, "rois": rois or "all", "vectors": list(names),
                       "metrics": chosen.metric})
        print("\n".join(lost_vectors(table, kind)) or table)


def session_unit(dataset, subject, session, names, table, derivatives, *, kind, hemispheres="joined", rois=None,
                 metrics=("auto",), distance="euclidean", clip=CLIP, device="auto"):
    """The unit of work of a subject's session.

    Parameters
    ----------
    dataset : Dataset
    subject, session : int
    names : dict of str by str
        {name of the vector in the table: name of its control table}.
    table : path
        The table that the part will be merged into.
    derivatives : path
        The folder whose control_matrices/ hold the vectors.
    kind : {"objects_similarity", "perceptual_similarity"}
        The table's schema.
    hemispheres : {"joined", "separated"}
    rois : list of int, optional
        Parcel numbers (default: all).
    metrics : sequence of str
    distance : {"euclidean", "pearson"}
        Of a vector in two images, for the metrics of RDMs.
    clip : float
        Fraction of the responses at either end that is limited.
    device : str
    """
    from convergence.tasks import Unit

    part = parts_folder(table, rois) / f"subject-{subject:02d}_session-{session:02d}.parquet"
    files = [control_path(derivatives, control) for control in names.values()]
    return Unit(f"subject {subject}, session {session}", part, session_similarity,
                options={"subject": subject, "session": session, "hemispheres": hemispheres, "rois": rois, "clip": clip,
                         "metrics": list(metrics), "distance": distance, "names": dict(names), "kind": kind},
                places={"dataset": dataset, "derivatives": derivatives, "device": device},
                inputs=(*dataset.response_files(subject), *files))


def session_similarity(*, subject, session, hemispheres, rois, clip, metrics, distance, names, kind, dataset, derivatives,
                       device="auto"):
    """Table of one session, all parcels, vectors and metrics. Arguments are those of `session_unit`.

    Raises
    ------
    FileNotFoundError, ValueError
        Responses or control tables are missing or damaged; fewer than 4 trials whose images they have. (What cannot be computed
        for a parcel or a vector is a row without score, and with a reason.)
    """
    controls = {name: _with_distance(control, distance)
                for name, control in read_controls(derivatives, dataset, list(names.values())).items()}
    trials = session_trials(dataset.trials, subject, session)
    trials = trials[trials["image"].isin(images_of(controls))].reset_index(drop=True)
    if len(trials) < 4:
        raise ValueError(f"subject {subject}, session {session} has {len(trials)} existing trials of images that the control "
                         "tables have, at least 4 are needed")
    parcels = [parcel for parcel in dataset.parcels(hemispheres) if rois is None or parcel.roi in rois]
    brain, frames = _Brain(dataset, subject, parcels, trials, clip, device), []
    for metric in metrics:
        for name, control in names.items():
            frames.append(brain.meets(controls[control], metric).assign(vector=name))
    found = pandas.concat(frames).rename(columns={"vector": VECTOR[kind]})
    return conform(found.assign(session=session, subject=subject, n_stimuli=len(trials)), kind)


def lost_vectors(table, kind):
    """A line per vector that could not be compared in some session, from a table's reasons."""
    rows = read_table(table, columns=[VECTOR[kind], "reason", "subject", "session"])
    rows = rows[rows["reason"].str.startswith("the vector ")].drop_duplicates([VECTOR[kind], "subject", "session"])
    return [f"not computed, {name} in {len(of_it)} sessions: {of_it['reason'].iloc[0]}"
            for name, of_it in rows.groupby(VECTOR[kind], observed=True)]


def _with_distance(control, distance):
    """1 - Pearson r needs two columns or more: a single one keeps the Euclidean distance."""
    return replace(control, distance=distance if control.features.shape[1] > 1 else "euclidean")


def _method(control):
    """The method of `auto`, decided by some different images of the table, so that it is one for all sessions."""
    from convergence.analysis.similarity import default_method

    images = control.features.index
    some = images[np.unique(np.linspace(0, len(images) - 1, _ENOUGH).round().astype(int))]
    try:
        rdms = control.rdms(pandas.DataFrame({"image": some}))
    except ValueError:                                          # 1 - Pearson r of a picture without anything
        return "rho_a"
    return default_method(rdms) if len(rdms) else "pearson"


class _Brain:
    """A subject's parcels over some trials, prepared for one metric after the other."""

    def __init__(self, dataset, subject, parcels, trials, clip, device):
        self.dataset, self.subject, self.parcels, self.trials = dataset, subject, parcels, trials
        self.clip, self.device, self._prepared = clip, device, {}

    def meets(self, control, metric):
        """roi, metric, score, reason of all parcels with one vector."""
        if metric in OF_RDMS or metric == "auto":
            name, scores, reasons = self._by_rdm(control, metric)
        else:
            name, scores, reasons = self._by_matrix(control, metric)
        return pandas.DataFrame({"roi": [parcel.roi for parcel in self.parcels], "metric": name, "score": scores,
                                 "reason": reasons})

    def _by_rdm(self, control, metric):
        from convergence.analysis.similarity import rsa_of_units

        try:
            vector, lost = control.rdms(self.trials), "the vector is the same for all trials"
        except ValueError as error:                             # 1 - Pearson r of a picture without anything
            vector, lost = [], f"the vector has no RDM, {error}"
        if not len(vector):
            return ("rsa" if metric == "auto" else metric), *self._nothing(lost)
        method = _method(control) if metric == "auto" else OF_RDMS[metric]
        name = next(name for name, of_it in OF_RDMS.items() if of_it == method)
        units, reasons = self._units(method)
        other, (lost,) = prepare(vector, [""], self.device, method=method)
        if lost:
            return name, *self._nothing(f"the vector has no RDM, {lost}")
        return name, rsa_of_units(units, other).cpu().numpy()[:, 0], [reason and f"parcel: {reason}" for reason in reasons]

    def _by_matrix(self, control, metric):
        from convergence.analysis.metrics import Representations

        values = control.features.loc[self.trials["image"]].to_numpy(np.float32)
        try:
            vector = Representations(metric, [values], device=self.device)
        except ValueError as error:
            return metric, *self._nothing(f"the vector cannot be used, {error}")
        prepared, reasons = self._representations(metric)
        return metric, np.array([one.compare(vector)[0, 0] if one else np.nan for one in prepared]), reasons

    def _nothing(self, reason):
        return np.full(len(self.parcels), np.nan), [reason] * len(self.parcels)

    def _units(self, method):
        if method not in self._prepared:
            self._prepared[method] = prepare(*self._rdms, self.device, method=method)
        return self._prepared[method]

    @cached_property
    def _rdms(self):
        n, rows = len(self.trials), self.trials["subject_index"].to_numpy()
        rdms, reasons = np.full((len(self.parcels), n * (n - 1) // 2), np.nan, np.float32), []
        for k, (_, _, condensed, reason) in enumerate(parcel_rdms(self.dataset, self.subject, self.parcels, rows, clip=self.clip,
                                                                  device=self.device)):
            reasons.append(reason)
            if condensed is not None:
                rdms[k] = condensed
        return rdms, reasons

    def _representations(self, metric):
        if metric not in self._prepared:
            self._prepared[metric] = list(zip(*(self._representation(parcel, metric) for parcel in self.parcels)))
        return self._prepared[metric]

    def _representation(self, parcel, metric):
        """(Representations or None, reason) of one parcel."""
        from convergence.analysis.metrics import Representations
        from convergence.compute.quantiles import tail_limits

        responses = self.dataset.responses(self.subject, parcel.labels, self.trials["subject_index"].to_numpy())
        reason = unusable(responses, "voxel", constant=False)
        if reason:
            return None, f"parcel: {reason}"
        responses = np.asarray(responses, np.float32)
        try:
            return Representations(metric, [responses.clip(*tail_limits(responses, self.clip)) if self.clip else responses],
                                   device=self.device), ""
        except ValueError as error:
            return None, f"parcel: {error}"
