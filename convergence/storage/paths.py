"""Where things lie: explicit argument > environment variable > clear error. The only place that knows environment variables.

The environment is read when a path is asked for, never at import.
"""

import os
from pathlib import Path

DATASET_VARIABLES = {"nsd": "NSD_DATASET", "bold5000": "BOLD_DATASET", "things": "THINGS_DATASET", "images92": "IMAGES92_DATASET"}


def dataset_root(dataset, root=None, *, required=True):
    """Folder of a downloaded dataset.

    FileNotFoundError: it is not there. ValueError: nobody said where it is (None if not `required`).
    """
    variable = DATASET_VARIABLES.get(dataset)
    root = root or (variable and os.environ.get(variable))
    if not root and not required:
        return None
    if not root:
        hint = f" or set the environment variable {variable}" if variable else ""
        raise ValueError(f"where is the dataset {dataset!r}? Give its folder with --root (root= in Python){hint}")
    root = Path(root).expanduser()
    if not root.is_dir():
        hint = f" or {variable}" if variable else ""
        raise FileNotFoundError(f"dataset {dataset!r}: the folder {root} does not exist; check --root{hint}")
    return root


def work_folder(dataset, root):
    """Where prepared files of a dataset lie: its folder, or for read-only ones $CONVERGENCE_WORK/<dataset>, if that is set."""
    work = os.environ.get("CONVERGENCE_WORK")
    return Path(work).expanduser() / dataset if work else Path(root)


def matrix_set(dataset):
    """Name of the folder of prepared response matrices to be read, where the environment says so (NSD_MATRICES), else None."""
    return os.environ.get(f"{dataset.upper()}_MATRICES") or None


def derivatives_folder(derivatives=None):
    """Folder of the tables: argument, CONVERGENCE_DERIVATIVES, or `derivatives` in the current folder."""
    return Path(derivatives or os.environ.get("CONVERGENCE_DERIVATIVES") or "derivatives").expanduser()


def features_folder(features=None):
    """Folder of the feature files: argument, CONVERGENCE_FEATURES, or `features` in the current folder."""
    return Path(features or os.environ.get("CONVERGENCE_FEATURES") or "features").expanduser()


def figures_folder(figures=None):
    """Folder of the figures: argument, CONVERGENCE_FIGURES, or `figures` in the current folder."""
    return Path(figures or os.environ.get("CONVERGENCE_FIGURES") or "figures").expanduser()


def environment_with(derivatives, figures):
    """The environment of a process (a notebook's kernel) that reads these derivatives, writes these figures, and shows them."""
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return {**inherited, "CONVERGENCE_DERIVATIVES": str(Path(derivatives).resolve()),
            "CONVERGENCE_FIGURES": str(Path(figures).resolve())}
