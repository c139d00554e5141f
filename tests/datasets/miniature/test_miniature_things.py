"""The miniature THINGS-fMRI: its files are those of THINGS-fMRI, and what is planted can be found with a few lines of NumPy."""

import warnings

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import spearmanr

from convergence.datasets.atlas import load_atlas
from convergence.datasets.miniature import DATASETS, read_truth, things, things_plan, write_miniature
from convergence.datasets.miniature.command import main
from convergence.datasets.miniature.things import describe
from convergence.datasets.miniature.things_plan import choose_orders, draw_images, draw_plan, repetitions_of

GRIDS = {1: (16, 23, 19), 2: (16, 25, 19), 3: (16, 23, 21)}
PAIRS = [(i, j) for i in GRIDS for j in GRIDS if i < j]
TABLES = "betas_csv/betas_csv"
FIRST = ["voxel_id", "subject_id", "voxel_x", "voxel_y", "voxel_z", "nc_singletrial", "nc_testset", "splithalf_uncorrected",
         "splithalf_corrected", "prf-eccentricity", "prf-polarangle", "prf-rsquared", "prf-size", "V1", "V2", "V3", "hV4", "VO1",
         "VO2",
         "LO1 (prf)", "LO2 (prf)", "TO1", "TO2", "V3b", "V3a", "lEBA", "rEBA", "lFFA", "rFFA", "lOFA", "rOFA", "lSTS", "rSTS",
         "lPPA",
         "rPPA", "lRSC", "rRSC", "lTOS", "rTOS", "lLOC", "rLOC", "IT"]


@pytest.fixture(scope="module")
def root(miniature):
    return miniature / "things"


@pytest.fixture(scope="module")
def truth(root):
    return read_truth(root)


@pytest.fixture(scope="module")
def brains(root):
    """Per subject: the three tables, the responses as an array of voxels x trials, the brain mask."""
    found = {}
    for subject in GRIDS:
        frame = pd.read_hdf(root / f"{TABLES}/sub-{subject:02d}_ResponseData.h5", "ResponseData")
        found[subject] = {"trials": pd.read_csv(root / f"{TABLES}/sub-{subject:02d}_StimulusMetadata.csv"),
                          "voxels": pd.read_csv(root / f"{TABLES}/sub-{subject:02d}_VoxelMetadata.csv"),
                          "labels": list(frame), "voxel_id": frame["voxel_id"].to_numpy(),
                          "values": frame.drop(columns="voxel_id").to_numpy(),
                          "mask": nibabel.load(root / f"brainmasks/sub-{subject:02d}_space-T1w_brainmask.nii.gz")}
    return found


def responses(brain, name, sides=("left", "right")):
    """(n_trials, n_voxels)"""
    column = next(column for column in brain["voxels"] if column.replace("\n", "") == f"glasser-{name}")
    left = brain["voxels"]["voxel_x"] < 8
    own = (brain["voxels"][column] == 1) & (left if sides == ("left",) else ~left if sides == ("right",) else True)
    return brain["values"][own.to_numpy()].T.astype(float)


def test_it_is_written_with_the_others_and_can_be_chosen(miniature, tmp_path, capsys, monkeypatch):
    assert DATASETS == ("nsd", "bold5000", "things") and {path.name for path in miniature.iterdir()} == set(DATASETS)
    assert [read_truth(miniature / name)["dataset"] for name in DATASETS] == ["nsd", "bold5000", "things"]
    monkeypatch.setattr(things, "describe", lambda seed, without: ({}, {"file": lambda path: path.write_text("x")}))
    assert main(["--out", str(tmp_path), "--datasets", "things"]) == 0
    assert f"miniature things: {tmp_path / 'things'}, seed 0" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["things"]
    assert main(["--out", str(tmp_path), "--datasets", "thing"]) == 1
    assert "datasets: thing cannot be made; choose from nsd, bold5000, things" in capsys.readouterr().err


def test_tables_of_voxels_have_the_222_columns_of_the_real_ones(brains):
    names = load_atlas().query("hemisphere == 'lh'")["name"].tolist()
    for subject, brain in brains.items():
        table = brain["voxels"]
        assert table.shape[1] == 222 and list(table)[:42] == FIRST
        assert [column.replace("\n", "") for column in list(table)[42:]] == [f"glasser-{name}" for name in names]
        assert [column for column in table if "\n" in column] == ["glasser-p9-\n46v", "glasser-a9-\n46v"]
        assert set(np.unique(table.iloc[:, 13:])) == {0, 1} and (table.iloc[:, 42:].sum(axis=1) <= 1).all()
        assert (table.iloc[:, 42:].sum(axis=1) == 0).sum() == 300 and 3400 < len(table) < 3700
        assert table["voxel_x"].min() >= 1 and table["voxel_x"].max() <= 15 and (table["subject_id"] == subject).all()


