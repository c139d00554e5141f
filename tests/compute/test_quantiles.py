"""Clip limits against numpy.quantile, for arrays and for tensors."""

import numpy as np
import pytest
import torch

from convergence.compute import quantiles
from convergence.compute.quantiles import tail_limits

DRAWS = {"normal": lambda rng, n, p: rng.standard_normal((n, p)),
         "heavy": lambda rng, n, p: rng.standard_cauchy((n, p)),
         "counts": lambda rng, n, p: rng.poisson(2, (n, p)).astype(float),            # ties everywhere
         "sparse": lambda rng, n, p: rng.standard_normal((n, p)) * (rng.random((n, p)) > 0.999),
         "columns": lambda rng, n, p: rng.standard_normal((n, p)) + 50 * (np.arange(p) % 100 == 3)}


@pytest.mark.parametrize("library", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("shape", [(4, 2), (30, 41), (500, 400), (300, 1700)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_numpy(library, name, shape, dtype):
    x = DRAWS[name](np.random.default_rng(1), *shape).astype(dtype)
    for fraction in (0, 0.003, 0.25, 0.49):
        expected = np.quantile(x.astype(np.float64), [fraction, 1 - fraction])
        np.testing.assert_allclose(tail_limits(library(x), fraction), expected, rtol=1e-9, atol=1e-12)


def test_more_values_than_torch_quantile_takes():
    x = np.random.default_rng(2).standard_normal((4200, 4001), dtype=np.float32)               # more than 2 ** 24
    ordered = np.sort(x, axis=None)
    position = 0.003 * (x.size - 1)
    expected = np.interp([position, x.size - 1 - position], np.arange(x.size), ordered)
    np.testing.assert_allclose(tail_limits(x, 0.003), expected, rtol=1e-6)


def test_an_unlucky_sample_costs_time_only(monkeypatch):
    monkeypatch.setattr(quantiles, "SAMPLE", 1500)
    x = np.zeros((300, 100))
    x[:, :] = np.linspace(-1, 1, 30_000).reshape(300, 100)
    x.reshape(-1)[::21] += 10                                       # the step at which the sample looks
    np.testing.assert_allclose(tail_limits(x, 0.01), np.quantile(x, [0.01, 0.99]), rtol=1e-12)
    sizes = []
    monkeypatch.setattr(quantiles, "_where", lambda flat, mask: (sizes.append(mask.sum()), flat[mask])[1])
    tail_limits(x, 0.01)
    assert min(sizes) < 0.01 * x.size                               # the sample was indeed unlucky: too few values beyond a bound


def test_only_the_tails_are_sorted(monkeypatch):
    sizes = []
    sort = quantiles._sort
    monkeypatch.setattr(quantiles, "_sort", lambda values: (sizes.append(len(values)), sort(values))[1])
    tail_limits(np.random.default_rng(3).standard_normal((2000, 500)), 0.003)
    assert len(sizes) == 3 and max(sizes) < 0.03 * 1e6


def test_the_sample_sees_all_columns():
    x = np.zeros((1000, 2000), np.float32)
    # 0.05 % of the values, all in a column that a step of 100 never meets
    x[:, 1] = np.random.default_rng(4).standard_normal(1000)
    x[:, 7] = 5
    np.testing.assert_allclose(tail_limits(x, 0.0004), np.quantile(x, [0.0004, 0.9996]), atol=1e-7)
