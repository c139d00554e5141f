"""ROI matrices: exactly what masking whole sessions gives, whatever happens on the way."""

import errno
import gzip
import json
import re
import shutil
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import tiny_nsd
from tiny_nsd import beta_path, contents, naive, run

from convergence.datasets import nifti
from convergence.datasets.nsd import betas, volumes
from convergence.datasets.voxels import voxel_columns

FEW = ("--rois", "V1", "V6", "2")                  # labels 1, 3, 2 and 52 (the area named 2), left and right


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    root = tiny_nsd.write(tmp_path_factory.mktemp("indexed") / "nsd")
    assert run("2", "--root", root, "--derivatives", root.parent / "derivatives") == 0
    return root


@pytest.fixture
def root(indexed, tmp_path):
    """A copy to play with."""
    return Path(shutil.copytree(indexed, tmp_path / "nsd"))


@pytest.fixture(scope="module")
def extracted(indexed, tmp_path_factory):
    root = Path(shutil.copytree(indexed, tmp_path_factory.mktemp("extracted") / "nsd"))
    assert run("4", "--root", root) == 0
    return root


def matrix(root, subject, label):
    return np.load(root / f"betas/sub{subject:02d}/sub-{subject:02d}_roi-{label:03d}.npy")


def manifest(root, subject):
    return json.loads((root / f"betas/sub{subject:02d}/manifest.json").read_text())


def sessions_read(monkeypatch):
    """A list that fills with the names of the beta files that are read to the end."""
    seen, original = [], nifti.stream

    def stream(header):
        seen.append(header.path.name)
        return original(header)
    monkeypatch.setattr(nifti, "stream", stream)
    return seen


# What is written

@pytest.mark.parametrize("subject", [2, 5])
def test_every_matrix_equals_masking_whole_sessions(extracted, subject):
    sizes = {}
    for label in range(1, 361):
        found = matrix(extracted, subject, label)
        expected = naive(extracted, subject, label, tiny_nsd.PRESENT[subject])
        assert found.dtype == np.dtype("<i2") and found.shape == expected.shape and np.array_equal(found, expected), label
        sizes[label] = found.shape[1]
    assert sizes[1] == 9 and sizes[182] == 3 and sizes[181] == 4
    assert sizes[6] == (0 if subject == 5 else 2)
    assert sum(sizes.values()) == (36 if subject == 2 else 34)


def test_a_parcel_without_voxels_is_an_empty_matrix(extracted):
    assert matrix(extracted, 5, 6).shape == (10, 0)


def test_rows_and_the_manifest_tell_what_the_matrices_are(extracted):
    assert np.load(extracted / "betas/sub05/rows.npy").tolist() == list(range(10))
    found = manifest(extracted, 2)
    assert found["unit"] == "percent signal change x 300" and list(found["sessions"]) == ["1", "2", "3"]
    assert found["sessions"]["2"]["rows"] == [5, 10]
    assert found["parcels"]["360"] == {"n_voxels": 2, "n_dead": 1} and found["parcels"]["1"] == {"n_voxels": 9, "n_dead": 0}
    assert sum(parcel["n_dead"] for parcel in found["parcels"].values()) == 1


def test_nothing_temporary_stays(extracted):
    assert sorted(path.name for path in (extracted / "betas").iterdir()) == ["sub02", "sub02.json", "sub05", "sub05.json"]


def test_columns_are_in_c_order_within_a_parcel():
    labels = np.zeros((2, 3, 2), int)
    labels[1, 0, 0] = labels[0, 2, 1] = labels[0, 1, 0] = 7
    labels[0, 0, 0] = labels[1, 2, 1] = 4
    columns = voxel_columns(labels, [4, 5, 7])
    assert columns.of_label == {4: slice(0, 2), 5: slice(2, 2), 7: slice(2, 5)}
    volume = np.arange(12).reshape(2, 3, 2) * 10
    assert volume.ravel(order="F")[columns.offsets].tolist() == [0, 110, 20, 50, 60]


