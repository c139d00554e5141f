"""The captioning script on seven pictures: tables, failures that are asked again, kill and resume."""

import os
import signal
import subprocess
import sys
import time

import pandas
import pytest
from fake_dataset import IDS, SevenPictures, write_seven_pictures
from tiny_captioner import save_captioner

from convergence.features import captions
from convergence.features.captions import read_captions
from convergence.features.texts import read_texts, unusable
from convergence.python_files import load_python
from convergence.storage.outputs import read_sidecar
from convergence.storage.schemas import TABLES
from convergence.storage.tables import written_by


@pytest.fixture
def run(checkout, tmp_path, monkeypatch):
    """run(*options) -> exit status, for the seven pictures; run.table(name) reads captions/seven-<name>.csv."""
    write_seven_pictures(tmp_path / "seven")
    monkeypatch.setattr("convergence.datasets.open_dataset", lambda name, root=None: SevenPictures(root))
    path = checkout / "2_model_extraction" / "2_caption_images.py"
    module = load_python(path)

    def run(*options, backend="dummy"):
        given = ["--root", tmp_path / "seven", "--derivatives", tmp_path / "derivatives", "--backend", backend, "--device", "cpu"]
        return module.main([str(option) for option in [*given, *options]])
    run.folder, run.root = tmp_path / "derivatives" / "captions", tmp_path / "seven"
    run.table = lambda name: read_captions(run.folder / f"seven-{name}.csv").set_index("seven_id")
    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".csv.json"))


def test_captions_are_written_once_as_published(run, capsys):
    assert run("--dry-run") == 0 and not run.folder.exists()
    assert "captions: dummy: caption: to do" in capsys.readouterr().out
    assert run() == 0
    assert names(run.folder) == ["seven-captions-dummy.csv"]
    table = run.table("captions-dummy")
    assert table.index.tolist() == IDS and set(table["status"]) == {"ok"}
    assert table["caption"].str.startswith("a picture of ").all()
    assert list(table.reset_index().drop(columns="mode"))[1:] == list(TABLES["captions"].columns)[1:]
    assert written_by(run.folder / "seven-captions-dummy.csv") == "2_model_extraction/2_caption_images.py"
    sidecar = read_sidecar(run.folder / "seven-captions-dummy.csv")
    assert len(sidecar["inputs"]) == 7 and sidecar["options"]["seed"] == 0
    assert sidecar["options"]["text"].startswith("Describe this photograph")
    capsys.readouterr()
    assert run() == 0 and "captions: 1 of 1 done before" in capsys.readouterr().out
    assert run("--seed", 1, "--dry-run") == 0 and "redo, options changed: seed (0 -> 1)" in capsys.readouterr().out


def test_labels_and_their_table_of_contents(run):
    assert run("--prompts", "motion", "indoor", "scene", "--parquet") == 0
    written = {f"seven-{prompt}-dummy.{end}" for prompt in ("indoor", "motion", "scene") for end in ("csv", "parquet")}
    assert {name for name in names(run.folder) if not name.endswith(".parquet.json")} == written | {"seven-content-dummy.csv"}
    content = pandas.read_csv(run.folder / "seven-content-dummy.csv", keep_default_na=False)
    assert list(content) == ["seven_id", "motion", "setting", "dominance"] and content["seven_id"].tolist() == IDS
    for column, prompt in (("motion", "motion"), ("setting", "indoor"), ("dominance", "scene")):
        assert content[column].tolist() == run.table(f"{prompt}-dummy")["caption"].tolist()
    twin = pandas.read_parquet(run.folder / "seven-scene-dummy.parquet")
    assert twin["caption"].tolist() == content["dominance"].tolist()


def test_pictures_without_an_answer_are_named_and_asked_again(run, capsys):
    assert run("--prompts", "motion", "--inject", "fail=31", "illegal=14,5") == 1
    told = capsys.readouterr().err
    assert "dummy: motion: 3 of 7 pictures" in told
    assert "failed: seven_id 31: RuntimeError: a failure was asked for at [31]" in told
    assert "illegal: seven_id 14: it answered 'a picture of" in told and "illegal: seven_id 5: it answered" in told
    table = run.table("motion-dummy")
    assert table["status"].loc[[31, 14, 5]].tolist() == ["failed", "illegal", "illegal"] and (table["status"] == "ok").sum() == 4
    assert ".seven-motion-dummy.csv.jsonl" in names(run.folder)

    assert run("--prompts", "motion", "--skip-bad") == 0                        # accepted as it is
    told = capsys.readouterr().out
    assert "3 of 7 pictures" in told and "1 of 1 done before" in told
    assert run("--prompts", "motion") == 0
    assert "dummy: motion: 3 pictures without an answer; tried again" in capsys.readouterr().out
    again = run.table("motion-dummy")
    assert set(again["status"]) == {"ok"} and names(run.folder) == ["seven-content-dummy.csv", "seven-motion-dummy.csv"]
    assert again.loc[table["status"] == "ok", "caption"].equals(table.loc[table["status"] == "ok", "caption"])


