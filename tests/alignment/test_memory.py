"""Peak memory at the size of the real NSD: 180 parcels, 3,000 trials; over the process tree, on a CPU."""

import subprocess
import sys
import time

import numpy as np
import pandas
import psutil
import pytest

from convergence.storage.rdm_store import write_rdms

N_ROIS, N_IMAGES = 180, 1000
CODE = """
import sys
from pathlib import Path
from convergence.alignment.subject_subject import pair_unit
store = Path(sys.argv[1])
unit = pair_unit(1, 1, {1: store}, store.with_name("table.parquet"), shift=1, device="cpu", **eval(sys.argv[2]))
print(len(unit.function(**unit.options, **unit.places)))
"""


class Rdms:
    """180 different RDMs, one at a time."""

    def __init__(self, n_pairs):
        self.noise = 1 + np.random.default_rng(0).standard_normal(n_pairs, dtype=np.float32) / 10

    def __len__(self):
        return N_ROIS

    def __iter__(self):
        return ((k + 1, 9, np.roll(self.noise, 7919 * k), "") for k in range(N_ROIS))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    n = 3 * N_IMAGES
    order = np.random.default_rng(0).permutation(n)
    trials = pandas.DataFrame({"row": np.arange(n) * 10, "image": np.repeat(np.arange(N_IMAGES), 3)[order],
                               "repetition": np.tile(range(3), N_IMAGES)[order], "session": np.arange(n) // 75 + 1})
    path = tmp_path_factory.mktemp("large") / "subject-01_joined_shared.h5"
    write_rdms(path, parcels=Rdms(n * (n - 1) // 2), trials=trials,
               attributes={"subject": 1, "hemispheres": "joined", "first_repetition": 0, "n_repetitions": 3})
    yield path
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"method": "spearman", "form": "diagonal"}, {"exclude": ("same-image",)}])
def test_180_parcels_and_3000_trials_stay_within_10_gb(store, options):
    process, peak = subprocess.Popen([sys.executable, "-c", CODE, str(store), repr(options)], stdout=subprocess.PIPE), 0
    while process.poll() is None:
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in family))
        except psutil.Error:                                    # it ended in between
            pass
        time.sleep(0.05)
    print(options, f"{peak / 1e9:.2f} GB")
    assert process.returncode == 0 and process.stdout.read().strip()
    assert 3e9 < peak < 10e9
