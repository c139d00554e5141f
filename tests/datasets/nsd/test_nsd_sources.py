"""What a set of matrices can be made from: .hdf5 in any order of axes, other grids and ROI volumes, z-scores, fewer voxels."""

import itertools
import json
import shutil
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import tiny_nsd
from tiny_nsd import as_hdf5, beta_path, contents, naive, run

from convergence.datasets.nsd import hdf5, volumes
from convergence.datasets.nsd.selection import ncsnr
from convergence.datasets.voxels import standardised

FEW = ("--subjects", 2, "--rois", "V1", "V2", "p24")          # labels 1, 4 and 180, left and right; the last has a dead voxel
HELD = (1, 2, 3)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """Sessions of three trials, so that no size equals one of the grid."""
    root = tiny_nsd.write(tmp_path_factory.mktemp("sources") / "nsd", per_session=3)
    assert run("2", "--root", root, "--derivatives", root.parent / "derivatives") == 0
    return root


@pytest.fixture
def root(indexed, tmp_path):
    return Path(shutil.copytree(indexed, tmp_path / "nsd"))


def the_set(root, folder):
    """{label: matrix} and the manifest of subject 2."""
    place = root / folder / "sub02"
    matrices = {int(path.stem[-3:]): np.load(path) for path in place.glob("sub-*.npy")}
    return matrices, json.loads((place / "manifest.json").read_text())


# .hdf5

@pytest.mark.parametrize("chunks", [None, (3, 1, 1, 1), (1, 5, 6, 7), (2, 2, 4, 3)])
def test_hdf5_and_nifti_give_the_same_bytes(root, chunks):
    assert run("4", "--root", root, *FEW) == 0
    expected = contents(root / "betas/sub02")
    shutil.rmtree(root / "betas")
    for session in HELD:
        as_hdf5(beta_path(root, 2, session), chunks=chunks, compression="gzip" if chunks else None)
    assert run("4", "--root", root, *FEW) == 0
    found = contents(root / "betas/sub02")
    assert {name for name in found if found[name] != expected[name]} == {"manifest.json"}
    manifest, sidecar = (json.loads((root / "betas" / name).read_text()) for name in ("sub02/manifest.json", "sub02.json"))
    assert [entry["file"] for entry in manifest["sessions"].values()] == [f"betas_session0{session}.hdf5" for session in HELD]
    assert sidecar["options"]["hdf5"]["2"] == "betas_session02.hdf5"


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_axes_are_found_by_their_sizes(root, order):
    path = beta_path(root, 2, 1)
    expected = np.asarray(nibabel.load(path).dataobj).reshape(-1, 3, order="F").T
    header = volumes.read_header(as_hdf5(path, order=order, dtype=">i2"))
    assert header.shape == (7, 6, 5, 3)
    offsets, out = np.array([200, 0, 7, 209, 42]), np.zeros((3, 5), np.int16)
    hdf5.gather(header, offsets, out)
    assert np.array_equal(out, expected[:, offsets])


def test_chunks_without_a_wanted_voxel_are_not_read(root, monkeypatch):
    path = as_hdf5(beta_path(root, 2, 1), chunks=(3, 1, 1, 1))
    header, read, original = volumes.read_header(path), [], h5py.Dataset.__getitem__

    def counting(self, selection):
        read.append(original(self, selection).size)
        return original(self, selection)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", counting)
    hdf5.gather(header, np.array([3, 4, 5, 100]), np.zeros((3, 4), np.int16))
    assert read == [9, 3]
    monkeypatch.setattr(hdf5, "_MEMORY", 12)                       # two chunks at a time
    hdf5.gather(header, np.array([3, 4, 5, 100]), np.zeros((3, 4), np.int16))
    assert read[2:] == [6, 3, 3]


