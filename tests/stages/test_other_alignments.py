"""4_other_alignments/1, 2 and 6 on a toy dataset: tables, a metric of one's own, skipping, adding a network, and bad input."""

import importlib.util
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pandas
import pytest
import toy_brains

from convergence.analysis.metrics import METRICS, measure
from convergence.compute.quantiles import tail_limits
from convergence.features.store import list_features, open_features
from convergence.python_files import load_python
from convergence.storage.tables import conform, read_table

METRIC, NETWORKS, UNTRAINED = "1_other_metrics.py", "2_model_model.py", "6_untrained_models.py"
PLUGIN = """from convergence import register_metric
@register_metric
def mine(x, y): return 1 / (1 + abs(float(x.std()) - float(y.std())))
"""


@pytest.fixture(autouse=True)
def registered():
    before = dict(METRICS)
    toy_brains.register()
    yield
    METRICS.clear()
    METRICS.update(before)


@pytest.fixture
def call(checkout, tmp_path):
    """call(script, *options): its exit status, on the toy dataset in tmp_path."""
    toy_brains.write(tmp_path / "toy", complete=False)

    def run(script, *options):
        module = load_python(checkout / "4_other_alignments" / script)
        return module.main(arguments(tmp_path, *options))
    return run


def arguments(tmp_path, *options):
    return [
        "--dataset",
        "toy",
        "--root",
        str(tmp_path / "toy"),
        "--derivatives",
        str(tmp_path / "derivatives"),
        "--device",
        "cpu",
        "--features",
        str(tmp_path / "toy" / "features"),
        *map(str, options),
    ]


def table_of(tmp_path, name):
    return read_table(tmp_path / "derivatives" / "toy" / f"{name}.parquet")


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_tables_have_their_published_names_and_columns(call, tmp_path, capsys):
    assert call(METRIC, "--metric", "unbiased_cka", "mutual_knn", "--topk", 3, "--permutations", 3) == 0
    assert call(METRIC, "--compare", "models", "--permutations", 2, "--models", "small", "--hemispheres", "separated") == 0
    written = {path.stem for path in (tmp_path / "derivatives" / "toy").glob("*.parquet")}
    assert written == {
        "cka_subject_subject_alignment_shift_1_joined",
        "mutual_knn_subject_subject_alignment_shift_1_joined_topk-3",
        "cka_subject_model_alignment_separated",
    }
    pairs = table_of(tmp_path, "cka_subject_subject_alignment_shift_1_joined")
    pandas.testing.assert_frame_equal(pairs, conform(pairs, "other_metric_subject_subject"))
    assert len(pairs) == 9 * 25 and {
        "score",
        "metric",
        "subject_i",
        "subject_j",
        "roi_x",
        "roi_y",
        "shift",
        "join_hemispheres",
        "calibrated",
    } <= set(pairs)
    itself = pairs[(pairs["subject_i"] == pairs["subject_j"]) & (pairs["roi_x"] == pairs["roi_y"]) & (pairs["roi_x"] == 3)]
    assert (itself["score"] > 0.2).all() and (itself["calibrated"] < itself["score"]).all()
    models = table_of(tmp_path, "cka_subject_model_alignment_separated")
    assert (
        set(models["model_name"]) == {"small_pool-avg"}
        and set(models["layer"]) == {0, 1, 2}
        and not models["join_hemispheres"].any()
    )
    assert models.dropna(subset="score").groupby(["subject", "session", "roi"])["best_pvalue"].nunique().eq(1).all()
    out = capsys.readouterr().out
    assert "cka_subject_model_alignment_separated.parquet: not computed, no voxels: parcel 8, parcel 11" in out


