"""RDMs of parcels and layers, and their store, against scipy on rows gathered by hand."""

import numpy as np
import pytest
import toy_brains
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr

from convergence.alignment.rdms import described_layer_rdms, layer_rdms, parcel_rdms, prepare, subject_rdms, store_path, store_unit
from convergence.alignment.trials import session_trials, shared_trials
from convergence.features.store import open_features
from convergence.storage.outputs import state
from convergence.storage.rdm_store import RDMStore
from convergence.tasks import run_units


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toy_brains.write(tmp_path_factory.mktemp("toy"), complete=False)


def expected_rdm(matrix, clip=0.003):
    low, high = np.quantile(matrix.astype(np.float64), [clip, 1 - clip])
    return pdist(np.clip(matrix.astype(np.float64), low, high), "correlation")


def test_parcels_against_scipy_and_reasons_in_words(toy):
    rows = shared_trials(toy.trials, 5)["subject_index"].to_numpy()
    found = {parcel.name: (n_voxels, condensed, reason) for parcel, n_voxels, condensed, reason in parcel_rdms(toy, 5, toy.parcels("joined"), rows)}
    assert list(found) == ["A", "B", "none", "one", "flat"]
    left, right = toy.responses(5, [3]), toy.responses(5, [203])
    assert found["A"][0] == left.shape[1] + right.shape[1] and found["A"][2] == "" and found["A"][1].dtype == np.float32
    assert np.allclose(found["A"][1], expected_rdm(np.concatenate([left, right], axis=1)[rows]), atol=2e-6)
    assert found["B"] == (0, None, "no voxels") and found["none"] == (0, None, "no voxels")
    assert found["one"] == (1, None, "one voxel: a pattern needs at least two")
    shared_flat = int((rows == toy_brains.FLAT_TRIAL).sum())
    assert shared_flat == 1 and found["flat"][1:] == (None, f"1 of {len(rows)} trials have one value in all voxels")


def test_the_order_of_rows_is_the_order_of_stimuli(toy):
    rows = np.array([30, 2, 17, 8, 9])
    (_, _, condensed, _), = parcel_rdms(toy, 9, toy.parcels("separated")[:1], rows, clip=0)
    assert np.allclose(condensed, pdist(toy.responses(9, [3], rows).astype(float), "correlation"), atol=2e-6)


def test_a_wrong_option_is_an_error_and_not_a_reason(toy):
    with pytest.raises(ValueError, match="metric='corelation' is unknown; did you mean 'correlation'"):
        list(parcel_rdms(toy, 2, toy.parcels(), [1, 2, 3, 4], metric="corelation"))
    with pytest.raises(ValueError, match="clip=0.7"):
        list(parcel_rdms(toy, 2, toy.parcels(), [1, 2, 3, 4], clip=0.7))


class Matrices:
    """A dataset of one subject with given matrices."""

    def __init__(self, *matrices):
        self.matrices = matrices

    def responses(self, subject, labels, rows):
        return self.matrices[labels[0]][rows]


def test_nan_infinity_and_rows_that_clipping_makes_constant_are_reasons():
    from convergence.datasets.base import Parcel
    rng = np.random.default_rng(0)
    broken = rng.standard_normal((6, 4)).astype(np.float32)
    broken[0, 1], broken[4, 2] = np.nan, np.inf
    extreme = rng.standard_normal((6, 2))
    extreme[3] = 70, 80                                                    # beyond the limit in both voxels
    parcels = [Parcel(k, "", (k,)) for k in range(3)]
    found = list(parcel_rdms(Matrices(broken, extreme, rng.standard_normal((6, 3))), 1, parcels, np.arange(6), clip=0.25))
    assert found[0][2:] == (None, "NaN or infinity in 2 of 6 trials")
    assert found[1][2] is None and "constant" in found[1][3] and "row" in found[1][3]
    assert found[2][3] == "" and found[2][2].shape == (15,)


