"""Similarity of pairs of subjects against scipy, on rows that the test gathers itself."""

import itertools
import pickle

import numpy as np
import pandas
import pytest
import toy_brains
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr

from convergence.alignment.rdms import store_unit
from convergence.alignment.sources import Latest
from convergence.alignment.subject_subject import common_rows, pair_similarity, pair_unit, table_path
from convergence.storage.rdm_store import RDMStore, write_rdms
from convergence.tasks import run_units


def make_stores(toy, folder, hemispheres="joined"):
    units = [store_unit(toy, subject, toy.parcels(hemispheres), hemispheres, folder) for subject in toy.subjects]
    return dict(zip(toy.subjects, run_units(units, title="RDMs")))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Subject 9 lacks its session 2."""
    return toy_brains.write(tmp_path_factory.mktemp("toy"), complete=False)


@pytest.fixture(scope="module")
def stores(toy, tmp_path_factory):
    return make_stores(toy, tmp_path_factory.mktemp("derivatives"))


def similarity(stores, i, j, *, shift, form="full", rois=None, hemispheres="joined", latest=None):
    return pair_similarity(subject_i=i, subject_j=j, shift=shift, form=form, hemispheres=hemispheres, rois=rois, store_i=stores[i], store_j=stores[j],
                           device="cpu", latest=latest)


def partners(toy, i, j, shift):
    """Rows of i and j, in i's order, by looking up each trial's partner."""
    table = toy.trials[toy.trials["shared"] & toy.trials["exists"]]
    theirs = {(t.image, t.repetition): t.subject_index for t in table[table["subject"] == j].itertuples()}
    mine = table[table["subject"] == i].sort_values("subject_index")
    found = [(t.subject_index, theirs.get((t.image, (t.repetition - shift) % 3))) for t in mine.itertuples()]
    return np.array([pair for pair in found if pair[1] is not None])


def rdm_of(toy, subject, labels, rows):
    """Square: limits from all shared trials of the subject, distances between these rows."""
    table = toy.trials[toy.trials["shared"] & toy.trials["exists"] & (toy.trials["subject"] == subject)]
    matrix = toy.responses(subject, labels).astype(np.float64)
    low, high = np.quantile(matrix[table["subject_index"]], [0.003, 0.997])
    return pdist(np.clip(matrix[rows], low, high), "correlation")


@pytest.mark.parametrize("i, j, shift", [(2, 5, 1), (5, 2, 1), (2, 9, 0), (9, 5, 2), (9, 9, 1), (5, 5, 2)])
def test_pairs_against_scipy_on_rows_gathered_by_hand(toy, stores, i, j, shift):
    table = similarity(stores, i, j, shift=shift)
    r = table.set_index(["roi_x", "roi_y"])["similarity"]
    rows = partners(toy, i, j, shift)
    assert len(table) == 25 and 8 < len(rows) <= 24
    labels = {3: (3, 203), 8: (8, 208)}
    for x, y in itertools.product(labels, labels):
        if (x == 8 and i == 5) or (y == 8 and j == 5):
            assert np.isnan(r[x, y])
        else:
            expected = pearsonr(rdm_of(toy, i, labels[x], rows[:, 0]), rdm_of(toy, j, labels[y], rows[:, 1])).statistic
            assert abs(r[x, y] - expected) < 1e-5
    assert table["subject_i"].unique().tolist() == [i] and table["subject_j"].unique().tolist() == [j]
    assert set(table["rep_shift"]) == {str(shift)} and table["join_hemispheres"].all()


def test_what_cannot_be_computed_is_a_row_with_a_reason(stores):
    reason = similarity(stores, 5, 2, shift=1).set_index(["roi_x", "roi_y"])[["similarity", "reason"]]
    assert reason.loc[(3, 3), "reason"] == "" and np.isfinite(reason.loc[(3, 3), "similarity"])
    assert reason.loc[(8, 3), "reason"] == "subject_i: no voxels" and reason.loc[(3, 11), "reason"] == "subject_j: no voxels"
    assert reason.loc[(8, 20), "reason"] == "subject_i: no voxels; subject_j: one voxel: a pattern needs at least two"
    assert reason.loc[(41, 3), "reason"] == "subject_i: 1 of 24 trials have one value in all voxels"
    assert (reason["similarity"].isna() == (reason["reason"] != "")).all() and reason["similarity"].isna().sum() == 23


def test_the_diagonal_is_the_diagonal(stores):
    full, diagonal = similarity(stores, 2, 9, shift=1), similarity(stores, 2, 9, shift=1, form="diagonal")
    same = full[full["roi_x"] == full["roi_y"]].reset_index(drop=True)
    assert list(diagonal) == ["roi", "similarity", "subject_i", "subject_j", "join_hemispheres", "rep_shift", "reason", "n_pairs"]
    assert diagonal["roi"].tolist() == same["roi_x"].tolist() == [3, 8, 11, 20, 41]
    assert np.allclose(diagonal["similarity"], same["similarity"], atol=1e-6, equal_nan=True) and diagonal["reason"].equals(same["reason"])


def test_a_choice_of_parcels_keeps_its_order(stores):
    chosen, full = similarity(stores, 2, 9, shift=1, rois=[8, 3]), similarity(stores, 2, 9, shift=1)
    assert chosen[["roi_x", "roi_y"]].to_numpy().tolist() == [[8, 8], [8, 3], [3, 8], [3, 3]]
    both = chosen.merge(full, on=["roi_x", "roi_y"])
    assert np.allclose(both["similarity_x"], both["similarity_y"], atol=1e-6)


def test_a_subject_is_itself_at_shift_0_and_its_reliability_at_shift_1(stores):
    assert np.allclose(similarity(stores, 2, 2, shift=0, form="diagonal", rois=[3, 8])["similarity"], 1, atol=1e-6)
    assert (similarity(stores, 2, 2, shift=1, form="diagonal", rois=[3, 8])["similarity"] < 0.99).all()


def test_shift_1_equals_shift_2_on_average_on_complete_data(tmp_path):
    toy = toy_brains.write(tmp_path / "toy", complete=True)
    stores = make_stores(toy, tmp_path / "derivatives", "separated")
    mean = {shift: np.mean([similarity(stores, i, j, shift=shift, rois=[3, 203], hemispheres="separated").set_index(["roi_x", "roi_y"])["similarity"]
                            .astype(float).unstack().to_numpy() for i, j in itertools.product(toy.subjects, repeat=2)], axis=0) for shift in (1, 2)}
    assert np.abs(mean[1] - mean[2].T).max() < 1e-6 and np.abs(np.diag(mean[1]) - np.diag(mean[2])).max() < 1e-6
    single = [similarity(stores, 2, 5, shift=shift, rois=[3], form="diagonal", hemispheres="separated")["similarity"][0] for shift in (1, 2)]
    assert abs(single[0] - single[1]) > 1e-3                               # not for a single pair


def test_blocks_and_the_kept_stack_change_nothing(stores, monkeypatch):
    plain = similarity(stores, 9, 2, shift=1)
    monkeypatch.setattr("convergence.alignment.sources._BLOCK", 600)      # two parcels at a time, of 276 pairs each
    pandas.testing.assert_frame_equal(similarity(stores, 9, 2, shift=1), plain, atol=1e-6)
    latest = Latest()
    for j in (2, 5, 9, 2):                                                 # 9 is not prepared again for 5; it is for itself
        pandas.testing.assert_frame_equal(similarity(stores, 9, j, shift=1, latest=latest), similarity(stores, 9, j, shift=1), atol=1e-6)


def test_latest_makes_a_value_once_and_is_forgotten_with_its_object():
    latest, made = Latest(), []
    values = [latest(key, lambda key=key: made.append(key) or key.upper()) for key in "aabba"]
    assert values == list("AABBA") and made == list("aba")
    copy = pickle.loads(pickle.dumps(latest))
    assert copy is pickle.loads(pickle.dumps(Latest())) and copy is not latest
    assert copy("a", lambda: "worker") == "worker"


def test_a_parcel_that_only_varies_over_other_stimuli_is_named(tmp_path):
    """Subject 7's RDM differs only at its last trial, which subject 4 has no partner for."""
    trials = pandas.DataFrame({"row": range(6), "image": [1, 2, 3, 4, 5, 6], "repetition": 0, "session": 1})
    square = np.ones((6, 6)) - np.eye(6)
    square[5, :5] = square[:5, 5] = np.linspace(0.1, 0.9, 5)
    own = np.random.default_rng(0).random(10)
    stores = {4: tmp_path / "4.h5", 7: tmp_path / "7.h5"}
    known = {"hemispheres": "joined", "first_repetition": 0, "n_repetitions": 1}
    write_rdms(stores[7], parcels=[(1, 9, squareform(square), "")], trials=trials, attributes={"subject": 7, **known})
    write_rdms(stores[4], parcels=[(1, 9, own, "")], trials=trials[:5], attributes={"subject": 4, **known})
    table = similarity(stores, 4, 7, shift=0)
    assert table["reason"].tolist() == ["subject_j: all distances are the same"] and table["similarity"].isna().all()


