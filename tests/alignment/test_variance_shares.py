"""Subjects' RDM stores against several controls: rows, images that a control lacks, parcels and controls without an RDM."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import toy_brains

from convergence.alignment.rdms import store_path, store_unit
from convergence.alignment.variance_shares import left_out, subject_shares
from convergence.analysis.rdm import select_stimuli
from convergence.storage.outputs import Record, save
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import conform


@pytest.fixture
def toy(tmp_path):
    dataset = toy_brains.write(tmp_path / "toy")
    store_unit(dataset, 5, dataset.parcels("joined"), "joined", tmp_path, device="cpu").execute()
    folder, rng = tmp_path / "control_matrices", np.random.default_rng(1)
    folder.mkdir()
    for name, columns in (("size", 1), ("twice", 1), ("colour", 3)):
        images = rng.permutation(np.arange(100, 108 if name != "colour" else 107))
        values = images[:, None] * (1 + (name == "twice")) if columns == 1 else rng.random((len(images), columns))
        pd.DataFrame(values,
                     columns=[f"c{k}"
                              for k in range(columns)]).assign(toy_id=images).to_parquet(folder / f"control_{name}.parquet")
    return dataset


def shares(toy, tmp_path, names, **options):
    return subject_shares(**{"subject": 5, "rois": None, "names": names, "distance": "euclidean", "solver": "ordinary",
                             "n_bootstrap": 0,
                             "seed": 0, "store": store_path(tmp_path, "toy", 5, "joined"), "dataset": toy,
                             "derivatives": tmp_path,
                             **options})


def test_shares_are_those_of_statsmodels_over_trials_that_all_controls_have(toy, tmp_path):
    names = ["size", "colour", "temporal_lag"]
    found = shares(toy, tmp_path, names).set_index(["roi", "kind", "term"])
    with RDMStore(store_path(tmp_path, "toy", 5, "joined")) as store:
        places = np.flatnonzero(store.trials["image"] != 107)
        brain, rows = select_stimuli(store.rdms([3])[0], places), store.trials.iloc[places]
    assert len(places) == 21
    i, j = np.triu_indices(21, 1)
    colours = pd.read_parquet(tmp_path / "control_matrices" / "control_colour.parquet").set_index("toy_id")
    colour = colours.loc[rows["image"]].to_numpy()
    image, row = rows["image"].to_numpy(), rows["row"].to_numpy()
    x = np.stack([abs(image[i] - image[j]), np.linalg.norm(colour[i] - colour[j], axis=1), abs(row[i] - row[j])], axis=1)
    fit = lambda x: sm.OLS(brain, sm.add_constant(x)).fit().rsquared
    assert found.loc[(3, "total", "all"), "r_squared"] == pytest.approx(fit(x), abs=1e-6)
    assert found.loc[(3, "unique", "colour"), "r_squared"] == pytest.approx(fit(x) - fit(x[:, [0, 2]]), abs=1e-6)
    assert found.loc[(3, "alone", "temporal_lag"), "r_squared"] == pytest.approx(fit(x[:, [2]]), abs=1e-6)
    assert found["low"].isna().all() and (found["reason"].ne("") == found["r_squared"].isna()).all()
    pd.testing.assert_frame_equal(found.reset_index(), conform(found.reset_index(), "variance_partitioning"), check_like=True)


def test_parcels_and_controls_without_an_rdm_are_named(toy, tmp_path):
    found = shares(toy, tmp_path, ["size", "twice"], n_bootstrap=20, solver="nonnegative")
    assert found.loc[found["roi"] == 11,
                     ["term", "kind", "reason"]].to_numpy().tolist() == [["all", "total", "parcel: no voxels"]]
    known = found[found["roi"] == 3].set_index(["kind", "term"])
    assert known.loc[("total", "all"), "low"] <= known.loc[("total", "all"), "high"] and known.loc[("total", "all"),
                                                                                                   "r_squared"] >= 0
    assert known.loc[("unique", "twice"), "reason"] == "twice is a combination of size"
    assert np.isnan(known.loc[("unique", "twice"), "r_squared"]) and known.loc[("unique", "size"), "weight"] >= 0
    path = save(found, tmp_path / "table.parquet", Record("test"))
    assert left_out(path) == ["left out, twice is a combination of size (subjects 5)"]


def test_too_few_common_images_are_an_error(toy, tmp_path):
    path = tmp_path / "control_matrices" / "control_size.parquet"
    pd.DataFrame({"toy_id": [100, 300], "c": [1, 2]}).to_parquet(path)
    with pytest.raises(ValueError, match="subject 5 has 3 trials of shared images that all controls have, at least 4 are needed"):
        shares(toy, tmp_path, ["size", "colour"])
