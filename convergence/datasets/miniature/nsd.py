"""A miniature Natural Scenes Dataset in the files of the real one: 4 subjects, 280 images, 17 sessions of 60 trials, 15 MB.

    describe(seed)                          (truth, {file: function of a path that writes it}); nothing is written here
    describe(seed, without=[(2, 2)])        the same data, but the betas of session 2 of subject 2 are not there

nsd_plan.py says who sees what, nsd_brains.py what is measured, coco.py what annotators wrote; here are the formats.
"""

import json
from functools import lru_cache, partial

import numpy as np

from convergence.datasets.nsd import files
from convergence.datasets.miniature import nsd_brains, truth
from convergence.datasets.miniature.coco import Photograph, annotation_files
from convergence.datasets.miniature.latents import draw_latents, people_of
from convergence.datasets.miniature.nsd_plan import N_REPETITIONS, SESSIONS, TRIALS_PER_SESSION, draw_plan, draw_unrelated
from convergence.datasets.miniature.pictures import draw_picture
from convergence.datasets.miniature.responses import stream
from convergence.datasets.miniature.volumes import nifti_writer

PICTURE_SIZE = 64
_RUNS_PER_SESSION = 4
_N_UNANNOTATED = 6


def describe(seed=0, *, without=()):
    """What the dataset consists of.

    Parameters
    ----------
    seed : int
    without : collection of (subject, session)
        Beta files to leave out.

    Returns
    -------
    truth : dict
        See truth.read_truth.
    writers : dict
        File name, relative to the dataset's folder, -> function of a path.
    """
    plan, rois, without = draw_plan(seed), truth.plant(), {tuple(session) for session in without}
    measured = lru_cache(maxsize=1)(partial(nsd_brains.measure, plan, rois=rois))       # a subject's files follow each other
    writers = {files.STIMULUS_INFORMATION: partial(_save_csv, stimulus_information(plan)),
               files.STIMULI: partial(_write_pictures, plan)}
    for name, content in annotation_files(photographs(plan), stream(seed, "nsd", "annotations")).items():
        writers[f"annotations/{name}"] = partial(_save_json, content)
    for subject, n_sessions in SESSIONS.items():
        writers[files.behaviour_file(subject)] = partial(_save_csv, behaviour(plan, subject), sep="\t", index=False)
        for name, volume in _volume_files(subject):
            writers[name] = partial(_write_volume, measured, subject, volume)
        for session in range(1, n_sessions + 1):
            if (subject, session) not in without:
                writers[files.beta_file(subject, session)] = partial(_write_session, measured, subject, session)
    return _truth(plan, rois), writers


def stimulus_information(plan):
    """nsd_stim_info_merged.csv: one row per image; trial numbers count from 1, 0 where a subject does not see the image."""
    import pandas

    images = plan.images
    table = pandas.DataFrame({
        "cocoId": images["coco_id"], "cocoSplit": images["split"],
        "cropBox": [_crop(width, height) for width, height in zip(images["width"], images["height"])],
        "loss": stream(plan.seed, "nsd", "loss").uniform(0, 0.5, len(images)).round(4), "nsdId": images.index,
        "flagged": images["flagged"], "BOLD5000": images["bold5000"], "shared1000": images["shared"]})
    for subject, columns in plan.lists.items():
        table[f"subject{subject}"] = images.index.isin(columns).astype(int)
    for subject in plan.lists:
        for repetition in range(N_REPETITIONS):
            trials = np.flatnonzero(plan.repetition == repetition)
            number = np.zeros(len(images), dtype=int)
            number[plan.shown(subject)[trials]] = trials + 1
            table[f"subject{subject}_rep{repetition}"] = number
    return table


