"""Backends of captioning: transformers on a LLaVA of random weights, vLLM through a stand-in of its interface, the dummy."""

import base64
import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_captioner import WORDS, save_captioner

from convergence.features.captions_backends import BACKENDS, Dummy, Request, Transformers, Vllm


@pytest.fixture(scope="module")
def captioner(tmp_path_factory):
    return str(save_captioner(tmp_path_factory.mktemp("captioner")))


@pytest.fixture(scope="module")
def pictures():
    return [Image.fromarray(np.random.default_rng(k).integers(0, 255, (20 + k, 33, 3), np.uint8)) for k in range(3)]


def requests(pictures):
    return [Request(7 * k, picture, (f"Describe {'w3 ' * k}photograph",)) for k, picture in enumerate(pictures)]


def test_answers_are_greedy_and_equal_a_hand_written_loop(captioner, pictures):
    import transformers
    backend = Transformers(captioner, device="cpu")
    found = backend.answer(requests(pictures), max_tokens=6)
    processor = transformers.AutoProcessor.from_pretrained(captioner)
    model = transformers.AutoModelForImageTextToText.from_pretrained(captioner).eval()
    for request, answer in zip(requests(pictures), found):
        inputs = processor(text=f"user : <image>{request.turns[0]}</s> assistant :", images=request.picture, return_tensors="pt")
        tokens = inputs.pop("input_ids")
        n_asked = tokens.shape[1]
        for _ in range(6):
            with torch.inference_mode():
                logits = model(input_ids=tokens, pixel_values=inputs["pixel_values"],
                               attention_mask=torch.ones_like(tokens)).logits
            tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], dim=1)
            if tokens[0, -1] == 2:
                break
        words = [WORDS[token] for token in tokens[0, n_asked:].tolist()]
        expected = words[:5] if len(words) == 6 else words          # the last of six is forced to be an end
        assert answer.text.split() == [word for word in expected if not word.startswith("<")] and answer.finished


def test_neither_batch_nor_seed_nor_run_changes_answers(captioner, pictures):
    backend, other = Transformers(captioner, device="cpu"), Transformers(captioner, device="cpu", seed=8, dtype="float32")
    torch.manual_seed(1234)
    state = torch.get_rng_state()
    together = backend.answer(requests(pictures), max_tokens=6)
    alone = [other.answer([request], max_tokens=6)[0] for request in requests(pictures)]
    assert together == alone == backend.answer(requests(pictures), max_tokens=6)
    assert torch.equal(torch.get_rng_state(), state)
    assert len({answer.text for answer in together}) == 3


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_pictures_in_tiles_are_answered_in_batches_too(tmp_path, pictures, dtype):
    """The family of the default model: pictures of different sizes give different numbers of tiles."""
    backend = Transformers(str(save_captioner(tmp_path, kind="smolvlm")), device="cpu", dtype=dtype)
    together = backend.answer(requests(pictures), max_tokens=6)
    assert len({answer.text for answer in together}) > 1
    if dtype == "float32":
        assert together == [backend.answer([request], max_tokens=6)[0] for request in requests(pictures)]


def test_the_picture_and_every_turn_count(captioner, pictures):
    backend = Transformers(captioner, device="cpu")
    first, = backend.answer([Request(0, pictures[0], ("Describe this",))], max_tokens=8)
    other, = backend.answer([Request(0, pictures[1], ("Describe this",))], max_tokens=8)
    longer, = backend.answer([Request(0, pictures[0], ("Describe this", first.text, "w9 w8"))], max_tokens=8)
    assert len({first.text, other.text, longer.text}) == 3


def test_user_and_model_take_turns():
    messages = Request(0, None, ("ask", "say", "ask again")).messages({"type": "image"})
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [[part["type"] for part in message["content"]] for message in messages] == [["image", "text"], ["text"], ["text"]]


def test_an_answer_that_is_cut_off_says_so(tmp_path, pictures):
    backend = Transformers(str(save_captioner(tmp_path, seed=3, ends=False)), device="cpu")
    assert [answer.finished for answer in backend.answer(requests(pictures), max_tokens=2)] == [False, False, False]


