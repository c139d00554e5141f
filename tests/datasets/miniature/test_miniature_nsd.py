"""The miniature NSD: its files are NSD's, and what is planted in them can be found with a few lines of NumPy."""

import json

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from convergence.datasets.atlas import load_atlas
from convergence.datasets.miniature import read_truth
from convergence.datasets.miniature.design import shifted_rows
from convergence.datasets.miniature.latents import people_of
from convergence.datasets.miniature.nsd import describe
from convergence.datasets.miniature.nsd_plan import N_SHARED, draw_plan

GRIDS = {1: (20, 24, 18), 2: (21, 23, 18), 3: (20, 25, 17), 4: (22, 22, 18)}
N_SESSIONS = {1: 5, 2: 5, 3: 4, 4: 3}
N_TRIALS = {subject: 60 * n for subject, n in N_SESSIONS.items()}
PAIRS = [(i, j) for i in GRIDS for j in GRIDS if i != j]


@pytest.fixture(scope="module")
def root(miniature):
    return miniature / "nsd"


@pytest.fixture(scope="module")
def truth(root):
    return read_truth(root)


@pytest.fixture(scope="module")
def information(root):
    return pd.read_csv(root / "nsd_stim_info_merged.csv", index_col=0)


@pytest.fixture(scope="module")
def plan():
    return draw_plan(0)


@pytest.fixture(scope="module")
def brains(root):
    """Per subject: labels of both sides, brain mask, betas (x, y, z, n_trials)."""
    def read(path):
        return np.asarray(nib.load(path).dataobj)
    found = {}
    for subject in GRIDS:
        folder = root / f"subj{subject:02d}" / "func1mm"
        sessions = sorted((folder / "betas_fithrf_GLMdenoise_RR").iterdir())
        assert [path.name for path in sessions] == [f"betas_session{k:02d}.nii.gz" for k in range(1, N_SESSIONS[subject] + 1)]
        found[subject] = {name: read(folder / "roi" / f"{prefix}HCP_MMP1.nii.gz")
                          for name, prefix in (("left", "lh."), ("right", "rh."), ("combined", ""))}
        found[subject]["mask"] = read(folder / "brainmask.nii.gz")
        found[subject]["betas"] = np.concatenate([read(path) for path in sessions], axis=3)
    return found


@pytest.fixture(scope="module")
def writers():
    return describe(0)[1]


def area(name):
    atlas = load_atlas()
    return int(atlas.loc[(atlas["name"] == name) & (atlas["hemisphere"] == "lh"), "roi"].item())


def responses(brain, name, *sides):
    """(n_trials, n_voxels)"""
    return np.concatenate([brain["betas"][brain[side] == area(name)] for side in sides]).T


@pytest.mark.parametrize("subject", GRIDS)
def test_volumes(brains, subject):
    brain = brains[subject]
    assert brain["betas"].shape == (*GRIDS[subject], N_TRIALS[subject]) and brain["betas"].dtype == np.int16
    assert not brain["betas"][brain["mask"] == 0].any() and brain["betas"][brain["mask"] == 1].any(axis=1).all()
    sizes = [np.bincount(brain[side][brain[side] > 0], minlength=181)[1:] for side in ("left", "right")]
    assert {len(s) for s in sizes} == {180} and 11 <= np.median(sizes) <= 13
    np.testing.assert_array_equal(brain["combined"], np.maximum(brain["left"], brain["right"]))
    assert set(np.unique(brain["left"])) == set(range(-1, 181)) - ({area("Pir")} if subject == 3 else set())


