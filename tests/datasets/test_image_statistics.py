"""Statistics of pictures whose numbers follow from how they are made; scikit-image as an oracle; shards that go on."""

import numpy as np
import pandas as pd
import pytest
from fake_dataset import IDS, ManyPictures, write_seven_pictures
from PIL import Image
from skimage.filters import gabor
from skimage.measure import shannon_entropy

from convergence.datasets import image_statistics
from convergence.datasets.image_statistics import FREQUENCIES, NAMES, SIDE, gabor_energies, spectrum_slope, statistics
from convergence.storage.tables import read_table
from convergence.tasks import UnitsFailed, run_units


def uniform(*colour, size=(80, 60)):
    return Image.new("RGB", size, colour)


def grating(cycles, *, amplitude=0.25, angle=0.0, side=SIDE):
    """A grating with so many cycles per side, values 0 to 1; upright or lying it goes on in its mirror image."""
    y, x = (np.arange(side) + 0.5) / side, (np.arange(side) + 0.5)[:, None] / side
    return 0.5 + amplitude * np.cos(2 * np.pi * cycles * (np.cos(angle) * y + np.sin(angle) * x))


def picture_of(values, size=None):
    picture = Image.fromarray(np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    return picture.resize(size, Image.Resampling.BICUBIC) if size else picture


def noise(slope, seed, shape=(SIDE, SIDE)):
    """Grey noise whose amplitude falls with spatial frequency to the power of `slope`."""
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij"))
    frequency[0, 0] = 1
    values = np.fft.ifft2(np.fft.fft2(np.random.default_rng(seed).normal(size=shape)) * frequency**slope).real
    return 0.5 + values / (8 * values.std())


def test_one_grey():
    found = statistics(uniform(51, 51, 51))
    assert list(found) == list(NAMES)
    assert found["luminance"] == pytest.approx(0.2) and np.isnan(found["spatial_frequency"])
    for name in ("contrast", "saturation", "edge_density", "gabor_energy", "entropy"):
        assert found[name] == pytest.approx(0, abs=1e-12), name
    assert found["homogeneity"] == found["correlation"] == 1


@pytest.mark.parametrize("colour, luminance, saturation", [((255, 0, 0), 0.2125, 1), ((0, 255, 0), 0.7154, 1),
                                                           ((255, 255, 255), 1, 0), ((0, 0, 0), 0, 0),
                                                           ((200, 100, 150), None, 0.5)])
def test_colours(colour, luminance, saturation):
    found = statistics(uniform(*colour))
    assert found["saturation"] == pytest.approx(saturation)
    expected = luminance if luminance is not None else (0.2125 * 200 + 0.7154 * 100 + 0.0721 * 150) / 255
    assert found["luminance"] == pytest.approx(expected)


def test_half_black_half_white():
    values = np.zeros((SIDE, SIDE))
    values[:, SIDE // 2:] = 1
    found = statistics(picture_of(values))
    assert found["luminance"] == pytest.approx(0.5) and found["contrast"] == pytest.approx(0.5)
    assert found["entropy"] == pytest.approx(1)
    assert found["edge_density"] == pytest.approx(1 / SIDE, rel=0.1)            # one line of pixels
    across = 1 / (SIDE - 1)                             # part of the horizontal neighbours that differ, by 31 levels
    assert found["homogeneity"] == pytest.approx(1 - 0.75 * across * (1 - 1 / (1 + 31**2)), abs=1e-4)


def test_a_checkerboard_of_pixels_is_texture():
    values = np.indices((SIDE, SIDE)).sum(axis=0) % 2
    found = statistics(picture_of(values))
    assert found["homogeneity"] == pytest.approx(0.5 + 0.5 / (1 + 31**2), abs=1e-3)     # diagonal neighbours agree
    assert found["correlation"] == pytest.approx(0, abs=1e-2) and found["contrast"] == pytest.approx(0.5)
    coarse = statistics(picture_of(values.repeat(32, 0).repeat(32, 1)[:SIDE, :SIDE]))
    assert coarse["homogeneity"] > 0.95 and coarse["edge_density"] > 10 / SIDE


@pytest.mark.parametrize("which", range(len(FREQUENCIES)))
@pytest.mark.parametrize("angle, tolerance", [(0, 0.01), (np.pi / 2, 0.01), (np.pi / 4, 0.5)])      # borders cut an oblique one
def test_a_grating_has_its_energy_at_its_frequency(which, angle, tolerance):
    energies = gabor_energies(grating(FREQUENCIES[which], amplitude=0.2, angle=angle))
    assert np.argmax(energies) == which
    assert energies[which] == pytest.approx(0.2**2 / 4 / 4, rel=tolerance)      # a^2 / 4 from one orientation of four
    assert energies[which] > 10 * np.delete(energies, which).max()


def test_gabor_energy_is_that_of_scikit_image():
    grey = noise(-1, seed=3, shape=(120, 151))           # cycles per SIDE pixels, whatever the size
    for which in (2, 3):
        outputs = [gabor(grey - grey.mean(), FREQUENCIES[which] / SIDE, theta=angle, bandwidth=1, mode="reflect", n_stds=4)
                   for angle in (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)]
        expected = np.mean([real**2 + imaginary**2 for real, imaginary in outputs])
        assert gabor_energies(grey)[which] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("slope", [-0.5, -1, -1.5, 0])
def test_the_slope_of_noise_is_recovered(slope):
    assert np.mean([spectrum_slope(noise(slope, seed)) for seed in range(4)]) == pytest.approx(slope, abs=0.04)


def test_the_slope_of_a_wide_picture():
    assert spectrum_slope(noise(-1, 5, (SIDE, 2 * SIDE))) == pytest.approx(-1, abs=0.06)


def test_entropy_is_that_of_scikit_image():
    picture = picture_of(noise(-1, 7))
    assert statistics(picture)["entropy"] == pytest.approx(shannon_entropy(np.asarray(picture)[:, :, 0]))


def test_size_does_not_matter():
    values = noise(-1.2, seed=11, shape=(512, 512))
    large, small, wide = (statistics(picture_of(values, size)) for size in ((512, 512), (320, 320), (512, 512)))
    assert large == wide
    for name in NAMES:
        assert small[name] == pytest.approx(large[name], rel=0.12, abs=0.01), name
    low, high = statistics(picture_of(grating(8, side=128))), statistics(picture_of(grating(8, side=425)))
    assert low["gabor_energy"] == pytest.approx(high["gabor_energy"], rel=0.05)


def test_a_grey_file_equals_its_colour_copy():
    grey = Image.fromarray(np.round(noise(-1, 13) * 255).clip(0, 255).astype(np.uint8))
    assert grey.mode == "L" and statistics(grey) == statistics(grey.convert("RGB"))


def test_a_shard_has_the_rows_of_its_pictures_of_all_modes(tmp_path):
    dataset = write_seven_pictures(tmp_path / "seven")
    table = image_statistics.measure_shard(IDS, dataset)
    assert table["image"].tolist() == IDS and set(table.dtypes.astype(str)) == {"int64", "float32"}
    assert table.set_index("image")["saturation"][2] == 0                       # the grey one
    dataset.path(31).write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"1 of 7 pictures cannot be read: seven_id 31 \("):
        image_statistics.measure_shard(IDS, dataset)


def test_shards_go_on_and_become_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr(image_statistics, "SHARD", 3)
    dataset = ManyPictures(8)
    made = image_statistics.units(dataset, tmp_path)
    assert [len(unit.options["images"]) for unit in made] == [3, 3, 2]
    run_units(made[:1], title="test")
    dataset.read.clear()
    path = image_statistics.merge(run_units(image_statistics.units(dataset, tmp_path), title="test"), dataset, tmp_path)
    assert dataset.read == [15, 12, 9, 6, 3]                                    # the first three were done
    table = read_table(path)
    assert path == tmp_path / "many" / "image_statistics.parquet" and table["image"].tolist() == [24, 21, 18, 15, 12, 9, 6, 3]
    expected = pd.DataFrame([statistics(dataset.image(image)) for image in table["image"]])
    np.testing.assert_allclose(table[list(NAMES)].to_numpy(), expected.to_numpy(), rtol=1e-5, atol=1e-7)
    written = path.stat().st_mtime_ns
    image_statistics.merge(run_units(image_statistics.units(dataset, tmp_path), title="test"), dataset, tmp_path)
    assert path.stat().st_mtime_ns == written


def test_a_picture_that_cannot_be_read_stops_its_shard_only(tmp_path, monkeypatch):
    monkeypatch.setattr(image_statistics, "SHARD", 3)
    dataset = write_seven_pictures(tmp_path / "seven")
    dataset.path(5).write_bytes(b"no picture")
    with pytest.raises(UnitsFailed, match="(?s)1 of 3 failed; the others are written.*seven_id 5"):
        run_units(image_statistics.units(dataset, tmp_path), title="test")
