"""The scripts that build COCO's tables and measure pictures, as a user calls them."""

import hashlib
import shutil
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_nsd
from tiny_nsd import contents, run

from convergence.datasets import open_dataset
from convergence.datasets.annotations import body_parts, category_counts, content_labels, supercategory_counts
from convergence.datasets.download import Remote
from convergence.datasets.miniature.truth import read_truth
from convergence.datasets.nsd import coco_tables
from convergence.storage.tables import read_table

MADE = ("captions/nsd-captions-coco.csv", "coco_objects_annotations.csv", "coco_persons_annotations.csv", "content.csv")


@pytest.fixture
def nsd(miniature, tmp_path):
    """The miniature's tables and annotations, without its betas."""
    root = tmp_path / "nsd"
    shutil.copytree(miniature / "nsd", root, ignore=shutil.ignore_patterns("subj*"))
    return root


def test_the_miniatures_tables_equal_its_truth(nsd):
    assert run("3", "--root", nsd) == 0
    dataset, truth = open_dataset("nsd", nsd), read_truth(nsd)["images"]
    captions, objects, persons, content = (coco_tables.read(dataset, table) for table in coco_tables.FILES)
    n_images = len(captions)
    assert captions["nsd_id"].tolist() == content["nsd_id"].tolist() == list(range(len(truth["n_persons"])))
    assert all(f"img{k}" in text.split(";")[0] for k, text in enumerate(captions["captions"]))
    silent = np.isin(np.arange(n_images), truth["without_instances"])
    n_persons, n_animals = (np.where(silent, 0, truth[name]) for name in ("n_persons", "n_animals"))
    assert content["n_person"].tolist() == n_persons.tolist() and content["n_animal"].tolist() == n_animals.tolist()
    assert content["animate"].tolist() == (n_persons + n_animals > 0).tolist()
    assert content_labels(content)[truth["without_instances"]].eq("").all() and silent.sum() == 6
    assert content["n_crowd"].tolist() == (n_persons >= 5).astype(int).tolist() and content["n_crowd"].sum() > 0
    coarse = supercategory_counts(objects, n_images)
    assert coarse["person"].tolist() == n_persons.tolist() and coarse.sum(axis=1).tolist() == content["n_objects"].tolist()
    assert category_counts(objects, n_images).shape[0] == n_images and not coarse.iloc[truth["without_instances"]].any(axis=None)
    # Persons without keypoints are kept in both splits; per picture there are as many rows as persons and crowds of them.
    assert set(persons.loc[persons["num_keypoints"] == 0, "coco_split"]) == {"train2017", "val2017"}
    n_rows = persons.groupby("nsd_id").size().reindex(range(n_images), fill_value=0)
    assert n_rows.tolist() == (n_persons + content["n_crowd"]).tolist()
    parts = body_parts(persons, n_images)
    assert parts.sum().sum() == persons["num_keypoints"].sum()
    assert (parts.max(axis=1) > 0).tolist() == content["is_person"].tolist()
    assert objects["visible_fraction"].min() < 0.9 < objects["visible_fraction"].max() == 1


def test_run_again_nothing_changes_and_options_redo_their_tables_only(nsd, capsys):
    assert run("3", "--root", nsd) == 0
    before = contents(nsd)
    assert run("3", "--root", nsd) == 0 and contents(nsd) == before
    capsys.readouterr()
    assert run("3", "--root", nsd, "--min-visible", 0.9) == 0
    shown = capsys.readouterr().out
    assert "COCO tables: 3 of 3 done before" in shown and "content: redo, options changed: min_visible" in shown
    assert {path for path, content in contents(nsd).items() if before[path] != content} == {"content.csv", "content.csv.json"}
    assert run("3", "--root", nsd, "--segmentation", "--tables", "persons") == 0
    assert "segmentation" in pd.read_csv(nsd / "coco_persons_annotations.csv")


def test_a_zip_is_read_and_a_read_only_dataset_served(nsd, tmp_path, monkeypatch):
    assert run("3", "--root", nsd) == 0
    archive = tmp_path / "annotations_trainval2017.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in sorted((nsd / "annotations").iterdir()):
            opened.write(file, f"annotations/{file.name}")
    monkeypatch.setenv("CONVERGENCE_WORK", str(tmp_path / "work"))
    assert run("3", "--root", nsd, "--coco", archive) == 0
    for name in MADE:
        assert (tmp_path / "work" / "nsd" / name).read_bytes() == (nsd / name).read_bytes()


