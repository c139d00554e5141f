"""Activations of vision networks, layer by layer, for the pictures of a dataset.

    network = load_network("efficientnet_lite0")                # trained; seed=0: random weights
    write(path, dataset, network, pool="avg")                   # the feature file (store.py)

What a layer is: in vision transformers the output of every block (`blocks.0`, ...), before the final norm; in all other
networks the output of every stage that timm names (feature_info) and of the stages between them. EfficientNets also give `bn1`,
the stem, and `bn2`, the last map before global pooling: efficientnet_lite0 has bn1, blocks.0 to blocks.6, bn2. What stands for
a picture: the class token (pool="cls"), or the mean over positions (pool="avg"): forward.py. Networks of torchvision and of
one's own, with the layers that they name: adapters.py.
"""

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import timm
import torch
from timm.data import create_transform, resolve_model_data_config
from tqdm import tqdm

from convergence.features.adapters import TORCHVISION, from_function, from_torchvision, is_adapter
from convergence.features.efficientnet_lite import timm_names
from convergence.features.extraction import efficientnet_file, plain_name
from convergence.features.forward import PRECISIONS, Forward
from convergence.features.hub import hub_revision
from convergence.features.pictures import BatchSize, stacks
from convergence.features.store import write_features


@dataclass(frozen=True)
class Network:
    """A network that is ready to run: in evaluation mode, with the transform that it was trained for."""
    name: str
    family: str
    module: torch.nn.Module
    transform: Callable             # RGB PIL image -> (3, height, width) tensor
    transform_options: dict
    layer_names: list
    revision: str
    seed: int | None                # of random weights; None: trained


def load_network(name, *, seed=None, weights=None, revision=None, **architecture):
    """Load a vision network.

    Parameters
    ----------
    name : str
        "efficientnet_lite0" (timm's tf_efficientnet_lite0 with the ImageNet-trained weights of a package), a name of timm,
        "torchvision:<model>", or "<module>:<function>" (adapters.py).
    seed : int, optional
        Random weights of this seed; default: trained weights.
    weights : path, optional
        File with the state dict of the network (.safetensors, or .pth without code in it) instead of the hub's.
    revision : str, optional
        Commit, branch or tag of the network's repository on the hub.
    **architecture
        Handed to ``timm.create_model`` (img_size, depth, ...), torchvision or the adapter.

    Raises
    ------
    ValueError
        The name is unknown (the message gives near names), its weights cannot be had, or they do not fit.
    """
    with torch.random.fork_rng(devices=[]):                     # the caller's generator stays as it is
        torch.manual_seed(0 if seed is None else seed)
        if is_adapter(name) or name.startswith(TORCHVISION):
            network = _from_elsewhere(name, seed, weights, architecture)
        else:
            network = _from_timm(name, seed, weights, revision, architecture)
    network.module.eval().to(memory_format=torch.channels_last)                 # convolutions on a CPU: 1.8 times as fast
    return network


def _from_timm(name, seed, weights, revision, architecture):
    timm_name = "tf_efficientnet_lite0" if name == "efficientnet_lite0" else name
    _check_name(timm_name)
    if seed is not None:
        module, source = timm.create_model(timm_name, pretrained=False, **architecture), "random"
    elif weights is not None or (name == "efficientnet_lite0" and revision is None):
        module = timm.create_model(timm_name, pretrained=False, **architecture)
        source = _load_weights(module, name, Path(weights or efficientnet_file()))
    else:
        module, source = _from_hub(timm_name, revision, architecture)
    options = dict(resolve_model_data_config(module, args={"img_size": architecture.get("img_size")}))
    transform = create_transform(**options, is_training=False)
    return Network(name, _family(timm_name), module, transform, options, layers_of(module, name), source, seed)


def _from_elsewhere(name, seed, weights, architecture):
    pretrained = seed is None and weights is None
    if is_adapter(name):
        module, transform, layers = from_function(name, pretrained=pretrained, **architecture)
        name, source = plain_name(name), name
    else:
        module, transform, layers, source = from_torchvision(name, pretrained=pretrained, **architecture)
    if seed is not None:
        source = "random"
    elif weights is not None:
        source = _load_weights(module, name, Path(weights))
    return Network(name, _family(name.removeprefix(TORCHVISION)), module, transform, {"transform": _told(transform)}, layers,
                   source, seed)


def layers_of(module, name="network"):
    """Names of the modules whose outputs are the network's layers, in the network's order (see this file's docstring).

    Raises
    ------
    ValueError
        timm names no stages for it, or stages that are no modules of it.
    """
    named = [info["module"] for info in getattr(module, "feature_info", None) or []]
    known = {layer: part for layer, part in module.named_modules() if layer}
    containers = {layer.rpartition(".")[0] for layer in named} & {"blocks", "stages", "layers"} & set(known)
    layers = set(named) | {f"{container}.{child}" for container in containers for child, _ in known[container].named_children()}
    if {"conv_stem", "conv_head", "bn1", "bn2"} <= set(known):
        layers |= {"bn1", "bn2"}
    if not layers or not layers <= set(known):
        raise ValueError(f"model {name!r}: which of its modules are layers is not known: timm names {named or 'none'}, and it "
                         "has no such modules; choose another network")
    return [layer for layer in known if layer in layers]


