"""Activations of language networks, layer by layer, for one text of every image of a dataset.

    network = load_network("minilm")                # or a name of the Hugging Face hub, or a folder; seed=0: random weights
    write(path, dataset, network)                   # the feature file (store.py)

What a layer is: every hidden state of transformers, `embeddings` first, then each block. Where the network has a final norm, its
last hidden state comes after it (`block.5.final_norm`); with final_norm="drop" before it (`block.5`). What stands for a text:
language_forward.py. Nothing is cut off. Texts of similar length go together, within the 256 of a shard, so that memory stays
bounded.
"""

import json
from dataclasses import dataclass

import numpy as np
import torch
import transformers
from tqdm import tqdm

from convergence.compute.device import resolve
from convergence.features.extraction import language_source
from convergence.features.hub import cannot_load, hub_revision
from convergence.features.language_forward import LanguageForward
from convergence.features.pictures import BatchSize
from convergence.features.shards import rows_left
from convergence.features.store import write_features
from convergence.features.texts import read_texts, refuse, unusable

PRECISIONS = ("float32", "bfloat16", "float16")
SCALARS = ["loss", "bits_per_byte"]


@dataclass(frozen=True)
class Network:
    """A network that is ready to run, in evaluation mode, with its tokenizer."""
    name: str
    family: str
    module: torch.nn.Module         # causal: with its head
    tokenizer: object
    causal: bool                    # it predicts the next token
    bos: int | None                 # the token that the tokenizer puts before a text to begin it
    has_cls: bool                   # the tokenizer puts [CLS] before a text
    n_blocks: int
    final_norm: str | None          # name of the module whose output is the last hidden state, if it is no part of a block
    dtype: str                      # of weights and computation
    revision: str
    seed: int | None                # of random weights; None: trained

    @property
    def num_parameters(self):
        return sum(p.numel() for p in self.module.parameters())

    def layer_names(self, final_norm="keep"):
        """Names of the hidden states."""
        names = ["embeddings", *(f"block.{k}" for k in range(self.n_blocks))]
        return [*names[:-1], f"{names[-1]}.final_norm"] if self.final_norm and final_norm == "keep" else names


def load_network(name, *, seed=None, folder=None, dtype="float32", revision=None, **config):
    """Load a causal or encoder network of transformers.

    Parameters
    ----------
    name : str
        "minilm", a name of the hub (<organisation>/<model>), or a folder.
    seed : int, optional
        Random weights of this seed; default: trained weights.
    folder : path, optional
        Where it lies, if `name` is only what it is called.
    dtype : {"float32", "bfloat16", "float16"}
        Of the weights and the computation. Random weights are drawn in float32 and rounded.
    revision : str, optional
        Commit, branch or tag on the hub.
    **config
        Takes the place of what the network's configuration says, e.g. num_hidden_layers=4.

    Raises
    ------
    ValueError
        It cannot be loaded (unknown, offline, gated), it lacks weights, or it is an encoder-decoder.
    """
    if folder is None:
        name, folder = language_source(name)
    source = {"pretrained_model_name_or_path": str(folder or name), **({"revision": revision} if revision else {})}
    try:
        known, unused = transformers.AutoConfig.from_pretrained(**source, **config, return_unused_kwargs=True)
        if unused:
            raise ValueError(f"kwargs: its configuration does not know {', '.join(unused)}")
        tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
        if known.is_encoder_decoder:
            raise ValueError("it is an encoder-decoder; expected a causal network or an encoder")
        weights = getattr(torch, dtype)
        module = _trained(source, known, weights) if seed is None else _untrained(known, seed, weights)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ValueError(cannot_load(name, folder, error)) from error
    module.config.use_cache = False
    n_blocks, final_norm = _anatomy(module.eval())
    first = next(iter(tokenizer("a")["input_ids"]), None)
    return Network(name, known.model_type, module, tokenizer, _is_causal(known),
                   first if first == tokenizer.bos_token_id else None, first is not None and first == tokenizer.cls_token_id,
                   n_blocks, final_norm, dtype, _revision(name, seed, folder, revision), seed)


def precision(dtype, device):
    """The type to compute in: "auto" is bfloat16 on a GPU that computes in it (as published), elsewhere float32."""
    if dtype not in ("auto", *PRECISIONS):
        raise ValueError(f"dtype: {dtype!r} is not one of 'auto', {', '.join(map(repr, PRECISIONS))}")
    if dtype != "auto":
        return dtype
    where = resolve(device)
    return "bfloat16" if where.type == "cuda" and torch.cuda.get_device_capability(where) >= (8, 0) else "float32"