def test_download_fetches_the_zip_once(nsd, tmp_path, monkeypatch):
    (tmp_path / "served").mkdir()
    archive = tmp_path / "served" / "annotations_trainval2017.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for file in sorted((nsd / "annotations").iterdir()):
            opened.write(file, f"annotations/{file.name}")
    shutil.rmtree(nsd / "annotations")
    handler = partial(type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None}), directory=str(archive.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, md5 = f"http://127.0.0.1:{server.server_port}/{archive.name}", hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(coco_tables, "REMOTE", Remote(url, archive.stat().st_size, md5))
    assert run("3", "--root", nsd, "--download", "--dry-run") == 0 and not (nsd / "annotations").exists()
    assert run("3", "--root", nsd, "--download") == 0
    server.shutdown()
    server.server_close()
    assert all((nsd / name).exists() for name in MADE) and (nsd / "annotations" / archive.name).exists()
    before = contents(nsd)
    assert run("3", "--root", nsd) == 0 and contents(nsd) == before                  # found where it was put


def test_nothing_is_downloaded_where_all_files_are_there(nsd, monkeypatch, capsys):
    monkeypatch.setattr(coco_tables, "REMOTE", Remote("http://127.0.0.1:9/nobody.zip", 1, "0"))
    assert run("3", "--root", nsd, "--download") == 0 and all((nsd / name).exists() for name in MADE)
    next((nsd / "annotations").glob("person_keypoints_*")).unlink()
    next((nsd / "annotations").glob("person_keypoints_*")).unlink()
    assert run("3", "--root", nsd, "--download") == 1
    assert "http://127.0.0.1:9/nobody.zip" in capsys.readouterr().err


def test_captions_alone_are_enough(tmp_path, capsys):
    root = tiny_nsd.write(tmp_path / "nsd")
    assert run("3", "--root", root) == 0
    shown = capsys.readouterr().out
    assert "COCO tables: objects is left out: " in shown and "holds no instances_*.json" in shown
    assert (root / MADE[0]).exists() and not (root / "content.csv").exists()
    assert run("3", "--root", root, "--tables", "content") == 1
    assert "holds no instances_*.json; expected COCO's instances_train2017.json" in capsys.readouterr().err


def test_a_table_that_is_not_there_or_unknown(nsd):
    with pytest.raises(FileNotFoundError, match="content.csv is not there; .*/3_build_coco_tables.py makes it"):
        coco_tables.read(open_dataset("nsd", nsd), "content")
    with pytest.raises(ValueError, match="table: 'contents' is unknown; known: captions, objects, persons, content"):
        coco_tables.read(open_dataset("nsd", nsd), "contents")


@pytest.mark.parametrize("options, message", [(("--dataset", "images92"), "--dataset: 'images92' has no COCO annotations"),
                                              (("--min-visible", 2), "--min-visible: 2.0 is not a fraction; expected 0 to 1"),
                                              (("--download", "--coco", "x"), "--coco names another place; give one")])
def test_wrong_options(tmp_path, capsys, options, message):
    assert run("3", "--root", tmp_path, *options) == 1
    assert message in capsys.readouterr().err


def test_damage_stops_content_too(nsd, capsys):
    path = nsd / "annotations" / "instances_val2017.json"
    path.write_bytes(path.read_bytes()[:-99])
    assert run("3", "--root", nsd) == 1
    assert "instances_val2017.json is not a COCO instance file (JSONDecodeError" in capsys.readouterr().err
    assert not (nsd / "content.csv").exists() and (nsd / "coco_persons_annotations.csv").exists()


def measure(root, derivatives, *options):
    return run("5", "--root", root, "--derivatives", derivatives, *options)


def prepared_folder(tmp_path):
    """A dataset of the kind "folder", made by its template."""
    from convergence.datasets.folder.template import main
    assert main([str(tmp_path / "mine")]) == 0
    return tmp_path / "mine"


def test_statistics_of_a_dataset_have_a_row_per_picture(tmp_path, capsys):
    root = prepared_folder(tmp_path)
    assert measure(root, tmp_path / "d", "--dataset", "folder") == 0
    table = read_table(tmp_path / "d" / "mine" / "image_statistics.parquet")
    assert table["image"].tolist() == open_dataset("folder", root).images.index.tolist()
    before = contents(tmp_path / "d")
    assert measure(root, tmp_path / "d", "--dataset", "folder") == 0 and contents(tmp_path / "d") == before
    assert "1 of 1 done before" in capsys.readouterr().out


@pytest.mark.slow
def test_processes_make_the_same_table(tmp_path, monkeypatch):
    from convergence.datasets import image_statistics
    root = prepared_folder(tmp_path)
    monkeypatch.setattr(image_statistics, "SHARD", 4)
    for name, options in (("one", ()), ("two", ("--jobs", "2"))):
        assert measure(root, tmp_path / name, "--dataset", "folder", *options) == 0
    one, two = (contents(tmp_path / name) for name in ("one", "two"))
    assert {path for path in one if path.endswith(".parquet")} == {path for path in two if path.endswith(".parquet")}
    assert all(one[path] == two[path] for path in one if Path(path).suffix == ".parquet")


def test_a_dry_run_of_the_statistics_writes_nothing(tmp_path, capsys):
    assert measure(prepared_folder(tmp_path), tmp_path / "d", "--dataset", "folder", "--dry-run") == 0
    assert "pictures 0 to" in capsys.readouterr().out and not (tmp_path / "d").exists()
