"""The feature file of a network: <features>/<dataset>/all/<stem>.h5 (random weights: all-untrained/).

    layers/000, layers/001, ...  (n_images, dim)     activations: float32, float16, or bfloat16 (its bits, uint16); dim may differ
    ids                          (n_images,) int64   which image each row is
    absent, absent_because       (n_absent,)         images without a row, and why; only where there are such
    scalars/loss, ...            (n_images, 1)       further numbers of every row, float32; only where there are such
    attributes                   ATTRIBUTES and layer_names

    # as they are computed; goes on where it was stopped
    write_features(path, ids, batches, layer_names=..., attributes=..., work=...)
    with open_features(path, "nsd") as file:                                # refuses the features of another dataset
        file.layer(3, images)                                               # (n, dim) float32, only these rows are read
    list_features(folder, "nsd")                                            # which there are; models_table.py: their table

What a network is (vision or language, trained or not, its size) is read from the attributes, never from a file's name. Only the
published .pt files have no attributes; published.py reads them.
"""

import glob
from pathlib import Path

import h5py
import numpy as np

from convergence.datasets import whole_of
from convergence.features.shards import STORED, Shards, decode, stored_as

ATTRIBUTES = {
    "dataset": "name of the dataset", "id_name": "what the dataset calls the image number, e.g. nsd_id",
    "model": "name of the network", "modality": "vision or language", "family": "e.g. vit, efficientnet, llama",
    "revision": "which weights", "transform": "how inputs were prepared, JSON", "pool": "what stands for an image: cls, avg",
    "dtype": "type of the computation", "seed": "seed of random weights, -1 if trained", "untrained": "random weights",
    "num_parameters": "number of parameters, head included",
}
FOLDERS = {False: "all", True: "all-untrained"}
_WRITTEN_BY = "2_model_extraction/1_extract_vision_features.py or 3_extract_language_features.py"


def write_features(path, ids, batches, *, layer_names, attributes, storage="auto", work=None, inputs=None, skip_bad=False,
                   scalars=()):
    """Write a feature file, batch after batch.

    Parameters
    ----------
    path : path
        Usually the temporary path of ``outputs.replacing``.
    ids : (n,) array_like of int
        Image of every row; no image twice.
    batches : iterable, or function of (start, stop) that returns one
        Yields lists with one (b, dim) array per layer; the rows of successive batches follow `ids` (the function's:
        ids[start:stop]). Where images have no row, it yields (list, {image: why}) for the next ones, or (None, {image: why}).
    layer_names : sequence of str
    attributes : dict
        Exactly the keys of ATTRIBUTES.
    storage : {"auto", "float32", "float16", "bfloat16"}
        Type of the layers in the file. "auto": float32, or float16 for a layer that was computed in half precision and does not
        exceed 3e4.
    work : path, optional
        Hidden folder for shards (shards.py): what is in it from a run that was stopped is used. It is deleted at the end.
        Without it nothing is resumed. Needs `batches` to be a function.
    inputs : dict, optional
        What the activations were computed from, e.g. fingerprints of files: shards of other inputs are not used.
    skip_bad : bool
        Whether to write the file although images have no row.
    scalars : sequence of str
        Names of further numbers of every image: the batches hold a (b, 1) array of each after those of the layers. They may be
        NaN.

    Raises
    ------
    ValueError
        An activation is NaN or infinite, or too large for float16 (names the layer, the row and its image); the batches hold
        more or fewer rows than `ids`; images have no row; an image occurs twice; attributes are missing or unknown.
    """
    path, ids = Path(path), np.asarray(ids, dtype=np.int64)
    _check(path.name, ids, attributes, storage)
    plan = {**attributes, "inputs": inputs or {}}
    limit = np.finfo(np.float16).max if storage == "float16" else np.inf
    shards = Shards(work or path.with_name(f"{path.name}.shards"), ids, layer_names, plan, retry=not skip_bad, limit=float(limit),
                    scalars=scalars)
    keep = work is not None
    try:
        for start, stop in shards.missing():
            for batch in batches(start, stop) if callable(batches) else batches:
                shards.append(*batch if isinstance(batch, tuple) else (batch, {}))
        faults = shards.faults()
        if faults and not skip_bad:
            raise ValueError(_without_row(faults, len(ids), attributes))
        with h5py.File(path, "w") as file:
            file.attrs.update(attributes)
            file.attrs["layer_names"] = list(layer_names)
            shards.into(file, storage=storage, computed=attributes["dtype"])
            if faults:
                file["absent"] = np.array(list(faults), dtype=np.int64)
                file["absent_because"] = list(faults.values())
        keep = False
    finally:
        if not keep:
            shards.remove()


