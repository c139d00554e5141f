"""Activations on their way into a feature file: shard by shard, so that a run that was stopped goes on where it was.

    <work>/plan.json                    what is being computed; shards of another plan are thrown away
    <work>/00000.npy                    the first ROWS images: (n_rows, n_units) float32, all layers side by side
    <work>/00000.json                   which images they are

    shards = Shards(work, ids, layer_names, plan)
    for start, stop in shards.missing():                        # runs of images that no finished shard holds
        shards.append(layers, faults)                           # the next images; faults: {image: why it has no row}
    shards.into(file, storage="auto", computed="float32")       # the finished HDF5 file

Scalars (e.g. the loss of a text) travel behind the layers as layers of one unit; they may be NaN, and stay in float32.

A shard is memory-mapped while it is written and while it is read, and closed after ROWS images, so that memory is bounded
whatever the number of images. It counts when its .json is there. Batches that end where shards end (`rows_left`) make a resumed
run compute the same batches, and so the same bytes, as an uninterrupted one.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from convergence.storage.outputs import replacing

ROWS = 256
STORED = ("float32", "float16", "bfloat16")
SAFE_IN_FLOAT16 = 3e4                   # storage="auto" goes no further; float16 itself ends at 65,504


def rows_left(row):
    """How many images, from number `row` of the list on, go into the same shard."""
    return ROWS - row % ROWS


def stored_type(storage, computed, largest):
    """The type in which a layer is stored: "auto" halves what was computed in half precision, where nothing exceeds 3e4."""
    if storage != "auto":
        return storage
    return "float16" if computed != "float32" and largest <= SAFE_IN_FLOAT16 else "float32"


def encode(values, stored):
    """float32 values as the file holds them; HDF5 has no bfloat16: its 16 bits are stored as uint16."""
    if stored != "bfloat16":
        return values.astype(stored, copy=False)
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)             # round to nearest, ties to even


def stored_as(dtype):
    """The type of a layer, told by that of its array."""
    return "bfloat16" if dtype == np.uint16 else str(dtype)


def decode(values):
    """The float32 values of what `encode` made."""
    if values.dtype != np.uint16:
        return values.astype(np.float32, copy=False)
    return (values.astype(np.uint32) << 16).view(np.float32)


class Shards:
    """See the module's docstring.

    Parameters
    ----------
    folder : path
        The work folder; shards of the same plan that are in it are used.
    ids : (n,) int64 array
        All images, in order.
    layer_names : list of str
    plan : dict
        What decides the activations.
    retry : bool
        Whether shards in which images have no row are to be computed again.
    limit : float
        Activations above are refused like infinity: the largest number of the type that they will be stored in.
    scalars : list of str
        Names of further numbers of every image: `append` takes a (b, 1) array of each after those of the layers.
    """

    def __init__(self, folder, ids, layer_names, plan, *, retry=True, limit=np.inf, scalars=()):
        self.folder, self._ids, self._plan, self._limit = Path(folder), ids, plan, limit
        self._names, self._n_layers = [*layer_names, *scalars], len(layer_names)
        self._start(json.dumps({**plan, "layer_names": self._names, "rows": ROWS,
                                "ids": hashlib.blake2b(ids.tobytes()).hexdigest()}, sort_keys=True))
        self._row = 0                   # the next image to be appended
        self._shard = self._map = None  # the one that is being written
        self._done = {start for start in range(0, len(ids), ROWS) if self._usable(start, retry)}

    def missing(self):
        """Yield (start, stop) of runs of images without a finished shard; what is appended next belongs to that run."""
        starts = [start for start in range(0, len(self._ids), ROWS) if start not in self._done]
        while starts:
            first = last = starts.pop(0)
            while starts and starts[0] == last + ROWS:
                last = starts.pop(0)
            self._row, stop = first, min(last + ROWS, len(self._ids))
            yield first, stop
            if self._row < stop:
                raise ValueError(f"the batches held {self._row - first} rows for {stop - first} images")

    def append(self, layers, faults):
        """Take the activations of the next images, one (b, dim) array per layer; None when all of them are in `faults`."""
        n = len(faults) + (0 if layers is None else len(layers[0]))
        if self._row + n > len(self._ids):
            raise ValueError(f"layer 0 ({self._names[0]}): more rows than the {len(self._ids)} images")
        taken = 0
        while n:
            planned = self._ids[self._row:self._row + min(n, rows_left(self._row))].tolist()
            kept = [image for image in planned if image not in faults]
            self._shard = self._shard or {"ids": [], "faults": {}, "dims": [], "largest": [0.0] * len(self._names)}
            if kept:
                self._write([layer[taken:taken + len(kept)] for layer, _ in zip(layers, self._names, strict=True)], kept)
            self._shard["ids"] += kept
            self._shard["faults"].update({image: faults[image] for image in planned if image in faults})
            self._row, n, taken = self._row + len(planned), n - len(planned), taken + len(kept)
            if self._row % ROWS == 0 or self._row == len(self._ids):
                self._close()

    def faults(self):
        """{image: why it has no row}, over all shards."""
        return {int(image): reason for shard in self._finished() for image, reason in shard["faults"].items()}

    def into(self, file, *, storage, computed):
        """Write ids and layers into an open HDF5 file.

        Parameters
        ----------
        file : h5py.File
        storage : {"auto", "float32", "float16", "bfloat16"}
        computed : str
            Type of the computation, which "auto" goes by.
        """
        shards = [shard for shard in self._finished() if shard["ids"]]
        if not shards:
            raise ValueError(f"none of the {len(self._ids)} images has activations; the first: "
                             f"{next(iter(self.faults().values()), '')}")
        dims, ids = shards[0]["dims"], [image for shard in shards for image in shard["ids"]]
        types = [stored_type(storage, computed, max(shard["largest"][index] for shard in shards))
                 for index in range(self._n_layers)]
        types += ["float32"] * (len(dims) - self._n_layers)
        file["ids"] = np.array(ids, dtype=np.int64)
        places = [*(f"layers/{index:03d}" for index in range(self._n_layers)),
                  *(f"scalars/{name}" for name in self._names[self._n_layers:])]
        layers = [file.create_dataset(place, (len(ids), dim), np.uint16 if stored == "bfloat16" else stored)
                  for place, dim, stored in zip(places, dims, types, strict=True)]
        row, edges = 0, np.cumsum([0, *dims])
        for shard in shards:
            n, values = len(shard["ids"]), np.load(self._file(shard["start"]), mmap_mode="r")
            for index, layer in enumerate(layers):
                layer[row:row + n] = encode(values[:n, edges[index]:edges[index + 1]], types[index])
            row += n

    def remove(self):
        """Delete the work folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, plan):
        path = self.folder / "plan.json"
        if not path.exists() or path.read_text() != plan:
            shutil.rmtree(self.folder, ignore_errors=True)
            with replacing(path) as temporary:
                temporary.write_text(plan)

    def _usable(self, start, retry):
        path = self._file(start).with_suffix(".json")
        usable = path.exists() and not (retry and json.loads(path.read_text())["faults"])
        if not usable:
            path.unlink(missing_ok=True)
        return usable

    def _finished(self):
        for start in range(0, len(self._ids), ROWS):
            yield {**json.loads(self._file(start).with_suffix(".json").read_text()), "start": start}

    def _file(self, start):
        return self.folder / f"{start // ROWS:05d}.npy"

    def _write(self, layers, kept):
        start, dims = self._row - self._row % ROWS, [layer.shape[1] for layer in layers]
        if self._map is None:                                   # the first activations tell the widths of the layers
            self._shard["dims"] = dims
            shape = min(ROWS, len(self._ids) - start), sum(dims)
            # It is whole when its .json is there, whatever its name says.
            self._map = np.lib.format.open_memmap(self._file(start), "w+", np.float32, shape)
        row, column = len(self._shard["ids"]), 0
        for index, values in enumerate(layers):
            largest = np.abs(values).max(axis=1, initial=0) if index < self._n_layers else np.zeros(len(values))
            if not (largest <= self._limit).all() or np.isinf(largest).any():
                self._refuse(index, kept, largest)
            self._shard["largest"][index] = max(self._shard["largest"][index], float(largest.max()))
            self._map[row:row + len(values), column:column + dims[index]] = values
            column += dims[index]

    def _refuse(self, index, kept, largest):
        bad = int(np.argmin((largest <= self._limit) & np.isfinite(largest)))
        row, plan = int(np.flatnonzero(self._ids == kept[bad])[0]), self._plan
        found = f"reach {largest[bad]:.3g}, beyond float16" if np.isfinite(largest[bad]) else "are NaN or infinite"
        hint = ", or use --dtype bfloat16 or float32" if np.isfinite(self._limit) else ""
        raise ValueError(f"layer {index} ({self._names[index]}): the activations of row {row}, {plan['id_name']} {kept[bad]}, "
                         f"{found}; {plan['model']} was stopped, look at this input and at the weights{hint}")

    def _close(self):
        start = (self._row - 1) - (self._row - 1) % ROWS
        if self._map is not None:
            self._map.flush()
        with replacing(self._file(start).with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(self._shard))
        self._done.add(start)
        self._map = self._shard = None
