"""The file of responses, a block at a time; one matrix per parcel from it."""

import json
import os
import pickle
import warnings
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest

from convergence import open_dataset
from convergence.datasets.things import files, responses_h5
from convergence.datasets.things.preparation import extract
from convergence.datasets.things.responses_h5 import ResponseFile, check_length
from convergence.tasks import UnitsFailed

TYPES = {1: np.float32, 2: np.float64, 3: np.float32}
CANARY, DEAD = [180, 360], 164                      # p24 left and right; 25, left


def response_path(root, subject):
    return root / f"betas_csv/betas_csv/sub-{subject:02d}_ResponseData.h5"


def frame(root, subject):
    """The whole file, as pandas reads it."""
    return pd.read_hdf(response_path(root, subject), "ResponseData")


def coordinates(root, subject):
    return pd.read_parquet(root / files.coordinate_file(subject))


def matrix_path(root, subject, roi):
    return root / files.matrix_folder(subject) / files.matrix_name(roi)


def rewrite(root, subject, change):
    """Change the frame of a subject and write it as pandas does; `change` returns a frame or None."""
    from convergence.datasets.miniature.things import _without_times

    table = frame(root, subject)
    changed = change(table)
    with _without_times(), warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
        (table if changed is None else changed).to_hdf(response_path(root, subject), key="ResponseData", mode="w")


@pytest.mark.parametrize("subject", TYPES)
def test_blocks_of_any_size_give_what_pandas_reads_at_once(things_downloaded, subject):
    table = frame(things_downloaded, subject)
    whole = table.drop(columns="voxel_id").to_numpy()
    assert whole.dtype == TYPES[subject] and list(table)[:3] == ["voxel_id", 0, 1]
    with ResponseFile(response_path(things_downloaded, subject)) as file:
        assert (file.n_voxels, file.n_trials, file.dtype) == (*whole.shape, TYPES[subject])
        assert file.voxel_ids.tolist() == table["voxel_id"].tolist()
        for n_bytes in (1, 100_001, responses_h5.BLOCK_BYTES):
            blocks = list(file.blocks(n_bytes))
            assert [first for first, _ in blocks] == list(np.cumsum([0, *(len(values) for _, values in blocks[:-1])]))
            assert all(values.dtype == np.float32 for _, values in blocks)
            assert np.array_equal(np.concatenate([values for _, values in blocks]), whole.astype(np.float32))


@pytest.mark.parametrize("subject", TYPES)
def test_every_matrix_is_what_the_whole_file_says(things_extracted, subject):
    table, where = frame(things_extracted, subject).set_index("voxel_id"), coordinates(things_extracted, subject)
    rows = np.load(things_extracted / files.matrix_folder(subject) / files.ROWS)
    assert rows.tolist() == list(range(150))
    for roi, own in where.groupby("roi"):
        matrix = np.load(matrix_path(things_extracted, subject, roi))
        expected = table.loc[own.sort_values("voxel_roi_index")["voxel_id"]].to_numpy().T.astype(np.float32)
        assert matrix.dtype == np.float32 and matrix.flags.c_contiguous and np.array_equal(matrix, expected), roi
    made = {int(path.stem.rpartition("_")[2])
            for path in (things_extracted / files.matrix_folder(subject)).glob("betas_glasser_roi_*.npy")}
    assert made == set(where["roi"])


@pytest.mark.parametrize("n_bytes", [1, 40_000])
def test_matrices_do_not_depend_on_the_size_of_blocks(with_indexes, things_extracted, chosen, monkeypatch, n_bytes):
    monkeypatch.setattr(ResponseFile.blocks, "__defaults__", (n_bytes,))
    extract(open_dataset("things", with_indexes), 2, chosen())
    expected = things_extracted / files.matrix_folder(2)
    assert {p.name: p.read_bytes() for p in (with_indexes / files.matrix_folder(2)).iterdir()} == {
        p.name: p.read_bytes() for p in expected.iterdir()}


@pytest.mark.parametrize("subject", TYPES)
def test_canaries_prove_rows_and_columns(things_extracted, subject):
    for roi in CANARY:
        matrix = np.load(matrix_path(things_extracted, subject, roi))
        assert matrix[:, 0].tolist() == list(range(150)) and (matrix[:, 1:] == 1000 + np.arange(1, matrix.shape[1])).all()


