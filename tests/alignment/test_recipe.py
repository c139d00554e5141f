"""Other RDMs than the published one: z-scored, averaged over repetitions, crossnobis, single sessions, float16; values against
scipy on matrices made here."""

import numpy as np
import pandas
import pytest
import toy_brains
from scipy.spatial.distance import pdist

from convergence.alignment.rdms import store_path, store_unit
from convergence.alignment.recipe import Recipe, zscored
from convergence.alignment.trials import session_trials, shared_trials
from convergence.analysis.crossnobis import crossnobis
from convergence.storage.rdm_store import RDMStore, write_rdms
from convergence.tasks import UnitsFailed, run_units


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toy_brains.write(tmp_path_factory.mktemp("toy"), complete=False)


def stored(toy, folder, subject=2, hemispheres="joined", **options):
    path, = run_units([store_unit(toy, subject, toy.parcels(hemispheres), hemispheres, folder, device="cpu", **options)],
                      title="RDMs")
    with RDMStore(path) as store:
        return store.rdms([3])[0], store.trials, store.attributes, dict(zip(store.rois.tolist(), store.reasons))


def clipped(matrix):
    matrix = np.asarray(matrix, np.float64)
    return np.clip(matrix, *np.quantile(matrix, [0.003, 0.997]))


def test_metrics_and_names(toy, tmp_path):
    rows = shared_trials(toy.trials, 2)["subject_index"].to_numpy()
    matrix = clipped(toy.responses(2, (3, 203), rows))
    for metric in ("euclidean", "cosine"):
        rdm, trials, attributes, _ = stored(toy, tmp_path, recipe=Recipe(metric=metric))
        assert np.allclose(rdm, pdist(matrix, metric), rtol=2e-6, atol=1e-6)
        assert trials["row"].tolist() == rows.tolist()
        assert attributes["metric"] == metric
    names = {recipe: store_path(tmp_path, "nsd", 3, "separated", recipe).name
             for recipe in (Recipe(), Recipe(metric="crossnobis", noise="shrinkage", zscore=True))}
    assert list(names.values()) == ["subject-03_separated_shared.h5",
                                    "subject-03_separated_shared_crossnobis_shrinkage_zscore.h5"]
    assert Recipe(metric="cosine", images=True).flags == "--metric cosine --images"
    assert Recipe().options == {"metric": "correlation", "clip": 0.003}


def test_zscore_uses_all_trials_of_a_session(toy):
    trials = shared_trials(toy.trials, 9)
    found = zscored(toy, 9, (3, 203), trials)
    assert set(trials["session"]) == {1, 3}
    for session, of_it in trials.groupby("session"):
        whole = toy.responses(9, (3, 203), session_trials(toy.trials, 9, session)["subject_index"]).astype(float)
        mine = toy.responses(9, (3, 203), of_it["subject_index"]).astype(float)
        assert len(whole) > len(mine) and np.allclose(found[of_it.index], (mine - whole.mean(0)) / whole.std(0), atol=1e-5)


def test_images_are_averaged_over_their_repetitions(toy, tmp_path):
    trials = shared_trials(toy.trials, 9)
    matrix = pandas.DataFrame(toy.responses(9, (3, 203),
                                            trials["subject_index"]).astype(float)).groupby(trials["image"].to_numpy(),
                                                                                            sort=False).mean()
    rdm, stimuli, attributes, _ = stored(toy, tmp_path, subject=9, recipe=Recipe(images=True))
    assert stimuli["image"].tolist() == matrix.index.tolist()
    assert attributes["stimuli"] == "images"
    assert set(stimuli["repetition"]) == {0}
    assert np.allclose(rdm, pdist(clipped(matrix), "correlation"), atol=2e-6)


