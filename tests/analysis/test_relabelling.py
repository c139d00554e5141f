"""Relabellings stay within what the table allows, are uniform, and depend on the seed and the structure only."""

from collections import Counter

import numpy as np
import pytest
from relabelled import all_relabellings

from convergence.analysis.relabelling import draw_images, draw_published, draw_relabellings, image_strata, rows_of


@pytest.mark.parametrize("images", [np.arange(4), np.array([5, 5, 2, 2, 9, 9]), np.array(list("xyxzyzz")),
                                    np.array([3, 3, 7, 1, 1, 2])])
def test_all_allowed_relabellings_are_drawn_equally_often(images):
    allowed = {tuple(order) for order in all_relabellings(images)}
    found = Counter(map(tuple, draw_relabellings(len(images), 4000, seed=1, blocks=images)))
    assert set(found) == allowed
    expected = 4000 / len(allowed)
    assert all(abs(count - expected) < 5 * expected ** 0.5 for count in found.values())


def test_draws_do_not_depend_on_how_many_are_asked_for_or_on_the_blocks_of_drawing():
    images = np.r_[0:5, 0:5, 3:9]
    many = draw_relabellings(16, 700, seed=(4, 2), blocks=images)
    np.testing.assert_array_equal(draw_relabellings(16, 300, seed=(4, 2), blocks=images), many[:300])
    strata = image_strata(images)
    np.testing.assert_array_equal(np.concatenate([rows_of(part, strata) for part in draw_images(strata, 700, (4, 2), size=9)]),
                                  many)
    assert (draw_relabellings(16, 700, seed=(4, 3), blocks=images) != many).any()


def test_equal_structure_gets_equal_relabellings():
    one, other = np.array([10, 40, 40, 20, 10, 30]), np.array(list("bxxcbd"))
    np.testing.assert_array_equal(draw_relabellings(6, 50, blocks=other[[0, 1, 2, 3, 4, 5]]),
                                  draw_relabellings(6, 50, blocks=np.array(
        [{10: 0, 40: 3, 20: 1, 30: 2}[image] for image in one])))


def test_images_of_two_tables_change_places_together():
    first, second = np.array([8, 8, 3, 3, 5, 6, 6]), np.array([6, 3, 8, 5, 5, 1])
    strata = image_strata(first, second)
    assert [[rows.tolist() for rows in stratum] for stratum in strata] == [[[[]], [[5]]], [[[4]], [[3, 4]]],
                                                                           [[[2, 3], [5, 6], [0, 1]], [[1], [0], [2]]]]
    images = np.concatenate(list(draw_images(strata, 60, 0)))
    one, two = (rows_of(images, strata, table) for table in (0, 1))
    assert one.shape == (60, 7) and two.shape == (60, 6)
    for p, q in zip(one, two):
        becomes = dict(zip(first.tolist(), first[p].tolist()))
        assert all(becomes.get(image, image) == other for image, other in zip(second.tolist(), second[q].tolist()))
    assert len({tuple(p) for p in one}) == 6 and (two[:, 3:] == [3, 4, 5]).all()


def test_rows_stay_within_their_labels():
    """a and c were seen in sessions 1, 2; b in 2, 1; d and e once, in session 3: {a, c} and {d, e} change places."""
    images, sessions = np.array(list("abcabcde")), np.array([1, 2, 1, 2, 1, 2, 3, 3])
    drawn = draw_relabellings(8, 200, seed=2, blocks=images, within=sessions)
    assert (sessions[drawn] == sessions).all()
    assert {tuple(images[p]) for p in drawn} == {tuple(word) for word in ("abcabcde", "cbacbade", "abcabced", "cbacbaed")}
    without = draw_relabellings(8, 200, seed=2, blocks=images)
    assert len({tuple(images[p]) for p in without}) == 12
    tables = image_strata(images, np.array(list("edcba")), within=[sessions, np.array([1, 1, 2, 2, 2])])
    assert sorted(len(stratum[0]) for stratum in tables) == [1, 2, 2]


def test_the_published_list_serves_every_table():
    """A table of 5 trials takes the entries below 5 of the permutations of 9, in their order."""
    large, small = (np.concatenate(list(draw_published(n, 700, 3, 9))) for n in (9, 5))
    assert (np.sort(large, axis=1) == np.arange(9)).all() and small.shape == (700, 5)
    np.testing.assert_array_equal(small, [[x for x in row if x < 5] for row in large])
    np.testing.assert_array_equal(np.concatenate(list(draw_published(5, 700, 3, 9, size=33))), small)
    with pytest.raises(ValueError, match="draw_published: the table has 10 trials, the list of permutations only 9"):
        list(draw_published(10, 2, 0, 9))


@pytest.mark.parametrize("arguments, message", [
    (dict(n=1, n_permutations=5), "draw_relabellings: n=1; expected a whole number, at least 2"),
    (dict(n=5, n_permutations=2.5), "draw_relabellings: n_permutations=2.5; expected a whole number, at least 1"),
    (dict(n=5, n_permutations=2, within=[1, 2]), "draw_relabellings: within has 2 entries, the RDMs have 5 stimuli"),
    (dict(n=5, n_permutations=2, within=[1, 2, 3, 4, 5]),
     "draw_relabellings: no two of 5 images have equally many rows with the same labels of within"),
    (dict(n=5, n_permutations=2, blocks=[1, 2]), "draw_relabellings: blocks has 2 entries, the RDMs have 5 stimuli"),
    (dict(n=5, n_permutations=2, blocks=[1, 2, 2, 1, 1]),
     "draw_relabellings: blocks has 2 images with 2, 3 rows each: no two images")])
def test_messages(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_relabellings(**arguments)
