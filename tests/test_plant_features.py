"""Planted feature files: written once, with the store's attributes, and their known peak layers are found in simulations."""

import importlib
import runpy

import numpy as np
import pytest

from convergence import compute_rdm, rsa
from convergence.datasets.miniature.planted_features import LANGUAGE, PLACES, VISION, peak_layers
from convergence.datasets.miniature.responses import draw_drift, simulate, stream
from convergence.features.store import list_features, open_features

SEED, N_SUBJECTS, N_SHOWN, N_VOXELS = 0, 4, 80, 24
N_IMAGES = {"nsd": 280, "things": 150, "bold5000": 84}


@pytest.fixture(scope="module", params=["nsd", *(pytest.param(name, marks=pytest.mark.slow) for name in ("things", "bold5000"))])
def dataset(request):
    """Name of a miniature dataset."""
    return request.param


@pytest.fixture(scope="module")
def planted(miniature, checkout, dataset, tmp_path_factory):
    """(features, derivatives) after the command, for a miniature dataset after its indexes were built."""
    folder, root = tmp_path_factory.mktemp("planted"), miniature / dataset
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVERGENCE_WORK", str(folder / "work"))
        index = runpy.run_path(str(checkout / "1_dataset_preparation" / "2_build_indexes.py"))["main"]
        assert index(["--dataset", dataset, "--root", str(root), "--derivatives", str(folder / "derivatives")]) == 0
        yield plant_twice(dataset, root, folder)


def plant_twice(dataset, root, folder):
    main = importlib.import_module("convergence.plant_features").main
    arguments = ["--dataset", dataset, "--root", str(root), "--features", str(folder / "features"),
                 "--derivatives", str(folder / "derivatives")]
    assert main(arguments) == 0
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    return folder / "features", folder / "derivatives"


@pytest.fixture(scope="module")
def brains(dataset):
    """{latent: (n_subjects, n_pairs)} RDMs of simulated parcels that follow it, snr 3; three repetitions averaged."""
    latents = importlib.import_module(f"convergence.datasets.miniature.{dataset}_plan").draw_plan(SEED).latents
    drift = draw_drift(3 * N_SHOWN // 5, 5, stream(SEED, "drift"))
    shown = np.tile(np.arange(N_SHOWN), 3)
    rdms = {}
    for latent in PLACES:
        responses = [simulate(drift, N_VOXELS, stream(SEED, "planted test", latent, subject), signal=latents[latent][shown],
                              snr=3.0)
                     for subject in range(N_SUBJECTS)]
        rdms[latent] = compute_rdm(np.stack(responses).reshape(N_SUBJECTS, 3, N_SHOWN, N_VOXELS).mean(1))
    return rdms


def curves(path, brains):
    """{latent: (n_layers,)}: mean r over subjects."""
    with open_features(path) as file:
        layers = np.stack([compute_rdm(file.layer(index, np.arange(N_SHOWN))) for index in range(file.n_layers)])
    return {latent: rsa(rdms, layers).mean(0) for latent, rdms in brains.items()}


def test_files_say_what_they_are(planted, dataset):
    names = [path.stem for path in list_features(planted[0], dataset)]
    assert names == sorted([*VISION, *LANGUAGE]) + ["planted_pixels_4x64-untrained-seed0"]
    for name, (n_layers, n_units) in {**VISION, **LANGUAGE}.items():
        with open_features(planted[0] / dataset / "all" / f"{name}.h5", dataset) as file:
            assert file.dims() == [n_units] * n_layers and len(file.ids) == N_IMAGES[dataset]
            assert file.attributes["modality"] == ("vision" if name in VISION else "language")
            assert not file.attributes["untrained"]
    assert len((planted[1] / "metadata" / "models-info.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize("name", VISION)
def test_known_peak_layers_are_found(planted, dataset, brains, name):
    expected = peak_layers(name)
    found = {latent: int(curve.argmax()) for latent, curve in curves(planted[0] / dataset / "all" / f"{name}.h5", brains).items()}
    print(f"\n{dataset}, {name}: planted {expected}, found {found}")
    assert expected["low"] < expected["scene"] < expected["social"]
    for latent, layer in expected.items():                                  # `scene` lies between two layers of equal share
        assert abs(found[latent] - layer) <= max(1, 0.1 * (VISION[name][0] - 1)), latent
    assert found["low"] < found["scene"] < found["social"]


@pytest.mark.parametrize("name", LANGUAGE)
def test_language_carries_social_alone(planted, dataset, brains, name):
    found = curves(planted[0] / dataset / "all" / f"{name}.h5", brains)
    assert found["social"][1:].min() > 0.3 and abs(found["social"][0]) < 0.1
    assert max(np.abs(found["low"]).max(), np.abs(found["scene"]).max()) < 0.1
