"""The miniature BOLD5000: its files are BOLD5000's, and what is planted in them can be found with a few lines of NumPy."""

import re

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import spearmanr

from convergence.datasets.atlas import load_atlas
from convergence.datasets.miniature import read_truth
from convergence.datasets.miniature.bold5000 import describe
from convergence.datasets.miniature.bold5000_plan import choose_orders, common_rows, draw_plan, repetitions
from convergence.datasets.miniature.folder import write_folder

GRIDS = {1: (16, 20, 15), 2: (16, 21, 14), 3: (17, 19, 15), 4: (15, 20, 16)}
TRIALS = {1: (36, 24, 36), 2: (36, 24, 36), 3: (36, 24, 36), 4: (36, 24)}
PAIRS = [(i, j) for i in GRIDS for j in GRIDS if i != j]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("miniature") / "bold5000"
    write_folder(folder, describe, {"seed": 0, "without": []})
    return folder


@pytest.fixture(scope="module")
def truth(root):
    return read_truth(root)


def volume(path):
    return np.asarray(nibabel.load(path).dataobj)


@pytest.fixture(scope="module")
def brains(root):
    """Per subject: labels, brain mask, betas (n_trials, x, y, z), names of the pictures shown."""
    found = {}
    for subject, trials in TRIALS.items():
        sessions = [volume(root / f"CSI{subject}_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_ses-{k + 1:02d}.nii.gz")
                    for k in range(len(trials))]
        assert [session.shape[3] for session in sessions] == list(trials)
        found[subject] = {"labels": volume(root / f"preprocessed/atlas/subj-{subject:02d}_HCP_atlas_func_360.nii.gz"),
                          "mask": volume(root / f"CSI{subject}_brainmask.nii.gz"),
                          "betas": np.moveaxis(np.concatenate(sessions, axis=3), -1, 0),
                          "names": (root / f"CSI{subject}_imgnames.txt").read_text().split()}
    return found


def responses(brain, name, sides=("left", "right")):
    """(n_trials, n_voxels)"""
    atlas = load_atlas()
    area = int(atlas.loc[(atlas["name"] == name) & (atlas["hemisphere"] == "lh"), "roi"].item())
    x = np.concatenate([brain["betas"][:, brain["labels"] == area + 180 * (side == "right")] for side in sides], axis=1)
    return np.nan_to_num(x, posinf=0, neginf=0)


@pytest.mark.parametrize("subject", GRIDS)
def test_volumes(brains, root, subject):
    brain = brains[subject]
    assert brain["betas"].shape[1:] == brain["labels"].shape == brain["mask"].shape == GRIDS[subject] and brain["betas"].dtype == np.float32
    assert np.isnan(brain["betas"][:, brain["mask"] == 0]).all()
    assert np.count_nonzero(~np.isfinite(brain["betas"][:, brain["mask"] == 1])) == (2 if subject == 2 else 0)
    sizes = np.bincount(brain["labels"].ravel(), minlength=361)[1:]
    assert np.flatnonzero(sizes == 0).tolist() == {1: [], 2: [344], 3: [109, 289], 4: []}[subject] and 5 <= np.median(sizes) <= 6
    assert np.count_nonzero((brain["labels"] > 0) & (brain["mask"] == 0)) == 3


def test_headers_are_bare_but_for_the_atlas(root):
    for name in ("CSI1_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_ses-01.nii.gz", "CSI1_brainmask.nii.gz"):
        header = nibabel.load(root / name).header
        assert (header["qform_code"], header["sform_code"]) == (0, 0) and header.get_zooms()[:3] == (2, 2, 2)
    image = nibabel.load(root / "preprocessed/atlas/subj-01_HCP_atlas_func_360.nii.gz")
    assert image.header["sform_code"] > 0 and nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    labels, mirrored = volume(image.get_filename()), volume(root / "preprocessed/atlas/mirrored/subj-01_HCP_atlas_func_360.nii.gz")
    assert np.array_equal(labels[::-1], mirrored)
    assert np.nonzero((labels > 0) & (labels <= 180))[0].max() < np.nonzero(labels > 180)[0].min()


def test_other_types_of_betas(root):
    others = sorted(path.name for path in root.glob("CSI*GLM*") if "TYPED" not in path.name)
    assert others == ["CSI1_GLMbetas-TYBEB-FITHRF_ses-01.nii.gz", "CSI1_GLMbetas-TYPEA-ASSUMEHRF_ses-01.nii.gz"]


def test_lists(root, brains):
    for subject, trials in TRIALS.items():
        folder = root / f"bold5000_stimuli/Stimuli_Presentation_Lists/CSI{subject}"
        runs = [path.read_text().split() for path in sorted(folder.glob("*/*.txt"))]
        assert {len(run) for run in runs} == {12} and 12 * len(runs) == sum(trials)
        seen, names = set(), brains[subject]["names"]
        for line, name in zip([line for run in runs for line in run], names):
            assert line == ("rep_" if name in seen else "") + name
            seen.add(name)


