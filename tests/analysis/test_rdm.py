"""RDMs against SciPy's pdist and rsatoolbox, their properties, and what bad responses are told."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm
from scipy.spatial.distance import pdist, squareform

from convergence.analysis.rdm import METRICS, _rdm, compute_rdm, n_stimuli, select_stimuli

TOLERANCE = {"float16": 5e-3, "float32": 1e-6, "float64": 1e-12}


def patterns(n=23, p=41, seed=0, dtype=np.float64):
    """Correlated rows with unequal means and scales, so that neither centring nor scaling can be forgotten."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3)) @ rng.standard_normal((3, p)) + rng.standard_normal((n, p))
    return (x * rng.uniform(0.5, 3, (n, 1)) + rng.standard_normal((n, 1))).astype(dtype)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_equals_scipy(metric, dtype, library):
    x = patterns(dtype=dtype)
    expected = pdist(x.astype(np.float64), metric)
    found = compute_rdm(torch.from_numpy(x) if library == "torch" else x, metric=metric, device="cpu")
    assert isinstance(found, torch.Tensor if library == "torch" else np.ndarray)
    assert str(found.dtype).removeprefix("torch.") == ("float64" if dtype == "float64" else "float32")
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-6 if dtype == "float16" else TOLERANCE[dtype],
                               rtol=TOLERANCE[dtype])


def test_equals_rsatoolbox():
    x = patterns(n=60, p=200)
    expected = calc_rdm(Dataset(x), method="correlation").dissimilarities[0]
    np.testing.assert_allclose(compute_rdm(x.astype(np.float32)), expected, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("metric", METRICS)
def test_equals_scipy_on_a_gpu(metric):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x = patterns(n=200, p=1000)
    found = compute_rdm(x.astype(np.float32), metric=metric, clip=0.003, device="cuda")
    np.testing.assert_allclose(found, pdist(x.clip(*np.quantile(x, [0.003, 0.997])), metric), atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("clip", [None, 0.003, 0.05])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fast_and_the_plain_way_agree(metric, clip, dtype):
    x = patterns(n=130, p=301, dtype=dtype)
    fast, plain = _rdm(x, "x", metric, clip), _rdm(torch.from_numpy(x), "x", metric, clip)
    assert fast.dtype == dtype and isinstance(plain, torch.Tensor)
    np.testing.assert_allclose(fast, plain.numpy(), atol=20 * np.finfo(dtype).eps, rtol=1e-6)


@pytest.mark.parametrize("clip", [0.003, 0.1])
@pytest.mark.parametrize("metric", METRICS)
def test_clip_limits_the_whole_matrix_to_its_quantiles(clip, metric):
    x = patterns(n=30, p=50)
    x[3, 7], x[20, 1] = 1e4, -1e5                                   # artefacts in single voxels
    limited = x.clip(*np.quantile(x, [clip, 1 - clip]))
    np.testing.assert_allclose(compute_rdm(x, metric=metric, clip=clip), pdist(limited, metric), atol=1e-12, rtol=1e-12)
    stacked = compute_rdm(np.stack([x, 10 * x]), metric=metric, clip=clip)          # each matrix has its own limits
    np.testing.assert_allclose(stacked[1], pdist(10 * limited, metric), rtol=1e-12, atol=1e-12)


def test_clip_zero_is_no_clip():
    x = patterns()
    assert np.array_equal(compute_rdm(x, clip=0), compute_rdm(x))
    assert not np.array_equal(compute_rdm(x, clip=0.01), compute_rdm(x))


def test_float16_bfloat16_and_int16_are_computed_in_float32():
    x = np.round(patterns(dtype=np.float32) * 300).astype(np.int16)             # sums of squares would overflow in these types
    for narrow in (x, torch.from_numpy(x), np.float16(x), torch.from_numpy(x).bfloat16()):
        found = compute_rdm(narrow)
        wide = narrow.float().numpy() if isinstance(narrow, torch.Tensor) else narrow.astype(np.float32)
        assert str(found.dtype).endswith("float32") and np.array_equal(np.asarray(found), compute_rdm(wide))
    assert compute_rdm(x.astype(np.int64)).dtype == np.float64


def test_shapes():
    x = np.stack([patterns(n=9, p=20, seed=k) for k in range(6)])
    flat = compute_rdm(x)
    assert flat.shape == (6, 36)
    assert np.array_equal(compute_rdm(x.reshape(2, 3, 9, 20)), flat.reshape(2, 3, 36))
    assert np.array_equal(compute_rdm(torch.from_numpy(x)).numpy(), flat)
    assert np.array_equal(compute_rdm(x[2].tolist()), flat[2])
    assert compute_rdm(x[:0]).shape == (0, 36)


@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
def test_a_list_of_regions_of_different_size(library):
    regions = [library(patterns(n=11, p=p, seed=p)) for p in (2, 30, 7)]
    found = compute_rdm(regions)
    assert type(found) is type(regions[0]) and found.shape == (3, 55)
    for rdm, region in zip(found, regions):
        assert np.array_equal(np.asarray(rdm), np.asarray(compute_rdm(region)))


def test_inputs_stay_as_they_are():
    for metric in METRICS:
        for clip in (None, 0.1):
            x = patterns(dtype=np.float32)
            tensor = torch.from_numpy(x.copy()).requires_grad_()
            x.flags.writeable = False
            before = x.copy()
            compute_rdm(x, metric=metric, clip=clip)
            assert not compute_rdm(tensor, metric=metric, clip=clip).requires_grad
            assert np.array_equal(x, before) and np.array_equal(tensor.detach().numpy(), before)


def test_memory_order_does_not_matter():
    x = patterns(dtype=np.float32)
    for view in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1][::-1]):
        np.testing.assert_allclose(compute_rdm(view), compute_rdm(x), atol=1e-6)
    np.testing.assert_allclose(compute_rdm(torch.from_numpy(x.T.copy()).T).numpy(), compute_rdm(x), atol=1e-6)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-9)])
