"""Many matrices against many: what concerns one matrix is done once, then every comparison is cheap.

    parcels = Representations("unbiased_cka", matrices)         # 180 Gram matrices
    parcels.compare(others)                                     # (180, 180): one matrix product
    parcels.compare(others, order=relabelling)                  # with the stimuli of the others relabelled

A metric that is not told in parts (registry.py) is called for every pair.
"""

import copy

import numpy as np

from convergence.analysis import validation
from convergence.analysis.metrics.registry import find, finite, floating, same_stimuli
from convergence.compute.device import enter


class Representations:
    """Matrices of the same stimuli, ready for one metric.

    Parameters
    ----------
    name : str
        One of `list_metrics()`.
    matrices : iterable of (n, p_k) arrays or tensors
        Asked for one after the other; each may be freed when the next comes, where the metric is told in parts.
    device : str
        Where to compute.
    faults : dict, optional
        Receives, by its number, why a matrix cannot be prepared; it is left out then. Default: that is an error.
    **options
        Of the metric.

    Raises
    ------
    ValueError
        As of `measure`; the matrix is named by its number.

    Notes
    -----
    Memory per matrix: n (n - 1) / 2 numbers for rsa, cka and unbiased_cka, n^2 for cknna, n topk for the other neighbour
    metrics, the reduced matrix for the others. 180 x 180 unbiased CKA at n = 3,000: 3.2 GB a side and 3e11 operations.
    """

    def __init__(self, name, matrices, *, device="auto", faults=None, **options):
        self.name, self.options, self.function = name, options, find("Representations", name, options)
        self.parts, self.n_stimuli, items = getattr(self.function, "parts", None), None, []
        for k, matrix in enumerate(matrices):
            try:
                items.append(self._prepared(k, matrix, device))
            except ValueError as error:
                if faults is None:
                    raise
                faults[k] = str(error)
        if not items and faults is None:
            raise ValueError("Representations: there are no matrices; give at least one")
        self.items = _stacked(items) if items and self.parts is not None and self.parts.stacked else items

    def __len__(self):
        return len(self.items)

    def take(self, places):
        """Those at some places only."""
        chosen = copy.copy(self)
        chosen.items = [self.items[k] for k in places] if isinstance(self.items, list) else self.items[places]
        return chosen

    def compare(self, other, *, order=None, paired=False):
        """Every matrix with every one of another `Representations` of the same metric: (n, m) float64 array; paired: (n,).

        order : (n_stimuli,) int array, optional
            The stimuli of the other are taken in this order: one relabelling for all of them.
        """
        if not len(self) or not len(other):
            return np.empty(len(self) if paired else (len(self), len(other)))
        same_stimuli("Representations", "the first", self.n_stimuli, "the other", other.n_stimuli)
        if paired and len(self) != len(other):
            raise ValueError("Representations: paired=True compares the k-th with the k-th, "
                             f"but there are {len(self)} and {len(other)}")
        if self.parts is None:
            return self._each(other, slice(None) if order is None else np.asarray(order), paired)
        items = other.items if order is None else self.parts.relabel(other.items, order)
        found = self.parts.compare(self.items, items, paired=paired)
        return np.asarray(found.cpu() if hasattr(found, "cpu") else found, np.float64)

    def _prepared(self, k, matrix, device):
        matrix = validation.responses(self.name, f"matrices[{k}]", matrix)
        if self.n_stimuli is not None:
            same_stimuli(self.name, "matrices[0]", self.n_stimuli, f"matrices[{k}]", len(matrix))
        self.n_stimuli = len(matrix)
        if self.parts is None:
            return floating(matrix)
        return self.parts.prepare(enter(matrix, device=device)[1], **self.options)

    def _each(self, other, order, paired):
        def value(x, y):
            return finite("Representations", self.name, self.function(x, y[order], **self.options))
        if paired:
            return np.array([value(x, y) for x, y in zip(self.items, other.items)])
        return np.array([[value(x, y) for y in other.items] for x in self.items])


def _stacked(items):
    """One tensor of all; each item is freed when it was copied."""
    whole = items[0].new_empty((len(items), *items[0].shape))
    for k in range(len(items)):
        whole[k], items[k] = items[k], None
    return whole