def test_pictures(root, truth, brains):
    names = list(dict.fromkeys(brains[1]["names"]))
    assert len(names) == 84 and set(brains[2]["names"]) == set(brains[3]["names"]) == set(names) and len(set(brains[4]["names"]) - set(names)) == 0
    paths = {path.name: path for path in (root / "bold5000_stimuli/Scene_Stimuli/Presented_Stimuli").glob("*/*")}
    assert set(paths) == set(names) and {path.suffix for path in paths.values()} == {".jpg", ".JPEG", ".jpeg"}
    assert [k for k, name in enumerate(names) if Image.open(paths[name]).mode == "L"] == truth["images"]["grey"]
    for source, pattern, n in (("coco", r"COCO_train2014_\d{12}\.jpg", 34), ("imagenet", r"n\d{8}_\d+\.JPEG", 32),
                               ("scenes", r"[a-z_]+\d+\.jpe?g", 18)):
        own = [k for k, name in enumerate(names) if re.fullmatch(pattern, name)]
        assert own == truth["images"][source] and len(own) == n


@pytest.mark.parametrize("subject, times", [(1, [4, 4, 4, 4, 1]), (2, [4, 4, 4, 4, 1]), (3, [5, 4, 4, 3, 1]),
                                            (4, [4, 3, 2, 1, 1])])
def test_repetitions_are_irregular(brains, subject, times):
    assert pd.Series(brains[subject]["names"]).value_counts().tolist()[:5] == times


@pytest.mark.parametrize("subject", GRIDS)
def test_canaries_count_trials_and_voxels(brains, subject):
    for side in ("left", "right"):
        canary = responses(brains[subject], "p24", [side])
        assert canary[:, 0].tolist() == list(range(sum(TRIALS[subject]))) and (canary[:, 1:] == 1000 + np.arange(1, canary.shape[1])).all()


def rdm(x):
    return 1 - np.corrcoef(x)[np.triu_indices(len(x), 1)]


def intersubject(brains, name, sides=("left", "right")):
    """Mean RSA over pairs of different subjects, trials paired by picture and repetition."""
    order = {subject: pd.factorize(np.array([*brains[1]["names"], *brain["names"]], dtype=object))[0][96:]
             for subject, brain in brains.items()}
    x = {subject: responses(brain, name, sides) for subject, brain in brains.items()}
    found = []
    for i, j in PAIRS:
        rows_i, rows_j = common_rows(order[i], order[j])
        if i < j:                                                           # (j, i) has the same pairs of trials in another order
            found.append(np.corrcoef(rdm(x[i][rows_i]), rdm(x[j][rows_j]))[0, 1])
    return np.mean(found)


@pytest.fixture(scope="module")
def planted(brains, truth):
    rois = pd.DataFrame.from_dict(truth["rois"], orient="index")
    rois = rois[~rois["cluster"].isin(["canary", "empty", "dead"])]
    nulls = rois.index[rois["cluster"] == "null"]
    rois = rois.drop(nulls.difference(nulls[::6]))
    return rois.assign(r=[intersubject(brains, name) for name in rois.index])


def test_agreement_is_as_planted(planted, truth):
    for cluster in ("early", "ventral", "lateral"):
        assert planted.loc[planted["cluster"] == cluster, "r"].mean() > truth["expected"]["clusters_above"], cluster
    signal, nulls = planted[planted["snr"] > 0], planted.loc[planted["cluster"] == "null", "r"]
    assert spearmanr(signal["snr"], signal["r"]).statistic > truth["expected"]["rank_correlation_with_snr_above"]
    assert len(nulls) > 20 and nulls.abs().max() < truth["expected"]["nulls_within"] and abs(nulls.mean()) < 0.01


@pytest.mark.parametrize("name, with_signal, without", [("FFC", "left", "right"), ("PH", "right", "left")])
def test_one_sided_parcels(brains, name, with_signal, without):
    assert intersubject(brains, name, [with_signal]) > 0.1 > 0.05 > abs(intersubject(brains, name, [without]))


def test_orders_keep_the_clock_out_of_the_pictures(truth):
    assert truth["drift_coupling"] < 0.05
    similarity = np.random.default_rng(0).standard_normal((96, 96))
    shown, coupling = choose_orders(similarity + similarity.T, np.random.default_rng(1))
    assert list(dict.fromkeys(shown[1])) == list(range(84)) and coupling < 0.1
    assert repetitions(np.array([4, 2, 4, 4, 2])).tolist() == [1, 1, 2, 3, 2]
    assert [rows.tolist() for rows in common_rows(np.array([4, 2, 4, 9]), np.array([2, 2, 4, 3]))] == [[0, 1], [2, 0]]


def test_same_seed_same_bytes_and_a_session_can_be_left_out(root, tmp_path):
    _, writers = describe(0, without=[[2, 2]])
    absent = "CSI2_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_ses-02.nii.gz"
    written = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
               and not path.name.startswith("truth.json")}
    assert written - set(writers) == {absent} and not set(writers) - written
    for k, (name, write) in enumerate(writers.items()):
        write(tmp_path / str(k))
        assert (tmp_path / str(k)).read_bytes() == (root / name).read_bytes(), name
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 7e6


def test_another_seed_changes_everything():
    first, second = draw_plan(0), draw_plan(1)
    assert not set(first.images["image_name"]) & set(second.images.loc[second.images["stim_source"] != "scenes", "image_name"])
    assert not np.array_equal(first.shown[1], second.shown[1]) and not np.allclose(first.drift, second.drift)
