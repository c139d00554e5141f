"""The control scripts of 4_other_alignments as a user calls them: on a toy dataset, and on the miniature."""


import numpy as np
import pandas as pd
import pytest
import toy_brains

from convergence.datasets import open_dataset
from convergence.datasets.image_statistics import NAMES
from convergence.datasets.miniature import read_truth
from convergence.python_files import load_python
from convergence.storage.tables import conform, read_table

CATEGORIES, TOKENS, STATISTICS = "3_categories.py", "4_tokenizers.py", "5_image_statistics.py"
ORDER, SHARES = "8_out_of_order.py", "9_variance_partitioning.py"


def script(checkout, name, folder="4_other_alignments"):
    module = load_python(checkout / folder / name)
    return module.main


@pytest.fixture
def call(checkout, tmp_path):
    """call(script, *options): its exit status, on the toy dataset with annotations, statistics and captions in tmp_path."""
    toy_brains.register()
    dataset, rng = toy_brains.write(tmp_path / "toy"), np.random.default_rng(0)
    n = len(dataset.images)
    kinds = [("person", "person", 1), ("dog", "animal", 18), ("cat", "animal", 17), ("car", "vehicle", 3)]
    objects = pd.DataFrame([(image, *kinds[k]) for image in range(n) for k in rng.integers(0, 4, 3)],
                           columns=["toy_id", "category", "supercategory", "category_id"])
    objects = objects.assign(visible_fraction=1, iscrowd=0, annotation_id=range(3 * n))
    objects.to_csv(dataset.work / "coco_objects_annotations.csv", index=False)
    persons = pd.DataFrame([(image, "[1, 1]", "[2, 2]" if image % 3 else None) for image in range(0, n, 2)],
                           columns=["toy_id", "nose", "left_eye"])
    persons = persons.assign(bbox="[]", iscrowd=0, annotation_id=range(len(persons)))
    persons.to_csv(dataset.work / "coco_persons_annotations.csv", index=False)
    (tmp_path / "derivatives" / "toy").mkdir(parents=True)
    statistics = pd.DataFrame(rng.random((n, len(NAMES))), columns=NAMES).assign(image=range(n))
    conform(statistics, "image_statistics").to_parquet(tmp_path / "derivatives" / "toy" / "image_statistics.parquet")
    captions = [" ".join(rng.choice(["dog", "cat", "sea", "sand"], 3)) for _ in range(n)]
    pd.DataFrame({"toy_id": range(n), "caption": captions}).to_csv(tmp_path / "captions.csv", index=False)

    def run(name, *options, folder="4_other_alignments"):
        own = ["--root", tmp_path / "toy", "--derivatives", tmp_path / "derivatives",
               *(["--device", "cpu"] if name != SHARES else [])]
        return script(checkout, name, folder)(["--dataset", "toy", *map(str, own), *map(str, options)])
    return run


def table(tmp_path, name):
    return read_table(tmp_path / "derivatives" / "toy" / f"{name}.parquet")


def test_every_script_writes_its_table_and_goes_on_where_it_was(call, tmp_path, capsys):
    runs = {CATEGORIES: ["--metric", "auto", "unbiased_cka", "--vectors", "categories", "is_person"], STATISTICS: ["--sets"],
            TOKENS: ["--captions", tmp_path / "captions.csv", "--tokenizers", "words", "stems_clean"], ORDER: []}
    for name, options in runs.items():
        assert call(name, *options, "--rois", "A", "none", "--dry-run") == 0
        assert not list((tmp_path / "derivatives" / "toy").rglob("*joined*.parquet"))
    for name, options in runs.items():
        assert call(name, *options, "--rois", "A", "none") == 0, name
        capsys.readouterr()
        assert call(name, *options, "--rois", "A", "none") == 0
        assert "to do" not in capsys.readouterr().out
    categories = table(tmp_path, "objects_cka_similarity_joined")
    assert len(categories) == 9 * 2 * 2 * 2 and set(categories["tokenizer"]) == {"categories", "is_person"}
    assert set(table(tmp_path, "perceptual_similarity_joined")["perceptual"]) == set(NAMES)
    assert table(tmp_path, "supplementary_tokenizers_rsa_joined").groupby("subject").size().tolist() == [4, 4, 4]
    assert len(table(tmp_path, "out_of_order_joined")) == 3 * 9 * 2 and len(table(tmp_path, "out_of_order_joined_parcels")) == 2
    matrices = sorted(path.name for path in (tmp_path / "derivatives" / "control_matrices").glob("*.parquet"))
    assert "control_toy_categories.parquet" in matrices and "control_toy_luminance.parquet" in matrices


