"""Shared dimensions: planted ones are found on held-out images, none in noise; agreement against plain correlations."""

import itertools

import numpy as np
import pytest

from convergence import KMCCA
from convergence.analysis.shared_dimensions import (agreement, combined, common_scores, folds, gram_of, held_out_scores,
                                                    leave_pair_out, shared_dimensions,
                                                    shared_variance, signed)

OPTIONS = {"penalties": (0.1, 0.5, 0.9), "n_permutations": 199, "device": "cpu"}


def planted(n=120, widths=(40, 70, 55, 48), n_shared=2, strength=1.0, seed=0):
    rng = np.random.default_rng(seed)
    latents = rng.standard_normal((n, n_shared)) * np.arange(n_shared + 1, 1, -1)
    return latents, [strength * latents @ rng.standard_normal((n_shared, p)) / 2 + rng.standard_normal((n, p)) for p in widths]


def as_mask(n_views, n, lacking):
    mask = np.ones((n_views, n), bool)
    for view, images in lacking.items():
        mask[view, images] = False
    return mask


def test_a_gram_matrix_is_centred_and_has_trace_n():
    x = np.random.default_rng(0).standard_normal((9, 5)) + 7
    gram = gram_of(x)
    assert np.trace(gram) == pytest.approx(9) and abs(gram.sum(0)).max() < 1e-9
    np.testing.assert_allclose(gram, gram_of(3 * x - 100), atol=1e-9)
    with pytest.raises(ValueError, match="gram_of: responses is constant"):
        gram_of(np.ones((5, 3)))


def test_agreement_is_the_mean_correlation_of_all_pairs():
    rng = np.random.default_rng(2)
    scores, fold = rng.standard_normal((2, 3, 17, 2)) + rng.standard_normal((17, 2)), folds(17, 3, seed=5)
    found = agreement(scores, fold)
    assert found.shape == (2, 3, 2) and np.bincount(fold).tolist() == [6, 6, 5]
    for p, f, k in itertools.product(range(2), range(3), range(2)):
        rows = scores[p, :, fold == f, k]                                   # (n_images, n_subjects)
        expected = np.mean([np.corrcoef(rows[:, a], rows[:, b])[0, 1] for a, b in itertools.combinations(range(3), 2)])
        assert found[p, f, k] == pytest.approx(expected)


def test_missing_images_count_in_the_pairs_that_have_them():
    rng = np.random.default_rng(2)
    scores, fold = rng.standard_normal((3, 8, 1)), np.zeros(8, int)
    scores[1, 5:] = np.nan
    z = [(s - np.nanmean(s)) / np.nanstd(s) for s in scores[..., 0]]
    products = [z[a][i] * z[b][i] for a, b in itertools.combinations(range(3), 2) for i in range(8)
                if not np.isnan(z[a][i] * z[b][i])]
    assert agreement(scores, fold)[0, 0] == pytest.approx(np.mean(products))
    scores[:2] = np.nan
    with pytest.raises(ValueError, match="in some fold no image is common to two people"):
        agreement(scores, fold)


def test_planted_dimensions_are_found_and_no_more():
    latents, views = planted()
    found = shared_dimensions([gram_of(x) for x in views], n_components=4, **OPTIONS)
    assert (found.held_out_r[:2] > 0.8).all() and (abs(found.held_out_r[2:]) < 0.25).all()
    assert (found.p_max[:2] < 0.02).all() and (found.p[2:] > 0.05).all() and (found.p_max >= found.p - 0.02).all()
    plane = np.linalg.qr(latents - latents.mean(0))[0]
    np.testing.assert_allclose(np.linalg.norm(found.scores, axis=0), 1)
    assert np.linalg.svd(plane.T @ found.scores[:, :2])[1].min() > 0.95
    again = shared_dimensions([gram_of(x) for x in views], n_components=4, **OPTIONS)
    for ours, theirs in zip(found, again):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", range(3))
def test_held_out_scores_follow_the_planted_latents(seed):
    """Each held-out score against its prediction from the latents, by a regression learnt on its model's images."""
    latents, views = planted(n=200, seed=seed)
    fold, mask = folds(200, 4, seed), as_mask(4, 200, {1: slice(0, 20)})
    kernels = [gram_of(x) for x in views]
    scores = held_out_scores(kernels, mask, fold, regularization=0.5, n_components=2, device="cpu")
    for part, k in itertools.product(range(4), range(2)):
        train, test = fold != part, fold == part
        model = KMCCA(2, kernel="precomputed", regularization=0.5, device="cpu")
        model.fit([g[np.ix_(train, train)] for g in kernels], mask=mask[:, train])
        weights = np.linalg.lstsq(latents[train], common_scores(model.view_scores_)[:, k], rcond=None)[0]
        assert np.corrcoef(latents[test] @ weights, np.nanmean(scores[:, test, k], 0))[0, 1] > 0.9
    assert np.isnan(scores[1, :20]).all() and np.isfinite(scores[1, 20:]).all()


