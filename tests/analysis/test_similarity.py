"""RSA against SciPy and rsatoolbox, its properties, and what bad stacks are told."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rsatoolbox.rdm import RDMs, compare
from scipy import stats

from convergence.analysis import similarity
from convergence.analysis.similarity import METHODS, rsa, rsa_of_units, unit

THEIRS = {"pearson": "corr", "spearman": "spearman", "rho_a": "rho-a", "cosine": "cosine"}
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-12}


def stacks(n_a=3, n_b=5, n=20, seed=0, dtype=np.float64, ties=False):
    """RDMs around a common one, all positive, with unequal means and scales; with ties, in steps of 0.1."""
    rng = np.random.default_rng(seed)
    common = rng.random(n * (n - 1) // 2)
    x = common + rng.random((n_a + n_b, len(common))) * rng.uniform(0.5, 3, (n_a + n_b, 1))
    x = (x.round(1) if ties else x).astype(dtype)
    return x[:n_a], x[n_a:]


def scipy_r(function, a, b):
    return np.array([[function(x, y).statistic for y in b] for x in a])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_equals_rsatoolbox(method, dtype, ties, library):
    a, b = stacks(dtype=dtype, ties=ties)
    expected = compare(RDMs(a.astype(float)), RDMs(b.astype(float)), method=THEIRS[method])
    found = rsa(*(map(torch.from_numpy, (a, b)) if library == "torch" else (a, b)), method=method)
    assert isinstance(found, torch.Tensor if library == "torch" else np.ndarray)
    assert str(found.dtype).endswith(np.dtype(dtype).name)
    np.testing.assert_allclose(np.asarray(found), expected, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("ties", [False, True])
def test_equals_scipy(ties):
    a, b = stacks(ties=ties)
    np.testing.assert_allclose(rsa(a, b), scipy_r(stats.pearsonr, a, b), atol=1e-10)
    np.testing.assert_allclose(rsa(a, b, method="spearman"), scipy_r(stats.spearmanr, a, b), atol=1e-10)


def test_rho_a_is_the_mean_of_spearman_over_ways_to_break_ties():
    rng = np.random.default_rng(1)
    a, b = (x[0] for x in stacks(1, 1, n=8, ties=True))
    a = (a > np.median(a)).astype(float)                            # a model of two categories
    broken = [stats.spearmanr(a + 1e-6 * rng.random(len(a)), b + 1e-6 * rng.random(len(b))).statistic for _ in range(1000)]
    assert rsa(a, b, method="rho_a") == pytest.approx(np.mean(broken), abs=4 * np.std(broken) / np.sqrt(1000))
    assert abs(rsa(a, b, method="rho_a")) < abs(rsa(a, b, method="spearman")) - 0.02


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_shapes_pairs_and_units(method, dtype):
    a, b = stacks(4, 4, dtype=dtype)
    full = rsa(a, b, method=method)
    tolerance = dict(atol=TOLERANCE[dtype])
    paired = rsa(a, b, method=method, paired=True)
    assert full.shape == (4, 4) and paired.shape == (4,)
    np.testing.assert_allclose(paired, np.diag(full), **tolerance)
    assert isinstance(rsa(a[1], b[2], method=method), float) and isinstance(rsa(a[1], b[2], method=method, paired=True), float)
    assert isinstance(rsa(torch.from_numpy(a[1]), torch.from_numpy(b[2])), float)
    assert rsa(a[1], b[2], method=method) == pytest.approx(full[1, 2], abs=TOLERANCE[dtype])
    np.testing.assert_allclose(rsa(a[1], b, method=method), full[1], **tolerance)
    np.testing.assert_allclose(rsa(a, b[2], method=method), full[:, 2], **tolerance)
    np.testing.assert_allclose(rsa(a[1:2], b, method=method), full[1:2], **tolerance)
    units_a, units_b = unit(a, method=method), unit(b, method=method)
    assert units_a.dtype == dtype and np.array_equal(unit(a[2], method=method), units_a[2])
    np.testing.assert_allclose(units_a @ units_b.T, full, **tolerance)
    np.testing.assert_allclose(rsa_of_units(units_a, units_b), full, **tolerance)
    np.testing.assert_allclose(rsa_of_units(units_a, units_b, paired=True), paired, **tolerance)


def test_units_are_centred_and_of_length_one():
    a, _ = stacks(ties=True)
    for method in METHODS:
        units = unit(a, method=method)
        assert (units.mean(1) > 0.01).all() if method == "cosine" else (abs(units.mean(1)) < 1e-15).all()
        lengths = (units ** 2).sum(1)
        assert (lengths < 1).all() if method == "rho_a" else (abs(lengths - 1) < 1e-12).all()
    torch_units = unit(torch.from_numpy(a))
    assert isinstance(torch_units, torch.Tensor) and np.array_equal(torch_units.numpy(), unit(a))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_blocks_of_pairs_do_not_show(method, size, monkeypatch):
    a, b = stacks()
    expected = rsa(a, b, method=method), rsa(a, b[:3], method=method, paired=True), unit(a, method=method)
    monkeypatch.setitem(similarity._PAIRS_PER_BLOCK, "cpu", size)
    for found, whole in zip((rsa(a, b, method=method), rsa(a, b[:3], method=method, paired=True), unit(a, method=method)),
                            expected):
        np.testing.assert_allclose(found, whole, atol=1e-13)


@pytest.mark.parametrize("way", ["rsa", "units"])
def test_millions_of_pairs_cost_no_accuracy(way):
    n_pairs = 3000 * 2999 // 2
    rng = np.random.default_rng(3)
    common = rng.standard_normal(n_pairs, dtype=np.float32)
    # distances around 1; r = 0.5
    a, b = (1 + 0.05 * (common + rng.standard_normal((2, n_pairs), dtype=np.float32)) for _ in range(2))
    wide_a, wide_b = ((x - x.mean(1, dtype=np.float64, keepdims=True)).astype(np.float64) for x in (a, b))
    exact = (wide_a @ wide_b.T) / np.linalg.norm(wide_a, axis=1)[:, None] / np.linalg.norm(wide_b, axis=1)
    found = rsa(a, b) if way == "rsa" else rsa_of_units(unit(a), unit(b))
    assert found.dtype == np.float32 and exact.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(found, exact, atol=2e-7)
    assert rsa(a[0], a[0]) == pytest.approx(1, abs=2e-7)


def test_float16_bfloat16_and_integers():
    a, b = stacks()
    expected = rsa(a, b)
    for x, y in ((np.float16(a), np.float16(b)), (torch.from_numpy(a).bfloat16(), torch.from_numpy(b).bfloat16())):
        found = rsa(x, y)
        assert str(found.dtype).endswith("float32")
        np.testing.assert_allclose(np.asarray(found), expected, atol=0.01)
    np.testing.assert_allclose(rsa(np.int16(a * 1000), np.int16(b * 1000)), expected, atol=1e-3)
    assert rsa(np.int64(a * 1000), b).dtype == np.float64


def test_inputs_stay_as_they_are():
    for method in METHODS:
        a, b = stacks(dtype=np.float32)
        before = a.copy(), b.copy()
        rsa(a, b, method=method), unit(a, method=method), rsa(torch.from_numpy(a), torch.from_numpy(b), method=method)
        assert np.array_equal(a, before[0]) and np.array_equal(b, before[1])
        a.flags.writeable = False
        rsa(a, b, method=method), unit(a, method=method)


def test_spearman_is_deterministic_with_ties():
    a, b = (np.float32(x).round(1) for x in stacks(2, 2, n=200))
    order = np.random.default_rng(0).permutation(a.shape[1])
    for method in ("spearman", "rho_a"):
        assert np.array_equal(rsa(a, b, method=method), rsa(a.copy(), b.copy(), method=method))
        np.testing.assert_allclose(rsa(a[:, order], b[:, order], method=method), rsa(a, b, method=method), atol=1e-7)


def test_empty_stacks_give_empty_results():
    a, b = stacks()
    assert rsa(a[:0], b).shape == (0, 5) and rsa(a[:0], b[:0], paired=True, method="spearman").shape == (0,)


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_a_gpu_gives_the_same(method):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    a, b = stacks(dtype=np.float32, n=700, ties=True)
    found = rsa(torch.from_numpy(a).cuda(), torch.from_numpy(b).cuda(), method=method)
    assert found.is_cuda
    np.testing.assert_allclose(found.cpu().numpy(), rsa(torch.from_numpy(a), torch.from_numpy(b), method=method).numpy(),
                               atol=1e-6)


examples = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(4, 9), st.integers(0, 10_000))
any_method = st.sampled_from(METHODS)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(examples, any_method, st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_bounds_symmetry_and_permutation_equivariance(example, method, ties, dtype):
    a, b = stacks(*example, dtype=dtype, ties=ties)
    r = rsa(a, b, method=method)
    tolerance = dict(atol=1e-6 if dtype == np.float32 else 1e-12)
    assert (abs(r) <= 1).all()
    np.testing.assert_allclose(rsa(b, a, method=method), r.T, **tolerance)
    np.testing.assert_allclose(rsa(a[::-1], b, method=method), r[::-1], **tolerance)
    order = np.random.default_rng(example[3]).permutation(a.shape[1])
    np.testing.assert_allclose(rsa(a[:, order], b[:, order], method=method), r, **tolerance)
    own = np.diag(rsa(a, a, method=method))
    np.testing.assert_allclose(own, 1, **tolerance) if method != "rho_a" else np.testing.assert_array_less(own, 1 + 1e-6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(examples, st.floats(1e-3, 1e3), st.floats(-5, 5))
def test_what_each_method_ignores_and_what_not(example, scale, shift):
    a, b = stacks(*example)
    np.testing.assert_allclose(rsa(scale * a + shift, b), rsa(a, b), atol=1e-9)
    np.testing.assert_allclose(rsa(-a, b), -rsa(a, b), atol=1e-12)
    np.testing.assert_allclose(rsa(scale * a, b, method="cosine"), rsa(a, b, method="cosine"), atol=1e-12)
    assert (rsa(a + 5, b, method="cosine") != rsa(a, b, method="cosine")).any()
    for method in ("spearman", "rho_a"):
        np.testing.assert_allclose(rsa(np.exp(3 * a), b, method=method), rsa(a, b, method=method), atol=1e-12)
    assert (abs(rsa(np.exp(3 * a), b) - rsa(a, b)) > 1e-6).any()


@pytest.mark.parametrize("arguments, expected", [
    (dict(b=np.ones((2, 6)) * np.arange(6)), "rsa: b has 6 pairs (4 stimuli), a has 190 pairs (20 stimuli); select the same "
                                             "stimuli in both first."),
    (dict(b=np.where(np.arange(190) == 4, np.nan, stacks()[1])), "rsa: b has NaN in 5 of 5 RDMs: 0-4; leave them out"),
    (dict(b=stacks()[1], paired=True), "rsa: paired=True compares the k-th RDM of a with the k-th of b, but a has 3 and b has 5"),
    (dict(b=np.ones(190)), "rsa: b is constant; the similarity with a constant RDM is undefined, leave it out"),
    (dict(b=stacks()[1], method="kendal"), "rsa: method='kendal' is unknown; "),
    (dict(b=stacks()[1], method="spearmann"), "rsa: method='spearmann' is unknown; did you mean 'spearman'? Choose from: "
                                              "'pearson', 'spearman', 'rho_a', 'cosine'"),
])
def test_bad_arguments(arguments, expected):
    with pytest.raises(ValueError) as error:
        rsa(stacks()[0], **arguments)
    assert str(error.value).startswith(expected)


def test_unit_names_itself():
    with pytest.raises(ValueError, match="^unit: rdms is constant in 1 of 2 RDMs: 1; "):
        unit(np.array([[1, 2, 3, 4, 5, 6], [2, 2, 2, 2, 2, 2]]))
    with pytest.raises(ValueError, match="^unit: method='cos' is unknown; did you mean 'cosine'"):
        unit(stacks()[0], method="cos")


def test_distances_within_rounding_of_0_are_tied():
    rng = np.random.default_rng(3)
    distances, other = rng.random((2, 190)).astype(np.float32) + 0.5
    equal = rng.random(190) < 0.3
    exact, rounded = np.where(equal, 0, distances), np.where(equal, rng.choice([-1e-7, 6e-8, 1.2e-7], 190), distances).astype(np.float32)
    for method in ("spearman", "rho_a"):
        assert rsa(rounded, other, method=method) == rsa(exact, other, method=method)
    assert abs(rsa(rounded, other, method="spearman") - stats.spearmanr(exact, other).statistic) < 1e-6
    assert np.array_equal(unit(rounded[None], method="spearman"), unit(exact[None], method="spearman"))


def test_tied_rdms_are_compared_by_rho_a():
    from convergence.analysis.similarity import default_method
    rng = np.random.default_rng(0)
    smooth, category = rng.random((3, 1225)), rng.integers(0, 2, (1, 1225)).astype(float)
    assert default_method(smooth) == default_method(smooth, smooth[0]) == "pearson"
    assert default_method(smooth, category) == default_method(torch.as_tensor(category)) == "rho_a"
