"""3_alignment/7_compare_models.py on the toy dataset, against direct computation, and its refusals."""


import numpy as np
import pandas
import pytest
import toy_brains
from scipy.spatial.distance import squareform

from convergence import compare_models, compute_rdm
from convergence.alignment import model_comparison
from convergence.alignment.rdms import store_path
from convergence.features.store import open_features
from convergence.python_files import load_python
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import conform, read_table

A = 3


def run(checkout, root, script, *options):
    module = load_python(checkout / "3_alignment" / f"{script}.py")
    features = ["--features", root / "toy" / "features"] if script[0] in "37" else []
    return module.main(["--dataset", "toy", "--root", str(root / "toy"), "--derivatives", str(root / "derivatives"), "--device",
                        "cpu",
                        *map(str, [*features, *options])])


@pytest.fixture(scope="module")
def made(checkout, tmp_path_factory):
    root = tmp_path_factory.mktemp("comparison")
    toy_brains.register()
    toy_brains.write(root / "toy", complete=False)
    assert run(checkout, root, "1_compute_rdms") == 0 and run(checkout, root, "3_subject_model") == 0
    assert run(checkout, root, "7_compare_models", "--bootstrap", 40, "--seed", 3) == 0
    return root


def image_rdms(root):
    """Image-wise RDMs of parcel A of the three subjects, over the images that all saw, pair by pair."""
    squares, shown = [], []
    for subject in toy_brains.SUBJECTS:
        with RDMStore(store_path(root / "derivatives", "toy", subject, "joined")) as store:
            squares.append(squareform(store.rdms([A])[0].astype(float)))
            shown.append(store.trials["image"].to_numpy())
    images = sorted(set(shown[0]) & set(shown[1]) & set(shown[2]))
    pairs = [(x, y) for k, x in enumerate(images) for y in images[k + 1:]]
    return images, np.array([[square[np.ix_(own == x, own == y)].mean() for x, y in pairs]
                             for square, own in zip(squares, shown)])


def test_a_parcel_from_its_definition(made):
    table = read_table(made / "derivatives" / "toy" / "model_comparisons.parquet")
    pandas.testing.assert_frame_equal(table, conform(table, "model_comparisons"))
    layers = read_table(made / "derivatives" / "toy" / "rsa_subject_model_alignment_joined.parquet")
    means = layers[layers["roi"] == A].groupby(["model", "layer"], observed=True)["similarity"].mean()
    best = means.groupby("model", observed=True).idxmax()
    images, brains = image_rdms(made)
    models = []
    for model, layer in best:
        with open_features(made / "toy" / "features" / "toy" / "all" / f"{model}.h5") as file:
            models.append(compute_rdm(file.layer(layer, images), clip=0.003))
    expected = compare_models(brains, np.array(models, float), names=[f"{model}@{layer}" for model, layer in best],
                              n_bootstrap=40, seed=3)
    found = table[table["roi"] == A].reset_index(drop=True)
    assert found["model"].tolist() == expected["model"].tolist() and found["other"].tolist() == expected["other"].tolist()
    columns = ["similarity", "difference", "standard_error", "t", "p", "ceiling_lower", "ceiling_upper"]
    np.testing.assert_allclose(found[columns], expected[columns], rtol=1e-4, atol=1e-6)
    assert set(found["name"]) == {"A"} and set(table["roi"]) == {A}           # B, none, one and flat lack RDMs


def test_layers_of_a_network(made, checkout, capsys):
    assert run(checkout, made, "7_compare_models", "--bootstrap", 30, "--layers-of", "small") == 0
    table = read_table(made / "derivatives" / "toy" / "model_comparisons_layers_small_pool-avg.parquet")
    assert table[table["test"] == "zero"]["model"].tolist() == [f"small_pool-avg@{layer}" for layer in range(3)]
    said = capsys.readouterr().out
    assert "difference: " in said and "A: small_pool-avg@" in said and "uncorrected" in said
    assert run(checkout, made, "7_compare_models", "--bootstrap", 30, "--layers-of", "small") == 0
    assert "comparison of models: 3 of 3 done before" in capsys.readouterr().out


@pytest.mark.parametrize("options, expected", [
    (["--bootstrap", 5], "--bootstrap: 5 samples give no standard error worth reporting"),
    (["--models", "small", "--layers-of", "small"], "--models and --layers-of: give one of them"),
    (["--models", "small"], "models: small_pool-avg is one candidate; a comparison needs two models, or --layers-of"),
    (["--rois", "none"], "has no similarity of"),
])
def test_refusals(made, checkout, capsys, options, expected):
    assert run(checkout, made, "7_compare_models", *options) == 1
    assert expected in capsys.readouterr().err


def test_without_the_table_of_layers(checkout, tmp_path, capsys):
    toy_brains.register()
    toy_brains.write(tmp_path / "toy")
    assert run(checkout, tmp_path, "1_compute_rdms") == 0 and run(checkout, tmp_path, "7_compare_models") == 1
    assert "3_subject_model.py writes it" in capsys.readouterr().err


def test_the_layer_of_a_network_is_that_of_the_mean_over_subjects_and_sessions():
    table = pandas.DataFrame({"roi": 7, "model": ["b", "b", "b", "b", "a", "a"], "layer": [0, 1, 0, 1, 4, 5],
                              "similarity": [0.9, 0.4, -0.5, 0.2, np.nan, 0.1]})
    assert model_comparison.candidates(table, [7, 8], ["a", "b"]) == {7: [("a", 5), ("b", 1)]}
    assert model_comparison.candidates(table, [7], ["b"], layers=True) == {7: [("b", 0), ("b", 1)]}


def test_layers_are_remembered_of_the_same_files_only(tmp_path, monkeypatch):
    """A worker may outlive a run: features of another folder, or written anew, are read anew."""
    from convergence.alignment.sources import Latest

    made, latest = [], Latest()
    monkeypatch.setattr(model_comparison, "common_images", lambda stores: np.arange(5))
    monkeypatch.setattr(model_comparison, "_brain_rdm", lambda *_: None)
    monkeypatch.setattr(model_comparison, "_model_rdms", lambda files, *_: made.append(files))
    for name, text in (("a", "1"), ("a", "1"), ("b", "1"), ("b", "22")):
        path = tmp_path / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        model_comparison.parcel_comparison(roi=3, subjects=[2], candidates=[["net", 0]], n_bootstrap=20, seed=0, clip=0.003,
                                           reference=False, stores={2: None}, files={"net": path}, dataset="toy",
                                           wanted=[("net", 0)], latest=latest)
    assert len(made) == 3
    table = pandas.DataFrame({"roi": [3]})
    assert model_comparison.not_compared(table, {3: "A", 8: "B"}) == ["not compared, a subject or all networks lack them: B"]
    assert model_comparison.not_compared(table, {3: "A"}) == []
