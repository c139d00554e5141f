"""Side-by-side timing, shared by the benchmarks: two functions alternate in one process; values are compared before a time is
printed.

    race("RDM, n = 1,000", ours, theirs, difference=largest_difference, tolerance=1e-6, target=18, repetitions=5)
"""

import importlib.metadata
import json
import os
import platform
import resource
import statistics
import time

VERSIONS = ("numpy", "scipy", "torch", "rsatoolbox", "scikit-bio")


def race(name, ours, theirs, *, difference, tolerance, target, repetitions, synchronise=lambda: None):
    """Time two functions of no arguments in turn, print one line for people and one JSON line, and return what the JSON line
    says.

    Parameters
    ----------
    name : str
    ours, theirs : callable
        Everything that a user pays is inside, conversions too.
    difference : callable
        (result of ours, result of theirs) -> largest difference.
    tolerance : float
        A larger difference is an error: no time is printed for different values.
    target : float
        How many times faster ours ought to be; a missed target is printed as missed.
    repetitions : int
        After one warm-up of each, whose results are compared.
    synchronise : callable
        Called before each reading of the clock; torch.cuda.synchronize where a GPU works.
    """
    found = float(difference(ours(), theirs()))
    if not found <= tolerance:
        raise SystemExit(f"{name}: the results differ by {found:.2g}, more than {tolerance:.2g}; "
                         "a comparison of times would say nothing")
    seconds = {"ours": [], "theirs": []}
    for _ in range(repetitions):
        for side, function in (("ours", ours), ("theirs", theirs)):
            synchronise()
            start = time.perf_counter()
            function()
            synchronise()
            seconds[side].append(time.perf_counter() - start)
    median = {side: statistics.median(times) for side, times in seconds.items()}
    ratio = median["theirs"] / median["ours"]
    verdict = f"target {target:g}x {'reached' if ratio >= target else 'MISSED'}"
    print(f"{name:44s} ours {_range(seconds['ours'])}   theirs {_range(seconds['theirs'])}   "
          f"{ratio:6.1f}x   {verdict}   difference {found:.1e}")
    peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    result = {"name": name, "ratio": round(ratio, 2), "target": target, "reached": ratio >= target, "seconds": seconds,
              "difference": found, "peak_memory_gb": round(peak_memory, 2), "machine": machine()}
    print(json.dumps(result), flush=True)
    return result


def machine():
    """What the numbers depend on."""
    versions = {}
    for package in VERSIONS:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"processor": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "load": round(os.getloadavg()[0], 1), "python": platform.python_version(), **versions}


def _range(times):
    return f"{statistics.median(times) * 1e3:10.2f} ms ({min(times) * 1e3:.2f}-{max(times) * 1e3:.2f})"