def test_nifti_goes_before_hdf5_where_both_are(root):
    as_hdf5(beta_path(root, 2, 1), remove=False)
    with h5py.File(beta_path(root, 2, 1).with_name("betas_session01.hdf5"), "a") as file:
        file["betas"][:] = 0
    assert run("4", "--root", root, *FEW) == 0
    matrices, manifest = the_set(root, "betas")
    assert np.array_equal(matrices[1], naive(root, 2, 1, HELD)) and "file" not in manifest["sessions"]["1"]


def harmed(path, harm):
    with h5py.File(path, "a") as file:
        values = file.pop("betas")[:]
        if harm == "name":
            file["data"] = values
        elif harm == "grid":
            file["betas"] = values[:, :-1]
        elif harm == "equal sizes":
            file["betas"] = np.concatenate([values, values[:2]])
        elif harm == "three axes":
            file["betas"] = values[0]
        elif harm == "type":
            file["betas"] = values.astype(np.float32)
        elif harm == "trials":
            file["betas"] = values[:2]
        elif harm == "unwritten":
            file.create_dataset("betas", values.shape, values.dtype, chunks=(1, 5, 6, 7))[:2] = values[:2]
    if harm == "text":
        path.write_text("<html>not found</html>")


@pytest.mark.parametrize("harm, message", [
    ("name", r"betas_session02.hdf5 cannot be read as HDF5 with a dataset 'betas' \(KeyError"),
    ("text", r"betas_session02.hdf5 cannot be read as HDF5 with a dataset 'betas' \(OSError"),
    ("three axes", r"'betas' is not an array of four axes"),
    ("grid", r"betas has the shape 3 x 4 x 6 x 7; expected the axes 7 x 6 x 5 of the subject's volumes and one of "
             r"trials, in any order"),
    ("equal sizes", r"betas has the shape 5 x 5 x 6 x 7, of which sizes are equal, so that .* cannot be told "
                    r"apart; use the .nii.gz"),
    ("type", r"betas_session02.hdf5 holds values of type float32; expected int16"),
    ("trials", r"betas_session02.hdf5 has 2 volumes; expected 3, one for each trial of the session"),
    ("unwritten", r"betas_session02.hdf5 is damaged: a part of its dataset 'betas' was never written, or lies in a wrong "
                  r"place; download it again")])
def test_an_hdf5_that_cannot_be_is_refused(root, capsys, harm, message):
    import re
    harmed(as_hdf5(beta_path(root, 2, 2)), harm)
    assert run("4", "--root", root, *FEW) == 1
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert not (root / "betas/sub02").exists()


@pytest.mark.parametrize("n", [2, 4])
def test_one_volume_too_few_or_too_many_is_refused_with_the_numbers(root, capsys, n):
    tiny_nsd.save(np.ones((7, 6, 5, n), np.int16), beta_path(root, 2, 3))
    assert run("4", "--root", root, *FEW) == 1
    assert f"betas_session03.nii.gz has {n} volumes; expected 3, one for each trial of the session" in capsys.readouterr().err


# Grids, estimates and ROI volumes

def test_another_grid_estimate_and_volume_have_a_folder_of_their_own(root):
    coarse = root / "subj02/func1pt8mm"
    expected = tiny_nsd.write_volume(root, 2, "streams", 7, "func1pt8mm")
    rng, sessions = np.random.default_rng(1), []
    for session in HELD:
        sessions.append(rng.integers(-999, 999, (*tiny_nsd.GRIDS[2], 3)).astype(np.int16))
        tiny_nsd.save(sessions[-1], coarse / f"betas_assumehrf/betas_session{session:02d}.nii.gz")
    shutil.copy(root / "subj02/func1mm/brainmask.nii.gz", coarse)
    assert run("4", "--root", root, "--subjects", 2, "--resolution", "func1pt8mm", "--betas", "assumehrf", "--volume",
               "streams") == 0
    matrices, manifest = the_set(root, "betas_func1pt8mm_assumehrf_streams")
    assert sorted(matrices) == list(range(1, 15)) and not (root / "betas").exists()
    for label, found in matrices.items():
        assert np.array_equal(found, np.concatenate([values[expected == label].T for values in sessions])), label
    assert {"lh.streams", "both.streams"} <= {path.name.split(".nii")[0] for path in (coarse / "roi").iterdir()}


