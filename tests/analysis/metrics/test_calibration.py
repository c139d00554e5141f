"""Calibrated scores: against calibrated-similarity's kept values, on unrelated data, and with images that repeat."""

import math
from pathlib import Path

import numpy as np
import pytest

from convergence.analysis.metrics import METRICS, Representations, calibrate, measure
from convergence.analysis.metrics.calibration import exact_null_mean, relabelled
from convergence.python_files import load_python

ORACLES = Path(__file__).resolve().parents[2] / "oracles"


def problems():
    module = load_python(ORACLES / "calibrated_golden_problems.py")
    return module


@pytest.mark.parametrize("name", ["pair", "max", "mean"])
def test_p_and_threshold_are_those_of_calibrated_similarity(name):
    golden, module = np.load(ORACLES / "calibrated_golden.npz"), problems()
    for seed in module.SEEDS:
        x, y, relabellings = module.problem(seed)
        x, y = (x[:1], y[:1]) if name == "pair" else (x, y)
        found = calibrate("cka", x, y, reduce="max" if name == "pair" else name, relabellings=relabellings, device="cpu")
        theirs, p, threshold = golden[f"{name}_{seed}"]
        assert found.p == pytest.approx(p, abs=1e-6)
        reduce = np.mean if name == "mean" else np.max
        null = [
            reduce(scores)
            for scores in relabelled(
                Representations("cka", x, device="cpu"), Representations("cka", y, device="cpu"), relabellings
            )
        ]
        ours = np.sort([found.raw, *null])[math.ceil(0.95 * 100) - 1]
        assert ours == pytest.approx(threshold, abs=1e-5)
        assert np.clip((found.raw - ours) / (1 - ours), 0, 1) == pytest.approx(theirs, abs=1e-4)
        assert found.null_mean == pytest.approx(np.mean(null)) and found.null_std == pytest.approx(np.std(null))
        assert found.calibrated == pytest.approx((found.raw - np.mean(null)) / (1 - np.mean(null)))


@pytest.mark.parametrize("name", ["cka", "mutual_knn"])
def test_searching_24_layers_and_4_widths_finds_nothing_in_unrelated_data(name):
    raw, calibrated, p = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        layers = [rng.standard_normal((30, 12)) for _ in range(24)]
        widths = [rng.standard_normal((30, width)) for width in (4, 8, 16, 32)]
        found = calibrate(name, layers, widths, n_permutations=40, seed=seed)
        raw.append(found.raw), calibrated.append(found.calibrated), p.append(found.p)
    error = np.std(calibrated) / math.sqrt(len(calibrated))
    assert abs(np.mean(calibrated)) < 3 * error and error < 0.02
    assert np.mean(raw) > 20 * error and np.mean(raw) > 0.4
    assert abs(np.mean(p) - 0.5) < 0.15 and np.mean(np.array(p) < 0.1) < 0.25


def test_what_is_shared_survives():
    rng = np.random.default_rng(1)
    shared = rng.standard_normal((40, 5))
    layers = [rng.standard_normal((40, 9)) + strength * shared @ rng.standard_normal((5, 9)) for strength in (0, 0.2, 1, 0.5)]
    y = shared @ rng.standard_normal((5, 20)) + rng.standard_normal((40, 20))
    found = calibrate("unbiased_cka", layers, y, n_permutations=99)
    assert found.p == pytest.approx(0.01) and 0.3 < found.calibrated < found.raw
    same = calibrate("mutual_knn", y, y, n_permutations=20, topk=5)
    assert same.raw == same.calibrated == 1 and 0.05 < same.null_mean < 0.25
    each = calibrate("unbiased_cka", layers, [y, y ** 2], reduce=None, n_permutations=30)
    assert each.raw.shape == each.p.shape == each.calibrated.shape == (4, 2) and each.raw[:, 0].argmax() == 2
    first = calibrate("unbiased_cka", layers, y, reduce=lambda scores: scores[0, 0], n_permutations=9)
    assert first.raw == pytest.approx(measure("unbiased_cka", layers[0], y), abs=1e-12)


def test_every_metric_can_be_calibrated_and_the_seed_decides():
    x, y = np.random.default_rng(3).standard_normal((2, 24, 5))
    for name in METRICS:
        first, again, other = (
            calibrate(name, x, y, n_permutations=5, seed=seed, **({"topk": 4} if "knn" in name or name == "cknna" else {}))
            for seed in (1, 1, 2)
        )
        assert first == again and first.raw == other.raw and first.null_mean != other.null_mean, name


def test_repetitions_stay_together():
    """Nothing is shared but that repetitions of an image are alike, which looks like agreement trial by trial."""
    rng = np.random.default_rng(0)
    image = np.tile(np.arange(15), 3)
    x, y = (rng.standard_normal((15, 10))[image] + 0.3 * rng.standard_normal((45, 10)) for _ in range(2))
    assert calibrate("unbiased_cka", x, y).p == pytest.approx(1 / 201)
    together = calibrate("unbiased_cka", x, y, blocks=image)
    assert together.p > 0.02 and abs(together.calibrated) < 0.15 and together.raw > 0.1


@pytest.mark.parametrize("name, options", [("unbiased_cka", {"kernel": "rbf"}), ("rsa", {}), ("rsa", {"method": "spearman"})])
def test_the_exact_null_mean_is_what_sampling_comes_to(name, options):
    rng = np.random.default_rng(2)
    image = np.r_[np.tile(np.arange(8), 3), np.arange(8, 12)]                      # three trials of eight images, one of four
    x, y = ([rng.standard_normal((12, p))[image] + 0.5 * rng.standard_normal((28, p)) for p in (6, 9)] for _ in range(2))
    found = calibrate(name, x, y, reduce=None, n_permutations=2000, blocks=image, **options)
    sides = [Representations(name, side, **options) for side in (x, y)]
    exact = exact_null_mean(*sides, image)
    assert exact.shape == (2, 2) and exact.min() > 0.02
    assert (abs(exact - found.null_mean) < 4 * found.null_std / math.sqrt(2000)).all()
    np.testing.assert_allclose(exact_null_mean(*sides, image, paired=True), exact.diagonal(), atol=1e-12)
    np.testing.assert_allclose(exact_null_mean(*sides), 0, atol=1e-12)


def test_no_closed_form():
    x = np.random.default_rng(0).standard_normal((20, 4))
    for name, options in (("cka", {}), ("mutual_knn", {"topk": 3}), ("linear_predictivity", {}), ("rsa", {"method": "rho_a"})):
        side = Representations(name, [x], **options)
        assert exact_null_mean(side, side) is None
    side = Representations("unbiased_cka", [x])
    assert exact_null_mean(side, side, np.repeat(np.arange(5), [2, 3, 4, 5, 6])) is None      # nothing can be relabelled


def test_what_is_refused():
    x = np.random.default_rng(0).standard_normal((12, 4))
    with pytest.raises(ValueError, match="calibrate: reduce='maximum' is unknown; .*Choose from: 'max', 'mean'"):
        calibrate("cka", x, x, reduce="maximum")
    with pytest.raises(ValueError, match="calibrate: relabellings has shape \\(1, 11\\)"):
        calibrate("cka", x, x, relabellings=np.arange(11)[None])
    with pytest.raises(ValueError, match="name='cca_knn' is unknown"):
        calibrate("cca_knn", x, x)
    with pytest.raises(ValueError, match="the other has 11 rows"):
        calibrate("cka", x, x[1:])
