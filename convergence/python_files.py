"""Importing a Python file that is in no package: a stage script, whose name is no identifier, or a file of the user's.

    module = load_python("3_alignment/1_compute_rdms.py")
"""

import importlib.util
import sys
from pathlib import Path


def load_python(path):
    """The module that a file makes, run anew at every call; its functions can be pickled."""
    path = Path(path)
    spec = importlib.util.spec_from_file_location(f"convergence_file_{path.stem}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
