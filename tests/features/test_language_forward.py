"""Captions on their way through a network: out of memory, a run that was killed, and memory over a long run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from fake_dataset import ManyPictures
from tiny_language import tiny_folder

from convergence.features import language, shards
from convergence.features.store import open_features
from convergence.storage.outputs import Record, save

HERE = Path(__file__).parent
MESSAGES = {torch.cuda.OutOfMemoryError: "CUDA out of memory. Tried to allocate 20.00 MiB", MemoryError: "",
            RuntimeError: "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"}


class ManyCaptions(ManyPictures):
    """`n` captions of one to eleven words that need no files, numbered backwards in threes."""

    @property
    def captions(self):
        words, ids = ["A", "dog", "on", "a", "beach.", "two", "x"], self.images.index
        return pandas.Series([" ".join(words[(image * k) % 7] for k in range(1 + image % 11)) for image in ids], index=ids)


def network_that_holds(folder, most, kind, sizes):
    """A network that runs out of memory with more than `most` captions; `sizes` lists how many it was given, and how long."""
    network = language.load_network(str(folder))

    def check(module, inputs, named):
        sizes.append(tuple(named["input_ids"].shape))
        if len(named["input_ids"]) > most:
            raise kind(MESSAGES[kind])
    network.module.register_forward_pre_hook(check, with_kwargs=True)
    return network


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny_folder(tmp_path_factory.mktemp("forward") / "llama", "llama")


@pytest.mark.parametrize("kind", MESSAGES)
def test_out_of_memory_halves_the_batch_and_goes_on(tmp_path, llama, kind):
    dataset, sizes = ManyCaptions(70), []
    language.write(tmp_path / "a.h5", dataset, network_that_holds(llama, 9, kind, sizes), device="cpu")
    assert [n for n, _ in sizes] == [32, 16, 8, 8, 16, 8, 8, 8, 8, 8, 8, 6]
    language.write(tmp_path / "b.h5", dataset, language.load_network(str(llama)), device="cpu", batch_size=70)
    with open_features(tmp_path / "a.h5") as file, open_features(tmp_path / "b.h5") as expected:
        assert file.ids.tolist() == expected.ids.tolist() == dataset.images.index.tolist()
        for index in range(4):
            np.testing.assert_allclose(file.layer(index), expected.layer(index), atol=1e-5)
        np.testing.assert_allclose(file.scalar("loss"), expected.scalar("loss"), rtol=1e-5)


def test_captions_of_similar_length_go_together_the_longest_first(tmp_path, llama):
    sizes = []
    network = network_that_holds(llama, 99, MemoryError, sizes)
    language.write(tmp_path / "a.h5", ManyCaptions(70), network, device="cpu", batch_size=10)
    lengths = [length for _, length in sizes]
    assert [n for n, _ in sizes] == [10] * 7 and lengths == sorted(lengths, reverse=True) and (lengths[0], lengths[-1]) == (12, 3)


def test_out_of_memory_with_one_caption_or_a_fixed_size_says_what_to_do(tmp_path, llama):
    with pytest.raises(ValueError, match=r"out of memory with 1 captions at a time .*use a smaller network, --dtype bfloat16"):
        network = network_that_holds(llama, 0, torch.cuda.OutOfMemoryError, [])
        language.write(tmp_path / "a.h5", ManyCaptions(5), network, device="cpu")
    with pytest.raises(ValueError, match=r"out of memory with 4 captions at a time \(CUDA out of memory.*use --batch-size auto"):
        network = network_that_holds(llama, 3, torch.cuda.OutOfMemoryError, [])
        language.write(tmp_path / "a.h5", ManyCaptions(5), network, device="cpu", batch_size=4)


def extract(output, folder, deadly=-1):
    """Write a feature file as the script does; the process ends at batch number `deadly`. Returns the number of batches."""
    network, calls = language.load_network(str(folder)), []

    def count(module, inputs):
        calls.append(1)
        if len(calls) == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
    network.module.register_forward_pre_hook(count)
    work = output.with_name(f".{output.name}.shards")
    save(lambda path: language.write(path, ManyCaptions(70), network, device="cpu", batch_size=5, work=work), output,
         Record("test"))
    return len(calls)


def test_a_run_that_was_killed_goes_on_and_gives_the_same_bytes(tmp_path, llama, monkeypatch):
    monkeypatch.setattr(shards, "ROWS", 16)
    whole, output, work = tmp_path / "whole.h5", tmp_path / "resumed.h5", tmp_path / ".resumed.h5.shards"
    code = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from test_language_forward import extract, shards
shards.ROWS = 16
extract(Path({str(output)!r}), {str(llama)!r}, deadly=11)
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert killed.returncode == -signal.SIGKILL and not output.exists(), killed.stderr
    assert len(list(work.glob("0*.json"))) == 2                                 # four batches make a shard of 16
    assert (extract(whole, llama), extract(output, llama)) == (4 * 4 + 2, 4 * 4 + 2 - 2 * 4)
    assert output.read_bytes() == whole.read_bytes()
    assert not work.exists()


def test_another_choice_does_not_use_what_a_stopped_run_left(tmp_path, llama, monkeypatch):
    monkeypatch.setattr(shards, "ROWS", 16)
    network, dataset, work = language.load_network(str(llama)), ManyCaptions(70), tmp_path / "work"

    def stop(module, inputs, calls=[]):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
    handle = network.module.register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        language.write(tmp_path / "a.h5", dataset, network, device="cpu", work=work, inputs={"exclude_bos": False})
    handle.remove()
    assert len(list(work.glob("0*.json"))) == 2
    language.write(tmp_path / "a.h5", dataset, network, device="cpu", exclude_bos=True, work=work, inputs={"exclude_bos": True})
    language.write(tmp_path / "b.h5", dataset, network, device="cpu", exclude_bos=True)
    with open_features(tmp_path / "a.h5") as file, open_features(tmp_path / "b.h5") as expected:
        np.testing.assert_array_equal(file.layer(2), expected.layer(2))


def peak_memory(tmp_path, folder, n):
    """MB that `n` captions take at most, in a process of its own (VmHWM: ru_maxrss begins with what the parent held)."""
    code = f"""
import sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from test_language_forward import ManyCaptions
from convergence.features import language
network = language.load_network({str(folder)!r}, seed=0, num_hidden_layers=24, hidden_size=1000, num_attention_heads=4,
                                intermediate_size=64, num_key_value_heads=2)
language.write({str(tmp_path / f"{n}.h5")!r}, ManyCaptions({n}), network, device="cpu")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/status is Linux's")
def test_memory_does_not_grow_with_the_number_of_captions(tmp_path, llama):
    few, many = peak_memory(tmp_path, llama, 300), peak_memory(tmp_path, llama, 2000)
    size = (tmp_path / "2000.h5").stat().st_size / 2**20
    print(f"\npeak memory: 300 captions {few:.0f} MB, 2,000 captions {many:.0f} MB; file {size:.0f} MB")
    assert many - few < 100 < size