def test_layers_against_scipy_with_repeated_images(toy):
    images = session_trials(toy.trials, 2, 1)["image"].to_numpy()
    assert len(set(images)) < len(images)
    with open_features(toy.root / "features" / "toy" / "all" / "small_pool-avg.h5", "toy") as file:
        rdms = layer_rdms(file, images)
        assert rdms.shape == (3, len(images) * (len(images) - 1) // 2) and rdms.dtype == np.float32
        for layer in range(3):
            assert np.allclose(rdms[layer], expected_rdm(file.layer(layer, images)), atol=2e-6)
        with pytest.raises(ValueError, match="not in it: toy_id 0, 1"):
            layer_rdms(file, [100, 0, 101, 1, 102])


class Layers:
    n_layers = 3

    def layer(self, index, images):
        dims = [np.ones((len(images), 4)), np.arange(len(images) * 5.0).reshape(len(images), 5) ** 2, np.zeros((len(images), 1))]
        return dims[index].astype(np.float32)


def test_a_layer_that_cannot_be_computed_is_nan_and_has_a_reason():
    rdms, reasons = described_layer_rdms(Layers(), [7, 8, 9, 12])
    assert reasons == ["4 of 4 trials have one value in all units", "", "one unit: a pattern needs at least two"]
    assert np.isnan(rdms[[0, 2]]).all() and np.isfinite(rdms[1]).all()
    assert np.array_equal(layer_rdms(Layers(), [7, 8, 9, 12]), rdms, equal_nan=True)


def test_prepared_rdms_multiply_to_pearson_correlations():
    rdms = np.random.default_rng(3).random((4, 45), dtype=np.float32)
    rdms[2], rdms[3] = np.nan, 0.25 + 1e-7 * (rdms[3] > 0.5)               # constant but for rounding
    units, reasons = prepare(rdms, ["", "", "no voxels", ""], "cpu")
    assert reasons == ["", "", "no voxels", "all distances are the same"]
    assert abs(float(units[0] @ units[1]) - pearsonr(rdms[0], rdms[1]).statistic) < 1e-6
    assert np.isnan(units[2:].numpy()).all()


def test_the_store_holds_all_existing_shared_trials_in_order(toy, tmp_path):
    unit, = [store_unit(toy, 9, toy.parcels("joined"), "joined", tmp_path)]
    run_units([unit], title="RDMs")
    assert unit.output == store_path(tmp_path, "toy", 9, "joined") == tmp_path / "toy" / "rdms" / "subject-09_joined_shared.h5"
    table = toy.trials
    own = table[(table["subject"] == 9) & table["shared"] & (table["session"] != 2)].sort_values("subject_index")
    with RDMStore(unit.output) as store:
        assert store.rois.tolist() == [3, 8, 11, 20, 41] and store.n_voxels.tolist() == [16, 5, 0, 1, 7]
        assert store.trials["row"].tolist() == own["subject_index"].tolist() and store.trials["image"].tolist() == own["image"].tolist()
        assert store.trials["session"].unique().tolist() == [1, 3]
        assert {key: store.attributes[key] for key in ("dataset", "subject", "hemispheres", "metric", "clip", "first_repetition", "n_repetitions")} == {
            "dataset": "toy", "subject": 9, "hemispheres": "joined", "metric": "correlation", "clip": 0.003, "first_repetition": 0, "n_repetitions": 3}
        assert np.allclose(store.rdms([8])[0], expected_rdm(toy.responses(9, [8])[own["subject_index"]]), atol=2e-6)
        assert store.reasons[2] == "no voxels" and np.isnan(store.rdms([11])).all()


def test_the_store_has_the_same_bytes_again_and_is_redone_when_responses_change(tmp_path):
    toy = toy_brains.write(tmp_path / "toy")
    unit = store_unit(toy, 2, toy.parcels("separated"), "separated", tmp_path)
    first = run_units([unit], title="RDMs")[0].read_bytes()
    assert run_units([unit], title="RDMs", overwrite=True)[0].read_bytes() == first
    toy_brains.write(tmp_path / "toy", seed=8)
    assert state(unit.output, unit.record)[0] == "stale"


def test_no_shared_trials_is_one_clear_error(toy):
    class Unseen(toy_brains.Toy):
        @property
        def trials(self):
            return super().trials.assign(exists=False)
    with pytest.raises(ValueError, match=r"subject 5 has 0 existing trials of shared images \(24 were planned\), at least 4 are needed; get its sessions"):
        subject_rdms(subject=5, hemispheres="joined", rois=[3], metric="correlation", clip=0.003, dataset=Unseen(toy.root))
