"""3_alignment/6_reliability.py on the toy dataset, against direct computation, and its refusals."""


import numpy as np
import pandas
import pytest
import toy_brains
from scipy import stats
from scipy.spatial.distance import squareform

from convergence.alignment import reliability
from convergence.alignment.rdms import store_path
from convergence.alignment.trials import common_trials
from convergence.python_files import load_python
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import conform, read_table

A, B = 3, 8                                                             # parcels of the toy; subject 5 has no voxels in B


def run(checkout, root, script, *options):
    module = load_python(checkout / "3_alignment" / f"{script}.py")
    return module.main(["--dataset", "toy", "--root", str(root / "toy"), "--derivatives", str(root / "derivatives"), "--device",
                        "cpu",
                        *map(str, options)])


@pytest.fixture(scope="module")
def made(checkout, tmp_path_factory):
    """Folder with the toy's tables after scripts 1, 2 and 6; call(...) runs 6 again."""
    root = tmp_path_factory.mktemp("reliability")
    toy_brains.register()
    toy_brains.write(root / "toy", complete=False)
    assert run(checkout, root, "1_compute_rdms") == 0 and run(checkout, root, "2_subject_subject") == 0
    features = "--features", root / "toy" / "features"
    assert run(checkout, root, "3_subject_model", *features, "--trials", "shared") == 0
    assert run(checkout, root, "6_reliability", "--draws", 12, "--subset-images", 5, "--least", 0.02) == 0
    return root


def table(root, name):
    found = read_table(root / "derivatives" / "toy" / f"{name}.parquet")
    pandas.testing.assert_frame_equal(found, conform(found, name))
    return found


def square(root, subject, roi=A):
    """An RDM of the store as a square, and its trials."""
    with RDMStore(store_path(root / "derivatives", "toy", subject, "joined")) as store:
        return squareform(store.rdms([roi])[0].astype(float)), store.trials


def shifted(root, i, others):
    """RDMs over the trials of i that have partners in all others: i's, and each other's, one repetition apart."""
    trials = toy_brains.Toy(root / "toy").trials
    tables = [common_trials(trials, i, j, 1).set_index("subject_index_i")["subject_index_j"] for j in others]
    rows = pandas.concat(tables, axis=1, join="inner").sort_index()
    found = []
    for subject, chosen in [(i, rows.index), *zip(others, rows.to_numpy().T)]:
        rdm, own = square(root, subject)
        places = pandas.Index(own["row"]).get_indexer(chosen)
        found.append(stats.zscore(squareform(rdm[np.ix_(places, places)], checks=False)))
    return found


def test_ceilings_and_reliabilities_of_a_subject(made):
    row = table(made, "reliability_subjects").set_index(["subject", "roi"]).loc[(5, A)]
    mine, *others = shifted(made, 5, [2, 9])
    r = lambda x, y: stats.pearsonr(x, y).statistic
    np.testing.assert_allclose(row[["ceiling_lower", "ceiling_upper"]].astype(float),
                               [r(mine, sum(others)), r(mine, mine + sum(others))], atol=1e-5)
    rdm, own = square(made, 5)
    place = own.reset_index().pivot(index="image", columns="repetition", values="index")
    parts = [squareform(rdm[np.ix_(place[k], place[k])], checks=False) for k in range(3)]
    single = np.tanh(np.mean([np.arctanh(r(parts[i], parts[j])) for i, j in ((0, 1), (0, 2), (1, 2))]))
    np.testing.assert_allclose(row[["split_half", "split_half_corrected"]].astype(float), [single, 3 * single / (1 + 2 * single)],
                               atol=1e-5)


def test_the_group_and_its_ratios(made):
    pairs = read_table(made / "derivatives" / "toy" / "rsa_subject_subject_alignment_shift_1_joined.parquet")
    pairs = pairs[(pairs["roi_x"] == A) & (pairs["roi_y"] == A)].set_index(["subject_i", "subject_j"])["similarity"].astype(float)
    row = table(made, "reliability").set_index("roi").loc[A]
    between = {(i, j): r for (i, j), r in pairs.items() if i != j}
    assert row["name"] == "A" and row["n_subjects"] == 3 and row["n_ratios"] == 6 and row["reason"] == ""
    assert row["intersubject"] == pytest.approx(np.tanh(np.mean(np.arctanh(list(between.values())))))
    assert row["intersubject_ratio"] == pytest.approx(np.mean([r / np.sqrt(pairs[i, i] * pairs[j, j])
                                                               for (i, j), r in between.items()]), abs=1e-5)
    subjects = table(made, "reliability_subjects").query("roi == @A")
    for column in ("ceiling_lower", "ceiling_upper", "within_subject"):
        assert row[column] == pytest.approx(np.tanh(np.arctanh(subjects[column]).mean()))
    assert row["ceiling_lower"] < row["ceiling_upper"]