def test_a_model_without_chat_template_is_refused(tmp_path):
    save_captioner(tmp_path, chat_template=None)
    with pytest.raises(ValueError, match="has no chat template, so that it cannot be asked a question; choose a model that was"):
        Transformers(str(tmp_path), device="cpu")


def test_models_that_cannot_be_loaded_are_explained(tmp_path, captioner):
    from safetensors.torch import load_file, save_file
    with pytest.raises(ValueError, match="unknown model 'no/such', or no connection to the Hugging Face hub: check the name"):
        Transformers("no/such", device="cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty' cannot be loaded: .*; expected a folder that save_pretrained of a model and of"):
        Transformers(str(tmp_path / "empty"), device="cpu")
    save_captioner(tmp_path / "half")
    weights = load_file(tmp_path / "half" / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "layers.1" not in name or "vision" in name}
    save_file(kept, tmp_path / "half" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"its weights lack 9 tensors, which would be random: .*layers.1"):
        Transformers(str(tmp_path / "half"), device="cpu")


def test_vllm_gets_pictures_without_loss_and_temperature_zero(monkeypatch, pictures):
    seen = {}

    class LLM:
        def __init__(self, **options):
            seen["model"] = options

        def chat(self, conversations, sampling, use_tqdm):
            seen["conversations"], seen["sampling"] = conversations, sampling
            reasons = ["stop", "length", "stop"]
            return [SimpleNamespace(outputs=[SimpleNamespace(text=f"t{k}", finish_reason=reasons[k])])
                    for k in range(len(conversations))]

    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=LLM, SamplingParams=lambda **options: options))
    monkeypatch.setattr("convergence.compute.device.resolve", lambda device: torch.device("cuda"))
    backend = Vllm("mistralai/Pixtral-12B-2409", seed=5, revision="abc")
    answers = backend.answer(requests(pictures), max_tokens=9)
    assert [(answer.text, answer.finished) for answer in answers] == [("t0", True), ("t1", False), ("t2", True)]
    assert seen["sampling"] == {"temperature": 0.0, "seed": 5, "max_tokens": 9}
    assert seen["model"]["tokenizer_mode"] == "mistral" and seen["model"]["seed"] == 5 and seen["model"]["revision"] == "abc"
    picture, text = seen["conversations"][1][0]["content"]
    assert text == {"type": "text", "text": "Describe w3 photograph"}
    held = Image.open(io.BytesIO(base64.b64decode(picture["image_url"]["url"].split(",")[1])))
    np.testing.assert_array_equal(np.asarray(held), np.asarray(pictures[1]))


def test_vllm_that_is_not_here_says_what_to_do(monkeypatch):
    with pytest.raises(ValueError, match="device: 'cpu' is the CPU here; the vllm backend needs a GPU: use --backend"):
        Vllm("mistralai/Pixtral-12B-2409", device="cpu")
    monkeypatch.setattr("convergence.compute.device.resolve", lambda device: torch.device("cuda"))
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ValueError, match="vllm is not installed; install it in this environment .* or use --backend transf"):
        Vllm("mistralai/Pixtral-12B-2409")


def test_the_dummy_is_deterministic_and_fails_where_asked(pictures):
    assert BACKENDS["dummy"] is Dummy
    texts = [answer.text for answer in Dummy().answer(requests(pictures), max_tokens=3)]
    assert texts == [answer.text for answer in Dummy().answer(requests(pictures), max_tokens=3)] and len(set(texts)) == 3
    assert texts[1].startswith("a picture of 33 by 21 points, number ")
    assert texts != [answer.text for answer in Dummy(seed=1).answer(requests(pictures), max_tokens=3)]
    labels = [answer.text for answer in Dummy(labels=("a", "b"), illegal=[7]).answer(requests(pictures), max_tokens=3)]
    assert labels[0] in "ab" and labels[2] in "ab" and labels[1] not in "ab"
    with pytest.raises(RuntimeError, match=r"a failure was asked for at \[14\]"):
        Dummy(fail=[14]).answer(requests(pictures), max_tokens=3)
