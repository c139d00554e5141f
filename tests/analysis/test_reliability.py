"""Noise ceilings against rsatoolbox, on simulated and on real RDMs."""

import numpy as np
import pytest
import torch
from rsatoolbox.inference import boot_noise_ceiling
from rsatoolbox.rdm import RDMs
from scipy import io, stats

from convergence.analysis.reliability import (ceiling_of_products, disattenuate, noise_ceiling, spearman_brown, split_half,
                                              subset_summary)
from convergence.analysis.similarity import unit

THEIRS = {"pearson": "corr", "spearman": "spearman", "rho_a": "rho-a", "cosine": "cosine"}


def subjects(n_subjects=5, n=20, seed=0, dtype=np.float64):
    """RDMs with something in common, of unequal scale, mean and reliability: larger distances must not count more."""
    rng = np.random.default_rng(seed)
    n_pairs = n * (n - 1) // 2
    noise = rng.standard_normal((n_subjects, n_pairs)) * np.linspace(0.3, 2, n_subjects)[:, None]
    rdms = 5 + rng.standard_normal(n_pairs) + noise
    return (rdms * rng.uniform(0.1, 10, (n_subjects, 1)) + rng.uniform(0, 3, (n_subjects, 1))).astype(dtype)


@pytest.mark.parametrize("method", THEIRS)
@pytest.mark.parametrize("n_subjects", [2, 3, 7])
def test_equals_rsatoolbox(method, n_subjects):
    rdms = subjects(n_subjects)
    expected = boot_noise_ceiling(RDMs(rdms), method=THEIRS[method])
    np.testing.assert_allclose(noise_ceiling(rdms, method=method), expected, atol=1e-10)
    np.testing.assert_allclose(noise_ceiling(torch.from_numpy(rdms.astype(np.float32)), method=method), expected, atol=1e-6)


def test_from_the_definition():
    rdms = subjects()
    z = stats.zscore(rdms, axis=1)
    lower = np.mean([stats.pearsonr(z[k], np.delete(z, k, axis=0).mean(0)).statistic for k in range(5)])
    upper = np.mean([stats.pearsonr(z[k], z.mean(0)).statistic for k in range(5)])
    found = noise_ceiling(rdms)
    assert all(isinstance(bound, float) for bound in found)
    np.testing.assert_allclose(found, (lower, upper), atol=1e-12)
    assert lower < upper


def test_scale_and_order_of_subjects_do_not_matter():
    rdms = subjects()
    np.testing.assert_allclose(noise_ceiling(rdms[::-1] * np.array([[1], [7], [2], [0.1], [30]]) + 4), noise_ceiling(rdms),
                               atol=1e-10)


def test_identical_subjects_have_a_ceiling_of_one_and_two_subjects_their_similarity():
    rdms = subjects(2)
    np.testing.assert_allclose(noise_ceiling(np.repeat(rdms[:1], 4, axis=0)), (1, 1), atol=1e-12)
    assert noise_ceiling(rdms)[0] == pytest.approx(stats.pearsonr(*rdms).statistic)


def test_ties_between_ranks():
    rdms = subjects().round(0)
    np.testing.assert_allclose(noise_ceiling(rdms, method="rho_a"), boot_noise_ceiling(RDMs(rdms), method="rho-a"), atol=1e-10)


def test_four_people_who_saw_92_pictures(images92_root):
    people = io.loadmat(images92_root / "92_brainRDMs.mat")["RDMs"]                                  # (1, 4 people, 2 sessions)
    i, j = np.triu_indices(92, 1)
    rdms = np.array([[people[0, person, session]["RDM"][i, j] for session in range(2)] for person in range(4)], np.float64)
    lower, upper = noise_ceiling(rdms.mean(1))
    assert lower == pytest.approx(0.39, abs=0.005) and upper == pytest.approx(0.68, abs=0.005)
    np.testing.assert_allclose((lower, upper), boot_noise_ceiling(RDMs(rdms.mean(1)), method="corr"), atol=1e-10)


