"""A miniature BOLD5000 in the files of the real one: 4 subjects, 84 pictures, 11 sessions of 24 or 36 trials, 5 MB.

    describe(seed)                          (truth, {file: function of a path that writes it}); nothing is written here
    describe(seed, without=[(2, 2)])        the same data, but the betas of session 2 of CSI2 are not there

bold5000_plan.py says who sees what, bold5000_brains.py what is measured; here are the formats. Betas have a bare header, as the
real ones: the size of the voxels, no orientation. The atlas is what warp_atlas.sh would give, and has one; a second atlas of
CSI1, in the folder `mirrored` beside it, has left and right exchanged and must be refused. Betas of type D, and for one session
of CSI1 of type A, and of type B under its misspelt name.
"""

import gzip
from functools import lru_cache, partial

import numpy as np

from convergence.datasets.bold5000 import files
from convergence.datasets.miniature import bold5000_brains as brains, truth
from convergence.datasets.miniature.bold5000_plan import REPEATED, RUNS, TRIALS_PER_RUN, draw_plan, repetitions
from convergence.datasets.miniature.latents import caption_words, people_of
from convergence.datasets.miniature.pictures import draw_picture
from convergence.datasets.miniature.responses import stream

PICTURE_SIZE = 64
_VOXEL = 2.0                                                        # mm
_ATLAS = "preprocessed/atlas/{}subj-{:02d}_HCP_atlas_func_360.nii.gz"
_LIST = f"{files.STIMULI}/{files.LISTS}/CSI{{0}}/CSI{{0}}_sess{{1:02d}}/CSI{{0}}_sess{{1:02d}}_run{{2:02d}}.txt"
# What an analysis must find: RSA between subjects, joined hemispheres, trials paired by picture and repetition; means over pairs.
_EXPECTED = {"clusters_above": 0.25, "nulls_within": 0.05, "rank_correlation_with_snr_above": 0.7}


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
    plan, rois, without = draw_plan(seed), truth.plant(contrast=False), {tuple(session) for session in without}
    brain_of = lru_cache(maxsize=None)(lambda subject: brains.brain_of(seed, subject, list(rois)))
    measured = lru_cache(maxsize=1)(lambda subject: brains.measure(plan, subject, brain_of(subject),
                                                                   rois))     # a subject's files follow each other
    writers = {files.CAPTIONS: partial(_write_csv, captions(plan))}
    for image, path in picture_files(plan).items():
        writers[path] = partial(_write_picture, plan, image, "L" if image == _grey(plan) else "RGB")
    for subject in RUNS:
        writers |= {name: partial(_write_lines, lines) for name, lines in trial_lists(plan, subject).items()}
        writers[f"CSI{subject}_brainmask.nii.gz"] = lambda path, subject=subject: write_bare(brain_of(subject).mask, path)
        writers[_ATLAS.format("", subject)] = lambda path, subject=subject: write_oriented(brain_of(subject).labels, path)
        for session in range(1, len(RUNS[subject]) + 1):
            if (subject, session) not in without:
                writers[files.beta_name(subject, "D", session)] = partial(_write_session, plan, measured, subject, session)
    writers[_ATLAS.format("mirrored/", 1)] = lambda path: write_oriented(brain_of(1).labels[::-1], path)
    for beta_type, spelling in (("A", "TYPE"), ("B", "TYBE")):
        writers[files.beta_name(1, beta_type, 1, spelling)] = partial(_write_other_type, plan, measured, brain_of, rois,
                                                                      beta_type)
    return _truth(plan, rois), writers


def picture_files(plan):
    """{bold_position: file name}."""
    return {image: f"{files.STIMULI}/{files.PICTURES}/{files.PICTURE_FOLDERS[source]}/{name}"
            for image, name, source in plan.images[["image_name", "stim_source"]].itertuples()}


def trial_lists(plan, subject):
    """{file name: lines} of the list of all names in the order of the betas, and of the list of every run."""
    shown = plan.shown[subject]
    names = plan.images["image_name"].to_numpy()[shown]
    marked = [f"rep_{name}" if k > 1 else name for name, k in zip(names, repetitions(shown))]
    lists, start = {f"CSI{subject}_imgnames.txt": list(names)}, 0
    for session, n_runs in enumerate(RUNS[subject], start=1):
        for run in range(1, n_runs + 1):
            lists[_LIST.format(subject, session, run)] = marked[start:start + TRIALS_PER_RUN]
            start += TRIALS_PER_RUN
    return lists


