"""Networks over all trials of shared images, with and without controls, against scipy and regression."""

import numpy as np
import pandas
import pytest
import toy_brains
from scipy.spatial.distance import pdist

from convergence.alignment.controls import control_files, read_controls
from convergence.alignment.shared_model import subject_unit, table_path
from convergence.alignment.subject_model import choose_features
from convergence.alignment.trials import shared_trials
from convergence.features.store import open_features
from convergence.tasks import UnitsFailed, run_units


@pytest.fixture
def toy(tmp_path):
    return toy_brains.write(tmp_path / "toy", complete=False)


def run(toy, subject, folder, names=(), **options):
    known, files = read_controls(folder, toy, names), choose_features(toy.root / "features", "toy")
    table = table_path(folder, "toy", controls=names, exclude=options.get("exclude", ()))
    path, = run_units([subject_unit(toy, subject, files, table, known=known, control_files=control_files(folder, names),
                                    device="cpu", **options)], title="x")
    return pandas.read_parquet(path)


def rdm(matrix):
    matrix = np.asarray(matrix, float)
    return pdist(np.clip(matrix, *np.quantile(matrix, [0.003, 0.997])), "correlation")


def brain_and_layer(toy, subject, trials, layer=1):
    with open_features(choose_features(toy.root / "features", "toy")["small_pool-avg"]) as file:
        return rdm(toy.responses(subject, (3, 203), trials["subject_index"])), rdm(file.layer(layer, trials["image"]))


def cell(table, control=None):
    rows = table[(table["roi"] == 3) & (table["layer"] == 1) & (table["model"] == "small_pool-avg")]
    return (rows if control is None else rows[rows["control"] == control]).iloc[0]


def test_shared_images_against_scipy(toy, tmp_path):
    trials, table = shared_trials(toy.trials, 9), run(toy, 9, tmp_path)
    brain, layer = brain_and_layer(toy, 9, trials)
    assert abs(cell(table)["similarity"] - np.corrcoef(brain, layer)[0, 1]) < 1e-5 and cell(table)["n_pairs"] == len(brain)
    assert len(table) == 5 * 5
    assert "control" not in table
    assert table.loc[table["roi"] == 11, "reason"].unique().tolist() == ["parcel: no voxels"]
    without = run(toy, 9, tmp_path, exclude=("same-image",))
    i, j = np.triu_indices(len(trials), 1)
    kept = trials["image"].to_numpy()[i] != trials["image"].to_numpy()[j]
    assert abs(cell(without)["similarity"] - np.corrcoef(brain[kept], layer[kept])[0, 1]) < 1e-5
    assert cell(without)["n_pairs"] == kept.sum()


def test_controls_by_regression_each_and_all_at_once(toy, tmp_path):
    (tmp_path / "control_matrices").mkdir()
    features = pandas.DataFrame({"toy_id": range(100, 107), "x": np.random.default_rng(0).random(7)})
    features.to_parquet(tmp_path / "control_matrices" / "control_x.parquet")
    table = run(toy, 2, tmp_path, ("x", "same_session"))
    trials = shared_trials(toy.trials, 2).query("image < 107").reset_index(drop=True)          # image 107 is not in the control
    brain, layer = brain_and_layer(toy, 2, trials)
    c = features.set_index("toy_id")["x"][trials["image"]].to_numpy()
    i, j = np.triu_indices(len(trials), 1)
    same = (trials["session"].to_numpy()[i] != trials["session"].to_numpy()[j]).astype(float)
    for name, controls in {"uncontrolled": [], "x": [abs(c[i] - c[j])], "same_session": [same],
                           "x+same_session": [abs(c[i] - c[j]), same]}.items():
        design = np.column_stack([np.ones(len(i)), *controls])
        left = [y - design @ np.linalg.lstsq(design, y, rcond=None)[0] for y in (brain, layer)]
        assert abs(cell(table, name)["similarity"] - np.corrcoef(*left)[0, 1]) < 1e-5
    assert len(table) == 4 * 25 and set(table["distance"]) == {"", "euclidean", "built-in", "euclidean+built-in"}


def test_names_and_too_few_trials(toy, tmp_path):
    assert table_path(tmp_path, "nsd", controls=["x"],
                      hemispheres="separated").name == "rsa_subject_model_alignment_controled_separated.parquet"
    assert table_path(tmp_path, "nsd", untrained=True,
                      exclude=("lag9",)).name == "rsa_subject_model_alignment_joined_shared_untrained_without-lag9.parquet"
    (tmp_path / "control_matrices").mkdir()
    pandas.DataFrame({"toy_id": [100], "x": [1.0]}).to_parquet(tmp_path / "control_matrices" / "control_x.parquet")
    with pytest.raises(UnitsFailed, match="subject 2 has 3 existing trials of shared images that the controls have, at least 4 "
                                          "are needed"):
        run(toy, 2, tmp_path, ("x",))
