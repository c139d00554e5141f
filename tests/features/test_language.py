"""Hidden states of language networks against transformers run by hand, one caption at a time, without padding."""

import json

import numpy as np
import pandas
import pytest
import torch
import transformers
from fake_dataset import CAPTIONS, IDS, write_seven_pictures
from tiny_language import CONFIGS, SPREAD, kind_of, tiny_folder

from convergence.features import language
from convergence.features.extraction import language_source
from convergence.features.language_forward import LanguageForward
from convergence.features.pictures import BatchSize
from convergence.features.store import open_features

ROUNDING = 2e-5                         # of activations around 1, in three blocks of large random weights


def by_hand(source, captions, kind=transformers.AutoModel, first=0):
    """(n_captions, n_layers, dim): each caption alone; the mean begins with token number `first`."""
    model, tokenizer = kind.from_pretrained(source).float().eval(), transformers.AutoTokenizer.from_pretrained(source)
    with torch.no_grad():
        states = [model(tokenizer(caption, return_tensors="pt")["input_ids"], output_hidden_states=True).hidden_states
                  for caption in captions]
    return np.array([[layer[0, first:].mean(0).numpy() for layer in caption] for caption in states])


def layers_of(network, captions=CAPTIONS, batch_size=4, pool="avg", **options):
    """(n_captions, n_layers, dim), and the scalars as (n_captions, n_scalars)."""
    size = BatchSize(batch_size)
    forward = LanguageForward(network, pool=pool, size=size, device="cpu", **options)
    found = language.activations(forward, network, captions, size)
    n = network.n_blocks + 1
    return np.stack(found[:n], axis=1), np.hstack(found[n:]) if found[n:] else None


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """tiny(family) -> a folder with such a network."""
    made, folder = {}, tmp_path_factory.mktemp("tiny")

    def tiny(family):
        if family not in made:
            made[family] = tiny_folder(folder / family, family)
        return made[family]
    return tiny


@pytest.fixture
def seven(tmp_path):
    return write_seven_pictures(tmp_path / "seven")


def test_minilm_equals_transformers_by_hand(seven, tmp_path):
    network = language.load_network("minilm")
    language.write(tmp_path / "a.h5", seven, network, device="cpu", batch_size=3)
    expected = by_hand(language_source("minilm")[1], CAPTIONS)
    with open_features(tmp_path / "a.h5", "seven") as file:
        assert file.ids.tolist() == IDS and file.dims() == [384] * 7 and file.scalar_names == []
        assert file.layer_names == ["embeddings", *(f"block.{k}" for k in range(6))]
        for index in range(file.n_layers):
            np.testing.assert_allclose(file.layer(index), expected[:, index], atol=1e-5)
        np.testing.assert_array_equal(file.layer(6, [14]), file.layer(6)[[3]])
        known = file.attributes
        with pytest.raises(ValueError, match="scalar 'loss' does not exist; it has none: only language networks that predict"):
            file.scalar("loss")
    assert (known["model"], known["modality"], known["family"], known["pool"]) == ("minilm", "language", "bert", "avg")
    assert (known["seed"], known["untrained"], known["num_parameters"]) == (-1, False, 22_713_216)
    assert known["revision"] == "model.safetensors (90868376 bytes)"
    transform = json.loads(known["transform"])
    assert transform.pop("tokenizer") and transform == {"padding": "right", "special_tokens": True, "truncation": False, "captions":
                                                        "the captions of seven", "exclude_bos": False, "adds_bos": False}


def test_minilm_is_trained_it_knows_what_means_the_same():
    network = language.load_network("minilm")
    found, _ = layers_of(network, ["A man rides a horse.", "Somebody on horseback", "A plate of pasta with basil"])
    same, other = np.corrcoef(found[:, -1])[0, 1:]
    assert same > 0.5 > 0.3 > other


@pytest.mark.parametrize("family", CONFIGS)
def test_rows_are_those_of_a_caption_alone_whatever_the_batch(tiny, family):
    network = language.load_network(str(tiny(family)))
    assert network.name == family and network.family == family and network.causal == (family != "bert")
    expected = by_hand(tiny(family), CAPTIONS, kind_of(family))
    assert expected.shape[1] == 4 and np.abs(np.diff(expected, axis=1)).max(axis=(0, 2)).min() > 0.1         # layers differ
    for batch_size in (1, 2, 7):
        found, _ = layers_of(network, batch_size=batch_size)
        np.testing.assert_allclose(found, expected, atol=ROUNDING)                  # the order of CAPTIONS, not of their lengths
    turned, _ = layers_of(network, CAPTIONS[::-1], batch_size=3)
    np.testing.assert_allclose(turned[::-1], expected, atol=ROUNDING)


