"""Comparison of models: rsatoolbox draw by draw, error rates on equal models, a planted better one, the true model."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from convergence import compare_models
from convergence.analysis.bootstrap import draw_counts
from convergence.analysis.model_comparison import ceilings, in_words
from convergence.analysis.reliability import noise_ceiling
from convergence.analysis.similarity import rsa


def brains(rng, n_subjects=5, n=14, noise=1.0):
    """The true dimensions, and the RDMs of subjects whose voxels mix them, each subject's in its own way."""
    latent = rng.standard_normal((n, 8))
    responses = [latent @ rng.standard_normal((8, 30)) + noise * 3 * rng.standard_normal((n, 30)) for _ in range(n_subjects)]
    return latent, np.array([pdist(x, "sqeuclidean") for x in responses])


def seen(latent, dimensions):
    return pdist(latent[:, dimensions], "sqeuclidean")


def test_equals_rsatoolbox_draw_by_draw(monkeypatch):
    """The same samples through eval_dual_bootstrap: estimates, variances and p of every model and difference."""
    from rsatoolbox.inference import eval_dual_bootstrap, evaluate
    from rsatoolbox.model import ModelFixed
    from rsatoolbox.rdm import RDMs
    rng = np.random.default_rng(2)
    latent, rdms = brains(rng, n_subjects=6)
    models = np.array([seen(latent, range(8)), seen(latent, [0, 1]), rng.random(91)])
    subjects, stimuli = draw_counts(6, 14, n_bootstrap=60, seed=4)
    draws = iter(zip(subjects, stimuli))

    def the_same_sample(data, **options):
        one, other = (np.repeat(np.arange(len(counts)), counts) for counts in next(draws))
        return data.subsample("index", one).subsample_pattern("index", other), one, other

    monkeypatch.setattr(evaluate, "bootstrap_sample", the_same_sample)
    theirs = eval_dual_bootstrap([ModelFixed(str(k), rdm) for k, rdm in enumerate(models)], RDMs(rdms), method="corr", N=60)
    ours = compare_models(rdms, models, n_bootstrap=60, seed=4, fisher=False)
    of = lambda test: ours[ours["test"] == test]
    np.testing.assert_allclose(of("zero")["standard_error"] ** 2, theirs.model_var, rtol=1e-6)
    np.testing.assert_allclose(of("difference")["standard_error"] ** 2, theirs.diff_var, rtol=1e-6)
    np.testing.assert_allclose(of("zero")["similarity"], rsa(rdms, models).mean(0), atol=1e-12)
    assert set(ours["dof"]) == {theirs.dof} == {5}
    np.testing.assert_allclose(ours[["ceiling_lower", "ceiling_upper"]].iloc[0], noise_ceiling(rdms), atol=1e-12)


def test_ceilings_from_correlations():
    _, rdms = brains(np.random.default_rng(0), n_subjects=4)
    r = rsa(rdms, rdms)
    np.testing.assert_allclose(ceilings(r, np.ones(4), np.average), noise_ceiling(rdms), atol=1e-12)
    counts = np.array([2, 1, 0, 3])
    z = (rdms - rdms.mean(1, keepdims=True)) / rdms.std(1, keepdims=True)
    others = counts * (1 - np.eye(4))                                           # copies of a subject are not among the others
    lower = [np.corrcoef(z[k], others[k] @ z)[0, 1] for k in (0, 1, 3)]
    upper = [np.corrcoef(z[k], counts @ z)[0, 1] for k in (0, 1, 3)]
    np.testing.assert_allclose(ceilings(r, counts, np.average), [np.average(bound, weights=[2, 1, 3])
                                                                 for bound in (lower, upper)], atol=1e-12)
    assert np.isnan(ceilings(r, np.array([0, 4, 0, 0]))[0])


def test_the_planted_better_model_wins_and_reaches_the_ceiling():
    latent, rdms = brains(np.random.default_rng(3), n_subjects=8, n=40)
    found = compare_models(rdms, np.array([seen(latent, range(8)), seen(latent, [1])]), names=["good", "poor"], n_bootstrap=300)
    best = found[found["test"] == "difference"].iloc[0]
    assert best["difference"] > 0.25 and best["p_fdr"] < 0.02 and best["low"] > 0.05
    ceiling = found[found["test"] == "ceiling"].set_index("model")
    assert ceiling.loc["good", "p"] > 0.05 and ceiling.loc["poor",
                                                           "p"] < 0.05 and set(ceiling["other"]) == {"lower noise ceiling"}
    assert (found[found["test"] == "zero"]["p"] < 0.06).all()


