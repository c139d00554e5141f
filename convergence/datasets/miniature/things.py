"""A miniature THINGS-fMRI in the files of the real one: 3 subjects, 150 pictures, 3 sessions of 50 trials, 15 MB.

    describe(seed)                          (truth, {file: function of a path that writes it}); nothing is written here

things_plan.py says who sees what, things_brains.py what is measured; here are the formats. The responses are written by pandas,
as the real ones were, so that blocks and pickled labels are genuine; without the time that its library would put into the file.
"""

import warnings
from contextlib import contextmanager
from functools import lru_cache, partial, partialmethod
from unittest import mock

import numpy as np

from convergence.datasets.miniature import things_brains as brains, truth
from convergence.datasets.miniature.latents import caption_words, people_of
from convergence.datasets.miniature.pictures import draw_picture
from convergence.datasets.miniature.responses import stream
from convergence.datasets.miniature.things_plan import CONCEPTS, HIGHER, N_RUNS, N_SESSIONS, SUBJECTS, TRIALS_PER_RUN, draw_plan
from convergence.datasets.miniature.volumes import nifti_writer
from convergence.datasets.things import files

PICTURE_SIZE = 64
_TABLES = "betas_csv/betas_csv"
_MASK = "brainmasks/sub-{:02d}_space-T1w_brainmask.nii.gz"
_HIGHER_FOLDER = "stimuli/THINGS/27 higher-level categories"
_BROKEN = ("p9-46v", "a9-46v")                      # areas whose columns have a line break in their names
# Columns of 0 and 1, by the areas of the atlas that they mark.
_RETINOTOPIC = {"V1": ["V1"], "V2": ["V2"], "V3": ["V3"], "hV4": ["V4"], "VO1": ["VMV1"], "VO2": ["VMV2"], "LO1 (prf)": ["LO1"],
                "LO2 (prf)": ["LO2"], "TO1": ["MT"], "TO2": ["MST"], "V3b": ["V3B"], "V3a": ["V3A"]}
_LOCALISERS = {"EBA": ["MT", "FST", "V4t"], "FFA": ["FFC", "VVC"], "OFA": ["PIT"], "STS": ["STSdp", "TPOJ1"],
               "PPA": ["PHA1", "PHA2", "PHA3", "VMV2"], "RSC": ["RSC", "ProS"], "TOS": ["IPS1", "V3CD"],
               "LOC": ["LO1", "LO2", "LO3"]}
_IT = ["TE1p", "TE2p", "TF", "PH"]

# What an analysis must find: RSA between subjects, joined hemispheres, trials of one session paired by image and repetition;
# means over ordered pairs of different subjects and sessions.
_EXPECTED = {"clusters_above": 0.25, "nulls_within": 0.05, "rank_correlation_with_snr_above": 0.7}


def describe(seed=0, *, without=()):
    """What the dataset consists of.

    Parameters
    ----------
    seed : int
    without : collection
        Must be empty: responses are one file per subject, so that no session can be missing.

    Returns
    -------
    truth : dict
        See truth.read_truth.
    writers : dict
        File name, relative to the dataset's folder, -> function of a path.
    """
    if without:
        raise ValueError(f"without: {list(without)} cannot be left out of the miniature THINGS-fMRI, whose responses are one "
                         "file per subject")
    plan, rois = draw_plan(seed), truth.plant(contrast=False)
    brain_of = lru_cache(maxsize=None)(lambda subject: brains.brain_of(seed, subject, list(rois)))
    writers = {files.CONCEPTS: partial(_write_text, "".join(f"{name}\n" for name in CONCEPTS)),
               f"{_HIGHER_FOLDER}/{files.MEMBERSHIP}": partial(_write_text, _membership()),
               f"{_HIGHER_FOLDER}/{files.TAGS}": partial(_write_text, _tags()),
               files.CAPTIONS: partial(_write_csv, captions(plan))}
    grey = int(np.flatnonzero(plan.images["kind"] == "unshown")[0])
    for image, path in plan.images["path"].items():
        writers[path] = partial(_write_picture, plan, image, "L" if image == grey else "RGB")
    for subject in SUBJECTS:
        writers[_MASK.format(subject)] = lambda path, subject=subject: nifti_writer(brain_of(subject).mask)(path)
        prefix = f"{_TABLES}/sub-{subject:02d}_"
        writers[prefix + files.TRIALS_OF] = partial(_write_csv, stimulus_metadata(plan, subject))
        writers[prefix + files.VOXELS] = lambda path, subject=subject: _write_csv(
            voxel_metadata(seed, subject, brain_of(subject), rois), path)
        writers[prefix + files.RESPONSES] = lambda path, subject=subject: write_responses(
            brains.measure(plan, subject, brain_of(subject), rois), path)
    return _truth(plan, rois), writers


def stimulus_metadata(plan, subject):
    """StimulusMetadata.csv: one row per trial."""
    import pandas

    shown = plan.images.loc[plan.shown[subject]].reset_index()
    run = np.arange(len(shown)) // TRIALS_PER_RUN
    return pandas.DataFrame({"trial_type": shown["kind"], "session": run // N_RUNS + 1, "run": run % N_RUNS + 1,
                             "subject_id": subject, "trial_id": range(len(shown)),
                             "stimulus": shown["image_name"] + ".jpg", "concept": shown["category"]})


