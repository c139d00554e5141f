"""Hidden states of language networks against transformers run by hand, one caption at a time, without padding."""

import json

import numpy as np
import pandas
import pytest
import torch
import transformers
from fake_dataset import CAPTIONS, IDS, write_seven_pictures
from safetensors.torch import load_file, save_file

from convergence.features import language
from convergence.features.extraction import language_source
from convergence.features.store import open_features

SIZES = {"vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 32}
CONFIGS = {
    "llama": lambda: transformers.LlamaConfig(**SIZES, intermediate_size=48, num_key_value_heads=2),
    "gpt2": lambda: transformers.GPT2Config(vocab_size=40, n_embd=24, n_layer=3, n_head=4, n_positions=32),
    "bloom": lambda: transformers.BloomConfig(vocab_size=40, hidden_size=24, n_layer=3, n_head=4),
    "bert": lambda: transformers.BertConfig(**SIZES, intermediate_size=48),
}


def tiny_folder(folder, family, *, padding_side="right"):
    """Three blocks with random weights and a tokenizer of whole words without padding token, as save_pretrained writes them."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    words = sorted({word for caption in CAPTIONS for word in caption.replace(",", " ,").split()})
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(["[UNK]", *words[:38]])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", padding_side=padding_side)
    fast.save_pretrained(folder)
    torch.manual_seed(2)
    config = CONFIGS[family]()
    kind = transformers.AutoModel if family == "bert" else transformers.AutoModelForCausalLM
    kind.from_config(config).save_pretrained(folder)
    return folder


def by_hand(source, captions, kind=transformers.AutoModel):
    """(n_captions, n_layers, dim): each caption alone."""
    model, tokenizer = kind.from_pretrained(source).float().eval(), transformers.AutoTokenizer.from_pretrained(source)
    with torch.no_grad():
        states = [model(tokenizer(caption, return_tensors="pt")["input_ids"], output_hidden_states=True).hidden_states
                  for caption in captions]
    return np.array([[layer[0].mean(0).numpy() for layer in caption] for caption in states])


@pytest.fixture
def seven(tmp_path):
    return write_seven_pictures(tmp_path / "seven")


def test_minilm_equals_transformers_by_hand(seven, tmp_path):
    network = language.load_network("minilm")
    language.write(tmp_path / "a.h5", seven, network, device="cpu", batch_size=3)
    expected = by_hand(language_source("minilm")[1], CAPTIONS)
    with open_features(tmp_path / "a.h5", "seven") as file:
        assert file.ids.tolist() == IDS and file.dims() == [384] * 7
        assert file.layer_names == ["embeddings", *(f"block.{k}" for k in range(6))]
        for index in range(file.n_layers):
            np.testing.assert_allclose(file.layer(index), expected[:, index], atol=1e-5)
        np.testing.assert_array_equal(file.layer(6, [14]), file.layer(6)[[3]])
        known = file.attributes
    assert (known["model"], known["modality"], known["family"], known["pool"]) == ("minilm", "language", "bert", "avg")
    assert (known["seed"], known["untrained"], known["num_parameters"]) == (-1, False, 22_713_216)
    assert known["revision"] == "model.safetensors (90868376 bytes)" and json.loads(known["transform"])["padding"] == "right"


def test_minilm_is_trained_it_knows_what_means_the_same():
    network = language.load_network("minilm")
    captions = pandas.Series(["A man rides a horse.", "Somebody on horseback", "A plate of pasta with basil"])
    last = next(language.activations(network, captions, device="cpu"))[-1]
    same, other = np.corrcoef(last)[0, 1:]
    assert same > 0.5 > 0.3 > other


@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize("family", CONFIGS)
def test_padding_changes_nothing(tmp_path, family, padding_side):
    folder = tiny_folder(tmp_path / "tiny", family, padding_side=padding_side)
    network = language.load_network(str(folder))
    assert network.name == "tiny" and network.family == family and len(network.layer_names) == 4
    kind = transformers.AutoModel if family == "bert" else transformers.AutoModelForCausalLM
    expected = by_hand(folder, CAPTIONS, kind)
    found = next(language.activations(network, pandas.Series(CAPTIONS), device="cpu", batch_size=4))
    np.testing.assert_allclose(np.stack(found, axis=1), expected, atol=2e-6)
    assert np.abs(expected).max() > 0.01


def test_the_head_of_a_causal_network_counts(tmp_path):
    folder = tiny_folder(tmp_path / "tiny", "llama")
    whole = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert language.load_network(str(folder)).num_parameters == sum(p.numel() for p in whole.parameters()) == \
        sum(p.numel() for p in whole.base_model.parameters()) + 40 * 24


def test_windows_and_buckets_keep_the_order_of_the_captions(tmp_path, monkeypatch):
    network = language.load_network(str(tiny_folder(tmp_path / "tiny", "llama")))
    captions = pandas.Series(CAPTIONS, index=IDS)
    whole = next(language.activations(network, captions, device="cpu", batch_size=7))
    monkeypatch.setattr(language, "_WINDOW", 2)
    windows = list(language.activations(network, captions, device="cpu", batch_size=2))
    assert [len(window[0]) for window in windows] == [4, 3]
    for layer, parts in zip(whole, zip(*windows)):
        np.testing.assert_allclose(np.concatenate(parts), layer, atol=1e-6)


def test_random_weights_follow_their_seed_and_leave_the_generator_alone():
    before = torch.random.get_rng_state()
    first, again, other = (language.load_network("minilm", seed=seed) for seed in (3, 3, 4))
    weights = [network.module.encoder.layer[5].output.dense.weight for network in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    trained = language.load_network("minilm").module.encoder.layer[5].output.dense.weight
    assert not torch.equal(weights[0], trained) and (first.revision, first.seed) == ("random", 3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_captions_that_cannot_be_used_are_named(seven, tmp_path):
    network = language.load_network(str(tiny_folder(tmp_path / "tiny", "llama")))
    captions = pandas.read_csv(seven.root / "captions.csv", index_col="seven_id")
    captions.drop(index=[31, 20]).to_csv(seven.root / "captions.csv")
    with pytest.raises(ValueError, match=r"2 of 7 images of 'seven' have no caption: seven_id 31, 20; every image needs one"):
        language.write(tmp_path / "a.h5", seven, network)
    with pytest.raises(ValueError, match="the caption of image 5 has 0 tokens, tiny takes 1 to 32"):
        next(language.activations(network, pandas.Series(["one two", " "], index=[9, 5])))
    with pytest.raises(ValueError, match="the caption of image 9 has 33 tokens, tiny takes 1 to 32; mend that caption"):
        next(language.activations(network, pandas.Series(["one " * 33], index=[9])))


def test_what_cannot_be_loaded_says_why(tmp_path):
    with pytest.raises(ValueError, match=r"unknown model 'nobody/nothing', or no connection to the Hugging Face hub: check the "
                                         r"name \(<organisation>"):
        language.load_network("nobody/nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="model 'empty': .*/empty cannot be loaded: .*; expected a folder that save_pretrained"):
        language.load_network(str(tmp_path / "empty"))
    folder = tiny_folder(tmp_path / "tiny", "llama")
    state = load_file(folder / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"its weights lack 1 tensors, which would be random: .*layers\.1\.mlp\.up_proj\.weight"):
        language.load_network(str(folder))
    transformers.T5Config(**{"d_model": 8, "vocab_size": 40}, architectures=["T5Model"]).save_pretrained(folder)
    with pytest.raises(ValueError, match="it is an encoder-decoder; expected a causal network or an encoder"):
        language.load_network(str(folder))


def test_a_gated_model_says_what_to_do(monkeypatch):
    def refuse(source):
        raise OSError("You are trying to access a gated repo.\nMake sure to have access to it")
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", refuse)
    with pytest.raises(ValueError, match=r"'google/gemma-2-2b' is gated: accept its terms on huggingface\.co/google/gemma-2-2b, "
                                         r"then log in with `hf auth"):
        language.load_network("google/gemma-2-2b")