def test_a_large_common_mean_costs_little(dtype, tolerance):
    x = patterns(n=40, p=3000) + 2000                               # BOLD signal: the mean is hundreds of times the variation
    exact = pdist(x.astype(dtype).astype(np.float64), "correlation")
    np.testing.assert_allclose(compute_rdm(x.astype(dtype)), exact, atol=tolerance)


def test_equal_rows_are_at_distance_zero():
    x = patterns(n=8, p=30, dtype=np.float32) + 100
    x[5] = x[2]
    for metric in METRICS:
        assert squareform(compute_rdm(x, metric=metric))[2, 5] == pytest.approx(0, abs=5e-6)
    x[5] = -x[2]
    assert squareform(compute_rdm(x))[2, 5] == pytest.approx(2, abs=1e-6)


sizes = st.tuples(st.integers(4, 12), st.integers(3, 30), st.integers(0, 10_000))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sizes, st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_correlation_ignores_scale_mean_and_voxel_order(size, scale, shift):
    x = patterns(*size)
    order = np.random.default_rng(size[2]).permutation(x.shape[1])
    np.testing.assert_allclose(compute_rdm(x[:, order] * scale + shift), compute_rdm(x), atol=1e-9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sizes, st.sampled_from(METRICS), st.sampled_from([np.float32, np.float64]))
def test_bounds_and_permutation_equivariance(size, metric, dtype):
    x = patterns(*size, dtype=dtype)
    rdm = compute_rdm(x, metric=metric)
    assert rdm.min() >= 0 and (metric == "euclidean" or rdm.max() <= 2)
    order = np.random.default_rng(size[2]).permutation(len(x))
    tolerance = dict(atol=1e-5, rtol=1e-5) if dtype == np.float32 else dict(atol=1e-12, rtol=1e-12)
    np.testing.assert_allclose(compute_rdm(x[order], metric=metric),
                               squareform(squareform(rdm)[np.ix_(order, order)], checks=False), **tolerance)
    np.testing.assert_array_equal(select_stimuli(rdm, order), squareform(squareform(rdm)[np.ix_(order, order)], checks=False))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(sizes)
def test_euclidean_obeys_the_triangle_inequality_and_scales(size):
    x = patterns(*size)
    d = squareform(compute_rdm(x, metric="euclidean"))
    assert (d[:, :, None] <= d[:, None, :] + d.T[None, :, :] + 1e-9).all()
    np.testing.assert_allclose(compute_rdm(3 * x + 1, metric="euclidean"), squareform(3 * d), rtol=1e-9)


# --- select_stimuli ----------------------------------------

@pytest.mark.parametrize("library", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("rows", [[7, 2, 9, 0, 5], [0, 1, 2], [3, 12], [4], []])
def test_select_stimuli_equals_the_rdm_of_the_selected_responses(library, rows):
    x = np.stack([patterns(n=13, seed=k) for k in range(3)])
    rdms = library(compute_rdm(x))
    expected = np.stack([pdist(m[rows], "correlation") if len(rows) > 1 else np.empty(0) for m in x])
    found = select_stimuli(rdms, np.array(rows, int))
    assert type(found) is type(rdms) and found.dtype == rdms.dtype
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-12)
    np.testing.assert_array_equal(np.asarray(select_stimuli(rdms[1], np.array(rows, int))), np.asarray(found[1]))


def test_select_stimuli_keeps_nan_and_takes_tensors_of_rows():
    rdms = np.array([[np.nan] * 6, [1, 2, 3, 12, 13, 23]], np.float32)
    assert np.isnan(select_stimuli(rdms, [2, 1])[0]).all() and select_stimuli(rdms, torch.tensor([2, 1]))[1] == 12


@pytest.mark.parametrize("rows, expected", [
    ([0, 4, 7, -1], "select_stimuli: rows holds 4, 7, -1; the RDMs have rows 0 to 3"),
    ([3, 0, 3, 1, 0], "select_stimuli: rows holds 0, 3 more than once; a stimulus has no dissimilarity with itself"),
    ([0.0, 1.0], "select_stimuli: rows has shape (2,) and type float64; expected row numbers, shape (k,)"),
    ([True, False, True, True], "select_stimuli: rows has shape (4,) and type bool; expected row numbers, shape (k,)"),
    ([[0, 1]], "select_stimuli: rows has shape (1, 2) and type int64; expected row numbers, shape (k,)"),
])
def test_select_stimuli_says_what_is_wrong_with_rows(rows, expected):
    with pytest.raises(ValueError) as error:
        select_stimuli(np.arange(6), rows)
    assert str(error.value) == expected


