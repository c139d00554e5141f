"""A language network's layers for a batch of texts: what stands for a text is taken from every layer at once.

    layers = LanguageForward(network, pool="avg", device="auto", size=BatchSize("auto", "captions"))
    layers([[1, 9, 4], [1, 7]])         # token numbers -> a (b, dim) float32 array per layer; causal networks: then (b, 1) nats

pool="avg": the mean over a text's tokens; "last": its last token; "cls": the [CLS] token of an encoder. It is taken in float32
whatever the network computes in. Texts are padded on the right, whatever the tokenizer prefers: then real tokens keep their
positions and never look at padding, in causal networks and in encoders, so that a row does not depend on the batch it was in.
When memory runs out, the batch is halved until it fits, and later batches are smaller.
"""

from contextlib import contextmanager

import torch

from convergence.compute.device import resolve
from convergence.features.forward import fitting

POOLS = ("avg", "last", "cls")
FINAL_NORM = ("keep", "drop")


class LanguageForward:
    """See the module's docstring.

    Parameters
    ----------
    network : convergence.features.language.Network
    pool : {"avg", "last", "cls"}
    size : BatchSize
        Is told when memory runs out.
    device : str
    exclude_bos : bool
        Whether the mean leaves out the token that the tokenizer puts before a text to begin it.
    final_norm : {"keep", "drop"}
        Whether the last hidden state comes after the network's final norm, as transformers gives it, or before.

    Raises
    ------
    ValueError
        An option is not one of these, or the tokenizer puts no [CLS] before a text.
    """

    def __init__(self, network, *, pool, size, device="auto", exclude_bos=False, final_norm="keep"):
        for name, given, known in (("pool", pool, POOLS), ("final_norm", final_norm, FINAL_NORM)):
            if given not in known:
                raise ValueError(f"{name}: {given!r} is not one of {', '.join(map(repr, known))}")
        if pool == "cls" and not network.has_cls:
            raise ValueError(f"model {network.name!r}: its tokenizer puts no [CLS] token before a text; use --pool avg, or last")
        self._network, self._pool, self._size = network, pool, size
        self._where = resolve(device)
        self._module = network.module.to(self._where)
        self._first = int(exclude_bos and network.bos is not None)          # the first token that takes part in the mean
        self._norm = network.final_norm if final_norm == "drop" else None

    def __call__(self, tokens):
        """A list with one (b, dim) float32 array per layer; causal networks: and a (b, 1) array, nats of the tokens after the
        first."""
        return fitting(self._layers, tokens, self._size, self._where)

    def _layers(self, tokens):
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in tokens], batch_first=True).to(self._where)
        lengths = torch.tensor([len(text) for text in tokens], device=self._where)
        mask = torch.arange(ids.shape[1], device=self._where) < lengths[:, None]
        with torch.inference_mode(), _entering(self._module, self._norm) as before:
            found = self._module(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True)
            *states, last = found.hidden_states
            states.append(before[0].view_as(last) if before else last)
            layers = [self._pooled(state, mask, lengths).cpu().numpy() for state in states]
            if self._network.causal:
                layers.append(_nats(found.logits, ids, lengths).cpu().numpy())
        return layers

    def _pooled(self, state, mask, lengths):
        """(b, dim) float32 of a hidden state (b, n_tokens, dim)."""
        if self._pool == "cls":
            return state[:, 0].float()
        if self._pool == "last":
            return state[torch.arange(len(state), device=state.device), lengths - 1].float()
        total = state.float().masked_fill(~mask[..., None], 0)[:, self._first:].sum(1)
        return total / (lengths - self._first)[:, None]


@contextmanager
def _entering(module, name):
    """Within the block, the list that it gives takes what goes into a part of the module; name None: nothing."""
    seen = []
    if name is None:
        yield seen
        return
    handle = module.get_submodule(name).register_forward_pre_hook(lambda part, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        handle.remove()


def _nats(logits, ids, lengths):
    """(b, 1) float32: negative log-likelihood of every text's tokens after the first, text by text: a vocabulary is wide."""
    rows = [torch.nn.functional.cross_entropy(logits[k, :n - 1].float(), ids[k, 1:n], reduction="sum")
            for k, n in enumerate(lengths.tolist())]
    return torch.stack(rows)[:, None]
