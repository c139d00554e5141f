"""The table of p-values: observed statistics from tables by hand, nulls and FDR by comparison, the script on the toy dataset."""

import json
import shutil

import numpy as np
import pandas
import pytest
import toy_brains
from statsmodels.stats.multitest import multipletests

from convergence import p_values
from convergence.alignment.null_plan import Choice
from convergence.alignment.nulls import (SAMPLE, at_least_two, compare, networks, null_path, observed_intersubject,
                                         observed_models, report,
                                         table_path)
from convergence.python_files import load_python
from convergence.storage.tables import read_table

TABLE = "rsa_pvalues_subject_language_vision"


def models_info(**changes):
    table = pandas.DataFrame({"model_name": ["a", "b", "c", "a-untrained"],
                              "modality": ["vision", "vision", "language", "vision"],
                              "untrained": [False, False, False, True]})
    return table.assign(**changes)


def test_observed_between_subjects_by_hand():
    r = {(1, 2): 0.1, (2, 1): 0.3, (1, 4): 0.5, (4, 1): 0.2, (2, 4): -0.1, (4, 2): 0.2, (1, 1): 0.9, (2, 2): 0.9, (4, 4): 0.9}
    rows = [(x, y, i, j, value + (x == 7) + 10 * (x != y)) for (i, j), value in r.items() for x in (5, 7) for y in (5, 7)]
    table = pandas.DataFrame(rows, columns=["roi_x", "roi_y", "subject_i", "subject_j", "similarity"])
    np.testing.assert_allclose(observed_intersubject(table)[[5, 7]], [1.2 / 6, 1.2 / 6 + 1])
    table.loc[(table["roi_x"] == 7) & (table["subject_i"] == 4) & (table["subject_j"] == 1), "similarity"] = np.nan
    assert observed_intersubject(table).isna().tolist() == [False, True]
    with pytest.raises(ValueError, match="the table of pairs of subjects holds subject 4 only; run "
                                         "3_alignment/2_subject_subject.py for two subjects or more"):
        observed_intersubject(table[(table["subject_i"] == 4) & (table["subject_j"] == 4)])
    assert at_least_two(pandas.Series([7, 3, 7])) == [3, 7]


