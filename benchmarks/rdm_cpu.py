"""RDMs and RSA on a CPU, beside rsatoolbox: one large region with outliers clipped, and many small regions.

    python benchmarks/rdm_cpu.py [large] [medium] [small]

Prints a line and a JSON line per case. Takes three minutes, nearly all of it rsatoolbox's large case.
"""

import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""                             # NumPy input would go to a GPU
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm, compare
from timing import race

from convergence import compute_rdm, rsa

CLIP = 0.003


def one_region(n, p, *, target, repetitions):
    """Ours clips and computes; theirs only computes. The values are compared on the same clipped responses."""
    x = np.random.default_rng(0).standard_normal((n, p), dtype=np.float32)
    clipped = x.clip(*np.quantile(x, [CLIP, 1 - CLIP]).astype(np.float32))
    race(f"RDM with clip, n = {n:,}, p = {p:,}", lambda: compute_rdm(x, clip=CLIP),
         lambda: calc_rdm(Dataset(clipped), method="correlation"),
         difference=lambda ours, theirs: abs(ours - theirs.dissimilarities[0]).max(),
         tolerance=1e-6, target=target, repetitions=repetitions)


def many_regions(n_rois, n, p, *, target, repetitions):
    """Two subjects' regions, from responses to the matrix of similarities."""
    shared, *noise = np.random.default_rng(0).standard_normal((3, n_rois, n, p), dtype=np.float32)
    a, b = (shared + own for own in noise)

    def theirs():
        rdms = [calc_rdm([Dataset(region) for region in subject], method="correlation") for subject in (a, b)]
        return compare(*rdms, method="corr")

    race(f"RDM + RSA, 2 x {n_rois} regions, n = {n:,}, p = {p:,}", lambda: rsa(compute_rdm(a), compute_rdm(b)), theirs,
         difference=lambda ours, theirs: abs(ours - theirs).max(), tolerance=1e-6, target=target, repetitions=repetitions)


CASES = {"large": lambda: one_region(3000, 5000, target=40, repetitions=3),
         "medium": lambda: one_region(1000, 2000, target=18, repetitions=7),
         "small": lambda: many_regions(36, 300, 200, target=10, repetitions=9)}

if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(CASES)
    if unknown:
        sys.exit(f"unknown case {', '.join(sorted(unknown))}; there are: {', '.join(CASES)}\n\n{__doc__}")
    for case in sys.argv[1:] or CASES:
        CASES[case]()
