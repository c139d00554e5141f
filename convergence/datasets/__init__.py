"""Stage 1: one reader per dataset, one interface (base.py). `open_dataset` finds a reader by name."""

import difflib
import importlib

_READERS = {"nsd": "nsd.NSD", "images92": "images92.Images92", "folder": "folder.Folder", "things": "things.Things",
            "bold5000": "bold5000.Bold5000", "bold5000-coco": "bold5000.Bold5000Coco",
            "bold5000-imagenet": "bold5000.Bold5000ImageNet", "bold5000-scenes": "bold5000.Bold5000Scenes"}


def open_dataset(name, root=None):
    """Open a dataset that lies on this machine.

    Parameters
    ----------
    name : str
        "nsd", "things", "bold5000" (or one source of its pictures: "bold5000-coco", "bold5000-imagenet", "bold5000-scenes"),
        "images92", or "folder" for data of your own (convergence.datasets.folder.reader states the layout).
    root : path, optional
        Its folder; default: the dataset's environment variable (NSD_DATASET, THINGS_DATASET, BOLD_DATASET, IMAGES92_DATASET).

    Returns
    -------
    Dataset
        See `convergence.datasets.base`.

    Raises
    ------
    ValueError
        The name is unknown, or nobody said where the dataset is.
    FileNotFoundError
        The folder is not there.
    """
    if name not in _READERS:
        near = difflib.get_close_matches(name, _READERS, n=1)
        raise ValueError(f"dataset: {name!r} is unknown{f', did you mean {near[0]!r}?' if near else ''}; known: {', '.join(sorted(_READERS))}")
    module, reader = _READERS[name].split(".")
    return getattr(importlib.import_module(f"convergence.datasets.{module}"), reader).open(root)