def test_select_stimuli_says_that_a_length_is_no_number_of_pairs():
    with pytest.raises(ValueError, match=r"^select_stimuli: rdms has 7 pairs, which is no n \(n - 1\) / 2: 4 stimuli have 6 "
                                         r"pairs, 5 have 10$"):
        select_stimuli(np.arange(7), [0, 1])


def test_n_stimuli_is_here_too():
    assert n_stimuli(4186) == 92


# --- what bad responses are told ----------------------------------------

def flat_rows(rows, value, n=92, p=20):
    x = patterns(n, p, dtype=np.float32)
    x[rows] = value
    return x


@pytest.mark.parametrize("way", ["fast", "plain"])
@pytest.mark.parametrize("x, metric, clip, expected", [
    (flat_rows([3, 17, 18], 0.1), "correlation", 0,
     "compute_rdm: x is constant (to the precision of its type) in 3 of 92 rows: 3, 17-18; "
     "the correlation with such a row is undefined, leave these stimuli out"),
    (flat_rows([5], 1e6), "correlation", 0.02,
     "compute_rdm: x is constant after clipping (to the precision of its type) in 1 of 92 rows: 5; "
     "the correlation with such a row is undefined, leave these stimuli out"),
    (flat_rows([0], 0), "cosine", 0, "compute_rdm: x is zero (to the precision of its type) in 1 of 92 rows: 0; "
     "the cosine with such a row is undefined, leave these stimuli out"),
])
def test_rows_without_direction(way, x, metric, clip, expected):
    with pytest.raises(ValueError) as error:
        _rdm(x if way == "fast" else torch.from_numpy(x), "x", metric, clip)
    assert str(error.value) == expected


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_values_beyond_the_range_of_float32_are_refused_and_float64_takes_them(scale):
    x = patterns() * scale
    with pytest.raises(ValueError, match="to the precision of its type"):
        compute_rdm(x.astype(np.float32))
    np.testing.assert_allclose(compute_rdm(x), compute_rdm(patterns()), atol=1e-12)


def test_a_constant_row_has_euclidean_distances():
    x = flat_rows([3], 0.1)
    np.testing.assert_allclose(compute_rdm(x, metric="euclidean"), pdist(x), rtol=1e-5)


@pytest.mark.parametrize("arguments, expected", [
    (dict(responses=flat_rows([1, 2, 7], np.nan)),
     "compute_rdm: responses has NaN in 3 of 92 rows: 1-2, 7; leave these stimuli out, or the columns"),
    (dict(responses=np.stack([patterns(), np.where(np.isin(np.arange(23), [4, 9])[:, None], np.inf, patterns())])),
     "compute_rdm: responses has infinity in 2 of 46 rows: [1] 4, [1] 9; leave these stimuli out, or the columns"),
    (dict(responses=[patterns(), np.where(patterns() > 1, np.nan, patterns())]), "compute_rdm: responses[1] has NaN in "),
    (dict(responses=np.stack([patterns(), np.ones((23, 41))])[None]),
     "compute_rdm: responses[0, 1] is constant (to the precision of its type) in 23 of 23"),
    (dict(responses=[patterns(), patterns(n=9), patterns()]),
     "compute_rdm: responses[1] has 9 stimuli (rows), responses[0] has 23; select the same stimuli"),
    (dict(responses=[patterns(dtype=np.float32), patterns()]),
     "compute_rdm: responses[1] is float64, responses[0] is float32; give all the same type"),
    (dict(responses=np.ones((2, 2, 3, 8))), "compute_rdm: responses has 3 rows (stimuli); at least 4 are needed"),
    (dict(responses=patterns()[0]), "compute_rdm: responses has shape (41,); expected (n_stimuli, n_features)"),
    (dict(responses=patterns(p=1)), "compute_rdm: responses has 1 column (voxels or units); at least 2 are needed"),
    (dict(responses=patterns(p=0), metric="euclidean"),
     "compute_rdm: responses has 0 columns (voxels or units); at least 1 is needed"),
    (dict(responses=[]), "compute_rdm: responses has shape (0,); expected (n_stimuli, n_features)"),
    (dict(responses=patterns(), metric="corr"),
     "compute_rdm: metric='corr' is unknown; did you mean 'correlation'? Choose from: 'correlation', 'euclid"),
    (dict(responses=patterns(), clip=0.5), "compute_rdm: clip=0.5; expected a number from 0 to below 0.5"),
    (dict(responses=patterns(), clip=-0.003), "compute_rdm: clip=-0.003; expected a number from 0 to below 0.5"),
])
def test_bad_arguments(arguments, expected):
    with pytest.raises(ValueError) as error:
        compute_rdm(**arguments)
    assert str(error.value).startswith(expected)
