"""Simulated responses have the variances, the geometry and the clock that they claim."""

import numpy as np
import pytest

from convergence.datasets.miniature.latents import draw_latents, shows_somebody
from convergence.datasets.miniature.responses import (DRIFT_AMPLITUDE, DRIFT_COMPONENTS, as_int16, canaries, draw_drift,
                                                      drift_similarity, mix, signal_of, simulate, stream)


@pytest.fixture(scope="module")
def drift():
    return draw_drift(30, 4, np.random.default_rng(3))


def test_drift_is_smooth_and_has_no_session_means(drift):
    assert drift.shape == (120, DRIFT_COMPONENTS)
    np.testing.assert_allclose(drift.reshape(4, 30, -1).mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(drift.std(axis=0), 1)
    within = np.abs(np.diff(drift, axis=0))[np.arange(119) % 30 != 29]
    assert within.max() < 0.5                                   # white noise of unit variance steps by 3 and more


def test_variance_of_signal_and_drift_in_units_of_noise(drift):
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((120, 6))
    signal = (signal - signal.mean(axis=0)) / signal.std(axis=0)
    variance = [simulate(drift, 20_000, rng, **options).var() for options in ({}, {"signal": signal, "snr": 2.5})]
    assert variance == pytest.approx([1 + DRIFT_AMPLITUDE**2, 1 + DRIFT_AMPLITUDE**2 + 2.5], rel=0.02)


def test_expected_similarity_is_what_many_voxels_show(drift):
    expected = drift_similarity(drift)
    found = np.corrcoef(simulate(drift, 40_000, np.random.default_rng(1)))
    above = np.triu_indices(120, 1)
    np.testing.assert_allclose(found[above], expected[above], atol=0.03)
    assert np.abs(expected[above]).max() > 0.3


def test_mixed_latents_keep_unit_variance():
    rng = np.random.default_rng(2)
    latents = {name: rng.standard_normal((50_000, 6)) for name in ("low", "scene", "social")}
    assert mix(latents, "scene") is not latents["low"]
    np.testing.assert_array_equal(mix(latents, "scene"), latents["scene"])
    mixed = mix(latents, "low+social")
    assert mixed.var() == pytest.approx(1, rel=0.02)
    assert [np.corrcoef(mixed[:, 2], latents[name][:, 2])[0, 1] for name in latents] == pytest.approx([0.707, 0, 0.707], abs=0.02)


def test_signal_is_weak_in_pictures_of_nobody_where_it_says_so():
    latents = draw_latents(400, np.random.default_rng(5))
    somebody = shows_somebody(latents["social"])
    plain, weak = (signal_of(latents, {"latent": "low+social", "nobody": nobody}) for nobody in (1.0, 0.25))
    np.testing.assert_array_equal(plain, mix(latents, "low+social"))
    strength = (weak / plain)[:, 0]
    np.testing.assert_allclose(weak, plain * strength[:, None])
    np.testing.assert_allclose(strength[~somebody], 0.25 * strength[somebody][0])
    assert np.ptp(strength[somebody]) < 1e-12 and np.mean(strength**2) == pytest.approx(1)


def test_subjects_share_geometry_and_not_voxels(drift):
    signal = np.random.default_rng(4).standard_normal((120, 6))
    a, b = (simulate(drift * 0, 400, stream(0, subject), signal=signal, snr=3) for subject in (1, 2))
    above = np.triu_indices(120, 1)
    assert np.corrcoef(np.corrcoef(a)[above], np.corrcoef(b)[above])[0, 1] > 0.9
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05


def test_canaries():
    np.testing.assert_array_equal(canaries(4, 3), [[0, 1001, 1002], [1, 1001, 1002], [2, 1001, 1002], [3, 1001, 1002]])
    assert canaries(4, 0).shape == (4, 0) and canaries(4, 3).dtype == np.int16


def test_int16_is_rounded_and_limited():
    np.testing.assert_array_equal(as_int16(np.array([1.0, -0.0049, 0.0051, 500, -500])), [300, -1, 2, 32767, -32767])


def test_streams_are_their_own_and_repeat():
    draws = {names: stream(7, *names).standard_normal() for names in ((1, "V1"), (2, "V1"), (1, "V2"), ("V1", 1))}
    assert len(set(draws.values())) == 4
    assert stream(7, 1, "V1").standard_normal() == draws[1, "V1"] != stream(8, 1, "V1").standard_normal()
