"""The choices of 3_alignment's scripts on a toy dataset: partitions, controls, excluded pairs, other RDMs, the group, other
datasets, --dry-run, --pilot."""


import numpy as np
import pandas
import pytest
import toy_brains

from convergence.python_files import load_python
from convergence.storage.tables import conform, read_table

RDMS, PAIRS, MODELS, GROUP = "1_compute_rdms.py", "2_subject_subject.py", "3_subject_model.py", "4_subject_group.py"


@pytest.fixture
def call(checkout, tmp_path):
    """call(script, *options): its exit status, on the toy dataset in tmp_path."""
    toy_brains.register()
    toy_brains.write(tmp_path / "toy", complete=False)

    def run(script, *options, dataset="toy"):
        module = load_python(checkout / "3_alignment" / script)
        return module.main(["--dataset", dataset, "--root", str(tmp_path / "toy"), "--derivatives", str(tmp_path / "derivatives"),
                            "--device", "cpu",
                            *map(str, options),
                            *(["--features", str(tmp_path / "toy" / "features")] if script == MODELS else [])])
    return run


def table(tmp_path, name, dataset="toy"):
    return read_table(tmp_path / "derivatives" / dataset / f"{name}.parquet")


def test_every_choice_has_its_table(call, tmp_path):
    content = pandas.DataFrame({"toy_id": range(100, 108), "n_objects": 1, "animate": [True] * 4 + [False] * 4})
    content.to_csv(tmp_path / "toy" / "content.csv", index=False)
    assert call(RDMS) == 0
    for options in (["--method", "spearman"], ["--partition", "animate", "inanimate"],
                    ["--control", "same_session", "temporal_lag", "--form", "diagonal"],
                    ["--exclude-pairs", "same-image", "lag3", "--form", "diagonal"], ["--shift", 0, "--method", "rho_a"]):
        assert call(PAIRS, *options) == 0
    assert call(GROUP) == call(GROUP, "--shift", 0, "--reference") == 0
    assert call(MODELS, "--trials", "shared") == call(MODELS, "--control", "repetition_difference") == 0
    written = {path.stem for path in (tmp_path / "derivatives" / "toy").glob("*.parquet")}
    pairs, model = "rsa_subject_subject_alignment", "rsa_subject_model_alignment"
    assert written == {f"{pairs}_joined_1_spearman", f"{pairs}_shift_1_joined_partitions", f"{pairs}_controled_joined_1_diagonal",
                       f"{pairs}_shift_1_joined_without-same-image_without-lag3_diagonal", f"{pairs}_joined_0_rho_a",
                       "rsa_subject_group_alignment_joined_1",
                       "rsa_subject_group_alignment_joined_0", f"{model}_joined_shared", f"{model}_controled_joined"}
    partitions = table(tmp_path, f"{pairs}_shift_1_joined_partitions")
    assert len(partitions) == 2 * 9 * 25 and set(partitions["subset"]) == {"animate", "inanimate"}
    assert (partitions.groupby(["subject_i", "subject_j"])["n_pairs"].nunique() == 1).all()                    # equal-n
    controlled = table(tmp_path, f"{pairs}_controled_joined_1_diagonal")
    assert controlled["control"].unique().tolist() == ["uncontrolled", "same_session", "temporal_lag",
                                                       "same_session+temporal_lag"]
    assert len(controlled) == 4 * 9 * 5
    assert "roi_x" not in controlled and set(controlled["roi"]) == {3, 8, 11, 20, 41}
    group = table(tmp_path, "rsa_subject_group_alignment_joined_0")
    assert np.array_equal(group["similarity"], group["mean_of_r"], equal_nan=True) and len(group) == 3 * 25
    pandas.testing.assert_frame_equal(group, conform(group, "rsa_subject_group_alignment"))
    assert table(tmp_path, f"{model}_controled_joined").groupby("control", observed=True).size().tolist() == [3 * 25] * 2


