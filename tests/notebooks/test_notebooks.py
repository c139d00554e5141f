"""The notebooks: how they are written, and that they run, on synthetic derivatives whose truth their captions must tell."""

import json
import re
from pathlib import Path

import pytest
from synthetic_derivatives import plant, write_derivatives

from convergence.plotting.figures import NOTEBOOKS, find_notebooks, main, tables_of

ALL = find_notebooks(NOTEBOOKS)


def cells(notebook, kind):
    return ["".join(cell["source"]) for cell in json.loads(Path(notebook).read_text())["cells"] if cell["cell_type"] == kind]


def printed(executed):
    return "".join("".join(output.get("text", "")) for cell in json.loads(executed.read_text())["cells"]
                   for output in cell.get("outputs", ()))


def draw(folder, *numbers, **options):
    write_derivatives(folder / "derivatives", **options)
    status = main([*numbers, "--derivatives", str(folder / "derivatives"), "--out", str(folder / "figures")])
    return status, folder / "figures"


@pytest.mark.parametrize("notebook", ALL, ids=lambda path: path.stem)
def test_written_by_the_rules(notebook):
    content = json.loads(notebook.read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"] and cell["execution_count"] is None and len(cell["source"]) <= 25
    first = cells(notebook, "markdown")[0]
    assert content["cells"][0]["cell_type"] == "markdown" and "**Question.**" in first and "**Figure of the paper**" in first
    assert re.findall(r"`([\w/-]+\.(?:parquet|csv))`", first) == tables_of(notebook)
    assert all(table in (NOTEBOOKS / "README.md").read_text() for table in map(lambda t: Path(t).stem, tables_of(notebook)))


@pytest.mark.parametrize("number, tables", [("01", 5), ("03", 4)])
def test_empty_derivatives(tmp_path, capsys, number, tables):
    assert main([number, "--derivatives", str(tmp_path), "--out", str(tmp_path / "figures")]) == 1
    message = capsys.readouterr().err
    assert message.count("writes it") == tables
    assert "3_alignment/3_subject_model.py" in message and "1_dataset_preparation/2_build_indexes.py" in message
    assert not (tmp_path / "figures").exists()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    status, figures = draw(tmp_path_factory.mktemp("synthetic"))
    assert status == 0
    return figures


def test_spatial_alignment(drawn):
    names = {path.name for path in (drawn / "01_spatial_alignment").iterdir()}
    assert names == {f"{name}.{suffix}" for suffix in ("pdf", "png") for name in (
        "boxplots_intersubject", "boxplots_vision", "boxplots_language", "map_intersubject", "map_vision", "map_language",
        "scatter_vision_intersubject", "scatter_language_intersubject")}
    captions, planted = printed(drawn / "01_spatial_alignment.ipynb"), plant()
    n_planted, n_social = (planted["strength"] > 0).sum(), (planted["social"] > 0).sum()
    # every planted one, no null
    for name, n in (("Inter-subject", n_planted), ("Vision models", n_planted), ("Language models", n_social)):
        assert f"{name}: n = 4 subjects; {n} of 179 parcels at p < 0.05" in captions
    assert "Without a value in every subject: A1. Without a value in some subjects: V6." in captions
    assert "4 subjects, 3 sessions each; models: 1 vision, 1 language." in captions
    best = re.search(r"Language models, highest means: (.*)", captions).group(1)
    assert {part.split()[0] for part in best.split(", ")} <= set(planted.query("social > 0")["name"])


def test_model_hierarchy(drawn):
    names = {path.name for path in (drawn / "03_model_hierarchy").iterdir()}
    assert names == {f"{name}_{modality}.{suffix}" for name in ("curves", "depth", "map_depth")
                     for modality in ("vision", "language")
                     for suffix in ("pdf", "png")}
    captions = printed(drawn / "03_model_hierarchy.ipynb")
    of_vision = captions.split("Language models")[0]
    peak = {hub: float(depth) for hub, depth in re.findall(r"(EVC|Ventral|LOTC): r = \S+ at depth (\d\.\d+)", of_vision)}
    assert peak["EVC"] < 0.3 < peak["Ventral"] < 0.7 < peak["LOTC"]                       # V1 to V4 peak before LOTC
    medians = re.search(r"Vision models, n = 4 subjects; median depth by session-averaged curve / published rule: "
                        r"EVC (\S+) / (\S+) \(n = 4 parcels\); Ventral .*; LOTC (\S+) / (\S+) \(n = 6 parcels\)",
                        captions)
    evc, evc_published, lotc, lotc_published = map(float, medians.groups())
    assert evc < 0.3 and evc_published < 0.3 and lotc > 0.7 and lotc_published > 0.7
    assert re.search(r"Language models, .*: EVC does not align; Ventral does not align; LOTC", captions)


def test_on_published_tables_without_language_model(tmp_path):
    """The columns that only our tables have are not needed, nor are models of both kinds, nor four subjects."""
    status, figures = draw(tmp_path, "03", n_subjects=2, n_sessions=1, models={"vit-b": ("vision", 6)}, published=True)
    assert status == 0
    names = {path.stem for path in (figures / "03_model_hierarchy").iterdir()}
    assert names == {"curves_vision", "depth_vision", "map_depth_vision"}


@pytest.mark.slow
def test_eight_subjects_and_seventeen_vision_models_as_published(tmp_path):
    status, figures = draw(tmp_path, n_subjects=8, n_sessions=5,
                           models={**{f"vit-{k}": ("vision", 5 + k % 3) for k in range(16)}, "clip-x": ("vision", 24)},
                           published=True)
    assert status == 0
    assert {path.stem for path in (figures / "01_spatial_alignment").iterdir()} == {
        "boxplots_intersubject", "boxplots_vision", "map_intersubject", "map_vision", "scatter_vision_intersubject"}
    assert "null: as published" in printed(figures / "01_spatial_alignment.ipynb")
    assert "8 subjects, 5 sessions each; models: 17 vision." in printed(figures / "03_model_hierarchy.ipynb")
