"""ROI matrices when the process is killed, again and again, and at the size of the real thing."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_nsd
from tiny_nsd import beta_path, run

from convergence.python_files import load_python

TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture
def indexed(tmp_path):
    root = tiny_nsd.write(tmp_path / "indexed/nsd")
    assert run("2", "--root", root, "--derivatives", tmp_path / "derivatives") == 0
    return root


KILLER = """
    import os, shutil, signal, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import numpy
    from tiny_nsd import beta_path, contents, run
    from convergence.datasets.nsd import volumes
    import convergence.datasets.nsd, pandas, nibabel, tqdm

    source, grown, place = Path({source!r}), Path({place!r}) / "grown/nsd", Path({place!r}) / "place/nsd"

    def killing(module, name, at, after=False):
        "Make the at-th call of module.name kill this process, before it does its work or after."
        original, calls = getattr(module, name), [0]
        def function(*arguments, **options):
            calls[0] += 1
            if calls[0] == at and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = original(*arguments, **options)
            if calls[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        setattr(module, name, function)

    def extract(root, point=None):
        "In a child; returns how it ended."
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1), os.dup2(1, 2)
            if point:
                killing(*point)
            os._exit(run("4", "--root", root, "--subjects", 2, "--rois", "V1", "V2"))
        return os.waitpid(child, 0)[1]

    def put(root, there):
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(root, there)

    def check(start, points):
        put(start, place)
        assert extract(place) == 0
        undisturbed = contents(place)
        points = points[::{every}]
        for point in points:
            put(start, place)
            status = extract(place, point)
            assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (point[1:], status)
            found = list((place / "betas").glob("sub02/*"))
            assert len(found) in (0, 6), (point[1:], "part of a set", found)
            assert extract(place) == 0, point[1:]
            now = contents(place)
            assert now == undisturbed, (point[1:], set(now) ^ set(undisturbed), [path for path in now if now[path] !=
            undisturbed.get(path)])
        print(len(points), "kills")

    # From nothing: labels, three sessions and the set, each a file and its sidecar.
    renames = [(os, "replace", k) for k in range(1, 11)] + [(os, "replace", 9, True), (os, "replace", 10, True)]
    writing = [(volumes, "whole_numbers", k) for k in (1, 7, 15)] + [(os, "fsync", k) for k in (1, 9, 12)]
    check(source, renames + writing + [(numpy, "save", 1, True), (shutil, "rmtree", 1)])
    # A session is added: the session and its sidecar; the old set steps aside, the new one takes its place; its sidecar.
    put(source, grown)
    beta_path(grown, 2, 2).rename(grown.parent / "late.nii.gz")
    assert extract(grown) == 0
    (grown.parent / "late.nii.gz").rename(beta_path(grown, 2, 2))
    check(grown, [(os, "replace", k) for k in range(1, 6)] + [(volumes, "whole_numbers", 3)])
"""


@pytest.mark.parametrize("every, kills", [(5, (4, 2)), pytest.param(1, (20, 6), marks=pytest.mark.slow)])
def test_killed_at_any_moment_and_run_again_it_gives_the_same_bytes(indexed, tmp_path, every, kills):
    script = textwrap.dedent(KILLER.format(tests=str(TESTS), source=str(indexed), place=str(tmp_path), every=every))
    done = subprocess.run([sys.executable, "-B", "-W", "ignore", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "{} kills\n{} kills\n".format(*kills), done.stderr[-2000:]


MOMENTS = """
    import os, shutil, signal, sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import numpy
    from tiny_nsd import contents, run
    import convergence.datasets.nsd.betas, convergence.datasets.nsd.preparation, pandas, nibabel, h5py, tqdm

    source, place = Path({source!r}), Path({place!r}) / "place/nsd"

    def start():
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1), os.dup2(1, 2)
            os._exit(run("4", "--root", place, "--subjects", 2, "--rois", "V1", "V2", "p24", *{options!r}))
        return child

    began = time.perf_counter()
    shutil.copytree(source, place)
    assert os.waitpid(start(), 0)[1] == 0
    undisturbed, duration, killed = contents(place), time.perf_counter() - began, 0
    for moment in numpy.random.default_rng(4).uniform(0, 1, 20):
        shutil.rmtree(place)
        shutil.copytree(source, place)
        for again in range(2):                              # what goes on after a kill is killed, too
            child = start()
            time.sleep(moment * duration)
            os.kill(child, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        assert os.waitpid(start(), 0)[1] == 0, moment
        assert contents(place) == undisturbed, moment
    print(killed)
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--zscore", "session", "--drop-dead-voxels")])
def test_killed_at_random_moments_and_run_again_it_gives_the_same_bytes(indexed, tmp_path, options):
    """The other test kills before and after every step that matters; this one whenever the seed says."""
    script = textwrap.dedent(MOMENTS.format(tests=str(TESTS), source=str(indexed), place=str(tmp_path), options=options))
    done = subprocess.run([sys.executable, "-B", "-W", "ignore", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and int(done.stdout) >= 20, done.stderr[-2000:]


WATCHED = """
    import sys, threading, time
    sys.path.insert(0, {tests!r})
    from tiny_nsd import run

    peak = [0]
    def watch():
        while True:
            with open("/proc/self/status") as status:
                peak[0] = max(peak[0], *(int(line.split()[1]) for line in status if line.startswith("RssAnon")))
            time.sleep(0.02)
    threading.Thread(target=watch, daemon=True).start()
    assert run("4", "--root", {root!r}) == 0
    print(peak[0])                                          # in kB
"""


@pytest.mark.slow
def test_a_session_of_true_size_takes_less_than_two_gigabytes_of_memory(tmp_path):
    """750 volumes of 145 x 186 x 148, 360 parcels: 6 GB of betas. The peak is of anonymous memory, not of the file cache."""
    benchmark = load_python(TESTS.parent / "benchmarks/nsd_extraction.py")
    root, n_volumes = tmp_path / "nsd", 750
    try:
        labels = benchmark.write_dataset(root, n_volumes)
        trials = pd.DataFrame({"subject": 1, "subject_index": range(n_volumes), "session": 1, "nsd_id": 0})
        trials.assign(filename=str(beta_path(root, 1, 1).relative_to(root))).to_csv(root / "nsd_stimuli.csv", index=False)
        done = subprocess.run([sys.executable, "-B", "-c", textwrap.dedent(WATCHED.format(tests=str(TESTS), root=str(root)))],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peak = int(done.stdout.split()[-1])
        print(f"peak {peak / 1e6:.2f} GB")
        assert peak < 500_000
        for label in (7, 187, 360):
            found = np.load(root / f"betas/sub01/sub-01_roi-{label:03d}.npy", mmap_mode="r")
            assert found.shape == (n_volumes, np.count_nonzero(labels == label))
            for volume in (0, 1, 374, 749):                 # the session repeats the volumes that were drawn
                values = benchmark.drawn_volume(volume)
                assert np.array_equal(found[volume], values[labels == label])
    finally:
        shutil.rmtree(root, ignore_errors=True)
