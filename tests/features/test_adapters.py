"""Networks of torchvision and of one's own, and entries of models.yml."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from fake_dataset import ManyPictures, write_seven_pictures
from safetensors.torch import save_file

from convergence.features import vision
from convergence.features.entries import Entry, entry_of, read_models
from convergence.features.extraction import plain_name, vision_jobs
from convergence.features.store import open_features

TOYS = str(Path(__file__).with_name("toy_networks.py"))


def test_a_network_of_ones_own(tmp_path):
    network = vision.load_network(f"{TOYS}:scaled", factor=0.5)
    assert (network.name, network.revision, network.seed) == ("toy_networks_scaled", f"{TOYS}:scaled", None)
    assert network.transform_options == {"transform": "transform"}
    dataset = ManyPictures(4)
    vision.write(tmp_path / "a.h5", dataset, network, device="cpu")
    expected = [np.asarray(dataset.image(image)).mean((0, 1)) / 255 / 2 for image in dataset.images.index]
    with open_features(tmp_path / "a.h5", "many") as file:
        np.testing.assert_allclose(file.layer(0), expected, atol=1e-6)


def test_an_adapter_is_told_whether_it_is_trained():
    weights = [vision.load_network(f"{TOYS}:deep", seed=seed, n_layers=2, n_units=4).module[1].weight
               for seed in (None, None, 3, 3, 4)]
    assert torch.equal(weights[0], weights[1]) and torch.equal(weights[2], weights[3])
    assert not torch.equal(weights[0], weights[2]) and not torch.equal(weights[2], weights[4])


def test_an_adapter_of_a_module_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "mynetworks_here.py").write_text(Path(TOYS).read_text())
    monkeypatch.chdir(tmp_path)
    network = vision.load_network("mynetworks_here:deep", n_layers=2, n_units=4)
    assert network.layer_names == ["2", "3"] and network.name == plain_name("mynetworks_here:deep") == "mynetworks_here_deep"
    with pytest.raises(ValueError, match=r"there is no module 'nothing\.here', neither on Python's path nor in "):
        vision.load_network("nothing.here:deep")


@pytest.mark.parametrize("name, seed, message", [
    ("forgetful", None, r"forgetful\(\) must return \(torch\.nn\.Module, transform, layer names\), found \(Identity, function\)"),
    ("misnamed", None, r"misnamed\(\) names the layers head, which are not modules of it"),
    ("scaled", 1, r"scaled\(\) has no parameter `pretrained`, so that random weights cannot be asked for"),
    ("absent", None, r"toy_networks\.py has no function 'absent'")])
def test_adapters_that_are_wrong_say_so(name, seed, message):
    with pytest.raises(ValueError, match=message):
        vision.load_network(f"{TOYS}:{name}", seed=seed)


def test_an_adapter_file_that_is_not_there():
    with pytest.raises(ValueError, match=r"the file nowhere/net\.py is not there; expected <file>\.py:<function> or "
                                         r"<module>:<function>"):
        vision.load_network("nowhere/net.py:f")


@pytest.mark.parametrize("name, layers", [
    ("resnet18", ["maxpool", "layer1", "layer2", "layer3", "layer4"]),
    ("mobilenet_v3_small", [f"features.{k}" for k in range(13)]),
    ("regnet_y_400mf", [f"trunk_output.block{k}" for k in range(1, 5)])])
def test_stages_of_torchvision(name, layers):
    assert vision.load_network(f"torchvision:{name}", seed=0).layer_names == layers


def test_torchvisions_layers_equal_a_hook_and_its_own_weights_fit(tmp_path):
    torch.manual_seed(4)
    plain = torchvision.models.vit_b_16(weights=None)
    save_file(plain.state_dict(), tmp_path / "w.safetensors")
    network = vision.load_network("torchvision:vit_b_16", weights=tmp_path / "w.safetensors")
    assert network.layer_names == [f"encoder.layers.encoder_layer_{k}" for k in range(12)] and network.revision == "w.safetensors"
    dataset, seen = ManyPictures(2), []
    plain.eval().encoder.layers[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    stack = torch.stack([network.transform(dataset.image(image)) for image in dataset.images.index])
    with torch.no_grad():
        plain(stack)
    for pool, expected in (("cls", seen[0][:, 0]), ("avg", seen[0][:, 1:].mean(1))):
        vision.write(tmp_path / f"{pool}.h5", dataset, network, pool=pool, device="cpu", batch_size=2)
        with open_features(tmp_path / f"{pool}.h5") as file:
            np.testing.assert_allclose(file.layer(1), expected.numpy(), atol=1e-5)


def test_swins_channels_come_last_in_torchvision(tmp_path):
    network = vision.load_network("torchvision:swin_t", seed=0)
    vision.write(tmp_path / "a.h5", ManyPictures(1), network, device="cpu")
    with open_features(tmp_path / "a.h5") as file:
        assert file.dims() == [96, 96, 192, 192, 384, 384, 768, 768]


def test_unknown_names_of_torchvision():
    with pytest.raises(ValueError, match="unknown model 'torchvision:resnet19'; did you mean torchvision:resnet1"):
        vision.load_network("torchvision:resnet19")
    with pytest.raises(ValueError, match="torchvision has no weights 'IMAGENET2K' for it; there are IMAGENET1K_V1"):
        vision.load_network("torchvision:resnet18.IMAGENET2K")


def test_entries_of_models_yml(tmp_path):
    (tmp_path / "models.yml").write_text("""