def test_a_parcel_that_subjects_lack_has_reasons(made):
    subjects = table(made, "reliability_subjects").set_index(["subject", "roi"])
    assert subjects.loc[(2, B), "reason"].startswith("subject_5: no voxels") and np.isnan(subjects.loc[(2, B), "ceiling_lower"])
    assert np.isfinite(subjects.loc[(2, B),
                                    "split_half"])                                      # that of the subject alone is there
    group = table(made, "reliability").set_index("roi")
    assert group.loc[11, "reason"] == "no ratio: reliability of nobody is 0.02 or more"
    assert np.isnan(group.loc[11, "intersubject_ratio"])
    assert group.loc[B, "reason"].endswith("intersubject is of 2 of 6 pairs of subjects")   # those without subject 5
    network = table(made, "reliability_connectivity").set_index(["roi_x", "roi_y"])
    assert network.loc[(A, A), "ratio"] == pytest.approx(1) and network.loc[(A, 11), "reason"] == "no similarity"


def test_subsets_are_rsa_of_the_trials_of_some_images(made):
    subsets = table(made, "reliability_subsets")
    assert set(subsets.groupby(["roi", "subject_i", "subject_j"]).size()) == {12} and set(zip(subsets["subject_i"],
                                                                                              subsets["subject_j"])) == {
        (i, j) for i in toy_brains.SUBJECTS for j in toy_brains.SUBJECTS if i != j}
    chosen = reliability.subsets(8, 5, 12, 0)
    assert (chosen.sum(1) == 5).all() and len(np.unique(chosen, axis=0)) > 6
    trials = common_trials(toy_brains.Toy(made / "toy").trials, 2, 9, 1)
    trials = trials[trials["image"].isin(100 + np.flatnonzero(chosen[3]))]
    rows = subsets[(subsets["roi"] == A) & (subsets["subject_i"] == 2) & (subsets["subject_j"] == 9)].set_index("subset")
    assert rows.loc[3, "subset_size"] == len(trials)
    both = []
    for subject, side in ((2, "i"), (9, "j")):
        rdm, own = square(made, subject)
        places = pandas.Index(own["row"]).get_indexer(trials[f"subject_index_{side}"])
        both.append(squareform(rdm[np.ix_(places, places)], checks=False))
    assert rows.loc[3, "similarity"] == pytest.approx(stats.pearsonr(*both).statistic, abs=1e-5)
    means = subsets[subsets["roi"] == A].groupby("subset")["similarity"].mean().astype(float)
    group = table(made, "reliability").set_index("roi").loc[A]
    np.testing.assert_allclose(group[["subset_mean", "subset_sd"]].astype(float), [means.mean(), means.std()], atol=1e-6)
    assert group["relative_error"] == pytest.approx(group["subset_sd"] / group["subset_mean"])


def test_networks_beside_their_ratios(made):
    layers, models = (read_table(made / "derivatives" / "toy" / f"{name}.parquet") for name in (
        "rsa_subject_model_alignment_joined_shared", "reliability_models"))
    pandas.testing.assert_frame_equal(models, conform(models, "reliability_models"))
    subjects = table(made, "reliability_subjects").set_index(["subject", "roi"])["within_subject"]
    row = models[(models["subject"] == 9) & (models["roi"] == A)].iloc[-1]
    assert len(models) == len(layers) and row["reason"] == ""
    assert row["ratio"] == pytest.approx(row["similarity"] / np.sqrt(subjects[9, A]))
    assert set(models[models["roi"] == 11]["reason"]) == {"no similarity"}


def test_a_second_run_computes_nothing(made, checkout, capsys):
    assert run(checkout, made, "6_reliability", "--draws", 12, "--subset-images", 5, "--least", 0.02) == 0
    assert "noise ceilings: 3 of 3 done before" in capsys.readouterr().out


def test_a_choice_of_parcels_does_not_cost_the_parts_of_all(made, checkout, capsys):
    again = ["--draws", 12, "--subset-images", 5, "--least", 0.02]
    assert run(checkout, made, "6_reliability", *again, "--rois", "A") == 0
    assert set(table(made, "reliability")["roi"]) == {A}
    capsys.readouterr()
    assert run(checkout, made, "6_reliability", *again) == 0
    assert "subsets of images: 6 of 6 done before" in capsys.readouterr().out and len(table(made, "reliability")) == 5


@pytest.mark.parametrize("options, expected", [
    (["--least", 0], "--least: 0 is no reliability that a ratio can be taken to"),
    (["--draws", 1], "--draws: 1 subsets have no spread"),
    (["--subset-images", 8], "--subset-images: 8 of 8 shared images cannot be drawn in several ways; expected 4 to 7"),
    (["--subjects", 2], "subjects: 2 is alone; a noise ceiling needs at least one other subject"),
])
def test_refusals(made, checkout, capsys, options, expected):
    assert run(checkout, made, "6_reliability", *options) == 1
    assert expected in capsys.readouterr().err


def test_missing_tables_are_named(checkout, tmp_path, capsys):
    toy_brains.register()
    toy_brains.write(tmp_path / "toy")
    assert run(checkout, tmp_path, "6_reliability") == 1
    assert "1_compute_rdms.py" in capsys.readouterr().err
    assert run(checkout, tmp_path, "1_compute_rdms") == 0 and run(checkout, tmp_path, "6_reliability") == 1
    assert "2_subject_subject.py writes it" in capsys.readouterr().err


def test_size_of_a_subset():
    assert reliability.subset_size(1000) == 500 and reliability.subset_size(907) == 453 and reliability.subset_size(1200) == 500