def write(path, dataset, network, *, captions=None, pool="avg", exclude_bos=False, final_norm="keep", storage="auto",
          device="auto", batch_size="auto", work=None, inputs=None, skip_bad=False):
    """Write the feature file of a network for one text per image of a dataset.

    Parameters
    ----------
    path : path
        Usually the temporary path of ``outputs.replacing``.
    dataset : Dataset
    network : Network
    captions : path, optional
        A table of texts (texts.py) instead of the dataset's captions.
    pool, exclude_bos, final_norm
        As in `LanguageForward`.
    storage, work, inputs, skip_bad
        As in ``store.write_features``; skip_bad leaves images out whose captions cannot be used.
    device : str
    batch_size : int or "auto"
        Texts at a time; auto: 32, fewer when memory runs out.

    Raises
    ------
    ValueError
        Captions are missing, empty or longer than the network takes (names them); an activation is not finite.
    """
    texts = read_texts(dataset, captions)
    size = BatchSize(batch_size, "captions")
    faults = unusable(texts, dataset)
    faults |= _too_long(network, texts.drop(list(faults)), dataset, exclude_bos)
    if not skip_bad:
        refuse(faults, len(texts), dataset)
    forward = LanguageForward(network, pool=pool, size=size, device=device, exclude_bos=exclude_bos, final_norm=final_norm)
    transform = {"tokenizer": type(network.tokenizer).__name__, "padding": "right", "special_tokens": True, "truncation": False,
                 "captions": texts.attrs["source"], "exclude_bos": exclude_bos, "adds_bos": network.bos is not None}
    with tqdm(total=len(texts), desc=network.name, unit="caption", leave=False) as progress:
        def batches(start, stop):
            progress.n = start                                  # what a stopped run left is not done again
            while start < stop:
                window = texts.iloc[start:start + min(rows_left(start), stop - start)]
                bad = {image: faults[image] for image in window.index if image in faults}
                good = window.drop(list(bad))
                yield activations(forward, network, good.tolist(), size) if len(good) else None, bad
                start += len(window)
                progress.update(len(window))

        write_features(path, texts.index, batches, layer_names=network.layer_names(final_norm), storage=storage, work=work,
                       inputs=inputs, skip_bad=skip_bad, scalars=SCALARS if network.causal else [], attributes={
            "dataset": dataset.name, "id_name": dataset.image_key, "model": network.name, "modality": "language",
            "family": network.family, "revision": network.revision, "transform": json.dumps(transform), "pool": pool,
            "dtype": network.dtype, "seed": -1 if network.seed is None else network.seed, "untrained": network.seed is not None,
            "num_parameters": network.num_parameters})


def activations(forward, network, texts, size):
    """A list with one (n_texts, dim) float32 array per layer, in the order of `texts`; causal networks: then (n_texts, 1) loss
    and bits per byte.

    The longest texts come first: if memory does not suffice for them, it is known at once.
    """
    tokens, rows, done = network.tokenizer(texts)["input_ids"], None, 0
    by_length = np.argsort([-len(text) for text in tokens], kind="stable")
    while done < len(texts):
        members = by_length[done:done + size.n]
        found = forward([tokens[member] for member in members])
        if rows is None:
            rows = [np.empty((len(texts), array.shape[1]), np.float32) for array in found]
        for array, values in zip(rows, found):
            array[members] = values
        done += len(members)
    if network.causal:
        nats, predicted = rows.pop(), np.array([[len(text) - 1] for text in tokens])
        n_bytes = np.array([[len(text.encode())] for text in texts])
        alone = np.where(predicted > 0, 1, np.nan)                  # of a single token nothing is predicted
        rows += [alone * nats / np.maximum(predicted, 1), alone * nats / np.log(2) / n_bytes]
    return rows


def _too_long(network, texts, dataset, exclude_bos):
    """{image: why} of the texts that the network cannot take whole; 1,024 are looked at together."""
    longest = min(network.tokenizer.model_max_length, getattr(network.module.config, "max_position_embeddings", None) or np.inf)
    fewest, why = 1 + (exclude_bos and network.bos is not None), {}
    for start in range(0, len(texts), 1024):
        window = texts.iloc[start:start + 1024]
        for image, tokens in zip(window.index, network.tokenizer(window.tolist())["input_ids"]):
            if not fewest <= len(tokens) <= longest:
                why[image] = (f"the caption of {dataset.image_key} {image} has {len(tokens)} tokens, {network.name} takes "
                              f"{fewest} to {longest}")
    return why


def _anatomy(module):
    """(number of blocks, name of the final norm or None), found by running two tokens.

    The final norm is the first module whose output is the last hidden state and that neither is in a block nor holds them. Where
    blocks end in a norm of their own (BERT), there is none.
    """
    lists = [name for name, part in module.named_modules() if isinstance(part, torch.nn.ModuleList)]
    outside = [name for name, _ in module.named_modules()
               if name and not any(f"{name}.".startswith(f"{one}.") or f"{one}.".startswith(f"{name}.") for one in lists)]
    called, handles = [], []
    for name in outside:
        handles.append(module.get_submodule(name).register_forward_hook(
            lambda part, inputs, output, name=name: called.append((name, output))))
    try:
        with torch.inference_mode():
            tokens = torch.zeros(1, 2, dtype=torch.long)
            states = module(input_ids=tokens, attention_mask=torch.ones_like(tokens), output_hidden_states=True).hidden_states
    finally:
        for handle in handles:
            handle.remove()
    last = states[-1].data_ptr()
    norms = [name for name, output in called if isinstance(output, torch.Tensor) and output.data_ptr() == last]
    return len(states) - 1, norms[0] if norms else None


def _trained(source, config, dtype):
    module, loading = _class(config).from_pretrained(**source, config=config, dtype=dtype, output_loading_info=True)
    lacking = sorted(key for key in loading["missing_keys"] if "pooler" not in key)     # a pooler acts on the last hidden state
    if lacking:
        raise ValueError(f"its weights lack {len(lacking)} tensors, which would be random: {', '.join(lacking[:3])}")
    return module


def _untrained(config, seed, dtype):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _class(config).from_config(config, dtype=torch.float32).to(dtype)


def _is_causal(config):
    return any(name.endswith("ForCausalLM") or name.endswith("LMHeadModel") for name in config.architectures or [])


def _class(config):
    """Causal networks are loaded with their head, whose parameters count and which gives the loss."""
    return transformers.AutoModelForCausalLM if _is_causal(config) else transformers.AutoModel


def _revision(name, seed, folder, revision):
    """Which weights: random, the hub's commit, or names and sizes of the weight files in a folder."""
    if seed is not None:
        return "random"
    if folder is None:
        return hub_revision(f"{name}@{revision}" if revision else name)
    files = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin"))
    return ", ".join(f"{path.name} ({path.stat().st_size} bytes)" for path in files)
