"""The miniature THINGS-fMRI, prepared once per session: copies are for tests that change something."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

TABLES = "betas_csv/betas_csv"


def options_with(**values):
    """What a script's options are where none was given, but for these."""
    return SimpleNamespace(**{"subjects": None, "sessions": None, "rois": None, "deep": False, "jobs": 1, "scheduler": "local",
                              "overwrite": False, "dry_run": False, **values})


@pytest.fixture
def chosen():
    """A function that makes the options of a script."""
    return options_with


@pytest.fixture(scope="session")
def things_downloaded(miniature):
    """The folder things as one would have downloaded it. To be read, not written."""
    return miniature / "things"


@pytest.fixture(scope="session")
def things_indexed(things_downloaded, tmp_path_factory):
    """The same with index tables. To be read, not written."""
    from convergence import open_dataset
    from convergence.datasets.things.preparation import index_units
    from convergence.tasks import run_units

    root = copy(things_downloaded, tmp_path_factory.mktemp("indexed") / "things")
    run_units(index_units(open_dataset("things", root), root.parent / "derivatives"), title="indexes")
    return root


@pytest.fixture(scope="session")
def things_extracted(things_indexed, tmp_path_factory):
    """The same with the matrices of all subjects. To be read, not written."""
    from convergence import open_dataset
    from convergence.datasets.things.preparation import extract

    root = copy(things_indexed, tmp_path_factory.mktemp("extracted") / "things")
    dataset = open_dataset("things", root)
    for subject in dataset.subjects:
        extract(dataset, subject, options_with())
    return root


@pytest.fixture
def root(things_downloaded, tmp_path):
    """A copy of the download to play with."""
    return copy(things_downloaded, tmp_path / "things")


@pytest.fixture
def with_indexes(things_indexed, tmp_path):
    """A copy with index tables to play with."""
    return copy(things_indexed, tmp_path / "things")


@pytest.fixture
def with_matrices(things_extracted, tmp_path):
    """A copy with index tables and matrices to play with."""
    return copy(things_extracted, tmp_path / "things")


@pytest.fixture
def edit():
    """edit(root, kind, function, subject=1): read a subject's CSV table as text, change it, write it."""
    def change(root, kind, function, subject=1):
        path = root / f"{TABLES}/sub-{subject:02d}_{kind}"
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        changed = function(table)
        (table if changed is None else changed).to_csv(path, index=False)
        return path
    return change


def copy(source, target):
    """A copy of a folder, as a Path."""
    return Path(shutil.copytree(source, target))
