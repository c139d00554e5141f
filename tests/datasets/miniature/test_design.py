"""The master ordering: who meets whom at a shift, and that drift alone does not look like agreement."""

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest

from convergence.alignment.trials import common_trials
from convergence.datasets.miniature.design import MOST_COUPLED, choose_ordering, relabelled_mean, repetitions_of, shifted_rows
from convergence.datasets.miniature.responses import draw_drift, drift_similarity

SIZES = dict(n_columns=30, n_shared=20, n_repetitions=3)


@pytest.fixture(scope="module")
def chosen():
    similarity = drift_similarity(draw_drift(30, 3, np.random.default_rng(0)))
    return similarity, *choose_ordering(similarity, [90, 60], np.random.default_rng(1), **SIZES)


def test_repetitions_count_earlier_presentations():
    ordering = np.array([2, 0, 2, 1, 0, 2])
    np.testing.assert_array_equal(repetitions_of(ordering), [0, 0, 1, 0, 1, 2])


def test_every_column_is_shown_equally_often(chosen):
    np.testing.assert_array_equal(np.bincount(chosen[1]), np.full(30, 3))


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_shifted_rows_are_those_of_the_analysis(chosen, shift):
    ordering, n_trials = chosen[1], {1: 90, 2: 60}
    planned = pd.DataFrame({"subject_index": np.arange(90), "image": ordering, "session": 1, "shared": ordering < 20,
                            "repetition": repetitions_of(ordering)})
    trials = pd.concat([planned.assign(subject=subject, exists=np.arange(90) < n) for subject, n in n_trials.items()])
    for i, j in ((1, 2), (2, 1), (1, 1)):
        expected = common_trials(trials, i, j, shift)
        found = shifted_rows(ordering, n_trials[i], n_trials[j], shift=shift, n_shared=20)
        np.testing.assert_array_equal(np.transpose(found), expected[["subject_index_i", "subject_index_j"]])


def test_drift_is_uncoupled_in_every_pair(chosen):
    similarity, ordering, coupling = chosen
    found = []
    for pair in ((90, 60), (60, 90)):
        i, j = shifted_rows(ordering, *pair, shift=1, n_shared=20)
        above = np.triu_indices(len(i), 1)
        found.append(abs(np.corrcoef(similarity[np.ix_(i, i)][above], similarity[np.ix_(j, j)][above])[0, 1]))
    assert max(found) == pytest.approx(coupling) and coupling <= MOST_COUPLED


def test_mean_over_relabellings_equals_enumeration():
    image = np.array([4, 1, 6, 4, 1, 2, 6, 6, 4, 2])             # 4 and 6 have three rows, 1 and 2 have two
    values = np.random.default_rng(5).standard_normal((10, 10))
    values += values.T
    rows_of = {i: np.flatnonzero(image == i) for i in (1, 2, 4, 6)}
    total, count = np.zeros((10, 10)), 0
    for few, many in product(permutations((1, 2)), permutations((4, 6))):
        order = np.empty(10, dtype=int)
        for i, j in zip((1, 2, 4, 6), (*few, *many)):
            order[rows_of[i]] = rows_of[j]
        total, count = total + values[np.ix_(order, order)], count + 1
    off_diagonal = ~np.eye(10, dtype=bool)
    np.testing.assert_allclose(relabelled_mean(values, image)[off_diagonal], (total / count)[off_diagonal], atol=1e-12)


def test_no_ordering_is_good_enough():
    similarity = drift_similarity(draw_drift(6, 2, np.random.default_rng(0)))
    sizes = dict(n_columns=4, n_shared=4, n_repetitions=3)
    with pytest.raises(ValueError, match="n_orderings: in none of 1 orderings drawn .* by 0.02 or less .*; draw more, or share"):
        choose_ordering(similarity, [12, 12], np.random.default_rng(0), **sizes, n_orderings=1)