def test_too_few_common_trials_are_named(tmp_path):
    known = {"hemispheres": "joined", "first_repetition": 0, "n_repetitions": 3}
    stores = {subject: tmp_path / f"{subject}.h5" for subject in (4, 7)}
    for subject, image in ((4, [1, 2, 3, 4, 5]), (7, [11, 2, 3, 14, 15])):
        trials = pandas.DataFrame({"row": range(5), "image": image, "repetition": 0, "session": 1})
        write_rdms(stores[subject], parcels=[(1, 9, np.random.default_rng(subject).random(10), "")], trials=trials, attributes={"subject": subject, **known})
    with pytest.raises(ValueError, match=r"subjects 4 and 7 have 2 common trials at shift 0 \(2 images that both saw\), at least 4 are needed"):
        similarity(stores, 4, 7, shift=0)
    with RDMStore(stores[4]) as i, RDMStore(stores[7]) as j, pytest.raises(ValueError, match="shift: 3 is not possible, images are shown 3 times"):
        common_rows(i, j, 3)


def test_units_record_what_decides_the_result(stores, tmp_path):
    table = table_path(tmp_path, "toy", shift=1)
    unit = pair_unit(2, 9, stores, table, shift=1, device="cpu")
    assert unit.output == tmp_path / "toy" / "parts" / table.stem / "subject-02_subject-09.parquet"
    assert unit.options == {"subject_i": 2, "subject_j": 9, "shift": 1, "form": "full", "hemispheres": "joined", "rois": None}
    assert unit.inputs == (stores[2], stores[9]) and pair_unit(5, 5, stores, table, shift=1).inputs == (stores[5],)
    some = pair_unit(2, 9, stores, table, shift=1, rois=[3, 8])
    assert some.output.parent.name.startswith(f"{table.stem}_2-rois-") and some.output.name == unit.output.name


def test_published_names(tmp_path):
    names = {(shift, side): table_path(tmp_path, "nsd", shift=shift, hemispheres=side).name for shift in range(3) for side in ("joined", "separated")}
    assert names == {key: f"rsa_subject_subject_alignment_{text}.parquet" for key, text in {
        (0, "joined"): "joined_0", (0, "separated"): "separated_0", (1, "joined"): "shift_1_joined", (1, "separated"): "shift_1_separated",
        (2, "joined"): "shift_2_joined", (2, "separated"): "separated_2"}.items()}
    assert table_path(tmp_path, "nsd", shift=1, form="diagonal").name == "rsa_subject_subject_alignment_shift_1_joined_diagonal.parquet"
