"""Closed-form and sampled nulls against all relabellings of small problems, golden values, samples, and scikit-bio's Mantel."""

import numpy as np
import pytest
import torch
from relabelled import all_relabellings, r_of_all, square, three_moments
from scipy.spatial.distance import pdist

from convergence import mantel_moments, p_values, permutation_null, rsa
from convergence.analysis import null as null_module
from convergence.analysis.null import better_sampled
from convergence.analysis.relabelling import draw_relabellings, image_strata


def random_rdms(n, count=2, seed=0):
    return np.random.default_rng(seed).random((count, n * (n - 1) // 2))


def trial_rdms(images, rank, noise, seed):
    """Correlation RDMs of two brains over trials of images, with a geometry that the brains do not share."""
    rng = np.random.default_rng(seed)
    codes = np.unique(images, return_inverse=True)[1]
    return np.stack([pdist(rng.standard_normal((codes.max() + 1, rank))[codes] @ rng.standard_normal((rank, 40))
                           + noise * rng.standard_normal((len(images), 40)), "correlation") for _ in range(2)])


# n, images, r, mean, variance, skewness; from the enumeration with numpy.corrcoef
GOLDEN = {"6 stimuli": (6, None, -0.266556794460, 0, 0.0706364349612, 0.065825661488),
          "7 stimuli": (7, None, 0.345143770255, 0, 0.0523391515643, -0.063668544820),
          "5 images twice, interleaved": (10, np.arange(10) % 5, 0.188358701276, 0.060806386731, 0.0230198966029,
                                          -0.000952959469),
          "5 images twice, in a row": (10, np.arange(10) // 2, 0.188358701276, -0.070889588554, 0.0167752380373, 0.182042114693)}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_values(case):
    n, images, r, *moments = GOLDEN[case]
    a, b = random_rdms(n)
    assert abs(rsa(a, b) - r) < 1e-11
    np.testing.assert_allclose(mantel_moments(a, b, blocks=images), moments, rtol=0, atol=1e-11)


def test_golden_values_within_two_halves_of_the_table():
    """10 stimuli that stay among the first or the last five: 120 x 120 relabellings."""
    a, b = random_rdms(10)
    moments = mantel_moments(a, b, within=np.arange(10) // 5)
    np.testing.assert_allclose(moments[:2], (0.056592130082, 0.0207083328893), rtol=0, atol=1e-11)
    assert np.isnan(moments.skewness)


def test_golden_values_of_unequal_repetitions():
    a, b = random_rdms(10)
    moments = mantel_moments(a, b, blocks=[0, 0, 1, 1, 2, 2, 3, 4, 5, 6])
    np.testing.assert_allclose(moments[:2], (0.044373409200, 0.0155041118479 + 0.0001013), atol=1e-7)
    np.testing.assert_allclose(moments[:2], (0.044373409200, 0.0156054118479), rtol=0, atol=1e-11)
    assert np.isnan(moments.skewness)                                           # strata: not derived


CASES = {"4 stimuli": np.arange(4), "5 stimuli": np.arange(5), "6 stimuli": np.arange(6),
         "6 images twice": np.repeat(np.arange(6), 2),
         "7 stimuli": np.arange(7), "7 images twice": np.arange(14) % 7,
         "6 images twice, shuffled": np.array([3, 0, 5, 1, 1, 4, 2, 0, 3, 5, 2,
                                               4]), "4 images three times": np.array(list("abcdbadcbdca")),
         "2 images three times": np.arange(6) // 3, "3 images twice": np.arange(6) % 3,
         "three strata": np.array([7, 7, 7, 2, 2, 2, 0, 0, 1, 1, 9, 9, 5, 4, 3, 8]), "one image alone": np.array([1, 1, 1, 2, 3,
                                                                                                                  2, 3, 4, 4])}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["uniform", "ties", "heavy tails", "one stimulus apart"])
def test_moments_equal_those_of_all_relabellings(case, kind):
    images = CASES[case]
    n, rng = len(images), np.random.default_rng(5)
    size = (2, n * (n - 1) // 2)
    a, b = {"uniform": rng.random(size), "ties": rng.integers(0, 2, size).astype(float),
            "heavy tails": rng.standard_t(2, size) + 100,
            "one stimulus apart": rng.random(size) / 10 + (np.triu_indices(n, 1)[0] == 0)}[kind]
    exact = three_moments(r_of_all(a, b, all_relabellings(images)))
    moments = mantel_moments(a, b, blocks=images if len(set(images.tolist())) < n else None)
    np.testing.assert_allclose(moments[:2], exact[:2], rtol=0, atol=1e-12)
    if np.isnan(moments.skewness):
        assert len(image_strata(images)) > 1
    else:
        np.testing.assert_allclose(moments.skewness * moments.variance ** 1.5, exact[2] * exact[1] ** 1.5, rtol=0, atol=1e-12)


@pytest.mark.parametrize("images, sessions", [
    ([7, 7, 3, 3, 5, 5, 9, 9], [1, 2, 1, 2, 2, 1, 1, 2]),                       # 5 was seen in session 2 first: it stays
    ([7, 3, 5, 9, 7, 3, 5, 9, 1], [1, 1, 1, 2, 2, 2, 2, 2, 2]),                 # 9 twice in session 2, 1 once
    ([2, 0, 1, 5, 4, 3, 6], [4, 4, 1, 1, 4, 1, 1])])                            # every stimulus its own image
def test_moments_within_sessions_equal_those_of_all_relabellings(images, sessions):
    """Images of one sequence of sessions change places: enumerated by giving every other sequence a number of rows of its own."""
    images, sessions = np.array(images), np.array(sessions)
    a, b = random_rdms(len(images), seed=9)
    orders = all_relabellings(images)
    orders = orders[(sessions[orders] == sessions).all(1)]
    assert 1 < len(orders) < len(all_relabellings(images))
    exact = three_moments(r_of_all(a, b, orders))
    np.testing.assert_allclose(mantel_moments(a, b, blocks=images, within=sessions)[:2], exact[:2], rtol=0, atol=1e-12)
    sampled = permutation_null(a, b, n_permutations=2000, blocks=images, within=sessions)
    assert np.abs(sampled[:, None] - r_of_all(a, b,
                                              orders)).min(1).max() < 1e-12 and len(np.unique(sampled.round(9))) == len(orders)


def test_many_strata_are_refused_in_closed_form():
    sessions = np.repeat(np.arange(200), 2)
    a, b = random_rdms(400, seed=1)
    with pytest.raises(ValueError, match=r"mantel_moments: images fall into 200 strata .* closed form needs 8,000,000 numbers "
                                         r"per RDM; sample the null instead"):
        mantel_moments(a, b, within=sessions)
    assert permutation_null(a, b, n_permutations=3, within=sessions).shape == (3,)


def outliers(n, dimensions, seed):
    """Euclidean distances of points of unequal length: the main effects of single stimuli carry them."""
    rng = np.random.default_rng(seed)
    return np.stack([pdist(rng.standard_normal((n, dimensions)) * rng.gamma(1, 1, (n, 1))) for _ in range(2)])


def test_where_single_images_carry_both_rdms_the_answer_is_to_sample():
    a, b = outliers(30, 2, 0)
    other = trial_rdms(np.arange(30), 10, 0.5, 0)
    assert better_sampled(a, b) is True and better_sampled(a, other[0]) is False and better_sampled(other[0], other[1]) is False
    np.testing.assert_array_equal(better_sampled(np.stack([a, other[0]]), np.stack([other[1], b, a])),
                                  [[False, True, True], [False] * 3])
    np.testing.assert_array_equal(better_sampled(np.stack([a, other[0]]), np.stack([b, b]), paired=True), [True, False])
    images = np.repeat(np.arange(30), 2)
    rows = square(a)[images][:, images][np.triu_indices(60, 1)], square(b)[images][:, images][np.triu_indices(60, 1)]
    assert better_sampled(*rows, blocks=images) and not better_sampled(*trial_rdms(images, 10, 0.5, 0), blocks=images)


def ratios_of_tails(a, b):
    """Pearson III p over sampled p, of 2 million relabellings, where the latter are 0.01 and 0.001."""
    moments, null = mantel_moments(a, b), permutation_null(a.astype(np.float32), b.astype(np.float32), n_permutations=2_000_000,
                                                           seed=1)
    distance = np.sort(abs(null - null.mean()))[::-1]
    return [p_values(moments.mean + distance[round(p * len(null))], moments) / p for p in (0.01, 0.001)]


@pytest.mark.slow
@pytest.mark.parametrize("rank, noise", [(3, 0.1), (10, 0.5), (30, 0.1)])
def test_pearson3_tails_of_correlation_rdms_against_2_million_relabellings(rank, noise):
    a, b = trial_rdms(np.arange(30), rank, noise, seed=rank)
    assert not better_sampled(a, b)
    at_01, at_001 = ratios_of_tails(a, b)
    assert 0.9 < at_01 < 1.1 and 0.5 < at_001 < 2


@pytest.mark.slow
def test_the_tails_are_wrong_where_the_answer_is_to_sample():
    a, b = outliers(30, 2, 0)
    at_01, at_001 = ratios_of_tails(a, b)
    assert better_sampled(a, b) and (at_01 > 1.1 or at_001 > 2)


def test_stacks_have_the_shapes_and_values_of_single_pairs(monkeypatch):
    a, b = random_rdms(8, 3, seed=1), random_rdms(8, 2, seed=2)
    images = np.array([2, 2, 0, 0, 1, 1, 3, 3])
    for blocks in (None, images):
        for skewness in (True, False):
            full = mantel_moments(a, b, blocks=blocks, skewness=skewness)
            one = np.array([[mantel_moments(x, y, blocks=blocks, skewness=skewness) for y in b] for x in a])
            np.testing.assert_allclose(np.stack(full, axis=-1), one, rtol=1e-12, atol=1e-15)
            paired = mantel_moments(a[:2], b, paired=True, blocks=blocks, skewness=skewness)
            np.testing.assert_allclose(np.stack(paired, axis=-1), one[[0, 1], [0, 1]], rtol=1e-12, atol=1e-15)
            assert np.isnan(full.skewness).all() == (not skewness)
            assert mantel_moments(a[0], b, blocks=blocks).mean.shape == (2,) and mantel_moments(a, b[0],
                                                                                                blocks=blocks).mean.shape == (3,)
            monkeypatch.setattr("convergence.analysis.moments._ENTRIES", 1)                # one RDM at a time
            np.testing.assert_array_equal(np.stack(mantel_moments(a, b, blocks=blocks, skewness=skewness)), np.stack(full))
            monkeypatch.undo()
    assert all(isinstance(value, float) for value in mantel_moments(a[0], b[0]))


def test_moments_do_not_depend_on_scale_offset_type_or_library():
    a, b = random_rdms(30, seed=3)
    moments = np.array(mantel_moments(a, b))
    np.testing.assert_allclose(mantel_moments(3 * a + 1000, 0.5 * b - 7), moments, rtol=1e-9)
    np.testing.assert_allclose(mantel_moments(a.astype(np.float32), b.astype(np.float32)), moments, rtol=1e-5, atol=1e-9)
    tensors = mantel_moments(torch.from_numpy(a)[None], torch.from_numpy(b)[None])
    assert all(isinstance(value, torch.Tensor) for value in tensors)
    np.testing.assert_allclose([float(value) for value in tensors], moments, rtol=1e-12)


def test_moments_do_not_depend_on_how_the_trials_of_the_table_are_interleaved():
    images = np.repeat([10, 4, 7, 31, 5], 3)
    a, b = trial_rdms(images, 3, 0.5, 0)
    rows = np.concatenate([np.flatnonzero(images == image)[[p]] for p in range(3) for image in [5, 31, 10, 7, 4]])
    i, j = np.triu_indices(15, 1)
    moved = [square(x)[rows[i], rows[j]] for x in (a, b)]
    np.testing.assert_allclose(mantel_moments(*moved, blocks=images[rows]), mantel_moments(a, b, blocks=images), rtol=1e-10)
    first_two_exchanged = rows.copy()
    # repetitions 0 and 1 of image 10: other rows change places
    first_two_exchanged[[2, 7]] = rows[[7, 2]]
    moved = [square(x)[first_two_exchanged[i], first_two_exchanged[j]] for x in (a, b)]
    assert abs(mantel_moments(*moved, blocks=images[rows]).mean / mantel_moments(a, b, blocks=images).mean - 1) > 1e-5


def test_a_null_without_variance_has_variance_and_skewness_zero():
    """One RDM has main effects of single stimuli only (0 is apart), the other none (two neighbours each): r is always 0."""
    i, j = np.triu_indices(8, 1)
    cycle = ((j - i == 1) | (j - i == 7)).astype(float)
    apart = (i == 0).astype(float)
    assert np.ptp(r_of_all(cycle, apart, draw_relabellings(8, 50))) < 1e-12
    assert mantel_moments(cycle, apart) == (0, 0, 0)
    assert mantel_moments(cycle, apart, skewness=False)[1] == 0


@pytest.mark.parametrize("images", [None, np.repeat(np.arange(20), 3), np.r_[0:14, 0:14, 3:17, 0:9]],
                         ids=["plain", "blocks", "strata"])
def test_moments_agree_with_20000_samples(images):
    labels = np.arange(40) if images is None else images
    a, b = trial_rdms(labels, 5, 1.0, 2)
    moments = mantel_moments(a, b, blocks=images)
    null = permutation_null(a, b, n_permutations=20_000, seed=3, blocks=images)
    assert abs(null.mean() - moments.mean) < 4 * null.std() / 20_000 ** 0.5
    assert abs(null.var() / moments.variance - 1) < 0.06
    if images is not None and len(image_strata(images)) == 1:
        assert moments.mean > 5 * null.std() / 20_000 ** 0.5                              # repetitions are alike in both brains
        assert abs(three_moments(null)[2] - moments.skewness) < 0.15


# sampled nulls

@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("n", [4, 7, 33, 70])
def test_sampled_r_is_numpys_corrcoef(n, dtype, tolerance):
    a, b = (random_rdms(n, count, seed=n).astype(dtype) for count in (3, 2))
    orders = draw_relabellings(n, 9, seed=1)
    expected = np.stack([[r_of_all(x, y, orders) for y in b] for x in a]).transpose(2, 0, 1)
    full = permutation_null(a, b, relabellings=orders)
    assert full.shape == (9, 3, 2) and full.dtype == dtype
    np.testing.assert_allclose(full, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(permutation_null(b, a, relabellings=np.argsort(orders, axis=1)), expected.transpose(0, 2, 1),
                               rtol=0, atol=tolerance)
    np.testing.assert_allclose(permutation_null(a[:2], b, paired=True, relabellings=orders), expected[:, [0, 1], [0, 1]],
                               rtol=0, atol=tolerance)
    np.testing.assert_allclose(permutation_null(a[0], b[1], relabellings=orders), expected[:, 0, 1], rtol=0, atol=tolerance)
    np.testing.assert_allclose(permutation_null(a, b[1], relabellings=orders), expected[:, :, 1], rtol=0, atol=tolerance)
    np.testing.assert_allclose(permutation_null(a[1], b, relabellings=orders), expected[:, 1], rtol=0, atol=tolerance)
    assert permutation_null(a[:1], b[:1], relabellings=orders).shape == (9, 1, 1)


def test_tensors_stay_tensors():
    a, b = random_rdms(12, 3), random_rdms(12, 2, seed=8)
    seen = []
    sampled = permutation_null(torch.from_numpy(a), torch.from_numpy(b), n_permutations=20,
                               reduce=lambda block: seen.append(type(block)) or block.amax((1, 2)))
    assert isinstance(sampled, torch.Tensor) and set(seen) == {torch.Tensor}
    np.testing.assert_allclose(sampled.numpy(), permutation_null(a, b, n_permutations=20).max((1, 2)), atol=1e-12)


@pytest.mark.parametrize("reduce, expected", [
    (None, lambda r: r), ("max", lambda r: r.max(-1)),
    ("signed_max", lambda r: np.take_along_axis(r, abs(r).argmax(-1)[..., None], -1)[..., 0]), (lambda block: block.mean(1),
                                                                                                lambda r: r.mean(1))])
def test_reductions_do_not_depend_on_the_size_of_blocks(monkeypatch, reduce, expected):
    a, b = random_rdms(11, 5, seed=4), random_rdms(11, 6, seed=5)
    whole = permutation_null(a, b, n_permutations=500, seed=6)
    found = permutation_null(a, b, n_permutations=500, seed=6, reduce=reduce)
    np.testing.assert_array_equal(found, expected(whole))
    assert (found < 0).any() if reduce == "signed_max" else True
    monkeypatch.setattr("convergence.compute.permute._GATHERED", {"cpu": 4000})            # so that a block can be small
    sizes = []
    for values in (1, 900, 10**6):
        monkeypatch.setattr(null_module, "_VALUES_PER_BLOCK", values)
        again = permutation_null(a, b, n_permutations=500, seed=6, reduce=lambda block: sizes.append(len(block)) or block)
        np.testing.assert_allclose(again, whole, rtol=0, atol=1e-14)
    assert min(sizes) < 100 and max(sizes) == 500


@pytest.mark.parametrize("paired", [False, True])
def test_a_longer_null_begins_with_the_shorter(paired):
    a, b = random_rdms(15, 3, seed=4), random_rdms(15, 3, seed=5)
    short, long = (permutation_null(a, b, n_permutations=k, seed=(2, 9), paired=paired) for k in (70, 600))
    np.testing.assert_allclose(long[:70], short, rtol=0, atol=1e-14)
    assert not np.allclose(permutation_null(a, b, n_permutations=70, seed=(2, 8), paired=paired), short)


def test_all_relabellings_of_six_are_the_exact_null():
    a, b = random_rdms(6)
    null = permutation_null(a, b, relabellings=all_relabellings(np.arange(6)))
    np.testing.assert_allclose(three_moments(null), mantel_moments(a, b), rtol=0, atol=1e-12)


def test_mantel_test_of_scikit_bio():
    """The same p, to the error of counting; scikit-bio permutes the other matrix with its own generator."""
    mantel = pytest.importorskip("skbio.stats.distance").mantel
    points = np.random.default_rng(0).standard_normal((25, 4))
    a, b = pdist(points), pdist(points + 1.8 * np.random.default_rng(1).standard_normal((25, 4)))
    r, p, _ = mantel(square(a), square(b), permutations=4999, seed=1)
    null = permutation_null(a, b, n_permutations=4999)
    assert 0.005 < p < 0.3 and abs(rsa(a, b) - r) < 1e-12
    error = 4 * (2 * p * (1 - p) / 5000) ** 0.5
    assert abs(p_values(rsa(a, b), null) - p) < error and abs(p_values(rsa(a, b), mantel_moments(a, b)) - p) < error + 0.15 * p


def bad(**changes):
    return dict(dict(a=random_rdms(6, 2), b=random_rdms(6, 2, seed=1)), **changes)


@pytest.mark.parametrize("changes, message", [
    (dict(b=random_rdms(7, 2)), r"mantel_moments: b has 21 pairs \(7 stimuli\), a has 15 pairs \(6 stimuli\); select the same "
                                r"stimuli in both first"),
    (dict(b=random_rdms(6, 3), paired=True), r"mantel_moments: paired=True .* a has shape \(2, 15\) and b has shape \(3, 15\)"),
    (dict(blocks=[0, 0, 1, 1]), r"mantel_moments: blocks has 4 entries, the RDMs have 6 stimuli; give one entry per stimulus, "
                                r"shape \(6,\)"),
    (dict(blocks=[0, 1, 1, 2, 2, 2]), "mantel_moments: blocks has 3 images with 1, 2, 3 rows each: no two images have equally "
                                      "many rows, so that nothing can "
                                      "be relabelled; select images with equally many repetitions, or leave blocks out"),
    (dict(within=np.arange(6)), "mantel_moments: no two of 6 images have equally many rows with the same labels of within in "
                                "the same order, so that nothing "
                                "can be relabelled; leave within out"),
    (dict(blocks=np.ones(6)), "blocks has 1 image with 6 rows each")])
def test_messages_of_mantel_moments(changes, message):
    with pytest.raises(ValueError, match=message):
        mantel_moments(**bad(**changes))


@pytest.mark.parametrize("changes, message", [
    (dict(), "permutation_null: n_permutations=None; expected a whole number, at least 1"),
    (dict(n_permutations=0), "permutation_null: n_permutations=0; expected a whole number, at least 1"),
    (dict(n_permutations=5, precision="fast"), "permutation_null: precision='fast' is unknown; Choose from: 'exact'"),
    (dict(n_permutations=5, reduce="signedmax"), "permutation_null: reduce='signedmax' is unknown; did you mean 'signed_max'"),
    (dict(n_permutations=5, reduce="max", a=random_rdms(6)[0], b=random_rdms(6)[1]),
     "reduce='max' takes the largest value over RDMs, but a and b are one RDM"),
    (dict(n_permutations=5, reduce=np.sum), "permutation_null: reduce returned a number for a block of 5 relabellings; it must "
                                            "keep the first axis"),
    (dict(n_permutations=5, reduce=lambda block: block[0]), "reduce returned 2 rows for a block of 5 relabellings"),
    (dict(relabellings=np.arange(6)), r"permutation_null: relabellings has shape \(6,\)"),
    (dict(relabellings=np.array([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 3, 5]])),
     "permutation_null: relabellings has rows that are no permutation of 0 ... 5: 1"),
    (dict(relabellings=np.arange(6)[None], n_permutations=2),
     "n_permutations=2, but relabellings has 1 rows; leave n_permutations out"),
    (dict(relabellings=np.arange(6)[None], blocks=[0, 0, 1, 1, 2, 2]), "permutation_null: blocks and relabellings were given"),
    (dict(relabellings=np.arange(6)[None], within=[0, 0, 1, 1, 2, 2]), "permutation_null: within and relabellings were given"),
    (dict(n_permutations=5, within=[0, 1]), "permutation_null: within has 2 entries, the RDMs have 6 stimuli"),
    (dict(n_permutations=5, device="cuda:7x"), "device: 'cuda:7x' is not a device")])
def test_messages_of_permutation_null(changes, message):
    with pytest.raises(ValueError, match=message):
        permutation_null(**bad(**changes))


@pytest.mark.gpu
@pytest.mark.parametrize("paired", [False, True])
def test_a_gpu_gives_the_same_numbers(paired):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    a, b = random_rdms(60, 4), random_rdms(60, 4, seed=1)
    on_cpu, on_gpu = (permutation_null(a, b, n_permutations=300, paired=paired, device=device) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=0, atol=1e-12)
    moments = mantel_moments(torch.from_numpy(a).cuda(), torch.from_numpy(b).cuda(), paired=paired)
    np.testing.assert_allclose([x.cpu() for x in moments], mantel_moments(a, b, paired=paired), rtol=1e-10)