def test_rows_of_the_file_may_stand_in_any_order(with_indexes, things_extracted, chosen):
    """Parcels are found by voxel_id and not by the row's number."""
    rewrite(with_indexes, 1, lambda table: table.sample(frac=1, random_state=0))
    extract(open_dataset("things", with_indexes), 1, chosen())
    for roi in (1, 181, *CANARY):
        assert np.array_equal(np.load(matrix_path(with_indexes, 1, roi)), np.load(matrix_path(things_extracted, 1, roi)))


def test_nothing_is_unpickled(root, tmp_path):
    """The labels of a file are pickled objects, which could run anything: here they would."""
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = response_path(root, 1)
    with h5py.File(path, "r+") as file:
        names = [name for name, item in file["ResponseData"].items() if item.dtype.kind == "O"]
        assert "axis0" in names                                         # the labels of the columns
        for name in names:
            bomb = np.frombuffer(pickle.dumps(Bomb()), np.uint8)
            file["ResponseData"][name][0] = bomb
    with ResponseFile(path) as file:
        assert file.n_voxels == sum(len(values) for _, values in file.blocks())
    assert not (tmp_path / "exploded").exists()


def manifest(root, subject):
    return json.loads((root / files.matrix_folder(subject) / files.MANIFEST).read_text())


def test_the_manifest_counts_voxels_and_dead_ones(things_extracted):
    for subject in TYPES:
        said, where = manifest(things_extracted, subject), coordinates(things_extracted, subject)
        n_voxels = where.groupby("roi").size()
        assert {int(roi): entry["n_voxels"] for roi, entry in said["parcels"].items()} == {
            roi: int(n_voxels.get(roi, 0)) for roi in range(1, 361)}
        assert {int(roi): entry["n_dead"] for roi, entry in said["parcels"].items() if entry["n_dead"]} == {DEAD: 3}
        assert said["n_trials"] == 150 and said["zscore"] == "none" and said["hemisphere_compat"] is None
    assert said["unit"] == "GLM amplitude of run-wise z-scored data, as published"


def test_dead_voxels_are_kept_or_dropped(with_indexes, things_extracted, chosen):
    dataset = open_dataset("things", with_indexes)
    extract(dataset, 1, chosen(rois=["25"], drop_dead_voxels=True))
    kept, published = np.load(matrix_path(with_indexes, 1, DEAD)), np.load(matrix_path(things_extracted, 1, DEAD))
    assert (published[:, :3] == 0).all() and np.array_equal(kept, published[:, 3:])
    entry = manifest(with_indexes, 1)["parcels"][str(DEAD)]
    where = coordinates(with_indexes, 1)
    assert entry["dropped"] == where.loc[where["roi"] == DEAD, "voxel_id"].tolist()[:3] and entry["n_voxels"] == kept.shape[1]
    assert dataset.responses(1, DEAD).shape == kept.shape


def test_zscore_is_within_sessions(with_indexes, things_extracted, chosen):
    extract(open_dataset("things", with_indexes), 2, chosen(rois=["V1", "25", "p24"], zscore="session"))
    for roi in (1, 181, DEAD, CANARY[0]):
        raw = np.load(matrix_path(things_extracted, 2, roi)).astype(float).reshape(3, 50, -1)
        spread = raw.std(axis=1, keepdims=True)
        expected = np.where(spread > 0, (raw - raw.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1), 0)
        np.testing.assert_allclose(np.load(matrix_path(with_indexes, 2, roi)).reshape(expected.shape), expected, atol=2e-5)
    assert "z-scored per voxel and session" in manifest(with_indexes, 2)["unit"]
    with pytest.raises((ValueError, UnitsFailed), match="zscore: 'run' is unknown; use one of none, session"):
        extract(open_dataset("things", with_indexes), 2, chosen(zscore="run"))


