"""The null of the best layer in a session, on the toy dataset, against relabelling images by hand."""

import numpy as np
import pandas
import pytest
import toy_brains
from relabelled import square
from scipy.spatial.distance import pdist

from convergence.alignment.model_null import mean_null, session_null, session_units
from convergence.alignment.subject_model import choose_features
from convergence.alignment.trials import session_trials
from convergence.analysis.relabelling import draw_relabellings
from convergence.features.store import open_features

MODALITIES = {"language": ["wide_pool-cls"], "vision": ["small_pool-avg", "wide_pool-cls"]}


@pytest.fixture
def toy(tmp_path):
    return toy_brains.write(tmp_path / "toy")


def null(toy, subject, session, **changes):
    known = dict(rois=[8, 3, 11, 41], modalities=MODALITIES, permutations=30, seed=5, clip=0, dataset=toy, device="cpu",
                 files=choose_features(toy.root / "features", "toy"))
    return session_null(subject=subject, session=session, **{**known, **changes})


def test_best_layers_under_relabelled_images_by_hand(toy):
    """Images of the session were shown once, twice or three times. One relabelling for parcels, layers and networks."""
    found = null(toy, 9, 2)
    assert found.shape == (2, 30, 4) and found.dtype == np.float32
    trials = session_trials(toy.trials, 9, 2)
    shown = trials["image"].to_numpy()
    assert len(set(pandas.Series(shown).value_counts())) > 1
    relabellings = draw_relabellings(len(shown), 30, (5, 2), blocks=pandas.factorize(shown)[0])
    i, j = np.triu_indices(len(shown), 1)
    brains = {roi: pdist(toy.responses(9, labels, trials["subject_index"]).astype(float), "correlation") for roi,
              labels in {8: (8, 208), 3: (3, 203)}.items()}
    for k, roi in enumerate((8, 3)):
        best = {}
        for name in MODALITIES["vision"]:
            with open_features(choose_features(toy.root / "features", "toy")[name]) as file:
                layers = [square(pdist(file.layer(layer, shown).astype(float), "correlation")) for layer in range(file.n_layers)]
            r = np.array([[np.corrcoef(brains[roi], layer[p[i], p[j]])[0, 1] for layer in layers] for p in relabellings])
            best[name] = np.take_along_axis(r, abs(r).argmax(1)[:, None], 1)[:, 0]
        np.testing.assert_allclose(found[0, :, k], best["wide_pool-cls"], atol=2e-6)
        np.testing.assert_allclose(found[1, :, k], (best["wide_pool-cls"] + best["small_pool-avg"]) / 2, atol=2e-6)
    assert np.isnan(found[:, :, 2]).all() and not np.isnan(found[:, :, [0, 1]]).any()                    # parcel 11 has no voxels


def test_sessions_of_equal_structure_share_relabellings_across_subjects(toy, monkeypatch):
    drawn = []
    original = draw_relabellings
    monkeypatch.setattr("convergence.analysis.relabelling.draw_relabellings", lambda *args,
                        **kwargs: drawn.append(original(*args, **kwargs)) or drawn[-1])
    for subject, session in ((2, 1), (9, 1), (2, 3)):
        null(toy, subject, session, rois=[3], permutations=8)
    shown = [toy.trials.query(f"subject == {subject} and session == 1")["image"].to_numpy() for subject in (2, 9)]
    assert (shown[0] != shown[1]).any()
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_a_layer_that_cannot_be_computed_empties_its_modality_only(toy, monkeypatch):
    from convergence.alignment import model_null
    described = model_null.described_layer_rdms
    monkeypatch.setattr(model_null, "described_layer_rdms", lambda file, images, **how: (
        (rdms := described(file, images, **how)) and (rdms[0], ["flat", *rdms[1][1:]] if file.n_layers == 3 else rdms[1])))
    found = null(toy, 2, 1)
    assert np.isnan(found[1]).all() and not np.isnan(found[0][:, :2]).any()


def test_mean_over_sessions_then_subjects(tmp_path):
    arrays = np.random.default_rng(0).random((3, 2, 5, 4)).astype(np.float32)
    parts = [tmp_path / f"{k}.npy" for k in range(3)]
    for path, array in zip(parts, arrays):
        np.save(path, array)
    found = mean_null(parts=parts, sessions=[(2, 1), (2, 3), (9, 1)], which=1)
    np.testing.assert_allclose(found, ((arrays[0] + arrays[1]) / 2 + arrays[2])[1] / 2, rtol=1e-6)


def test_units_record_what_decides_the_result(toy, tmp_path):
    files = choose_features(toy.root / "features", "toy")
    table = tmp_path / "derivatives" / "toy" / "p.parquet"
    first, second = session_units(toy, [(2, 1), (9, 3)], files, MODALITIES, table, rois=[3], permutations=10, seed=4,
                                  device="cpu")
    assert second.output == table.parent / "parts" / "p" / "subject-09_session-03_samples.npy"
    assert second.options == {"subject": 9, "session": 3, "rois": [3], "modalities": MODALITIES, "permutations": 10, "seed": 4,
                              "clip": 0.003}
    assert set(second.inputs) == {*toy.response_files(9), *files.values()}
