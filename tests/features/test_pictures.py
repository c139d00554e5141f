"""Files of every kind give the right RGB; batches end where shards end."""

import numpy as np
import pytest
from fake_dataset import ManyPictures
from PIL import Image

from convergence.features import shards
from convergence.features.pictures import BatchSize, read_rgb, stacks
from convergence.storage.pictures import rgb


def colours():
    """(6, 8, 3): flat patches, so that JPEG keeps them nearly."""
    patches = np.array([[[250, 20, 30], [10, 240, 60]], [[5, 15, 235], [200, 180, 40]], [[90, 90, 90], [255, 255, 255]]],
                       np.uint8)
    return np.kron(patches, np.ones((16, 16, 1), np.uint8))


def through_file(picture, path, **options):
    picture.save(path, **options)
    return np.asarray(rgb(Image.open(path))).astype(int)


def test_grey_palette_and_transparent_files(tmp_path):
    picture, values = Image.fromarray(colours()), colours().astype(int)
    grey = np.asarray(picture.convert("L")).astype(int)
    np.testing.assert_array_equal(through_file(picture.convert("L"), tmp_path / "l.png"), np.repeat(grey[..., None], 3, 2))
    few = picture.quantize(16)
    np.testing.assert_array_equal(through_file(few, tmp_path / "p.png"), np.asarray(few.convert("RGB")))
    assert np.abs(through_file(few, tmp_path / "p.gif") - values).max() <= 3
    alpha = Image.fromarray(np.tile(np.uint8([0, 128, 255, 60]), (values.shape[0], values.shape[1] // 4)))
    transparent = picture.copy()
    transparent.putalpha(alpha)
    # colours as stored, not blended
    np.testing.assert_array_equal(through_file(transparent, tmp_path / "rgba.png"), values)


def test_cmyk_files(tmp_path):
    picture = Image.fromarray(colours()).convert("CMYK")
    for name in ("c.jpg", "c.tif"):
        found = through_file(picture, tmp_path / name, **({"quality": 100} if name == "c.jpg" else {}))
        assert np.abs(found - colours()).max() <= 12, name


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_become_eight_and_are_not_clipped(tmp_path, name):
    values = np.array([[0, 257 * 3, 30_000], [65_535, 257 * 200, 128]], np.uint16)
    found = through_file(Image.fromarray(values), tmp_path / name)
    np.testing.assert_array_equal(found, np.repeat(np.array([[0, 3, 117], [255, 200, 0]])[..., None], 3, 2))


@pytest.mark.parametrize("orientation, turned", [
    (2, lambda x: x[:, ::-1]), (3, lambda x: x[::-1, ::-1]), (6, lambda x: np.rot90(x, -1)), (8, lambda x: np.rot90(x))])
def test_the_rotation_that_a_camera_noted_is_carried_out(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = through_file(Image.fromarray(colours()), tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(found, turned(colours()))


def test_pictures_without_a_known_white_are_refused(tmp_path):
    Image.fromarray(np.float32([[0.1, 7.5]])).save(tmp_path / "f.tif")
    with pytest.raises(ValueError, match=r"its values \('F', 0\.1.* to 7\.5\) have no known white; save it with 8 or 16 bits "
                                         r"per channel"):
        rgb(Image.open(tmp_path / "f.tif"))


def test_a_picture_that_cannot_be_read_is_named():
    dataset = ManyPictures(3)
    dataset.image = lambda image: Image.open("/nowhere.png")
    with pytest.raises(ValueError, match=r"the picture of many_id 6 cannot be read: .*No such file"):
        read_rgb(dataset, 6)


def test_batches_end_where_shards_end_and_keep_the_order(monkeypatch):
    import torch
    monkeypatch.setattr(shards, "ROWS", 5)
    dataset, size = ManyPictures(14), BatchSize(4)
    ids = dataset.images.index.to_numpy()
    read = dataset.image
    dataset.image = lambda image: Image.open("/nowhere.png") if image in (33, 30) else read(image)
    found, sizes = [], []
    for stack, faults in stacks(dataset, lambda picture: torch.tensor(np.asarray(picture)[0, 0, 0]), ids[5:], size, row=5,
                                workers=3):
        sizes.append((0 if stack is None else len(stack), list(faults)))
        found += [] if stack is None else stack.tolist()
    assert sizes == [(4, []), (1, []), (4, [])]
    assert found == [np.asarray(read(image))[0, 0, 0] for image in ids[5:]]
    sizes = [(0 if stack is None else len(stack), list(faults)) for stack, faults in
             stacks(dataset, lambda p: torch.zeros(1), ids[:5], BatchSize(2))]
    assert sizes == [(2, []), (1, [33]), (0, [30])]


@pytest.mark.parametrize("given", ["many", 0, -3, "1.5"])
def test_batch_sizes_that_are_none(given):
    with pytest.raises(ValueError, match="batch size: .* is neither 'auto' nor a whole number above 0"):
        BatchSize(given)