@pytest.mark.parametrize("options", [{"endian": ">"}, {"offset": 1024}, {"slope": 1.0, "inter": 0.0},
                                     {"endian": ">", "slope": 0.0, "inter": 7.0}])
def test_byte_order_offset_and_trivial_scaling_of_the_file_do_not_matter(root, options):
    mask = np.asarray(nibabel.load(root / "subj02/func1mm/brainmask.nii.gz").dataobj)
    tiny_nsd.write_betas(beta_path(root, 2, 2), mask, np.random.default_rng(3), **options)
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    for label in (1, 2, 181, 183):
        assert np.array_equal(matrix(root, 2, label), naive(root, 2, label, (1, 2, 3)))


def test_a_scaling_to_whole_numbers_is_undone(root):
    values = np.random.default_rng(4).integers(-8000, 8000, (*tiny_nsd.GRIDS[2], 5)).astype(np.int16)
    tiny_nsd.save(values, beta_path(root, 2, 1), slope=2.0, inter=-3.0)
    assert run("4", "--root", root, "--subjects", 2, "--sessions", 1, *FEW) == 0
    expected, found = naive(root, 2, 181, (1,)), matrix(root, 2, 181)
    assert expected.dtype.kind == "f" and np.array_equal(found, expected) and found.dtype == np.int16


@pytest.mark.parametrize("slope, inter", [(1 / 300, 0.0), (2.0, 0.0), (1.0, 0.5)])
def test_any_other_scaling_is_refused(root, capsys, slope, inter):
    values = np.full((*tiny_nsd.GRIDS[2], 5), 20001, np.int16)
    tiny_nsd.save(values, beta_path(root, 2, 1), slope=slope, inter=inter)
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 1
    error = capsys.readouterr().err
    assert "betas_session01.nii.gz: slope" in error and "not whole numbers of 16 bits; expected NSD's betas" in error
    assert not (root / "betas/sub02").exists()


# What goes wrong

def test_a_missing_session_shifts_no_rows(root, capsys):
    beta_path(root, 2, 2).unlink()
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    assert np.load(root / "betas/sub02/rows.npy").tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert np.array_equal(matrix(root, 2, 2), naive(root, 2, 2, (1, 3)))
    assert "subject 2: sessions [2] have no beta file; the matrices have no rows for them" in capsys.readouterr().out


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def damage(root, kind):
    path = beta_path(root, 2, 2)
    if kind == "truncated":
        cut(path, 1700)
    elif kind == "empty":
        cut(path, 0)
    elif kind == "checksum":
        content = bytearray(path.read_bytes())
        content[-6] ^= 255
        path.write_bytes(content)
    elif kind == "short":                                   # a whole gzip whose data end early
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))
    elif kind == "long":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(2 * 7 * 6 * 5 * 2)))
    else:
        shapes = {"volumes": (7, 6, 5, 4), "grid": (6, 7, 5, 5), "type": (7, 6, 5, 5)}
        shape, dtype = shapes[kind], np.float32 if kind == "type" else np.int16
        tiny_nsd.save(np.ones(shape, dtype), path)


@pytest.mark.parametrize("kind, message", [
    ("truncated", r"betas_session02.nii.gz is truncated or damaged: its header says 5 volumes, it can be read up to volume \d "
                  r"\(Compressed file ended .*download it again"),
    ("empty", r"betas_session02.nii.gz cannot be read as NIfTI"),
    ("checksum", r"betas_session02.nii.gz is truncated or damaged: its header says 5 volumes, it can be read up to volume 5 "
                 r"\(CRC check failed"),
    ("short", r"is truncated or damaged: its header says 5 volumes, it can be read up to volume 4 \(320 of 420 bytes\)"),
    ("long", r"betas_session02.nii.gz holds 7 volumes, its header says 5"),
    ("volumes", r"betas_session02.nii.gz has 4 volumes; expected 5, one for each trial of the session"),
    ("grid", r"betas_session02.nii.gz has volumes of 6 x 7 x 5 voxels; expected 7 x 6 x 5 as in the subject's ROI volumes"),
    ("type", r"betas_session02.nii.gz holds values of type float32; expected int16")])
