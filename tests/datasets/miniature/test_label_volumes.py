"""Label volumes as NSD has them, and files whose bytes depend on their content alone."""

import gzip
import time

import nibabel as nib
import numpy as np
import pytest

from convergence.datasets.miniature.volumes import draw_brain, draw_sizes, nifti_writer

SIZES = {"left": np.array([5, 0, 9, 7]), "right": np.array([6, 1, 4, 8])}


@pytest.fixture(scope="module")
def brain():
    return draw_brain((11, 12, 10), SIZES, {(3, "left"): 2})


@pytest.mark.parametrize("side", ["left", "right"])
def test_areas_have_their_sizes(brain, side):
    labels = getattr(brain, side)
    assert [brain.voxels(area, side).shape[1] for area in (1, 2, 3, 4)] == SIZES[side].tolist()
    assert set(np.unique(labels)) <= {-1, 0, 1, 2, 3, 4} and (labels == 0).any() and (labels == -1).any()


def test_hemispheres_do_not_overlap_and_the_combined_volume_has_both(brain):
    assert not ((brain.left >= 0) & (brain.right >= 0)).any()
    np.testing.assert_array_equal(brain.combined > 0, (brain.left > 0) | (brain.right > 0))
    np.testing.assert_array_equal(brain.combined[brain.left > 0], brain.left[brain.left > 0])
    np.testing.assert_array_equal(brain.combined[brain.left < 0], brain.right[brain.left < 0])
    assert brain.combined.dtype == brain.left.dtype == np.int16


def test_columns_are_in_the_order_of_a_boolean_mask(brain):
    values = np.arange(brain.left.size).reshape(brain.left.shape)
    np.testing.assert_array_equal(values[tuple(brain.voxels(4, "right"))], values[brain.right == 4])


def test_only_the_dead_voxels_lie_outside_the_mask(brain):
    outside = (brain.combined > 0) & (brain.mask == 0)
    assert outside.sum() == 2 and (brain.left[outside] == 3).all() and brain.mask.max() == 1


def test_areas_hang_together(brain):
    x, y, z = brain.voxels(3, "left")
    places = np.stack([x, y, z])
    gaps = np.abs(places[:, :, None] - places[:, None]).max(axis=0) + 99 * np.eye(len(x))
    assert gaps.min(axis=0).max() <= 2


def test_sizes_vary_around_a_dozen():
    sizes = draw_sizes(400, np.random.default_rng(0))
    assert np.median(sizes) == 12 and len(set(sizes)) > 8 and sizes.min() >= 7


def test_too_many_voxels():
    with pytest.raises(ValueError, match="sizes: 540 voxels of cortex do not fit into the .* of a hemisphere; use smaller"):
        draw_brain((10, 10, 9), {"left": np.array([500]), "right": np.array([3])}, {})


def test_nifti_files_keep_values_and_no_time(tmp_path):
    values = np.random.default_rng(0).integers(-3000, 3000, (4, 3, 2, 5)).astype(np.int16)
    nifti_writer(values)(tmp_path / "a.nii.gz")
    time.sleep(1.1)                                             # gzip counts seconds
    nifti_writer(values)(tmp_path / "b.nii.gz")
    content = (tmp_path / "a.nii.gz").read_bytes()
    assert content == (tmp_path / "b.nii.gz").read_bytes() and content[3] == 0 and content[4:8] == bytes(4)
    image = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), values)
    assert image.get_data_dtype() == np.int16 and (image.dataobj.slope, image.dataobj.inter) == (1, 0)
    np.testing.assert_array_equal(image.affine @ [1.5, 1, 0.5, 1], [0, 0, 0, 1])       # the origin is in the middle
    assert gzip.decompress(content)[352:] == values.tobytes(order="F")
