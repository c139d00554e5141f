"""The miniature BOLD5000, prepared once per session: copies are for tests that change something."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture
def chosen():
    """A function that makes the options of a script."""
    def make(**values):
        return options_with(**values)
    return make


def options_with(**values):
    """What a script's options are where none was given, but for these."""
    return SimpleNamespace(**{"subjects": None, "sessions": None, "rois": None, "deep": False, "jobs": 1, "scheduler": "local",
                              "overwrite": False, "dry_run": False, **values})


@pytest.fixture(scope="session")
def downloaded(miniature):
    """The folder bold5000 as one would have downloaded it. To be read, not written."""
    return miniature / "bold5000"


@pytest.fixture(scope="session")
def indexed(downloaded, tmp_path_factory):
    """The same with index tables. To be read, not written."""
    from convergence import open_dataset
    from convergence.datasets.bold5000.preparation import index_units
    from convergence.tasks import run_units

    root = Path(shutil.copytree(downloaded, tmp_path_factory.mktemp("indexed") / "bold5000"))
    run_units(index_units(open_dataset("bold5000", root), root.parent / "derivatives"), title="indexes")
    return root


@pytest.fixture(scope="session")
def extracted(indexed, tmp_path_factory):
    """The same with the matrices of all subjects (type D). To be read, not written."""
    from convergence import open_dataset
    from convergence.datasets.bold5000.preparation import extract

    root = Path(shutil.copytree(indexed, tmp_path_factory.mktemp("extracted") / "bold5000"))
    dataset = open_dataset("bold5000", root)
    for subject in dataset.subjects:
        extract(dataset, subject, options_with())
    return root


@pytest.fixture
def root(downloaded, tmp_path):
    """A copy of the download to play with."""
    return Path(shutil.copytree(downloaded, tmp_path / "bold5000"))


@pytest.fixture
def with_indexes(indexed, tmp_path):
    """A copy with index tables to play with."""
    return Path(shutil.copytree(indexed, tmp_path / "bold5000"))