def test_fdr_counts_the_parcels_and_models_of_one_test_as_a_family():
    from scipy.stats import false_discovery_control
    latent, rdms = brains(np.random.default_rng(3))
    _, more = brains(np.random.default_rng(8))
    models = np.array([seen(latent, range(8)), seen(latent, [1]), seen(latent, [2])])
    found = compare_models(np.stack([rdms, more]), models, rois=["V1", "MST"], n_bootstrap=50)
    for test, rows in found.groupby("test"):
        assert len(rows) == 6 and set(rows["roi"]) == {"V1", "MST"}
        np.testing.assert_allclose(rows["p_fdr"], false_discovery_control(rows["p"]))
    other = compare_models(np.stack([rdms, more]), np.stack([models, models[::-1]]),
                           n_bootstrap=50)           # a parcel may have layers of its own
    alone = compare_models(more, models[::-1], n_bootstrap=50)
    np.testing.assert_allclose(other[other["roi"] == 1]["p"], alone["p"])


def test_a_model_against_itself():
    latent, rdms = brains(np.random.default_rng(3))
    found = compare_models(rdms, np.array([seen(latent, [1])] * 2), n_bootstrap=50)
    row = found[found["test"] == "difference"].iloc[0]
    assert row["difference"] == 0 and row["p"] == 1


def told_apart(n_simulated, n_subjects, n, n_bootstrap, first=(0, 1, 2, 3), second=(4, 5, 6, 7)):
    """Share of datasets in which two models are told apart at 0.05: by default equally good ones, for new people and stimuli."""
    rng, found = np.random.default_rng(11), []
    for seed in range(n_simulated):
        latent, rdms = brains(rng, n_subjects, n)
        table = compare_models(rdms, np.array([seen(latent, first), seen(latent, second)]), n_bootstrap=n_bootstrap,
                               seed=seed)
        found.append(table[table["test"] == "difference"]["p"].iloc[0])
    return (np.array(found) < 0.05).mean()


def test_equal_models_are_told_apart_rarely():
    assert told_apart(60, 6, 16, 100) <= 0.12                      # 0.05 and three standard errors


@pytest.mark.slow
@pytest.mark.parametrize("n_subjects, n", [(8, 30), (4, 30), (8, 12)])
def test_error_rate_of_equal_models(n_subjects, n):
    rate = told_apart(600, n_subjects, n, 200)
    print(n_subjects, n, rate)
    assert rate <= 0.077                                             # 0.05 and three standard errors of 600


@pytest.mark.slow
def test_power_grows_with_the_difference():
    """One of two models lacks 2, 4 or 6 of the 8 dimensions that the other sees; 8 people, 30 stimuli."""
    power = [told_apart(100, 8, 30, 200, first=range(8), second=range(8 - lacking)) for lacking in (2, 4, 6)]
    print("power of compare_models", power)
    assert power[0] < power[1] <= power[2] and power[2] > 0.8


def test_the_true_model_lies_between_the_ceilings_on_average():
    """Over 200 datasets, the mean r of the model that made them."""
    rng, rows = np.random.default_rng(7), []
    for _ in range(200):
        n_pairs = 190
        truth = rng.standard_normal(n_pairs)
        rdms = truth + rng.standard_normal((5, n_pairs)) * rng.uniform(0.8, 2, (5, 1))
        rows.append((*noise_ceiling(rdms), rsa(truth, rdms).mean()))
    lower, upper, true = np.mean(rows, axis=0)
    assert lower < true - 0.02 and true < upper - 0.02


def test_in_words():
    row = {"roi": 4, "test": "zero", "model": "net", "other": "", "similarity": 0.2, "other_similarity": 0, "difference": 0.2,
           "low": -0.1, "high": 0.5, "t": 1.2,
           "dof": 3, "p": 0.31, "p_fdr": 0.0004}
    assert in_words(row, name="V4") == ("V4: net (r = 0.200) is 0.200, 95 % interval -0.100 to 0.500; t(3) = 1.20, p = 0.310 "
                                        "uncorrected, < 0.001 after FDR.")


@pytest.mark.parametrize("change, expected", [
    (lambda rdms, models: ((rdms[:1], models), {}), "compare_models: rdms has 1 subject; a bootstrap over subjects needs at "
                                                    "least 2"),
    (lambda rdms, models: ((rdms, models), {"names": ["a"]}), "compare_models: 1 names for 2 models"),
    (lambda rdms, models: ((rdms[None], np.stack([models] * 2)), {}), "compare_models: models are of 2 parcels, rdms of 1"),
    (lambda rdms, models: ((rdms, models[:, :78]), {}), "compare_models: "),
])
def test_bad_arguments(change, expected):
    latent, rdms = brains(np.random.default_rng(0))
    arguments, options = change(rdms, np.array([seen(latent, [0]), seen(latent, [1])]))
    with pytest.raises(ValueError) as error:
        compare_models(*arguments, **options)
    assert str(error.value).startswith(expected)
