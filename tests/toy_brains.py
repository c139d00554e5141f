"""A dataset of three simulated subjects that breaks symmetries: numbers that are not 1..n, parcels of unequal size, and some without an RDM.

    write(folder)                       # responses-02.npz ... and features; open_dataset("toy", folder) after register()
    register()                          # makes "toy" a dataset of convergence, in this process
"""

import sys
import types

import numpy as np
import pandas

from convergence.datasets.base import Dataset
from convergence.features.store import ATTRIBUTES, write_features
from convergence.storage.outputs import replacing

SUBJECTS = (2, 5, 9)
N_SHARED, N_OWN, PER_SESSION = 8, 5, 13                                    # images; (8 + 5) x 3 trials in 3 sessions
# name: (left label, right label), voxels of the labels
ATLAS = {"A": ((3, 203), (7, 9)), "B": ((8, 208), (5, 0)), "none": ((11, 211), (0, 0)), "one": ((20, 220), (1, 0)), "flat": ((41, 241), (4, 3))}
FLAT_TRIAL = 5                                                             # in which all voxels of parcel "flat" say the same; a shared image, session 1
LAYERS = {"small_pool-avg": ("small", (6, 17, 4)), "wide_pool-cls": ("wide", (30, 11))}


class Toy(Dataset):
    """responses(subject, ...) come from responses-02.npz; subject 5 has no voxel in parcel B, and subject 9 may lack its session 2."""

    name = "toy"
    image_key = "toy_id"
    repetitions_shift = True

    @classmethod
    def open(cls, root=None):
        return cls(root)

    @property
    def trials(self):
        table = pandas.read_csv(self.root / "trials.csv")
        lacking = (self.root / "lacking.txt").exists()
        return table.assign(exists=~((table["subject"] == 9) & (table["session"] == 2) & lacking))

    @property
    def images(self):
        return pandas.DataFrame(index=pandas.RangeIndex(100 + N_SHARED + N_OWN * len(SUBJECTS)))

    def image(self, image):
        raise NotImplementedError

    def atlas(self):
        rows = [(label, name, side) for k, side in enumerate(("lh", "rh")) for name, (labels, _) in ATLAS.items() for label in [labels[k]]]
        return pandas.DataFrame(rows, columns=["roi", "name", "hemisphere"])

    def responses(self, subject, roi, rows=None):
        with np.load(self.response_files(subject)[0]) as file:
            matrix = np.concatenate([file[str(label)] for label in roi], axis=1)
        return matrix if rows is None else matrix[np.asarray(rows)]

    def response_files(self, subject):
        return [self.root / f"responses-{subject:02d}.npz"]


def write(root, *, complete=True, seed=4):
    """A toy dataset in a folder, its features in <folder>/features; returns it opened."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    trials = _trials(rng)
    trials.to_csv(root / "trials.csv", index=False)
    if not complete:
        (root / "lacking.txt").touch()
    latents = rng.standard_normal((100 + N_SHARED + N_OWN * len(SUBJECTS), 5))
    for subject in SUBJECTS:
        shown = trials.loc[trials["subject"] == subject, "image"].to_numpy()
        np.savez(root / f"responses-{subject:02d}.npz", **{str(label): _responses(name, subject, latents[shown], n, rng)
                                                           for name, (labels, sizes) in ATLAS.items() for label, n in zip(labels, sizes)})
    write_networks(root / "features", rng.permutation(len(latents)), latents)
    return Toy(root)


def write_networks(folder, ids, latents, *, dataset="toy", untrained=False, seed=-1):
    """Feature files whose layers see the latents through random weights; images 0 and 1 are in none, and not shown to anybody."""
    ids = np.array([image for image in ids if image > 1])
    for stem, (model, dims) in LAYERS.items():
        rng = np.random.default_rng(len(stem) + seed)
        layers = [np.tanh(latents[ids] @ rng.standard_normal((latents.shape[1], dim)) / 2).astype(np.float32) for dim in dims]
        known = dict.fromkeys(ATTRIBUTES, "") | {"dataset": dataset, "id_name": "toy_id", "model": model, "modality": "vision", "seed": seed,
                                                 "untrained": untrained, "num_parameters": sum(dims)}
        suffix = f"-untrained-seed{seed}" if untrained else ""
        with replacing(folder / dataset / ("all-untrained" if untrained else "all") / f"{stem}{suffix}.h5") as path:
            write_features(path, ids, [layers], layer_names=[f"block {k}" for k in range(len(dims))], attributes=known)


def register():
    from convergence import datasets

    module = types.ModuleType("convergence.datasets.toy")
    module.Toy = Toy
    sys.modules[module.__name__] = module
    datasets._READERS["toy"] = "toy.Toy"


def _trials(rng):
    """Shared images 100..107, own images after them; one master order, so that a shared image has the same trial numbers in all subjects."""
    order = rng.permutation(np.repeat(np.arange(N_SHARED + N_OWN), 3))
    repetition = pandas.Series(order).groupby(order).cumcount().to_numpy()
    tables = []
    for k, subject in enumerate(SUBJECTS):
        image = np.where(order < N_SHARED, 100 + order, 100 + order + N_OWN * k)
        index = np.arange(len(order))
        tables.append(pandas.DataFrame({"subject": subject, "subject_index": index, "session": 1 + index // PER_SESSION, "image": image,
                                        "repetition": repetition, "shared": order < N_SHARED}))
    return pandas.concat(tables, ignore_index=True)


def _responses(name, subject, latents, n_voxels, rng):
    n = len(latents)
    if name == "B" and subject == 5:
        return np.zeros((n, 0), np.int16)
    signal = latents @ rng.standard_normal((latents.shape[1], n_voxels)) + rng.standard_normal((n, n_voxels))
    if name == "flat":
        signal[FLAT_TRIAL] = 0
    return np.round(300 * signal).astype(np.int16)