@pytest.mark.parametrize("rdms, expected", [
    (subjects()[0], "noise_ceiling: rdms has shape (190,); expected (n_subjects, n_pairs) with at least 2 subjects"),
    (subjects()[:1], "noise_ceiling: rdms has shape (1, 190); expected (n_subjects, n_pairs) with at least 2 subjects"),
    (np.where(np.arange(5)[:, None] == 3, np.nan, subjects()),
     "noise_ceiling: rdms has NaN in 1 of 5 subjects: 3; leave them out"),
    (np.array([[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [1, 3, 2, 5, 4, 6]]),
     "noise_ceiling: the mean of the other subjects is constant in 1 of 3 subjects: 2"),
])
def test_bad_arguments(rdms, expected):
    with pytest.raises(ValueError) as error:
        noise_ceiling(rdms)
    assert str(error.value).startswith(expected)


def test_an_unknown_method():
    with pytest.raises(ValueError, match="^noise_ceiling: method='rho-a' is unknown; did you mean 'rho_a'"):
        noise_ceiling(subjects(), method="rho-a")


def test_products_of_unit_rdms_give_the_same_ceiling():
    u = unit(subjects())
    others = u.sum(0) - u
    bounds = ceiling_of_products((u * others).sum(1), (others ** 2).sum(1))
    np.testing.assert_allclose([bound.mean() for bound in bounds], noise_ceiling(subjects()), atol=1e-12)


def test_split_half_from_the_definition():
    rdms = subjects(3)
    r = [stats.pearsonr(rdms[i], rdms[j]).statistic for i, j in ((0, 1), (0, 2), (1, 2))]
    single = np.tanh(np.arctanh(r).mean())
    np.testing.assert_allclose(split_half(rdms), (single, 3 * single / (1 + 2 * single)), atol=1e-12)


def test_spearman_brown_predicts_the_reliability_of_the_mean_of_repetitions():
    rng = np.random.default_rng(0)
    truth, noise = rng.standard_normal(20_100), rng.standard_normal((6, 20_100)) * 1.5
    _, predicted = split_half((truth + noise)[:3])
    assert predicted == pytest.approx(stats.pearsonr(*(truth + noise).reshape(2, 3, -1).mean(1)).statistic, abs=0.02)
    assert spearman_brown(predicted, 1) == predicted


def test_disattenuation_recovers_the_similarity_without_noise():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(80_200)
    y = 0.6 * x + 0.8 * rng.standard_normal(80_200)
    noisy = lambda values, scale: values + scale * rng.standard_normal((2, 80_200))
    (a, a2), (b, b2) = noisy(x, 1), noisy(y, 2)
    r = lambda one, other: stats.pearsonr(one, other).statistic
    assert r(a, b) < 0.25 and disattenuate(r(a, b), r(a, a2), r(b, b2))[0] == pytest.approx(0.6, abs=0.03)
    assert disattenuate(r(a, y), r(a, a2))[0] == pytest.approx(0.6, abs=0.02)


def test_a_ratio_is_not_cut_off_and_says_why_it_is_not_there():
    ratio, reason = disattenuate([0.5, -0.3, 0.2, np.nan, 0.1], [0.2, 0.3, 0.04, 0.3, np.nan], [0.2, 0.3, 0.9, 0.3, 0.3])
    np.testing.assert_allclose(ratio, [2.5, -1, np.nan, np.nan, np.nan])
    assert reason.tolist() == ["", "", "reliability 0.040 is below 0.05", "no similarity", "no reliability"]
    assert disattenuate([0.2], [0.04], least=0.03)[0][0] == pytest.approx(1)


def test_subset_summary():
    values = np.array([[0.1, 0.2], [0.3, 0.2], [0.2, 0.2]])
    found = subset_summary(values)
    np.testing.assert_allclose([found["mean"][0], found["sd"][0], found["relative_error"][0], found["snr"][0]],
                               [0.2, 0.1, 0.5, 0.8])
    assert found["sd"][1] == pytest.approx(0) and found["snr"][1] == pytest.approx(1)


@pytest.mark.parametrize("call, expected", [
    (lambda: split_half(subjects(1)), "split_half: repetitions has shape (1, 190); expected (n_repetitions, n_pairs) with at "
                                      "least 2 repetitions"),
    (lambda: disattenuate(0.1, 0.5, least=0), "disattenuate: least=0; expected a number from 1e-06 to below 1"),
])
def test_more_bad_arguments(call, expected):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value).startswith(expected)
