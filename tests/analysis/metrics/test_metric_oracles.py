"""Metrics against scikit-learn, scipy and rsatoolbox on 50 random cases, known identities, and what unrelated matrices give."""

import numpy as np
import pytest
import rsatoolbox
import torch
from scipy.linalg import subspace_angles
from scipy.spatial import procrustes as scipy_procrustes
from sklearn.linear_model import RidgeCV
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import KernelCenterer, StandardScaler

from convergence.analysis.metrics import Representations, measure
from convergence.analysis.metrics.prediction import ALPHAS, _folds

SEEDS = range(50)


def case(seed, p=None, q=None):
    """Two matrices that share a little: (n, p), (n, q), of unequal widths and scales, with offsets."""
    rng = np.random.default_rng(seed)
    n, p, q = rng.integers(12, 40), p or rng.integers(2, 30), q or rng.integers(2, 30)
    shared = rng.standard_normal((n, 3))
    x, y = (rng.uniform(0, 2) * shared @ rng.standard_normal((3, width)) + rng.standard_normal((n, width)) for width in (p, q))
    return 5 * x + 2, y - rng.standard_normal(q)


def kernels_of(x, y, kernel):
    if kernel == "rbf":
        distances = [np.sqrt(((m[:, None] - m) ** 2).sum(2))[np.triu_indices(len(m), 1)] for m in (x, y)]
        return [pairwise_kernels(m, metric="rbf", gamma=1 / np.sort(d**2)[(len(d) - 1) // 2]) for m, d in zip((x, y), distances)]
    return [pairwise_kernels(m, metric=kernel) for m in (x, y)]


@pytest.mark.parametrize("kernel", ["linear", "rbf", "cosine"])
def test_cka_is_the_cosine_of_scikit_learns_centred_kernels(kernel):
    for seed in SEEDS:
        x, y = case(seed)
        k, m = (KernelCenterer().fit_transform(gram) for gram in kernels_of(x, y, kernel))
        assert measure("cka", x, y, kernel=kernel) == pytest.approx(
            (k * m).sum() / np.linalg.norm(k) / np.linalg.norm(m), abs=1e-10
        )


def test_linear_cka_is_rsatoolboxs_whitened_cosine_of_squared_distances():
    """Diedrichsen et al. (2021): the cosine of RDMs of squared Euclidean distances, whitened, is linear CKA."""
    for seed in SEEDS:
        x, y = case(seed)
        rdms = [rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(m), method="euclidean") for m in (x, y)]
        assert measure("cka", x, y) == pytest.approx(rsatoolbox.rdm.compare(*rdms, method="cosine_cov").item(), abs=1e-4)


def hsic_u(k, m):
    """Song et al. (2012), equation 5, written out."""
    n, k, m = len(k), k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    return (np.trace(k @ m) + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * one @ k @ m @ one / (n - 2)) / (n * (n - 3))


@pytest.mark.parametrize("kernel", ["linear", "rbf", "cosine"])
def test_unbiased_cka_is_songs_estimator(kernel):
    for seed in SEEDS:
        x, y = case(seed)
        k, m = kernels_of(x, y, kernel)
        expected = hsic_u(k, m) / np.sqrt(hsic_u(k, k) * hsic_u(m, m))
        assert measure("unbiased_cka", x, y, kernel=kernel) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "method, theirs", [("pearson", "corr"), ("spearman", "spearman"), ("cosine", "cosine"), ("rho_a", "rho-a")]
)
def test_rsa_is_rsatoolboxs(method, theirs):
    for seed in SEEDS:
        x, y = case(seed, p=7, q=11)
        rdms = [rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(m), method="correlation") for m in (x, y)]
        assert measure("rsa", x, y, method=method) == pytest.approx(rsatoolbox.rdm.compare(*rdms, method=theirs).item(), abs=1e-9)


def test_procrustes_is_scipys():
    for seed in SEEDS:
        x, y = case(seed, p=9, q=9)
        assert measure("procrustes", x, y) == pytest.approx(np.sqrt(1 - scipy_procrustes(x, y)[2]), abs=1e-8)
    wide_x, wide_y = case(3, p=200, q=90)
    padded = np.hstack([wide_y, np.zeros((len(wide_y), 110))])
    assert measure("procrustes", wide_x, wide_y) == pytest.approx(np.sqrt(1 - scipy_procrustes(wide_x, padded)[2]), abs=1e-8)


def largest_components(x, n):
    u, values, _ = np.linalg.svd(StandardScaler().fit_transform(x), full_matrices=False)
    return u[:, :min(n, (values > 1e-9 * values[0]).sum())]


def test_cca_and_svcca_are_the_cosines_of_scipys_subspace_angles():
    for seed in SEEDS:
        x, y = case(seed, p=seed % 7 + 2, q=5)
        assert measure("cca", x, y) == pytest.approx(np.cos(subspace_angles(x - x.mean(0), y - y.mean(0))).mean(), abs=1e-8)
        x, y = case(seed)
        n = seed % 9 + 1
        expected = np.cos(subspace_angles(largest_components(x, n), largest_components(y, n))).mean()
        assert measure("svcca", x, y, n_components=n) == pytest.approx(expected, abs=1e-8)


