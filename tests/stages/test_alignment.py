"""The scripts of 3_alignment on a toy dataset: names, merging, choices, resuming after kill -9, workers, and bad input."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas
import pytest
import toy_brains

from convergence.python_files import load_python
from convergence.storage.tables import conform, read_table

SUBJECTS = [str(subject) for subject in toy_brains.SUBJECTS]
RDMS, PAIRS, MODELS = "1_compute_rdms.py", "2_subject_subject.py", "3_subject_model.py"


@pytest.fixture(autouse=True)
def registered():
    toy_brains.register()


@pytest.fixture
def call(checkout, tmp_path):
    """call(script, *options): its exit status, on the toy dataset in tmp_path."""
    toy_brains.write(tmp_path / "toy", complete=False)

    def run(script, *options, derivatives="derivatives"):
        module = load_python(checkout / "3_alignment" / script)
        return module.main(["--dataset", "toy", "--root", str(tmp_path / "toy"), "--derivatives", str(tmp_path / derivatives), "--device", "cpu", *map(str, options),
                            *(["--features", str(tmp_path / "toy" / "features")] if script == MODELS else [])])
    return run


def contents(folder):
    """Every file's bytes; of sidecars, all but times."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        found[str(path.relative_to(folder))] = {**json.loads(content), "times": None} if path.suffix == ".json" else content
    return found


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def table_of(tmp_path, name):
    return tmp_path / "derivatives" / "toy" / f"{name}.parquet"


def options_of(path):
    return json.loads(path.with_name(path.name + ".json").read_text())["options"]


def test_the_stage_writes_its_tables_under_their_published_names(call, tmp_path, capsys):
    assert call(RDMS) == 0 and call(RDMS, "--hemispheres", "separated") == 0
    assert call(PAIRS) == 0 and call(PAIRS, "--shift", 0) == 0 and call(PAIRS, "--shift", 2, "--hemispheres", "separated", "--form", "diagonal") == 0
    assert call(MODELS) == 0 and call(MODELS, "--hemispheres", "separated") == 0
    toy_brains.write_networks(tmp_path / "toy" / "features", range(130), np.random.default_rng(0).random((130, 5)), untrained=True, seed=3)
    assert call(MODELS, "--untrained") == 0
    written = {path.name for path in (tmp_path / "derivatives" / "toy").glob("*.parquet")}
    assert written == {"rsa_subject_subject_alignment_shift_1_joined.parquet", "rsa_subject_subject_alignment_joined_0.parquet",
                       "rsa_subject_subject_alignment_separated_2_diagonal.parquet", "rsa_subject_model_alignment_joined.parquet",
                       "rsa_subject_model_alignment_separated.parquet", "rsa_subject_model_alignment_joined_untrained.parquet"}
    pairs = read_table(table_of(tmp_path, "rsa_subject_subject_alignment_shift_1_joined"))
    assert len(pairs) == 9 * 25 and list(pairs[["subject_i", "subject_j"]].drop_duplicates().itertuples(index=False, name=None)) == [
        (i, j) for i in toy_brains.SUBJECTS for j in toy_brains.SUBJECTS]
    pandas.testing.assert_frame_equal(pairs, conform(pairs, "rsa_subject_subject_alignment"))
    models = read_table(table_of(tmp_path, "rsa_subject_model_alignment_joined"))
    pandas.testing.assert_frame_equal(models, conform(models, "rsa_subject_model_alignment"))
    assert models.groupby("subject")["session"].unique().map(list).to_dict() == {2: [1, 2, 3], 5: [1, 2, 3], 9: [1, 3]} and len(models) == 8 * 5 * 5
    assert sorted(models["model"].cat.categories) == ["small_pool-avg", "wide_pool-cls"]
    untrained = read_table(table_of(tmp_path, "rsa_subject_model_alignment_joined_untrained"))
    assert sorted(untrained["model"].unique()) == ["small_pool-avg-untrained-seed3", "wide_pool-cls-untrained-seed3"]
    separated = read_table(table_of(tmp_path, "rsa_subject_subject_alignment_separated_2_diagonal"))
    assert not separated["join_hemispheres"].any() and separated["roi"].nunique() == 10 and set(separated["rep_shift"]) == {"2"}
    assert "shift_1_joined.parquet: not computed, no voxels: parcel 8, parcel 11" in capsys.readouterr().out


