"""Bytes cut, flipped or inserted anywhere in NSD's files: a clear error, or the same rows; never a crash, never other rows.

A value flipped inside uncompressed HDF5 data cannot be noticed (the format keeps no checksum of it): of those files rows
and shapes must stay, of all others the values too. Of the stimulus table the trials must stay, as the behavioural record confirms
them; what else it says of a picture (split, crop) is not a row.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from harms import HARMS, harmed
import tiny_nsd
from tiny_nsd import as_hdf5, beta_path

from convergence import open_dataset
from convergence.datasets.nsd import files
from convergence.datasets.nsd.extraction import extract
from convergence.datasets.nsd.preparation import index_units
from convergence.tasks import UnitsFailed, run_units

GLM = "subj02/func1mm/betas_fithrf_GLMdenoise_RR"
FILES = {"nsd_stim_info_merged.csv": "index", "subj02/behav/responses.tsv": "index", "nsd_stimuli.hdf5": "pictures",
         f"{GLM}/betas_session01.nii.gz": "matrices", f"{GLM}/betas_session02.hdf5": "compressed",
         f"{GLM}/betas_session03.hdf5": "plain",
         "subj02/func1mm/roi/lh.HCP_MMP1.nii.gz": "matrices"}
CASES = [(file, harm, seed) for seed in range(12) for file in FILES for harm in HARMS]
COLUMNS = ["subject", "subject_index", "session", "session_index", "image", "repetition"]


def indexes(root):
    dataset = open_dataset("nsd", root)
    run_units(index_units(dataset, root.parent / "derivatives"), title="indexes")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    root = tiny_nsd.write(tmp_path_factory.mktemp("fuzzing") / "nsd", per_session=3)
    as_hdf5(beta_path(root, 2, 2), chunks=(3, 2, 2, 7), compression="gzip")
    as_hdf5(beta_path(root, 2, 3))
    indexes(root)
    return root, outcome(Path(shutil.copytree(root, root.parent / "copy/nsd")), "matrices")


def outcome(root, kind):
    """What a person would get who prepares the dataset with the harmed file: trials of subject 2, matrices, pictures."""
    if kind == "index":
        indexes(root)
    dataset = open_dataset("nsd", root)
    trials = dataset.trials.query("subject == 2 and session <= 3")[COLUMNS].reset_index(drop=True)
    if kind != "index":
        extract(dataset, 2, [1, 2, 180, 181, 360], files.Source())
    matrices = [] if kind == "index" else [np.array(dataset.responses(2, label)) for label in (1, 2, 180, 181, 360)]
    pictures = [] if kind == "index" else [np.asarray(dataset.image(image)) for image in range(tiny_nsd.N_IMAGES)]
    return trials, matrices, pictures


@pytest.mark.parametrize("file, harm, seed", [case if case[2] == 0 else pytest.param(*case, marks=pytest.mark.slow)
                                              for case in CASES])
def test_a_harmed_file_is_an_error_or_does_no_harm(original, tmp_path, file, harm, seed):
    whole, (trials, matrices, pictures) = original
    root, kind = Path(shutil.copytree(whole, tmp_path / "nsd")), FILES[file]
    (root / file).write_bytes(harmed((root / file).read_bytes(), harm, np.random.default_rng([seed, *map(ord, file + harm)])))
    try:
        found, read, seen = outcome(root, kind)
    except (ValueError, OSError, UnitsFailed) as error:
        assert len(str(error)) > 30 and file.rpartition("/")[2].split(".")[0] in str(error), repr(error)
        return
    assert found.equals(trials)
    if kind == "index":
        return
    assert [matrix.shape for matrix in read] == [matrix.shape for matrix in matrices]
    first = {"plain": 6}.get(kind, 9)                   # rows of the session whose values HDF5 cannot vouch for come last
    assert all(np.array_equal(a[:first], b[:first]) for a, b in zip(read, matrices))
    assert len(seen) == len(pictures)
    assert kind == "pictures" or all(np.array_equal(a, b) for a, b in zip(seen, pictures))
