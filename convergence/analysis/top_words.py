"""Which words go with which end of a dimension: captions of images against the images' coordinates.

    words, present = word_presence(captions, least=10)      # captions: a text per image; present: (n_images, n_words) bool
    top_words(scores, present, words)                       # dimension, rank, sign, word, n_images, effect, t, p, p_fdr

Words are lemmas (simplemma: "dogs" is "dog"), without scikit-learn's English stop words; a word is in an image's captions or
not, however often.
"""

import re

import numpy as np
import pandas as pd

from convergence.analysis import validation
from convergence.analysis.inference import fdr

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def lemmas(text):
    """The set of lemmas in an English text; "'s", stop words and single letters left out."""
    import simplemma
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    spoken = (word.removesuffix("'s") for word in _WORD.findall(text.lower().replace("’", "'")))
    found = (simplemma.lemmatize(word, lang="en").lower() for word in spoken if word not in ENGLISH_STOP_WORDS)
    return {word for word in found if len(word) > 1 and word not in ENGLISH_STOP_WORDS}


def word_presence(captions, *, least=10):
    """Which words stand in which images' captions.

    Parameters
    ----------
    captions : sequence of str
        One text per image.
    least : int
        Words in fewer images are left out, and those in all but fewer.

    Returns
    -------
    words : list of str, sorted
    present : (n_images, n_words) bool

    Raises
    ------
    ValueError
        No word is in that many images.
    """
    least = validation.whole_number("word_presence", "least", least, at_least=2)
    found = [lemmas(text) for text in captions]
    counts = pd.Series([word for words in found for word in words], dtype=object).value_counts()
    words = sorted(counts.index[(counts >= least) & (len(found) - counts >= least)])
    if not words:
        raise ValueError(f"word_presence: no word is in {least} of {len(found)} images and lacking in {least}; the most "
                         "frequent is in "
                         f"{counts.max() if len(counts) else 0}; lower `least`, or give more captions")
    return words, np.array([[word in own for word in words] for own in found])


def top_words(scores, present, words):
    """Every word's difference between the images that have it and those that have not, along every dimension.

    Parameters
    ----------
    scores : (n_images, n_dimensions) array
    present : (n_images, n_words) bool
    words : list of str

    Returns
    -------
    DataFrame
        dimension (from 1), sign (1: its images lie at the positive end), rank (from 1 within dimension and sign, by the size of
        t), word, n_images, effect (difference of mean z-scores, with minus without), t and p (Welch, two-sided), p_fdr
        (Benjamini-Hochberg within the dimension); sorted by dimension, sign (positive first) and rank.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN, a word in fewer than two images or in all but fewer.

    Notes
    -----
    Welch (1947), Biometrika 34:28-35. Images count as independent.

    Examples
    --------
    >>> scores = np.array([[0.9], [1.1], [1.0], [-1.0], [-0.8], [-1.2]])
    >>> present = np.array([[1, 0], [1, 1], [1, 0], [0, 1], [0, 1], [0, 0]], bool)
    >>> top_words(scores, present, ["dog", "car"])[["sign", "rank", "word", "n_images"]].to_string(index=False).splitlines()
    [' sign  rank word  n_images', '    1     1  dog         3', '   -1     1  car         3']
    """
    scores, present = np.asarray(scores, np.float64), np.asarray(present)
    if scores.ndim != 2 or present.shape != (len(scores), len(words)) or present.dtype != bool:
        raise ValueError(f"top_words: scores has shape {scores.shape}, present {present.shape} of {present.dtype}, and there "
                         f"are {len(words)} words; "
                         "expected (n_images, n_dimensions) and (n_images, n_words) bool")
    validation.finite("top_words", "scores", scores, what="images", remedy="leave these images out")
    n = present.sum(0)
    rare = [word for word, count in zip(words, n) if min(count, len(scores) - count) < 2]
    if rare:
        raise ValueError(f"top_words: {', '.join(rare[:6])}: in fewer than two images, or lacking in fewer than two; leave "
                         "such words out")
    effect, t, p = _welch((scores - scores.mean(0)) / scores.std(0), present)
    frames = [pd.DataFrame({"dimension": k + 1, "sign": np.where(t[k] < 0, -1, 1), "word": words, "n_images": n,
                            "effect": effect[k], "t": t[k],
                            "p": p[k], "p_fdr": fdr(p[k])}) for k in range(len(t))]
    table = pd.concat(frames).assign(size=lambda frame: frame["t"].abs())
    table = table.sort_values(["dimension", "sign", "size", "word"], ascending=[True, False, False, True], ignore_index=True)
    table.insert(1, "rank", table.groupby(["dimension", "sign"]).cumcount() + 1)
    return table.drop(columns="size")


def _welch(z, present):
    """effect, t, p, each (n_dimensions, n_words)."""
    from scipy.stats import t as student

    means, errors, n = [], [], []
    for rows in (present, ~present):
        n.append(rows.sum(0))
        mean = z.T @ rows / n[-1]
        variance = np.maximum((z ** 2).T @ rows / n[-1] - mean ** 2, 0) * n[-1] / (n[-1] - 1)
        means.append(mean)
        errors.append(variance / n[-1])
    effect, error = means[0] - means[1], np.maximum(errors[0] + errors[1], 1e-300)
    t = effect / np.sqrt(error)
    freedom = error ** 2 / np.maximum(errors[0] ** 2 / (n[0] - 1) + errors[1] ** 2 / (n[1] - 1), 1e-300)
    return effect, t, 2 * student.sf(np.abs(t), np.maximum(freedom, 1))