def test_the_compat_switch_swaps_the_matrices(with_indexes, things_extracted, chosen):
    extract(open_dataset("things", with_indexes), 1, chosen(rois=["V1", "FFC"], hemisphere_compat="reference"))
    for roi in (1, 18):
        assert np.array_equal(np.load(matrix_path(with_indexes, 1, roi)), np.load(matrix_path(things_extracted, 1, roi + 180)))
        assert np.array_equal(np.load(matrix_path(with_indexes, 1, roi + 180)), np.load(matrix_path(things_extracted, 1, roi)))
    assert manifest(with_indexes, 1)["hemisphere_compat"] == "reference"
    with pytest.raises(ValueError, match="hemisphere_compat: 'swap' is unknown; leave it out, or use 'reference'"):
        extract(open_dataset("things", with_indexes), 1, chosen(hemisphere_compat="swap"))


def test_a_set_grows_and_nothing_is_done_twice(with_indexes, chosen, capsys):
    dataset = open_dataset("things", with_indexes)
    extract(dataset, 1, chosen(rois=["V1"], dry_run=True))
    assert not (with_indexes / files.matrix_folder(1)).exists()
    extract(dataset, 1, chosen(rois=["V1"]))
    extract(dataset, 1, chosen(rois=["MT"]))
    capsys.readouterr()
    extract(dataset, 1, chosen(rois=["V1"]))
    assert capsys.readouterr().out.count("done before") == 3
    assert sorted(manifest(with_indexes, 1)["parcels"]) == ["1", "181", "203", "23"]
    extract(dataset, 1, chosen(rois=["V1"], overwrite=True))
    assert sorted(manifest(with_indexes, 1)["parcels"]) == ["1", "181"] and not matrix_path(with_indexes, 1, 23).exists()
    assert not list((with_indexes / files.matrix_folder(1)).glob("*partial*"))


def test_a_read_only_dataset_is_prepared_in_the_work_folder(things_downloaded, things_extracted, tmp_path, chosen, monkeypatch):
    from convergence.datasets.things.preparation import index_units
    from convergence.tasks import run_units

    monkeypatch.setenv("CONVERGENCE_WORK", str(tmp_path / "work"))
    before = {path: path.stat().st_mtime_ns for path in things_downloaded.rglob("*")}
    dataset = open_dataset("things", things_downloaded)
    run_units(index_units(dataset, tmp_path / "derivatives"), title="indexes")
    extract(dataset, 3, chosen(rois=["V1"]))
    assert {path: path.stat().st_mtime_ns for path in things_downloaded.rglob("*")} == before
    work = tmp_path / "work/things"
    assert np.array_equal(np.load(matrix_path(work, 3, 1)), np.load(matrix_path(things_extracted, 3, 1)))
    assert dataset.responses(3, 1, [5]).shape[0] == 1 and len(dataset.captions) == 150


def set_values(row, value):
    def change(table):
        table.iloc[row, 5] = value
    return change


@pytest.mark.parametrize("change, message", [
    (set_values(700, np.nan), r"1 voxels of a block have responses that are no finite numbers, the first is voxel_id \d+; "
                              r"download"),
    (set_values(700, np.inf), "no finite numbers"),
    (lambda t: t.drop(columns=149), "has responses to 149 trials, the subject's StimulusMetadata.csv has 150; the two do not "
                                    "belong together"),
    (lambda t: t.iloc[:-3], r"have different voxels: 3 are in one only, such as voxel_id \d+; the two do not belong together"),
    (lambda t: t.assign(voxel_id=t["voxel_id"].where(t.index != 9, 8)), "1 values of voxel_id are there more than once"),
    (lambda t: t.assign(voxel_id=t["voxel_id"] + 1), "have different voxels: 2 are in one only, such as voxel_id 0"),
    (lambda t: t.drop(columns="voxel_id"), r"expected two arrays in ResponseData, responses .* and voxel_id .*; found "
                                           r"block0_values float"),
    (lambda t: t.assign(voxel_id=t["voxel_id"].astype(float)), "expected two arrays in ResponseData"),
    (lambda t: t.astype(int), "expected two arrays in ResponseData"),
])
def test_responses_that_are_wrong_are_refused_and_nothing_is_written(with_indexes, chosen, change, message):
    rewrite(with_indexes, 1, change)
    with pytest.raises(UnitsFailed, match=message):
        extract(open_dataset("things", with_indexes), 1, chosen())
    assert not (with_indexes / files.matrix_folder(1)).exists()