def test_shared_variance_is_the_r_squared_of_a_regression():
    _, views = planted(n=60, seed=3)
    mask = as_mask(4, 60, {2: [3, 8, 50]})
    kernels = [gram_of(x) for x in views]
    scores = shared_dimensions(kernels, mask=mask, n_components=3, **OPTIONS).scores
    explained = []
    for x, rows in zip(views, mask):
        x, c = x[rows] - x[rows].mean(0), scores[rows] - scores[rows].mean(0)
        explained.append([1 - ((x - np.outer(a, a @ x / (a @ a))) ** 2).sum() / (x ** 2).sum() for a in c.T])
    np.testing.assert_allclose(shared_variance(kernels, scores, mask=mask), np.mean(explained, 0))


def test_rows_that_are_missing_may_hold_anything():
    _, views = planted(n=60, seed=1)
    mask = as_mask(4, 60, {0: range(20), 3: [59]})
    kernels = [gram_of(x) for x in views]
    spoilt = [kernel.copy() for kernel in kernels]
    spoilt[0][:20], spoilt[0][:, :20] = np.nan, np.nan
    for ours, theirs in zip(shared_dimensions(kernels, mask=mask, n_components=2, **OPTIONS),
                            shared_dimensions(spoilt, mask=mask, n_components=2, **OPTIONS)):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_signs():
    scores = np.array([[-0.5, 0.1, 0.2], [0.1, -0.3, np.nan], [0.2, 0.2, 0.1], [0.2, 0.1, -0.4]])[:, :2]
    assert np.sign(signed(scores, np.array([True, False, False, False]))[0]).tolist() == [1, 1]
    assert np.sign(signed(scores)[[0, 1], [0, 1]]).tolist() == [1, 1]                            # the largest in size is positive
    np.testing.assert_array_equal(signed(scores, np.zeros(4, bool)), signed(scores))


def test_a_pair_has_no_part_in_its_coordinates():
    latents, views = planted(n=80, seed=4)
    kernels = [gram_of(x) for x in views]
    found = shared_dimensions(kernels, n_components=2, **OPTIONS)
    without = leave_pair_out(kernels, found, device="cpu")
    assert sorted(without) == [(a, b) for a in range(4) for b in range(a, 4)]
    changed = [kernels[0], gram_of(np.random.default_rng(9).standard_normal((80, 30))), kernels[2], gram_of(views[3][::-1])]
    np.testing.assert_allclose(leave_pair_out(changed, found, device="cpu")[1, 3], without[1, 3], atol=1e-9)
    for coordinates in without.values():
        r = np.corrcoef(found.scores, coordinates, rowvar=False)[:2, 2:]
        assert (np.diag(r) > 0.9).all()                                     # the same order and signs as with all
    assert set(leave_pair_out(kernels[:3], found, device="cpu")) == {(0, 0), (1, 1), (2, 2)}     # two of three leave one alone


def test_combined_p_values():
    assert combined(np.full((5, 1), 0.03))[0] == pytest.approx(0.03)        # wholly dependent: nothing is gained or lost
    assert combined(np.array([0.01, 0.4, 0.6, 0.5, 0.9])) < 0.06 and combined(np.ones(3)) == pytest.approx(0.99)


def test_errors_say_what_is_wrong():
    kernels = [gram_of(x) for x in planted(n=30)[1]]
    with pytest.raises(ValueError, match="shared_dimensions: found 1 kernel; at least 2 people are needed"):
        shared_dimensions(kernels[:1])
    with pytest.raises(ValueError, match=r"kernels have the shapes \(29, 30\), \(30, 30\); expected square"):
        shared_dimensions([kernels[0], kernels[1][1:]])
    with pytest.raises(ValueError, match=r"mask has shape \(4, 29\) and type bool; expected \(4, 30\) bool"):
        shared_dimensions(kernels, mask=np.ones((4, 29), bool))
    with pytest.raises(ValueError, match="30 images in 8 folds are fewer than 4 in each"):
        shared_dimensions(kernels, n_folds=8)


@pytest.mark.slow
def test_error_rate_where_nothing_is_shared():
    """200 draws: at most 10 % are significant at 0.05, per dimension and for the largest of them."""
    rng, hits = np.random.default_rng(0), []
    for draw in range(200):
        kernels = [gram_of(rng.standard_normal((60, p))) for p in (30, 45, 38)]
        found = shared_dimensions(kernels, n_components=3, seed=draw, **OPTIONS)
        hits.append([*(found.p <= 0.05), (found.p_max <= 0.05).any()])
    assert (np.mean(hits, axis=0) <= 0.10).all()
