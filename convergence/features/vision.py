"""Activations of vision networks, layer by layer, for the pictures of a dataset.

    network = load_network("efficientnet_lite0")                # trained; seed=0: random weights
    write(path, dataset, network, pool="avg")                   # the feature file (store.py)

What a layer is: in vision transformers the output of every block (`blocks.0`, ...), before the final norm; in all other networks
the output of every stage that timm names (feature_info) and of the stages between them. EfficientNets also give `bn1`, the stem,
and `bn2`, the last map before global pooling: efficientnet_lite0 has bn1, blocks.0 to blocks.6, bn2. What stands for a picture:
the class token (pool="cls"), or the mean over positions (pool="avg"; class and register tokens do not take part). Forward hooks
pool on the device at once, so that memory holds one batch whatever the network's size. Computed in float32.
"""

import difflib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import timm
import torch
from timm.data import create_transform, resolve_model_data_config
from tqdm import tqdm

from convergence.compute.device import resolve
from convergence.features.efficientnet_lite import timm_names
from convergence.features.extraction import efficientnet_file
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


def load_network(name, *, seed=None, weights=None, **architecture):
    """Load a vision network.

    Parameters
    ----------
    name : str
        "efficientnet_lite0" (timm's tf_efficientnet_lite0 with the ImageNet-trained weights of a package), or a name of timm.
    seed : int, optional
        Random weights of this seed; default: trained weights.
    weights : path, optional
        File with timm's state dict (.safetensors, or .pth without code in it) instead of the hub's.
    **architecture
        Handed to ``timm.create_model``: img_size, depth, ...

    Raises
    ------
    ValueError
        The name is unknown (the message gives near names), its weights cannot be had, or they do not fit.
    """
    timm_name = "tf_efficientnet_lite0" if name == "efficientnet_lite0" else name
    _check_name(timm_name)
    if seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module, revision = timm.create_model(timm_name, pretrained=False, **architecture), "random"
    elif weights is not None or name == "efficientnet_lite0":
        module = timm.create_model(timm_name, pretrained=False, **architecture)
        revision = _load_weights(module, name, Path(weights or efficientnet_file()))
    else:
        module = _from_hub(timm_name, architecture)
        revision = _hub_revision(module.pretrained_cfg.get("hf_hub_id"))
    module = module.eval().to(memory_format=torch.channels_last)                # convolutions on a CPU: 1.8 times as fast
    options = dict(resolve_model_data_config(module, args={"img_size": architecture.get("img_size")}))
    transform = create_transform(**options, is_training=False)
    return Network(name, _family(timm_name), module, transform, options, layers_of(module, name), revision, seed)


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


def write(path, dataset, network, *, pool="avg", device="auto", batch_size=32, workers=2):
    """Write the feature file of a network for all pictures of a dataset.

    Parameters
    ----------
    path : path
        Usually the temporary path of ``outputs.replacing``.
    dataset : Dataset
    network : Network
    pool : {"cls", "avg"}
    device : str
    batch_size : int
        Pictures at a time.
    workers : int
        Threads that decode and resize the next batch meanwhile.

    Raises
    ------
    ValueError
        A picture cannot be read, a layer is neither a map nor a sequence of tokens, there is no class token, or an activation is
        not finite.
    """
    ids = dataset.images.index.to_numpy()
    pictures = _batches(lambda image: network.transform(read_rgb(dataset, image)), ids, batch_size, workers)
    with tqdm(total=len(ids), desc=network.name, unit="image", leave=False) as progress:
        pooled = activations(network, pictures, pool=pool, device=device, progress=progress)
        write_features(path, ids, pooled, layer_names=network.layer_names, attributes={
            "dataset": dataset.name, "id_name": dataset.image_key, "model": network.name, "modality": "vision",
            "family": network.family, "revision": network.revision, "transform": json.dumps(network.transform_options),
            "pool": pool, "dtype": "float32", "seed": -1 if network.seed is None else network.seed,
            "untrained": network.seed is not None,
            "num_parameters": sum(p.numel() for p in network.module.parameters())})


def activations(network, batches, *, pool, device="auto", progress=None):
    """Yield, for every batch (b, 3, height, width) of transformed pictures, a list with one (b, dim) float32 array per layer."""
    where = resolve(device)
    module = network.module.to(where)
    for batch in batches:
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)      # a GPU would round to 10 bits
        with torch.inference_mode(), exact, _recording(network, pool) as recorded:
            module(batch.to(where))
        silent = [layer for layer in network.layer_names if layer not in recorded]
        if silent:
            raise ValueError(f"model {network.name!r}: the layers {', '.join(silent)} gave no output: timm names them, and the "
                             "network does not call them; choose another network")
        yield [recorded[layer].float().cpu().numpy() for layer in network.layer_names]
        if progress is not None:
            progress.update(len(batch))


