"""The dimensions that subjects share in a hub, and in each of its parcels: from responses to tables and control matrices.

    regions = regions_of(dataset)                                       # hubs (visual_cortex, ...), then their parcels (V1, ...)
    files = [gram_unit(dataset, subject, regions, derivatives), ...]    # a subject's images, parcel by parcel, as Gram matrices
    fits = [fit_unit(region, grams, derivatives, ...), ...]             # analysis.shared_dimensions, and leave-pair-out refits
    table_units(dataset, regions, fits, derivatives, ...)               # projections, dimensions, top words, control matrices

Responses are z-scored by voxel within each session (over all its trials), averaged over the repetitions of an image, and
limited to their 0.3 % and 99.7 % quantiles, parcel by parcel. A hub's Gram matrix is the sum of its parcels', as of their
voxels side by side. What words and labels the images have: image_content.py.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas

from convergence.alignment.controls import control_path
from convergence.alignment.recipe import CLIP, zscored
from convergence.alignment.trials import shared_trials
from convergence.storage.tables import conform, file_of

PROJECTIONS, DIMENSIONS, WORDS = "kmcca_projections", "kmcca_dimensions", "kmcca_top_words_dimension"
KEYS = {"EVC": "visual_cortex", "Ventral": "ventral_hub", "LOTC": "dorsal_hub"}         # in files, as published
LEAVE_PAIR_OUT = "leave-pair-out"


class Region(NamedTuple):
    """key: its name in files and tables; hub: whether it is one; rois: its parcels, joined hemispheres."""
    key: str
    hub: bool
    rois: tuple


def regions_of(dataset):
    """The hubs of the dataset's atlas, then their parcels, each in the order of display.

    Raises
    ------
    ValueError
        The atlas has no hubs.
    """
    from convergence.datasets.atlas import hubs_of

    parcels, hubs = {parcel.name: parcel.roi for parcel in dataset.parcels("joined")}, hubs_of(dataset.atlas())
    if not hubs:
        raise ValueError(f"the atlas of {dataset.name!r} names no hubs (column hub); shared dimensions are found in hubs and "
                         "their parcels")
    whole = [Region(KEYS.get(hub, re.sub(r"\W+", "_", hub.lower())), True, tuple(parcels[name] for name in names))
             for hub, names in hubs.items()]
    return whole + [Region(name, False, (parcels[name],)) for names in hubs.values() for name in names]


def gram_unit(dataset, subject, regions, derivatives):
    """The unit of work of a subject: Gram matrices of its shared images in all parcels of the regions."""
    from convergence.tasks import Unit

    rois = sorted({roi for region in regions for roi in region.rois})
    return Unit(f"subject {subject}", _folder(derivatives, dataset.name) / f"subject-{subject:02d}.npz", subject_grams,
                options={"subject": subject, "rois": rois, "clip": CLIP}, places={"dataset": dataset},
                inputs=tuple(dataset.response_files(subject)))


def subject_grams(*, subject, rois, clip, dataset):
    """A function of a path that writes images (n,) and, parcel by parcel, grams (n_rois, n, n): inner products of centred mean
    responses.

    A parcel without two voxels that vary has zeros.
    """
    trials = shared_trials(dataset.trials, subject)
    images = np.unique(trials["image"])
    labels = {parcel.roi: parcel.labels for parcel in dataset.parcels("joined")}
    grams = np.stack([_gram(_image_means(dataset, subject, labels[roi], trials, clip)) for roi in rois])
    return lambda path: np.savez(path, images=images, rois=np.array(rois), grams=grams, subject=subject)


def fit_unit(region, grams, derivatives, dataset, *, n_components, n_folds, n_permutations, seed, device="auto"):
    """The unit of work of a region; `grams`: files of `gram_unit` by subject."""
    from convergence.tasks import Unit

    return Unit(region.key, _folder(derivatives, dataset) / f"region-{region.key}.npz", region_dimensions,
                options={"rois": list(region.rois), "n_components": n_components, "n_folds": n_folds,
                         "n_permutations": n_permutations, "seed": seed, "without_pairs": region.hub},
                places={"grams": [str(grams[subject]) for subject in sorted(grams)], "device": device},
                inputs=tuple(grams.values()))


def region_dimensions(*, rois, grams, n_components, n_folds, n_permutations, seed, without_pairs, device="auto"):
    """A function of a path that writes the shared dimensions of a region.

    A region with fewer voxels in some subject than n_components has as many dimensions as voxels.

    Fields: images (n,), those that at least two subjects have; subjects; the fields of
    analysis.shared_dimensions.SharedDimensions; and, for hubs, pairs (n_pairs, 2) of subjects and without (n_pairs, n,
    n_components), the coordinates without them.

    Raises
    ------
    ValueError
        Fewer than two subjects have voxels there, or too few images are common to two.
    """
    from convergence.analysis.shared_dimensions import leave_pair_out, shared_dimensions

    subjects, images, kernels, mask = _kernels(rois, grams)
    rank = min(np.linalg.matrix_rank(kernel, hermitian=True, rtol=1e-6) for kernel in kernels)       # of few voxels or images
    n_components = min(n_components, int(rank))
    found = shared_dimensions(kernels, mask=mask, n_components=n_components, n_folds=n_folds, n_permutations=n_permutations,
                              seed=seed, device=device)
    without = leave_pair_out(kernels, found, mask=mask, device=device) if without_pairs else {}
    pairs = np.array([(subjects[a], subjects[b]) for a, b in without], np.int64).reshape(-1, 2)
    coordinates = np.array(list(without.values())).reshape(len(pairs), *found.scores.shape)
    return lambda path: np.savez(path, images=images, subjects=np.array(subjects), pairs=pairs, without=coordinates,
                                 **found._asdict())


def table_units(dataset, regions, files, derivatives, *, content, captions, least_images):
    """The units that write tables and control matrices.

    Parameters
    ----------
    dataset : Dataset
    regions : list of Region
    files : list of path
        Of `fit_unit`, in the order of the regions.
    content, captions : image_content.Source
        What images show, and their captions; captions None: no table of words.
    least_images : int
        For how many images a word must stand.
    """
    from convergence.tasks import Unit

    places = {"regions": [region.key for region in regions], "files": [str(file) for file in files]}
    hubs = [(region, file) for region, file in zip(regions, files) if region.hub]
    of_hubs = {"regions": [region.key for region, _ in hubs], "files": [str(file) for _, file in hubs], "content": content}
    target, key = lambda table: Path(derivatives) / file_of(table, dataset=dataset.name), {"image_key": dataset.image_key}
    units = [Unit(DIMENSIONS, target(DIMENSIONS), dimension_table, places=places, inputs=tuple(files)),
             Unit(PROJECTIONS, target(PROJECTIONS), projection_table, options=key, places=places | {"content": content},
                  inputs=(*files, *content.files))]
    if captions is not None:
        units.append(Unit(WORDS, target(WORDS), word_table, options={"least_images": least_images},
                          places=of_hubs | {"captions": captions},
                          inputs=(*of_hubs["files"], *content.files, *captions.files)))
    for region, file in hubs:
        for k in range(1, _n_components(file) + 1):
            for name in ("", f"_{LEAVE_PAIR_OUT}"):
                control = f"{region.key}_cca_{k}{name}"
                units.append(Unit(control, control_path(derivatives, control), control_table,
                                  options=key | {"dimension": k, "leave_pair_out": bool(name)},
                                  places={"file": str(file), "content": content}, inputs=(file, *content.files)))
    return units


def dimension_table(*, regions, files):
    """The table kmcca_dimensions: a row per region and dimension."""
    rows = []
    for region, file in zip(regions, files):
        with np.load(file) as found:
            of_it = {name: found[name] for name in ("eigenvalues", "held_out_r", "p", "p_max", "shared_variance")}
            rows.append(pandas.DataFrame({"roi": region, "dimension": np.arange(1, len(found["p"]) + 1),
                                          "n_subjects": len(found["subjects"]), "n_images": len(found["images"]),
                                          "regularization": float(found["regularization"]), **of_it}))
    return conform(pandas.concat(rows).rename(columns={"eigenvalues": "eigenvalue"}), DIMENSIONS)


def projection_table(*, regions, files, content, image_key):
    """The table kmcca_projections: a row per region and image, with what the images show."""
    labels, frames = content.read(), []
    for region, file in zip(regions, files):
        images, scores = _signed_scores(file, labels)
        columns = {f"cca_{k}": values for k, values in enumerate(scores.T, start=1)}
        frames.append(pandas.DataFrame({"nsd_id": images, **columns, "roi": region}))
    table = pandas.concat(frames)
    table = table.reindex(columns=[*dict.fromkeys(["nsd_id", "cca_1", "cca_2", *table.columns])])        # a region may have one
    known = labels.reindex(table["nsd_id"]).reset_index(drop=True)
    known = known.fillna({name: False if labels[name].dtype == bool else "" for name in labels})
    table = pandas.concat([table.reset_index(drop=True), known], axis=1)
    return conform(table, PROJECTIONS).rename(columns={"nsd_id": image_key})


def word_table(*, regions, files, content, captions, least_images):
    """The table kmcca_top_words_dimension."""
    from convergence.analysis.top_words import top_words, word_presence

    labels, texts, frames = content.read(), captions.read(), []
    for region, file in zip(regions, files):
        images, scores = _signed_scores(file, labels)
        known = np.isin(images, texts.index) & np.isfinite(scores).all(1)
        words, present = word_presence(texts.loc[images[known]], least=least_images)
        frames.append(top_words(scores[known], present, words).assign(hub=region))
    return conform(pandas.concat(frames), WORDS)


def control_table(*, file, content, image_key, dimension, leave_pair_out):
    """Coordinates of the images on one dimension, for a control RDM; leave_pair_out: of every two subjects (or one) left out."""
    column = f"cca_{dimension}"
    if not leave_pair_out:
        images, scores = _signed_scores(file, content.read())
        return pandas.DataFrame({image_key: images, column: scores[:, dimension - 1]}).dropna(ignore_index=True)
    with np.load(file) as found:
        frames = [pandas.DataFrame({image_key: found["images"], "subject_i": i, "subject_j": j, column: scores[:, dimension - 1]})
                  for (i, j), scores in zip(found["pairs"].tolist(), found["without"])]
    empty = pandas.DataFrame({image_key: [], "subject_i": [], "subject_j": [], column: []})
    return pandas.concat(frames or [empty]).dropna(ignore_index=True)


def _folder(derivatives, dataset):
    return Path(derivatives) / dataset / "parts" / "kmcca"


def _image_means(dataset, subject, labels, trials, clip):
    """(n_images, n_voxels) float32, images ascending."""
    from convergence.compute.quantiles import tail_limits

    means = pandas.DataFrame(zscored(dataset, subject, labels, trials)).groupby(trials["image"].to_numpy()).mean().to_numpy()
    return means.clip(*tail_limits(means, clip)) if means.shape[1] else means


def _gram(x):
    x = x.astype(np.float64)
    x -= x.mean(0)
    return (x @ x.T).astype(np.float32)


def _kernels(rois, grams):
    """(subjects, images, kernels of trace 1 on average per image, mask) of a region, from the files of its subjects."""
    subjects, own_images, own = [], [], []
    for file in grams:
        with np.load(file) as found:
            gram = found["grams"][np.isin(found["rois"], rois)].sum(0, dtype=np.float64)
            if np.trace(gram) > 0:
                subjects.append(int(found["subject"]))
                own_images.append(found["images"])
                own.append(gram * len(gram) / np.trace(gram))
    if len(subjects) < 2:
        raise ValueError(f"{len(subjects)} of {len(grams)} subjects have voxels in parcels {', '.join(map(str, rois))}; at least "
                         "2 are needed")
    everywhere, times = np.unique(np.concatenate(own_images), return_counts=True)
    images = everywhere[times > 1]
    mask = np.array([np.isin(images, seen) for seen in own_images])
    kernels = []
    for gram, seen, there in zip(own, own_images, mask):
        kernel, rows = np.zeros((len(images), len(images))), np.searchsorted(seen, images[there])
        kernel[np.ix_(there, there)] = gram[np.ix_(rows, rows)]
        kernels.append(kernel)
    return subjects, images, kernels, mask


def _signed_scores(file, labels):
    """(images, scores) of a region, images of persons at the positive end."""
    from convergence.analysis.shared_dimensions import signed

    with np.load(file) as found:
        images, scores = found["images"], found["scores"]
    column = next((name for name in ("person", "is_person") if name in labels), None)
    return images, signed(scores, None if column is None else np.isin(images, labels.index[labels[column].astype(bool)]))


def _n_components(file):
    with np.load(file) as found:
        return len(found["p"])
