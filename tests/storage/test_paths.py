"""Argument, then environment, then a clear error; the environment is read at the time of the call."""

import pytest

from convergence.storage import paths


def test_argument_beats_environment(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    monkeypatch.setenv("NSD_DATASET", str(tmp_path / "a"))
    assert paths.dataset_root("nsd") == tmp_path / "a"
    assert paths.dataset_root("nsd", tmp_path / "b") == tmp_path / "b"


def test_nobody_said_where(monkeypatch):
    monkeypatch.delenv("NSD_DATASET", raising=False)
    with pytest.raises(ValueError, match="--root .* environment variable NSD_DATASET"):
        paths.dataset_root("nsd")


def test_the_folder_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; check --root or NSD_DATASET"):
        paths.dataset_root("nsd", tmp_path / "nowhere")


def test_derivatives_and_features(monkeypatch, tmp_path):
    monkeypatch.delenv("CONVERGENCE_DERIVATIVES", raising=False)
    assert paths.derivatives_folder().name == "derivatives"
    monkeypatch.setenv("CONVERGENCE_DERIVATIVES", str(tmp_path))
    assert paths.derivatives_folder() == tmp_path and paths.derivatives_folder("x").name == "x"


def test_work_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("CONVERGENCE_WORK", raising=False)
    assert paths.work_folder("nsd", tmp_path) == tmp_path
    monkeypatch.setenv("CONVERGENCE_WORK", str(tmp_path / "work"))
    assert paths.work_folder("nsd", tmp_path) == tmp_path / "work" / "nsd"
