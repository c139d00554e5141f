"""Layers of vision networks against forward hooks written by hand, and the messages of what cannot be extracted."""

import json

import numpy as np
import pytest
import timm
import torch
from fake_dataset import IDS, write_seven_pictures
from PIL import Image
from safetensors.torch import save_file

from convergence.features import vision
from convergence.features.efficientnet_lite import timm_names
from convergence.features.extraction import efficientnet_file, pool_of
from convergence.features.forward import Forward
from convergence.features.pictures import BatchSize
from convergence.features.store import open_features


@pytest.fixture
def seven(tmp_path):
    return write_seven_pictures(tmp_path / "seven")


def small(name="vit_tiny_patch16_224", seed=1, **architecture):
    return vision.load_network(name, seed=seed, **{"img_size": 32, "depth": 2, **architecture})


def weights_of(network):
    return {name: tensor.contiguous() for name, tensor in network.module.state_dict().items()}


def by_hand(network, dataset, layers, batch_size):
    """Outputs of the layers for the dataset's pictures, as (n, ...) arrays, with plain hooks."""
    seen = {layer: [] for layer in layers}
    modules = dict(network.module.named_modules())
    handles = [modules[layer].register_forward_hook(lambda m, i, output, layer=layer: seen[layer].append(output))
               for layer in layers]
    pictures = torch.stack([network.transform(Image.open(dataset.path(image)).convert("RGB")) for image in IDS])
    with torch.no_grad():
        for batch in pictures.split(batch_size):
            network.module(batch)
    for handle in handles:
        handle.remove()
    return [torch.cat(outputs) for outputs in seen.values()]


VITS = [("vit_tiny_patch16_224", {}), ("deit_tiny_distilled_patch16_224", {}), ("eva02_tiny_patch14_224", {"img_size": 28}),
        ("vit_small_patch14_reg4_dinov2", {"img_size": 28}), ("vit_base_patch16_clip_224", {"embed_dim": 48, "num_heads": 3})]


@pytest.mark.parametrize("name, architecture", VITS)
def test_class_tokens_of_every_block_equal_a_hook_exactly(seven, tmp_path, name, architecture):
    network = small(name, **architecture)
    assert network.layer_names == ["blocks.0", "blocks.1"] and pool_of(name) == "cls"
    vision.write(tmp_path / "a.h5", seven, network, pool="cls", device="cpu", batch_size=3)
    with open_features(tmp_path / "a.h5", "seven") as file:
        assert file.ids.tolist() == IDS
        for index, expected in enumerate(by_hand(network, seven, network.layer_names, 3)):
            np.testing.assert_array_equal(file.layer(index), expected[:, 0].numpy())
        assert len(np.unique(file.layer(1), axis=0)) == len(IDS)                   # every picture has its own


def test_mean_over_positions_leaves_class_and_register_tokens_out(seven, tmp_path):
    network = small("vit_small_patch14_reg4_dinov2", img_size=28)
    vision.write(tmp_path / "a.h5", seven, network, pool="avg", device="cpu", batch_size=7)
    tokens, = by_hand(network, seven, ["blocks.1"], 7)
    assert tokens.shape[1] == 1 + 4 + 2 * 2
    with open_features(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file.layer(1), tokens[:, 5:].mean(1).numpy())


