"""Vision networks from elsewhere than timm: torchvision's, and any torch.nn.Module through a function of yours.

    torchvision:resnet50                        its default weights; torchvision:resnet50.IMAGENET1K_V1: these
    mynetworks:blurred_resnet                   calls blurred_resnet() of a module on Python's path, or in the current folder
    folder/mynetworks.py:blurred_resnet         the same, of a file

The function returns (module, transform, layer names): a torch.nn.Module, what turns an RGB PIL image into a (3, height, width)
tensor, and names as in module.named_modules(), each of whose outputs is a map (b, dim, height, width), tokens (b, n_tokens,
dim) or units (b, dim). If it has a parameter `pretrained`, it is told whether trained weights are wanted; without one, it
cannot be untrained.
Tokens: a module with a `cls_token` says how many tokens stand before the patches by its attribute `num_prefix_tokens` (default
1).
"""

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path

from convergence.python_files import load_python

TORCHVISION = "torchvision:"
_OF_TIMM = ("hf-hub:", "hf_hub:", "local-dir:")


def is_adapter(name):
    """Whether a name is that of a function, "module:function"."""
    return ":" in name and not name.startswith((TORCHVISION, *_OF_TIMM))


def adapter_file(name):
    """The file that holds the function "module:function".

    Raises
    ------
    ValueError
        There is no such module or file.
    """
    place = name.rpartition(":")[0]
    if place.endswith(".py"):
        if not Path(place).exists():
            raise ValueError(f"model {name!r}: the file {place} is not there; expected <file>.py:<function> or "
                             "<module>:<function>")
        return Path(place)
    with _current_folder_importable():
        try:
            found = importlib.util.find_spec(place)
        except ModuleNotFoundError:
            found = None
    if found is None or not found.origin:
        raise ValueError(f"model {name!r}: there is no module {place!r}, neither on Python's path nor in {os.getcwd()}; "
                         "expected <module>:<function>")
    return Path(found.origin)


def from_function(name, *, pretrained, **arguments):
    """Call "module:function": returns its (module, transform, layer names), checked.

    Raises
    ------
    ValueError
        The function is not there, cannot be untrained, or returns something else; a layer is not in the module.
    """
    import torch

    file, wanted = adapter_file(name), name.rpartition(":")[2]
    module = _imported(file, name.rpartition(":")[0])
    function = getattr(module, wanted, None)
    if not callable(function):
        raise ValueError(f"model {name!r}: {file} has no function {wanted!r}")
    if "pretrained" in inspect.signature(function).parameters:
        arguments["pretrained"] = pretrained
    elif not pretrained:
        raise ValueError(f"model {name!r}: {wanted}() has no parameter `pretrained`, so that random weights cannot be asked "
                         "for; give it one, or leave out --untrained")
    made = function(**arguments)
    if not (isinstance(made, tuple) and len(made) == 3 and isinstance(made[0], torch.nn.Module) and callable(made[1])):
        raise ValueError(f"model {name!r}: {wanted}() must return (torch.nn.Module, transform, layer names), found {_told(made)}")
    network, transform, layers = made[0], made[1], list(made[2])
    unknown = [layer for layer in layers if layer not in dict(network.named_modules())]
    if unknown or not layers:
        named = f"the layers {', '.join(unknown)}, which are not modules of it" if unknown else "no layers"
        raise ValueError(f"model {name!r}: {wanted}() names {named}; "
                         "names are those of module.named_modules()")
    return network, transform, layers


def from_torchvision(name, *, pretrained, **arguments):
    """(module, transform, layer names, revision) of "torchvision:<model>[.<weights>]".

    Raises
    ------
    ValueError
        The model or its weights are unknown, or cannot be had.
    """
    import torchvision

    models = torchvision.models
    architecture, _, tag = name.removeprefix(TORCHVISION).partition(".")
    known = models.list_models(module=models)
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=3)
        hint = f"; did you mean {' or '.join(TORCHVISION + found for found in near)}?" if near else ""
        raise ValueError(f"unknown model {name!r}{hint} "
                         f"(torchvision {torchvision.__version__} has {len(known)})")
    available = models.get_model_weights(architecture)
    if tag and tag not in available.__members__:
        raise ValueError(f"model {name!r}: torchvision has no weights {tag!r} for it; there are "
                         f"{', '.join(available.__members__)}")
    weights = available[tag] if tag else available.DEFAULT
    try:
        module = models.get_model(architecture, weights=weights if pretrained else None, **arguments)
    except OSError as error:
        raise ValueError(f"model {name!r}: its trained weights cannot be had ({error}). Connect to the internet, give the "
                         "weights with --weights, or use --untrained for random ones") from error
    if architecture.startswith("swin"):
        module.output_fmt = "NHWC"                              # timm's word for maps whose channels come last
    return module, weights.transforms(), _stages(module), f"torchvision/{architecture}.{weights.name}"


def _stages(module):
    """Blocks of transformers, else stages: the parts of what torchvision calls features, trunk_output, or layer1 to layer4."""
    for container in ("encoder.layers", "features", "trunk_output", "blocks"):
        parts = dict(module.named_modules()).get(container)
        if parts is not None:
            return [f"{container}.{name}" for name, _ in parts.named_children()]
    named = [name for name, _ in module.named_children()]
    stages = [name for name in named if name.startswith("layer")]
    if stages:
        return [*(["maxpool"] if "maxpool" in named else []), *stages]
    return [name for name in named if not name.lower().startswith(("fc", "dropout", "aux"))]


def _imported(file, place):
    if not place.endswith(".py"):
        with _current_folder_importable():
            return importlib.import_module(place)
    return load_python(file)


class _current_folder_importable:
    def __enter__(self):
        sys.path.append(os.getcwd())

    def __exit__(self, *error):
        sys.path.remove(os.getcwd())


def _told(made):
    return f"({', '.join(type(part).__name__ for part in made)})" if isinstance(made, tuple) else f"a {type(made).__name__}"
