"""What is said when a language network cannot be loaded: gated, offline, unknown, without weights."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_language import tiny_folder

from convergence.features import language
from convergence.features.entries import read_models

MODELS = Path(__file__).resolve().parents[2] / "2_model_extraction" / "models.yml"
PAPER = [*(f"bigscience/bloomz-{size}" for size in ("560m", "1b1", "1b7", "3b", "7b1")),
         *(f"openlm-research/open_llama_{size}" for size in ("3b", "7b", "13b")), "huggyllama/llama-7b", "huggyllama/llama-13b",
         "meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-13b-hf", "meta-llama/Meta-Llama-3-8B", "meta-llama/Llama-3.1-8B",
         "google/gemma-2-2b", "google/gemma-2-9b"]


def told_by(error, monkeypatch, name="google/gemma-2-2b", cause=None):
    """The message when transformers answers with an error."""
    def refuse(*arguments, **options):
        raise error from cause
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", refuse)
    with pytest.raises(ValueError) as raised:
        language.load_network(name)
    return str(raised.value)


def test_models_yml_lists_the_papers_networks_in_repositories_that_load():
    assert [entry.name for entry in read_models(MODELS, "language")] == PAPER


def test_a_gated_model_says_what_to_accept_where_to_log_in_and_the_other_way(monkeypatch):
    error = OSError("You are trying to access a gated repo.\nMake sure to have access to it at https://huggingface.co/google/"
                    "gemma-2-2b.")
    told = told_by(error, monkeypatch)
    assert "model 'google/gemma-2-2b' is gated" in told and "accept them on huggingface.co/google/gemma-2-2b" in told
    assert "run `hf auth login` on this machine" in told and "as local_path in models.yml" in told
    told = told_by(OSError("We couldn't reach it"), monkeypatch, cause=RuntimeError("403 Client Error: Forbidden"))
    assert "is gated" in told


def test_offline_without_weights_names_the_network_and_both_ways_out():
    with pytest.raises(ValueError, match=r"model 'google/gemma-2-2b' is not on this machine, and the Hugging Face hub cannot be "
                                         r"reached from it\. .*connect to the internet and unset HF_HUB_OFFLINE; or run `hf "
                                         r"download google/gemma-2-2b --local-dir DIR` where there is a connection, and give "
                                         r"DIR as local_path"):
        language.load_network("google/gemma-2-2b")


def test_original_llama_2_is_sent_to_its_hf_repository():
    with pytest.raises(ValueError, match=r"'meta-llama/Llama-2-13b': its repository holds no model of transformers; name "
                                         r"meta-llama/Llama-2-13b-hf instead"):
        language.load_network("meta-llama/Llama-2-13b")


def test_unknown_names_and_missing_packages(monkeypatch):
    error = OSError("nobody/nothing is not a local folder and is not a valid model identifier listed on "
                    "'https://huggingface.co/models'")
    assert "unknown model 'nobody/nothing': the Hugging Face hub has none of that name; expected <organisation>/<model>" in \
        told_by(error, monkeypatch, "nobody/nothing")
    told = told_by(ImportError("LlamaTokenizer requires the SentencePiece library but it was not found"), monkeypatch)
    assert "its tokenizer needs packages that are not installed: pip install sentencepiece protobuf tiktoken" in told
    told = told_by(ImportError("this network requires `accelerate`"), monkeypatch)
    assert told == "model 'google/gemma-2-2b' needs a package that is not installed: this network requires `accelerate`"
    told = told_by(ValueError("the architecture `gemma9` is not recognised"), monkeypatch)
    assert told.startswith("model 'google/gemma-2-2b' cannot be loaded: the architecture `gemma9` is not recognised; check the "
                           "name")


@pytest.mark.skipif(importlib.util.find_spec("sentencepiece") is not None, reason="sentencepiece is installed")
def test_a_tokenizer_of_sentencepiece_names_its_packages(tmp_path):
    """As open_llama's: only tokenizer.model, no tokenizer.json; transformers itself asks for tiktoken alone."""
    folder = tiny_folder(tmp_path / "tiny", "llama")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    (folder / "tokenizer.model").write_bytes(b"\x0a\x0e\x0a\x05<unk>")
    with pytest.raises(ValueError, match="model 'tiny': its tokenizer needs packages .*: pip install sentencepiece protobuf"):
        language.load_network(str(folder))


def test_folders_that_do_not_hold_a_network(tmp_path):
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


def test_weights_from_the_hubs_cache_and_another_revision(tmp_path, monkeypatch):
    from huggingface_hub import constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository, commits = tmp_path / "models--toys--tiny", {"main": "0" * 39 + "1", "v2": "0" * 39 + "2"}
    (repository / "refs").mkdir(parents=True)
    for seed, (reference, commit) in enumerate(commits.items()):
        tiny_folder(repository / "snapshots" / commit, "bloom", seed=seed)
        (repository / "refs" / reference).write_text(commit)
    for revision, commit in ((None, commits["main"]), ("v2", commits["v2"]), (commits["v2"], commits["v2"])):
        network = language.load_network("toys/tiny", revision=revision)
        stored = load_file(repository / "snapshots" / commit / "model.safetensors")["transformer.h.1.mlp.dense_h_to_4h.weight"]
        assert torch.equal(network.module.transformer.h[1].mlp.dense_h_to_4h.weight, stored)
        assert (network.name, network.revision) == ("toys/tiny", f"toys/tiny@{commit}")