def test_a_damaged_session_is_named_and_the_rest_goes_on(root, capsys, monkeypatch, kind, message):
    whole = beta_path(root, 2, 2).read_bytes()
    damage(root, kind)
    assert run("4", "--root", root, *FEW) == 1
    error = capsys.readouterr().err
    assert "error: subject 2, sessions: 1 of 3 failed" in error
    assert re.search(message, error), error
    assert not (root / "betas/sub02").exists() and not (root / "betas/sub02.json").exists()
    assert (root / "betas/sub05/rows.npy").exists()
    assert not [path for path in root.rglob("*") if "partial" in path.name]

    beta_path(root, 2, 2).write_bytes(whole)
    seen = sessions_read(monkeypatch)
    assert run("4", "--root", root, *FEW) == 0
    assert seen == ["betas_session02.nii.gz"]
    assert np.array_equal(matrix(root, 2, 1), naive(root, 2, 1, (1, 2, 3)))


@pytest.mark.parametrize("module, function, kept", [(volumes, "whole_numbers", 0), (volumes, "write_npy_header", 0),
                                                    (betas, "write_npy_header", 3), (betas, "json", 3)])
def test_a_full_disk_leaves_nothing_half_written(root, capsys, monkeypatch, module, function, kept):
    """While a session is written, at the start of a file, and when the set is all but complete."""
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(module, function, SimpleNamespace(dumps=full) if function == "json" else full)
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 1
    assert "No space left on device" in capsys.readouterr().err
    monkeypatch.undo()
    found = list((root / "betas").rglob("*.npy"))
    assert len(found) == kept and all(path.parent.name == ".sessions-sub02" for path in found)
    assert not [path for path in root.rglob("*") if "partial" in path.name]
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    assert np.array_equal(matrix(root, 2, 1), naive(root, 2, 1, (1, 2, 3)))


def test_no_index_and_no_betas_are_explained(root, capsys):
    shutil.rmtree(root / "subj05/func1mm/betas_fithrf_GLMdenoise_RR")
    assert run("4", "--root", root, "--subjects", 5) == 1
    assert "sessions of any number of subject 5 have no beta file, such as" in capsys.readouterr().err
    assert run("4", "--root", root, "--subjects", 2, "--sessions", 1, 4) == 1
    assert "sessions [4] of subject 2 are not among those planned, 1 to 3" in capsys.readouterr().err
    beta_path(root, 2, 3).unlink()
    assert run("4", "--root", root, "--subjects", 2, "--sessions", 1, 3) == 1
    assert "sessions [3] of subject 2 have no beta file, such as" in capsys.readouterr().err
    (root / "nsd_stimuli.csv").unlink()
    assert run("4", "--root", root) == 1
    assert "nsd_stimuli.csv is not there; 1_dataset_preparation/2_build_indexes.py makes it" in capsys.readouterr().err


def test_a_set_killed_while_it_was_replaced_keeps_sessions_whose_betas_are_gone(root):
    assert run("4", "--root", root, "--subjects", 2, "--sessions", 1, *FEW) == 0
    before = matrix(root, 2, 1).copy()
    ended = subprocess.Popen(["true"])
    ended.wait()
    held = root / "betas/sub02"
    held.rename(held.with_name(f".sub02.{socket.gethostname()}-{ended.pid}.old.partial"))       # where such a kill leaves it
    beta_path(root, 2, 1).unlink()
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    assert np.load(held / "rows.npy").tolist() == list(range(15)) and np.array_equal(matrix(root, 2, 1)[:5], before)
    assert not list((root / "betas").glob(".sub02*"))


# What is done again, and what is not