@pytest.mark.parametrize("family", ["llama", "gemma2", "bloom"])
def test_padding_on_the_left_as_published_gives_the_same(tmp_path, family):
    folder = tiny_folder(tmp_path / "left", family, padding_side="left")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = "</s>"
    batch = tokenizer(CAPTIONS, padding=True, return_tensors="pt")
    mask = batch["attention_mask"]
    assert tokenizer.padding_side == "left" and mask[2].tolist() == [0] * (mask.shape[1] - 1 - (family != "bloom")) + \
        [1] * (1 + (family != "bloom"))
    positions = {} if family == "bloom" else {"position_ids": (mask.cumsum(1) - 1).clip(min=0)}
    model = kind_of(family).from_pretrained(folder).eval()
    with torch.no_grad():
        states = model(input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=True, **positions).hidden_states
    expected = torch.stack([(state * mask[..., None]).sum(1) / mask.sum(1, keepdim=True) for state in states], dim=1)
    found, _ = layers_of(language.load_network(str(folder)), batch_size=7)
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


@pytest.mark.parametrize("family, adds", [("llama", True), ("gemma2", True), ("bloom", False), ("bert", False)])
def test_the_token_that_begins_a_text_can_be_left_out(tiny, family, adds):
    network = language.load_network(str(tiny(family)))
    assert network.bos == (1 if adds else None)
    expected = by_hand(tiny(family), CAPTIONS, kind_of(family), first=int(adds))
    found, scalars = layers_of(network, exclude_bos=True)
    np.testing.assert_allclose(found, expected, atol=ROUNDING)
    with_bos, same_scalars = layers_of(network)
    assert (np.abs(with_bos - found).max() > 0.05) == adds
    np.testing.assert_array_equal(scalars, same_scalars)                        # the loss does not depend on what is pooled


def test_last_and_cls(tiny):
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny("llama"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny("llama"))
    with torch.no_grad():
        texts = [tokenizer(caption, return_tensors="pt")["input_ids"] for caption in CAPTIONS]
        last = [model(text, output_hidden_states=True).hidden_states[2][0, -1].numpy() for text in texts]
    network = language.load_network(str(tiny("llama")))
    np.testing.assert_allclose(layers_of(network, pool="last")[0][:, 2], last, atol=ROUNDING)
    with pytest.raises(ValueError, match=r"model 'llama': its tokenizer puts no \[CLS\] token before a text; use --pool avg, or "
                                         "last"):
        layers_of(network, pool="cls")
    with pytest.raises(ValueError, match="pool: 'mean' is not one of 'avg', 'last', 'cls'"):
        layers_of(network, pool="mean")
    encoder = language.load_network(str(tiny("bert")))
    bert, tokenizer = (kind.from_pretrained(tiny("bert")) for kind in (transformers.AutoModel, transformers.AutoTokenizer))
    with torch.no_grad():
        expected = bert.eval()(tokenizer(CAPTIONS[1], return_tensors="pt")["input_ids"]).last_hidden_state[0, 0]
    np.testing.assert_allclose(layers_of(encoder, pool="cls")[0][1, 3], expected, atol=ROUNDING)


@pytest.mark.parametrize("family", CONFIGS)
def test_final_norm_against_hooks(tiny, family):
    network = language.load_network(str(tiny(family)))
    module, tokenizer = network.module, network.tokenizer
    blocks = next(part for part in module.modules() if isinstance(part, torch.nn.ModuleList))
    norm = {"llama": "model.norm", "gemma2": "model.norm", "bloom": "transformer.ln_f", "gpt2": "transformer.ln_f",
            "bert": None}[family]
    assert network.final_norm == norm
    seen = []
    handle = blocks[-1].register_forward_hook(
        lambda part, inputs, output: seen.append(output[0] if isinstance(output, tuple) else output))
    with torch.no_grad():
        for caption in CAPTIONS:
            module(torch.tensor([tokenizer(caption)["input_ids"]]))
        after = [module.get_submodule(norm)(states) if norm else states for states in seen]
    handle.remove()
    dropped, kept = (np.array([states[0].mean(0).numpy() for states in found]) for found in (seen, after))
    np.testing.assert_allclose(layers_of(network, final_norm="drop")[0][:, -1], dropped, atol=ROUNDING)
    np.testing.assert_allclose(layers_of(network, final_norm="keep")[0][:, -1], kept, atol=ROUNDING)
    np.testing.assert_array_equal(layers_of(network, final_norm="drop")[0][:, :-1], layers_of(network)[0][:, :-1])
    names = ["embeddings", "block.0", "block.1"]
    assert network.layer_names("drop") == [*names, "block.2"]
    assert network.layer_names("keep") == [*names, "block.2.final_norm" if norm else "block.2"]
    assert (np.abs(kept - dropped).max() > 0.01) == (norm is not None)
    with pytest.raises(ValueError, match="final_norm: 'off' is not one of 'keep', 'drop'"):
        layers_of(network, final_norm="off")


