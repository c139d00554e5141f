"""Sessions against vectors of pictures, by scipy's RDMs and by the metrics themselves."""

import numpy as np
import pandas as pd
import pytest
import toy_brains
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr

from convergence import measure
from convergence.alignment.control_similarity import check_metrics, lost_vectors, session_similarity, session_unit
from convergence.alignment.trials import session_trials
from convergence.storage.outputs import Record, save
from convergence.storage.tables import conform

NAMES = {"counts": "toy_counts", "scores": "toy_scores", "nothing": "toy_nothing"}


@pytest.fixture
def toy(tmp_path):
    dataset = toy_brains.write(tmp_path / "toy")
    folder, rng = tmp_path / "out" / "control_matrices", np.random.default_rng(1)
    folder.mkdir(parents=True)
    images = np.array([image for image in rng.permutation(len(dataset.images))
                       if image != 105])       # in no order, and one is absent
    vectors = {"counts": rng.integers(0, 3, (len(images), 4)), "scores": rng.standard_normal((len(images), 2)),
               "nothing": np.ones((len(images), 1))}
    vectors["counts"][np.flatnonzero(images == 102)] = 0                                               # nothing in this picture
    for name, values in vectors.items():
        table = pd.DataFrame(values, columns=[f"column {k}" for k in range(values.shape[1])]).assign(toy_id=images)
        table.to_parquet(folder / f"control_toy_{name}.parquet")
    dataset.vectors = {name: pd.DataFrame(values, index=images) for name, values in vectors.items()}
    return dataset


def compare(toy, tmp_path, metrics, names=NAMES, **options):
    return session_similarity(**{"subject": 5, "session": 2, "hemispheres": "joined", "rois": None, "clip": 0, "metrics": metrics,
                                 "distance": "euclidean", "names": names, "kind": "objects_similarity", "dataset": toy,
                                 "derivatives": tmp_path / "out", "device": "cpu", **options})


def stimuli(toy):
    trials = session_trials(toy.trials, 5, 2)
    trials = trials[trials["image"] != 105]
    return toy.responses(5, (3, 203), trials["subject_index"].to_numpy()).astype(float), trials["image"]


def test_scores_are_those_of_scipy_and_of_measure(toy, tmp_path):
    found = compare(toy, tmp_path, ["auto", "rsa", "spearman", "unbiased_cka"])
    responses, images = stimuli(toy)
    assert 105 in set(session_trials(toy.trials, 5, 2)["image"]) and (found["n_stimuli"] == len(images)).all()
    score = found[found["roi"] == 3].set_index(["tokenizer", "metric"])["score"]
    brain = pdist(responses, "correlation")
    for name in ("counts", "scores"):
        vector = toy.vectors[name].loc[images].to_numpy(float)
        expected = {"rsa": pearsonr(brain, pdist(vector))[0], "spearman": spearmanr(brain, pdist(vector).round(9))[0],
                    "unbiased_cka": measure("unbiased_cka", responses, vector)}
        for metric, value in expected.items():
            assert np.allclose(score[name, metric], value, atol=1e-5), (name, metric)
    assert {"rho_a", "rsa"} <= set(found.loc[found["tokenizer"] == "counts", "metric"])     # auto: tied distances
    assert set(found.loc[found["tokenizer"] == "scores", "metric"]) == {"rsa", "spearman", "unbiased_cka"}
    pd.testing.assert_frame_equal(found, conform(found, "objects_similarity"))


def test_what_cannot_be_computed_has_its_reason_and_the_rest_a_score(toy, tmp_path):
    found = compare(toy, tmp_path, ["auto", "unbiased_cka"]).set_index(["roi", "tokenizer", "metric"])
    assert found.loc[(11, "counts", "rho_a"), "reason"] == found.loc[(11, "scores", "unbiased_cka"),
                                                                     "reason"] == "parcel: no voxels"
    assert found.loc[(20, "scores", "rsa"), "reason"] == "parcel: one voxel: a pattern needs at least two"
    assert found.loc[(3, "nothing", "rsa"), "reason"] == "the vector is the same for all trials"
    assert found.loc[(3, "nothing", "unbiased_cka"), "reason"].startswith("the vector cannot be used, ")
    assert (found["score"].isna() == (found["reason"] != "")).all() and found["score"].notna().sum() >= 6
    path = save(found.reset_index(), tmp_path / "nsd" / "objects_cka_similarity_joined.parquet", Record("test"))
    assert lost_vectors(path,
                        "objects_similarity") == ["not computed, nothing in 1 sessions: the vector is the same for all trials"]


def test_pearson_distances_keep_single_columns_euclidean_and_say_what_is_undefined(toy, tmp_path):
    found = compare(toy, tmp_path, ["rsa"], distance="pearson").set_index(["roi", "tokenizer"])
    responses, images = stimuli(toy)
    expected = pearsonr(pdist(responses, "correlation"), pdist(toy.vectors["scores"].loc[images], "correlation"))[0]
    assert found.loc[(3, "scores"), "score"] == pytest.approx(expected, abs=1e-5)
    assert "the vector has no RDM, compute_rdm: responses is constant" in found.loc[(3, "counts"), "reason"]
    assert found.loc[(3, "nothing"), "reason"] == "the vector is the same for all trials"


def test_a_changed_vector_is_computed_again_and_another_clip_too(toy, tmp_path):
    from convergence.storage.outputs import state

    def unit(**options):
        return session_unit(toy, 2, 1, NAMES, tmp_path / "out" / "toy" / "table.parquet", tmp_path / "out",
                            kind="perceptual_similarity",
                            **options)

    unit().execute()
    assert state(unit().output, unit().record)[0] == "done" and state(unit().output, unit(clip=0.1).record)[0] == "stale"
    path = tmp_path / "out" / "control_matrices" / "control_toy_scores.parquet"
    pd.read_parquet(path).assign(**{"column 0": 1.0}).to_parquet(path)
    assert state(unit().output, unit().record)[0] == "stale"


def test_errors_name_metrics_and_trials(toy, tmp_path):
    with pytest.raises(ValueError, match="--metric: metric='unbiased-cka' is unknown; did you mean 'unbiased_cka'"):
        check_metrics(["rsa", "unbiased-cka"])
    path = tmp_path / "out" / "control_matrices" / "control_toy_scores.parquet"
    table = pd.read_parquet(path)
    table[table["toy_id"] < 3].to_parquet(path)
    with pytest.raises(ValueError, match="subject 5, session 2 has 0 existing trials of images that the control tables have"):
        compare(toy, tmp_path, ["rsa"])