def test_a_second_run_changes_nothing(call, tmp_path, capsys):
    call(RDMS), call(PAIRS), call(MODELS), capsys.readouterr()
    before = times(tmp_path / "derivatives")
    assert call(RDMS) == call(PAIRS) == call(MODELS) == 0
    assert times(tmp_path / "derivatives") == before
    assert "subject-subject: 9 of 9 done before" in capsys.readouterr().out


def test_a_dry_run_writes_nothing(call, tmp_path, capsys):
    assert call(RDMS, "--dry-run") == 0
    assert not (tmp_path / "derivatives").exists() and "RDMs: subject 9: to do" in capsys.readouterr().out
    assert call(RDMS) == 0
    before = contents(tmp_path / "derivatives")
    assert call(PAIRS, "--dry-run") == 0 and call(MODELS, "--dry-run") == 0
    assert contents(tmp_path / "derivatives") == before
    assert "subjects 9 and 2: to do" in capsys.readouterr().out


def test_a_choice_says_so_and_does_not_pass_for_the_whole(call, tmp_path):
    call(RDMS), call(PAIRS), call(MODELS)
    pairs, models = table_of(tmp_path, "rsa_subject_subject_alignment_shift_1_joined"), table_of(tmp_path, "rsa_subject_model_alignment_joined")
    whole, before = contents(tmp_path / "derivatives"), times(tmp_path / "derivatives" / "toy" / "parts")
    assert options_of(pairs) == {"shift": 1, "form": "full", "hemispheres": "joined", "subjects": [2, 5, 9], "rois": "all"}
    assert call(RDMS, "--rois", "A") == 0 and call(PAIRS, "--rois", "A", 8, "--subjects", 9, 2) == 0 and call(MODELS, "--models", "wide", "--rois", "B") == 0
    assert len(read_table(pairs)) == 4 * 4 and options_of(pairs)["rois"] == [3, 8] and options_of(pairs)["subjects"] == [2, 9]
    assert len(read_table(models)) == 8 * 2 and options_of(models)["models"] == ["wide_pool-cls"] and options_of(models)["rois"] == [8]
    assert call(MODELS, "--subjects", 5, "--models", "small") == 0 and len(read_table(models)) == 3 * 5 * 3
    assert call(RDMS) == call(PAIRS) == call(MODELS) == 0
    now = contents(tmp_path / "derivatives")
    assert {name: now[name] for name in whole} == whole
    computed = {path: when for path, when in before.items() if path.parent.name.startswith("rsa_subject_subject") or path.parent.name.startswith("subject-")}
    assert len(computed) > 16 and {path: path.stat().st_mtime_ns for path in computed} == computed      # nothing was computed twice


def test_stores_of_a_choice_are_made_whole_later(call, tmp_path, capsys):
    assert call(RDMS, "--rois", "A", "flat") == 0
    assert call(PAIRS) == 1
    assert ("subject-02_joined_shared.h5 lacks 3 of 5 parcels (8, 11, 20), because it was made with --rois; give the same --rois here, or make it whole with: "
            "python 3_alignment/1_compute_rdms.py --dataset toy --hemispheres joined") in capsys.readouterr().err
    assert call(PAIRS, "--rois", "A", "flat") == 0
    assert call(RDMS) == 0 and "redo, options changed: rois" in capsys.readouterr().out
    assert call(PAIRS) == 0 and len(read_table(table_of(tmp_path, "rsa_subject_subject_alignment_shift_1_joined"))) == 9 * 25


def test_neither_threads_nor_the_order_of_subjects_change_a_byte(call, tmp_path):
    call(RDMS), call(PAIRS), call(MODELS)
    there = dict(derivatives="threads")
    options = ["--scheduler", "threads", "--jobs", 2, "--subjects", 9, 2, 5]
    assert call(RDMS, *options, **there) == call(PAIRS, *options, **there) == call(MODELS, *options, **there) == 0
    data = [{name: content for name, content in contents(tmp_path / folder).items() if not name.endswith(".json")} for folder in ("derivatives", "threads")]
    assert data[0] == data[1]


