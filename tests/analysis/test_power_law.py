"""Power laws: planted parameters, scipy's covariance as a rough oracle of the interval, and the gauge of the joint fit."""

import numpy as np
import pandas as pd
import pytest

from convergence import fit_joint_power_law, fit_power_law


def test_planted_parameters_lie_in_the_interval():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.005, 0.25, 150)
    y = 0.33 * x ** 0.54 + 0.005 * rng.standard_normal(150)
    law = fit_power_law(x, y, n_bootstrap=400)
    assert law.a == pytest.approx(0.33, abs=0.02) and law.b == pytest.approx(0.54, abs=0.03) and law.r_squared > 0.95
    assert (law.interval["low"] < [0.33, 0.54]).all() and (law.interval["high"] > [0.33, 0.54]).all()
    assert fit_power_law(x, y, n_bootstrap=20).interval.equals(fit_power_law(x, y, n_bootstrap=20).interval)


def test_blocks_widen_the_interval_where_neighbours_share_their_error():
    rng = np.random.default_rng(1)
    block = np.repeat(np.arange(20), 8)
    x = rng.uniform(0.02, 0.25, 20)[block] * rng.uniform(0.9, 1.1, 160)
    y = 0.3 * x ** 0.5 + 0.02 * rng.standard_normal(20)[block]
    width = {name: np.diff(fit_power_law(x, y, blocks=blocks).interval.loc["a"])[0] for name, blocks in (("cases", None), ("blocks", block))}
    assert width["blocks"] > 2 * width["cases"]


@pytest.mark.parametrize("x, y, message", [
    ([1, 2, 3], [1, 2, 3], "found 3 cases; at least 4"), ([1, 2, 3, 4], [1, 2, 3], r"x has shape \(4,\), y \(3,\)"),
    ([0, 2, 3, -1], [1, 2, 3, 4], "x has 2 values at or below 0"), ([1, 2, 3, 4], [1, np.nan, 3, 4], "y has NaN")])
def test_cases_that_cannot_be_fitted(x, y, message):
    with pytest.raises(ValueError, match=message):
        fit_power_law(x, y)
    with pytest.raises(ValueError, match=r"blocks has shape \(3,\); expected one per case, \(4,\)"):
        fit_power_law([1, 2, 3, 4], [1, 2, 3, 4], blocks=[1, 2, 3])


def planted(noise, seed=0, n=150):
    rng = np.random.default_rng(seed)
    rho = rng.uniform(0.1, 0.9, n)
    a, b = np.array([1.0, 0.6, 0.3]), np.array([1.6, 2.1, 1.0])
    values = a * rho[:, None] ** b * np.exp(noise * rng.standard_normal((n, 3)))
    return pd.DataFrame(values, index=np.arange(n) + 5, columns=["WS", "IS", "model"]), rho, a, b


def test_the_joint_fit_recovers_what_was_planted():
    measures, rho, a, b = planted(noise=0.0)
    law = fit_joint_power_law(measures, n_bootstrap=2)
    np.testing.assert_allclose(law.measures["a"], a, atol=2e-3)
    np.testing.assert_allclose(law.measures["b"], b, atol=5e-3)
    np.testing.assert_allclose(law.rho, rho, atol=5e-3)
    assert law.rho.index.tolist() == measures.index.tolist() and (law.measures["r_squared"] > 0.999).all()


def test_planted_parameters_lie_in_the_joint_interval():
    """Of 8 data sets most: a 95 % percentile interval of 40 draws holds the truth in 80 to 95 %."""
    inside = []
    for seed in range(8):
        measures, _, a, b = planted(noise=0.02, seed=seed)
        law = fit_joint_power_law(measures, n_bootstrap=40, n_restarts=2).measures
        inside.append([law["a_low"]["IS"] <= 0.6 <= law["a_high"]["IS"], law["b_low"]["IS"] <= 2.1 <= law["b_high"]["IS"],
                       law["b_low"]["WS"] <= 1.6 <= law["b_high"]["WS"], law["a_low"]["model"] <= 0.3 <= law["a_high"]["model"]])
    assert (np.sum(inside, axis=0) >= 5).all() and np.mean(inside) >= 0.75


def test_the_gauge_is_the_same_whatever_fits_equally_well():
    """(c rho^k, a c^(-b / k), b / k) is the same model: what is reported must not depend on c and k."""
    measures, rho, a, b = planted(noise=0.02)
    law = fit_joint_power_law(measures, n_bootstrap=2).measures
    assert law["b"].min() == pytest.approx(1) and law["a"].max() == pytest.approx(1)
    swapped = fit_joint_power_law(measures[["model", "WS", "IS"]], n_bootstrap=2).measures.loc[["WS", "IS", "model"]]
    np.testing.assert_allclose(swapped[["a", "b"]], law[["a", "b"]], atol=1e-3)


def test_measures_that_cannot_be_fitted():
    measures = planted(0.1)[0]
    with pytest.raises(ValueError, match="measures is not positive in 2 of 150 parcels: 8, 11"):
        fit_joint_power_law(measures.assign(IS=np.where(measures.index.isin([8, 11]), -0.1, measures["IS"])))
    with pytest.raises(ValueError, match="at least 4 parcels by 2 measures"):
        fit_joint_power_law(measures[["WS"]])
