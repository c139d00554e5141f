"""Bytes cut, flipped or inserted anywhere: a clear error, or the same rows as before; never a crash, never other rows.

One thing a harmed file may do in silence. The responses and the table of voxels say each thing once and carry no checksum, so
that a bit that makes one number another number leaves a sound file: then one voxel differs, and all others are where they were.
(The check compares the archives' MD5 sums, where it has them.)
"""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from harms import HARMS, harmed

from convergence import open_dataset
from convergence.datasets.things import files
from convergence.datasets.things.preparation import extract, index_units
from convergence.tasks import UnitsFailed, run_units

TABLES = "betas_csv/betas_csv"
FILES = {f"{TABLES}/sub-03_StimulusMetadata.csv": "index", files.CONCEPTS: "index", files.IMAGES: "tables", files.INDEX: "tables",
         f"{TABLES}/sub-03_VoxelMetadata.csv": "matrices", f"{TABLES}/sub-03_ResponseData.h5": "matrices",
         "brainmasks/sub-03_space-T1w_brainmask.nii.gz": "matrices",
         files.coordinate_file(3): "matrices", f"{files.matrix_folder(3)}/{files.MANIFEST}": "read"}
ONE_VOXEL = [f"{TABLES}/sub-03_VoxelMetadata.csv", f"{TABLES}/sub-03_ResponseData.h5", files.coordinate_file(3)]
CASES = [(file, harm, seed) for seed in range(12) for file in FILES for harm in HARMS]


@pytest.fixture(scope="module")
def prepared(things_indexed, tmp_path_factory):
    """Subject 3 alone, extracted; without what no case reads."""
    root = tmp_path_factory.mktemp("fuzzing") / "things"
    unread = shutil.ignore_patterns("sub-01_Res*", "sub-02_Res*", "sub-01_Vox*", "sub-02_Vox*")
    shutil.copytree(things_indexed, root, ignore=unread)
    options = SimpleNamespace(sessions=None, rois=None, overwrite=False, dry_run=False)
    extract(open_dataset("things", root), 3, options)
    return root, options, outcome(root, "read", options)


def outcome(root, kind, options):
    """What a person would get who goes on with the harmed file: the trials, and (trials, voxels) responses by parcel."""
    dataset = open_dataset("things", root)
    if kind == "index":
        run_units(index_units(dataset, root.parent / "derivatives"), title="indexes")
        dataset = open_dataset("things", root)
    if kind == "matrices":
        shutil.rmtree(root / files.matrix_folder(3))
    if kind != "tables":
        extract(dataset, 3, options)
    columns = ["subject", "subject_index", "session", "run", "image", "image_name", "repetition", "shared", "trial_type",
               "category_id"]
    matrices = {roi: np.array(dataset.responses(3, roi)) for roi in range(1, 361)}
    return dataset.trials[columns].astype(object), matrices


def voxels_that_differ(expected, found):
    """Number of columns that are in one of the two only, with every column's whole time course."""
    def columns(matrices):
        return pd.Series([(roi, column.tobytes()) for roi, matrix in matrices.items() for column in matrix.T]).value_counts()
    return int(columns(expected).sub(columns(found), fill_value=0).abs().sum())


@pytest.mark.parametrize("file, harm, seed", [case if case[1:] in (("flip", 0), ("cut", 1)) else
                                              pytest.param(*case, marks=pytest.mark.slow) for case in CASES])
def test_a_harmed_file_is_an_error_or_does_no_harm(prepared, tmp_path, file, harm, seed):
    original, options, (trials, matrices) = prepared
    root = shutil.copytree(original, tmp_path / "things")
    content = harmed((root / file).read_bytes(), harm, np.random.default_rng([seed, *map(ord, file + harm)]))
    (root / file).write_bytes(content)
    try:
        found, responses = outcome(root, FILES[file], options)
    except (ValueError, OSError, UnitsFailed) as error:
        assert len(str(error)) > 30 and (file.rpartition("/")[2].split(".")[0].removeprefix("sub-03_") in str(error)
                                         or "sub-03" in str(error) or "stimuli/THINGS" in str(error)), repr(error)
        return
    assert found.equals(trials)
    assert all(responses[roi].shape[0] == 150 for roi in responses)
    # A changed voxel is gone from where it was and new where it is.
    assert voxels_that_differ(matrices, responses) <= (2 if file in ONE_VOXEL and harm == "flip" else 0)