def test_a_bad_picture_is_named_and_the_rest_is_captioned(run, capsys):
    (run.root / "20.png").write_bytes((run.root / "20.png").read_bytes()[:60])
    assert run() == 1
    assert "failed: seven_id 20: the picture of seven_id 20 cannot be read" in capsys.readouterr().err
    assert (run.table("captions-dummy")["status"] == "ok").sum() == 6


def test_language_features_can_be_extracted_from_the_table(run):
    assert run("--inject", "fail=14") == 1
    dataset = SevenPictures(run.root)
    texts = read_texts(dataset, run.folder / "seven-captions-dummy.csv")
    assert texts.to_dict() == run.table("captions-dummy")["caption"].to_dict() and list(unusable(texts, dataset)) == [14]


def test_a_question_of_ones_own(run, capsys):
    assert run("--ask", "Is there food?", "--labels", "yes", "no", "--ask-name", "food") == 0
    table = run.table("food-dummy")
    assert set(table["caption"]) <= {"yes", "no"} and set(table["prompt"]) == {"food"}
    assert run("--labels", "yes") == 1 and "give it with --ask" in capsys.readouterr().err


def test_a_model_of_transformers_from_a_folder(run, tmp_path, capsys):
    folder = save_captioner(tmp_path / "models" / "tiny-llava")
    captions._loaded.cache_clear()
    assert run("--model", folder, "--max-tokens", 6, "--batch-size", 3, backend="transformers") == 0
    assert captions._loaded.cache_info().currsize == 1
    table = run.table("captions-tiny-llava")
    assert (table["caption"].str.len() > 0).all() and table["caption"].nunique() > 1
    assert run("--model", folder, "--prompts", "motion", "--retries", 1, backend="transformers") == 1      # it was not trained
    assert captions._loaded.cache_info().hits == 1                                                          # nor loaded twice
    assert "not one of motion, static" in capsys.readouterr().err
    assert run("--model", "no/such", backend="transformers") == 1
    assert "unknown model 'no/such', or no connection" in capsys.readouterr().err


def test_a_killed_run_goes_on_with_the_same_table(run, checkout, tmp_path):
    """The dummy is slowed down, so that the kill falls between two batches."""
    code = ("import sys, time, runpy\nsys.path.insert(0, sys.argv.pop(1))\nfrom fake_dataset import SevenPictures\n"
            "import convergence.datasets as d, convergence.features.captions_backends as b\n"
            "d.open_dataset = lambda name, root=None: SevenPictures(root)\nfast = b.Dummy.answer\n"
            "def slow(self, requests, *, max_tokens): time.sleep(0.3); return fast(self, requests, max_tokens=max_tokens)\n"
            "b.Dummy.answer = slow\nscript = sys.argv.pop(1)\nsys.argv[0] = script\nrunpy.run_path(script, run_name='__main__')")
    options = ["--root", run.root, "--derivatives", tmp_path / "derivatives", "--backend", "dummy", "--device", "cpu",
               "--batch-size", 2]
    process = subprocess.Popen([str(part) for part in (sys.executable, "-c", code, checkout / "tests",
                                                       checkout / "2_model_extraction" / "2_caption_images.py", *options)],
                               stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(checkout)})
    kept = run.folder / ".seven-captions-dummy.csv.jsonl"
    while not kept.exists() or len(kept.read_text().splitlines()) < 4:
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (run.folder / "seven-captions-dummy.csv").exists() and len(kept.read_text().splitlines()) < 8
    kept.write_text(kept.read_text() + '{"image": 3, "cap')                   # as a kill within a write would leave it
    assert run() == 0
    resumed = (run.folder / "seven-captions-dummy.csv").read_bytes()
    assert run("--overwrite") == 0 and (run.folder / "seven-captions-dummy.csv").read_bytes() == resumed


def test_a_second_run_imports_nothing_heavy_and_help_is_instant(run, checkout):
    assert run() == 0
    code = ("import sys, runpy\nsys.path.insert(0, sys.argv.pop(1))\nfrom fake_dataset import SevenPictures\n"
            "import convergence.datasets as d\nd.open_dataset = lambda name, root=None: SevenPictures(root)\n"
            "script = sys.argv.pop(1)\nsys.argv[0] = script\n"
            "try: runpy.run_path(script, run_name='__main__')\n"
            "except SystemExit as end: print(end.code, [m for m in ('torch', 'transformers', 'vllm') if m in sys.modules])")
    script = checkout / "2_model_extraction" / "2_caption_images.py"
    parts = (sys.executable, "-c", code, checkout / "tests", script, "--root", run.root, "--derivatives", run.folder.parent,
             "--backend", "dummy", "--device", "cpu")
    done = subprocess.run([str(part) for part in parts], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(checkout)})
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr
