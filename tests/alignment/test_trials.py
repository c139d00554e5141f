"""Joins by hand: subjects 2, 5 and 7, images 10, 20, 30 shown three times to all, image 99 not shared, session 2 of subject 5 missing."""

import itertools

import pandas
import pytest

from convergence.alignment.trials import common_trials, repetition_codes, session_trials, sessions, shared_trials

# (image, repetition) at trial numbers 0, 1, 2, ...; sessions have five trials
SHOWN = {
    2: [(20, 0), (10, 0), (99, 0), (20, 1), (30, 0), (10, 1), (10, 2), (20, 2), (30, 1), (30, 2)],
    5: [(20, 0), (10, 0), (20, 1), (10, 1), (30, 0), (10, 2), (99, 0), (20, 2), (30, 1), (30, 2)],
    7: [(30, 0), (99, 0), (10, 0), (10, 1), (30, 1), (10, 2), (30, 2), (20, 0), (20, 1), (20, 2)],
}


@pytest.fixture
def trials():
    rows = [(subject, index, 1 + index // 5, image, repetition, image != 99, not (subject == 5 and index >= 5))
            for subject, shown in SHOWN.items() for index, (image, repetition) in enumerate(shown)]
    table = pandas.DataFrame(rows, columns=["subject", "subject_index", "session", "image", "repetition", "shared", "exists"])
    return table.sample(frac=1, random_state=3)                                     # a table's own order must not matter


def rows(table):
    return [tuple(int(value) for value in row[:5]) for row in table.itertuples(index=False)]


def test_shared_trials_are_in_order_of_presentation_and_exist(trials):
    assert shared_trials(trials, 7)["subject_index"].tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert rows(shared_trials(trials, 5)) == [(0, 20, 0, 1), (1, 10, 0, 1), (2, 20, 1, 1), (3, 10, 1, 1), (4, 30, 0, 1)]


def test_session_trials_include_images_that_are_not_shared(trials):
    assert session_trials(trials, 2, 1)["image"].tolist() == [20, 10, 99, 20, 30]
    assert session_trials(trials, 5, 2).empty
    assert sessions(trials, 5) == [1] and sessions(trials, 7) == [1, 2]


@pytest.mark.parametrize("shift, expected", [
    # image, repetition of 2, repetition of 7, row of 2, row of 7: written down by hand from SHOWN
    (0, [(20, 0, 0, 0, 7), (10, 0, 0, 1, 2), (20, 1, 1, 3, 8), (30, 0, 0, 4, 0), (10, 1, 1, 5, 3), (10, 2, 2, 6, 5), (20, 2, 2, 7, 9), (30, 1, 1, 8, 4),
         (30, 2, 2, 9, 6)]),
    (1, [(20, 0, 2, 0, 9), (10, 0, 2, 1, 5), (20, 1, 0, 3, 7), (30, 0, 2, 4, 6), (10, 1, 0, 5, 2), (10, 2, 1, 6, 3), (20, 2, 1, 7, 8), (30, 1, 0, 8, 0),
         (30, 2, 1, 9, 4)]),
    (2, [(20, 0, 1, 0, 8), (10, 0, 1, 1, 3), (20, 1, 2, 3, 9), (30, 0, 1, 4, 4), (10, 1, 2, 5, 5), (10, 2, 0, 6, 2), (20, 2, 0, 7, 7), (30, 1, 2, 8, 6),
         (30, 2, 0, 9, 0)])])
def test_common_trials_by_hand(trials, shift, expected):
    assert rows(common_trials(trials, 2, 7, shift)) == expected


@pytest.mark.parametrize("shift, expected", [
    (0, [(20, 0, 0, 0, 0), (10, 0, 0, 1, 1), (20, 1, 1, 3, 2), (30, 0, 0, 4, 4), (10, 1, 1, 5, 3)]),
    (1, [(20, 1, 0, 3, 0), (10, 1, 0, 5, 1), (10, 2, 1, 6, 3), (20, 2, 1, 7, 2), (30, 1, 0, 8, 4)]),
    (2, [(20, 0, 1, 0, 2), (10, 0, 1, 1, 3), (10, 2, 0, 6, 1), (20, 2, 0, 7, 0), (30, 2, 0, 9, 4)])])
def test_a_missing_session_removes_rows_and_changes_no_other(trials, shift, expected):
    assert rows(common_trials(trials, 2, 5, shift)) == expected


def test_a_subject_meets_itself_one_repetition_before(trials):
    pairs = common_trials(trials, 7, 7, 1)
    assert ((pairs["repetition_i"] - pairs["repetition_j"]) % 3 == 1).all() and len(pairs) == 9
    same = common_trials(trials, 7, 7, 0)
    assert (same["subject_index_i"] == same["subject_index_j"]).all()


def test_reversed_pairs_are_those_of_the_opposite_shift(trials):
    for i, j, shift in itertools.product(SHOWN, SHOWN, range(3)):
        there = common_trials(trials, i, j, shift)[["subject_index_i", "subject_index_j"]]
        back = common_trials(trials, j, i, -shift % 3)[["subject_index_j", "subject_index_i"]]
        assert sorted(rows(there)) == sorted(rows(back))


def test_the_number_of_repetitions_is_read_from_planned_trials(trials):
    assert repetition_codes(trials) == range(0, 3)
    later = trials.assign(repetition=trials["repetition"] + 1, exists=trials["repetition"] < 2)            # 1-based; nobody has the last one yet
    assert repetition_codes(later) == range(1, 4)
    pairs = common_trials(later, 2, 7, 1)
    assert set(map(tuple, pairs[["repetition_i", "repetition_j"]].to_numpy().tolist())) == {(2, 1)}         # (1, 3) and (3, 2) need the last one


def test_explained_errors(trials):
    with pytest.raises(ValueError, match=r"shift: 3 is not possible, images are shown 3 times; use 0, 1 or 2"):
        common_trials(trials, 2, 7, 3)
    with pytest.raises(ValueError, match=r"shift: 1 is not possible, images are shown 1 times; use 0$"):
        common_trials(trials[trials["repetition"] == 0], 2, 7, 1)
    with pytest.raises(ValueError, match=r"subject: 3 is not in the trials; there are 2, 5 or 7"):
        shared_trials(trials, 3)
    with pytest.raises(ValueError, match=r"no image is marked as shared"):
        common_trials(trials.assign(shared=False), 2, 7, 1)
    twice = trials.assign(repetition=trials["repetition"].where(trials["image"] != 30, 0))
    with pytest.raises(ValueError, match=r"subject 2 has 2 trials whose image and repetition occurred before, the first is image 30, repetition 0"):
        common_trials(twice, 2, 7, 0)
