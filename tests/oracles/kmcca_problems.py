"""Twenty random problems for kernel multi-view CCA, the same wherever they are made: views of unequal width, a few shared dimensions, noise."""

import numpy as np

SEEDS = range(20)
N_COMPONENTS = 3
REGULARIZATIONS = (0.05, 0.1, 0.3, 0.5, 0.9)
THRESHOLDS = (1e-3, 1e-2)                               # of the eigenvalues of K / n


def problem(seed):
    """(views, regularization, threshold): 2 to 4 views of 40 to 99 stimuli."""
    rng = np.random.default_rng(1000 + seed)
    n, n_views, n_shared = int(rng.integers(40, 100)), int(rng.integers(2, 5)), int(rng.integers(2, 5))
    shared = rng.standard_normal((n, n_shared)) * np.arange(1, n_shared + 1)
    views = []
    for _ in range(n_views):
        p = int(rng.integers(5, 140))
        views.append(shared @ rng.standard_normal((n_shared, p)) + 2 * rng.standard_normal((n, p)) + rng.standard_normal(p))
    return views, REGULARIZATIONS[seed % 5], THRESHOLDS[seed % 2]