def test_grids_and_masks(brains):
    for subject, brain in brains.items():
        mask = np.asarray(brain["mask"].dataobj)
        places = brain["voxels"][["voxel_x", "voxel_y", "voxel_z"]].to_numpy()
        assert mask.shape == GRIDS[subject] and mask[tuple(places.T)].all()
        left = nibabel.affines.apply_affine(brain["mask"].affine, places)[:, 0] < 0
        assert np.array_equal(left, places[:, 0] < 8)
        for name in ("EBA", "PPA", "LOC"):
            assert left[brain["voxels"][f"l{name}"] == 1].all() and not left[brain["voxels"][f"r{name}"] == 1].any()


@pytest.mark.parametrize("subject, dtype", [(1, "float32"), (2, "float64"), (3, "float32")])
def test_responses_are_what_pandas_writes(root, brains, subject, dtype):
    with h5py.File(root / f"{TABLES}/sub-{subject:02d}_ResponseData.h5") as file:
        group = file["ResponseData"]
        assert group["block0_values"].dtype == dtype and group["block0_values"].shape == (len(brains[subject]["voxels"]), 150)
        assert group["block1_values"].dtype == "int64" and group["axis0"].dtype == "O"          # the labels, pickled
    assert brains[subject]["labels"] == ["voxel_id", *range(150)]
    assert brains[subject]["voxel_id"].tolist() == brains[subject]["voxels"]["voxel_id"].tolist()


def test_trials(brains, truth):
    shown = {}
    for subject, brain in brains.items():
        trials = brain["trials"]
        assert list(trials) == ["trial_type", "session", "run", "subject_id", "trial_id", "stimulus", "concept"]
        assert trials["trial_id"].tolist() == list(range(150)) and (trials.groupby(["session", "run"]).size() == 25).all()
        assert list(trials.groupby(["session", "run"]).groups) == [(s, r) for s in (1, 2, 3) for r in (1, 2)]
        test = trials[trials["trial_type"] == "test"]
        assert (test.groupby("session")["stimulus"].nunique() == 10).all() and (test.groupby("stimulus").size() == 3).all()
        train = trials.loc[trials["trial_type"] == "train", "stimulus"]
        assert len(train) == train.nunique() == 120 and not set(train) & set(test["stimulus"])
        assert (trials.loc[train.index].groupby("concept").size() == 4).all() and trials.loc[train.index,
                                                                                             "concept"].nunique() == 30
        shown[subject] = trials["stimulus"].tolist()
    assert set(shown[1]) == set(shown[2]) == set(shown[3]) and shown[1] != shown[2] != shown[3]
    assert {kind: len(truth["images"][kind]) for kind in ("train", "test", "unshown")} == {"train": 120, "test": 10,
                                                                                           "unshown": 20}


def test_pictures_and_categories(root, truth):
    paths = sorted((root / "stimuli/THINGS/Images").glob("*/*/*.jpg"), key=lambda path: path.name)
    assert len(paths) == 150 and {path.parts[-3] for path in paths} == {
        f"object_images_{letters}" for letters in ("A-C", "D-K", "L-Q", "R-S", "T-Z")}
    for path in paths:
        first, last = path.parts[-3].removeprefix("object_images_").split("-")
        assert first <= path.name[0].upper() <= last and path.name.startswith(f"{path.parent.name}_")
    grey = [k for k, path in enumerate(paths) if Image.open(path).mode == "L"]
    assert len(grey) == 1 and grey[0] in truth["images"]["unshown"]
    concepts = (root / "stimuli/THINGS/Metadata/Concept-specific/unique_id.csv").read_text().split("\n")[:-1]
    higher = root / "stimuli/THINGS/27 higher-level categories"
    header, *rows = [line.split("\t") for line in (higher / "category_mat_manual.tsv").read_text().splitlines()]
    tags = [line.split("\t") for line in (higher / "categorization.tsv").read_text().split("\n")[:-1]]
    assert len(concepts) == len(rows) == len(tags) == 36 and len(header) == 27 and len({len(line) for line in tags}) > 2
    assert any(len(set(line)) < len(line) for line in tags)                         # a label twice, as in ragged files
    for row, line in zip(rows, tags):
        assert {name for name, flag in zip(header, row) if flag == "1"} == set(line) - {""}