def test_observed_with_networks_by_hand():
    """Unequal numbers of sessions and networks: means within subject and network first."""
    rng = np.random.default_rng(0)
    sessions = [(2, 1), (2, 3), (5, 1)]
    r = {(subject, session, model): rng.uniform(-1, 1, (3, 2)) for subject, session in sessions
         for model in ("a", "b", "c", "a-untrained")}
    table = pandas.DataFrame([(*key, layer, roi, value[layer, k]) for key, value in r.items() for layer in range(3) for k,
                              roi in enumerate((9, 4))],
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
    with pytest.raises(ValueError, match="none of the networks of the table .a-untrained. stands in models-info.csv as a "
                                         "trained network of vision or language"):
        networks(table[table["model"] == "a-untrained"], models_info())
    with pytest.raises(ValueError, match="models: a-untrained, c of the table of similarities stands in no row of "
                                         "models-info.csv"):
        observed_models(table, models_info()[:2])


def test_rows_of_a_comparison():
    observed = pandas.Series([0.3, np.nan, 0.05, 0.2], index=[4, 2, 9, 3])
    atlas = pandas.DataFrame({"roi": [2, 3, 4, 9], "name": ["V2", "V3", "V4", "IP"],
                              "mne_name": ["L_V2_ROI-lh", "L_V3_ROI-lh", "L_V4_ROI-lh", "L_IP_ROI-lh"]})
    moments = pandas.DataFrame({"mean": [0.1, np.nan, 0.0, 0.1], "variance": [0.0064, np.nan, 0.01, 0.0025],
                                "skewness": [0.5, np.nan, 0.2, 0.1]})
    rows = compare("intersubject", observed, moments, atlas)
    assert rows["roi"].tolist() == [4, 2, 9, 3] and rows["name"].tolist() == ["V4", "V2", "IP",
                                                                              "V3"] and rows["mne_name"][2] == "L_IP_ROI-lh"
    assert set(rows["comparison"]) == {"intersubject"} and set(rows["method"]) == {"closed form of relabelled images, Pearson "
                                                                                   "III"}
    known = [0, 2, 3]
    np.testing.assert_allclose(rows["null_std"][known], [0.08, 0.1, 0.05])
    np.testing.assert_allclose(rows["pvalue_fdr_bh"][known], multipletests(rows["pvalue"][known], method="fdr_bh")[1])
    assert rows.loc[1, ["observed", "pvalue", "pvalue_fdr_bh"]].isna().all() and rows["apa_star"][1] == ""
    assert set(compare("x", observed, moments.assign(skewness=np.nan),
                       atlas)["method"]) == {"closed form of relabelled images, normal"}
    null = np.random.default_rng(0).normal(0.1, 0.05, (500, 4))
    null[:, 1] = np.nan
    rows = compare("vision", observed, null, atlas.drop(columns="mne_name"))
    assert set(rows["method"]) == {"sampled, 500 relabellings of images"} and set(rows["mne_name"]) == {""}
    np.testing.assert_allclose(rows["pvalue"], p_values(observed.to_numpy(), null))
    assert "pvalue_max" not in rows
    with_max = compare("vision", observed, null, atlas, family=null, relabelled="single trials")
    assert (with_max["pvalue_max"][known] >= with_max["pvalue"][known]).all() and np.isnan(with_max["pvalue_max"][1])
    assert set(with_max["method"]) == {"sampled, 500 relabellings of single trials"}


def test_doubtful_closed_forms_are_named_in_the_table_and_in_words():
    observed, atlas = pandas.Series([0.3, 0.25, np.nan],
                                    index=[4, 2, 9]), pandas.DataFrame({"roi": [2, 4, 9], "name": ["V2", "V4", "IP"]})
    moments = pandas.DataFrame({"mean": 0.0, "variance": [0.01, 0.04, np.nan], "skewness": 0.2, "sample": [False, True, False]})
    rows = compare("intersubject", observed, moments, atlas)
    assert rows["method"].tolist() == ["closed form of relabelled images, Pearson III" + more for more in ("", SAMPLE, "")]
    line, nothing = report(pandas.concat([rows.assign(pvalue_fdr_overall=rows["pvalue"]),
                                          rows[2:].assign(comparison="x", pvalue_fdr_overall=np.nan)]))
    low, high = rows["smallest_detectable"][:2]
    assert abs(low / 0.2 - 1) < 0.05 and abs(high / 0.4 - 1) < 0.05
    assert line == (f"intersubject: p <= 0.05 in 1 of 2 parcels (FDR), in 1 over all comparisons (FDR); smallest r that could "
                    f"have had p <= 0.05, uncorrected: "
                    f"{(low + high) / 2:.4f} (parcels: {low:.4f} to {high:.4f}); closed form of relabelled images, Pearson "
                    f"III; sample 1 of them instead "
                    "(--null sampled): single images carry both RDMs")
    assert nothing == "x: none of 1 parcels could be tested"


def test_names_tell_controls_and_excluded_pairs():
    assert table_path("d", "nsd", controls=("a", "b")).name == f"{TABLE}_controled-a+b.parquet"
    assert table_path("d", "nsd", exclude=("same-image", "lag9")).name == f"{TABLE}_without-same-image_without-lag9.parquet"
    assert null_path("d", "nsd", "intersubject", 10_000).name == "permutations_subject_subject_rsa_joined_shift_1_agg_10000.npy"
    assert null_path("d", "nsd", "vision", 10_000).name == "permutations_aggregated_vision_amax.npy"


def test_a_control_chooses_its_rows():
    table = pandas.DataFrame({"roi": 5, "subject_i": [1, 2] * 2, "subject_j": [2, 1] * 2, "similarity": [0.5, 0.3, 0.1, 0.2],
                              "control": ["uncontrolled"] * 2 + ["clock"] * 2})
    assert observed_intersubject(table, "clock")[5] == pytest.approx(0.15)
    with pytest.raises(ValueError, match="has the controls uncontrolled, clock, not clock.lag; run "
                                         "3_alignment/2_subject_subject.py --control clock lag"):
        observed_intersubject(table, "clock+lag")


@pytest.mark.parametrize("options, message", [
    (dict(reference=True, controls=("lag",)), "--reference: the published test has no --control; leave it out"),
    (dict(exclude=("same-image",), controls=("lag",)), "--exclude-pairs and --control make a table each"),
    (dict(exclude=("same-image",), comparisons=["vision", "intersubject"]),
     "--exclude-pairs: only for the comparison between subjects; leave vision out of"),
    (dict(exclude=("same-session",)), "changes which pairs same-session leave out, so that there are no closed-form moments; "
                                      "sample the null instead")])
def test_contradictions_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Choice(**options).check()
    assert Choice(exclude=("same-session",), null="sampled").check() == ["intersubject"]
    assert Choice(exclude=("same-image",)).check() == ["intersubject"]


# the script

def runner(checkout, folder):
    """call(script, *options): its exit status, on the toy dataset in a folder."""
    toy_brains.register()

    def run(script, *options):
        module = load_python(checkout / "3_alignment" / script)
        where = ["--dataset", "toy", "--root", folder / "toy", "--derivatives", folder / "derivatives", "--device", "cpu"]
        features = ["--features", folder / "toy" / "features"] if script[0] in "35" else []
        return module.main([*map(str, [*where, *features, *options])])
    return run


@pytest.fixture(scope="module")
def made(checkout, tmp_path_factory):
    """The toy dataset, of which subject 9 lacks a session, and what scripts 1 to 3 make of it; to be copied."""
    folder = tmp_path_factory.mktemp("made")
    toy_brains.write(folder / "toy", complete=False)
    for script in ("1_compute_rdms.py", "2_subject_subject.py", "3_subject_model.py"):
        assert runner(checkout, folder)(script) == 0
    (folder / "derivatives" / "metadata").mkdir()
    models_info(model_name=["small_pool-avg", "wide_pool-cls", "other", "wide_pool-cls-untrained"],
                modality=["vision", "language", "vision",
                          "vision"]).to_csv(folder / "derivatives" / "metadata" / "models-info.csv", index=False)
    return folder


@pytest.fixture
def call(checkout, tmp_path):
    return runner(checkout, tmp_path)


@pytest.fixture
def prepared(made, tmp_path):
    for name in ("toy", "derivatives"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path / "derivatives" / "toy"


def test_the_table_of_the_toy_dataset(call, prepared, capsys):
    assert call("5_p_values.py", "--permutations", 199, "--seed", 3) == 0
    table = pandas.read_parquet(prepared / f"{TABLE}.parquet")
    published = ["roi", "name", "comparison", "observed", "null_mean", "null_std", "pvalue", "pvalue_fdr_bh", "apa_star",
                 "mne_name"]
    assert list(table) == [*published, "pvalue_fdr_overall", "smallest_detectable", "method"]
    known = table["pvalue"].notna()
    np.testing.assert_allclose(table.loc[known, "pvalue_fdr_overall"],
                               multipletests(table.loc[known, "pvalue"], method="fdr_bh")[1])
    out = capsys.readouterr().out
    smallest = table.loc[known & (table["comparison"] == "vision"), "smallest_detectable"].item()
    assert "vision: p <= 0.05 in 1 of 1 parcels (FDR), in 1 over all comparisons (FDR); smallest r that could have had p" in out
    assert f"{smallest:.4f} (parcels: {smallest:.4f} to {smallest:.4f}); sampled, 199 relabellings of images" in out
    assert [(name, part["roi"].tolist()) for name, part in table.groupby("comparison", sort=False)] == [
        (name, [3, 8, 11, 20, 41]) for name in ("intersubject", "language", "vision")]
    pairs = read_table(prepared / "rsa_subject_subject_alignment_shift_1_joined.parquet")
    layers = read_table(prepared / "rsa_subject_model_alignment_joined.parquet")
    other = pairs[(pairs["subject_i"] != pairs["subject_j"]) & (pairs["roi_x"] == 3) & (pairs["roi_y"] == 3)]
    row = table.set_index(["comparison", "roi"])
    assert row.loc[("intersubject", 3), "observed"] == pytest.approx(other["similarity"].astype(float).mean(), abs=1e-7)
    assert row.loc[("intersubject", 3), "method"] == "closed form of relabelled images, normal" + SAMPLE     # few images
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
    assert parts[:3] == ["subject-02_session-01_samples.npy", "subject-02_session-02_samples.npy",
                         "subject-02_session-03_samples.npy"] and len(parts) == 8 + 3
    assert np.load(prepared / "parts" / TABLE / parts[0]).shape == (2, 199, 5)
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in prepared.rglob("*")}
    assert call("5_p_values.py", "--permutations", 199, "--seed", 3) == 0
    assert {path: path.stat().st_mtime_ns for path in prepared.rglob("*")} == before
    assert "8 of 8 done before" in capsys.readouterr().out


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


def test_family_wise_values_stand_beside_closed_form_ones(call, prepared):
    assert call("5_p_values.py", "--permutations", 199, "--max-statistic") == 0
    table = pandas.read_parquet(prepared / f"{TABLE}.parquet")
    assert np.load(prepared / "permutations_subject_subject_rsa_joined_shift_1_agg_199.npy").shape == (199, 5)
    tested = table[table["pvalue"].notna()]
    assert len(tested) == 3 and tested["method"].iloc[0].startswith("closed form")
    sampled = tested[tested["comparison"] != "intersubject"]
    np.testing.assert_allclose(sampled["pvalue_max"], sampled["pvalue"], atol=0.006)       # a family of one parcel
    assert table.loc[table["pvalue"].isna(), "pvalue_max"].isna().all()


def test_the_published_test_says_what_it_is(call, prepared, capsys):
    assert call("5_p_values.py", "--permutations", 99, "--reference") == 0
    said = capsys.readouterr().out
    assert "single trials are relabelled, as published. Where images are repeated this rejects far more than 5 %" in said
    table = pandas.read_parquet(prepared / f"{TABLE}.parquet")
    assert set(table["method"]) == {"sampled, 99 relabellings of single trials, as published"}
    assert np.load(prepared / "permutations_subject_subject_rsa_joined_shift_1_agg_99.npy").shape == (99, 5)
    by_trial = table.set_index(["comparison", "roi"])["null_std"]
    assert call("5_p_values.py", "--permutations", 99) == 0
    by_image = pandas.read_parquet(prepared / f"{TABLE}.parquet").set_index(["comparison", "roi"])["null_std"]
    assert (by_trial.dropna() < by_image.dropna()).all()                                   # too narrow
    assert by_trial["intersubject", 3] < 0.6 * by_image["intersubject", 3]


def test_controls_and_excluded_pairs_have_tables_of_their_own(call, prepared, capsys):
    assert call("2_subject_subject.py", "--control", "temporal_lag", "--form", "diagonal") == 0
    assert call("2_subject_subject.py", "--exclude-pairs", "same-image", "lag3") == 0
    assert call("2_subject_subject.py", "--exclude-pairs", "same-image") == 0
    assert call("5_p_values.py", "--control", "temporal_lag") == call("5_p_values.py", "--exclude-pairs", "same-image") == 0
    capsys.readouterr()
    assert call("5_p_values.py", "--exclude-pairs", "lag3", "same-image") == 1
    said = capsys.readouterr().err
    assert "relabelling images changes which pairs lag3 leave out, so that there are no closed-form moments; sample" in said
    assert call("5_p_values.py", "--exclude-pairs", "lag3", "same-image", "--null", "sampled", "--permutations", 50) == 0
    found = {path.stem.removeprefix(TABLE): pandas.read_parquet(path).set_index("roi")
             for path in prepared.glob(f"{TABLE}*.parquet")}
    assert set(found) == {"_controled-temporal_lag", "_without-same-image", "_without-same-image_without-lag3"}
    for more, name in (("controled_joined_1_diagonal", "_controled-temporal_lag"),
                       ("shift_1_joined_without-same-image", "_without-same-image")):
        pairs = read_table(prepared / f"rsa_subject_subject_alignment_{more}.parquet")
        parcel = pairs["roi"] == 3 if "roi" in pairs else (pairs["roi_x"] == 3) & (pairs["roi_y"] == 3)
        here = pairs[parcel & (pairs["subject_i"] != pairs["subject_j"])]
        here = here[here["control"] == "temporal_lag"] if "control" in here else here
        assert found[name].loc[3, "observed"] == pytest.approx(here["similarity"].astype(float).mean(), abs=1e-6)
    assert all(table["pvalue"].notna().tolist() == [True, False, False, False, False] for table in found.values())
    assert (prepared / "permutations_subject_subject_rsa_joined_shift_1_agg_50_without-same-image_without-lag3.npy").exists()


def test_another_atlas_makes_the_table_again(call, prepared, tmp_path, capsys):
    """Names of parcels come from the atlas: it is one of the table's inputs."""
    atlas = toy_brains.Toy(tmp_path / "toy").atlas()
    atlas.to_csv(tmp_path / "atlas.csv", index=False)
    run = ("5_p_values.py", "--comparisons", "intersubject", "--atlas", tmp_path / "atlas.csv")
    assert call(*run) == 0
    assert pandas.read_parquet(prepared / f"{TABLE}.parquet")["name"][0] == "A"
    atlas.assign(name=atlas["name"].replace("A", "renamed")).to_csv(tmp_path / "atlas.csv", index=False)
    assert call(*run) == 0
    assert pandas.read_parquet(prepared / f"{TABLE}.parquet")["name"][0] == "renamed"


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
    message = refused(call, capsys)
    assert "alignment_shift_1_joined.parquet is not there; 3_alignment/2_subject_subject.py writes it" in message
    (tmp_path / "toy" / "responses-09.npz").unlink()
    assert "responses-09.npz not there; 1_dataset_preparation/4_extract_roi_betas.py" in refused(call, capsys, "--comparisons",
                                                                                                 "vision")
    (tmp_path / "derivatives" / "metadata" / "models-info.csv").unlink()
    assert "models-info.csv is not there; 2_model_extraction" in refused(call, capsys, "--comparisons", "vision")
    assert not list(prepared.glob(f"{TABLE}*"))


def test_a_modality_without_networks_is_refused_when_it_is_asked_for(call, prepared, tmp_path, capsys):
    path = tmp_path / "derivatives" / "metadata" / "models-info.csv"
    pandas.read_csv(path).assign(modality="vision").to_csv(path, index=False)
    assert "has no trained network of language, only of vision; extract features" in refused(call, capsys, "--comparisons",
                                                                                             "language")
    assert call("5_p_values.py", "--permutations", 20) == 0
    assert pandas.read_parquet(prepared / f"{TABLE}.parquet")["comparison"].unique().tolist() == ["intersubject", "vision"]
    assert json.loads((prepared / f"{TABLE}.parquet.json").read_text())["options"]["rois"] == {"intersubject": [3, 8, 11, 20,
                                                                                                                41],
                                                                                                                "vision": [3, 8,
                                                                                                                           11,
                                                                                                                           20,
                                                                                                                           41]}