def test_svcca_keeps_a_share_of_the_variance_and_leaves_out_constant_columns():
    x, y = case(8, p=6, q=20)
    u, values, _ = np.linalg.svd(y - y.mean(0), full_matrices=False)
    kept = 1 + int((np.cumsum(values ** 2) / (values ** 2).sum() < 0.8).sum())
    expected = np.cos(subspace_angles(x - x.mean(0), u[:, :kept])).mean()
    assert measure("svcca", np.c_[x, x @ np.ones(6)], y, n_components=0.8, scale=False) != pytest.approx(expected)
    assert measure("svcca", x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T, y, n_components=0.8, scale=False) < 1
    assert 1 < kept < 20 and measure("svcca", np.c_[x, np.full(len(x), 3.3)], y) == pytest.approx(
        measure("svcca", x, y), abs=1e-10
    )


def test_linear_predictivity_is_scikit_learns_ridge():
    for seed in SEEDS:
        x, y = case(seed)
        fold, scores = _folds(len(x), 3, None, seed), []
        for train, test in PredefinedSplit(fold).split():
            alphas = ALPHAS * ((x[train] - x[train].mean(0)) ** 2).sum() / len(train)
            predicted = RidgeCV(alphas).fit(x[train], y[train]).predict(x[test]).reshape(len(test), -1)
            scores.append([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, y[test].T)])
        assert measure("linear_predictivity", x, y, n_folds=3, seed=seed) == pytest.approx(np.mean(scores), abs=1e-6)


def test_repetitions_of_an_image_do_not_predict_each_other_when_told():
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(30), 3)
    x, y = (rng.standard_normal((30, 40))[image] + 0.1 * rng.standard_normal((90, 40)) for _ in range(2))  # nothing in common
    assert measure("linear_predictivity", x, y) > 0.5 > 0.15 > abs(measure("linear_predictivity", x, y, groups=image))
    assert all(len(set(fold)) == 1 for fold in _folds(90, 5, image, 0).reshape(30, 3))


@pytest.mark.parametrize("name", ["cka", "unbiased_cka", "procrustes"])
def test_invariant_to_rotation_shift_and_scale_but_not_to_stretching(name):
    x, y = case(2, p=8, q=13)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    assert measure(name, 3 * x @ rotation - 40, y) == pytest.approx(measure(name, x, y), abs=1e-9)
    assert measure(name, x * np.arange(1, 9), y) != pytest.approx(measure(name, x, y), abs=1e-3)


def test_cca_is_invariant_to_every_linear_map():
    x, y = case(2, p=8, q=5)
    assert measure("cca", x @ np.random.default_rng(0).standard_normal((8, 8)) + 7, y) == pytest.approx(
        measure("cca", x, y), abs=1e-7
    )


@pytest.mark.parametrize("name", ["cka", "unbiased_cka"])
def test_a_large_common_offset_costs_no_digits(name):
    x, y = case(4, p=300, q=200)
    exact = measure(name, x, y)
    assert measure(name, (x + 3000).astype(np.float32), y.astype(np.float32)) == pytest.approx(exact, abs=2e-4)
    assert measure(name, torch.tensor(x).half(), y.astype(np.float32)) == pytest.approx(exact, abs=2e-3)


def test_unbiased_cka_of_unrelated_matrices_is_0_on_average_where_cka_is_not():
    rng = np.random.default_rng(11)
    values = np.array([[measure(name, x, y) for name in ("unbiased_cka", "cka")]
                       for x, y in ((rng.standard_normal((20, 40)), rng.standard_normal((20, 15))) for _ in range(500))])
    mean, error = values.mean(0), values.std(0) / np.sqrt(500)
    assert abs(mean[0]) < 3 * error[0] and error[0] < 0.01 and mean[1] > 0.4
    assert values[:, 0].min() < 0 and np.isfinite(values).all()


def test_one_matrix_product_gives_what_single_pairs_give():
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((60, 4))
    xs, ys = ([(shared @ rng.standard_normal((4, p)) + rng.standard_normal((60, p))).astype(np.float32) for p in sizes]
              for sizes in ((5, 40, 17, 9), (8, 3, 70, 20, 11)))
    table = Representations("unbiased_cka", xs, device="cpu").compare(Representations("unbiased_cka", ys, device="cpu"))
    exact = [[measure("unbiased_cka", x.astype(np.float64), y.astype(np.float64)) for y in ys] for x in xs]
    np.testing.assert_allclose(table, exact, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_whole_pair_of_subjects_on_a_gpu():
    """180 x 180 parcels, 3,000 trials, 1,000 voxels: under 60 s; and the CPU's table at small size."""
    import time

    generator = torch.Generator("cuda").manual_seed(0)

    def parcels(count, n, p):
        return (torch.randn(n, p, generator=generator, device="cuda") for _ in range(count))
    started = time.perf_counter()
    found = Representations("unbiased_cka", parcels(180, 3000, 1000)).compare(
        Representations("unbiased_cka", parcels(180, 3000, 1000))
    )
    assert time.perf_counter() - started < 60 and found.shape == (180, 180) and abs(found).max() < 0.05
    few = [list(parcels(5, 80, 30)) for _ in range(2)]
    on_gpu, on_cpu = ([Representations("unbiased_cka", side, device=device) for side in few] for device in ("cuda", "cpu"))
    np.testing.assert_allclose(on_gpu[0].compare(on_gpu[1]), on_cpu[0].compare(on_cpu[1]), atol=1e-5)
