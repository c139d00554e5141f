"""The published feature files (arXiv 2507.13941): PyTorch dictionaries with `feats` (n_images, n_layers, dim) and `num_params`.

They do not say which image a row is, nor of which dataset: row k is taken for image k, the dataset for the one that is asked
for (or the folder's name), and a warning says so. Whether the network is a vision or a language network, its pooling, and
whether it has random weights is read off the file's name, as the published scripts do: language files have a prompt,
`..._prompt-coco.pt`.

    with open_features("/data/features/nsd/all/vit_base_patch16_224.mae_pool-cls.pt", "nsd") as file:
        file.layer(3, [72999, 0])               # the file is memory-mapped: only these rows are read
"""

import re
import warnings
from pathlib import Path

import numpy as np

from convergence.features.store import Features


class PublishedFeatures(Features):
    """A published .pt file, opened for reading; see `Features`.

    Raises
    ------
    FileNotFoundError
        The file is not there.
    ValueError
        It is not such a file, or holds code besides numbers.
    """

    def __init__(self, path, dataset=None):
        self.path = Path(path)
        content = _load(self.path)
        self._features = content["feats"]
        n, n_layers, _ = self._features.shape
        self.ids, self.layer_names = np.arange(n), [f"layer.{k}" for k in range(n_layers)]
        self.stored = [str(self._features.dtype).removeprefix("torch.")] * n_layers
        self.attributes = _read_off(self.path, dataset, int(content["num_params"]), self.stored[0])
        warnings.warn(f"{self.path} does not say which image a row is: row k is taken for image k of the dataset "
                      f"{self.attributes['dataset']!r} ({n} rows); extract {self.attributes['model']} again to be sure",
                      stacklevel=3)

    def dims(self):
        """Width of every layer, a list of int."""
        return [self._features.shape[2]] * self.n_layers

    def close(self):
        self._features = None

    def _read(self, index, rows):
        return self._features[:, index][rows].float().numpy()


def _load(path):
    import torch

    if not path.exists():
        raise FileNotFoundError(f"{path} is not there")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:                              # for a file of another kind, pickle, zip and torch raise their own
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} cannot be read as a published feature file: {reason}; expected a dictionary of tensors that "
                         "torch.save wrote") from error
    found = content if isinstance(content, dict) else {}
    if not {"feats", "num_params"} <= set(found) or getattr(found["feats"], "ndim", 0) != 3:
        keys = ", ".join(map(str, found)) or f"a {type(content).__name__}"
        raise ValueError(f"{path} is not a published feature file: expected the keys feats (n_images, n_layers, dim) and "
                         f"num_params, found {keys}")
    return content


def _read_off(path, dataset, num_parameters, dtype):
    stem = path.stem
    model = re.split(r"_pool-|-untrained", stem)[0]
    pool = re.search(r"_pool-([a-z]+)", stem)
    untrained, seed = "-untrained" in stem, re.search(r"-seed(\d+)", stem)
    return {"dataset": dataset or path.parent.parent.name, "id_name": "row", "model": model,
            "modality": "language" if "_prompt-" in stem else "vision",
            "family": re.split(r"[_\-.]", model)[0].lower(), "revision": "as published", "transform": "{}",
            "pool": pool.group(1) if pool else "", "dtype": dtype,
            "seed": int(seed.group(1)) if seed else 0 if untrained else -1, "untrained": untrained,
            "num_parameters": num_parameters}
