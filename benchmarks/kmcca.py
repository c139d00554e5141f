"""KMCCA of 8 views, n = 1,000, full rank, against mvlearn 0.5.0; and of n = 10,000 with rank 500 (time and peak memory, no peer).

    python benchmarks/kmcca.py --peer /path/to/environment/bin/python
    python benchmarks/kmcca.py --large

mvlearn imports only with older libraries, so that it runs in an environment of its own (tests/oracles/make_kmcca_golden.py says how to make
one), on the same Gram matrices of trace n and the same threads; its clock starts when the matrices are loaded. Eigenvalues are compared before a
time is printed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PENALTY, N_COMPONENTS, TARGET, TOLERANCE = 0.1, 10, 20, 1e-6
PEER = """
import sys, time, json, numpy
from mvlearn.embed import KMCCA
kernels = list(numpy.load(sys.argv[1]))
model = KMCCA(n_components={components}, kernel="precomputed", regs={penalty}, sval_thresh=None)
start = time.perf_counter()
model.fit(kernels)
print(json.dumps({{"seconds": time.perf_counter() - start, "eigenvalues": model.evals_.tolist()}}))
"""


def views(n, p, n_views=8, n_shared=6):
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((n, n_shared))
    return [shared @ rng.standard_normal((n_shared, p)) + 1.5 * rng.standard_normal((n, p)) for _ in range(n_views)]


def ours(data, **options):
    from convergence import KMCCA
    start = time.perf_counter()
    model = KMCCA(N_COMPONENTS, regularization=PENALTY, **options).fit(data)
    return time.perf_counter() - start, model.eigenvalues_


def against(peer, repetitions=3):
    kernels = [(x - x.mean(0)) @ (x - x.mean(0)).T for x in views(1_000, 1_500)]
    kernels = [k * len(k) / np.trace(k) for k in kernels]
    ours(kernels, kernel="precomputed")                                              # warm up
    times = {"ours": [], "mvlearn": []}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "kernels.npy", kernels)
        for _ in range(repetitions):
            seconds, eigenvalues = ours(kernels, kernel="precomputed")
            times["ours"].append(seconds)
            code = PEER.format(components=N_COMPONENTS, penalty=PENALTY)
            found = json.loads(subprocess.run([peer, "-c", code, f"{folder}/kernels.npy"], capture_output=True, text=True, check=True).stdout)
            times["mvlearn"].append(found["seconds"])
            difference = float(np.abs(eigenvalues - found["eigenvalues"]).max())
            if difference > TOLERANCE:
                raise SystemExit(f"the eigenvalues differ by {difference:.2g}, more than {TOLERANCE:g}")
    ratio = np.median(times["mvlearn"]) / np.median(times["ours"])
    print(f"KMCCA, 8 views, n = 1,000: ours {np.median(times['ours']):.2f} s, mvlearn {np.median(times['mvlearn']):.1f} s, {ratio:.1f}x   "
          f"target {TARGET}x {'reached' if ratio >= TARGET else 'MISSED'}   difference {difference:.1e}")
    return {"ratio": round(ratio, 2), "target": TARGET, "reached": bool(ratio >= TARGET), "seconds": times, "difference": difference}


def large():
    import resource
    seconds, _ = ours(views(10_000, 1_000), max_rank=500)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"KMCCA, 8 views, n = 10,000, rank 500: {seconds:.1f} s, peak memory {peak:.1f} GB (the views themselves 0.6 GB)")
    return {"seconds": seconds, "peak_memory_gb": round(peak, 2)}


if __name__ == "__main__":
    from timing import machine

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", metavar="PYTHON", help="the Python of an environment with mvlearn 0.5.0")
    parser.add_argument("--large", action="store_true", help="n = 10,000")
    chosen = parser.parse_args()
    if not (chosen.peer or chosen.large):
        sys.exit("nothing to do: give --peer PYTHON or --large")
    if chosen.peer:
        print(json.dumps({**against(chosen.peer), "machine": machine()}))
    if chosen.large:
        print(json.dumps({**large(), "machine": machine()}))