def behaviour(plan, subject):
    """responses.tsv: one row per trial of the sessions held. Of its columns, those that do not depend on a person's answers."""
    import pandas

    trials = np.arange(SESSIONS[subject] * TRIALS_PER_SESSION)
    session, position = np.divmod(trials, TRIALS_PER_SESSION)
    run, trial = np.divmod(position, TRIALS_PER_SESSION // _RUNS_PER_SESSION)
    return pandas.DataFrame({
        "SUBJECT": subject, "SESSION": session + 1, "RUN": run + 1, "TRIAL": trial + 1,
        "73KID": plan.shown(subject)[trials] + 1, "10KID": plan.ordering[trials] + 1,
        "TIME": 7 * session + np.round(4 * position / 86400, 6), "ISOLD": (plan.repetition[trials] > 0).astype(int)})


def photographs(plan):
    """The images, and pictures that NSD has not, as COCO knows them: a list of Photograph."""
    unannotated, n_images = _unannotated(plan), len(plan.images)
    decoys = stream(plan.seed, "nsd", "decoys").integers(1, n_images, n_images)
    found = [Photograph(int(row.coco_id), row.split, int(row.width), int(row.height), _of_image(plan.latents, row.Index),
                        canary=f"img{row.Index}", decoy=f"img{(row.Index + decoys[row.Index]) % n_images}",
                        annotated=row.Index not in unannotated) for row in plan.images.itertuples()]
    rng = stream(plan.seed, "nsd", "unrelated")
    unrelated = draw_unrelated(plan.images["coco_id"], rng)
    latents = draw_latents(len(unrelated), rng)
    return found + [Photograph(*frame, _of_image(latents, k)) for k, frame in enumerate(unrelated)]


def _truth(plan, rois):
    images, people = plan.images, np.array([people_of(social) for social in plan.latents["social"]])
    inanimate = np.setdiff1d(np.flatnonzero(people.sum(axis=1) == 0), _unannotated(plan))
    return {
        "dataset": "nsd", "rois": rois, "expected": truth.expected(), "drift_coupling": round(plan.coupling, 4),
        "special": {"canary": {"roi": truth.CANARY, "voxel 0": "subject_index", "voxel k": "1000 + k"},
                    "empty": {"roi": truth.EMPTY, "subject": nsd_brains.EMPTY_IN},
                    "one_voxel": {"roi": truth.ONE_VOXEL, "subject": nsd_brains.ONE_VOXEL_IN},
                    "dead": {"roi": truth.DEAD, "hemisphere": nsd_brains.DEAD_SIDE, "n_voxels": nsd_brains.N_DEAD}},
        "images": {"n_persons": people[:, 0].tolist(), "n_animals": people[:, 1].tolist(),
                   "without_instances": _unannotated(plan), "inanimate": inanimate.tolist(),
                   **{kind: np.flatnonzero(images[kind]).tolist() for kind in ("shared", "flagged", "bold5000")}}}


def _unannotated(plan):
    """COCO's annotators marked nothing in some of a subject's own images without person or animal."""
    by_number = np.argsort(plan.latents["social"][:, 0], kind="stable")
    return sorted(by_number[~plan.images["shared"].to_numpy()[by_number]][:_N_UNANNOTATED].tolist())


def _of_image(latents, image):
    return {name: values[image] for name, values in latents.items()}


def _crop(width, height):
    """Fractions that NSD cut away: top, bottom, left, right."""
    across, down = (max(0, round((side - min(width, height)) / 2 / side, 3)) for side in (width, height))
    return str(tuple(float(v) if v else 0 for v in (down, down, across, across)))


def _write_pictures(plan, path):
    import h5py

    pictures = [draw_picture(_of_image(plan.latents, image), stream(plan.seed, "nsd", "picture", image), PICTURE_SIZE)
                for image in plan.images.index]
    with h5py.File(path, "w") as file:
        file.create_dataset("imgBrick", data=np.stack(pictures), track_times=False)


def _volume_files(subject):
    """(file, attribute of a Brain) of the volumes without a time axis."""
    labels = ((files.LEFT, "left"), (files.RIGHT, "right"), (files.COMBINED, "combined"))
    return [*((files.label_file(subject, stem), volume) for stem, volume in labels), (files.brain_mask_file(subject), "mask")]


def _write_volume(measured, subject, volume, path):
    nifti_writer(getattr(measured(subject)[0], volume))(path)


def _write_session(measured, subject, session, path):
    trials = slice((session - 1) * TRIALS_PER_SESSION, session * TRIALS_PER_SESSION)
    nifti_writer(np.moveaxis(measured(subject)[1][trials], 0, -1))(path)


def _save_csv(table, path, **options):
    table.to_csv(path, **options)


def _save_json(content, path):
    path.write_text(json.dumps(content))
