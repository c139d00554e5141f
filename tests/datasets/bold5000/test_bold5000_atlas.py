"""The atlas in a subject's space: what is wrong with it is said with the numbers."""

import nibabel
import numpy as np
import pytest

from convergence.datasets.bold5000.atlas_check import absent_labels, checked_labels
from convergence.datasets.miniature.bold5000 import write_bare, write_oriented

N_AREAS = 180


def atlas_path(root, subject=1):
    return root / f"preprocessed/atlas/subj-{subject:02d}_HCP_atlas_func_360.nii.gz"


def atlas(root, subject=1):
    return np.asarray(nibabel.load(atlas_path(root, subject)).dataobj)


def check(root, subject=1):
    return checked_labels(root, root, subject, N_AREAS)


@pytest.mark.parametrize("subject, absent", [(1, []), (2, [345]), (3, [110, 290]), (4, [])])
def test_the_atlas_is_read_as_it_is(downloaded, subject, absent):
    labels = check(downloaded, subject)
    assert labels.dtype == np.uint16 and np.array_equal(labels, atlas(downloaded, subject))
    assert absent_labels(labels, N_AREAS) == absent


def test_a_mirrored_atlas_is_refused_with_the_numbers(root):
    mirrored = root / "preprocessed/atlas/mirrored" / atlas_path(root).name
    values = atlas(root)
    places = {side: np.nonzero((values > 0) & ((values > N_AREAS) == right))[0]
              for side, right in (("left", False), ("right", True))}
    mirrored.rename(atlas_path(root))
    with pytest.raises(ValueError, match=r"subj-01_HCP_atlas_func_360.nii.gz is mirrored: the middle of the left labels \(1 to "
                                         r"180\) is at x = (\d+\.\d) mm, that of the right at (-\d+\.\d) mm, and 180 of 180 "
                                         r"areas lie further right in the left hemisphere than in the right; expected left at "
                                         r"smaller x") as error:
        check(root)
    left, right = (float(number) for number in (str(error.value).split("x = ")[1].split(" mm")[0],
                                                str(error.value).split("right at ")[1].split(" mm")[0]))
    for x, side in ((left, "left"), (right, "right")):                      # the means are over labels, not voxels
        assert abs(x - -2 * (places[side].mean() - 7.5)) < 0.6


def test_an_atlas_whose_header_was_mirrored_too_is_refused_with_the_numbers(root):
    image = nibabel.load(atlas_path(root))
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = image.shape[0] - 1
    values = np.asarray(image.dataobj)[::-1]
    nibabel.save(nibabel.Nifti1Image(values, image.affine @ flip), atlas_path(root))
    mask = np.asarray(nibabel.load(root / "CSI1_brainmask.nii.gz").dataobj) > 0
    inside, image_of = np.mean(mask[values > 0]), np.mean(mask[values[::-1] > 0])
    with pytest.raises(ValueError, match=f"seems mirrored: {inside:.1%} of its labelled voxels lie in the brain mask, of its "
                       f"left-right mirror image {image_of:.1%}; was "):
        check(root)


def test_hemispheres_mixed_are_refused(root):
    values = atlas(root)
    swapped = np.where((values > 0) & (values <= 30), values + N_AREAS,
                       np.where((values > N_AREAS) & (values <= N_AREAS + 30), values - N_AREAS, values))
    write_oriented(swapped.astype(np.int16), atlas_path(root))
    with pytest.raises(ValueError, match="mixes left and right: .* and 30 of 180 areas lie further right"):
        check(root)


def test_a_header_without_orientation_is_refused(root):
    write_bare(atlas(root), atlas_path(root))
    with pytest.raises(ValueError, match=r"has no orientation in its header \(qform and sform codes are 0\), so that left and "
                       r"right cannot be told apart"):
        check(root)


def test_the_direction_of_the_voxels_is_read_from_the_header(root):
    """A grid that runs from right to left, betas included, is no fault."""
    for path in (atlas_path(root), root / "CSI1_brainmask.nii.gz"):
        image = nibabel.load(path)
        flip = np.diag([-1.0, 1, 1, 1])
        flip[0, 3] = image.shape[0] - 1
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine @ flip), path)
    assert check(root)[-1].shape == (20, 15)


