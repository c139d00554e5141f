"""Activations of language networks, layer by layer, for the captions of a dataset.

    network = load_network("minilm")                # or a name of the Hugging Face hub, or a folder; seed=0: random weights
    write(path, dataset, network)                   # the feature file (store.py)

What a layer is: every hidden state of transformers, `embeddings` first, then each block; where the network has a final norm, the
last hidden state comes after it. What stands for a caption: the mean over its tokens, those that the tokenizer adds included, in
float32. Captions are padded on the right whatever the tokenizer prefers: then real tokens keep their positions and never look
at padding, in causal networks and in encoders. Nothing is cut off. Captions of similar length go together, within a window of 16
batches, so that memory stays bounded.
"""

import json
from dataclasses import dataclass

import numpy as np
import torch
import transformers
from tqdm import tqdm

from convergence.compute.device import resolve
from convergence.features.extraction import language_source
from convergence.features.store import write_features

_WINDOW = 16                        # batches whose captions are sorted by length together


@dataclass(frozen=True)
class Network:
    """A network that is ready to run, with its tokenizer."""
    name: str
    family: str
    module: torch.nn.Module         # without the head: gives hidden states
    tokenizer: object
    layer_names: list
    num_parameters: int             # with the head
    revision: str
    seed: int | None                # of random weights; None: trained


def load_network(name, *, seed=None, folder=None):
    """Load a causal or encoder network of transformers, in float32.

    Parameters
    ----------
    name : str
        "minilm", a name of the hub (<organisation>/<model>), or a folder.
    seed : int, optional
        Random weights of this seed; default: trained weights.
    folder : path, optional
        Where it lies, if `name` is only what it is called.

    Raises
    ------
    ValueError
        It cannot be loaded (unknown, offline, gated), it lacks weights, or it is an encoder-decoder.
    """
    if folder is None:
        name, folder = language_source(name)
    source = str(folder or name)
    try:
        config = transformers.AutoConfig.from_pretrained(source)
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        if config.is_encoder_decoder:
            raise ValueError("it is an encoder-decoder; expected a causal network or an encoder")
        whole = _trained(source, config) if seed is None else _untrained(config, seed)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ValueError(_cannot_load(name, folder, error)) from error
    whole = whole.float().eval()
    module = whole.base_model
    module.config.use_cache = False
    layer_names = ["embeddings", *(f"block.{k}" for k in range(config.num_hidden_layers))]
    num_parameters, revision = sum(p.numel() for p in whole.parameters()), _revision(name, seed, folder, config)
    return Network(name, config.model_type, module, tokenizer, layer_names, num_parameters, revision, seed)


def write(path, dataset, network, *, device="auto", batch_size=32):
    """Write the feature file of a network for the captions of a dataset, a row per image.

    Parameters
    ----------
    path : path
        Usually the temporary path of ``outputs.replacing``.
    dataset : Dataset
    network : Network
    device : str
    batch_size : int
        Captions at a time.

    Raises
    ------
    ValueError
        An image has no caption, a caption has no tokens or more than the network takes, or an activation is not finite.
    """
    ids = dataset.images.index.to_numpy()
    captions = dataset.captions.reindex(ids)
    absent = captions.index[captions.isna()].tolist()
    if absent:
        shown = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
        raise ValueError(f"{len(absent)} of {len(ids)} images of {dataset.name!r} have no caption: {dataset.image_key} {shown}; "
                         "every image needs one, prepare the captions again")
    transform = {"tokenizer": type(network.tokenizer).__name__, "padding": "right", "special_tokens": True, "truncation": False}
    with tqdm(total=len(ids), desc=network.name, unit="caption", leave=False) as progress:
        pooled = activations(network, captions, device=device, batch_size=batch_size, progress=progress)
        write_features(path, ids, pooled, layer_names=network.layer_names, attributes={
            "dataset": dataset.name, "id_name": dataset.image_key, "model": network.name, "modality": "language",
            "family": network.family, "revision": network.revision, "transform": json.dumps(transform), "pool": "avg",
            "dtype": "float32", "seed": -1 if network.seed is None else network.seed, "untrained": network.seed is not None,
            "num_parameters": network.num_parameters})


