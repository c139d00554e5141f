"""Layers of two networks and relabellings of their stimuli: what make_calibrated_golden.py and its test both compute from."""

import numpy as np

SEEDS = range(12)
SHARES = (0.0, 0.4, 1.5)                # of what both networks have in common, by seed


def problem(seed):
    """(layers of x, layers of y, relabellings): lists of (n, p) float32 arrays, and (99, n)."""
    rng = np.random.default_rng(seed)
    n = 24 + seed
    shared = SHARES[seed % 3] * rng.standard_normal((n, 4))
    x, y = ([(shared @ rng.standard_normal((4, p)) + rng.standard_normal((n, p))).astype(np.float32) for p in widths]
            for widths in ((7, 30, 12), (9, 20)))
    return x, y, np.stack([rng.permutation(n) for _ in range(99)])
