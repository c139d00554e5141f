"""Words of captions along dimensions, against scipy's Welch test and statsmodels' FDR."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ttest_ind

from convergence.analysis.top_words import lemmas, top_words, word_presence

RNG = np.random.default_rng(3)
SCORES = RNG.standard_normal((90, 2)) * [0.03, 2] + [0, 5]
PRESENT = np.stack([SCORES[:, 0] + 0.02 * RNG.standard_normal(90) > 0.01, RNG.random(90) < 0.2, SCORES[:, 1] < 4,
                    RNG.random(90) < 0.7], axis=1)
WORDS = ["person", "tree", "cat", "table"]


def test_lemmas_are_counted_once_and_stop_words_never():
    assert lemmas("Two dogs and the dog's bowl, on a BEACH; the men’s children.") == {"dog", "bowl", "beach", "man", "child"}
    assert lemmas("") == set() and lemmas("it is of the 3 a") == set()


def test_presence_keeps_words_that_are_neither_rare_nor_everywhere():
    captions = ["a dog on grass", "dogs; dogs; grass", "grass with a car", "grass, cars and trees", "grass"]
    words, present = word_presence(captions, least=2)
    assert words == ["car", "dog"]
    assert present.T.astype(int).tolist() == [[0, 0, 1, 1, 0], [1, 1, 0, 0, 0]]
    with pytest.raises(ValueError, match="no word is in 3 of 5 images and lacking in 3; the most frequent is in 5; lower "
                                         "`least`"):
        word_presence(captions, least=3)


def test_statistics_are_those_of_scipy():
    table = top_words(SCORES, PRESENT, WORDS)
    assert len(table) == 2 * 4 and list(table)[:4] == ["dimension", "rank", "sign", "word"]
    z = (SCORES - SCORES.mean(0)) / SCORES.std(0)
    for dimension, own in table.groupby("dimension"):
        for row in own.itertuples():
            with_it = PRESENT[:, WORDS.index(row.word)]
            expected = ttest_ind(z[with_it, dimension - 1], z[~with_it, dimension - 1], equal_var=False)
            np.testing.assert_allclose((row.t, row.p), (expected.statistic, expected.pvalue), rtol=1e-9)
            assert row.effect == pytest.approx(z[with_it, dimension - 1].mean() - z[~with_it, dimension - 1].mean())
            assert row.n_images == with_it.sum() and row.sign == np.sign(row.t)
        np.testing.assert_allclose(own["p_fdr"], false_discovery_control(own["p"]))
        for _, end in own.groupby("sign"):
            assert end["rank"].tolist() == list(range(1, len(end) + 1)) and end["t"].abs().is_monotonic_decreasing
    first = table[table["rank"] == 1].set_index(["dimension", "sign"])["word"]
    assert first[1, 1] == "person" and first[2, -1] == "cat"


def test_what_cannot_be_tested_is_named():
    with pytest.raises(ValueError, match=r"top_words: scores has shape \(90, 2\), present \(89, 4\) of bool"):
        top_words(SCORES, PRESENT[1:], WORDS)
    with pytest.raises(ValueError, match="top_words: tree, table: in fewer than two images"):
        top_words(SCORES, PRESENT & [True, False, True, False], WORDS)
    spoilt = SCORES.copy()
    spoilt[4, 1] = np.nan
    with pytest.raises(ValueError, match="top_words: scores.*NaN.*leave these images out"):
        top_words(spoilt, PRESENT, WORDS)
