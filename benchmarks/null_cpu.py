"""Nulls of RSA on a CPU, beside scikit-bio's Mantel test: a full matrix, pairs, and the closed form of one pair.

    python benchmarks/null_cpu.py [full] [pairs] [closed]

Both sides use the same relabellings, and their p-values are compared before a time is printed. scikit-bio takes its fastest engine: numba where it is
installed, else Cython. Prints a line and a JSON line per case. Takes four minutes, nearly all of it scikit-bio's full matrix.
"""

import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""                             # NumPy input would go to a GPU
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from scipy.spatial.distance import squareform
from skbio.stats.distance import DistanceMatrix, mantel
from timing import race

from convergence import mantel_moments, permutation_null, rsa

SEED = 1


def rdms(n, count, seed):
    """Condensed RDMs of points in ten dimensions, float32 as compute_rdm returns them."""
    points = np.random.default_rng(seed).standard_normal((count, n, 10))
    return np.stack([squareform(1 - np.corrcoef(x), checks=False) for x in points]).astype(np.float32)


def sampled(n, count, permutations, *, paired, target, repetitions):
    """Ours relabels b, theirs its first matrix; the draws are NumPy's, one after the other, on both sides."""
    a, b = rdms(n, count, 0), rdms(n, count, 2)
    matrices = [[DistanceMatrix(squareform(rdm)) for rdm in stack] for stack in (a, b)]
    pairs = [(i, i) for i in range(count)] if paired else list(np.ndindex(count, count))

    def ours():
        draw = np.random.default_rng(SEED)
        orders = np.stack([draw.permutation(n) for _ in range(permutations)])
        null, r = permutation_null(a, b, relabellings=orders, paired=paired), rsa(a, b, paired=paired)
        return ((1 + (abs(null) >= abs(r) - 1e-7).sum(0)) / (1 + permutations)).ravel()

    def theirs():
        return np.array([mantel(matrices[1][j], matrices[0][i], permutations=permutations, seed=SEED, engine="fast")[1] for i, j in pairs])

    what = f"{count} pairs" if paired else f"{count} x {count}"
    race(f"sampled null, {what}, n = {n:,}, {permutations} times", ours, theirs, difference=lambda p, q: abs(p - q).max(),
         tolerance=1.5 / (1 + permutations), target=target, repetitions=repetitions)


def closed(n, *, target, repetitions):
    """Mean and variance of one pair against its 999 permutations; the normal p against the counted one."""
    from scipy.special import ndtr

    a, b = rdms(n, 1, 0)[0], rdms(n, 1, 2)[0]
    x, y = (DistanceMatrix(squareform(rdm)) for rdm in (b, a))

    def ours():
        return 2 * ndtr(-abs(rsa(a, b)) / mantel_moments(a, b, skewness=False).variance ** 0.5)

    race(f"mean and variance, one pair, n = {n:,}", ours, lambda: mantel(x, y, permutations=999, seed=SEED, engine="fast")[1],
         difference=lambda p, q: abs(p - q), tolerance=0.06, target=target, repetitions=repetitions)


CASES = {"full": lambda: sampled(1000, 36, 99, paired=False, target=12, repetitions=3),
         "pairs": lambda: sampled(1000, 36, 499, paired=True, target=1, repetitions=3),
         "closed": lambda: closed(1000, target=50, repetitions=9)}

if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(CASES)
    if unknown:
        sys.exit(f"unknown case {', '.join(sorted(unknown))}; there are: {', '.join(CASES)}\n\n{__doc__}")
    for case in sys.argv[1:] or CASES:
        CASES[case]()
