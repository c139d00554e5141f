"""Stage 1: one reader per dataset, one interface (base.py).

    open_dataset("nsd", root)       the reader of a dataset
    preparation("nsd")              the module that makes its files: what the scripts of 1_dataset_preparation call
"""

import difflib
import importlib

_READERS = {"nsd": "nsd.NSD", "images92": "images92.Images92", "folder": "folder.Folder", "things": "things.Things",
            "bold5000": "bold5000.Bold5000", "bold5000-coco": "bold5000.Bold5000Coco",
            "bold5000-imagenet": "bold5000.Bold5000ImageNet", "bold5000-scenes": "bold5000.Bold5000Scenes"}


def open_dataset(name, root=None, **options):
    """Open a dataset that lies on this machine.

    Parameters
    ----------
    name : str
        "nsd", "things", "bold5000" (or one source of its pictures: "bold5000-coco", "bold5000-imagenet", "bold5000-scenes"),
        "images92", or "folder" for data of your own (convergence.datasets.folder.reader states the layout).
    root : path, optional
        Its folder; default: the dataset's environment variable (NSD_DATASET, THINGS_DATASET, BOLD_DATASET, IMAGES92_DATASET).
    **options
        Of the reader's `open`, if it has any: of "nsd", source= (`nsd.files.Source`: which set of response matrices).

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
    module, reader = _named(name)
    return getattr(importlib.import_module(f"convergence.datasets.{module}"), reader).open(root, **options)


def family(name):
    """The dataset whose files a name stands for: "bold5000" for "bold5000-coco"; ValueError where the name is unknown."""
    return _named(name)[0]


def whole_of(name):
    """The dataset whose numbers of images a dataset's are: "bold5000" for its part "bold5000-coco"; of others the name itself."""
    return family(name) if name in _READERS and name.startswith(f"{family(name)}-") else name


def option_of(name):
    """What `--dataset` is called for a dataset of this name: a folder of one's own goes by its name, but is opened as "folder"."""
    return name if name in _READERS else "folder"


def preparation(name):
    """The module that does stage 1 for a dataset: what the scripts of 1_dataset_preparation call.

    Parameters
    ----------
    name : str
        As in `open_dataset`.

    Returns
    -------
    module
        With the functions check(root, chosen) -> list of Finding; forecast(root, chosen, findings) -> lines;
        index_units(dataset, derivatives) -> list of Unit; report(dataset) -> lines; extract(dataset, subject, chosen). `chosen`
        are the scripts' options.

    Raises
    ------
    ValueError
        The name is unknown, or the dataset needs no preparation.
    """
    module = f"convergence.datasets.{family(name)}.preparation"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.rpartition(".")[0]):
            raise                                                       # a library that is not installed
        raise ValueError(f"--dataset: {name!r} needs no preparation: its files are read as they were downloaded; stage 1 "
                         f"prepares {', '.join(sorted(set(map(family, _READERS)) - {name}))}") from None


def _named(name):
    """[module, class] of a reader."""
    if name not in _READERS:
        near = difflib.get_close_matches(name, _READERS, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"dataset: {name!r} is unknown{hint}; known: {', '.join(sorted(_READERS))}")
    return _READERS[name].split(".")