def captions(plan):
    """captions.csv: what a person with captions of their own would put there; each names its image (img12), as a canary."""
    import pandas

    words = [caption_words(_of_image(plan.latents, image)) for image in plan.images.index]
    texts = [f"{text[0].upper()}{text[1:]}, img{image}." for image, text in enumerate(words)]
    return pandas.DataFrame({"image_name": plan.images["image_name"], "caption": texts}).iloc[::-1]


def write_bare(values, path):
    """A .nii.gz whose header knows shape, type and size of voxels, and no orientation. The same values give the same bytes."""
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype(values.dtype)
    header.set_data_shape(values.shape)
    header.set_zooms((_VOXEL,) * 3 + (1.0,) * (values.ndim - 3))
    header["vox_offset"] = 352
    _write_gzip(header.binaryblock + bytes(4) + values.tobytes(order="F"), path)


def write_oriented(values, path):
    """The same with an orientation: x to the right, the origin in the middle."""
    import nibabel

    affine = np.diag([_VOXEL] * 3 + [1.0])
    affine[:3, 3] = -_VOXEL * (np.array(values.shape[:3]) - 1) / 2
    _write_gzip(nibabel.Nifti1Image(values, affine).to_bytes(), path)


def _write_gzip(content, path):
    with open(path, "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as file:
        file.write(content)


def _truth(plan, rois):
    people = np.array([people_of(social) for social in plan.latents["social"]])
    return {
        "dataset": "bold5000", "rois": rois, "expected": dict(_EXPECTED), "drift_coupling": round(plan.coupling, 4),
        "special": {"canary": {"roi": truth.CANARY, "voxel 0": "subject_index", "voxel k": "1000 + k"},
                    "empty": {"roi": truth.EMPTY, "subject": brains.EMPTY_IN},
                    "one_voxel": {"roi": truth.ONE_VOXEL, "subject": brains.ONE_VOXEL_IN},
                    "dead": {"roi": truth.DEAD, "hemisphere": brains.DEAD_SIDE, "n_voxels": brains.N_DEAD},
                    "infinite": {key: brains.INFINITE[key] for key in ("subject", "roi", "side", "trials")},
                    "repeated": {str(subject): list(times) for subject, times in REPEATED.items()}},
        "images": {"n_persons": people[:, 0].tolist(), "n_animals": people[:, 1].tolist(), "grey": [_grey(plan)],
                   **{source: np.flatnonzero(plan.images["stim_source"] == source).tolist()
                      for source in ("coco", "imagenet", "scenes")}}}


def _grey(plan):
    """The one picture without colours: the first from COCO, where such pictures occur."""
    return int(np.flatnonzero(plan.images["stim_source"] == "coco")[0])


def _of_image(latents, image):
    return {name: values[image] for name, values in latents.items()}


def _write_picture(plan, image, mode, path):
    from PIL import Image

    picture = draw_picture(_of_image(plan.latents, image), stream(plan.seed, "bold5000", "picture", image), PICTURE_SIZE)
    Image.fromarray(picture).convert(mode).save(path, "JPEG", quality=95)


def _write_session(plan, measured, subject, session, path):
    write_bare(np.moveaxis(measured(subject)[plan.trials(subject, session)], 0, -1), path)


def _write_other_type(plan, measured, brain_of, rois, beta_type, path):
    labels, canary = brain_of(1).labels, list(rois).index(truth.CANARY) + 1
    rng = stream(plan.seed, "bold5000", "type", beta_type)
    betas = brains.another_type(measured(1)[plan.trials(1, 1)], labels, (canary, canary + len(rois)), rng)
    write_bare(np.moveaxis(betas, 0, -1), path)


def _write_lines(lines, path):
    path.write_text("".join(f"{line}\n" for line in lines))


def _write_csv(table, path):
    table.to_csv(path, index=False)