class Features:
    """The activations of a network, opened for reading; a context manager.

    Attributes
    ----------
    path : Path
    ids : (n_images,) int64 array
        Image of every row.
    layer_names : list of str
    n_layers : int
    attributes : dict
        The keys of ATTRIBUTES, as str, int and bool.
    absent : dict
        Images without a row, and why: their pictures could not be read and were left out on purpose.
    stored : list of str
        Type of every layer in the file.
    scalar_names : list of str
        Further numbers of every row: language networks that predict the next token have "loss" and "bits_per_byte".
    """

    absent, scalar_names = {}, []

    def layer(self, index, ids=None):
        """Activations of a layer for the images asked for.

        Parameters
        ----------
        index : int
            0 to n_layers - 1.
        ids : (n,) array_like of int, optional
            Images, in any order, also repeated (default: all, in the order of ``self.ids``). Only their rows are read.

        Returns
        -------
        (n, dim) float32 array, in the order of `ids`.

        Raises
        ------
        ValueError
            The file has no such layer, or images are not in it (names them).
        """
        if not 0 <= index < self.n_layers:
            raise ValueError(f"{self.path.name}: layer {index} does not exist; it has {self.n_layers}: 0 ({self.layer_names[0]}) "
                             f"to {self.n_layers - 1} ({self.layer_names[-1]})")
        return self._asked_for(index, ids)

    def scalar(self, name, ids=None):
        """(n,) float32: a further number of the images asked for (default: of all); a ValueError where the file has no such.

        "loss": mean negative log-likelihood of a text's next tokens, in nats; "bits_per_byte": its sum in bits, per byte of the
        text in UTF-8. NaN for a text of one token.
        """
        if name not in self.scalar_names:
            has = ", ".join(self.scalar_names) or ("none: only language networks that predict the next token have loss and "
                                                   "bits_per_byte")
            raise ValueError(f"{self.path.name}: scalar {name!r} does not exist; it has {has}")
        return self._asked_for(name, ids)[:, 0]

    def _asked_for(self, index, ids):
        if ids is None:
            return self._read(index, slice(None))
        needed, place = np.unique(self._rows(ids), return_inverse=True)          # HDF5 reads rows in ascending order, each once
        neighbours = len(needed) and needed[-1] - needed[0] + 1 == len(needed)
        return self._read(index, slice(needed[0], needed[-1] + 1) if neighbours else needed)[place]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    @property
    def n_layers(self):
        return len(self.layer_names)

    def _rows(self, ids):
        ids, order = np.asarray(ids, dtype=np.int64), np.argsort(self.ids, kind="stable")
        rows = order[np.searchsorted(self.ids, ids, sorter=order).clip(max=len(self.ids) - 1)]
        unknown = np.unique(ids[self.ids[rows] != ids])
        if len(unknown):
            raise ValueError(self._lacking(unknown))
        return rows

    def _lacking(self, unknown):
        known, left_out = self.attributes, [image for image in unknown.tolist() if image in self.absent]
        why = f"; left out with --skip-bad: {_few(left_out)} ({self.absent[left_out[0]]})" if left_out else ""
        return (f"{self.path.name}: {len(unknown)} of the images asked for are not in it: {known['id_name']} "
                f"{_few(unknown)}{why}; it holds {len(self.ids)} images of {known['dataset']}, {self.ids.min()} to "
                f"{self.ids.max()}; {_mend()}")


