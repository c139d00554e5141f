"""The banded gather against plain indexing, at sizes around the bands' edges."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import squareform

from convergence.compute import permute


@pytest.mark.parametrize("n", [2, 3, 5, 31, 32, 33, 65])
@pytest.mark.parametrize("budget", [1, 700, 1 << 20])
def test_products_against_plain_indexing(monkeypatch, n, budget):
    monkeypatch.setattr(permute, "_GATHERED", {"cpu": budget})
    rng = np.random.default_rng(n)
    a, b = (torch.from_numpy(rng.standard_normal((count, n * (n - 1) // 2))) for count in (3, 5))
    relabellings = np.argsort(rng.random((7, n)), axis=1)
    i, j = np.triu_indices(n, 1)
    expected = np.stack([a.numpy() @ np.stack([squareform(x)[p[i], p[j]] for x in b.numpy()]).T for p in relabellings])
    np.testing.assert_allclose(permute.relabelled_products(a, b)(relabellings), expected, rtol=0, atol=1e-11)
    np.testing.assert_allclose(permute.relabelled_products(a, b[:1])(relabellings), expected[:, :, :1], rtol=0, atol=1e-11)
    paired = permute.relabelled_products(a, b[:3], paired=True)(torch.from_numpy(relabellings))
    np.testing.assert_allclose(paired, expected[:, [0, 1, 2], [0, 1, 2]], rtol=0, atol=1e-11)


def test_squares_and_row_sums_against_scipy():
    condensed = np.random.default_rng(0).random((3, 45))
    expected = np.stack([squareform(x) for x in condensed])
    np.testing.assert_array_equal(permute.squares(torch.from_numpy(condensed), 10), expected)
    np.testing.assert_allclose(permute.row_sums(torch.from_numpy(condensed), 10), expected.sum(2), rtol=1e-13)
