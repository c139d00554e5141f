"""One subject's responses at their true size: 16.6 GB of float64, as a sparse file, within 1 GB of memory."""

import subprocess
import sys

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest

from convergence.datasets.things import files

N_VOXELS, N_TRIALS = 211_339, 9_840                 # of sub-01
PARCELS = {1: 1500, 181: 2300}                      # parcel: voxels
SCRIPT = """
import sys
from pathlib import Path
from convergence.datasets.things.matrices import subject_matrices
root = Path(sys.argv[1])
subject_matrices(1, [1, 181], None, "none", False, root=root, work=root)(root / "made")
print(1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))))
"""


def write_sparse(path, rows):
    """A frame as pandas lays it out, whose numbers are holes but in a few rows: row + trial number."""
    with h5py.File(path, "w") as file:
        group = file.create_group("ResponseData")
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((N_VOXELS, N_TRIALS))
        values = h5py.Dataset(h5py.h5d.create(group.id, b"block0_values", h5py.h5t.IEEE_F64LE, space, layout))
        for row in rows:
            values[row] = np.arange(N_TRIALS) + row
        group["block1_values"] = np.arange(N_VOXELS)[:, None]


@pytest.mark.slow
def test_16_gb_are_read_within_1_gb(tmp_path):
    tables = tmp_path / "betas_csv"
    tables.mkdir()
    ids = np.sort(np.random.default_rng(0).choice(N_VOXELS, sum(PARCELS.values()), replace=False))
    roi = np.random.default_rng(1).permutation(np.repeat(list(PARCELS), list(PARCELS.values())))
    marked = ids[[0, 1000, 2000, -1]]
    write_sparse(tables / "sub-01_ResponseData.h5", marked)
    size = (tables / "sub-01_ResponseData.h5").stat()
    assert size.st_size > 16.6e9 and size.st_blocks * 512 < 1e8
    run = np.arange(N_TRIALS) // 82
    pd.DataFrame({"trial_type": "train", "session": run // 10 + 1, "run": run % 10 + 1, "subject_id": 1,
                  "trial_id": range(N_TRIALS),
                  "stimulus": "dog_01b.jpg", "concept": "dog"}).to_csv(tables / "sub-01_StimulusMetadata.csv", index=False)
    pd.DataFrame({"voxel_id": range(N_VOXELS)}).to_csv(tables / "sub-01_VoxelMetadata.csv", index=False)
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), tables / "sub-01_space-T1w_brainmask.nii.gz")
    where = pd.DataFrame({"voxel_id": ids, "subject_id": 1, "voxel_x": ids % 71, "voxel_y": ids // 71 % 90,
                          "voxel_z": ids // 71 // 90,
                          "roi": roi, "name": "V1", "hemisphere": np.where(roi == 1, "lh", "rh")})
    where["voxel_roi_index"] = where.groupby("roi").cumcount()
    (tmp_path / files.coordinate_file(1)).parent.mkdir(parents=True)
    where.to_parquet(tmp_path / files.coordinate_file(1))

    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2**30, f"{int(done.stdout) / 2**30:.2f} GB"
    for label, n_voxels in PARCELS.items():
        matrix, own = np.load(tmp_path / "made" / files.matrix_name(label), mmap_mode="r"), where[where["roi"] == label]
        assert matrix.shape == (N_TRIALS, n_voxels) and matrix.dtype == np.float32
        shown = own[own["voxel_id"].isin(marked)]
        for voxel, column in zip(shown["voxel_id"], shown["voxel_roi_index"]):
            assert np.array_equal(matrix[:, column], np.arange(N_TRIALS, dtype=np.float32) + voxel)
        assert np.count_nonzero(matrix[5000]) == len(shown)