# Which voxels, on which scale

def betas_of(root, label):
    return naive(root, 2, label, HELD)


def test_dead_voxels_are_dropped_and_counted(root):
    assert run("4", "--root", root, *FEW, "--drop-dead-voxels") == 0
    matrices, manifest = the_set(root, "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_alive")
    assert manifest["parcels"]["360"] == {"n_voxels": 1, "n_dead": 1, "n_voxels_before": 2}
    assert manifest["parcels"]["1"] == {"n_voxels": 9, "n_dead": 0, "n_voxels_before": 9}
    for label, found in matrices.items():
        raw = betas_of(root, label)
        assert np.array_equal(found, raw[:, raw.any(axis=0)]) and found.dtype == np.int16


def test_a_voxel_that_comes_alive_in_a_later_session_is_kept(root, tmp_path):
    place = np.argwhere(np.asarray(nibabel.load(tiny_nsd.label_path(root, 2, "lh.HCP_MMP1")).dataobj) == 1)[4]
    for session in HELD:
        values = np.asarray(nibabel.load(beta_path(root, 2, session)).dataobj).copy()
        values[tuple(place)] = [0, 0, 5 if session == 3 else 0]
        tiny_nsd.save(values, beta_path(root, 2, session))
    late = beta_path(root, 2, 3).rename(tmp_path / "late.nii.gz")
    assert run("4", "--root", root, *FEW, "--drop-dead-voxels") == 0
    folder = "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_alive"
    assert the_set(root, folder)[0][1].shape == (6, 8)
    late.rename(beta_path(root, 2, 3))
    assert run("4", "--root", root, *FEW, "--drop-dead-voxels") == 0
    assert np.array_equal(the_set(root, folder)[0][1], betas_of(root, 1))


def test_a_set_that_must_be_made_anew_says_which_beta_files_it_lacks(root, tmp_path, capsys):
    late = beta_path(root, 2, 3).rename(tmp_path / "late.nii.gz")
    assert run("4", "--root", root, *FEW, "--zscore", "session") == 0
    before = contents(root / "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_zscore")
    beta_path(root, 2, 1).unlink()
    assert run("4", "--root", root, *FEW, "--zscore", "session") == 0                    # nothing new: nothing to read
    late.rename(beta_path(root, 2, 3))
    assert run("4", "--root", root, *FEW, "--zscore", "session") == 1
    assert "sessions [1] of subject 2 have no beta file" in (error := capsys.readouterr().err) and "must be made anew" in error
    assert contents(root / "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_zscore") == before


def test_z_scores_are_those_of_scipy_within_each_session(root):
    from scipy.stats import zscore

    values = np.asarray(nibabel.load(beta_path(root, 2, 2)).dataobj).copy()
    values[np.asarray(nibabel.load(tiny_nsd.label_path(root, 2, "lh.HCP_MMP1")).dataobj) == 1] = [[7, 7, 7], *[[1, 2, 9]] * 8]
    tiny_nsd.save(values, beta_path(root, 2, 2))
    assert run("4", "--root", root, *FEW, "--zscore", "session") == 0
    matrices, manifest = the_set(root, "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_zscore")
    with np.errstate(invalid="ignore"):
        expected = [np.nan_to_num(zscore(naive(root, 2, 1, (session,)).astype(float))) for session in HELD]
    assert matrices[1].dtype == np.float32 and np.allclose(matrices[1], np.concatenate(expected), atol=1e-6)
    assert not matrices[1][3:6, 0].any() and manifest["sessions"]["2"]["n_constant"] == {"1": 1, "360": 1}
    assert manifest["unit"] == "z-score within session" and manifest["parcels"]["360"]["n_dead"] == 1


