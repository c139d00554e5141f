"""Write feature files with planted truth for a miniature dataset: networks whose layers are known to carry its latents.

Reads    <root>/truth.json of a miniature dataset (python -m convergence make-miniature), and its pictures.
Writes   <features>/<dataset>/all/planted_vision_8x64.h5, ..12x96, ..24x128 (layers x units): from the latent low over scene to
         social with depth; all/planted_language_6x64.h5, ..10x96: social alone;
         all-untrained/planted_pixels_4x64-untrained-seed0.h5: random projections of the pixels;
         <derivatives>/metadata/models-info.csv, from all feature files that are there.

    python -m convergence plant-features --root demo/datasets/nsd --features demo/features --derivatives demo/derivatives

Seconds. An analysis must find low (early parcels), scene (ventral) and social (lateral) at the layers that
convergence.datasets.miniature.planted_features.peak_layers names.
"""

import json

from convergence.cli import command, options


@command
def main(arguments=None):
    chosen = options(__doc__, "dataset", "root", "features", "derivatives", "overwrite", "dry-run").parse_args(arguments)

    from convergence.datasets import open_dataset
    from convergence.datasets.miniature import read_truth
    from convergence.features.models_table import write_models_info
    from convergence.storage.paths import derivatives_folder, features_folder
    from convergence.tasks import run_units

    dataset, features = open_dataset(chosen.dataset, chosen.root), features_folder(chosen.features)
    units = planted_units(dataset, features, read_truth(dataset.root)["seed"])
    run_units(units, title="planted features", overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    if not chosen.dry_run:
        write_models_info(features, derivatives_folder(chosen.derivatives))


def planted_units(dataset, features, seed):
    """One unit of work per planted network; `seed` is that of the miniature dataset."""
    from convergence.datasets.miniature.planted_features import LANGUAGE, UNTRAINED, VISION
    from convergence.features.store import FOLDERS
    from convergence.tasks import Unit

    units = []
    for name in (*VISION, *LANGUAGE, UNTRAINED[0]):
        untrained = name == UNTRAINED[0]
        stem = f"{name}-untrained-seed{seed}" if untrained else name
        output = features / dataset.name / FOLDERS[untrained] / f"{stem}.h5"
        units.append(Unit(name, output, plant, {"name": name, "seed": seed}, {"dataset": dataset}, dataset.stimulus_files()))
    return units


def plant(name, seed, *, dataset):
    """The function that writes the feature file of one planted network at a path."""
    import importlib

    import numpy as np

    from convergence.datasets.miniature.planted_features import (LANGUAGE, UNTRAINED, VISION, language_layers, pixel_layers,
                                                                 vision_layers)
    from convergence.features.store import write_features

    ids, untrained = dataset.images.index.to_numpy(), name == UNTRAINED[0]
    if untrained:
        layers = pixel_layers([np.asarray(dataset.image(image)) for image in ids], seed)
    else:
        latents = importlib.import_module(f"convergence.datasets.miniature.{dataset.name}_plan").draw_plan(seed).latents
        layers = (vision_layers if name in VISION else language_layers)(name, latents, seed)
    names = [f"layer.{k}" for k in range(len(layers))]
    attributes = {
        "dataset": dataset.name, "id_name": dataset.image_key, "model": name,
        "modality": "language" if name in LANGUAGE else "vision", "family": "planted", "revision": f"seed {seed}",
        "transform": json.dumps({}), "pool": "avg", "dtype": "float32", "untrained": untrained, "seed": seed if untrained else -1,
        "num_parameters": sum(layer.shape[1] for layer in layers)}
    return lambda path: write_features(path, ids, [layers], layer_names=names, attributes=attributes)
