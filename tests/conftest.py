"""What several tests share: the miniature dataset, and the demo's outputs, each made once per test session."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path
from types import SimpleNamespace

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def checkout():
    return CHECKOUT


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    """Folder with the miniature datasets of seed 0: <folder>/nsd, bold5000, things. To be read, not written."""
    from convergence.datasets.miniature.command import main
    folder = tmp_path_factory.mktemp("miniature")
    assert main(["--out", str(folder), "--seed", "0"]) == 0
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The steps of demo.yml, run in a temporary folder: an object with .folder, .root, .features, .derivatives, .figures."""
    from convergence.pipeline import main
    folder = tmp_path_factory.mktemp("demo")
    (folder / "demo.yml").write_text((CHECKOUT / "demo.yml").read_text())
    assert main([str(folder / "demo.yml")]) == 0
    demo = folder / "demo"
    return SimpleNamespace(folder=folder, root=demo / "datasets" / "nsd", features=demo / "features", derivatives=demo / "derivatives",
                           figures=demo / "figures")


@pytest.fixture(scope="session")
def prepared(demo):
    """The miniature NSD after stages 1 and 2: .root, .features, .derivatives. To be read, not written."""
    return demo


@pytest.fixture(scope="session")
def images92_root():
    root = os.environ.get("IMAGES92_DATASET")
    if not root:
        pytest.skip("IMAGES92_DATASET is not set: the 92 pictures and RDM files are not here")
    return Path(root)
