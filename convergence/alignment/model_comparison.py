"""Which network is more like a parcel, for other people and other pictures? From RDM stores and features to a table.

    layers = candidates(table, rois, files)                 # {roi: [(model, layer), ...]}, chosen over all sessions
    units = comparison_units(stores, files, table, layers, rois=rois, ...)          # tasks.Unit: a parcel
    comparison_table(parts, names)                          # all parcels, FDR over them

RDMs are image-wise, over the shared images that all subjects saw: the mean distance between the trials of two images. The layer
of a network is chosen by the mean over subjects and sessions in the table of 3_subject_model.py, most of whose trials show other
images (nine of ten on NSD), so that the comparison is not that of the numbers of layers that were tried. Candidates are named
name@layer.
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import CLIP, rdm_or_reason
from convergence.alignment.sources import Latest, file_identity
from convergence.features.store import open_features
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import conform, file_of, read_table

TABLE = "model_comparisons"


def table_path(derivatives, dataset, more=""):
    """Where the table is; `more`: _layers_<network> where the layers of one network are compared."""
    return Path(derivatives) / file_of(TABLE, dataset=dataset, more=more)


def candidates(table, rois, models, *, layers=False):
    """What is compared in every parcel, {roi: [(model, layer), ...]}; parcels of which no r could be computed are left out.

    Parameters
    ----------
    table : DataFrame
        Table rsa_subject_model_alignment: roi, model, layer, similarity.
    rois : list of int
    models : sequence of str
    layers : bool
        All layers of the models, instead of the one with the largest mean r over subjects and sessions.

    Raises
    ------
    ValueError
        The table lacks a model or all parcels, or there is one candidate only.
    """
    table = table[table["roi"].isin(rois) & table["model"].isin(models)].dropna(subset="similarity")
    lacking = [model for model in models if model not in set(table["model"])]
    if lacking or not len(table):
        raise ValueError(f"the table rsa_subject_model_alignment has no similarity of {', '.join(lacking) or 'these parcels'}; "
                         "run 3_alignment/3_subject_model.py with the same models and parcels")
    means = table.astype({"model": str}).groupby(["roi", "model", "layer"])["similarity"].mean()
    kept = means.index if layers else means.groupby(["roi", "model"]).idxmax()
    found = {}
    for roi, model, layer in sorted(kept):
        found.setdefault(int(roi), []).append((model, int(layer)))
    if max(map(len, found.values())) < 2:
        raise ValueError(f"models: {', '.join(models)} is one candidate; a comparison needs two models, or --layers-of")
    return found


def comparison_units(stores, files, table, layers, *, rois, n_bootstrap, seed, dataset, reference=False, device="auto"):
    """The units of work of every parcel.

    Parameters
    ----------
    stores : dict of path by subject
    files : dict of path by name
        Feature files.
    table : path
        The table that is made of the parts.
    layers : dict of list of (model, layer) by roi
        Candidates of each parcel.
    rois : list of int
    n_bootstrap, seed : int
    dataset : str
        Name of the dataset that the feature files belong to.
    reference : bool
        Arithmetic means of r instead of Fisher's z.
    device : str
    """
    from convergence.tasks import Unit

    latest = Latest()
    wanted = sorted({candidate for roi in rois for candidate in layers[roi]})
    return [Unit(f"parcel {roi}", parts_folder(table) / f"parcel-{roi:03d}.parquet", parcel_comparison,
                 options={"roi": roi, "subjects": sorted(stores), "candidates": [list(candidate) for candidate in layers[roi]],
                          "n_bootstrap": n_bootstrap, "seed": seed, "clip": CLIP, "reference": reference},
                 places={"stores": stores, "files": files, "dataset": dataset, "wanted": wanted, "latest": latest,
                         "device": device},
                 inputs=(*stores.values(), *files.values())) for roi in rois]


def parcel_comparison(*, roi, subjects, candidates, n_bootstrap, seed, clip, reference, stores, files, dataset, wanted,
                      latest=None, device="auto"):
    """Rows of model_comparisons of one parcel, p_fdr within it; none where a subject lacks the parcel.

    Raises
    ------
    ValueError
        Fewer than 4 images that all subjects saw; a layer of which no RDM can be computed.
    """
    from convergence.analysis.model_comparison import compare_models

    images = common_images(stores)
    key = dataset, tuple(wanted), file_identity(files.values()), images.tobytes(), clip, device
    models = (latest or Latest())(key, lambda: _model_rdms(files, wanted, images, clip, dataset, device))
    brains = [_brain_rdm(stores[subject], roi, images) for subject in subjects]
    if any(brain is None for brain in brains):
        return pandas.DataFrame()
    chosen = [models[tuple(candidate)] for candidate in candidates]
    return compare_models(np.stack(brains), np.stack(chosen), names=[f"{name}@{layer}" for name, layer in candidates], rois=[roi],
                          n_bootstrap=n_bootstrap, seed=seed, fisher=not reference, device=device)


def common_images(stores):
    """Images of which every store has a trial, ascending; ValueError where there are fewer than 4."""
    images = None
    for path in stores.values():
        with RDMStore(path) as store:
            own = store.trials["image"].to_numpy()
        images = np.unique(own) if images is None else np.intersect1d(images, own)
    if len(images) < 4:
        raise ValueError(f"subjects {', '.join(map(str, stores))} have {len(images)} shared images in common, at least 4 are "
                         "needed; choose other subjects with --subjects")
    return images


def comparison_table(parts, names):
    """The table of all parcels, false discovery rate over them.

    Parameters
    ----------
    parts : sequence of paths
        Of `parcel_comparison`.
    names : dict of str by roi
    """
    from convergence.analysis.inference import fdr

    tables = [table for table in map(read_table, parts) if len(table)]
    if not tables:
        raise ValueError("model_comparisons: no parcel could be computed in all subjects; choose other parcels or subjects")
    frame = pandas.concat(tables, ignore_index=True)
    frame["p_fdr"] = frame.groupby("test")["p"].transform(lambda p: fdr(p.to_numpy()))
    return conform(frame.assign(name=frame["roi"].map(names)), TABLE)


def summary(table, at_most=3):
    """What the table says, in sentences: how many rows of each test survive, and the clearest differences."""
    from convergence.analysis.model_comparison import in_words

    lines = [f"{test}: {(rows['p_fdr'] < 0.05).sum():,} of {len(rows):,} below 0.05 after FDR"
             for test, rows in table.groupby("test", observed=True)]
    clearest = table[table["test"] == "difference"].nsmallest(at_most, "p")
    return lines + [in_words(row, name=row["name"]) for row in clearest.to_dict("records")]


def not_compared(table, names, at_most=8):
    """A line that names the parcels without rows, as a subject or all networks lack them; none where there are none."""
    lost = [name for roi, name in names.items() if roi not in set(table["roi"])]
    more = f", ... ({len(lost)} in all)" if len(lost) > at_most else ""
    return [f"not compared, a subject or all networks lack them: {', '.join(lost[:at_most])}{more}"] if lost else []


def _brain_rdm(path, roi, images):
    """Image-wise RDM of a parcel of a subject over these images, or None where there is none."""
    from convergence.analysis.model_comparison import image_rdm
    from convergence.analysis.rdm import select_stimuli

    with RDMStore(path) as store:
        if dict(zip(store.rois.tolist(), store.reasons))[roi]:
            return None
        shown = store.trials["image"].to_numpy()
        rows = np.flatnonzero(np.isin(shown, images))
        return image_rdm(select_stimuli(store.rdms([roi]), rows), shown[rows])[0]


def _model_rdms(files, wanted, images, clip, dataset, device):
    """{(model, layer): image-wise RDM}."""
    found, broken = {}, []
    for model in dict.fromkeys(name for name, _ in wanted):
        with open_features(files[model], dataset) as file:
            for layer in (layer for name, layer in wanted if name == model):
                condensed, reason = rdm_or_reason(file.layer(layer, images), "unit", clip=clip, device=device)
                broken += [f"{model}@{layer}: {reason}"] if reason else []
                found[model, layer] = None if reason else condensed.astype(np.float64)
    if broken:
        raise ValueError(f"no RDM of {'; '.join(broken)}; leave these models out with --models")
    return found
