"""The table of p-values: observed statistics from tables by hand, nulls and FDR by comparison, and the script on the toy dataset."""

import importlib.util
import json

import numpy as np
import pandas
import pytest
import toy_brains
from statsmodels.stats.multitest import multipletests

from convergence import p_values
from convergence.alignment.nulls import at_least_two, compare, networks, observed_intersubject, observed_models
from convergence.storage.tables import read_table

TABLE = "rsa_pvalues_subject_language_vision"


def models_info(**changes):
    table = pandas.DataFrame({"model_name": ["a", "b", "c", "a-untrained"], "modality": ["vision", "vision", "language", "vision"],
                              "untrained": [False, False, False, True]})
    return table.assign(**changes)


def test_observed_between_subjects_by_hand():
    r = {(1, 2): 0.1, (2, 1): 0.3, (1, 4): 0.5, (4, 1): 0.2, (2, 4): -0.1, (4, 2): 0.2, (1, 1): 0.9, (2, 2): 0.9, (4, 4): 0.9}
    rows = [(x, y, i, j, value + (x == 7) + 10 * (x != y)) for (i, j), value in r.items() for x in (5, 7) for y in (5, 7)]
    table = pandas.DataFrame(rows, columns=["roi_x", "roi_y", "subject_i", "subject_j", "similarity"])
    np.testing.assert_allclose(observed_intersubject(table)[[5, 7]], [1.2 / 6, 1.2 / 6 + 1])
    table.loc[(table["roi_x"] == 7) & (table["subject_i"] == 4) & (table["subject_j"] == 1), "similarity"] = np.nan
    assert observed_intersubject(table).isna().tolist() == [False, True]
    with pytest.raises(ValueError, match="the table of pairs of subjects holds subject 4 only; run 3_alignment/2_subject_subject.py for two subjects or more"):
        observed_intersubject(table[(table["subject_i"] == 4) & (table["subject_j"] == 4)])
    assert at_least_two(pandas.Series([7, 3, 7])) == [3, 7]


def test_observed_with_networks_by_hand():
    """Unequal numbers of sessions and networks: means within subject and network first."""
    rng = np.random.default_rng(0)
    sessions = [(2, 1), (2, 3), (5, 1)]
    r = {(subject, session, model): rng.uniform(-1, 1, (3, 2)) for subject, session in sessions for model in ("a", "b", "c", "a-untrained")}
    table = pandas.DataFrame([(*key, layer, roi, value[layer, k]) for key, value in r.items() for layer in range(3) for k, roi in enumerate((9, 4))],
                             columns=["subject", "session", "model", "layer", "roi", "similarity"])
    best = {key: np.take_along_axis(value, abs(value).argmax(0)[None], 0)[0] for key, value in r.items()}
    by_network = {model: ((best[2, 1, model] + best[2, 3, model]) / 2 + best[5, 1, model]) / 2 for model in "abc"}
    found = observed_models(table, models_info())
    assert list(found) == ["language", "vision"]
    np.testing.assert_allclose(found["vision"][[9, 4]], (by_network["a"] + by_network["b"]) / 2)
    np.testing.assert_allclose(found["language"][[9, 4]], by_network["c"])
    assert networks(table, models_info()) == {"language": ["c"], "vision": ["a", "b"]}
    table.loc[(table["roi"] == 4) & (table["subject"] == 5) & (table["model"] == "b"), "similarity"] = np.nan
    found = observed_models(table, models_info())
    assert found["vision"].isna().to_dict() == {4: True, 9: False} and found["language"].notna().all()
    assert list(observed_models(table[table["model"] != "c"], models_info())) == ["vision"]
    with pytest.raises(ValueError, match="none of the networks of the table .a-untrained. stands in models-info.csv as a trained network of vision or language"):
        networks(table[table["model"] == "a-untrained"], models_info())
    with pytest.raises(ValueError, match="models: a-untrained, c of the table of similarities stands in no row of models-info.csv"):
        observed_models(table, models_info()[:2])


