"""ROI matrices: exactly what masking whole sessions gives, NaN counted and 0, whatever happens on the way."""

import json
import shutil
import signal
import subprocess
import sys
import textwrap

import nibabel
import numpy as np
import pytest

from convergence import open_dataset
from convergence.datasets.bold5000 import betas, files, volumes
from convergence.datasets.bold5000.preparation import extract
from convergence.datasets.miniature.bold5000 import write_bare
from convergence.tasks import UnitsFailed

N_SESSIONS = {1: 3, 2: 3, 3: 3, 4: 2}
FEW = ["V1", "25", "3b"]            # labels 1, 164 (and number 25), 9, and those of the right hemisphere


def path_of(root, subject, session, beta_type="D"):
    return files.beta_file(root, subject, beta_type, session)


def naive(root, subject, label, sessions, beta_type="D"):
    """What a parcel's matrix must be: every session loaded whole and masked."""
    mask = np.asarray(nibabel.load(root / f"preprocessed/atlas/subj-{subject:02d}_HCP_atlas_func_360.nii.gz").dataobj) == label
    values = np.concatenate([np.asarray(nibabel.load(path_of(root, subject, session, beta_type)).dataobj)[mask].T
                             for session in sessions])
    return np.where(np.isfinite(values), values, 0)


def matrix(root, subject, label, beta_type="D"):
    return np.load(root / f"preprocessed/betas/sub-{subject}/sub-{subject}_hcpmmp_roi{label}_{beta_type}.npy")


def manifest(root, subject, beta_type="D"):
    return json.loads((root / f"preprocessed/betas/sub-{subject}/manifest.json").read_text())["types"][beta_type]


def contents(root):
    """{path: bytes} below root; of sidecars all but their times."""
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    return {path: {k: v for k, v in json.loads(content).items() if k != "times"} if b'"times"' in content else content
            for path, content in found.items()}


def run(root, chosen, subject=4, **options):
    extract(open_dataset("bold5000", root), subject, chosen(**options))


def sessions_read(monkeypatch):
    seen = []
    monkeypatch.setattr(betas, "stream", lambda header: seen.append(header.path.name) or volumes.stream(header))
    return seen


@pytest.mark.parametrize("subject", [1, 2, 3, 4])
def test_every_matrix_equals_masking_whole_sessions(extracted, subject):
    empty = []
    for label in [*range(1, 361, 7), 110, 290, 345, 162, 344, 164, 189]:
        found, expected = matrix(extracted, subject, label), naive(extracted, subject, label, range(1, N_SESSIONS[subject] + 1))
        assert found.dtype == np.float32 and found.shape == expected.shape and np.array_equal(found, expected), label
        empty += [label] if found.shape[1] == 0 else []
    assert empty == {1: [], 2: [345], 3: [110, 290], 4: []}[subject]
    assert len(list((extracted / f"preprocessed/betas/sub-{subject}").glob("*_D.npy"))) == 361


def test_nan_and_infinity_are_counted_where_they_were(extracted):
    for subject, n_trials in ((1, (36, 24, 36)), (4, (36, 24))):
        found = manifest(extracted, subject)
        assert [found["sessions"][str(k)]["n_nan"] for k in range(1, len(n_trials) + 1)] == [{"164": 3 * n} for n in n_trials]
        assert betas.counts(found) == (3 * sum(n_trials), 0, 1)
        assert found["parcels"]["164"]["n_dead"] == 3 and sum(parcel["n_dead"] for parcel in found["parcels"].values()) == 3
    found = manifest(extracted, 2)
    assert [found["sessions"][str(k)]["n_infinite"] for k in (1, 2, 3)] == [{"189": 1}, {"189": 1}, {}]
    assert betas.counts(found) == (288, 2, 2)
    assert matrix(extracted, 2, 189)[[5, 40], 0].tolist() == [0, 0] and np.all(matrix(extracted, 2, 189)[[4, 6, 39, 41], 0])


def test_the_counts_are_told(with_indexes, chosen, capsys):
    run(with_indexes, chosen, 2, rois=FEW)
    assert "subject 2, type D: 288 NaN and 2 infinite values in 2 parcels were set to 0" in capsys.readouterr().out
    run(with_indexes, chosen, 3)
    assert "subject 3: 2 of 360 parcels have no voxel (110, 290); their matrices are empty" in capsys.readouterr().out


def test_canaries_prove_rows_and_columns(extracted):
    for subject in N_SESSIONS:
        for label in (180, 360):
            canary = matrix(extracted, subject, label)
            assert canary[:, 0].tolist() == list(range(len(canary)))
            assert np.all(canary[:, 1:] == 1000 + np.arange(1, canary.shape[1]))
        assert np.load(extracted / f"preprocessed/betas/sub-{subject}/rows_D.npy").tolist() == list(range(len(canary)))