def read_rgb(dataset, image):
    """The picture of an image number as an RGB PIL image, whatever its mode (grey, palette, with transparency, ...).

    Raises
    ------
    ValueError
        It cannot be read; names the image.
    """
    try:
        return dataset.image(image).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"the picture of {dataset.image_key} {image} (dataset {dataset.name!r}) cannot be read: {error}; "
                         "replace that file and run again") from error


@contextmanager
def _recording(network, pool):
    """Within the block, a forward pass fills the dict that it gives: layer -> (b, dim)."""
    recorded, handles = {}, []
    try:
        for layer in network.layer_names:
            def hook(module, inputs, output, layer=layer):
                recorded[layer] = _pooled(network, layer, output, pool)
            handles.append(network.module.get_submodule(layer).register_forward_hook(hook))
        yield recorded
    finally:
        for handle in handles:
            handle.remove()


def _pooled(network, layer, output, pool):
    """(b, dim) from a map (b, dim, height, width), for some networks (b, height, width, dim), or tokens (b, n_tokens, dim)."""
    module, place = network.module, f"model {network.name!r}: layer {layer}"
    if not isinstance(output, torch.Tensor) or output.ndim not in (3, 4):
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
        raise ValueError(f"{place} gives {found}; expected a map (b, dim, height, width) or tokens (b, n_tokens, dim); choose "
                         "another network")
    prefix = _prefix_tokens(module, output) if output.ndim == 3 else 0
    if pool == "cls":
        if not prefix or getattr(module, "cls_token", None) is None:
            raise ValueError(f"{place} has no class token (output {tuple(output.shape)}); use --pool avg")
        return output[:, 0]
    if output.ndim == 3:
        return output[:, prefix:].mean(1)
    channel = _channel_axis(module, layer, output)
    if channel is None:
        raise ValueError(f"{place} gives {tuple(output.shape)}; none of its axes is as wide as timm says; choose another network")
    return output.mean((2, 3) if channel == 1 else (1, 2))


def _prefix_tokens(module, tokens):
    """How many class and register tokens stand before those of the patches; some networks add theirs only after the blocks."""
    declared = getattr(module, "num_prefix_tokens", 0) or 0
    n_patches = getattr(getattr(module, "patch_embed", None), "num_patches", None)
    return declared if n_patches is None or tokens.shape[1] == n_patches + declared else 0


def _channel_axis(module, layer, output):
    """1 or 3: the axis of a map that holds the channels, as timm says for it and the layer's width confirms, or None."""
    axis = 3 if getattr(module, "output_fmt", "NCHW") == "NHWC" else 1
    width = {info["module"]: info["num_chs"] for info in module.feature_info}.get(layer)
    if width is None or output.shape[axis] == width:
        return axis
    return 4 - axis if output.shape[4 - axis] == width else None


def _batches(prepare, ids, batch_size, workers):
    """Yield stacks of prepared pictures; the next batch is prepared on threads while the current one is used."""
    chunks = [ids[k:k + batch_size] for k in range(0, len(ids), batch_size)]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        ahead = [pool.submit(prepare, image) for image in chunks[0]]
        for following in [*chunks[1:], []]:
            current, ahead = ahead, [pool.submit(prepare, image) for image in following]
            yield torch.stack([picture.result() for picture in current])


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
        raise ValueError(f"{file} does not fit the model {name!r}, expected timm's own state dict of it: {reason}") from error
    return file.name


def _from_hub(name, architecture):
    try:
        return timm.create_model(name, pretrained=True, **architecture)
    except Exception as error:                              # offline, not published, gated, broken: each library raises its own
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"model {name!r}: its trained weights cannot be had from the hub ({reason}). Connect to the internet, "
                         "give the weights with --weights, or use --untrained for random ones") from error


def _hub_revision(repository):
    """<repository>@<commit> of the weights that the hub's cache holds."""
    from huggingface_hub import constants
    reference = Path(constants.HF_HUB_CACHE, "models--" + str(repository).replace("/", "--"), "refs", "main")
    return f"{repository}@{reference.read_text().strip()}" if reference.exists() else str(repository)