def test_rows_of_a_comparison():
    observed = pandas.Series([0.3, np.nan, 0.05, 0.2], index=[4, 2, 9, 3])
    atlas = pandas.DataFrame({"roi": [2, 3, 4, 9], "name": ["V2", "V3", "V4", "IP"], "mne_name": ["L_V2_ROI-lh", "L_V3_ROI-lh", "L_V4_ROI-lh", "L_IP_ROI-lh"]})
    moments = pandas.DataFrame({"mean": [0.1, np.nan, 0.0, 0.1], "variance": [0.0064, np.nan, 0.01, 0.0025], "skewness": [0.5, np.nan, 0.2, 0.1]})
    rows = compare("intersubject", observed, moments, atlas)
    assert rows["roi"].tolist() == [4, 2, 9, 3] and rows["name"].tolist() == ["V4", "V2", "IP", "V3"] and rows["mne_name"][2] == "L_IP_ROI-lh"
    assert set(rows["comparison"]) == {"intersubject"} and set(rows["method"]) == {"closed form of relabelled images, Pearson III"}
    known = [0, 2, 3]
    np.testing.assert_allclose(rows["null_std"][known], [0.08, 0.1, 0.05])
    np.testing.assert_allclose(rows["pvalue_fdr_bh"][known], multipletests(rows["pvalue"][known], method="fdr_bh")[1])
    assert rows.loc[1, ["observed", "pvalue", "pvalue_fdr_bh"]].isna().all() and rows["apa_star"].tolist() == ["*", "", "", ""] or rows["apa_star"][1] == ""
    assert set(compare("x", observed, moments.assign(skewness=np.nan), atlas)["method"]) == {"closed form of relabelled images, normal"}
    null = np.random.default_rng(0).normal(0.1, 0.05, (500, 4))
    null[:, 1] = np.nan
    rows = compare("vision", observed, null, atlas.drop(columns="mne_name"))
    assert set(rows["method"]) == {"sampled, 500 relabellings of images"} and set(rows["mne_name"]) == {""}
    np.testing.assert_allclose(rows["pvalue"], p_values(observed.to_numpy(), null))


# the script

@pytest.fixture
def call(checkout, tmp_path):
    """call(script, *options): its exit status, on the toy dataset in tmp_path; subject 9 lacks a session."""
    toy_brains.register()
    toy_brains.write(tmp_path / "toy", complete=False)

    def run(script, *options):
        spec = importlib.util.spec_from_file_location(script.split(".")[0], checkout / "3_alignment" / script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        where = ["--dataset", "toy", "--root", tmp_path / "toy", "--derivatives", tmp_path / "derivatives", "--device", "cpu"]
        features = ["--features", tmp_path / "toy" / "features"] if script[0] in "35" else []
        return module.main([*map(str, [*where, *features, *options])])
    return run


@pytest.fixture
def prepared(call, tmp_path):
    for script in ("1_compute_rdms.py", "2_subject_subject.py", "3_subject_model.py"):
        assert call(script) == 0
    (tmp_path / "derivatives" / "metadata").mkdir()
    models_info(model_name=["small_pool-avg", "wide_pool-cls", "other", "wide_pool-cls-untrained"], modality=["vision", "language", "vision", "vision"]).to_csv(
        tmp_path / "derivatives" / "metadata" / "models-info.csv", index=False)
    return tmp_path / "derivatives" / "toy"


def test_the_table_of_the_toy_dataset(call, prepared, capsys):
    assert call("5_p_values.py", "--permutations", 199, "--seed", 3) == 0
    table = pandas.read_parquet(prepared / f"{TABLE}.parquet")
    assert list(table) == ["roi", "name", "comparison", "observed", "null_mean", "null_std", "pvalue", "pvalue_fdr_bh", "apa_star", "mne_name", "method"]
    assert [(name, part["roi"].tolist()) for name, part in table.groupby("comparison", sort=False)] == [
        (name, [3, 8, 11, 20, 41]) for name in ("intersubject", "language", "vision")]
    pairs, layers = read_table(prepared / "rsa_subject_subject_alignment_shift_1_joined.parquet"), read_table(prepared / "rsa_subject_model_alignment_joined.parquet")
    other = pairs[(pairs["subject_i"] != pairs["subject_j"]) & (pairs["roi_x"] == 3) & (pairs["roi_y"] == 3)]
    row = table.set_index(["comparison", "roi"])
    assert row.loc[("intersubject", 3), "observed"] == pytest.approx(other["similarity"].astype(float).mean(), abs=1e-7)
    assert row.loc[("intersubject", 3), "method"] == "closed form of relabelled images, normal"
    for modality, model in (("vision", "small_pool-avg"), ("language", "wide_pool-cls")):
        mine = layers[(layers["model"] == model) & (layers["roi"] == 3)]
        best = mine.loc[mine["similarity"].abs().groupby([mine["subject"], mine["session"]]).idxmax()]
        assert row.loc[(modality, 3), "observed"] == pytest.approx(best.groupby("subject")["similarity"].mean().mean(), abs=1e-7)
        null = np.load(prepared / f"permutations_aggregated_{modality}_amax.npy")
        assert null.shape == (199, 5)
        assert row.loc[(modality, 3), "pvalue"] == p_values(row.loc[(modality, 3), "observed"], null[:, 0])
        assert row.loc[(modality, 3), "null_std"] == pytest.approx(null[:, 0].std())
    assert table.loc[table["roi"] != 3, "pvalue"].isna().all() and (table.loc[table["roi"] == 3, "pvalue"] < 0.05).all()
    parts = sorted(path.name for path in (prepared / "parts" / TABLE).glob("*.*") if path.suffix != ".json")
    assert parts[:3] == ["subject-02_session-01_samples.npy", "subject-02_session-02_samples.npy", "subject-02_session-03_samples.npy"] and len(parts) == 8 + 3
    assert np.load(prepared / "parts" / TABLE / parts[0]).shape == (2, 199, 5)
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in prepared.rglob("*")}
    assert call("5_p_values.py", "--permutations", 199, "--seed", 3) == 0
    assert {path: path.stat().st_mtime_ns for path in prepared.rglob("*")} == before and "8 of 8 done before" in capsys.readouterr().out


