"""What answers questions about pictures: any image-text-to-text model of transformers, vLLM, or a dummy.

    backend = BACKENDS["transformers"](source, seed=0, dtype="auto", device="auto")
    backend.answer([Request(image=31, picture=picture, turns=("What is this?",)), ...], max_tokens=64)     # [Answer, ...]

`turns` alternate between the user and the model, the user first; the picture stands before the first. Answers are greedy
(temperature 0). To add a backend: a class with this constructor, `revision` (which weights), and `answer`; put it into BACKENDS.
"""

import base64
import hashlib
import io
from dataclasses import dataclass

from convergence.features.loading import LOAD_ERRORS, cannot_load, load

_CONTEXT = 12_288           # tokens of question, picture and answer that vLLM reserves memory for


@dataclass(frozen=True)
class Request:
    """A conversation about a picture that waits for the model's next words."""
    image: int
    picture: object
    turns: tuple

    def messages(self, picture):
        """The conversation as chat templates take it; `picture` is what stands for the picture in it."""
        spoken = [{"role": ("user", "assistant")[k % 2], "content": [{"type": "text", "text": text}]}
                  for k, text in enumerate(self.turns)]
        spoken[0]["content"].insert(0, picture)
        return spoken


@dataclass(frozen=True)
class Answer:
    text: str
    finished: bool = True       # False: cut off after max_tokens


class Transformers:
    """AutoModelForImageTextToText and AutoProcessor of a hub id or a folder that save_pretrained of both wrote.

    Raises
    ------
    ValueError
        It cannot be loaded (unknown, offline, gated), its weights are incomplete, or it has no chat template.
    """

    def __init__(self, source, *, revision=None, seed=0, dtype="auto", device="auto"):
        import torch

        from convergence.compute.device import resolve

        self._torch, self._seed, self._where = torch, seed, resolve(device)
        if dtype == "auto":
            dtype = "float32" if self._where.type == "cpu" else "bfloat16"
        self._dtype = getattr(torch, dtype)
        self._processor, model = load(source, "AutoProcessor", "AutoModelForImageTextToText", revision=revision, dtype=self._dtype)
        tokenizer = getattr(self._processor, "tokenizer", None)
        if tokenizer is None or not getattr(self._processor, "chat_template", None):
            raise ValueError(f"model {source!r} has no chat template, so that it cannot be asked a question; "
                             "choose a model that was trained on instructions (its name often ends in -Instruct, -it or -hf)")
        tokenizer.padding_side = "left"
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        self._model, self._tokenizer = model.eval().to(self._where), tokenizer
        self.revision = getattr(model.config, "_commit_hash", None) or revision or "folder"

    def answer(self, requests, *, max_tokens):
        torch, spoken = self._torch, [request.messages({"type": "image"}) for request in requests]
        texts = [self._processor.apply_chat_template(messages, add_generation_prompt=True) for messages in spoken]
        begun = self._tokenizer.bos_token and texts[0].startswith(self._tokenizer.bos_token)
        once = {"add_special_tokens": False} if begun else {}           # the template put the first token there already
        inputs = self._processor(text=texts, images=[[request.picture] for request in requests], padding=True,
                                 return_tensors="pt", **once).to(self._where, self._dtype)
        with torch.inference_mode(), torch.random.fork_rng(devices=[self._where] if self._where.type == "cuda" else []):
            torch.manual_seed(self._seed)
            tokens = self._model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False, num_beams=1,
                                          pad_token_id=self._tokenizer.pad_token_id)
        said = tokens[:, inputs["input_ids"].shape[1]:].cpu()
        ends = self._ends()
        finished = [len(row) < max_tokens or bool(ends & set(row.tolist())) for row in said]
        return [Answer(self._tokenizer.decode(row, skip_special_tokens=True), whole) for row, whole in zip(said, finished)]

    def _ends(self):
        """Numbers of the tokens that end an answer."""
        declared = self._model.generation_config.eos_token_id
        declared = declared if isinstance(declared, (list, tuple)) else [declared]
        return {token for token in (*declared, self._tokenizer.eos_token_id) if token is not None}


class Vllm:
    """vLLM's offline chat, for large models on large GPUs: as published, Pixtral-12B. vLLM is installed on its own."""

    def __init__(self, source, *, revision=None, seed=0, dtype="auto", device="auto"):
        from convergence.compute.device import resolve

        if resolve(device).type == "cpu":
            raise ValueError(f"device: {str(device)!r} is the CPU here; the vllm backend needs a GPU: use --backend "
                             "transformers, or choose one")
        try:
            from vllm import LLM, SamplingParams
        except ImportError as error:
            raise ValueError("vllm is not installed; install it in this environment as its own documentation says for your GPU "
                             f"(usually: pip install vllm), or use --backend transformers ({error})") from error
        mistral = str(source).startswith("mistralai/")          # their repositories come with a tokenizer of their own kind
        try:
            self._model = LLM(model=str(source), revision=revision, seed=seed, dtype=dtype, max_model_len=_CONTEXT,
                              tokenizer_mode="mistral" if mistral else "auto", limit_mm_per_prompt={"image": 1})
        except LOAD_ERRORS as error:
            raise ValueError(cannot_load(source, error)) from error
        self._sampling, self._seed, self.revision = SamplingParams, seed, revision or "main"

    def answer(self, requests, *, max_tokens):
        spoken = [request.messages({"type": "image_url", "image_url": {"url": data_url(request.picture)}})
                  for request in requests]
        sampling = self._sampling(temperature=0.0, seed=self._seed, max_tokens=max_tokens)
        outputs = self._model.chat(spoken, sampling, use_tqdm=False)
        return [Answer(output.outputs[0].text, output.outputs[0].finish_reason != "length") for output in outputs]


class Dummy:
    """Answers at once and always the same: for tests, and to try out what comes after.

    Parameters
    ----------
    fail, illegal : collection of int
        Images that raise an error, and that get an answer which is not legal.
    """

    def __init__(self, source="dummy", *, revision=None, seed=0, dtype="auto", device="cpu", labels=(), fail=(), illegal=()):
        self.revision, self._seed, self._labels, self._fail, self._illegal = "dummy", seed, labels, set(fail), set(illegal)

    def answer(self, requests, *, max_tokens):
        failing = sorted({request.image for request in requests} & self._fail)
        if failing:
            raise RuntimeError(f"a failure was asked for at {failing}")
        return [Answer(self._text(request), finished=request.image not in self._illegal) for request in requests]

    def _text(self, request):
        seen = f"{self._seed} {request.turns[0]}".encode() + request.picture.tobytes()
        digest = int(hashlib.blake2b(seen, digest_size=4).hexdigest(), 16)
        if self._labels and request.image not in self._illegal:
            return self._labels[digest % len(self._labels)]
        width, height = request.picture.size
        return f"a picture of {width} by {height} points, number {digest % 1000}"


BACKENDS = {"transformers": Transformers, "vllm": Vllm, "dummy": Dummy}


def data_url(picture):
    """A picture as text, without loss (PNG)."""
    held = io.BytesIO()
    picture.save(held, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
