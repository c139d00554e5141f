"""Importing the package is instant, every public name is a function on first and on second access, and the arrows between rooms hold.

If the import test fails: something imports torch (or another heavy library) at the top of a module that `import convergence` reaches.
If the arrows test fails: move the code, or say in DESIGN why the arrow is right and add it here.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import convergence

ROOMS = {"analysis": {"compute"}, "compute": set(), "storage": set(), "datasets": {"storage"}, "features": {"storage", "compute", "datasets"},
         "alignment": {"analysis", "compute", "storage", "datasets", "features"}, "plotting": {"storage", "analysis", "datasets", "compute"}}
SHARED = {"cli", "tasks", "dependencies", "pipeline", "python_files"}       # modules at the top of the package


def fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_is_fast_and_light():
    code = "import sys, time; t = time.perf_counter(); import convergence; print(time.perf_counter() - t); print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    seconds, heavy = fresh(code).splitlines()
    assert float(seconds) < 0.3 and heavy == "[]"


def test_every_public_name_is_the_same_callable_twice():
    code = "import convergence as c; print([n for n in c.__all__ if not (callable(getattr(c, n)) and getattr(c, n) is getattr(c, n))])"
    assert fresh(code) == "[]"
    code = "import convergence as c\nfor n in c.__all__: getattr(c, n)\nprint([n for n in c.__all__ if type(getattr(c, n)).__name__ == 'module'])"
    assert fresh(code) == "[]"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(AttributeError, match="no attribute 'compute_rmd'; public names: .*compute_rdm"):
        convergence.compute_rmd


def test_a_missing_library_is_named_with_its_line():
    from convergence.dependencies import explain
    message = explain(ModuleNotFoundError("No module named 'yaml'", name="yaml"))
    assert message.startswith("PyYAML is not installed; install it with: pip install 'PyYAML>=") and "requirements.txt, line " in message
    assert "no requirements file" in explain(ModuleNotFoundError("No module named 'foo'", name="foo.bar"))


def imported_rooms(file):
    """(room or top module, ...) of ours that a source file imports, wherever in the file."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else [a.name for a in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "convergence" and len(parts) > 1:
                yield parts[1]


def test_arrows_between_rooms():
    package, wrong = Path(convergence.__file__).parent, []
    for room, allowed in ROOMS.items():
        for file in sorted((package / room).rglob("*.py")):
            for target in imported_rooms(file):
                shared = SHARED if room not in ("analysis", "compute") else set()
                if target != room and target not in allowed | shared:
                    wrong.append(f"{file.relative_to(package)} imports {target}")
    assert not wrong