def test_another_grid_is_refused(root):
    write_oriented(atlas(root)[:, :-1], atlas_path(root))
    with pytest.raises(ValueError, match="has 16 x 19 x 15 voxels; expected 16 x 20 x 15 as in the brain mask of CSI1; make it "
                       "again with"):
        check(root)


def test_a_registration_that_missed_is_refused(root):
    mask, labelled = np.asarray(nibabel.load(root / "CSI1_brainmask.nii.gz").dataobj).copy(), atlas(root) > 0
    mask[:, 13:] = 0
    write_bare(mask, root / "CSI1_brainmask.nii.gz")
    with pytest.raises(ValueError, match=f"{mask[labelled].mean():.1%} of its labelled voxels lie in the brain mask, expected at "
                       f"least 75%; look at the registration"):
        check(root)


@pytest.mark.parametrize("change, message", [
    (lambda v: np.where(v == 7, 999, v), r"holds 360 labels from 1 to 999; expected 1 to 180 \(left\) and 181 to 360 or 201 to "
     r"380 \(right\), found 1 others, such as \[999\]"),
    (lambda v: np.where(v == 7, -3, v), r"holds 360 labels from -3 to 360; .*such as \[-3\]"),
    (lambda v: np.where(v > 180, v, 0), "holds 180 labels from 181 to 360; .*found none of one of the hemispheres"),
    (lambda v: np.zeros_like(v), "holds 0 labels from 0 to 0"),
    (lambda v: v + np.float32(0.5), "holds values that are not whole numbers; expected labels"),
    (lambda v: np.stack([v, v], axis=-1), "holds 2 volumes; expected one volume of labels")])
def test_other_labels_are_refused(root, change, message):
    values = change(atlas(root))
    write_oriented(values.astype(np.float32 if values.dtype.kind == "f" else np.int16), atlas_path(root))
    with pytest.raises(ValueError, match=message):
        check(root)


def test_too_few_labels_are_refused_with_the_numbers(root):
    """A few small areas vanish between voxels; a tenth of the atlas does not."""
    values = atlas(root)
    write_oriented(np.where((values > 3) & (values <= 39), 0, values).astype(np.int16), atlas_path(root))
    assert absent_labels(check(root), N_AREAS) == list(range(4, 40))
    write_oriented(np.where((values > 3) & (values <= 40), 0, values).astype(np.int16), atlas_path(root))
    with pytest.raises(ValueError, match=r"has no voxel of 37 of 360 labels, such as \[4, 5, 6\]; expected at most 10% to be "
                                         "absent .*; look at the registration, and make it again with"):
        check(root)


def test_right_labels_from_201_are_accepted(root):
    values = atlas(root)
    write_oriented(np.where(values > N_AREAS, values - N_AREAS + 200, values).astype(np.int16), atlas_path(root))
    assert np.array_equal(check(root), values)


def test_equal_labels_on_both_sides_need_a_volume_of_hemispheres(root):
    values, beside = atlas(root), root / "preprocessed/atlas/subj-01_hemispheres_func.nii.gz"
    write_oriented(np.where(values > N_AREAS, values - N_AREAS, values).astype(np.int16), atlas_path(root))
    with pytest.raises(ValueError, match="holds the labels 1 to 180 only, the same on both sides; put a volume with 1 in the "
                                         "left and 2 in the right hemisphere beside it as subj-01_hemispheres_func.nii.gz"):
        check(root)
    sides = np.where(values > N_AREAS, 2, values > 0).astype(np.uint8)
    write_oriented(sides, beside)
    assert np.array_equal(check(root), values)
    sides[tuple(np.argwhere(values > 0)[0])] = 0
    write_oriented(sides, beside)
    with pytest.raises(ValueError, match=f"has neither 1 nor 2 in 1 of {np.count_nonzero(values)} labelled voxels"):
        check(root)
    write_oriented(sides * 2, beside)
    with pytest.raises(ValueError, match=r"has 16 x 20 x 15 voxels and values \[0, 2, 4\]; expected 0, 1 \(left\) and 2 "
                       r"\(right\)"):
        check(root)


def test_no_atlas_names_what_makes_one(root):
    atlas_path(root).unlink()
    with pytest.raises(FileNotFoundError, match="subj-01_HCP_atlas_func_360.nii.gz is not there; "
                                                "1_dataset_preparation/warp_atlas.sh makes it"):
        check(root)
