"""Which voxel belongs to which parcel, and left or right."""

import gzip
from functools import lru_cache

import nibabel
import numpy as np
import pandas as pd
import pytest

from convergence.datasets.atlas import load_atlas
from convergence.datasets.things import files, voxels

LOCALISERS = [f"{side}{name}" for name in ("EBA", "FFA", "OFA", "STS", "PPA", "RSC", "TOS", "LOC") for side in "lr"]


@pytest.fixture(scope="module")
def atlas():
    return load_atlas()


def metadata(root, subject):
    return pd.read_csv(root / f"betas_csv/betas_csv/sub-{subject:02d}_VoxelMetadata.csv")


def coordinates(root, subject, compat=None):
    return voxels.coordinate_table(subject, compat, root=root, atlas=load_atlas())


@lru_cache(maxsize=None)
def unharmed(root, subject, compat=None):
    """The same of a folder that nobody changes."""
    return coordinates(root, subject, compat)


def mask_path(root, subject):
    return root / f"brainmasks/sub-{subject:02d}_space-T1w_brainmask.nii.gz"


def save_mask(root, subject, change_affine=lambda affine: affine, change=lambda values: values):
    image = nibabel.load(mask_path(root, subject))
    values = change(np.asarray(image.dataobj))
    nibabel.save(nibabel.Nifti1Image(values, change_affine(image.affine)), mask_path(root, subject))


def flip(affine):
    return np.diag([-1.0, 1, 1, 1]) @ affine


def areas_of(table, atlas):
    """By hand: the one area whose column of the table says 1, 0 for none."""
    columns = ["".join(column.split()).removeprefix("glasser-") for column in table if column.startswith("glasser-")]
    names = list(atlas.loc[atlas["hemisphere"] == "lh", "name"])
    labels = table[[column for column in table if column.startswith("glasser-")]].to_numpy()
    return np.array([names.index(columns[row.argmax()]) + 1 if row.any() else 0 for row in labels])


@pytest.mark.parametrize("subject, n_parcels", [(1, 360), (2, 358), (3, 359)])
def test_every_voxel_with_an_area_has_its_parcel(things_downloaded, atlas, subject, n_parcels):
    table, found = metadata(things_downloaded, subject), unharmed(things_downloaded, subject)
    area, left = areas_of(table, atlas), (table["voxel_x"] < 8).to_numpy()
    labelled = table["voxel_id"].to_numpy()[area > 0]
    assert found["voxel_id"].tolist() == labelled.tolist() and len(table) - len(labelled) == 300
    assert found["roi"].tolist() == (area + 180 * ~left)[area > 0].tolist() and found["roi"].nunique() == n_parcels
    assert found["hemisphere"].astype(str).tolist() == np.where(left, "lh", "rh")[area > 0].tolist()
    names = atlas.set_index("roi")["name"]
    assert found["name"].astype(str).tolist() == names[found["roi"]].tolist()
    assert found[voxels.COORDINATES].to_numpy().tolist() == table.loc[area > 0, voxels.COORDINATES].to_numpy().tolist()
    for _, own in found.groupby("roi"):
        assert own["voxel_roi_index"].tolist() == list(range(len(own))) and own["voxel_id"].is_monotonic_increasing
    assert {name: str(found[name].dtype) for name in ("voxel_id", "voxel_roi_index", "name")} == {
        "voxel_id": "uint32", "voxel_roi_index": "uint32", "name": "category"}


@pytest.mark.parametrize("subject", [1, 2, 3])
@pytest.mark.parametrize("compat", [None, "reference"])
def test_left_localisers_lie_in_parcels_1_to_180_and_the_compat_switch_swaps_them(things_downloaded, subject, compat):
    table = metadata(things_downloaded, subject).set_index("voxel_id")
    roi = unharmed(things_downloaded, subject, compat).set_index("voxel_id")["roi"]
    for name in LOCALISERS:
        own = roi[table.index[table[name] == 1].intersection(roi.index)]
        assert len(own) > 5
        assert ((own <= 180) == ((name[0] == "l") == (compat is None))).all(), name


