"""Execute the notebooks of 5_notebooks/ and write their figures (PDF and PNG).

    python -m convergence figures                                                # every notebook whose tables are there
    python -m convergence figures 01 03 --derivatives demo/derivatives --out demo/figures

Reads tables of the derivatives folder only. Writes <out>/<notebook>/<figure>.pdf and .png, and beside these folders the executed
notebook itself with its figures and captions. A notebook whose tables and code are those of its last execution is skipped. Each
takes less than a minute. Exit status 1 if a notebook fails, or if a table that a notebook reads is not there.
"""

import json
import re
import sys
from pathlib import Path

from convergence.cli import command, options
from convergence.plotting.derivatives import explain_missing, missing
from convergence.storage.paths import derivatives_folder, environment_with, figures_folder
from convergence.tasks import Unit, run_units

NOTEBOOKS = Path(__file__).resolve().parents[2] / "5_notebooks"
_KERNEL_OPTIONS = ["--HistoryManager.enabled=False", "--IPKernelApp.log_level=40"]  # no file in the home folder, errors only
_TABLE = re.compile(r'"([\w./-]+\.(?:parquet|csv|npy))"')


class NotebookFailed(RuntimeError):
    """A cell of a notebook raised an error."""


@command
def main(arguments=None):
    parser = options(__doc__, "derivatives", "scheduler", "jobs", "overwrite")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="numbers of notebooks, e.g. 01 03 (default: all)")
    parser.add_argument("--out", metavar="DIR", help="folder of the figures; default: CONVERGENCE_FIGURES, or ./figures")
    parser.add_argument("--notebooks", metavar="DIR", default=NOTEBOOKS,
                        help="folder of the notebooks (default: 5_notebooks of this checkout)")
    chosen = parser.parse_args(arguments)
    derivatives, figures = derivatives_folder(chosen.derivatives), figures_folder(chosen.out)

    notebooks = find_notebooks(chosen.notebooks, chosen.numbers)
    absent = {notebook: missing(derivatives, tables_of(notebook)) for notebook in notebooks}
    units = [unit_of(notebook, derivatives, figures) for notebook in notebooks if not absent[notebook]]
    for unit in units:
        if not all(path.exists() for path in figures_of(unit.output)):
            unit.output.unlink(missing_ok=True)                        # its figures are gone, so that it has to be executed again
    for notebook in run_units(units, title="figures", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite):
        print("\n".join([str(notebook), *(f"  {path}, .png" for path in figures_of(notebook) if path.suffix == ".pdf")]))
    lacking = {notebook.stem: files for notebook, files in absent.items() if files}
    if lacking:
        listed = "\n".join(f"  {name}: {explain_missing(files)}" for name, files in lacking.items())
        raise FileNotFoundError(f"{len(lacking)} of {len(notebooks)} notebooks were not executed, "
                                f"tables are not in {derivatives}:\n{listed}")


def find_notebooks(folder, numbers=()):
    """Paths of the notebooks with these numbers (all by default), in the order of their names."""
    found = {path.name.split("_")[0]: path for path in sorted(Path(folder).glob("*_*.ipynb"))}
    if not found:
        raise FileNotFoundError(f"{folder} holds no notebooks; run from a checkout of the project, "
                                "or give the folder with --notebooks")
    unknown = [number for number in numbers if number not in found]
    if unknown:
        raise ValueError(f"no notebook {', '.join(unknown)} in {folder}; there are {', '.join(found)}")
    return [path for number, path in found.items() if not numbers or number in numbers]


def tables_of(notebook):
    """Files below the derivatives folder that a notebook reads: the quoted names of tables in its code."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return list(dict.fromkeys(_TABLE.findall(code)))


def figures_of(executed):
    """Paths of the figures that an executed notebook wrote; none where it was not executed."""
    if not executed.exists():
        return []
    names = json.loads(executed.read_text(encoding="utf-8"))["metadata"].get("convergence", {}).get("figures", [])
    return [executed.with_suffix("") / name for name in names]


def unit_of(notebook, derivatives, figures):
    """The unit of work that executes one notebook."""
    inputs = (notebook, *(derivatives / table for table in tables_of(notebook)))
    return Unit(notebook.stem, figures / notebook.name, execute,
                places={"notebook": str(notebook), "derivatives": str(derivatives), "figures": str(figures)},
                inputs=inputs)


def execute(notebook, derivatives, figures):
    """Execute a notebook in a kernel of this Python; returns a function that writes the executed copy.

    Parameters
    ----------
    notebook, derivatives, figures : path

    Raises
    ------
    NotebookFailed
        One line: the cell, and the error it ended with.
    ModuleNotFoundError
        A library is not installed.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook, folder = Path(notebook), Path(figures) / Path(notebook).stem
    for old in _pictures(folder):
        old.unlink()
    content = nbformat.read(notebook, as_version=4)
    client = NotebookClient(content, kernel_manager_class=_manager_of_this_python(), timeout=None, record_timing=False,
                            extra_arguments=_KERNEL_OPTIONS, resources={"metadata": {"path": str(notebook.parent)}})
    try:
        client.execute(env=environment_with(derivatives, figures))
    except CellExecutionError as error:
        number = next(k for k, cell in enumerate(content.cells, start=1) if _failed(cell))
        for begun in _pictures(folder):                             # half a set of figures would look like a whole one
            begun.unlink()
        if error.ename == "ModuleNotFoundError":
            raise ModuleNotFoundError(error.evalue, name=error.evalue.split("'")[1]) from None
        raise NotebookFailed(f"cell {number} of {notebook.name}: {error.ename}: {' '.join(str(error.evalue).split())}") from None
    content.metadata["convergence"] = {"figures": [path.name for path in _pictures(folder)]}
    return lambda path: nbformat.write(content, path)


def _pictures(folder):
    return sorted([*folder.glob("*.pdf"), *folder.glob("*.png")])


def _failed(cell):
    return any(output["output_type"] == "error" for output in cell.get("outputs", ()))


def _manager_of_this_python():
    """Kernels that run this very Python, whatever kernels a person has installed under the name python3."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):
        @property
        def kernel_spec(self):
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python", language="python")

    return ThisPython
