"""Neighbour metrics by hand, against scikit-learn's neighbours, and against loops over their definitions, on 50 random cases."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from convergence.analysis.metrics import METRICS, measure
from convergence.analysis.metrics.neighbours import neighbour_lists

# Points on a line (rbf neighbours are the nearest points). Two nearest of each, nearest first:
X = np.array([[0.0], [1.0], [3.0], [7.0], [12.0]])            # 0: 1 2 | 1: 0 2 | 2: 1 0 | 3: 2 4 | 4: 3 2
Y = np.array([[0.0], [2.0], [1.0], [9.0], [4.5]])  # 0: 2 1 | 1: 2 0 | 2: 0 1 (a tie: the lower number) | 3: 4 1 | 4: 1 2


def test_lists_by_hand():
    assert neighbour_lists(torch.tensor(X), 2, "rbf").tolist() == [[1, 2], [0, 2], [1, 0], [2, 4], [3, 2]]
    assert neighbour_lists(torch.tensor(Y), 2, "rbf").tolist() == [[2, 1], [2, 0], [0, 1], [4, 1], [1, 2]]


@pytest.mark.parametrize(
    "name, by_hand",
    [
        ("mutual_knn", (2 + 2 + 2 + 1 + 1) / 10),  # common to both lists
        ("cycle_knn", 4 / 5),  # 0: 2 lists 0. 1: 2 lists 1. 2: 0 lists 2. 3: 4 lists 3. 4: neither 1 nor 2 lists 4
        ("lcs_knn", (1 + 1 + 1 + 1 + 1) / 10),
        ("edit_distance_knn", 1 - (2 + 2 + 2 + 2 + 1) / 10),  # swapped: 2; "2 4" to "4 1": 2; "3 2" to "1 2": 1
    ],
)
def test_scores_by_hand(name, by_hand):
    assert measure(name, X, Y, topk=2, kernel="rbf") == pytest.approx(by_hand, abs=1e-12)


def test_cycles_have_a_direction():
    x, y = np.array([[4.0], [9.0], [81.0], [36.0]]), np.array([[36.0], [16.0], [9.0], [49.0]])
    # two nearest in x: 0: 1 3 | 1: 0 3 | 2: 3 1 | 3: 1 0; in y: 0: 3 1 | 1: 2 0 | 2: 1 0 | 3: 0 1
    # by y, back by x: 0 by 3, 1 by 2, 3 by 0; but neither 1 nor 0 lists 2 in x. By x, back by y: 0 by 1, 1 by 0, 2 by 1, 3 by 0
    assert measure("cycle_knn", x, y, topk=2, kernel="rbf") == 3 / 4
    assert measure("cycle_knn", y, x, topk=2, kernel="rbf") == 1


def test_cknna_by_hand():
    """Three points on a line and a far one, one neighbour each, inner products."""
    x, y = np.array([[1.0], [2.0], [-1.0], [-3.0]]), np.array([[2.0], [1.0], [-2.0], [-1.0]])
    # x x', but its diagonal: 2 -1 -3 | 2 -2 -6 | -1 -2 3 | -3 -6 3. Nearest: 1, 0, 3, 2. There, minus the row's mean:
    # 2 + 2/3, 2 + 2, 3 - 0, 3 + 2. The same of y y': 2 -4 -2 | 2 -2 -1 | -4 -2 2 | -2 -1 2. Nearest: 1, 0, 3, 2
    a, b = np.array([8 / 3, 4, 3, 5]), np.array([10 / 3, 7 / 3, 10 / 3, 7 / 3])
    assert measure("cknna", x, y, topk=1, kernel="linear") == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)), abs=1e-12)


def case(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(15, 30))
    x = rng.standard_normal((n, 5)) + 0.5
    return x, np.c_[x[:, :2] + 0.4 * rng.standard_normal((n, 2)), rng.standard_normal((n, 2))], int(rng.integers(1, 8))


def lists_of_scikit_learn(x, topk, metric):
    return NearestNeighbors(n_neighbors=topk + 1, metric=metric).fit(x).kneighbors(return_distance=False, n_neighbors=topk)


def levenshtein(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(levenshtein(a[1:], b) + 1, levenshtein(a, b[1:]) + 1, levenshtein(a[1:], b[1:]) + (a[0] != b[0]))


def common(a, b):
    if not a or not b:
        return 0
    return 1 + common(a[1:], b[1:]) if a[0] == b[0] else max(common(a[1:], b), common(a, b[1:]))


@pytest.mark.parametrize("kernel, metric", [("cosine", "cosine"), ("rbf", "euclidean"), ("pearson", "correlation")])
def test_definitions_in_loops(kernel, metric):
    for seed in range(50):
        x, y, topk = case(seed)
        a, b = (lists_of_scikit_learn(m, topk, metric).tolist() for m in (x, y))
        each = list(zip(a, b))
        short = [(p[:5], q[:5]) for p, q in each]                                   # recursion without memory
        expected = {"mutual_knn": np.mean([len(set(p) & set(q)) / topk for p, q in each]),
                    "cycle_knn": np.mean([any(i in a[j] for j in q) for i, q in enumerate(b)])}
        for name, value in expected.items():
            assert measure(name, x, y, topk=topk, kernel=kernel) == pytest.approx(value, abs=1e-12), (name, seed)
        topk = min(topk, 5)
        expected = {"lcs_knn": np.mean([common(p, q) / topk for p, q in short]),
                    "edit_distance_knn": 1 - np.mean([levenshtein(p, q) / topk for p, q in short])}
        for name, value in expected.items():
            assert measure(name, x, y, topk=topk, kernel=kernel) == pytest.approx(value, abs=1e-12), (name, seed)


def test_cknna_in_loops():
    for seed in range(50):
        x, y, topk = case(seed)
        n = len(x)
        lists = [lists_of_scikit_learn(m, topk, "cosine").tolist() for m in (x, y)]
        k, m = ((u @ u.T for u in [v / np.linalg.norm(v, axis=1, keepdims=True)]).__next__() for v in (x, y))

        def aligned(k, m, near, also):
            total = 0.0
            for i in range(n):
                others = [j for j in range(n) if j != i]
                total += sum((k[i, j] - k[i, others].mean()) * (m[i, j] - m[i, others].mean()) for j in near[i] if j in also[i])
            return total
        expected = aligned(k, m, *lists) / np.sqrt(aligned(k, k, lists[0], lists[0]) * aligned(m, m, lists[1], lists[1]))
        assert measure("cknna", x, y, topk=topk) == pytest.approx(expected, abs=1e-9)


def test_an_image_shown_twice_has_its_place_whatever_the_rounding():
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(20), 3)
    x = rng.standard_normal((20, 50))[image].astype(np.float32)
    lists = neighbour_lists(torch.tensor(x), 7).numpy()
    jittered = neighbour_lists(torch.tensor(x.astype(np.float64) * (1 + 1e-15 * rng.standard_normal(x.shape))), 7).numpy()
    np.testing.assert_array_equal(lists, jittered)
    assert all((np.diff(row[:2]) > 0).all() and (image[row[:2]] == image[i]).all() for i, row in enumerate(lists))


@pytest.mark.parametrize("name", ["mutual_knn", "cycle_knn", "lcs_knn", "edit_distance_knn", "cknna"])
def test_topk_has_a_default_and_counts(name):
    x, y = np.random.default_rng(0).standard_normal((2, 40, 6))
    assert measure(name, x, y) == measure(name, x, y, topk=10) != measure(name, x, y, topk=3)
    assert "topk" in METRICS[name].__doc__ + METRICS["mutual_knn"].__doc__