def test_efficientnet_with_its_trained_weights_equals_a_hook_exactly(seven, tmp_path):
    network = vision.load_network("efficientnet_lite0")
    assert network.layer_names == ["bn1", *(f"blocks.{k}" for k in range(7)), "bn2"] and pool_of("efficientnet_lite0") == "avg"
    vision.write(tmp_path / "a.h5", seven, network, device="cpu", batch_size=4)
    with open_features(tmp_path / "a.h5", "seven") as file:
        for index, expected in enumerate(by_hand(network, seven, network.layer_names, 4)):
            np.testing.assert_array_equal(file.layer(index), expected.mean((2, 3)).numpy())
        assert file.dims() == [32, 16, 24, 40, 80, 112, 192, 320, 1280]
        known = file.attributes
    assert known == {"dataset": "seven", "id_name": "seven_id", "model": "efficientnet_lite0", "modality": "vision",
                     "family": "efficientnet", "revision": "efficientnet-lite0-57934424.pth", "transform": known["transform"],
                     "pool": "avg", "dtype": "float32", "seed": -1, "untrained": False, "num_parameters": 4_652_008}
    transform = json.loads(known["transform"])
    assert transform["input_size"] == [3, 224, 224] and transform["mean"] == [0.5, 0.5, 0.5] and transform["crop_pct"] == 0.875


def test_efficientnet_is_trained_it_knows_a_cat():
    data = pytest.importorskip("skimage.data", reason="scikit-image (tests/requirements.txt) has the photograph of a cat")
    network = vision.load_network("efficientnet_lite0")
    with torch.inference_mode():
        scores = network.module(network.transform(Image.fromarray(data.chelsea()))[None])
    assert set(scores.topk(3).indices[0].tolist()) == {281, 282, 285}              # ImageNet's tabby, tiger cat, Egyptian cat


def test_the_published_names_of_efficientnet_cover_timms():
    module = timm.create_model("tf_efficientnet_lite0")
    published = torch.load(efficientnet_file(), weights_only=True)
    renamed = timm_names(published, module)
    assert len(renamed) == len(published) and set(renamed) == set(module.state_dict())
    torch.testing.assert_close(renamed["blocks.0.0.conv_pw.weight"], published["_blocks.0._project_conv.weight"])
    torch.testing.assert_close(renamed["blocks.2.1.bn3.running_var"], published["_blocks.4._bn2.running_var"])


@pytest.mark.parametrize("name, layers", [
    ("resnet18", ["act1", "layer1", "layer2", "layer3", "layer4"]),
    ("test_convnext", ["stages.0", "stages.1", "stages.2", "stages.3"]),
    ("mobilenetv3_small_050", ["bn1", *(f"blocks.{k}" for k in range(6))])])
def test_stages_of_other_networks(name, layers):
    assert vision.layers_of(timm.create_model(name)) == layers


def test_maps_whose_channels_come_last_are_averaged_over_positions(seven, tmp_path):
    network = vision.load_network("swin_tiny_patch4_window7_224", seed=0, img_size=32, window_size=2, embed_dim=12,
                                  depths=(1, 1, 1, 1), num_heads=(1, 2, 3, 4))
    vision.write(tmp_path / "a.h5", seven, network, device="cpu", batch_size=7)
    first, = by_hand(network, seven, ["layers.0"], 7)
    assert first.shape == (7, 8, 8, 12)
    with open_features(tmp_path / "a.h5") as file:
        assert file.dims() == [12, 24, 48, 96]
        np.testing.assert_array_equal(file.layer(0), first.mean((1, 2)).numpy())


class Odd(torch.nn.Module):
    """A network whose single stage gives (b, 4, 5, 6), while timm would announce a width of its own."""
    def __init__(self, width, give=lambda x: x.new_ones(len(x), 4, 5, 6), called=True):
        super().__init__()
        self.stage, self.give, self.called = torch.nn.Identity(), give, called
        self.feature_info = [{"module": "stage", "num_chs": width}]

    def forward(self, x):
        return self.stage(self.give(x)) if self.called else x


def odd_layer(*arguments, **options):
    network = vision.Network("odd", "odd", Odd(*arguments, **options), None, {}, ["stage"], "", 0)
    return Forward(network, pool="avg", device="cpu", size=BatchSize())(torch.zeros(2, 3, 8, 8))[0]


