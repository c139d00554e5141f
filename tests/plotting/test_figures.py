"""The command `figures`: what it executes, what it skips, how it fails. Its notebooks here are tiny."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from convergence.plotting.figures import find_notebooks, main, tables_of
from convergence.storage.paths import environment_with, figures_folder

DRAW = """from pathlib import Path
from convergence.storage import paths
table = paths.derivatives_folder() / "metadata/hcp.csv"
folder = paths.figures_folder() / "07_tiny"
folder.mkdir(parents=True, exist_ok=True)
for suffix in ("pdf", "png"):
    (folder / f"panel.{suffix}").write_text(table.read_text())"""


def write_notebook(folder, name, *cells):
    folder.mkdir(exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("A question?"),
                                               *map(nbformat.v4.new_code_cell, cells)])
    nbformat.write(notebook, folder / name)


@pytest.fixture
def place(tmp_path):
    """Notebooks, derivatives with one table, and the command's options."""
    (tmp_path / "derivatives" / "metadata").mkdir(parents=True)
    pd.DataFrame({"roi": [1]}).to_csv(tmp_path / "derivatives" / "metadata" / "hcp.csv")
    write_notebook(tmp_path / "notebooks", "07_tiny.ipynb", DRAW)
    options = ["--notebooks", str(tmp_path / "notebooks"), "--derivatives", str(tmp_path / "derivatives"), "--out",
               str(tmp_path / "figures")]
    return SimpleNamespace(folder=tmp_path, options=options)


def test_executes_skips_and_executes_again(place, capsys):
    assert main(place.options) == 0
    panel, executed = place.folder / "figures" / "07_tiny" / "panel.pdf", place.folder / "figures" / "07_tiny.ipynb"
    assert panel.exists() and f"{panel}, .png" in capsys.readouterr().out
    assert json.loads(executed.read_text())["metadata"]["convergence"]["figures"] == ["panel.pdf", "panel.png"]

    first = executed.stat().st_mtime_ns
    assert main(place.options) == 0
    output = capsys.readouterr().out
    assert executed.stat().st_mtime_ns == first and "1 of 1 done before" in output and str(panel) in output

    panel.unlink()                                                      # a figure that is gone is drawn again
    assert main(place.options) == 0
    assert panel.exists()

    (place.folder / "derivatives" / "metadata" / "hcp.csv").write_text("changed")
    assert main(place.options) == 0
    assert "redo, inputs changed: derivatives/metadata/hcp.csv" in capsys.readouterr().out and panel.read_text() == "changed"


def test_a_failing_notebook_ends_with_its_error_in_one_line(place, capsys):
    write_notebook(place.folder / "notebooks", "08_broken.ipynb", "1 + 1", "raise ValueError('two\\nlines')")
    assert main(place.options) == 1
    assert "\n  08_broken: NotebookFailed: cell 3 of 08_broken.ipynb: ValueError: two lines\n" in capsys.readouterr().err
    assert not (place.folder / "figures" / "08_broken.ipynb").exists() and (place.folder / "figures" / "07_tiny.ipynb").exists()


def test_missing_tables_name_their_scripts_and_the_rest_is_drawn(place, capsys):
    write_notebook(place.folder / "notebooks", "09_lacking.ipynb",
                   'read("nsd/rsa_subject_model_alignment_joined.parquet", "metadata/hcp.csv")')
    assert main(place.options) == 1
    captured = capsys.readouterr()
    assert f"error: 1 of 2 notebooks were not executed, tables are not in {place.folder / 'derivatives'}:\n" in captured.err
    assert "\n  09_lacking: nsd/rsa_subject_model_alignment_joined.parquet (3_alignment/3_subject_model.py writes" in captured.err
    assert "07_tiny.ipynb" in captured.out


def test_unknown_numbers_and_folders_are_refused(place, capsys):
    assert main(["07", "12", *place.options]) == 1
    assert f"error: no notebook 12 in {place.folder / 'notebooks'}; there are 07" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError,
                       match="empty holds no notebooks; run from a checkout of the project, or give the folder with --notebooks"):
        find_notebooks(place.folder / "empty")


def test_tables_are_found_in_code_only(place):
    write_notebook(place.folder / "notebooks", "10_reads.ipynb",
                   'a = read("metadata/hcp.csv", b="nsd/x_1.parquet")\nname = "x.png"', 'read("metadata/hcp.csv")')
    assert tables_of(place.folder / "notebooks" / "10_reads.ipynb") == ["metadata/hcp.csv", "nsd/x_1.parquet"]


def test_what_is_done_is_decided_without_heavy_libraries(place):
    assert main(place.options) == 0
    code = ("import sys; from convergence.plotting.figures import main; code = main(sys.argv[1:]); "
            "heavy = {'matplotlib', 'nbclient', 'pandas', 'torch', 'nilearn'} & set(sys.modules); "
            "assert code == 0 and not heavy, heavy")
    subprocess.run([sys.executable, "-c", code, *place.options], check=True, env=os.environ)


def test_folders_of_a_kernel(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVERGENCE_FIGURES", "elsewhere")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert figures_folder().name == "elsewhere" and figures_folder("here").name == "here"
    environment = environment_with("relative", tmp_path)
    assert environment["CONVERGENCE_FIGURES"] == str(tmp_path) and os.path.isabs(environment["CONVERGENCE_DERIVATIVES"])
    assert "MPLBACKEND" not in environment and environment["PATH"] == os.environ["PATH"]
    monkeypatch.delenv("CONVERGENCE_FIGURES")
    assert str(figures_folder()) == "figures"
