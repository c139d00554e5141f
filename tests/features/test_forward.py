"""Out of memory, precision, and memory over a long run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_dataset import ManyPictures

from convergence.features import vision
from convergence.features.store import open_features

TOYS = str(Path(__file__).with_name("toy_networks.py"))
MESSAGES = {torch.cuda.OutOfMemoryError: "CUDA out of memory. Tried to allocate 20.00 MiB", MemoryError: "",
            RuntimeError: "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"}


def network_that_holds(most, kind, sizes):
    """A toy network that runs out of memory with more than `most` pictures; `sizes` lists how many it was given."""
    network = vision.load_network(f"{TOYS}:deep", n_layers=2, n_units=6)

    def check(module, inputs):
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > most:
            raise kind(MESSAGES[kind])
    network.module.register_forward_pre_hook(check)
    return network


@pytest.mark.parametrize("kind", MESSAGES)
def test_out_of_memory_halves_the_batch_and_goes_on(tmp_path, kind):
    dataset, sizes = ManyPictures(70), []
    vision.write(tmp_path / "a.h5", dataset, network_that_holds(9, kind, sizes), device="cpu")
    assert sizes == [32, 16, 8, 8, 16, 8, 8, 8, 8, 8, 8, 6]
    vision.write(tmp_path / "b.h5", dataset, vision.load_network(f"{TOYS}:deep", n_layers=2, n_units=6), device="cpu",
                 batch_size=8)
    with open_features(tmp_path / "a.h5") as file, open_features(tmp_path / "b.h5") as expected:
        assert file.ids.tolist() == dataset.images.index.tolist()
        for index in range(2):
            np.testing.assert_allclose(file.layer(index), expected.layer(index), atol=1e-6)


def test_out_of_memory_with_one_picture_or_a_fixed_size_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"out of memory with 1 pictures at a time .*use a smaller network"):
        vision.write(tmp_path / "a.h5", ManyPictures(5), network_that_holds(0, torch.cuda.OutOfMemoryError, []), device="cpu")
    with pytest.raises(ValueError, match=r"out of memory with 4 pictures at a time \(CUDA out of memory.*use --batch-size "
                                         r"auto, or fewer"):
        vision.write(tmp_path / "a.h5", ManyPictures(5), network_that_holds(3, torch.cuda.OutOfMemoryError, []), device="cpu",
                     batch_size=4)


def test_other_errors_are_not_taken_for_lack_of_memory(tmp_path):
    network = vision.load_network(f"{TOYS}:deep", n_layers=2, n_units=6, size=20)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        vision.write(tmp_path / "a.h5", ManyPictures(5), network, device="cpu")


def layers(tmp_path, dtype, **arguments):
    network = vision.load_network("vit_tiny_patch16_224", seed=1, img_size=32, depth=3)
    vision.write(tmp_path / f"{dtype}.h5", ManyPictures(9), network, pool="avg", device="cpu", dtype=dtype)
    with open_features(tmp_path / f"{dtype}.h5") as file:
        return file.attributes["dtype"], file.stored, [file.layer(index) for index in range(3)]


def test_half_precision_is_close_and_is_stored_as_such(tmp_path):
    *_, exact = layers(tmp_path, "float32")
    computed, stored, automatic = layers(tmp_path, "auto")
    assert (computed, stored) == ("float32", ["float32"] * 3) and all(map(np.array_equal, automatic, exact))
    for dtype, tolerance in (("bfloat16", 2e-2), ("float16", 3e-3)):
        computed, stored, found = layers(tmp_path, dtype)
        assert (computed, stored) == (dtype, [dtype] * 3)
        for layer, expected in zip(found, exact):
            error = np.linalg.norm(layer - expected) / np.linalg.norm(expected)
            assert 1e-5 < error < tolerance, dtype
    with pytest.raises(ValueError, match="dtype: 'fp32' is not one of 'auto', 'float32', 'bfloat16', 'float16'"):
        layers(tmp_path, "fp32")


def test_float16_refuses_what_it_cannot_hold(tmp_path):
    network = vision.load_network(f"{TOYS}:scaled", factor=3e5)
    with pytest.raises(ValueError, match=r"layer 0 \(out\): .* many_id 15, reach .*, beyond float16; .* use --dtype bfloat16 "
                                         r"or float32"):
        vision.write(tmp_path / "a.h5", ManyPictures(5), network, device="cpu", dtype="float16")


def peak_memory(tmp_path, n):
    """MB that extracting `n` pictures with 24 layers of 1,000 units takes at most, in a process of its own.

    VmHWM, because ru_maxrss of a new process begins with what its parent held.
    """
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from fake_dataset import ManyPictures
from convergence.features import vision
network = vision.load_network({TOYS!r} + ":deep")
vision.write({str(tmp_path / f"{n}.h5")!r}, ManyPictures({n}), network, device="cpu")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/status is Linux's")
def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path):
    few, many = peak_memory(tmp_path, 200), peak_memory(tmp_path, 2000)
    size = (tmp_path / "2000.h5").stat().st_size / 2**20
    print(f"\npeak memory: 200 pictures {few:.0f} MB, 2,000 pictures {many:.0f} MB; file {size:.0f} MB")
    assert many - few < 100 < size