@pytest.mark.parametrize("script, slowed, n_parts", [(PAIRS, "storage.rdm_store RDMStore rdms", 9), (MODELS, "features.store FeatureFile layer", 8)])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(call, checkout, tmp_path, script, slowed, n_parts):
    module, kind, method = slowed.split()

    def command(folder, pause):
        code = (f"import runpy, sys, time, toy_brains; from convergence.{module} import {kind}; read = {kind}.{method};"
                f"{kind}.{method} = lambda *arguments: time.sleep({pause}) or read(*arguments);"
                "toy_brains.register(); sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')")
        return [sys.executable, "-c", code, str(checkout / "3_alignment" / script), "--dataset", "toy", "--root", str(tmp_path / "toy"), "--device", "cpu",
                "--derivatives", str(tmp_path / folder), *(["--features", str(tmp_path / "toy" / "features")] if script == MODELS else [])]

    def finished():
        """Parts with their sidecars, not the files of single networks."""
        return list((tmp_path / "killed" / "toy" / "parts").glob("*/*.parquet.json"))

    for folder in ("derivatives", "killed"):
        call(RDMS, derivatives=folder)
    environment = {**os.environ, "PYTHONPATH": str(checkout / "tests")}
    subprocess.run(command("derivatives", 0), env=environment, check=True, capture_output=True)
    process = subprocess.Popen(command("killed", 0.2), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = time.time()
    while len(finished()) < 2:
        assert process.poll() is None and time.time() - started < 100
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in finished()}
    assert 2 <= len(before) < n_parts and not list((tmp_path / "killed" / "toy").glob("rsa*"))
    subprocess.run(command("killed", 0), env=environment, check=True, capture_output=True)
    assert contents(tmp_path / "killed") == contents(tmp_path / "derivatives")
    assert {path: path.stat().st_mtime_ns for path in before} == before                # what was finished was not made again


def test_bad_input_is_one_clear_message(call, tmp_path, capsys):
    def message(*arguments):
        assert call(*arguments) == 1
        return capsys.readouterr().err

    assert f"subject-02_joined_shared.h5, {tmp_path}" in message(PAIRS, "--subjects", 2, 9)
    assert "not there; make them with: python 3_alignment/1_compute_rdms.py --dataset toy --hemispheres joined --subjects 2 5 9" in message(PAIRS)
    assert not (tmp_path / "derivatives").exists()
    assert "subjects: 1, 3 not in dataset 'toy', which has 2, 5, 9" in message(RDMS, "--subjects", 3, 1, 2)
    assert ("rois: V1 not among the 5 joined parcels of 'toy'; give numbers (3 to 41) or names (A, B, none, one, ... (5 in all))"
            in message(RDMS, "--rois", "V1", "A"))
    (tmp_path / "toy" / "responses-05.npz").unlink()
    assert "responses-05.npz not there; 1_dataset_preparation/4_extract_roi_betas.py --subjects 5 makes them" in message(RDMS)
    assert "--subjects 5 makes them" in message(MODELS)
    assert call(RDMS, "--subjects", 2, 9) == 0
    store = tmp_path / "derivatives" / "toy" / "rdms" / "subject-09_joined_shared.h5"
    store.write_bytes(store.read_bytes()[:2000])
    assert "subject-09_joined_shared.h5 is not a readable RDM store" in message(PAIRS, "--subjects", 2, 9)


def test_bad_features_are_one_clear_message(call, tmp_path, capsys):
    folder = tmp_path / "toy" / "features" / "toy" / "all"
    toy_brains.write_networks(tmp_path / "elsewhere", range(130), np.random.default_rng(0).random((130, 5)), dataset="things")
    (folder / "small_pool-avg.h5").write_bytes((tmp_path / "elsewhere" / "things" / "all" / "small_pool-avg.h5").read_bytes())
    assert call(MODELS) == 1 and "small_pool-avg.h5 holds features of the dataset 'things'" in capsys.readouterr().err
    toy_brains.write_networks(tmp_path / "toy" / "features", range(110), np.random.default_rng(0).random((110, 5)))
    assert call(MODELS) == 1 and "lacks 12 of the 22 images that the subjects saw (toy_id 110, 111, " in capsys.readouterr().err
    for path in folder.glob("*.h5"):
        path.unlink()
    assert call(MODELS) == 1 and "make them with 2_model_extraction/1_extract_vision_features.py" in capsys.readouterr().err
    assert not (tmp_path / "derivatives").exists()


def test_datasets_whose_images_are_not_repeated_alike_refuse_a_shift(call, capsys, monkeypatch):
    monkeypatch.setattr(toy_brains.Toy, "repetitions_shift", False)
    assert call(RDMS) == 0 and call(PAIRS, "--shift", 0) == 0
    assert call(PAIRS) == 1 and "dataset 'toy' does not show its images equally often to all subjects" in capsys.readouterr().err