def test_the_compat_switch_swaps_every_parcel_and_nothing_else(things_downloaded):
    found, published = unharmed(things_downloaded, 1), unharmed(things_downloaded, 1, "reference")
    assert np.array_equal((found["roi"] + 180 - 1) % 360 + 1, published["roi"])
    pd.testing.assert_frame_equal(found.drop(columns="roi"), published.drop(columns="roi"))


def test_areas_whose_columns_have_a_line_break_are_there(things_downloaded, atlas):
    raw = (things_downloaded / "betas_csv/betas_csv/sub-01_VoxelMetadata.csv").read_text()
    assert 'glasser-p9-\n46v' in raw and 'glasser-a9-\n46v' in raw
    found = unharmed(things_downloaded, 1)
    for name in ("p9-46v", "a9-46v"):
        assert set(found.loc[found["name"] == name, "roi"]) == set(atlas.loc[atlas["name"] == name, "roi"])


def test_an_area_may_be_absent(things_downloaded, atlas):
    pir = atlas.loc[atlas["name"] == "Pir", "roi"].tolist()
    absent = {subject: set(atlas["roi"]) - set(unharmed(things_downloaded, subject)["roi"]) for subject in (1, 2, 3)}
    assert absent[1] == set() and absent[2] == set(pir)
    assert absent[3] == {atlas.loc[(atlas["name"] == "s32") & (atlas["hemisphere"] == "rh"), "roi"].item()}


def test_columns_are_found_by_name_and_not_by_place(root, edit):
    expected = coordinates(root, 1)
    edit(root, "VoxelMetadata.csv", lambda table: table[list(table)[::-1]])
    pd.testing.assert_frame_equal(coordinates(root, 1), expected)


