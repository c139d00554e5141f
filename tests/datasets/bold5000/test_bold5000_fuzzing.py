"""Bytes cut, flipped or inserted anywhere: a clear error, or the same rows as before; never a crash, never other rows."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from harms import HARMS, harmed

from convergence import open_dataset
from convergence.datasets.bold5000.preparation import extract, index_units
from convergence.tasks import UnitsFailed, run_units

FILES = {"CSI2_imgnames.txt": "index",
         "bold5000_stimuli/Stimuli_Presentation_Lists/CSI1/CSI1_sess02/CSI1_sess02_run01.txt": "index",
         "CSI4_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_ses-02.nii.gz": "matrices",
         "CSI4_brainmask.nii.gz": "matrices",
         "preprocessed/atlas/subj-04_HCP_atlas_func_360.nii.gz": "matrices",
         "preprocessed/images.csv": "tables",
         "preprocessed/stimulus_index.csv": "tables",
         "preprocessed/betas/sub-4/manifest.json": "matrices",
         "preprocessed/betas/sub-4/rows_D.npy": "rows"}
ALLOWED = (ValueError, OSError, UnitsFailed)
CASES = [(file, harm, seed) for seed in range(12) for file in FILES for harm in HARMS]


@pytest.fixture(scope="module")
def prepared(indexed, tmp_path_factory):
    root = shutil.copytree(indexed, tmp_path_factory.mktemp("fuzzing") / "bold5000")
    options = SimpleNamespace(sessions=None, rois=["V1", "25"], scheduler="local", jobs=1, overwrite=False, dry_run=False)
    extract(open_dataset("bold5000", root), 4, options)
    return root, options


def outcome(root, kind, options):
    """What a person would get who goes on with the harmed file."""
    dataset = open_dataset("bold5000", root)
    if kind == "index":
        run_units([unit for unit in index_units(dataset, root.parent / "derivatives") if "csv" in unit.name], title="indexes")
        dataset = open_dataset("bold5000", root)
    if kind == "matrices":
        extract(dataset, 4, options)
    # Paths and spellings of pictures are not rows: a wrong one is an error when the picture is asked for.
    columns = ["subject", "subject_index", "session", "run", "image", "repetition", "shared", "stim_source", "bold_id"]
    return dataset.trials[columns].astype(object), [np.array(dataset.responses(4, label, np.arange(60))) for label in (1, 344)]


@pytest.mark.parametrize("file, harm, seed", [case if case[2] == 0 else pytest.param(*case, marks=pytest.mark.slow)
                                              for case in CASES])
def test_a_harmed_file_is_an_error_or_does_no_harm(prepared, tmp_path, file, harm, seed):
    original, options = prepared
    trials, responses = outcome(original, "rows", options)
    root = shutil.copytree(original, tmp_path / "bold5000")
    content = harmed((root / file).read_bytes(), harm, np.random.default_rng([seed, *map(ord, file + harm)]))
    (root / file).write_bytes(content)
    try:
        found, matrices = outcome(root, FILES[file], options)
    except ALLOWED as error:
        assert len(str(error)) > 30 and (file.rpartition("/")[2].split(".")[0] in str(error) or "sub-4" in str(error)
                                         or "disagree" in str(error)), repr(error)
        return
    assert found.equals(trials) and all(np.array_equal(a, b) for a, b in zip(matrices, responses))