def test_a_second_run_changes_nothing(root, monkeypatch):
    assert run("4", "--root", root, *FEW) == 0
    before, times = contents(root), {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    seen = sessions_read(monkeypatch)
    assert run("4", "--root", root, *FEW) == 0
    assert seen == [] and contents(root) == before
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == times


def test_a_session_that_comes_later_is_added_and_alone_read(root, tmp_path, monkeypatch):
    late = beta_path(root, 2, 2).rename(tmp_path / "late.nii.gz")
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    late.rename(beta_path(root, 2, 2))
    seen = sessions_read(monkeypatch)
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    assert seen == ["betas_session02.nii.gz"]
    grown = contents(root)
    shutil.rmtree(root / "betas")
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    assert contents(root) == grown
    assert np.array_equal(matrix(root, 2, 183), naive(root, 2, 183, (1, 2, 3)))


def test_a_changed_session_is_read_again_and_the_others_are_not(root, monkeypatch):
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    tiny_nsd.write_betas(beta_path(root, 2, 1), np.ones(tiny_nsd.GRIDS[2]), np.random.default_rng(9))
    seen = sessions_read(monkeypatch)
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    assert seen == ["betas_session01.nii.gz"]
    assert np.array_equal(matrix(root, 2, 1), naive(root, 2, 1, (1, 2, 3)))


def test_less_asked_for_takes_nothing_away_and_overwriting_does(root):
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    before = contents(root)
    assert run("4", "--root", root, "--subjects", 2, "--sessions", 3, "--rois", "V1") == 0
    assert contents(root) == before
    assert run("4", "--root", root, "--subjects", 2, "--sessions", 3, "--rois", "V1", "--overwrite") == 0
    assert sorted(manifest(root, 2)["parcels"]) == ["1", "181"]
    assert np.load(root / "betas/sub02/rows.npy").tolist() == list(range(10, 15))


def test_more_parcels_are_added(root):
    assert run("4", "--root", root, "--subjects", 2, "--sessions", 1, "--rois", "V2") == 0
    assert run("4", "--root", root, "--subjects", 2, "--rois", "p24") == 0
    assert sorted(manifest(root, 2)["parcels"]) == ["180", "184", "360", "4"]
    assert np.array_equal(matrix(root, 2, 360), naive(root, 2, 360, (1, 2, 3)))


def test_deleted_beta_files_do_not_take_their_rows_away(root, capsys):
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    before = contents(root / "betas")
    for session in (1, 2, 3):
        beta_path(root, 2, session).unlink()
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    assert contents(root / "betas") == before
    assert run("4", "--root", root, "--subjects", 2, "--overwrite", *FEW) == 1
    assert "sessions of any number of subject 2 have no beta file" in capsys.readouterr().err
    assert contents(root / "betas") == before


def test_other_labels_or_a_damaged_matrix_make_everything_anew(root, monkeypatch):
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    cut(root / "betas/sub02/sub-02_roi-001.npy", 200)
    seen = sessions_read(monkeypatch)
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    assert len(seen) == 3 and np.array_equal(matrix(root, 2, 1), naive(root, 2, 1, (1, 2, 3)))
    moved = np.asarray(nibabel.load(tiny_nsd.label_path(root, 2, "lh.HCP_MMP1")).dataobj) == 6
    for stem in ("lh.HCP_MMP1", "HCP_MMP1"):
        path = tiny_nsd.label_path(root, 2, stem)
        tiny_nsd.save(np.where(moved, 1, np.asarray(nibabel.load(path).dataobj)).astype(np.int16), path)
    assert run("4", "--root", root, "--subjects", 2, *FEW) == 0
    assert len(seen) == 6 and matrix(root, 2, 1).shape == (15, 11)
    assert np.array_equal(matrix(root, 2, 1), naive(root, 2, 1, (1, 2, 3)))


def test_several_jobs_give_the_same_bytes(root, extracted):
    assert run("4", "--root", root, "--jobs", 2) == 0
    assert contents(root) == contents(extracted)


def test_a_dry_run_writes_nothing(root, capsys):
    before = contents(root)
    assert run("4", "--root", root, "--dry-run") == 0
    assert contents(root) == before
    assert "subject 2, sessions: session 3: to do, not there yet" in capsys.readouterr().out
