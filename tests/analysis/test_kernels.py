"""Gram kernels against scikit-learn and scipy."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import pairwise_kernels

from convergence.analysis.metrics.kernels import KERNELS, centre, gram, settle

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((12, 7)) + 3, RNG.standard_normal((9, 7)) * 2


@pytest.mark.parametrize("name, parameters", [("linear", {}), ("cosine", {}), ("rbf", {"gamma": 0.05}), ("laplacian", {"gamma": 0.1}),
                                              ("polynomial", {"gamma": 0.2, "degree": 2, "coef0": 0.5}), ("sigmoid", {"gamma": 0.01, "coef0": 0.1})])
def test_kernels_are_those_of_scikit_learn(name, parameters):
    ours = gram(name, torch.from_numpy(X), torch.from_numpy(Y), **parameters)
    np.testing.assert_allclose(ours, pairwise_kernels(X, Y, metric=name, **parameters), rtol=1e-10)
    np.testing.assert_allclose(gram(name, torch.from_numpy(X), **parameters), pairwise_kernels(X, metric=name, **parameters), rtol=1e-10)


def test_correlations():
    np.testing.assert_allclose(gram("pearson", torch.from_numpy(X), torch.from_numpy(Y)), np.corrcoef(X, Y)[:12, 12:], atol=1e-12)
    tied = np.round(X)
    np.testing.assert_allclose(gram("spearman", torch.from_numpy(tied), torch.from_numpy(Y)), spearmanr(tied, Y, axis=1)[0][:12, 12:], atol=1e-12)


def test_neighbours():
    points = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    np.testing.assert_array_equal(gram("knn", points, k=1), [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]])
    np.testing.assert_array_equal(gram("knn", torch.tensor([[2.5]]), points, k=2), [[0, 1, 1, 0]])
    with pytest.raises(ValueError, match="'knn' needs k from 1 to 3, found 4"):
        gram("knn", points, k=4)


def test_gamma_is_settled_by_the_median_distance():
    points = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)             # distances 1, 2, 3
    assert settle("rbf", points, {})["gamma"] == pytest.approx(1 / 4)
    assert settle("laplacian", points, {})["gamma"] == pytest.approx(1 / 2)
    assert settle("rbf", points, {"gamma": 7.0}) == {"gamma": 7.0}
    assert settle("polynomial", torch.ones(3, 5), {})["gamma"] == pytest.approx(1 / 5)
    with pytest.raises(ValueError, match="cannot settle gamma: the median distance of two rows is 0"):
        settle("rbf", torch.ones(3, 2), {})


def test_centring_is_that_of_the_features():
    x = torch.from_numpy(X)
    np.testing.assert_allclose(centre(x @ x.T), (x - x.mean(0)) @ (x - x.mean(0)).T, atol=1e-10)


def test_errors():
    with pytest.raises(ValueError, match="kernel='gausian' is unknown"):
        gram("gausian", torch.ones(4, 2))
    with pytest.raises(ValueError, match="'linear' has no parameter 'gamma'; it has none"):
        gram("linear", torch.ones(4, 2), gamma=1)
    with pytest.raises(ValueError, match="rows 1 have no direction"):
        gram("cosine", torch.tensor([[1.0, 0], [0, 0], [0, 2]]))


@pytest.mark.parametrize("name", list(KERNELS))
def test_every_kernel_is_square_symmetric_and_described(name):
    k = gram(name, torch.from_numpy(X), **({"k": 3} if name == "knn" else {}))
    assert k.shape == (12, 12)
    np.testing.assert_allclose(k, k.T, atol=1e-12)
    assert KERNELS[name].__doc__