def test_partitions_as_published_have_all_trials(call, tmp_path):
    content = pandas.DataFrame({"toy_id": range(100, 108), "n_objects": 1, "animate": [True] * 5 + [False] * 3})
    content.to_csv(tmp_path / "toy" / "content.csv", index=False)
    assert call(PAIRS, "--partition", "animate", "inanimate", "--reference", "--rois", "A", "--subjects", 2, 5) == 0
    by_part = table(tmp_path, "rsa_subject_subject_alignment_shift_1_joined_partitions").groupby("subset", observed=True)
    found = by_part["n_pairs"].unique().map(list).to_dict()
    assert found == {"animate": [15 * 14 // 2], "inanimate": [9 * 8 // 2]}


def test_other_rdms_have_their_stores_and_tables(call, tmp_path, capsys):
    for flags in (["--metric", "euclidean"], ["--zscore"], ["--images"], ["--metric", "crossnobis", "--noise", "shrinkage"]):
        assert call(RDMS, *flags, "--float16") == 0 and call(PAIRS, *flags, "--shift", 0, "--form", "diagonal") == 0
        assert call(PAIRS, *flags) == (1 if flags[0] == "--images" or "crossnobis" in flags else 0)
        capsys.readouterr()
    names = [path.stem for path in sorted((tmp_path / "derivatives" / "toy").glob("*_0_*.parquet"))]
    assert [name.removeprefix("rsa_subject_subject_alignment_joined_0_") for name in names] == [
        "crossnobis_shrinkage_diagonal", "euclidean_diagonal", "images_diagonal", "zscore_diagonal"]
    assert call(PAIRS, "--metric", "crossnobis", "--noise", "shrinkage", "--shift", 1) == 1
    assert "whose repetitions are pooled, so that they cannot be shifted; use --shift 0" in capsys.readouterr().err
    assert call(PAIRS, "--metric", "cosine") == 1
    assert "1_compute_rdms.py --dataset toy --hemispheres joined --metric cosine --subjects 2 5 9" in capsys.readouterr().err
    assert call(RDMS, "--sessions-too", "--rois", "A") == 0
    assert len(list((tmp_path / "derivatives" / "toy" / "rdms").glob("*_session-0*.h5"))) == 8


def test_the_caveat_of_denoised_betas_is_printed(call, tmp_path, capsys, monkeypatch):
    from convergence import datasets
    monkeypatch.setattr(toy_brains.Toy, "name", "bold5000")
    monkeypatch.setitem(datasets._READERS, "bold5000", "toy.Toy")
    assert call(RDMS, "--metric", "crossnobis", dataset="bold5000") == 0
    assert "the repetitions of an image are not independent" in capsys.readouterr().out


def test_other_datasets_have_published_tables_and_layers_from_1_in_reference(call, tmp_path, monkeypatch, capsys):
    from convergence import datasets
    monkeypatch.setattr(toy_brains.Toy, "name", "things")
    monkeypatch.setattr(toy_brains.Toy, "repetitions_shift", False)
    monkeypatch.setitem(datasets._READERS, "things", "toy.Toy")
    toy_brains.write_networks(tmp_path / "toy" / "features", range(130), np.random.default_rng(0).random((130, 5)),
                              dataset="things")
    assert call(PAIRS, dataset="things") == 0 and call(MODELS, dataset="things") == 0
    pairs = table(tmp_path, "rsa_things_subject_subject_alignment_joined", "things")
    assert set(zip(pairs["subject_i"], pairs["subject_j"])) == {(i, j) for i in (2, 5, 9) for j in (2, 5, 9) if i != j}
    assert set(pairs["dataset"]) == {"things"}
    layers = table(tmp_path, "rsa_things_subject_model_alignment_joined", "things")
    assert layers["layer"].min() == 0 and set(layers["dataset"]) == {"things"}
    assert call(MODELS, "--reference", dataset="things") == 0
    published = table(tmp_path, "rsa_things_subject_model_alignment_joined", "things")
    assert (published["layer"] == layers["layer"] + 1).all()
    assert np.array_equal(published["similarity"], layers["similarity"], equal_nan=True)
    assert call(PAIRS, "--shift", 1, dataset="things") == 1 and "so that repetitions cannot be shifted" in capsys.readouterr().err
    assert call(PAIRS, "--control", "same_session", dataset="things") == 1
    assert "--control: not for 'things'" in capsys.readouterr().err
    assert call(PAIRS, "--subjects", 2, dataset="things") == 1 and "subjects: 2 is one subject" in capsys.readouterr().err


def test_a_dry_run_says_what_it_would_cost(call, tmp_path, capsys):
    assert call(RDMS, "--dry-run") == 0
    assert "3 of 3 units to do: about 1 seconds on one CPU core (and reading), 1 MB of memory" in capsys.readouterr().out
    assert not (tmp_path / "derivatives").exists() and call(RDMS) == 0
    for script, n in ((PAIRS, 9), (MODELS, 8), (GROUP, 3)):
        capsys.readouterr()
        assert call(script, "--dry-run") == 0
        out = capsys.readouterr().out
        assert f"{n} of {n} units to do: about" in out and "of memory for a unit" in out and "of disk" in out
    assert not list((tmp_path / "derivatives" / "toy").glob("*.parquet"))


def test_a_pilot_is_small_and_apart(call, tmp_path):
    for script in (RDMS, PAIRS, MODELS, GROUP):
        assert call(script, "--pilot") == 0
    assert [path.name for path in (tmp_path / "derivatives").iterdir()] == ["pilot"]
    pilot = tmp_path / "derivatives" / "pilot" / "toy"
    models, pairs = (read_table(pilot / f"rsa_{name}.parquet")
                     for name in ("subject_model_alignment_joined", "subject_subject_alignment_shift_1_joined"))
    assert len(models[["subject", "session"]].drop_duplicates()) == 1 and len(pairs) == 4 * 25
    assert call(RDMS, "--hemispheres", "separated", "--pilot", "--subjects", 2) == 0


@pytest.mark.parametrize("options, message", [
    ((RDMS, "--noise", "shrinkage"), "--noise shrinkage belongs to --metric crossnobis; the metric is correlation"),
    ((PAIRS, "--partition", "animate", "--control", "same_session"), "--partition and --control make a table each"),
    ((PAIRS, "--reference", "--zscore"), "the published RDMs are correlation distances of single trials; leave --zscore out"),
    ((PAIRS, "--exclude-pairs", "same-runs"), "rule='same-runs' is unknown; did you mean 'same-run'"),
    ((MODELS, "--trials", "sessions", "--control", "same_session"), "--control and --exclude-pairs are for --trials shared"),
    ((GROUP, "--subjects", 5), "subjects: 5 is alone; a group needs at least one other subject")])
def test_choices_that_do_not_go_together_are_named(call, capsys, options, message):
    assert call(*options) == 1
    assert message in capsys.readouterr().err


def test_runs_that_are_not_known_are_named(call, capsys):
    assert call(RDMS) == 0 and call(PAIRS, "--exclude-pairs", "same-run") == 1
    assert "the trials have no column run (same-run ask for it)" in capsys.readouterr().err


def test_workers_and_the_order_of_subjects_change_nothing(call, tmp_path):
    assert call(RDMS) == 0
    tables = []
    for more in ([], ["--scheduler", "threads", "--jobs", 2, "--subjects", 9, 2, 5, "--overwrite"]):
        assert call(PAIRS, "--control", "same_session", "--exclude-pairs", "same-image", *more) == call(GROUP, *more) == 0
        tables.append([table(tmp_path, name)
                       for name in ("rsa_subject_subject_alignment_controled_joined_1_without-same-image",
                                    "rsa_subject_group_alignment_joined_1")])
    for first, second in zip(*tables):
        pandas.testing.assert_frame_equal(first, second)