def test_voxels_below_a_ratio_of_signal_to_noise_are_dropped_by_nsds_map(root):
    ratio = np.random.default_rng(3).uniform(0, 1, tiny_nsd.GRIDS[2]).astype(np.float32)
    ratio[0] = np.nan
    tiny_nsd.save(ratio, beta_path(root, 2, 1).with_name("ncsnr.nii.gz"))
    assert run("4", "--root", root, *FEW, "--min-ncsnr", 0.4) == 0
    matrices, manifest = the_set(root, "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_ncsnr0.4")
    kept = ratio[np.asarray(nibabel.load(tiny_nsd.label_path(root, 2, "lh.HCP_MMP1")).dataobj) == 1] >= 0.4
    assert 0 < kept.sum() < 9 and np.array_equal(matrices[1], betas_of(root, 1)[:, kept])
    assert manifest["parcels"]["1"] == {"n_voxels": kept.sum(), "n_dead": 0, "n_voxels_before": 9,
                                        "n_below_ncsnr": 9 - kept.sum()}
    tiny_nsd.save(ratio[1:], beta_path(root, 2, 1).with_name("ncsnr.nii.gz"))
    assert run("4", "--root", root, *FEW, "--min-ncsnr", 0.4) == 1


def test_without_a_map_it_is_computed_from_the_repetitions(root):
    assert run("4", "--root", root, *FEW, "--min-ncsnr", 0.3) == 0
    matrices, manifest = the_set(root, "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_ncsnr0.3")
    trials = pd.read_csv(root / "nsd_stimuli.csv").query("subject == 2 and session <= 3")
    z = np.concatenate([standardised(naive(root, 2, 1, (session,))) for session in HELD])
    kept = ncsnr(z, trials["nsd_id"]) >= 0.3
    assert np.array_equal(matrices[1], betas_of(root, 1)[:, kept]) and manifest["parcels"]["1"]["n_below_ncsnr"] == 9 - kept.sum()


def test_it_is_said_how_many_voxels_a_selection_leaves(root, capsys):
    assert run("4", "--root", root, *FEW, "--min-ncsnr", 0.3) == 0
    _, manifest = the_set(root, "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_ncsnr0.3")
    kept, before = (sum(entry[key] for entry in manifest["parcels"].values()) for key in ("n_voxels", "n_voxels_before"))
    assert f"subject 2: {kept} of {before} voxels are kept" in capsys.readouterr().out and kept < before
    assert run("4", "--root", root, *FEW, "--min-ncsnr", 100) == 0
    assert f"subject 2: 0 of {before} voxels are kept; no voxel is left in " in capsys.readouterr().out


def test_ncsnr_finds_the_planted_ratio():
    rng = np.random.default_rng(0)
    images, planted = np.repeat(np.arange(4000), 3), np.array([0, 0.5, 1, 2])
    responses = planted * rng.standard_normal((4000, 4))[images] + rng.standard_normal((12000, 4))
    mixed = rng.permutation(12000)
    z = (responses / responses.std(axis=0))[mixed]
    assert np.allclose(ncsnr(z, images[mixed]), [0, 0.5, 1, 2], atol=0.12)
    assert np.allclose(ncsnr(z, images[mixed])[1:], planted[1:], rtol=0.05)
    # By hand, from NSD's definition: two pictures, one shown twice and one three times; another once.
    x, pictures = np.array([[1.0], [0.2], [0.5], [-1.0], [-0.8], [9.0]]), [5, 2, 5, 2, 2, 7]
    noise = (np.var([1.0, 0.5], ddof=1) + np.var([0.2, -1.0, -0.8], ddof=1)) / 2
    assert np.isclose(ncsnr(x, pictures)[0], np.sqrt((1 - noise) / noise)) and ncsnr(np.zeros((2, 1)), [1, 1])[0] == 0
    with pytest.raises(ValueError, match="no picture is repeated in these 3 trials"):
        ncsnr(x[:3], [1, 2, 3])
