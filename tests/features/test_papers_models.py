"""The 17 vision networks of the paper (arXiv 2507.13941), built without weights: what stage 2 takes from them, and with which
transform."""

from pathlib import Path

import pytest
import timm
import torch
from timm.data import resolve_model_data_config

from convergence.features.entries import read_models
from convergence.features.extraction import pool_of
from convergence.features.forward import _has_class_token
from convergence.features.vision import layers_of

MODELS = Path(__file__).resolve().parents[2] / "2_model_extraction" / "models.yml"
# n_blocks, dim, millions of parameters (head included), side of the input, part of it that is kept, mean of the red channel
PAPER = {
    "vit_tiny_patch16_224.augreg_in21k": (12, 192, 9.7, 224, 0.9, 0.5),
    "vit_small_patch16_224.augreg_in21k": (12, 384, 30.1, 224, 0.9, 0.5),
    "vit_base_patch16_224.augreg_in21k": (12, 768, 102.6, 224, 0.9, 0.5),
    "vit_large_patch16_224.augreg_in21k": (24, 1024, 325.7, 224, 0.9, 0.5),
    "vit_base_patch16_224.mae": (12, 768, 85.8, 224, 0.9, 0.485),
    "vit_large_patch16_224.mae": (24, 1024, 303.3, 224, 0.9, 0.485),
    "vit_huge_patch14_224.mae": (32, 1280, 630.8, 224, 0.9, 0.485),
    "vit_small_patch14_dinov2.lvd142m": (12, 384, 22.1, 518, 1.0, 0.485),
    "vit_base_patch14_dinov2.lvd142m": (12, 768, 86.6, 518, 1.0, 0.485),
    "vit_large_patch14_dinov2.lvd142m": (24, 1024, 304.4, 518, 1.0, 0.485),
    "vit_giant_patch14_dinov2.lvd142m": (40, 1536, 1136.5, 518, 1.0, 0.485),
    "vit_base_patch16_clip_224.laion2b": (12, 768, 86.2, 224, 1.0, 0.481),
    "vit_large_patch14_clip_224.laion2b": (24, 1024, 304.0, 224, 1.0, 0.5),
    "vit_huge_patch14_clip_224.laion2b": (32, 1280, 632.1, 224, 1.0, 0.481),
    "vit_base_patch16_clip_224.laion2b_ft_in12k": (12, 768, 94.9, 224, 0.9, 0.481),
    "vit_large_patch14_clip_224.laion2b_ft_in12k": (24, 1024, 315.3, 224, 1.0, 0.5),
    "vit_huge_patch14_clip_224.laion2b_ft_in12k": (32, 1280, 645.9, 224, 1.0, 0.481),
}


def test_models_yml_lists_them():
    assert [entry.name for entry in read_models(MODELS, "vision")] == list(PAPER)


@pytest.mark.parametrize("name", PAPER)
def test_every_block_gives_a_class_token_and_the_transform_is_the_networks_own(name):
    n_blocks, dim, millions, side, kept, red = PAPER[name]
    with torch.device("meta"):                                  # shapes without numbers: the giant takes no memory
        module = timm.create_model(name)
    assert pool_of(name) == "cls" and _has_class_token(module) and module.num_prefix_tokens == 1
    assert layers_of(module, name) == [f"blocks.{k}" for k in range(n_blocks)] and module.embed_dim == dim
    assert sum(p.numel() for p in module.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
    transform = resolve_model_data_config(module)
    assert transform["input_size"] == (3, side,
                                       side) and transform["crop_pct"] == kept and transform["interpolation"] == "bicubic"
    assert transform["mean"][0] == pytest.approx(red, abs=1e-3)