@pytest.mark.parametrize("noise", ["diagonal", "shrinkage"])
def test_crossnobis_of_images_shown_at_least_twice(toy, tmp_path, noise):
    trials = shared_trials(toy.trials, 9)
    assert trials["image"].value_counts().min() < 3
    rdm, stimuli, attributes, reasons = stored(toy, tmp_path, subject=9, recipe=Recipe(metric="crossnobis", noise=noise))
    expected, images = crossnobis(clipped(toy.responses(9, (3, 203), trials["subject_index"])), trials["image"],
                                  trials["repetition"],
                                  sessions=trials["session"], noise=noise)
    assert stimuli["image"].tolist() == images.tolist() and np.allclose(rdm, expected, rtol=1e-3, atol=1e-4)
    # a constant trial is a pattern too
    assert reasons[11] == "no voxels"
    assert reasons[20] == "one voxel: a pattern needs at least two"
    assert reasons[41] == ""


def test_single_sessions_and_float16(toy, tmp_path):
    rdm, trials, _, _ = stored(toy, tmp_path, session=2)
    rows = session_trials(toy.trials, 2, 2)["subject_index"]
    assert trials["row"].tolist() == rows.tolist()
    assert np.allclose(rdm, pdist(clipped(toy.responses(2, (3, 203), rows)), "correlation"), atol=2e-6)
    half, *_ = stored(toy, tmp_path, session=2, dtype="float16")
    assert half.dtype == np.float32 and 0 < np.abs(half - rdm).max() < 1e-3
    sizes = {name: (tmp_path / "toy" / "rdms" / name).exists() for name in ("subject-02_joined_session-02.h5",)}
    assert sizes == {"subject-02_joined_session-02.h5": True}


def test_distances_beyond_float16_and_short_sessions_are_named(toy, tmp_path):
    with pytest.raises(ValueError, match="parcel 7 has distances up to 7e.04, float16 ends at 65504.0; leave --float16 out"):
        write_rdms(tmp_path / "x.h5", parcels=[(7, 3, np.full(6, 7e4), "")], attributes={}, dtype="float16",
                   trials=pandas.DataFrame({name: range(4) for name in ("row", "image", "repetition", "session")}))
    with pytest.raises(UnitsFailed, match="subject 9, session 2 has 0 stimuli for an RDM, at least 4 are needed"):
        stored(toy, tmp_path, subject=9, session=2)
    class Once(toy_brains.Toy):
        @property
        def trials(self):
            table = super().trials
            return table.assign(exists=table["exists"] & (table["repetition"] == 0))
    with pytest.raises(UnitsFailed, match="subject 5 has 0 shared images that were shown often enough, at least 4 are needed"):
        stored(Once(toy.root), tmp_path / "once", subject=5, recipe=Recipe(metric="crossnobis"))


def test_runs_are_stored_where_they_are_known(toy, tmp_path):
    class Runs(toy_brains.Toy):
        @property
        def trials(self):
            table = super().trials
            return table.assign(run=1 + table["subject_index"] % 13 // 5)
    _, trials, _, _ = stored(Runs(toy.root), tmp_path)
    assert trials["run"].tolist() == (1 + trials["row"] % 13 // 5).tolist()


def test_images_meet_whatever_sessions_a_subject_has(toy, tmp_path, monkeypatch):
    """The stimuli of image-wise RDMs have one repetition number in all subjects, also in one whose first repetitions are lost."""
    table = toy.trials.copy()
    first = table.loc[table["shared"], "repetition"].min()
    table.loc[(table["subject"] == 2) & (table["repetition"] == first), "exists"] = False
    monkeypatch.setattr(type(toy), "trials", table)
    _, trials, attributes, _ = stored(toy, tmp_path, recipe=Recipe(images=True))
    assert set(trials["repetition"]) == {first} == {attributes["first_repetition"]}


def test_noise_without_crossnobis_is_refused():
    with pytest.raises(ValueError, match="--noise shrinkage belongs to --metric crossnobis; the metric is euclidean"):
        Recipe(metric="euclidean", noise="shrinkage")