def write(path, dataset, network, *, pool="avg", dtype="auto", device="auto", batch_size="auto", workers=2, work=None,
          inputs=None, skip_bad=False):
    """Write the feature file of a network for all pictures of a dataset.

    Parameters
    ----------
    path : path
        Usually the temporary path of ``outputs.replacing``.
    dataset : Dataset
    network : Network
    pool : {"cls", "avg"}
    dtype : {"auto", "float32", "bfloat16", "float16"}
        Type of the computation and of the file; auto: float32 for both, as published.
    device : str
    batch_size : int or "auto"
        Pictures at a time; auto: 32, fewer when memory runs out.
    workers : int
        Threads that decode and resize the next pictures meanwhile.
    work, inputs, skip_bad
        As in ``store.write_features``: where a run that was stopped goes on; from what; whether pictures that cannot be read
        are left out.

    Raises
    ------
    ValueError
        A picture cannot be read, a layer is neither a map nor a sequence of tokens, there is no class token, or an activation is
        not finite.
    """
    computed = "float32" if dtype == "auto" else dtype
    if computed not in PRECISIONS:
        raise ValueError(f"dtype: {dtype!r} is not one of 'auto', {', '.join(map(repr, PRECISIONS))}")
    ids, size = dataset.images.index.to_numpy(), BatchSize(batch_size)
    layers_of_stack = Forward(network, pool=pool, device=device, dtype=computed, size=size)
    attributes = {
        "dataset": dataset.name, "id_name": dataset.image_key, "model": network.name, "modality": "vision",
        "family": network.family, "revision": network.revision, "transform": json.dumps(network.transform_options),
        "pool": pool, "dtype": computed, "seed": -1 if network.seed is None else network.seed,
        "untrained": network.seed is not None,
        "num_parameters": sum(p.numel() for p in network.module.parameters())}

    with tqdm(total=len(ids), desc=network.name, unit="image", leave=False) as progress:
        def batches(start, stop):
            progress.n = start                                  # what a stopped run left is not done again
            for stack, faults in stacks(dataset, network.transform, ids[start:stop], size, row=start, workers=workers):
                yield None if stack is None else layers_of_stack(stack), faults
                progress.update(len(faults) + (0 if stack is None else len(stack)))

        write_features(path, ids, batches, layer_names=network.layer_names, attributes=attributes, storage=dtype, work=work,
                       inputs=inputs, skip_bad=skip_bad)


def _check_name(name):
    if name.startswith(("hf-hub:", "hf_hub:", "local-dir:")):
        return
    architecture, _, tag = name.partition(".")
    known = set(timm.list_pretrained())
    if not timm.is_model(architecture) or (tag and name not in known):
        near = difflib.get_close_matches(name, sorted({*known, *timm.list_models(), "efficientnet_lite0"}), n=3)
        raise ValueError(f"unknown model {name!r}{'; did you mean ' + ' or '.join(near) + '?' if near else ''} "
                         f"(timm {timm.__version__} has {len(known)} sets of trained weights: timm.list_pretrained() lists them)")


def _family(timm_name):
    """vit, efficientnet, resnet, ...: the first word of the architecture's name, without its version."""
    architecture = timm_name.split("/")[-1].split(".")[0].removeprefix("tf_")
    return re.sub(r"v?\d+$", "", architecture.split("_")[0])


def _load_weights(module, name, file):
    """Load a state dict strictly; returns what to record as the revision."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file
        state = load_file(file)
    else:
        state = torch.load(file, map_location="cpu", weights_only=True)
    if name == "efficientnet_lite0" and file == efficientnet_file():
        state = timm_names(state, module)
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{file} does not fit the model {name!r}, expected the state dict of that network: {reason}") from error
    return file.name


def _told(transform):
    """What a transform is, the same in every run: a function's name, or its representation without addresses."""
    return getattr(transform, "__qualname__", None) or re.sub(r" at 0x[0-9a-f]+", "", repr(transform))


def _from_hub(name, revision, architecture):
    """The network, and what to record as the revision."""
    try:
        repository = timm.get_pretrained_cfg(name).hf_hub_id if revision and timm.is_model(name.partition(".")[0]) else None
        overlay = {"pretrained_cfg_overlay": {"hf_hub_id": f"{repository}@{revision}"}} if repository else {}
        if revision and not repository:
            name = f"{name}@{revision}"
        module = timm.create_model(name, pretrained=True, **overlay, **architecture)
    except Exception as error:                              # offline, not published, gated, broken: each library raises its own
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"model {name!r}: its trained weights cannot be had from the hub ({reason}). Connect to the internet, "
                         "give the weights with --weights, or use --untrained for random ones") from error
    return module, hub_revision(str(module.pretrained_cfg.get("hf_hub_id")))