def test_nothing_temporary_stays_and_nothing_is_done_twice(extracted, chosen, monkeypatch):
    before, seen = contents(extracted), sessions_read(monkeypatch)
    names = sorted(path.name for path in (extracted / "preprocessed/betas").iterdir())
    assert names == [f"sub-{subject}{end}" for subject in (1, 2, 3, 4) for end in ("", ".json")]
    run(extracted, chosen, 1)
    assert not seen and contents(extracted) == before


@pytest.mark.parametrize("beta_type", ["A", "B"])
def test_other_types_are_added_under_either_spelling_and_stay(with_indexes, chosen, beta_type, monkeypatch):
    run(with_indexes, chosen, 1, rois=FEW)
    run(with_indexes, chosen, 1, rois=FEW, type=beta_type)
    for kind, sessions in ((beta_type, [1]), ("D", [1, 2, 3])):
        for label in (1, 164, 189):
            assert np.array_equal(matrix(with_indexes, 1, label, kind), naive(with_indexes, 1, label, sessions, kind))
    assert not np.array_equal(matrix(with_indexes, 1, 1, beta_type), matrix(with_indexes, 1, 1)[:36])
    before, seen = contents(with_indexes), sessions_read(monkeypatch)
    for kind in ("D", beta_type):
        run(with_indexes, chosen, 1, rois=FEW, type=kind)
    assert not seen and contents(with_indexes) == before


def test_a_missing_session_shifts_nothing_and_can_be_added(with_indexes, extracted, tmp_path, chosen, monkeypatch, capsys):
    late = path_of(with_indexes, 1, 2)
    late.rename(tmp_path / "late.nii.gz")
    run(with_indexes, chosen, 1)
    assert "subject 1: sessions [2] have no betas of type D; the matrices have no rows for them" in capsys.readouterr().out
    assert np.load(with_indexes / "preprocessed/betas/sub-1/rows_D.npy").tolist() == [*range(36), *range(60, 96)]
    dataset = open_dataset("bold5000", with_indexes)
    assert dataset.responses(1, 180, [60, 2])[:, 0].tolist() == [60, 2]
    with pytest.raises(ValueError, match=r"rows: 2 of 3 rows of subject 1 have no data, such as \[36, 59\]; use rows where "
                       r"trials.exists is true"):
        dataset.responses(1, 180, [60, 36, 59])
    own = dataset.trials[dataset.trials["subject"] == 1]
    assert own.loc[~own["exists"], "subject_index"].tolist() == list(range(36, 60))
    (tmp_path / "late.nii.gz").rename(late)
    path_of(with_indexes, 1, 1).unlink()                            # deleted after its extraction: the set keeps it
    seen = sessions_read(monkeypatch)
    run(with_indexes, chosen, 1)
    assert seen == [late.name]
    assert contents(with_indexes / "preprocessed/betas/sub-1") == contents(extracted / "preprocessed/betas/sub-1")


def test_another_atlas_is_another_set(with_indexes, chosen, monkeypatch):
    run(with_indexes, chosen, 4, rois=FEW)
    path = with_indexes / "preprocessed/atlas/subj-04_HCP_atlas_func_360.nii.gz"
    image = nibabel.load(path)
    values = np.asarray(image.dataobj).copy()
    values[tuple(np.argwhere(values == 1)[0])] = 0
    nibabel.save(nibabel.Nifti1Image(values, image.affine), path)
    seen = sessions_read(monkeypatch)
    run(with_indexes, chosen, 4, rois=FEW)
    assert len(seen) == 2 and np.array_equal(matrix(with_indexes, 4, 1), naive(with_indexes, 4, 1, (1, 2)))


def test_zscore_is_within_sessions_and_stands_in_the_manifest(with_indexes, chosen):
    run(with_indexes, chosen, 4, rois=FEW, zscore="session")
    expected = naive(with_indexes, 4, 1, (1, 2)).astype(float)
    for session in (slice(0, 36), slice(36, 60)):
        expected[session] = (expected[session] - expected[session].mean(0)) / expected[session].std(0)
    np.testing.assert_allclose(matrix(with_indexes, 4, 1), expected, atol=1e-5)
    assert not matrix(with_indexes, 4, 164)[:, :3].any() and manifest(with_indexes, 4)["zscore"] == "session"
    run(with_indexes, chosen, 4, rois=FEW)
    assert np.array_equal(matrix(with_indexes, 4, 1), naive(with_indexes, 4, 1, (1, 2)))
    with pytest.raises(ValueError, match="zscore: 'run' is unknown; choose from none, session"):
        run(with_indexes, chosen, 4, zscore="run")


