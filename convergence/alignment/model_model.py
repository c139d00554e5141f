"""Do networks represent images alike? Every layer of one network with every layer of another, in blocks of images; no brain data.

    units, table, what = model_pairs_work("nsd", features, derivatives)             # language x vision
    block_scores(images=[0, ..., 749], ...)             # the table of one block: a row per metric, pair of networks and of layers

Layer -1 is all layers of a network side by side. In a block, values of a layer beyond its 0.3 % and 99.7 % quantiles are set to
these (as everywhere else), then every row is scaled to length 1. Each layer is prepared once for all networks that it meets.
Memory: what the metric keeps of all layers of the first networks, and of one network more.
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment.other_metrics import Side, Scoring, limited
from convergence.alignment.parts import parts_folder
from convergence.alignment.subject_model import choose_features
from convergence.features.store import open_features
from convergence.storage.tables import conform, file_of

TABLE = "alignment_model_model"
MODALITIES = ("language", "vision")
_LEAST = 20                     # images of a block that stands alone
_CLAMP = 0.95                   # as published: sizes beyond this quantile are limited to it


def model_pairs_work(dataset, features, derivatives, *, first=("language",), second=("vision",),
                     metrics=("rsa", "unbiased_cka", "mutual_knn"), size=750, device="auto", reference=False):
    """Units of all blocks of images, the table that they become, and what it holds.

    Parameters
    ----------
    dataset : str
    features, derivatives : path
    first, second : sequence of str
        A modality, or names of networks as in --models.
    metrics : sequence of str
    size : int
        Images in a block; fewer than 20 that are left over belong to the last block.
    device : str
    reference : bool
        Limit sizes to their 95 % quantile, as published.

    Raises
    ------
    FileNotFoundError, ValueError
        No feature files of a modality or name; an unknown metric; blocks of fewer than 4 images; no 4 images that all networks
        have.
    """
    from convergence.analysis import validation
    from convergence.analysis.metrics import METRICS

    for metric in metrics:
        validation.option("--metric", "metric", metric, METRICS)
    if size < 4:
        raise ValueError(f"--batch: {size}; expected at least 4 images in a block")
    x, y = (_networks(features, dataset, names) for names in (first, second))
    files = {**x, **y}
    images = _common_images(files, dataset)
    sides = tuple(names[0] if len(names) == 1 and names[0] in MODALITIES else "chosen" for names in (first, second))
    table = table_path(derivatives, dataset, sides)
    options = {"first": list(x), "second": list(y), "sides": list(sides), "metrics": list(metrics), "reference": reference}
    units = [_unit(k, block, dataset, files, table, device, options) for k, block in enumerate(_blocks(images, size))]
    return units, table, {"first": list(x), "second": list(y), "metrics": list(metrics), "size": size, "reference": reference}


def table_path(derivatives, dataset, sides=MODALITIES):
    """Where the table is: nsd/alignment_model_model_coco.parquet for language with vision."""
    return Path(derivatives) / file_of(TABLE, dataset=dataset, images="coco" if dataset == "nsd" else dataset,
                                       more="" if tuple(sides) == MODALITIES else f"_{'-'.join(sides)}")


def block_scores(*, batch, images, first, second, sides, metrics, reference, files, dataset, device="auto"):
    """Table of one block of images: columns of alignment_model_model.

    Parameters
    ----------
    batch : int
        Number of the block.
    images : [int, int]
        The first and the last image of the block.
    first, second : list of str
        Networks on either side; with the same networks on both sides, a pair of different networks comes once.
    sides : [str, str]
        What the sides are, for the names of columns.
    metrics : list of str
    reference : bool
    files : dict of path by network
    dataset, device : str
    """
    common = _common_images(files, dataset)
    rows = common[(common >= images[0]) & (common <= images[1])]
    names = MODALITIES if tuple(sides) == MODALITIES else ("x", "y")
    frames = []
    for metric in metrics:
        scoring = Scoring(metric, permutations=0)
        known = {model: _layers(files[model], dataset, rows, scoring, reference, device) for model in first}
        for model_y in second:
            theirs = known.get(model_y) or _layers(files[model_y], dataset, rows, scoring, reference, device)
            for model_x in first:
                if model_y in first and model_x in second and first.index(model_x) > first.index(model_y):
                    continue
                frame = _surface(known[model_x], theirs, names)
                frames.append(frame.assign(**{f"model_{names[0]}": model_x, f"model_{names[1]}": model_y}, metric=metric))
    return conform(pandas.concat(frames).assign(batch=batch, n_images=len(rows)), TABLE)


def _surface(x, y, names):
    """Scores of all layers of two networks: layer_<name> of both, score, reason."""
    found = np.full((len(x.reasons), len(y.reasons)), np.nan)
    found[np.ix_(x.places, y.places)] = x.representations.compare(y.representations)
    layers_x, layers_y = (np.r_[np.arange(len(side.reasons) - 1), -1] for side in (x, y))
    reasons = ["; ".join(f"{side}: {reason}" for side, reason in (("first", a), ("second", b)) if reason)
               for a in x.reasons for b in y.reasons]
    return pandas.DataFrame({f"layer_{names[0]}": np.repeat(layers_x, len(layers_y)),
                             f"layer_{names[1]}": np.tile(layers_y, len(layers_x)), "score": found.ravel(), "reason": reasons})


def _layers(path, dataset, images, scoring, reference, device):
    """All layers of a network over some images, then all side by side, ready to be compared."""
    with open_features(path, dataset) as file:
        layers = [_of_length_one(_outliers(file.layer(k, images), reference)) for k in range(file.n_layers)]
        whole = [layer for layer in layers if not isinstance(layer, str)]
        layers.append(_of_length_one(np.concatenate(whole, axis=1)) if whole else "no layer can be computed")
    return Side(layers, scoring, device)


def _outliers(layer, reference):
    if not reference:
        return limited(layer, activations=True)
    limit = float(np.quantile(abs(layer), _CLAMP))
    return limited(layer.clip(-limit, limit), activations=True)


def _of_length_one(layer):
    if isinstance(layer, str):
        return layer
    lengths = np.linalg.norm(layer, axis=1, keepdims=True)
    if not lengths.all():
        return f"{int((lengths == 0).sum())} of {len(layer)} images have 0 in all units"
    return layer / lengths


def _networks(folder, dataset, names):
    """Feature files {stem: path} of a modality, or of networks by name."""
    if not set(names) & set(MODALITIES):
        return choose_features(folder, dataset, names)
    files = {}
    for name in names:
        found = choose_features(folder, dataset) if name in MODALITIES else choose_features(folder, dataset, [name])
        files |= {stem: path for stem, path in found.items() if name not in MODALITIES or _modality(path, dataset) == name}
    if not files:
        raise FileNotFoundError(f"no feature file of {dataset!r} in {folder} is of a {' or '.join(names)} network; make them "
                                "with 2_model_extraction, or give names of networks with --first and --second")
    return files


def _modality(path, dataset):
    with open_features(path, dataset) as file:
        return file.attributes["modality"]


def _common_images(files, dataset):
    """Images that every network has, ascending."""
    common = None
    for path in files.values():
        with open_features(path, dataset) as file:
            common = np.sort(file.ids) if common is None else np.intersect1d(common, file.ids)
    if len(common) < 4:
        raise ValueError(f"{', '.join(files)} have {len(common)} images in common, at least 4 are needed; extract their features "
                         "from the same images, or choose networks with --first and --second")
    return common


def _blocks(images, size):
    """Blocks of successive images; a remainder that is too small for neighbours belongs to the last block."""
    n_blocks = max(1, len(images) // size + (len(images) % size >= _LEAST))
    return [images[k * size:(k + 1) * size if k < n_blocks - 1 else None] for k in range(n_blocks)]


def _unit(batch, images, dataset, files, table, device, options):
    from convergence.tasks import Unit

    return Unit(f"block {batch}", parts_folder(table) / f"batch-{batch:03d}.parquet", block_scores,
                options={"batch": batch, "images": [int(images[0]), int(images[-1])], **options},
                places={"dataset": dataset, "files": files, "device": device}, inputs=tuple(files.values()))