def test_sampled_and_closed_form_agree_and_the_sampled_null_is_kept(call, prepared):
    assert call("5_p_values.py", "--comparisons", "intersubject") == 0
    closed = pandas.read_parquet(prepared / f"{TABLE}.parquet")
    assert call("5_p_values.py", "--comparisons", "intersubject", "--null", "sampled", "--permutations", 3000) == 0
    sampled = pandas.read_parquet(prepared / f"{TABLE}.parquet")
    assert closed["roi"].tolist() == sampled["roi"].tolist() == [3, 8, 11, 20, 41] and not list(prepared.glob("*amax*"))
    null = np.load(prepared / "permutations_subject_subject_rsa_joined_shift_1_agg_3000.npy")
    assert null.shape == (3000, 5) and sampled["null_mean"][0] == pytest.approx(null[:, 0].mean())
    assert abs(sampled["null_mean"][0] - closed["null_mean"][0]) < 4 * closed["null_std"][0] / 3000 ** 0.5
    assert sampled["null_std"][0] == pytest.approx(closed["null_std"][0], rel=0.06)
    pandas.testing.assert_series_equal(sampled["observed"], closed["observed"])


def test_a_dry_run_writes_nothing(call, prepared, capsys):
    before = set(prepared.rglob("*"))
    assert call("5_p_values.py", "--dry-run") == 0
    assert set(prepared.rglob("*")) == before
    assert "nulls between subjects: subjects 2 and 5: to do" in capsys.readouterr().out


def refused(call, capsys, *options):
    capsys.readouterr()
    assert call("5_p_values.py", *options) == 1
    return capsys.readouterr().err


def test_what_is_missing_is_named_with_the_script_that_makes_it(call, prepared, tmp_path, capsys):
    (prepared / "rsa_subject_model_alignment_joined.parquet").rename(tmp_path / "layers")
    message = refused(call, capsys)
    assert "rsa_subject_model_alignment_joined.parquet is not there; 3_alignment/3_subject_model.py writes it" in message
    (tmp_path / "layers").rename(prepared / "rsa_subject_model_alignment_joined.parquet")
    (tmp_path / "toy" / "features" / "toy" / "all" / "small_pool-avg.h5").rename(tmp_path / "file")
    assert "no feature file of 'toy' is of small_pool-avg" in refused(call, capsys)
    (tmp_path / "file").rename(tmp_path / "toy" / "features" / "toy" / "all" / "small_pool-avg.h5")
    (prepared / "rdms" / "subject-05_joined_shared.h5").unlink()
    assert "subject-05_joined_shared.h5 not there; make them with: python 3_alignment/1_compute_rdms.py" in refused(call, capsys)
    (prepared / "rsa_subject_subject_alignment_shift_1_joined.parquet").unlink()
    assert "rsa_subject_subject_alignment_shift_1_joined.parquet is not there; 3_alignment/2_subject_subject.py writes it" in refused(call, capsys)
    (tmp_path / "toy" / "responses-09.npz").unlink()
    assert "responses-09.npz not there; 1_dataset_preparation/4_extract_roi_betas.py" in refused(call, capsys, "--comparisons", "vision")
    (tmp_path / "derivatives" / "metadata" / "models-info.csv").unlink()
    assert "models-info.csv is not there; 2_model_extraction" in refused(call, capsys, "--comparisons", "vision")
    assert not list(prepared.glob(f"{TABLE}*"))


def test_a_modality_without_networks_is_refused_when_it_is_asked_for(call, prepared, tmp_path, capsys):
    path = tmp_path / "derivatives" / "metadata" / "models-info.csv"
    pandas.read_csv(path).assign(modality="vision").to_csv(path, index=False)
    assert "has no trained network of language, only of vision; extract features" in refused(call, capsys, "--comparisons", "language")
    assert call("5_p_values.py", "--permutations", 20) == 0
    assert pandas.read_parquet(prepared / f"{TABLE}.parquet")["comparison"].unique().tolist() == ["intersubject", "vision"]
    assert json.loads((prepared / f"{TABLE}.parquet.json").read_text())["options"]["rois"] == {"intersubject": [3, 8, 11, 20, 41], "vision": [3, 8, 11, 20, 41]}