class FeatureFile(Features):
    """A feature file of this project, opened for reading; see `Features`."""

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f"{path} is not there; {_WRITTEN_BY} writes feature files")
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise ValueError(f"{path} is not a readable HDF5 file ({error}); {_mend()}") from error
        missing = [key for key in ("layer_names", *ATTRIBUTES) if key not in self._file.attrs]
        missing += [key for key in ("ids", "layers") if key not in self._file]
        if missing:
            self.close()
            raise ValueError(f"{path} is not a feature file: {', '.join(missing)} missing; {_mend()}")
        stored = {key: self._file.attrs[key] for key in ATTRIBUTES}
        self.attributes = {key: value.item() if hasattr(value, "item") else value for key, value in stored.items()}
        self.layer_names = [str(name) for name in self._file.attrs["layer_names"]]
        self.stored = [stored_as(self._file[f"layers/{index:03d}"].dtype) for index in range(self.n_layers)]
        self.ids = self._file["ids"][:]
        self.scalar_names = sorted(self._file.get("scalars", ()))
        if "absent" in self._file:
            reasons = self._file["absent_because"].asstr()[:]
            self.absent = dict(zip(self._file["absent"][:].tolist(), reasons.tolist()))

    def dims(self):
        """Width of every layer, a list of int."""
        return [self._file[f"layers/{index:03d}"].shape[1] for index in range(self.n_layers)]

    def close(self):
        self._file.close()

    def _read(self, index, rows):
        return decode(self._file[f"scalars/{index}" if isinstance(index, str) else f"layers/{index:03d}"][rows])


def open_features(path, dataset=None):
    """Open a feature file, of this dataset (or of the whole that it is a part of) if one is named; a published .pt file is opened
    with a warning, as `published` says.

    Raises
    ------
    FileNotFoundError
        The file is not there.
    ValueError
        It is not a feature file, or it holds the features of another dataset (the message says which).
    """
    if Path(path).suffix == ".pt":
        from convergence.features.published import PublishedFeatures
        return PublishedFeatures(path, dataset)
    file = FeatureFile(path)
    known = file.attributes
    if dataset is not None and known["dataset"] not in (dataset, whole_of(dataset)):
        file.close()
        raise ValueError(f"{path} holds features of the dataset {known['dataset']!r} ({len(file.ids)} images, numbered by "
                         f"{known['id_name']}), not of {dataset!r}; extract {known['model']} with --dataset {dataset}, or move "
                         f"the file to the folder of {known['dataset']!r}")
    return file


def list_features(folder, dataset="*", *, untrained=None):
    """Sorted paths of the finished feature files of a dataset (default: of all), the trained networks first.

    A published .pt file is one of them, unless an .h5 file has its name. A part of a dataset (bold5000-coco) also has the files
    of the whole, except where it has one of that name itself: both number images alike.
    untrained: only networks with random weights (True), only trained ones (False), or both (None).
    """
    kinds = [False, True] if untrained is None else [untrained]
    return [path for kind in kinds for path in _with_those_of_the_whole(Path(folder), dataset, FOLDERS[kind])]


def _with_those_of_the_whole(folder, dataset, kind):
    own = _finished(folder, dataset, kind)
    stems = {path.stem for path in own}
    others = [] if whole_of(dataset) == dataset else _finished(folder, whole_of(dataset), kind)
    return sorted([*own, *(path for path in others if path.stem not in stems)], key=lambda path: path.stem) if others else own


def _finished(folder, dataset, kind):
    found = [path for path in sorted(folder.glob(f"{dataset if dataset == '*' else glob.escape(dataset)}/{kind}/*"))
             if path.suffix in (".h5", ".pt") and not path.name.startswith(".")]        # a hidden file is being written
    return [path for path in found if path.suffix == ".h5" or path.with_suffix(".h5") not in found]


def _check(name, ids, attributes, storage):
    if set(attributes) != set(ATTRIBUTES):
        raise ValueError(f"{name}: attributes: expected {sorted(ATTRIBUTES)}, found {sorted(attributes)}")
    if len(np.unique(ids)) != len(ids):
        raise ValueError(f"{name}: ids: {len(ids) - len(np.unique(ids))} images occur twice; every image has one row")
    if storage not in ("auto", *STORED):
        raise ValueError(f"storage: {storage!r} is not one of 'auto', {', '.join(map(repr, STORED))}")


def _without_row(faults, n, known):
    shown = "; ".join(list(faults.values())[:10])
    more = f"; ... ({len(faults)} in all)" if len(faults) > 10 else ""
    return (f"{len(faults)} of {n} images of the dataset {known['dataset']!r} have no activations: {shown}{more}. The other "
            f"{n - len(faults)} are extracted: --skip-bad writes their file without computing them again; or mend those images "
            "and run again")


def _mend():
    return f"delete it and run {_WRITTEN_BY} again"


def _few(values):
    return ", ".join(map(str, values[:5])) + (f", ... ({len(values)} in all)" if len(values) > 5 else "")