def test_a_mirrored_atlas_gives_no_matrices(with_indexes, chosen):
    atlas = with_indexes / "preprocessed/atlas/subj-01_HCP_atlas_func_360.nii.gz"
    (atlas.parent / "mirrored" / atlas.name).rename(atlas)
    with pytest.raises(ValueError, match="is mirrored: the middle of the left labels"):
        run(with_indexes, chosen, 1)
    assert not (with_indexes / "preprocessed/betas").exists()


@pytest.mark.parametrize("change, message", [
    (lambda v: np.concatenate([v, v[..., :1]], axis=3), "has 25 volumes; expected 24, one for each trial of the session; "
     "download it again"),
    (lambda v: v[:, :, 1:], "has volumes of 15 x 20 x 15 voxels; expected 15 x 20 x 16 as in the subject's brain mask"),
    (lambda v: np.nan_to_num(v).astype(np.int16), r"holds values of type int16; expected float32 \(percent signal change\)")])
def test_wrong_betas_are_refused_and_nothing_is_written(with_indexes, chosen, change, message):
    path = path_of(with_indexes, 4, 2)
    write_bare(change(np.asarray(nibabel.load(path).dataobj)), path)
    with pytest.raises(UnitsFailed, match=f"session 2: .*{path.name} {message}"):
        run(with_indexes, chosen, 4, rois=FEW)
    assert not (with_indexes / "preprocessed/betas/sub-4").exists()


def test_a_truncated_session_is_refused_and_the_others_are_not_read_again(with_indexes, chosen, monkeypatch):
    path = path_of(with_indexes, 4, 2)
    content = path.read_bytes()
    path.write_bytes(content[:-500])
    with pytest.raises(UnitsFailed, match=r"ses-02.nii.gz is truncated or damaged: its header says 24 volumes, it can be read up "
                       r"to volume 23"):
        run(with_indexes, chosen, 4, rois=FEW)
    path.write_bytes(content)
    seen = sessions_read(monkeypatch)
    run(with_indexes, chosen, 4, rois=FEW)
    assert seen == [path.name]


def test_sessions_that_cannot_be_are_named(with_indexes, chosen):
    with pytest.raises(ValueError, match=r"sessions \[3\] of subject 4 are not among those planned, 1 to 2 "
                       r"\(.*stimulus_index.csv\)"):
        run(with_indexes, chosen, 4, sessions=[3])
    with pytest.raises(ValueError, match=r"sessions \[2\] of subject 1 have no betas of type A, such as "
                       r".*CSI1_GLMbetas-TYPEA-ASSUMEHRF_ses-02.nii.gz; download them"):
        run(with_indexes, chosen, 1, sessions=[2], type="A")


def test_a_read_only_dataset_is_prepared_in_the_work_folder(downloaded, indexed, tmp_path, chosen, monkeypatch):
    before = contents(downloaded)
    shutil.copytree(indexed / "preprocessed", tmp_path / "work/bold5000/preprocessed")
    monkeypatch.setenv("CONVERGENCE_WORK", str(tmp_path / "work"))
    run(downloaded, chosen, 4, rois=FEW)
    assert contents(downloaded) == before
    part, whole = (open_dataset(name, downloaded).responses(4, 1, [0]) for name in ("bold5000-coco", "bold5000"))
    assert np.array_equal(part, whole)


KILLER = """
    import os, signal, sys
    from types import SimpleNamespace
    from convergence import open_dataset
    from convergence.datasets.bold5000.preparation import extract
    module, name, at = {module}, {name!r}, {at}
    original, calls = getattr(module, name), [0]
    def function(*arguments, **options):
        calls[0] += 1
        if calls[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)
    setattr(module, name, function)
    chosen = SimpleNamespace(sessions=None, rois=["V1", "V2"], scheduler="local", jobs=1, overwrite=False, dry_run=False)
    extract(open_dataset("bold5000", {root!r}), 4, chosen)
"""
POINTS = [*(("os", "replace", at) for at in range(1, 7)), *(("__import__('numpy')", "save", at) for at in (1, 4)),
          ("os", "fsync", 5)]


@pytest.mark.parametrize("module, name, at", [POINTS[0], POINTS[4], POINTS[6],
                                              *(pytest.param(*point, marks=pytest.mark.slow) for point in POINTS)])
def test_killed_at_any_moment_and_run_again_it_gives_the_same_bytes(with_indexes, chosen, tmp_path, module, name, at):
    other = shutil.copytree(with_indexes, tmp_path / "other/bold5000")
    run(other, chosen, 4, rois=["V1", "V2"])
    script = textwrap.dedent(KILLER.format(module=module, name=name, at=at, root=str(with_indexes)))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list((with_indexes / "preprocessed/betas").glob("sub-4/*"))) in (0, 6)
    run(with_indexes, chosen, 4, rois=["V1", "V2"])
    assert contents(with_indexes) == contents(other)