def test_a_metric_of_ones_own_in_three_lines(call, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    assert (
        call(METRIC, "--metric", "mine", "--plugin", plugin, "--permutations", 2, "--form", "diagonal", "--subjects", 2, 9) == 0
    )
    table = table_of(tmp_path, "mine_subject_subject_alignment_shift_1_joined_diagonal")
    assert set(table["metric"]) == {"mine"} and table.loc[table["reason"] == "", "score"].between(0, 1, inclusive="right").all()
    np.testing.assert_allclose(table["score"], table["null_mean"], atol=1e-4)             # a relabelling does not change it
    before = times(tmp_path / "derivatives")
    assert (
        call(METRIC, "--metric", "mine", "--plugin", plugin, "--permutations", 2, "--form", "diagonal", "--subjects", 2, 9) == 0
    )
    assert times(tmp_path / "derivatives") == before
    plugin.write_text(PLUGIN.replace("1 / (1", "1 / (2"))                                 # another metric now
    assert (
        call(METRIC, "--metric", "mine", "--plugin", plugin, "--permutations", 2, "--form", "diagonal", "--subjects", 2, 9) == 0
    )
    assert not table_of(tmp_path, "mine_subject_subject_alignment_shift_1_joined_diagonal")["score"].equals(table["score"])


def test_workers_load_the_plugin(call, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    assert (
        call(
            METRIC,
            "--metric",
            "mine",
            "--plugin",
            tmp_path / "mine.py",
            "--permutations",
            0,
            "--scheduler",
            "threads",
            "--jobs",
            2,
            "--rois",
            "A",
            "--subjects",
            2,
            9,
        )
        == 0
    )
    table = table_of(tmp_path, "mine_subject_subject_alignment_shift_1_joined")
    assert len(table) == 4 and "calibrated" not in table


def test_untrained_networks_and_one_that_is_added_later(call, tmp_path):
    folder, latents = tmp_path / "toy" / "features", np.random.default_rng(0).random((130, 5))
    toy_brains.write_networks(folder, range(130), latents, untrained=True, seed=3)
    assert call(UNTRAINED, "--subjects", 2, 9) == 0
    table = table_of(tmp_path, "cka_untrained_models_similarity")
    pandas.testing.assert_frame_equal(table, conform(table, "untrained_models_similarity"))
    assert {"layer", "metric", "score", "n_stim", "roi", "subject", "session", "model", "modality"} <= set(
        table
    ) and "calibrated" not in table
    assert sorted(table["model"].unique()) == ["small_pool-avg-untrained-seed3", "wide_pool-cls-untrained-seed3"]
    parts = tmp_path / "derivatives" / "toy" / "parts" / "cka_untrained_models_similarity"
    old = times(parts / "subject-02_session-01")
    toy_brains.write_networks(folder, range(130), latents, untrained=True, seed=4)
    for path in (folder / "toy" / "all-untrained").glob("*seed3.h5"):
        path.touch()
    assert call(UNTRAINED, "--subjects", 2, 9) == 0
    assert (
        times(parts / "subject-02_session-01").items() >= old.items()
        and table_of(tmp_path, "cka_untrained_models_similarity")["model"].nunique() == 4
    )
    assert call(UNTRAINED, "--trained", "--subjects", 2) == 0
    assert set(table_of(tmp_path, "cka_subject_model_alignment_joined")["model_name"]) == {"small_pool-avg", "wide_pool-cls"}


def of_language(folder):
    """Make the wide network one of language."""
    with h5py.File(folder / "toy" / "all" / "wide_pool-cls.h5", "r+") as file:
        file.attrs["modality"] = "language"


def layers(folder, stem, images):
    path = folder / "toy" / "all" / f"{stem}.h5"
    with open_features(path) as file:
        found = [file.layer(k, images) for k in range(file.n_layers)]
    found = [layer.clip(*tail_limits(layer, 0.003)) for layer in found]
    found = [layer / np.linalg.norm(layer, axis=1, keepdims=True) for layer in found]
    return [*found, np.concatenate(found, axis=1)]


def test_networks_with_networks(call, tmp_path):
    folder = tmp_path / "toy" / "features"
    of_language(folder)
    assert call(NETWORKS, "--batch", 39) == 0
    table = table_of(tmp_path, "alignment_model_model_toy")
    pandas.testing.assert_frame_equal(table, conform(table, "alignment_model_model"))
    with open_features(list_features(folder, "toy")[0]) as file:
        images = np.sort(file.ids)
    assert len(images) == 121 and table.groupby("batch")["n_images"].first().to_dict() == {0: 39, 1: 39, 2: 43}
    assert set(table["model_language"]) == {"wide_pool-cls"} and set(table["model_vision"]) == {"small_pool-avg"}
    last = 2
    x, y = (layers(folder, stem, images[78:]) for stem in ("wide_pool-cls", "small_pool-avg"))
    for metric in ("rsa", "unbiased_cka", "mutual_knn"):
        of_it = table[(table["metric"] == metric) & (table["batch"] == last)].set_index(["layer_language", "layer_vision"])[
            "score"
        ]
        assert len(of_it) == 3 * 4
        for (i, j), score in of_it.items():
            assert score == pytest.approx(measure(metric, x[i], y[j]), abs=1e-5)
    assert call(NETWORKS, "--batch", 50) == 0
    assert table_of(tmp_path, "alignment_model_model_toy").groupby("batch")["n_images"].first().tolist() == [50, 50, 21]
    assert call(NETWORKS, "--batch", 39) == 0
    before = times(tmp_path / "derivatives")
    assert call(NETWORKS, "--batch", 39) == 0 and times(tmp_path / "derivatives") == before
    assert call(NETWORKS, "--batch", 39, "--reference", "--metric", "unbiased_cka") == 0
    assert not table_of(tmp_path, "alignment_model_model_toy")["score"].equals(table["score"])


def test_any_networks_with_any(call, tmp_path):
    assert call(NETWORKS, "--first", "vision", "--second", "vision", "--metric", "unbiased_cka", "--batch", 500) == 0
    table = table_of(tmp_path, "alignment_model_model_toy_vision-vision")
    assert table.groupby(["model_x", "model_y"], observed=True).size().to_dict() == {
        ("small_pool-avg", "small_pool-avg"): 16, ("small_pool-avg", "wide_pool-cls"): 12, ("wide_pool-cls", "wide_pool-cls"): 9}
    itself = table[(table["model_x"].astype(str) == table["model_y"].astype(str)) & (table["layer_x"] == table["layer_y"])]
    np.testing.assert_allclose(itself["score"], 1, atol=1e-5)
    assert call(NETWORKS, "--first", "wide", "--second", "small", "--metric", "rsa") == 0
    assert table_of(tmp_path, "alignment_model_model_toy_chosen-chosen")["model_x"].unique().tolist() == ["wide_pool-cls"]


def test_bad_input_is_one_clear_message(call, tmp_path, capsys):
    def message(*given):
        assert call(*given) == 1
        return capsys.readouterr().err
    assert "metric='unbiased_ckaa' is unknown; did you mean 'unbiased_cka'?" in message(METRIC, "--metric", "unbiased_ckaa")
    assert "--topk: none of the metrics rsa cka has it; leave it out".replace("rsa cka", "rsa, cka") in message(
        METRIC, "--metric", "rsa", "cka", "--topk", 3
    )
    assert "--permutations: -1; expected 0 (raw scores only) or more" in message(METRIC, "--permutations", -1)
    assert "--plugin: nowhere.py is not there; expected a Python file" in message(METRIC, "--plugin", "nowhere.py")
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert "empty.py registers no metric; put @register_metric" in message(METRIC, "--plugin", tmp_path / "empty.py")
    assert "subjects: 3 not in dataset 'toy'" in message(METRIC, "--subjects", 3)
    assert "topk=60, but each of" in message(METRIC, "--metric", "mutual_knn", "--topk", 60)
    assert "no feature files in" in message(UNTRAINED)
    assert "no feature file of 'toy' in" in message(NETWORKS) and "language" in message(NETWORKS)
    assert "--batch: 3; expected at least 4 images" in message(NETWORKS, "--batch", 3)
    assert "metric='cca2' is unknown" in message(NETWORKS, "--metric", "cca2")
    path = tmp_path / "toy" / "features" / "toy" / "all" / "small_pool-avg.h5"
    shutil.copy(path, path.with_name("other_pool-avg.h5"))
    with h5py.File(path.with_name("other_pool-avg.h5"), "r+") as file:
        file["ids"][...] = file["ids"][...] + 1000
        file.attrs["model"] = "other"
    assert "0 images in common, at least 4 are needed" in message(NETWORKS, "--first", "small", "--second", "other")


def test_what_is_done_is_known_without_torch(call, tmp_path, checkout):
    """Also says what a dry run says, and that a pilot has a folder of its own."""
    assert call(METRIC, "--permutations", 1, "--subjects", 2) == 0 and call(NETWORKS, "--first", "wide", "--second", "small") == 0
    for script, given in ((METRIC, ["--permutations", 1, "--subjects", 2]), (NETWORKS, ["--first", "wide", "--second", "small"])):
        code = f"""
import importlib.util, sys
sys.path.insert(0, {str(checkout / "tests")!r})
import toy_brains
toy_brains.register()
spec = importlib.util.spec_from_file_location("stage", {str(checkout / "4_other_alignments" / script)!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
assert module.main({arguments(tmp_path, *given)!r}) == 0
print("torch" in sys.modules)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.splitlines()[-1] == "False", done.stdout + done.stderr
    assert call(METRIC, "--pilot", "--permutations", 0) == 0
    assert (tmp_path / "derivatives" / "pilot" / "toy" / "cka_subject_subject_alignment_shift_1_joined.parquet").exists()


def test_a_dry_run_says_the_cost(call, tmp_path, capsys):
    assert call(METRIC, "--dry-run") == 0 and "9 of 9 units to do" in capsys.readouterr().out
    assert call(METRIC, "--dry-run", "--compare", "models") == 0 and "8 of 8 units to do" in capsys.readouterr().out
    assert (
        call(NETWORKS, "--dry-run", "--first", "wide", "--second", "small") == 0 and "block 0: to do" in capsys.readouterr().out
    )
    assert not (tmp_path / "derivatives").exists()
