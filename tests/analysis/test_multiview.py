"""KMCCA against mvlearn and cca-zoo (golden values), as an estimator, and with dimensions that were planted."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles.kmcca_problems import SEEDS, problem
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from convergence import KMCCA
from convergence.analysis import multiview_solver
from convergence.analysis.multiview_test import count_components

GOLDEN = np.load(Path(__file__).parents[1] / "oracles/kmcca_golden.npz")


def correlations(a, b):
    """Of every view and component, the size of the correlation of two score arrays."""
    return np.array([abs(np.corrcoef(x, y)[0, 1]) for u, v in zip(a, b) for x, y in zip(u.T, v.T)])


def planted(n=120, widths=(60, 90, 75), n_shared=2, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, n_shared))
    return shared, [shared @ rng.standard_normal((n_shared, p)) + noise * rng.standard_normal((n, p)) for p in widths]


@pytest.fixture
def views():
    return planted()[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_eigenvalues_and_variates_are_mvlearns(seed):
    views, regularization, threshold = problem(seed)
    model = KMCCA(3, normalize=False, regularization=regularization, tol=threshold).fit(views)
    np.testing.assert_allclose(model.eigenvalues_, GOLDEN[f"mvlearn_eigenvalues_{seed}"], atol=1e-6)
    assert correlations(model.view_scores_, GOLDEN[f"mvlearn_scores_{seed}"]).min() > 0.9999


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_are_those_of_cca_zoo(seed):
    """Mode A of K / (n - 1), which has the covariances of the features as its eigenvalues."""
    views, regularization, _ = problem(seed)
    centred = [x - x.mean(0) for x in views]
    model = KMCCA(3, kernel="precomputed", normalize=False, regularization=regularization).fit([x @ x.T / (len(x) - 1) for x in centred])
    assert correlations(model.view_scores_, GOLDEN[f"cca-zoo_scores_{seed}"]).min() > 0.99999


@pytest.mark.parametrize("tol", [0.0, 1e-3])
def test_the_iteration_finds_what_the_dense_problem_has(views, monkeypatch, tol):
    dense = KMCCA(4, tol=tol).fit(views)
    monkeypatch.setattr(multiview_solver, "DENSE", 0)
    monkeypatch.setattr(multiview_solver, "RESIDUAL", 1e-7)
    iterated = KMCCA(4, tol=tol).fit(views)
    np.testing.assert_allclose(iterated.eigenvalues_, dense.eigenvalues_, rtol=1e-9)
    assert correlations(iterated.view_scores_, dense.view_scores_).min() > 1 - 1e-9
    np.testing.assert_allclose(iterated.transform(views), iterated.view_scores_, atol=1e-6)


@pytest.mark.parametrize("regularization", [0.01, 0.1, 0.9])
@pytest.mark.parametrize("width", [30, 900])
def test_noise_of_many_voxels_does_not_lead_the_iteration_astray(monkeypatch, regularization, width):
    """With many voxels and little penalty the eigenvalues of noise lie close together, near the largest that there can be."""
    views = planted(n=70, widths=[width] * 6, noise=4.0)[1]
    dense = KMCCA(6, regularization=regularization).fit(views)
    monkeypatch.setattr(multiview_solver, "DENSE", 0)
    iterated = KMCCA(6, regularization=regularization).fit(views)
    np.testing.assert_allclose(iterated.eigenvalues_, dense.eigenvalues_, atol=3e-6)
    assert (iterated.eigenvalues_ <= 1 + 5 / (1 - regularization) + 1e-6).all()


def test_scores_solve_the_problem_of_the_literature(views):
    """sum_{b != a} K_a K_b alpha_b = (l - 1) ((1 - k) K_a^2 + k K_a) alpha_a, with kernels of trace n."""
    model = KMCCA(3, regularization=0.2).fit(views)
    n, kernels = len(views[0]), []
    for x in views:
        x = x - x.mean(0)
        kernels.append(x @ x.T * n / (x ** 2).sum())
    for a, k in enumerate(kernels):
        others = sum(kernels[b] @ model.dual_coef_[b] for b in range(3) if b != a)
        right = (0.8 * k @ k + 0.2 * k) @ model.dual_coef_[a] * (model.eigenvalues_ - 1)
        np.testing.assert_allclose(k @ others, right, atol=1e-8)
    np.testing.assert_allclose(model.view_scores_, [k @ alpha for k, alpha in zip(kernels, model.dual_coef_)], atol=1e-10)


@pytest.mark.parametrize("options", [{}, {"max_rank": 70}, {"kernel": "rbf"}, {"kernel": "cosine", "regularization": 0.5}, {"kernel": "polynomial"},
                                     {"regularization": 1.0}, {"kernel": "linear", "tol": 0.02, "regularization": 0.0}])
def test_fit_transform_is_transform_of_the_training_views(views, options):
    model = KMCCA(3, **options)
    np.testing.assert_allclose(model.fit_transform(views), model.transform(views), atol=1e-10)
    np.testing.assert_allclose(model.transform(views[1], view=1), model.view_scores_[1], atol=1e-10)


def test_a_precomputed_kernel_is_the_kernel():
    _, views = planted()
    train, new = [x[:90] for x in views], [x[90:] for x in views]
    ours = KMCCA(2).fit(train)
    given = KMCCA(2, kernel="precomputed").fit([x @ x.T for x in train])
    np.testing.assert_allclose(given.transform([x @ y.T for x, y in zip(new, train)]), ours.transform(new), atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_planted_dimensions_are_recovered_on_stimuli_that_were_not_used(seed):
    shared, views = planted(n=260, n_shared=2, noise=1.5, seed=seed)
    model = KMCCA(4).fit([x[:180] for x in views])
    held_out = [x[180:] for x in views]
    scores = model.transform(held_out).mean(0)
    for k in range(2):
        weights = np.linalg.lstsq(shared[:180], model.view_scores_.mean(0)[:, k], rcond=None)[0]
        assert np.corrcoef(shared[180:] @ weights, scores[:, k])[0, 1] > 0.9
    r = model.score(held_out)
    assert (r[:2] > 0.8).all() and (abs(r[2:]) < 0.3).all()
    pairs = [np.corrcoef(u[:, 0], v[:, 0])[0, 1] for k, u in enumerate(model.transform(held_out)) for v in model.transform(held_out)[k + 1:]]
    assert r[0] == pytest.approx(np.mean(pairs))


def test_a_view_may_lack_stimuli():
    shared, views = planted(noise=0.5)
    mask = np.ones((3, 120), bool)
    mask[0, :25], mask[2, 100:113] = False, False
    damaged = [x.copy() for x in views]
    damaged[0][:25] = np.nan
    model = KMCCA(2).fit(damaged, mask=mask)
    assert np.isnan(model.view_scores_[0, :25]).all() and np.isfinite(model.view_scores_[0, 25:]).all()
    np.testing.assert_allclose(model.transform(damaged, mask=mask), model.view_scores_, atol=1e-10)
    plane = np.linalg.qr(shared - shared.mean(0))[0]
    assert np.linalg.svd(plane.T @ model.common_scores_)[1].min() > 0.9                  # equal dimensions may rotate within the plane
    full = KMCCA(2).fit(views, mask=np.ones((3, 120), bool))
    np.testing.assert_array_equal(full.eigenvalues_, KMCCA(2).fit(views).eigenvalues_)


def test_low_rank_comes_near_the_whole_kernel_and_reaches_it(views):
    whole = KMCCA(2).fit(views)
    assert correlations(KMCCA(2, max_rank=80).fit(views).view_scores_, whole.view_scores_).min() > 0.98
    np.testing.assert_allclose(KMCCA(2, max_rank=120).fit(views).eigenvalues_, whole.eigenvalues_, rtol=1e-10)


def test_normalizing_makes_the_scale_of_a_view_immaterial(views):
    scaled = [views[0] * 1e4, views[1] / 50, views[2] + 7]
    np.testing.assert_allclose(KMCCA(3).fit(scaled).eigenvalues_, KMCCA(3).fit(views).eigenvalues_, rtol=1e-6)
    assert not np.allclose(KMCCA(3, normalize=False).fit(scaled).eigenvalues_, KMCCA(3, normalize=False).fit(views).eigenvalues_, rtol=1e-3)


def test_manners_of_an_estimator(views):
    model = KMCCA(3, regularization=0.3, kernel_params=None)
    assert clone(model).get_params() == model.get_params() and model.get_params()["regularization"] == 0.3
    with pytest.raises(NotFittedError, match=r"call fit\(views\) first"):
        model.transform(views)
    before = [x.copy() for x in views]
    assert model.fit(views) is model and model.n_features_in_ == [60, 90, 75]
    for x, y in zip(views, before):
        np.testing.assert_array_equal(x, y)
    first = model.eigenvalues_.copy(), model.view_scores_.copy()
    model.fit(views)
    np.testing.assert_array_equal(model.eigenvalues_, first[0])
    np.testing.assert_array_equal(model.view_scores_, first[1])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(views), model.transform(views))


def test_permuted_stimuli_give_permuted_scores(views):
    order = np.random.default_rng(5).permutation(120)
    model, permuted = KMCCA(2).fit(views), KMCCA(2).fit([x[order] for x in views])
    np.testing.assert_allclose(permuted.common_scores_, model.common_scores_[order], atol=1e-8)
    swapped = KMCCA(2).fit(views[::-1])
    np.testing.assert_allclose(swapped.view_scores_[::-1], model.view_scores_, atol=1e-8)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_tensors_come_back_as_tensors(views, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    ours = KMCCA(2).fit(views)
    theirs = KMCCA(2).fit([torch.as_tensor(x, device=device) for x in views])
    assert theirs.view_scores_.dtype == torch.float64 and theirs.view_scores_.device.type == device
    np.testing.assert_allclose(theirs.view_scores_.cpu(), ours.view_scores_, atol=1e-6)


@pytest.mark.parametrize("change, message", [
    (lambda v: v[0], r"KMCCA.fit: views is ndarray; expected a list of \(n_stimuli, n_features\) matrices"),
    (lambda v: v[:1], r"found 1 view; expected at least 2"),
    (lambda v: [v[0], v[1][:100], v[2]], r"the views have 120, 100, 120 stimuli; give all views the same stimuli .* mask"),
    (lambda v: [v[0], np.where(np.arange(120)[:, None] == 4, np.nan, v[1]), v[2]], r"views\[1\] has NaN in 1 of 120 stimuli: 4; leave .* or say so in mask"),
    (lambda v: [v[0], v[1], np.ones((120, 3))], r"a view is constant"),
    (lambda v: [v[0], v[1][:, 0], v[2]], r"views\[1\] has shape \(120,\); expected \(n_stimuli, n_features\)"),
    (lambda v: [x[:3] for x in v], r"views\[0\] has 3 stimuli; at least 4 are needed")])
def test_bad_views_are_explained(views, change, message):
    with pytest.raises(ValueError, match=message):
        KMCCA().fit(change(views))


@pytest.mark.parametrize("options, message", [
    ({"tol": 0.5}, "tol=0.5 leaves no dimension of views\\[0\\]; its largest eigenvalue of K / n is 0.39"),
    ({"n_components": 400, "kernel_params": {}}, "n_components=400, but the views have 225 dimensions in all"),
    ({"n_components": 0}, "n_components=0; expected a whole number, at least 1"), ({"regularization": 1.5}, "regularization=1.5; expected a number"),
    ({"kernel": "liner"}, "kernel='liner' is unknown; did you mean 'linear'"), ({"kernel": "rbf", "kernel_params": {"sigma": 1}}, "'rbf' has no parameter 'sigma'; it has gamma"),
    ({"max_rank": 10, "kernel": "precomputed"}, "max_rank needs the views themselves"), ({"max_rank": 10, "tol": 0.1}, "max_rank needs regularization > 0 and tol = 0")])
def test_bad_options_are_explained(views, options, message):
    with pytest.raises(ValueError, match=message):
        KMCCA(**options).fit(views)


def test_bad_new_stimuli_are_explained(views):
    model = KMCCA().fit(views)
    with pytest.raises(ValueError, match=r"views\[1\] has 60 columns; expected 90, as in fit"):
        model.transform([views[0], views[0], views[2]])
    with pytest.raises(ValueError, match="found 2 views; expected the 3 that were fitted"):
        model.transform(views[:2])
    with pytest.raises(ValueError, match="view is 3; expected 0 to 2"):
        model.transform(views[0], view=3)
    with pytest.raises(ValueError, match=r"mask has shape \(3, 10\) and type bool; expected \(3, 120\) bool"):
        model.transform(views, mask=np.ones((3, 10), bool))


def test_the_number_of_components_is_counted():
    _, views = planted(n=50, widths=(30, 40, 35), noise=2.0)
    found = count_components(views, 4, n_permutations=49)
    assert found.n_shared == 2 and len(found.p) == 3 and (np.diff(found.p) >= 0).all() and found.p[0] == 1 / 50
    assert found.p.tolist() == count_components(views, 4, n_permutations=49).p.tolist()


@pytest.mark.slow
def test_the_count_keeps_its_error_rate():
    """Of 200 sets of views that share nothing, about 5 % have a first component at 0.05: the count lies within a binomial 99.9 % interval."""
    rng = np.random.default_rng(3)
    rejected = sum(count_components([rng.standard_normal((20, p)) for p in (12, 25)], 1, n_permutations=19, seed=k).p[0] <= 0.05 for k in range(200))
    assert 1 <= rejected <= 22