@pytest.mark.parametrize("name, n_left, n_right", [("Pir", 0, 0), ("s32", 1, 0)])
def test_parcels_without_voxels(brains, truth, name, n_left, n_right):
    subject = next(entry["subject"] for entry in truth["special"].values() if entry["roi"] == name)
    sides = [responses(brains[subject], name, side).shape[1] for side in (("left",), ("right",))]
    assert sides == [n_left, n_right] and subject == {"Pir": 2, "s32": 3}[name]
    assert all(responses(brains[other], name).shape[1] > 8 for other in GRIDS if other != subject)


def test_dead_voxels(brains):
    for brain in brains.values():
        assert (responses(brain, "25", ("left",)) == 0).all(axis=0).tolist()[:4] == [True, True, True, False]
        assert (brain["values"] == 0).all(axis=1).sum() == 3


def test_canaries_count_trials_and_voxels(brains):
    for brain in brains.values():
        for side in ("left", "right"):
            canary = responses(brain, "p24", (side,))
            assert canary[:, 0].tolist() == list(range(150)) and (canary[:, 1:] == 1000 + np.arange(1, canary.shape[1])).all()


def rdm(x):
    return 1 - np.corrcoef(x)[np.triu_indices(len(x), 1)]


def intersubject(brains, name, sides=("left", "right")):
    """Mean RSA over pairs of subjects and sessions of the first, trials paired by picture and repetition."""
    found = []
    keys = {subject: list(zip(brain["trials"]["stimulus"], repetitions_of(brain["trials"]["stimulus"].to_numpy())))
            for subject, brain in brains.items()}
    for i, j in PAIRS:
        partner = np.array([keys[j].index(key) for key in keys[i]])
        for rows in np.arange(150).reshape(3, 50):
            found.append(np.corrcoef(rdm(responses(brains[i], name, sides)[rows]), rdm(responses(brains[j], name,
                                                                                                 sides)[partner[rows]]))[0, 1])
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
    assert intersubject(brains, name, (with_signal,)) > 0.1 > 0.05 > abs(intersubject(brains, name, (without,)))


def test_orders_keep_the_clock_out_of_the_pictures(truth, monkeypatch):
    monkeypatch.setattr(things_plan, "_N_ORDERS", 30)
    assert truth["drift_coupling"] < 0.05
    images, rng = draw_images(np.random.default_rng(0)), np.random.default_rng(1)
    similarity = rng.standard_normal((150, 150))
    shown, coupling = choose_orders(images, similarity + similarity.T, rng)
    assert all(sorted(pd.unique(order)) == sorted(images.index[images["kind"] != "unshown"]) for order in shown.values())
    assert coupling < 0.1 and repetitions_of(np.array([4, 2, 4, 4, 2])).tolist() == [0, 0, 1, 2, 1]


def test_same_seed_same_bytes(root, tmp_path):
    _, writers = describe(0)
    written = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
               and not path.name.startswith("truth.json")}
    assert written == set(writers)
    with warnings.catch_warnings():
        warnings.simplefilter("error")                  # pandas warns of pickled labels: they are meant
        for k, (name, write) in enumerate(writers.items()):
            write(tmp_path / str(k))
            assert (tmp_path / str(k)).read_bytes() == (root / name).read_bytes(), name
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 16e6


def test_another_seed_changes_everything(monkeypatch):
    monkeypatch.setattr(things_plan, "_N_ORDERS", 2)
    first, second = draw_plan(0), draw_plan(1)
    assert not np.array_equal(first.shown[1], second.shown[1]) and not np.allclose(first.drift, second.drift)
    assert first.images["image_name"].tolist() != second.images["image_name"].tolist()


def test_a_session_cannot_be_left_out(tmp_path):
    with pytest.raises(ValueError, match=r"without: \[\[2, 2\]\] cannot be left out of the miniature THINGS-fMRI, whose "
                                         r"responses are one "
                                         "file per subject"):
        write_miniature(tmp_path, datasets=["things"], without=[(2, 2)])
    assert not (tmp_path / "things").exists()
