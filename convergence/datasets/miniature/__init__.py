"""Small datasets with planted truth, in the formats of the real ones: every script runs on a laptop and can be proved right.

    write_miniature("demo/datasets", seed=0)        demo/datasets/nsd/..., bold5000/..., things/...; 35 MB, a quarter of a minute
    read_truth("demo/datasets/nsd")                 what was planted where

latents.py, pictures.py     what the pictures are about, and the pictures
responses.py, design.py     what brains answer; the order of trials
truth.py                    what is planted where
volumes.py, coco.py         formats that datasets share
nsd*.py                     one dataset's files: another dataset is another module with a function describe(seed, without=...)
folder.py                   writing them whole or not at all
"""

from convergence.datasets.miniature.truth import read_truth  # noqa: F401

DATASETS = ("nsd", "bold5000", "things")


def write_miniature(out, seed=0, datasets=DATASETS, *, without=()):
    """Write miniature datasets, each into its folder below `out`; what is there already is left alone.

    Parameters
    ----------
    out : path
    seed : int
        The same seed gives the same bytes.
    datasets : sequence of str
    without : collection of (subject, session)
        Sessions whose responses are left out, as if they had not been downloaded.

    Returns
    -------
    dict of str to Path
        The folder of every dataset.

    Raises
    ------
    ValueError
        A negative seed, an unknown dataset, or a folder that holds something else.
    """
    import importlib
    from pathlib import Path

    from convergence.datasets.miniature.folder import write_folder

    if seed < 0:
        raise ValueError(f"seed: {seed} is negative; use 0 or a larger whole number")
    unknown = [name for name in datasets if name not in DATASETS]
    if unknown:
        raise ValueError(f"datasets: {', '.join(unknown)} cannot be made; choose from {', '.join(DATASETS)}")
    options = {"seed": seed, "without": sorted([int(subject), int(session)] for subject, session in without)}
    folders = {name: Path(out) / name for name in datasets}
    for name, root in folders.items():
        write_folder(root, importlib.import_module(f"convergence.datasets.miniature.{name}").describe, options)
    return folders