def voxel_metadata(seed, subject, brain, rois):
    """VoxelMetadata.csv: one row per voxel, 222 columns."""
    import pandas

    names, rng = list(rois), stream(seed, "things", subject, "voxels")
    n_voxels = len(brain.area)
    snr = np.array([0.0, *(roi["snr"] for roi in rois.values())])[brain.area]
    ceiling = np.round(100 * snr / (snr + 1) * rng.uniform(0.9, 1, n_voxels), 2)
    half = np.round(ceiling / 100, 3)
    among = lambda areas: np.isin(brain.area, [names.index(area) + 1 for area in areas]).astype(int)
    columns = {"voxel_id": range(n_voxels), "subject_id": subject,
               **{f"voxel_{axis}": brain.places[:, k] for k, axis in enumerate("xyz")},
               "nc_singletrial": ceiling, "nc_testset": np.round(100 * snr / (snr + 1 / N_SESSIONS), 2),
               "splithalf_uncorrected": half, "splithalf_corrected": np.round(2 * half / (1 + half), 3),
               "prf-eccentricity": rng.uniform(0, 8, n_voxels).round(2),
               "prf-polarangle": rng.uniform(0, 360, n_voxels).round(1), "prf-rsquared": rng.uniform(0, 50, n_voxels).round(1),
               "prf-size": rng.uniform(0, 4, n_voxels).round(2)}
    columns |= {name: among(areas) for name, areas in _RETINOTOPIC.items()}
    columns |= {f"{side}{name}": among(areas) * (brain.left == (side == "l")) for name, areas in _LOCALISERS.items()
                for side in "lr"}
    columns["IT"] = among(_IT)
    columns |= {f"glasser-{_column_name(name)}": among([name]) for name in names}
    return pandas.DataFrame(columns)


def captions(plan):
    """captions.csv: captions of one's own; each names its image (img12), so that rows can be told."""
    import pandas

    images = plan.images.reset_index()
    words = [caption_words(_of_image(plan.latents, image)) for image in images["things_id"]]
    texts = [f"{text[0].upper()}{text[1:]}, img{image}." for image, text in enumerate(words)]
    return pandas.DataFrame({"things_id": images["things_id"], "name": images["image_name"], "category": images["category"],
                             "category_id": images["category_id"], "caption": texts})


def write_responses(responses, path):
    """Write (n_voxels, n_trials) responses as pandas does: a frame of fixed format with the columns voxel_id, 0, 1, 2, ..."""
    import pandas

    frame = pandas.DataFrame(responses, columns=range(responses.shape[1]))
    frame.insert(0, "voxel_id", np.arange(len(frame)))
    with warnings.catch_warnings(), _without_times():
        warnings.simplefilter("ignore", pandas.errors.PerformanceWarning)      # labels are pickled: that is the format
        frame.to_hdf(path, key="ResponseData", mode="w")


@contextmanager
def _without_times():
    """PyTables notes no times, so that the same numbers give the same bytes, and takes little room for the labels."""
    import tables

    array = partialmethod(tables.File.create_array, track_times=False)
    labels = partialmethod(tables.File.create_vlarray, track_times=False, chunkshape=1)
    with mock.patch.multiple(tables.File, create_array=array, create_vlarray=labels):
        yield


def _truth(plan, rois):
    people = np.array([people_of(social) for social in plan.latents["social"]])
    return {
        "dataset": "things", "rois": rois, "expected": dict(_EXPECTED), "drift_coupling": round(plan.coupling, 4),
        "special": {"canary": {"roi": truth.CANARY, "voxel 0": "subject_index", "voxel k": "1000 + k"},
                    "empty": {"roi": truth.EMPTY, "subject": brains.EMPTY_IN},
                    "one_voxel": {"roi": truth.ONE_VOXEL, "subject": brains.ONE_VOXEL_IN},
                    "dead": {"roi": truth.DEAD, "hemisphere": brains.DEAD_SIDE, "n_voxels": brains.N_DEAD}},
        "images": {"n_persons": people[:, 0].tolist(), "n_animals": people[:, 1].tolist(),
                   **{kind: np.flatnonzero(plan.images["kind"] == kind).tolist() for kind in ("train", "test", "unshown")}}}


def _membership():
    lines = ["\t".join("1" if name in tags.split(";") else "0" for name in HIGHER) for tags in CONCEPTS.values()]
    return "\n".join(["\t".join(HIGHER), *lines]) + "\n"


def _tags():
    """A line per concept, as long as it has labels, some of them twice."""
    return "".join("\t".join([*tags.split(";"), *tags.split(";")[:k % 2]]) + "\n" for k, tags in enumerate(CONCEPTS.values()))


def _column_name(area):
    return area.replace("-", "-\n") if area in _BROKEN else area


def _of_image(latents, image):
    return {name: values[image] for name, values in latents.items()}


def _write_picture(plan, image, mode, path):
    from PIL import Image

    picture = draw_picture(_of_image(plan.latents, image), stream(plan.seed, "things", "picture", image), PICTURE_SIZE)
    Image.fromarray(picture).convert(mode).save(path, "JPEG", quality=95)


def _write_csv(table, path):
    table.to_csv(path, index=False)


def _write_text(text, path):
    path.write_text(text)