@pytest.mark.parametrize("subject", GRIDS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_canaries_count_trials_and_voxels(brains, subject, side):
    canary = responses(brains[subject], "p24", side)
    np.testing.assert_array_equal(canary[:, 0], np.arange(N_TRIALS[subject]))
    np.testing.assert_array_equal(canary[:, 1:], np.tile(1000 + np.arange(1, canary.shape[1]), (len(canary), 1)))


def test_awkward_parcels(brains, truth):
    def sizes(name):
        return {s: [responses(brain, name, side).shape[1] for side in ("left", "right")] for s, brain in brains.items()}
    special = truth["special"]
    empty, one_voxel = special["empty"], special["one_voxel"]
    assert [s for s, size in sizes(empty["roi"]).items() if size == [0, 0]] == [empty["subject"]] == [3]
    assert [s for s, size in sizes(one_voxel["roi"]).items() if size == [1, 0]] == [one_voxel["subject"]] == [2]
    for brain in brains.values():
        outside = (brain["combined"] > 0) & (brain["mask"] == 0)
        assert outside.sum() == 3 and (brain["left"][outside] == area(special["dead"]["roi"])).all()


def test_stimulus_information(information, truth):
    assert list(information)[:8] == ["cocoId", "cocoSplit", "cropBox", "loss", "nsdId", "flagged", "BOLD5000", "shared1000"]
    assert information.shape == (280, 8 + 4 + 4 * 3)
    assert list(information["nsdId"]) == list(range(280)) == list(information.index)
    assert information["cocoId"].is_unique and not information["cocoId"].is_monotonic_increasing
    assert information["flagged"].sum() == 5 and information["shared1000"].sum() == 40 and information["BOLD5000"].sum() == 50
    assert information.loc[information["shared1000"], "BOLD5000"].all()
    assert set(information["cocoSplit"]) == {"train2017", "val2017"}
    assert {"(0, 0, 0.125, 0.125)", "(0.125, 0.125, 0, 0)", "(0, 0, 0, 0)"} <= set(information["cropBox"])
    assert truth["images"]["shared"] == list(np.flatnonzero(information["shared1000"]))


def test_trials_of_all_subjects_follow_one_ordering(information):
    shared = information["shared1000"]
    for subject in GRIDS:
        numbers = information[[f"subject{subject}_rep{k}" for k in range(3)]]
        assert sorted(numbers.to_numpy()[numbers.to_numpy() > 0]) == list(range(1, 301))
        seen = information[f"subject{subject}"] == 1
        assert seen.sum() == 100 and not numbers[~seen].any(axis=None)
        assert (numbers[seen].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
        np.testing.assert_array_equal(numbers[shared], information.loc[shared, [f"subject1_rep{k}" for k in range(3)]])
        assert (information.loc[shared, f"subject{subject}"] == 1).all()
    assert information.loc[~shared, [f"subject{s}" for s in GRIDS]].sum(axis=1).eq(1).all()


@pytest.mark.parametrize("subject", GRIDS)
def test_behavioural_record_counts_images_from_one(root, information, subject):
    record = pd.read_csv(root / f"subj{subject:02d}" / "behav" / "responses.tsv", sep="\t")
    assert record.groupby("SESSION").size().to_dict() == {k: 60 for k in range(1, N_SESSIONS[subject] + 1)}
    for repetition in range(3):
        number = information[f"subject{subject}_rep{repetition}"]
        number = number[(number > 0) & (number <= len(record))]
        np.testing.assert_array_equal(record["73KID"].to_numpy()[number - 1], number.index + 1)
        assert (record["ISOLD"].to_numpy()[number - 1] == (repetition > 0)).all()


def test_pictures_and_annotations_tell_of_the_same_people(root, information, truth, plan):
    with h5py.File(root / "nsd_stimuli.hdf5") as file:
        pictures = file["imgBrick"][:]
    assert pictures.shape == (280, 64, 64, 3) and pictures.dtype == np.uint8
    assert len({picture.tobytes() for picture in pictures}) == 280
    persons = {image: 0 for image in information["cocoId"]}
    texts, unrelated = {}, set()
    for split in ("train2017", "val2017"):
        instances, captions = (json.loads((root / "annotations" / f"{kind}_{split}.json").read_text())
                               for kind in ("instances", "captions"))
        assert {image["id"] for image in instances["images"]} >= set(information.loc[information["cocoSplit"] == split, "cocoId"])
        unrelated |= {image["id"] for image in instances["images"]} - set(information["cocoId"])
        for row in instances["annotations"]:
            if row["category_id"] == 1 and not row["iscrowd"] and row["image_id"] in persons:
                persons[row["image_id"]] += 1
        for row in captions["annotations"]:
            texts.setdefault(row["image_id"], []).append(row["caption"])
    assert len(unrelated) == 40 and all(f"img{k}." in texts[coco_id][0] for k, coco_id in information["cocoId"].items())
    drawn = [people_of(social)[0] for social in plan.latents["social"]]
    without = set(truth["images"]["without_instances"])
    assert truth["images"]["n_persons"] == drawn and len(without) == 6
    assert [persons[coco_id] for coco_id in information["cocoId"]] == [0 if k in without else n for k, n in enumerate(drawn)]


def test_inanimate_pictures_are_of_all_subjects(information, truth, plan):
    images = truth["images"]
    nobody = set(np.flatnonzero(np.add(images["n_persons"], images["n_animals"]) == 0).tolist())
    assert set(images["inanimate"]) == nobody - set(images["without_instances"]) and set(images["without_instances"]) < nobody
    shared = set(images["shared"])
    assert not set(images["without_instances"]) & shared
    assert 8 <= len(nobody & shared) <= 14 and 0.2 < len(images["inanimate"]) / len(information) < 0.35


def rdm(x):
    """Condensed 1 - r of clipped rows."""
    return 1 - np.corrcoef(np.clip(x, *np.quantile(x, [0.003, 0.997])))[np.triu_indices(len(x), 1)]


def intersubject(brains, plan, name, shift, sides=("left", "right")):
    """Mean RSA over ordered pairs of different subjects."""
    x = {subject: responses(brain, name, *sides) for subject, brain in brains.items()}
    found = []
    for i, j in PAIRS:
        rows_i, rows_j = shifted_rows(plan.ordering, N_TRIALS[i], N_TRIALS[j], shift=shift, n_shared=N_SHARED)
        found.append(np.corrcoef(rdm(x[i][rows_i]), rdm(x[j][rows_j]))[0, 1])
    return np.mean(found)


@pytest.fixture(scope="module")
def planted(brains, plan, truth):
    """cluster, snr, and RSA at shift 1, of every parcel with a signal and every fourth without."""
    rois = pd.DataFrame.from_dict(truth["rois"], orient="index")
    rois = rois[~rois["cluster"].isin(["canary", "empty", "dead"])]
    nulls = rois.index[rois["cluster"] == "null"]
    rois = rois.drop(nulls.difference(nulls[::4]))
    return rois.assign(r=[intersubject(brains, plan, name, shift=1) for name in rois.index])


@pytest.mark.parametrize("cluster", ["early", "ventral", "lateral"])
def test_clusters_agree_between_subjects(planted, truth, cluster):
    assert planted.loc[planted["cluster"] == cluster, "r"].mean() > truth["expected"]["clusters_above"]


def test_agreement_follows_the_planted_signal(planted, truth):
    signal = planted[planted["snr"] > 0]
    assert spearmanr(signal["snr"], signal["r"]).statistic > truth["expected"]["rank_correlation_with_snr_above"]


def test_null_parcels_agree_in_nothing_but_the_clock(planted, truth, brains, plan):
    nulls = planted[planted["cluster"] == "null"]
    assert len(nulls) > 30 and abs(nulls["r"].mean()) < 0.003
    assert nulls["r"].abs().mean() < 0.01 < truth["expected"]["nulls_within"]
    unshifted = np.mean([intersubject(brains, plan, name, shift=0) for name in nulls.index[:8]])
    assert truth["expected"]["nulls_above_at_shift_0"] < 0.4 < unshifted < 0.75


@pytest.mark.parametrize("name, with_signal, without", [("FFC", "left", "right"), ("PH", "right", "left")])
def test_one_sided_parcels(brains, plan, name, with_signal, without):
    assert intersubject(brains, plan, name, 1, [with_signal]) > 0.15
    assert abs(intersubject(brains, plan, name, 1, [without])) < 0.05


def test_same_seed_same_bytes(root, tmp_path, writers):
    assert sorted(writers) == sorted(path.relative_to(root).as_posix() for path in root.rglob("*")
                                     if path.is_file() and not path.name.startswith("truth.json"))
    for k, (name, write) in enumerate(writers.items()):
        if "betas_session" not in name or "session02" in name:
            write(tmp_path / str(k))
            assert (tmp_path / str(k)).read_bytes() == (root / name).read_bytes(), name


def test_a_copy_without_a_session_has_the_other_sessions_unchanged(root, tmp_path, writers):
    _, fewer = describe(0, without=[[2, 2]])
    absent = "subj02/func1mm/betas_fithrf_GLMdenoise_RR/betas_session02.nii.gz"
    assert set(writers) - set(fewer) == {absent}
    name = absent.replace("session02", "session03")
    fewer[name](tmp_path / "x.nii.gz")
    assert (tmp_path / "x.nii.gz").read_bytes() == (root / name).read_bytes()


def test_another_seed_changes_everything(plan):
    other = draw_plan(1)
    assert not np.array_equal(other.ordering, plan.ordering)
    assert not np.array_equal(other.images["coco_id"], plan.images["coco_id"])
    assert abs(np.corrcoef(other.latents["low"].ravel(), plan.latents["low"].ravel())[0, 1]) < 0.1
    assert set(other.lists[1]) != set(plan.lists[1])
