"""Make calibrated_golden.npz again: what calibrated-similarity 0.1.1 finds in calibrated_golden_problems.py, with linear CKA.

    python -m venv a; a/bin/pip install calibrated-similarity==0.1.1 numpy
    a/bin/python tests/oracles/make_calibrated_golden.py
"""

from pathlib import Path

import numpy as np
import torch
from calibrated_golden_problems import SEEDS, problem
from calibrated_similarity import calibrate, calibrate_layers

GOLDEN = Path(__file__).with_name("calibrated_golden.npz")


def linear_cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return (x.T @ y).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm())


def in_turn(relabellings):
    """A source of permutations that are known beforehand."""
    left = iter(torch.as_tensor(relabellings))
    return lambda n, device: next(left)


if __name__ == "__main__":
    golden = {}
    for seed in SEEDS:
        x, y, relabellings = problem(seed)
        x, y = [torch.as_tensor(layer) for layer in x], [torch.as_tensor(layer) for layer in y]
        found = {"pair": calibrate(x[0], y[0], linear_cka, K=len(relabellings), perm_fn=in_turn(relabellings))}
        for reduce in ("max", "mean"):
            found[reduce] = calibrate_layers(x, y, linear_cka, agg=reduce, K=len(relabellings), perm_fn=in_turn(relabellings))
        golden |= {f"{name}_{seed}": np.array([float(value) for value in values]) for name, values in found.items()}
    np.savez_compressed(GOLDEN, **golden)