vision:
  - efficientnet_lite0
  - {name: vit_tiny_patch16_224, pretrained: false, kwargs: {img_size: 32, depth: 2}}
  - name: test_vit
    local_path: weights/test_vit.safetensors
    revision: abc123
""")
    entries = read_models(tmp_path / "models.yml", "vision")
    assert entries == [Entry("efficientnet_lite0"),
                       Entry("vit_tiny_patch16_224", pretrained=False, kwargs={"img_size": 32, "depth": 2}),
                       Entry("test_vit", "abc123", str(tmp_path / "weights" / "test_vit.safetensors"))]
    assert read_models(tmp_path / "models.yml", "vision", ["test_vit", "resnet18"]) == [entries[2], Entry("resnet18")]


@pytest.mark.parametrize("model, message", [
    ({"nam": "x"}, "expected the name of a network, or a mapping with name and perhaps revision, local_path, pretrained, "
                   "kwargs; found {'nam': 'x'}"),
    ({"name": "x", "colour": 1}, "expected the name of a network, or a mapping"),
    ({"name": "x", "pretrained": "no", "kwargs": 3}, "models: x: pretrained: 'no' is no bool; kwargs: 3 is no dict"),
    (3, "expected the name of a network")])
def test_entries_that_are_wrong(model, message):
    with pytest.raises(ValueError) as error:
        entry_of(model)
    assert message in str(error.value)


def test_entries_become_jobs(tmp_path):
    dataset = write_seven_pictures(tmp_path / "seven")
    entries = [{"name": f"{TOYS}:deep", "kwargs": {"n_units": 5}}, Entry("test_vit", pretrained=False)]
    own, random = vision_jobs(dataset, entries, tmp_path, skip_bad=True)
    assert own["output"] == tmp_path / "seven" / "all" / "toy_networks_deep_pool-avg.h5" and Path(TOYS) in own["inputs"]
    assert own["options"]["kwargs"] == {"n_units": 5} and own["options"]["skip_bad"]
    assert random["output"].name == "test_vit_pool-avg-untrained-seed0.h5" and random["options"]["seed"] == 0


def test_a_revision_is_asked_of_the_hub(monkeypatch):
    asked = {}

    def create_model(name, **options):
        asked.update(name=name, **options)
        raise OSError("offline")
    monkeypatch.setattr("timm.create_model", create_model)
    with pytest.raises(ValueError, match="its trained weights cannot be had from the hub"):
        vision.load_network("test_vit.r160_in1k", revision="abc123")
    assert asked["pretrained_cfg_overlay"] == {"hf_hub_id": "timm/test_vit.r160_in1k@abc123"}