def test_separated_hemispheres_name_their_atlas_and_a_pilot_is_small(call, tmp_path):
    assert call(ORDER, "--hemispheres", "separated", "--rois", "A", "--sessions", 1, 3, "--draws", 1) == 0
    found = table(tmp_path, "out_of_order_separated")
    assert set(found["roi"]) == {3, 203} and set(found["session1"]) == {1} and set(found["session2"]) == {3}
    assert call(CATEGORIES, "--pilot", "--vectors", "is_person") == 0
    pilot = read_table(tmp_path / "derivatives" / "pilot" / "toy" / "objects_cka_similarity_joined.parquet")
    assert set(pilot["subject"]) == {2} and set(pilot["session"]) == {1}


def test_as_published_categories_are_compared_by_cka_and_a_redo_says_why(call, tmp_path, capsys):
    options = ["--vectors", "is_person", "--rois", "A", "--subjects", 9]
    assert call(CATEGORIES, *options) == 0 and call(CATEGORIES, *options, "--reference") == 0
    shown = capsys.readouterr().out
    assert "is_person: redo, options changed: crowds (False -> True)" in shown and "clip (0.003 -> 0.005)" in shown
    found = table(tmp_path, "objects_cka_similarity_joined")
    assert set(found["metric"]) == {"unbiased_cka"} and found["score"].notna().all()


def test_variance_partitioning_takes_the_matrices_that_the_others_wrote(call, tmp_path, capsys):
    assert call("1_compute_rdms.py", folder="3_alignment") == 0
    assert call(CATEGORIES, "--vectors", "categories", "categories_binary", "--subjects", 2, "--rois", "A") == 0
    options = ["--control", "toy_categories", "temporal_lag", "--bootstrap", 10]
    assert call(SHARES, *options, "--dry-run") == 0 and call(SHARES, *options) == call(SHARES, *options, "--solver",
                                                                                       "nonnegative") == 0
    found = table(tmp_path, "variance_partitioning_joined")
    n_terms = 6                     # total, two alone, two unique, one shared; a parcel without RDM has one row
    assert found.groupby("subject").size().tolist() == [2 * n_terms + 3, n_terms + 4, 2 * n_terms + 3]
    assert set(found.loc[found["reason"] == "", "solver"]) == {"ordinary"}
    other = table(tmp_path, "variance_partitioning_joined_nonnegative")
    assert set(other.loc[other["reason"] == "", "solver"]) == {"nonnegative"} and len(other) == len(found)
    capsys.readouterr()
    assert call(SHARES, "--control", "toy_nothing") == 1
    assert "control_toy_nothing.parquet is not there" in capsys.readouterr().err
    assert call(SHARES, "--control", *[f"c{k}" for k in range(9)]) == 1
    assert "--control: 9 controls; at most 8, as every subset of them is fitted" in capsys.readouterr().err


@pytest.mark.parametrize("name, options, message", [
    (CATEGORIES, ["--metric", "ckaa"], "metric='ckaa' is unknown; did you mean 'cka'"),
    (CATEGORIES, ["--vectors", "animals"], "--vectors: animals not among categories"),
    (STATISTICS, ["--sets", "hue"], "--sets: hue not among the statistics"),
    (TOKENS, ["--captions", "nowhere.csv"], "--captions: nowhere.csv is not there; give a table with toy_id and caption"),
    (ORDER, ["--draws", 0], "--draws: 0 pairs of sessions; give at least 1"),
    (ORDER, ["--sessions", 2], "sessions: 2 of those asked for exist; two different ones are needed")])
def test_wrong_options_are_one_message(call, capsys, name, options, message):
    assert call(name, *options) == 1
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def planted(prepared, checkout, tmp_path_factory):
    """run(script, *options) on the miniature NSD into a folder of its own, and the cluster of every parcel number."""
    folder = tmp_path_factory.mktemp("controls")
    truth = read_truth(prepared.root)["rois"]
    cluster = {parcel.roi: truth[parcel.name]["cluster"] for parcel in open_dataset("nsd", prepared.root).parcels("joined")}
    hubs = [str(roi) for roi, name in cluster.items() if name in ("early", "lateral")]

    def run(name, *options, rois=hubs, stage="4_other_alignments"):
        own = ["--root", prepared.root, "--derivatives", folder]
        assert script(checkout, name, stage)([*map(str, own), *map(str, options), *(["--rois", *rois] if rois else [])]) == 0

    def read(name):
        found = read_table(folder / "nsd" / f"{name}.parquet")
        return found.assign(cluster=found["roi"].map(cluster))
    return run, read