def test_numbers_too_large_for_float32_are_refused(with_indexes, chosen):
    rewrite(with_indexes, 2, set_values(700, 1e39))
    with pytest.raises(UnitsFailed, match="no finite numbers"):
        extract(open_dataset("things", with_indexes), 2, chosen())


@pytest.mark.parametrize("harm, message", [
    (lambda content: content[:-1], r"has [\d,]+ bytes, but says it has [\d,]+: it was cut, or something was inserted; download"),
    (lambda content: content + b"\0", ".* it was cut, or something was inserted"),
    (lambda content: content[:30], "is not an HDF5 file"),
    (lambda content: b"voxel_id,0,1\n" * 9, "is not an HDF5 file"),
    (lambda content: content[:8] + b"\7" + content[9:], "is not an HDF5 file"),
])
def test_a_file_of_another_length_is_refused(root, harm, message):
    path = response_path(root, 1)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ValueError, match=f"sub-01_ResponseData.h5 {message}"):
        check_length(path)


@pytest.mark.parametrize("version, place", [(0, 40), (1, 44), (2, 28), (3, 28)])
def test_the_length_is_found_in_every_version_of_the_format(tmp_path, version, place):
    head = bytearray(b"\x89HDF\r\n\x1a\n" + bytes([version]) + bytes(91))
    head[place:place + 8] = (100).to_bytes(8, "little")
    (tmp_path / "file.h5").write_bytes(head)
    check_length(tmp_path / "file.h5")
    head[place] = 99
    (tmp_path / "file.h5").write_bytes(head)
    with pytest.raises(ValueError, match="file.h5 has 100 bytes, but says it has 99"):
        check_length(tmp_path / "file.h5")


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_files_of_old_and_new_layouts_are_read(tmp_path, libver):
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    with h5py.File(tmp_path / "file.h5", "w", libver=libver) as file:
        file["ResponseData/block0_values"], file["ResponseData/block1_values"] = values, np.array([[7], [3], [9], [1]])
    with ResponseFile(tmp_path / "file.h5") as file:
        assert file.voxel_ids.tolist() == [7, 3, 9, 1] and np.array_equal(next(iter(file.blocks()))[1], values)


def test_compressed_chunks_are_read_whole(tmp_path):
    values = np.random.default_rng(0).standard_normal((50, 6))
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file.create_dataset("ResponseData/block0_values", data=values, chunks=(8, 6), compression="gzip")
        file["ResponseData/block1_values"] = np.arange(50)[:, None]
    with ResponseFile(tmp_path / "file.h5") as file:
        blocks = list(file.blocks(n_bytes=3 * 6 * 8))
    assert [len(part) for _, part in blocks] == [8] * 6 + [2]
    assert np.array_equal(np.concatenate([part for _, part in blocks]), values.astype(np.float32))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="sub-01_ResponseData.h5 is not there; download betas_csv"):
        check_length(tmp_path / "sub-01_ResponseData.h5")


def test_a_full_disk_is_told_before_anything_is_read(with_indexes, chosen, monkeypatch):
    from convergence.datasets.things import matrices

    monkeypatch.setattr(matrices.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**20))
    with pytest.raises(UnitsFailed, match="has 0.0 GB free, the matrices need 0.0 GB while they are made; make room, or set "
                                          "CONVERGENCE_WORK to a folder on another disk"):
        extract(open_dataset("things", with_indexes), 1, chosen())


def test_killed_while_it_writes_and_run_again_it_gives_the_same_bytes(with_indexes, things_extracted, chosen, monkeypatch):
    from convergence.datasets.things import matrices

    calls = []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 40:
            raise KeyboardInterrupt
        return turned(*arguments)
    turned = matrices._turned
    monkeypatch.setattr(matrices, "_turned", stop)
    with pytest.raises(KeyboardInterrupt):
        extract(open_dataset("things", with_indexes), 1, chosen())
    folder = with_indexes / files.matrix_folder(1)
    assert not folder.exists() and not list(folder.parent.glob(".betas_roi*"))
    monkeypatch.setattr(matrices, "_turned", turned)
    extract(open_dataset("things", with_indexes), 1, chosen())
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in (things_extracted / files.matrix_folder(1)).iterdir()}
