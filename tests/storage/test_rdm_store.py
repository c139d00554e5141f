"""The HDF5 file of a subject's RDMs."""

import numpy as np
import pandas as pd
import pytest

from convergence.storage.rdm_store import RDMStore, write_rdms

TRIALS = pd.DataFrame({"row": [4, 9, 11, 30], "image": [72, 3, 72, 5], "repetition": [0, 0, 1, 2], "session": [1, 1, 1, 2]})


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "subject-03_joined_shared.h5"
    parcels = [(5, 12, np.arange(6) / 3, ""), (9, 0, None, "no voxels"), (2, 7, np.arange(6)[::-1], "")]
    write_rdms(path, parcels=parcels, trials=TRIALS, attributes={"subject": 3, "metric": "correlation"})
    return path


def test_what_is_written_is_read(store):
    with RDMStore(store) as opened:
        assert opened.rois.tolist() == [5, 9, 2] and opened.n_voxels.tolist() == [12, 0, 7]
        assert opened.reasons.tolist() == ["", "no voxels", ""]
        assert opened.attributes["subject"] == 3
        pd.testing.assert_frame_equal(opened.trials, TRIALS)
        rdms = opened.rdms()
        assert rdms.dtype == np.float32 and np.isnan(rdms[1]).all() and np.allclose(rdms[0], np.arange(6) / 3)
        assert np.array_equal(opened.rdms([2, 5]), rdms[[2, 0]])


def test_unknown_parcels_missing_and_truncated_files_are_named(store, tmp_path):
    with RDMStore(store) as opened, pytest.raises(ValueError, match=r"has no parcel \[77\]; it has 3"):
        opened.rdms([5, 77])
    with pytest.raises(FileNotFoundError, match="3_alignment/1_compute_rdms.py writes it"):
        RDMStore(tmp_path / "subject-04_joined_shared.h5")
    store.write_bytes(store.read_bytes()[:300])
    with pytest.raises(ValueError, match="subject-03_joined_shared.h5 is not a readable RDM store"):
        RDMStore(store)