def activations(network, captions, *, device="auto", batch_size=32, progress=None):
    """Yield, for successive windows of captions, a list with one (n_window, dim) float32 array per hidden state.

    captions: Series of str; rows keep its order, its index names a caption in messages.
    """
    where = resolve(device)
    module = network.module.to(where)
    for start in range(0, len(captions), _WINDOW * batch_size):
        window = captions.iloc[start:start + _WINDOW * batch_size]
        tokens = _tokens(network, window)
        by_length = np.argsort([len(caption) for caption in tokens], kind="stable")
        rows = [None] * len(window)
        for k in range(0, len(window), batch_size):
            members = by_length[k:k + batch_size]
            for member, layers in zip(members, _pooled_states(module, [tokens[m] for m in members], where)):
                rows[member] = layers
            if progress is not None:
                progress.update(len(members))
        yield [np.stack(layer) for layer in zip(*rows)]


def _pooled_states(module, tokens, where):
    """(n_captions, n_layers, dim) float32: hidden states of token lists, averaged over the tokens of each."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(caption) for caption in tokens], batch_first=True).to(where)
    lengths = torch.tensor([len(caption) for caption in tokens], device=where)
    mask = torch.arange(ids.shape[1], device=where) < lengths[:, None]
    with torch.inference_mode():
        states = module(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
        pooled = [state.float().masked_fill(~mask[..., None], 0).sum(1) / lengths[:, None] for state in states]
    return torch.stack(pooled, dim=1).cpu().numpy()


def _tokens(network, captions):
    """Token numbers of every caption, special tokens included."""
    tokens = network.tokenizer(captions.tolist())["input_ids"]
    longest = min(network.tokenizer.model_max_length, getattr(network.module.config, "max_position_embeddings", None) or np.inf)
    for image, caption in zip(captions.index, tokens):
        if not 0 < len(caption) <= longest:
            raise ValueError(f"the caption of image {image} has {len(caption)} tokens, {network.name} takes 1 to {longest}; "
                             "mend that caption")
    return tokens


def _trained(source, config):
    whole, loading = _class(config).from_pretrained(source, config=config, output_loading_info=True)
    lacking = sorted(key for key in loading["missing_keys"] if "pooler" not in key)     # a pooler acts on the last hidden state
    if lacking:
        raise ValueError(f"its weights lack {len(lacking)} tensors, which would be random: {', '.join(lacking[:3])}")
    return whole


def _untrained(config, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _class(config).from_config(config)


def _class(config):
    """Causal networks are loaded with their head, whose parameters count; the hidden states are those of the body."""
    causal = any(name.endswith("ForCausalLM") for name in config.architectures or [])
    return transformers.AutoModelForCausalLM if causal else transformers.AutoModel


def _revision(name, seed, folder, config):
    """Which weights: random, the hub's commit, or names and sizes of the weight files in a folder."""
    if seed is not None:
        return "random"
    if folder is None:
        return f"{name}@{config._commit_hash}"
    files = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin"))
    return ", ".join(f"{path.name} ({path.stat().st_size} bytes)" for path in files)


def _cannot_load(name, folder, error):
    reason = " ".join(str(error).split())[:300]
    if folder is not None:
        return (f"model {name!r}: {folder} cannot be loaded: {reason}; expected a folder that save_pretrained of a model "
                "and of its tokenizer wrote")
    if "gated" in reason:
        return f"model {name!r} is gated: accept its terms on huggingface.co/{name}, then log in with `hf auth login` ({reason})"
    return (f"unknown model {name!r}, or no connection to the Hugging Face hub: check the name (<organisation>/<model>), "
            f"connect to the internet, or give a folder that holds it ({reason})")
