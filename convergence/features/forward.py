"""A network's layers for a stack of pictures: forward hooks pool every layer at once, so that memory holds one batch.

    layers = Forward(network, pool="avg", device="auto", dtype="float32", size=BatchSize("auto"))
    layers(stack)                       # a list with one (b, dim) float32 array per layer

What stands for a picture: the class token (pool="cls"), or the mean over positions (pool="avg"; class and register tokens do
not take part); a layer of (b, dim) stands for itself. Half precision is torch's autocast: weights, norms and pooling stay in
float32. When memory runs out, the stack is halved until it fits, and later stacks are smaller.
"""

from contextlib import contextmanager

import numpy as np
import torch

from convergence.compute.device import resolve

PRECISIONS = ("float32", "bfloat16", "float16")


class Forward:
    """See the module's docstring.

    Parameters
    ----------
    network : convergence.features.vision.Network
    pool : {"cls", "avg"}
    device : str
    dtype : {"float32", "bfloat16", "float16"}
        Type of the computation.
    size : BatchSize
        Is told when memory runs out.
    """

    def __init__(self, network, *, pool, size, device="auto", dtype="float32"):
        self._network, self._pool, self._size, self._dtype = network, pool, size, getattr(torch, dtype)
        self._where = resolve(device)
        self._module = network.module.to(self._where)

    def __call__(self, stack):
        """A list with one (b, dim) float32 array per layer.

        Raises
        ------
        ValueError
            A layer is neither a map nor a sequence of tokens, it was not called, there is no class token, or memory does not
            suffice.
        """
        return fitting(self._layers, stack, self._size, self._where)

    def _layers(self, stack):
        names = self._network.layer_names
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)      # a GPU would round to 10 bits
        half = torch.autocast(self._where.type, dtype=self._dtype, enabled=self._dtype != torch.float32)
        with torch.inference_mode(), exact, half, _recording(self._network, self._pool) as recorded:
            self._module(stack.to(self._where))
        silent = [layer for layer in names if layer not in recorded]
        if silent:
            raise ValueError(f"model {self._network.name!r}: the layers {', '.join(silent)} gave no output: the network does "
                             "not call them; choose another network, or other layers")
        return [recorded[layer].cpu().numpy() for layer in names]


def fitting(compute, inputs, size, where):
    """What compute(inputs) gives, a list of arrays with a row per input; when memory runs out, of halves of them, side by side.

    inputs: tensor or list; size: BatchSize, which is told; where: torch.device.
    """
    try:
        return compute(inputs)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        size.halve(len(inputs), error)
    if where.type == "cuda":                                    # after the except block, which holds the failed batch
        torch.cuda.empty_cache()
    half = max(1, len(inputs) // 2)
    parts = [fitting(compute, inputs[k:k + half], size, where) for k in range(0, len(inputs), half)]
    return [np.concatenate(arrays) for arrays in zip(*parts)]


def out_of_memory(error):
    """Whether an error says that memory did not suffice, on a GPU or on the CPU."""
    told = any(words in str(error) for words in ("out of memory", "can't allocate memory"))
    return told or isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))


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
    """(b, dim) from a map (b, dim, height, width) or (b, height, width, dim), from tokens (b, n_tokens, dim), or from itself."""
    module, place = network.module, f"model {network.name!r}: layer {layer}"
    if not isinstance(output, torch.Tensor) or output.ndim not in (2, 3, 4):
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
        raise ValueError(f"{place} gives {found}; expected a map (b, dim, height, width), tokens (b, n_tokens, dim) or units "
                         "(b, dim); choose another network, or other layers")
    output = output.float()
    prefix = _prefix_tokens(module, output) if output.ndim == 3 else 0
    if pool == "cls":
        if not prefix or not _has_class_token(module):
            raise ValueError(f"{place} has no class token (output {tuple(output.shape)}); use --pool avg")
        return output[:, 0]
    if output.ndim == 2:
        return output
    if output.ndim == 3:
        return output[:, prefix:].mean(1)
    channel = _channel_axis(module, layer, output)
    if channel is None:
        raise ValueError(f"{place} gives {tuple(output.shape)}; none of its axes is as wide as timm says; choose another network")
    return output.mean((2, 3) if channel == 1 else (1, 2))


def _has_class_token(module):
    # timm's and torchvision's word
    return any(getattr(module, name, None) is not None for name in ("cls_token", "class_token"))


def _prefix_tokens(module, tokens):
    """How many class and register tokens stand before those of the patches; some networks add theirs only after the blocks."""
    declared = getattr(module, "num_prefix_tokens", int(_has_class_token(module))) or 0
    n_patches = getattr(getattr(module, "patch_embed", None), "num_patches", None)
    return declared if n_patches is None or tokens.shape[1] == n_patches + declared else 0


def _channel_axis(module, layer, output):
    """1 or 3: the axis of a map that holds the channels, as timm says for it and the layer's width confirms, or None."""
    axis = 3 if getattr(module, "output_fmt", "NCHW") == "NHWC" else 1
    width = {info["module"]: info["num_chs"] for info in getattr(module, "feature_info", None) or []}.get(layer)
    if width is None or output.shape[axis] == width:
        return axis
    return 4 - axis if output.shape[4 - axis] == width else None
