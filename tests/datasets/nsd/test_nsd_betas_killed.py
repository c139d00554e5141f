"""ROI matrices when the process is killed, again and again, and at the size of the real thing."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_nsd
from tiny_nsd import beta_path, run

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
    from convergence.datasets.nsd import betas
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
    writing = [(betas, "whole_numbers", k) for k in (1, 7, 15)] + [(os, "fsync", k) for k in (1, 9, 12)]
    check(source, renames + writing + [(numpy, "save", 1, True), (shutil, "rmtree", 1)])
    # A session is added: the session and its sidecar; the old set steps aside, the new one takes its place; its sidecar.
    put(source, grown)
    beta_path(grown, 2, 2).rename(grown.parent / "late.nii.gz")
    assert extract(grown) == 0
    (grown.parent / "late.nii.gz").rename(beta_path(grown, 2, 2))
    check(grown, [(os, "replace", k) for k in range(1, 6)] + [(betas, "whole_numbers", 3)])
"""


@pytest.mark.parametrize("every, kills", [(5, (4, 2)), pytest.param(1, (20, 6), marks=pytest.mark.slow)])
def test_killed_at_any_moment_and_run_again_it_gives_the_same_bytes(indexed, tmp_path, every, kills):
    script = textwrap.dedent(KILLER.format(tests=str(TESTS), source=str(indexed), place=str(tmp_path), every=every))
    done = subprocess.run([sys.executable, "-B", "-W", "ignore", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "{} kills\n{} kills\n".format(*kills), done.stderr[-2000:]


@pytest.mark.slow
def test_memory_stays_small_with_volumes_of_true_size(tmp_path):
    """Sessions of 750 volumes of 145 x 186 x 148 may use 2 GB, so that one of 24 (192 MB) must stay far below."""
    shape, n_volumes = (145, 186, 148), 24
    rng = np.random.default_rng(0)
    root = tmp_path / "nsd"
    labels = np.zeros(shape, np.int16)
    labels[20:120, 20:150, 40:110] = rng.integers(0, 181, (100, 130, 70))
    tiny_nsd.save(labels, tiny_nsd.label_path(root, 1, "lh.HCP_MMP1"))
    tiny_nsd.save(np.full(shape, -1, np.int16), tiny_nsd.label_path(root, 1, "rh.HCP_MMP1"))
    tiny_nsd.save(labels, tiny_nsd.label_path(root, 1, "HCP_MMP1"))
    volume = (np.where(labels > 0, rng.integers(-900, 900, shape), 0)).astype(np.int16)
    tiny_nsd.save(np.repeat(volume[..., None], n_volumes, axis=-1), beta_path(root, 1, 1))
    trials = pd.DataFrame({"subject": 1, "subject_index": range(n_volumes), "session": 1, "nsd_id": 0})
    trials.assign(filename=str(beta_path(root, 1, 1).relative_to(root))).to_csv(root / "nsd_stimuli.csv", index=False)
    script = f"""
        import sys
        sys.path.insert(0, {str(TESTS)!r})
        from tiny_nsd import run
        assert run("4", "--root", {str(root)!r}) == 0
        print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM")))      # the peak of this process, in kB
    """
    done = subprocess.run([sys.executable, "-B", "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-2]) < 400_000
    found = np.load(root / "betas/sub01/sub-01_roi-007.npy")
    assert np.array_equal(found, np.repeat(volume[labels == 7][None], n_volumes, axis=0))