def test_a_layer_that_is_not_understood_is_refused():
    assert odd_layer(4).shape == (2, 4) and odd_layer(6).shape == (2, 6)            # the width tells the axis of the channels
    with pytest.raises(ValueError, match=r"model 'odd': layer stage gives \(2, 4, 5, 6\); none of its axes is as wide as timm "
                                         r"says"):
        odd_layer(7)
    with pytest.raises(ValueError, match="layer stage gives a tuple; expected a map .*, tokens .* or units"):
        odd_layer(4, give=lambda x: (x, x))
    with pytest.raises(ValueError, match="the layers stage gave no output"):
        odd_layer(4, called=False)
    with pytest.raises(ValueError, match="model 'pixels': which of its modules are layers is not known: timm names none"):
        vision.layers_of(torch.nn.Identity(), "pixels")


def test_a_network_without_class_token_says_so(seven, tmp_path):
    with pytest.raises(ValueError, match=r"layer blocks\.0 has no class token \(output \(7, 4, 192\)\); use --pool avg"):
        vision.write(tmp_path / "a.h5", seven, small(class_token=False, global_pool="avg"), pool="cls", device="cpu")


def test_random_weights_follow_their_seed_and_leave_the_generator_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = (small(seed=seed).module.blocks[0].mlp.fc1.weight for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert small(seed=3).revision == "random"


def test_weights_from_a_file(tmp_path):
    state = weights_of(small(seed=3))
    save_file(state, tmp_path / "toy.safetensors")
    torch.save(state, tmp_path / "toy.pth")
    for file in ("toy.safetensors", "toy.pth"):
        network = vision.load_network("vit_tiny_patch16_224", weights=tmp_path / file, img_size=32, depth=2)
        torch.testing.assert_close(weights_of(network), state, rtol=0, atol=0)
        assert network.revision == file and network.seed is None
    with pytest.raises(ValueError, match=r"toy\.pth does not fit the model 'vit_tiny_patch16_224', expected the state "
                                         r"dict of that network: .*blocks\.2"):
        vision.load_network("vit_tiny_patch16_224", weights=tmp_path / "toy.pth", img_size=32, depth=3)


def test_weights_from_the_hubs_cache(tmp_path, monkeypatch):
    from huggingface_hub import constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--timm--test_vit.r160_in1k"
    commit = "0123456789abcdef0123456789abcdef01234567"
    for folder in (repository / "refs", repository / "snapshots" / commit):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    state = weights_of(vision.load_network("test_vit.r160_in1k", seed=8))
    save_file(state, repository / "snapshots" / commit / "model.safetensors")
    network = vision.load_network("test_vit.r160_in1k")
    torch.testing.assert_close(weights_of(network), state, rtol=0, atol=0)
    assert network.revision == f"timm/test_vit.r160_in1k@{commit}"


def test_unknown_names_and_weights_that_cannot_be_had():
    with pytest.raises(ValueError, match=r"unknown model 'vit_tiny_patch16_224\.augreg_in21'; did you mean "
                                         r"vit_tiny_patch16_224\.augreg_in21k or "):
        vision.load_network("vit_tiny_patch16_224.augreg_in21")
    with pytest.raises(ValueError, match="unknown model 'efficientnet_light0'; did you mean efficientnet_lite0"):
        vision.load_network("efficientnet_light0", seed=0)
    with pytest.raises(ValueError, match="unknown model 'qqqqqqqq' "):
        vision.load_network("qqqqqqqq")
    with pytest.raises(ValueError, match=r"'test_vit2': its trained weights cannot be had from the hub \(.*Connect to the "
                                         r"internet, give .* --weights"):
        vision.load_network("test_vit2")


def test_family_is_the_architectures_first_word():
    names = {"tf_efficientnet_lite0": "efficientnet", "vit_tiny_patch16_224.mae": "vit", "resnet18": "resnet",
             "mobilenetv3_small_050": "mobilenet", "hf-hub:timm/eva02_tiny.x": "eva"}
    assert {name: vision._family(name) for name in names} == names
