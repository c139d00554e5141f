"""Shards: what a killed run leaves is used, and gives the same bytes; what does not belong is thrown away."""

import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from convergence.features import shards
from convergence.features.shards import Shards, decode, encode, stored_type

HERE = Path(__file__).parent
IDS = np.array([9, 2, 31, 14, 5, 20, 3])
PLAN = {"model": "toy", "id_name": "toy_id"}

RUN = f"""
import os, signal, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from pathlib import Path
from fake_dataset import ManyPictures
from convergence.features import shards, vision
from convergence.storage.outputs import Record, save
shards.ROWS = 4
output, deadly = Path(sys.argv[1]), int(sys.argv[2])
class Deadly(ManyPictures):
    def image(self, image):
        if image == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().image(image)
dataset = Deadly(23)
network = vision.load_network({str(HERE / "toy_networks.py")!r} + ":deep", n_layers=3, n_units=10)
work = output.with_name(f".{{output.name}}.shards")
save(lambda path: vision.write(path, dataset, network, device="cpu", batch_size=3, work=work), output, Record("test"))
print(sorted(dataset.read, reverse=True)[0])
"""


def extract(output, deadly=-1):
    return subprocess.run([sys.executable, "-c", RUN, str(output), str(deadly)], capture_output=True, text=True, timeout=120)


@pytest.fixture
def four(monkeypatch):
    monkeypatch.setattr(shards, "ROWS", 4)


def values(ids, widths=(3, 5)):
    """One array per layer, whose numbers tell image, layer and unit."""
    return [np.array([[image + 100 * index + 0.25 * unit for unit in range(width)] for image in ids], np.float32)
            for index, width in enumerate(widths)]


def shards_of(folder, ids=IDS, plan=PLAN, **options):
    return Shards(folder, ids, ["a", "b"], plan, **options)


def fill(made, ids=IDS, *, batch=3, stop_after=None, bad=()):
    """Append what is missing, `batch` images at a time, at most `stop_after` of them."""
    for start, stop in made.missing():
        for k in range(start, stop, batch):
            if stop_after is not None and k >= stop_after:
                return made
            group = ids[k:min(k + batch, stop)].tolist()
            faults = {image: f"{image} is torn" for image in group if image in bad}
            kept = [image for image in group if image not in faults]
            made.append(values(kept) if kept else None, faults)
    return made


def content(made, tmp_path, **options):
    with h5py.File(tmp_path / "out.h5", "w") as file:
        made.into(file, **{"storage": "auto", "computed": "float32", **options})
        return file["ids"][:].tolist(), [file[f"layers/{index:03d}"][:] for index in range(2)]


def test_a_run_that_was_killed_goes_on_and_gives_the_same_bytes(tmp_path):
    whole, output = tmp_path / "whole.h5", tmp_path / "resumed.h5"
    first = extract(whole)
    assert first.returncode == 0, first.stderr
    killed = extract(output, deadly=3 * 5)                                      # the fifth from the end of 23 pictures
    work = tmp_path / ".resumed.h5.shards"
    assert killed.returncode == -signal.SIGKILL and not output.exists()
    assert len(list(work.glob("0*.json"))) >= 2
    resumed = extract(output)
    assert resumed.returncode == 0, resumed.stderr
    assert int(resumed.stdout) <= 3 * (23 - 8)                                  # the first two shards were not read again
    assert output.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.h5{end}" for name in ("resumed", "whole")
                                                                      for end in ("", ".json"))


def test_batches_that_cross_shards_land_in_the_right_rows(tmp_path, four):
    made = fill(shards_of(tmp_path / "w"))
    assert sorted(path.name for path in (tmp_path / "w").glob("0*")) == ["00000.json", "00000.npy", "00001.json", "00001.npy"]
    ids, layers = content(made, tmp_path)
    assert ids == IDS.tolist()
    for layer, expected in zip(layers, values(IDS)):
        np.testing.assert_array_equal(layer, expected)
    made.remove()
    assert not (tmp_path / "w").exists()


def test_only_finished_shards_of_the_same_plan_count(tmp_path, four):
    fill(shards_of(tmp_path / "w"), stop_after=6)
    assert next(shards_of(tmp_path / "w").missing()) == (4, 7)
    for other in (shards_of(tmp_path / "w", plan={**PLAN, "model": "other"}), shards_of(tmp_path / "w", ids=IDS[::-1].copy())):
        assert next(other.missing()) == (0, 7)                                  # thrown away


def test_images_without_a_row_are_remembered_and_tried_again(tmp_path, four):
    made = fill(shards_of(tmp_path / "w"), bad={31, 14, 3})
    assert made.faults() == {31: "31 is torn", 14: "14 is torn", 3: "3 is torn"}
    ids, layers = content(made, tmp_path)
    assert ids == [9, 2, 5, 20]
    np.testing.assert_array_equal(layers[1], values(ids)[1])
    assert next(shards_of(tmp_path / "w").missing()) == (0, 7)                   # both shards have faults
    fill(shards_of(tmp_path / "w"), bad={3})
    assert list(shards_of(tmp_path / "w", retry=False).missing()) == []
    with pytest.raises(ValueError, match="none of the 7 images has activations; the first: 9 is torn"):
        content(fill(shards_of(tmp_path / "v"), batch=2, bad=set(IDS.tolist())), tmp_path)


def test_too_few_and_too_many_rows(tmp_path, four):
    with pytest.raises(ValueError, match="the batches held 3 rows for 7 images"):
        made = shards_of(tmp_path / "w")
        for _ in made.missing():
            made.append(values(IDS[:3]), {})
    with pytest.raises(ValueError, match=r"layer 0 \(a\): more rows than the 7 images"):
        shards_of(tmp_path / "v").append(values(range(8)), {})


def test_bfloat16_is_rounded_like_torchs_and_comes_back():
    torch = pytest.importorskip("torch")
    numbers = np.random.default_rng(0).normal(size=1000).astype(np.float32) * 10.0 ** np.arange(-20, 20).repeat(25)
    numbers = np.concatenate([numbers, [0, -0.0, 1 + 2**-8, 1 + 3 * 2**-8, 3e38]]).astype(np.float32)            # ties go to even
    bits = encode(numbers, "bfloat16")
    assert bits.dtype == np.uint16
    np.testing.assert_array_equal(decode(bits), torch.from_numpy(numbers).bfloat16().float().numpy())


def test_auto_never_stores_float16_beyond_3e4(tmp_path, four):
    assert stored_type("auto", "float32", 1.0) == "float32" and stored_type("float16", "float32", 9e9) == "float16"
    assert [stored_type("auto", "bfloat16", largest) for largest in (2.9e4, 3.1e4)] == ["float16", "float32"]
    made = shards_of(tmp_path / "w")
    layers = values(IDS)
    layers[1][5, 2] = -30_500                                                   # in the second shard
    for start, stop in made.missing():
        made.append([layer[start:stop] for layer in layers], {})
    _, stored = content(made, tmp_path, computed="bfloat16")
    assert [layer.dtype for layer in stored] == [np.float16, np.float32] and stored[1][5, 2] == -30_500


def test_what_float16_cannot_hold_is_refused(tmp_path, four):
    layers = values(IDS)
    layers[1][4, 0] = 7e4
    made = shards_of(tmp_path / "w", limit=65504.0)
    with pytest.raises(ValueError, match=r"layer 1 \(b\): the activations of row 4, toy_id 5, reach 7e\+04, beyond float16; .* "
                                         r"or use --dtype bfloat16"):
        for _ in made.missing():
            made.append(layers, {})
