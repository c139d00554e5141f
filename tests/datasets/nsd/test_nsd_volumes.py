"""NIfTI files: what a header says is what comes, one volume at a time; labels of both hemispheres in one volume."""

import gzip

import nibabel
import numpy as np
import pytest
import tiny_nsd
from tiny_nsd import label_path, save

from convergence.datasets.nifti import stream
from convergence.datasets.nsd.volumes import (joined_labels, read_header, read_labels, usual_count, whole_numbers,
                                              write_joined_labels)


@pytest.fixture
def root(tmp_path):
    return tiny_nsd.write(tmp_path / "nsd")


@pytest.mark.parametrize("endian, offset", [("<", 352), (">", 352), ("<", 544)])
def test_the_stream_gives_nibabels_volumes(tmp_path, endian, offset):
    values = np.random.default_rng(0).integers(-32768, 32767, (3, 5, 2, 4)).astype(np.int16)
    save(values, tmp_path / "a.nii.gz", endian=endian, offset=offset)
    header = read_header(tmp_path / "a.nii.gz")
    assert (header.shape, header.offset, header.dtype) == ((3, 5, 2, 4), offset, np.dtype(endian + "i2"))
    assert (header.slope, header.inter) == (1, 0)
    volumes = [volume.reshape(3, 5, 2, order="F") for volume in stream(header)]
    assert np.array_equal(np.stack(volumes, axis=-1), np.asarray(nibabel.load(tmp_path / "a.nii.gz").dataobj))


def test_a_file_of_one_volume_is_read_too(tmp_path):
    save(np.arange(24, dtype=np.int16).reshape(2, 3, 4), tmp_path / "a.nii.gz")
    header = read_header(tmp_path / "a.nii.gz")
    assert header.shape == (2, 3, 4, 1) and len(list(stream(header))) == 1


def test_a_little_padding_at_the_end_is_not_an_error(tmp_path):
    save(np.ones((2, 3, 4, 2), np.int16), tmp_path / "a.nii.gz")
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()) + bytes(47)))
    assert len(list(stream(read_header(tmp_path / "a.nii.gz")))) == 2


@pytest.mark.parametrize("content", [b"", b"not a gzip at all", bytes(2000)])
def test_what_is_no_nifti_is_named(tmp_path, content):
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a.nii.gz cannot be read as NIfTI \(\w+: .*\); download it again"):
        read_header(tmp_path / "a.nii.gz")
    with pytest.raises(FileNotFoundError, match=r"b.nii.gz is not there; 1_dataset_preparation/1_check_dataset.py lists what "
                                                r"is missing"):
        read_header(tmp_path / "b.nii.gz")


def test_scaling_is_undone_exactly_or_refused(tmp_path):
    save(np.array([[[1, -7]]], np.int16), tmp_path / "a.nii.gz", slope=0.5, inter=0.5)
    header = read_header(tmp_path / "a.nii.gz")
    assert whole_numbers(np.array([1, -7], np.int16), header).tolist() == [1, -3]
    with pytest.raises(ValueError, match="slope 0.5 and intercept 0.5 of its header give values that are not whole numbers of 16 "
                                         "bits"):
        whole_numbers(np.array([1, 2], np.int16), header)
    assert whole_numbers(np.empty(0, np.int16), header).size == 0


def test_most_files_decide_the_count_and_a_tie_goes_to_the_larger(tmp_path):
    for name, n in (("a", 3), ("b", 2), ("c", 2), ("d", 3)):
        save(np.zeros((1, 1, 1, n), np.int16), tmp_path / f"{name}.nii.gz")
    headers = {name: read_header(tmp_path / f"{name}.nii.gz") for name in "abcd"}
    assert usual_count([headers["a"], headers["b"], headers["c"]]) == 2
    assert usual_count(headers.values()) == 3


# Labels

def test_left_keeps_its_numbers_and_right_comes_after(root):
    labels, affine = joined_labels(root, 2, 180)
    left, right = (np.asarray(nibabel.load(label_path(root, 2, stem)).dataobj) for stem in ("lh.HCP_MMP1", "rh.HCP_MMP1"))
    assert labels.dtype == np.uint16 and affine.shape == (4, 4)
    assert set(np.unique(labels)) == {0, 1, 2, 6, 120, 180, 181, 182, 186, 300, 360}
    assert ((labels > 0) == ((left > 0) | (right > 0))).all() and (labels[right > 0] == right[right > 0] + 180).all()


def test_the_written_volume_is_nifti_and_always_the_same_bytes(root, tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_joined_labels(2, 180, root=root)(tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == np.uint16 and np.array_equal(np.asarray(image.dataobj), joined_labels(root, 2, 180)[0])


def edit(root, stem, change):
    path = label_path(root, 2, stem)
    values = np.asarray(nibabel.load(path).dataobj).copy()
    save(change(values), path)


def with_value(where, value):
    def change(values):
        values[where(values)] = value
        return values
    return change


@pytest.mark.parametrize("stem, change, message", [
    ("rh.HCP_MMP1", None, r"lh.HCP_MMP1.nii.gz and rh.HCP_MMP1.nii.gz overlap: 9 voxels have a label in both hemispheres"),
    ("HCP_MMP1", with_value(lambda v: v == 6, 7), r"/HCP_MMP1.nii.gz disagrees with lh.HCP_MMP1.nii.gz and rh.HCP_MMP1.nii.gz in "
                                                  r"8 voxels"),
    ("HCP_MMP1", with_value(lambda v: v == 120, 0), r"disagrees with .* in 2 voxels"),
    ("lh.HCP_MMP1", with_value(lambda v: v == 1, 181), r"lh.HCP_MMP1.nii.gz holds labels from -1 to 181; expected -1 to 180"),
    ("rh.HCP_MMP1", with_value(lambda v: v == -1, -2), r"rh.HCP_MMP1.nii.gz holds labels from -2 to 180; expected -1 to 180"),
    ("rh.HCP_MMP1", lambda v: v[1:], r"rh.HCP_MMP1.nii.gz has 6 x 6 x 5 voxels; expected 7 x 6 x 5 as in lh.HCP_MMP1.nii.gz"),
    ("lh.HCP_MMP1", lambda v: v.astype(np.float32) + 0.5, r"lh.HCP_MMP1.nii.gz holds values that are not whole numbers; expected "
                                                          r"labels")])
def test_labels_that_cannot_be_are_refused(root, stem, change, message):
    if change is None:
        left = np.asarray(nibabel.load(label_path(root, 2, "lh.HCP_MMP1")).dataobj)
        change = with_value(lambda _: left == 1, 2)
    edit(root, stem, change)
    with pytest.raises(ValueError, match=message):
        joined_labels(root, 2, 180)


def test_labels_stored_as_floats_are_labels(root):
    before = joined_labels(root, 2, 180)[0]
    edit(root, "lh.HCP_MMP1", lambda values: values.astype(np.float32))
    assert np.array_equal(joined_labels(root, 2, 180)[0], before)


def test_a_truncated_label_volume_is_named(tmp_path):
    path = tmp_path / "a.nii.gz"
    save(np.random.default_rng(1).integers(0, 99, (9, 9, 19)).astype(np.int16), path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match=r"a.nii.gz is truncated or damaged"):
        read_labels(path)