def test_left_is_where_the_affine_says_and_not_where_voxel_numbers_are_small(root, edit):
    """The same brain in a file whose x runs from right to left."""
    expected = coordinates(root, 1)
    save_mask(root, 1, lambda affine: affine @ np.array([[-1.0, 0, 0, 15], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
              lambda v: v[::-1])
    edit(root, "VoxelMetadata.csv", lambda table: table.assign(voxel_x=(15 - table["voxel_x"].astype(int)).astype(str)))
    assert coordinates(root, 1)["roi"].tolist() == expected["roi"].tolist()


def test_the_affine_and_the_localisers_must_agree(root):
    save_mask(root, 1, flip)
    n = int(metadata(root, 1)[LOCALISERS].to_numpy().sum())
    with pytest.raises(ValueError, match=rf"sub-01_VoxelMetadata.csv: 0 of {n} localiser voxels lie in the hemisphere of their "
                                         rf"name by the "
                                         r"affine of .*brainmask.nii.gz, expected at least 95 % \([lr]... 0 of"):
        coordinates(root, 1)
    assert len(coordinates(root, 1, "reference")) > 3000                # as published: by the voxel's number alone


@pytest.mark.parametrize("wrong, refused", [(0.04, False), (0.06, True)])
def test_95_percent_agreement_is_needed(root, edit, wrong, refused):
    def exchange(table):
        """Some voxels of the left localisers are said to be right."""
        rows = table.index[(table[LOCALISERS] == "1").any(axis=1)]
        n_wrong, marks = round(wrong * int((table[LOCALISERS] == "1").to_numpy().sum())), 0
        for row in rows:
            for name in LOCALISERS[::2]:
                if table.loc[row, name] == "1" and marks < n_wrong:
                    table.loc[row, [name, f"r{name[1:]}"]] = ["0", "1"]
                    marks += 1
    edit(root, "VoxelMetadata.csv", exchange)
    if refused:
        with pytest.raises(ValueError, match=r"expected at least 95 % \(r"):
            coordinates(root, 1)
    else:
        assert len(coordinates(root, 1)) > 3000


def test_without_localisers_left_cannot_be_checked(root, edit):
    edit(root, "VoxelMetadata.csv", lambda table: table.drop(columns=LOCALISERS))
    with pytest.raises(ValueError, match="has no voxels in localisers such as lPPA, so that left and right cannot be checked"):
        coordinates(root, 1)


def set_value(column, row, value):
    return lambda table: table.assign(**{column: table[column].where(table.index != row, value)})


def two_areas(table):
    row = table.index[table["glasser-V1"] == "1"][0]
    return set_value("glasser-MST", row, "1")(table)


@pytest.mark.parametrize("change, message", [
    (two_areas, r"1 voxels have more than one area, the first is voxel_id \d+ with \['V1', 'MST'\]"),
    (set_value("glasser-V1", 5, "2"), "column 'glasser-V1' must hold 0 and 1, row 6 says '2'"),
    (set_value("lPPA", 3000, "x"), "column 'lPPA' must hold 0 and 1, row 3001 says 'x'"),
    (set_value("glasser-V1", 5, ""), "column 'glasser-V1' must hold 0 and 1, row 6 says ''"),
    (set_value("voxel_x", 3, "-1"), "column voxel_x must hold whole numbers from 0; row 4 says '-1'"),
    (set_value("voxel_x", 3, "200"), r"1 voxels lie outside the grid \(16, 23, 19\) of sub-01_space-T1w_brainmask.nii.gz, such "
                                     r"as \[200, "),
    (set_value("voxel_id", 3, "2"), "1 voxels repeat an earlier one, the first has voxel_id 2"),
    (lambda t: t.assign(voxel_x=t["voxel_x"].iloc[0], voxel_y=t["voxel_y"].iloc[0], voxel_z=t["voxel_z"].iloc[0]),
     "3507 voxels repeat an earlier one, the first has voxel_x "),
    (lambda t: t.assign(subject_id="sub-02"), r"subject_id must be 1, found \[2\]"),
    (lambda t: t.drop(columns="glasser-V1"), r"are not the 180 areas of the atlas, each once: 1 missing \['V1'\], 0 unknown "
                                             r"\[\], 179 found"),
    (lambda t: t.rename(columns={"glasser-V1": "glasser-V9"}), r"1 missing \['V1'\], 1 unknown \['V9'\], 180 found"),
    (lambda t: t.assign(**{"glasser- V1": t["glasser-V1"]}), r"0 missing \[\], 0 unknown \[\], 181 found"),
    (lambda t: t.drop(columns="voxel_z"), r"the columns \['voxel_z'\] are missing"),
    (lambda t: t.iloc[:0], "VoxelMetadata.csv has no rows"),
])
def test_a_table_of_voxels_that_is_wrong_is_refused(root, edit, change, message):
    edit(root, "VoxelMetadata.csv", change)
    with pytest.raises(ValueError, match=message):
        coordinates(root, 1)


def test_a_brain_mask_of_someone_else_is_refused(root):
    save_mask(root, 1, change=lambda values: np.roll(values, 4, axis=1))
    with pytest.raises(ValueError, match=r"[5-8]\d.\d % of the voxels lie in the brain of sub-01_space-T1w_brainmask.nii.gz, "
                                         r"expected at least "
                                         "95 %; the two files do not belong together"):
        coordinates(root, 1)


def test_a_mask_that_is_missing_damaged_or_says_nothing_is_refused(root):
    content = mask_path(root, 1).read_bytes()
    mask_path(root, 1).write_bytes(content[:-9])
    with pytest.raises(ValueError, match="brainmask.nii.gz cannot be read as NIfTI .*download sub-0S_space-T1w_brainmask"):
        coordinates(root, 1)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    image.header["srow_x"] = 0
    header = image.header.binaryblock + bytes(4)
    mask_path(root, 1).write_bytes(gzip.compress(header + np.asarray(image.dataobj).tobytes(order="F")))
    with pytest.raises(ValueError, match="an affine that says nothing of left and right"):
        coordinates(root, 1)
    mask_path(root, 1).unlink()
    with pytest.raises(FileNotFoundError, match=r"brainmasks/sub-01_space-T1w_brainmask.nii.gz is not there; its affine tells "
                                                r"left from right: "
                                                r"download .*figshare\+ item 20492757"):
        coordinates(root, 1)


def test_a_volume_of_betas_serves_in_place_of_the_mask(root):
    """Its grid and affine are enough: no mask is known then."""
    expected, image = coordinates(root, 1), nibabel.load(mask_path(root, 1))
    folder = root / "betas_vol/scalematched/sub-01/ses-things01"
    folder.mkdir(parents=True)
    values = np.zeros((*image.shape, 4), np.float32)
    nibabel.save(nibabel.Nifti1Image(values, image.affine), folder / "sub-01_ses-things01_run-01_betas.nii.gz")
    mask_path(root, 1).unlink()
    assert files.grid_file(root, 1).parent == folder and voxels.read_grid(root, 1).mask is None
    pd.testing.assert_frame_equal(coordinates(root, 1), expected)


def test_an_unknown_compatibility_is_refused(things_downloaded):
    with pytest.raises(ValueError, match="hemisphere_compat: 'old' is unknown; leave it out, or use 'reference'"):
        unharmed(things_downloaded, 1, "old")


def test_label_volumes_show_the_table(things_extracted):
    for subject in (1, 2, 3):
        found = pd.read_parquet(things_extracted / files.coordinate_file(subject))
        labels = np.load(things_extracted / files.label_file(subject, ".npy"))
        grid = nibabel.load(mask_path(things_extracted, subject))
        assert labels.dtype == np.uint16 and labels.shape == grid.shape and np.count_nonzero(labels) == len(found)
        assert labels[tuple(found[voxels.COORDINATES].to_numpy().T)].tolist() == found["roi"].tolist()
        volume = nibabel.load(things_extracted / files.label_file(subject, ".nii.gz"))
        assert np.array_equal(np.asarray(volume.dataobj), labels) and np.array_equal(volume.affine, grid.affine)
        left = np.array(np.nonzero((labels > 0) & (labels <= 180)))
        assert (nibabel.affines.apply_affine(volume.affine, left.T)[:, 0] < 0).all()


def test_label_volumes_are_the_same_bytes_every_time(things_extracted, tmp_path):
    again = voxels.label_volume(1, ".nii.gz", None, root=things_extracted, work=things_extracted)
    again(tmp_path / "again.nii.gz")
    assert (tmp_path / "again.nii.gz").read_bytes() == (things_extracted / files.label_file(1, ".nii.gz")).read_bytes()
    assert gzip.decompress((tmp_path / "again.nii.gz").read_bytes())[344:347] == b"n+1"


@pytest.mark.parametrize("change", [
    lambda t: t.drop(index=8),
    lambda t: t.iloc[::-1],
    lambda t: t.assign(roi=t["roi"].where(t.index != 70, 9)),
    lambda t: t.assign(voxel_id=t["voxel_id"].where(t.index != 70, 3)),
    lambda t: t.assign(subject_id=2),
    lambda t: t.assign(name=t["name"].where(t.index != 70, "V1")),
])
def test_coordinates_that_contradict_themselves_are_refused(things_extracted, tmp_path, change):
    path = tmp_path / files.coordinate_file(1)
    path.parent.mkdir(parents=True)
    change(pd.read_parquet(things_extracted / files.coordinate_file(1))).to_parquet(path)
    with pytest.raises(ValueError, match="roi_coordinates.parquet: .* rows contradict the others, such as row .*; delete it and "
                                         "run "):
        voxels.read_coordinates(tmp_path, 1)


def test_coordinates_that_cannot_be_read_are_refused(things_extracted, tmp_path):
    path = tmp_path / files.coordinate_file(1)
    path.parent.mkdir(parents=True)
    path.write_bytes((things_extracted / files.coordinate_file(1)).read_bytes()[:-50])
    with pytest.raises(ValueError, match="roi_coordinates.parquet cannot be read as a table"):
        voxels.read_coordinates(tmp_path, 1)