@pytest.mark.parametrize("family", ["llama", "bloom", "gemma2"])
def test_loss_and_bits_per_byte_by_hand(tiny, family):
    network = language.load_network(str(tiny(family)))
    captions = ["A dog on a beach.", "snow; a hill", "hügel", "two people ride bicycles in the rain"]
    _, found = layers_of(network, captions, batch_size=3)
    for caption, (loss, bits) in zip(captions, found):
        ids = network.tokenizer(caption)["input_ids"]
        with torch.no_grad():
            logits = network.module(torch.tensor([ids])).logits[0].double()
        chances = (logits - logits.logsumexp(1, keepdim=True))[:-1]
        nats = [-float(chances[k, token]) for k, token in enumerate(ids[1:])]
        if not nats:                                                            # BLOOM's one word predicts nothing
            assert family == "bloom" and caption == "hügel" and np.isnan([loss, bits]).all()
            continue
        assert loss == pytest.approx(np.mean(nats), rel=1e-5)
        assert bits == pytest.approx(sum(nats) / np.log(2) / len(caption.encode("utf-8")), rel=1e-5)
    if family == "llama":
        with torch.no_grad():
            ids = torch.tensor([network.tokenizer(captions[0])["input_ids"]])
            assert float(network.module(ids, labels=ids).loss) == pytest.approx(found[0, 0], rel=1e-5)


@pytest.mark.parametrize("family", ["llama", "bloom", "bert"])
def test_half_precision_is_pooled_in_float32(tiny, family):
    network = language.load_network(str(tiny(family)), dtype="bfloat16")
    assert network.dtype == "bfloat16" and next(network.module.parameters()).dtype == torch.bfloat16
    long = " ".join(["one two three four five six seven eight nine"] * 3)
    found, _ = layers_of(network, [long, CAPTIONS[0]])
    with torch.no_grad():
        states = network.module(torch.tensor([network.tokenizer(long)["input_ids"]]), output_hidden_states=True).hidden_states
    exact = np.array([state[0].double().mean(0).numpy() for state in states])
    rounded = np.array([state[0].mean(0).float().numpy() for state in states])  # as published: the mean itself in bfloat16
    assert np.abs(found[0, 0] - exact[0]).max() < 1e-6 < 1e-4 < np.abs(rounded[0] - exact[0]).max()
    whole, _ = layers_of(language.load_network(str(tiny(family))), [long, CAPTIONS[0]])
    error = np.linalg.norm(found - whole) / np.linalg.norm(whole)
    assert 1e-4 < error < 3e-2


def test_precision(monkeypatch):
    assert language.precision("auto", "cpu") == "float32" and language.precision("float16", "cpu") == "float16"
    with pytest.raises(ValueError, match="dtype: 'half' is not one of 'auto', 'float32', 'bfloat16', 'float16'"):
        language.precision("half", "cpu")
    monkeypatch.setattr(language, "resolve", torch.device)
    for capability, expected in (((9, 0), "bfloat16"), ((7, 0), "float32")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda where, capability=capability: capability)
        assert language.precision("auto", "cuda:0") == expected


def test_the_head_of_a_causal_network_counts(tiny):
    whole = transformers.AutoModelForCausalLM.from_pretrained(tiny("llama"))
    assert language.load_network(str(tiny("llama"))).num_parameters == sum(p.numel() for p in whole.parameters()) == \
        sum(p.numel() for p in whole.base_model.parameters()) + 48 * 24