def test_categories_align_with_the_lateral_cluster_and_not_with_the_early_one(planted):
    run, read = planted
    run(CATEGORIES, "--metric", "auto", "unbiased_cka", "--vectors", "categories", "supercategories_binary", "is_person")
    means = read("objects_cka_similarity_joined").groupby(["tokenizer", "metric", "cluster", "subject"],
                                                          observed=True)["score"].mean().unstack("cluster")
    assert (means["lateral"] > 0.05).all() and (means["early"] < 0.04).all() and len(means) == 3 * 2 * 4
    for name, times in (("supercategories_binary", 5), ("is_person", 2.5), ("categories", 2)):      # early sees an image twice, too
        assert (means.loc[name, "lateral"] > times * means.loc[name, "early"]).all(), name


def test_image_statistics_align_with_the_early_cluster_and_not_with_the_lateral_one(planted):
    run, read = planted
    run("5_measure_image_statistics.py", rois=None, stage="1_dataset_preparation")
    run(STATISTICS, "--metric", "auto", "unbiased_cka")
    means = read("perceptual_similarity_joined").groupby(["perceptual", "metric", "cluster", "subject"],
                                                         observed=True)["score"].mean().unstack("cluster")
    for name in ("luminance", "saturation"):                                    # in every subject, by every metric
        found = means.loc[name]
        assert (found["early"] > 0.08).all() and (found["early"] > 2 * found["lateral"]).all(), name
    for name in ("contrast", "all_statistics"):
        found = means.loc[name].groupby("metric", observed=True).mean()
        assert (means.loc[name, "early"] > 0.06).all() and (found["early"] > 3 * found["lateral"]).all(), name


def test_tokens_of_captions_align_and_those_of_other_captions_do_not(planted, prepared, tmp_path):
    run, read = planted
    run(TOKENS)
    found = read("supplementary_tokenizers_rsa_joined")
    assert found["tokenizer"].unique().tolist() == ["words", "stems", "words_clean", "stems_clean", "minilm", "bpe"]
    own = found[found["cluster"] == "lateral"].groupby(["tokenizer", "subject"], observed=True)["correlation_score"].mean()
    early = found[found["cluster"] == "early"].groupby(["tokenizer", "subject"], observed=True)["correlation_score"].mean()
    assert (own > 0.09).all() and (own > 1.5 * early).all() and len(own) == 6 * 4
    captions = open_dataset("nsd", prepared.root).captions
    shuffled = pd.DataFrame({"nsd_id": captions.index, "caption": np.random.default_rng(0).permutation(captions)})
    shuffled.to_csv(tmp_path / "captions.csv", index=False)
    run(TOKENS, "--captions", tmp_path / "captions.csv", "--tokenizers", "words", "words_clean")
    other = read("supplementary_tokenizers_rsa_joined")
    assert abs(other.loc[other["cluster"] == "lateral", "correlation_score"].mean()) < 0.03


@pytest.mark.slow
def test_sessions_out_of_order_are_within_their_null(planted):
    """All parcels; drift makes r about 0.5, and backwards as well."""
    run, read = planted
    run(ORDER, rois=None)
    found = read("out_of_order_joined_parcels")
    z = abs(found["z"].dropna())
    assert (z > 2).mean() <= 0.1 and z.max() < 4.5 and len(z) >= 178
    nothing = found[found["cluster"] == "null"]
    assert (nothing["observed"] > 0.2).all() and (abs(nothing["shuffled"]) < 0.03).all()
    assert abs(nothing["observed"] - nothing["null_mean"]).max() < 0.05


@pytest.mark.slow
def test_shares_of_what_is_planted(planted):
    run, read = planted
    run("1_compute_rdms.py", stage="3_alignment")
    run("5_measure_image_statistics.py", rois=None, stage="1_dataset_preparation")
    run(CATEGORIES, "--vectors", "supercategories_binary", "--subjects", 1)
    run(STATISTICS, "--subjects", 1)
    run(SHARES, "--control", "supercategories_binary", "luminance", "same_image", "--bootstrap", 0)
    found = read("variance_partitioning_joined")
    unique = found[found["kind"] == "unique"].groupby(["subject", "term", "cluster"],
                                                      observed=True)["r_squared"].mean().unstack("cluster")
    by_term = {name: unique.xs(name, level="term") for name in ("supercategories_binary", "luminance")}
    assert (by_term["supercategories_binary"]["lateral"] > 10 * by_term["supercategories_binary"]["early"]).all()
    assert (by_term["luminance"]["early"] > 10 * by_term["luminance"]["lateral"]).all()