def test_random_weights_follow_their_seed_and_leave_the_generator_alone(tiny):
    before = torch.random.get_rng_state()
    first, again, other = (language.load_network(str(tiny("llama")), seed=seed) for seed in (3, 3, 4))
    weights = [network.module.model.layers[1].mlp.up_proj.weight for network in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    trained = language.load_network(str(tiny("llama"))).module.model.layers[1].mlp.up_proj.weight
    assert not torch.equal(weights[0], trained) and (first.revision, first.seed) == ("random", 3)
    assert weights[0].std().item() == pytest.approx(SPREAD, rel=0.1)
    half = language.load_network(str(tiny("llama")), seed=3, dtype="bfloat16").module.model.layers[1].mlp.up_proj.weight
    assert torch.equal(half, weights[0].bfloat16())                             # the same numbers, rounded
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_configuration_can_be_overridden(tiny):
    network = language.load_network(str(tiny("llama")), num_hidden_layers=2)
    assert network.layer_names() == ["embeddings", "block.0", "block.1.final_norm"]
    with pytest.raises(ValueError, match="kwargs: its configuration does not know n_blocks"):
        language.load_network(str(tiny("llama")), n_blocks=2)


def test_captions_that_cannot_be_used_are_named(seven, tiny, tmp_path):
    network = language.load_network(str(tiny("llama")))
    captions = pandas.read_csv(seven.root / "captions.csv", index_col="seven_id")
    captions.loc[20, "caption"] = "one " * 32                                   # and the token that begins it
    captions.loc[2, "caption"] = " "
    captions.drop(index=31).to_csv(seven.root / "captions.csv")
    with pytest.raises(ValueError, match=r"3 of 7 captions of the dataset 'seven' cannot be used: the caption of seven_id 2 \(row "
                                         r"0 of the captions of seven\) is empty; seven_id 31 has no row in the captions of "
                                         "seven; the "
                                         r"caption of seven_id 20 has 33 tokens, llama takes 1 to 32\. Mend them, or leave those "
                                         r"images out of the file with --skip-bad"):
        language.write(tmp_path / "a.h5", seven, network, device="cpu")
    language.write(tmp_path / "a.h5", seven, network, device="cpu", skip_bad=True)
    with open_features(tmp_path / "a.h5") as file:
        assert file.ids.tolist() == [9, 14, 5, 3] and set(file.absent) == {2, 31, 20}
        with pytest.raises(ValueError, match=r"left out with --skip-bad: 20 \(the caption of seven_id 20 has 33 tokens"):
            file.layer(0, [20])


def test_loss_stands_in_the_file_by_image(seven, tiny, tmp_path):
    network = language.load_network(str(tiny("bloom")))
    language.write(tmp_path / "a.h5", seven, network, device="cpu", batch_size=2)
    _, expected = layers_of(network)
    with open_features(tmp_path / "a.h5") as file:
        assert file.scalar_names == ["bits_per_byte", "loss"] and file.n_layers == 4
        np.testing.assert_allclose(file.scalar("loss"), expected[:, 0], rtol=1e-5)
        np.testing.assert_allclose(file.scalar("bits_per_byte", [5, 9]), expected[[4, 0], 1], rtol=1e-5)
        assert np.isnan(file.scalar("loss", [31]))                              # "x"
        with pytest.raises(ValueError, match=r"a\.h5: scalar 'bpb' does not exist; it has bits_per_byte, loss"):
            file.scalar("bpb")


@pytest.mark.parametrize("value, found", [(np.nan, "are NaN or infinite"), (np.inf, "are NaN or infinite")])
def test_activations_that_are_not_finite_stop_the_network(seven, tiny, tmp_path, value, found):
    network = language.load_network(str(tiny("llama")))
    word = network.tokenizer("bowl")["input_ids"][1]                            # in the captions of 14 and 20
    with torch.no_grad():
        network.module.model.embed_tokens.weight[word] = value
    with pytest.raises(ValueError, match=rf"layer 0 \(embeddings\): the activations of row 3, seven_id 14, {found}; llama was "
                                         "stopped"):
        language.write(tmp_path / "a.h5", seven, network, device="cpu")


def test_storage_is_half_only_where_it_is_safe(seven, tiny, tmp_path):
    network = language.load_network(str(tiny("llama")), dtype="bfloat16")
    with torch.no_grad():
        network.module.model.embed_tokens.weight[network.tokenizer("bowl")["input_ids"][1], 5] = 2e5
    language.write(tmp_path / "a.h5", seven, network, device="cpu", storage="auto")
    with open_features(tmp_path / "a.h5") as file:
        assert file.stored == ["float32"] * 3 + ["float16"] and np.abs(file.layer(0)).max() > 3e4
        assert file.attributes["dtype"] == "bfloat16" and np.isfinite(file.layer(3)).all()
    network.module.model.embed_tokens.weight.data[network.tokenizer("bowl")["input_ids"][1], 5] = 4.5e5
    with pytest.raises(ValueError, match=r"layer 0 \(embeddings\): .* seven_id 14, reach .*beyond float16; .*use --dtype bfloat16 "
                                         "or "
                                         "float32"):
        language.write(tmp_path / "b.h5", seven, network, device="cpu", storage="float16")
