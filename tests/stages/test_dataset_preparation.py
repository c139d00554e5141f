"""The four scripts of stage 1, as a user calls them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import tiny_nsd
from tiny_nsd import beta_path, contents, run

STAGE = Path(__file__).resolve().parents[2] / "1_dataset_preparation"
SCRIPTS = sorted(STAGE.glob("[0-9]_*.py"))


@pytest.fixture
def root(tmp_path):
    return tiny_nsd.write(tmp_path / "nsd")


def stage_1(root, derivatives):
    options = {"1": (), "2": ("--derivatives", derivatives), "3": (), "4": ("--rois", "V1", "V2")}
    return [run(name, "--root", root, *options[name]) for name in options]


def test_the_four_scripts_prepare_a_dataset(root, tmp_path, capsys):
    assert stage_1(root, tmp_path / "derivatives") == [0, 0, 0, 0]
    shown = capsys.readouterr().out
    assert f"15 files of {root}: all there" in shown
    assert "trials with data: subject 2 15, subject 5 10" in shown
    assert "shared pictures: 6 of 6 presentations have the same trial number in every subject" in shown
    captions = pd.read_csv(root / "captions/nsd-captions-coco.csv")
    assert captions["nsd_id"].tolist() == list(range(9))
    assert all(f"picture {coco_id}," in text for coco_id, text in zip(captions["coco_id"], captions["captions"]))
    hcp = pd.read_csv(tmp_path / "derivatives/metadata/hcp.csv", keep_default_na=False)
    assert len(hcp) == 360 and hcp.loc[181, "mne_name"] == "R_MST_ROI-rh"
    assert np.load(root / "betas/sub05/sub-05_roi-181.npy").shape == (10, 4)


def test_run_again_they_change_nothing_and_import_no_torch(root, tmp_path):
    assert stage_1(root, tmp_path / "derivatives") == [0, 0, 0, 0]
    before = contents(root)
    script = (f"import sys; sys.path.insert(0, {str(Path(tiny_nsd.__file__).parent)!r}); from tiny_nsd import run\n"
              f"assert run('2', '--root', {str(root)!r}, '--derivatives', {str(tmp_path / 'derivatives')!r}) == 0\n"
              f"assert run('3', '--root', {str(root)!r}) == 0 and run('4', '--root', {str(root)!r}, '--rois', 'V1') == 0\n"
              "assert not {'torch', 'timm', 'transformers', 'nilearn'} & set(sys.modules)")
    done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done before") == 2 + 4 and "redo" not in done.stdout
    assert contents(root) == before


def test_a_new_session_renews_the_trials_alone(root, tmp_path, capsys):
    late = beta_path(root, 2, 3).rename(tmp_path / "late.nii.gz")
    assert run("2", "--root", root, "--derivatives", tmp_path / "derivatives") == 0
    assert "subject 2 10, subject 5 10" in capsys.readouterr().out
    late.rename(beta_path(root, 2, 3))
    assert run("2", "--root", root, "--derivatives", tmp_path / "derivatives") == 0
    shown = capsys.readouterr().out
    assert "indexes: trials: redo, options changed: sessions" in shown and "3 of 4 done before" in shown
    assert "subject 2 15, subject 5 10" in shown
    assert pd.read_csv(root / "nsd_stimuli.csv")["exists"].sum() == 25


def test_the_check_names_what_is_missing_and_reports(root, tmp_path, capsys):
    beta_path(root, 2, 2).unlink()
    content = beta_path(root, 5, 1).read_bytes()
    beta_path(root, 5, 1).write_bytes(content[:-300])
    before = contents(root)
    assert run("1", "--root", root) == 1
    error = capsys.readouterr().err
    missing = beta_path(root, 2, 2).relative_to(root)
    assert f"error: 1 of 15 files of {root} are missing or wrong:\n  missing  {missing}\n" in error
    assert run("1", "--root", root, "--deep", "--jobs", 2, "--json", tmp_path / "report.json") == 1
    error = capsys.readouterr().err
    assert "2 of 17 files" in error and "betas_session01.nii.gz is truncated or damaged: its header says 5 volumes" in error
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["deep"] and {finding["status"] for finding in report["findings"]} == {"ok", "note", "missing", "wrong"}
    assert contents(root) == before


def test_a_read_only_dataset_is_prepared_elsewhere(root, tmp_path, monkeypatch):
    usual = Path(shutil.copytree(root, tmp_path / "usual"))
    assert stage_1(usual, tmp_path / "derivatives") == [0, 0, 0, 0]
    before = contents(root)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    monkeypatch.setenv("CONVERGENCE_WORK", str(tmp_path / "work"))
    try:
        assert stage_1(root, tmp_path / "derivatives_2") == [0, 0, 0, 0]
        assert contents(root) == before
        made, expected = contents(tmp_path / "work/nsd"), contents(usual)
        assert set(made) == set(expected) - set(before)
        differ = [path for path in made if made[path] != expected[path]]
        assert all(path.endswith(".csv.json") for path in differ)           # the sidecars that name the dataset's folder
    finally:
        for path in [root, *root.rglob("*")]:
            path.chmod(0o755)


@pytest.mark.parametrize("name", "1234")
def test_a_dataset_that_is_not_there_is_explained(name, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("NSD_DATASET", raising=False)
    assert run(name) == 1
    error = capsys.readouterr().err
    assert "error: where is the dataset 'nsd'? Give its folder with --root (root= in Python) or set the environment" in error
    assert "variable NSD_DATASET" in error
    assert run(name, "--root", tmp_path / "nowhere") == 1
    error = capsys.readouterr().err
    assert f"error: dataset 'nsd': the folder {tmp_path / 'nowhere'} does not exist; check --root or NSD_DATASET" in error
    if name != "3":
        assert run(name, "--dataset", "images92", "--root", tmp_path) == 1
        assert "error: --dataset: 'images92' needs no preparation: its files are read as they were" in capsys.readouterr().err
        assert run(name, "--dataset", "nds", "--root", tmp_path) == 1
        assert "error: dataset: 'nds' is unknown, did you mean 'nsd'?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name, dataset, option, message", [
    ("1", "things", "--betas fithrf", "--betas is for nsd; dataset 'things' has no use for it, leave it out"),
    ("1", "bold5000-coco", "--release full", "--release is for nsd; dataset 'bold5000-coco' has no use for it"),
    ("1", "nsd", "--type A", "--type is for bold5000; dataset 'nsd' has no use for it"),
    ("2", "bold5000", "--resolution func1pt8mm", "--resolution is for nsd; dataset 'bold5000'"),
    ("4", "nsd", "--hemisphere-compat reference", "--hemisphere-compat is for things; dataset 'nsd'"),
    ("4", "folder", "--zscore session", "--zscore is for nsd and things and bold5000; dataset 'folder'"),
    ("4", "bold5000", "--drop-dead-voxels", "--drop-dead-voxels is for nsd and things; dataset 'bold5000'"),
    ("4", "things", "--min-ncsnr 0.2", "--min-ncsnr is for nsd; dataset 'things'"),
])
def test_an_option_of_another_dataset_is_refused(name, dataset, option, message, tmp_path, capsys):
    assert run(name, "--dataset", dataset, "--root", tmp_path, *option.split()) == 1
    assert f"error: {message}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_things_and_bold5000_are_prepared_by_the_same_scripts(miniature, tmp_path, capsys, monkeypatch):
    """The downloaded folders stay as they are: everything goes to the work folder."""
    monkeypatch.setenv("CONVERGENCE_WORK", str(tmp_path / "work"))
    for dataset, subject, rois in (("things", 2, ("V1", "MST")), ("bold5000", 4, ("V1",))):
        root = miniature / dataset
        before = sorted(path.relative_to(root) for path in root.rglob("*"))
        assert run("1", "--dataset", dataset, "--root", root) == 0
        assert run("2", "--dataset", dataset, "--root", root, "--derivatives", tmp_path / "derivatives") == 0
        assert run("4", "--dataset", dataset, "--root", root, "--subjects", subject, "--rois", *rois) == 0
        assert "all there" in capsys.readouterr().out
        from convergence import open_dataset
        opened = open_dataset(dataset, root)
        rows = opened.trials.query("subject == @subject and exists")["subject_index"].to_numpy()
        assert opened.responses(subject, 1, rows[:3]).shape[0] == 3 and (tmp_path / "work" / dataset).is_dir()
        assert sorted(path.relative_to(root) for path in root.rglob("*")) == before


def test_bad_input_of_each_script_is_named_and_leaves_nothing(root, tmp_path, capsys):
    def fails(message, name, *options):
        before = contents(root)
        assert run(name, "--root", root, *options) == 1
        assert message in capsys.readouterr().err
        assert contents(root) == before

    fails("holds no captions_*.json; expected COCO's captions_train2017.json", "3", "--coco", tmp_path)
    fails("nsd_stimuli.csv is not there; 1_dataset_preparation/2_build_indexes.py makes it", "4")
    good = beta_path(root, 2, 1).read_bytes()
    tiny_nsd.save(np.ones((7, 6, 5, 9), np.int16), beta_path(root, 2, 1))
    fails("betas_session01.nii.gz has 9; download the odd ones again", "2", "--derivatives", tmp_path / "derivatives")
    beta_path(root, 2, 1).write_bytes(good)
    assert run("2", "--root", root, "--derivatives", tmp_path / "derivatives") == 0
    fails("--subjects: [1, 7] are not in the dataset, which has [2, 5]", "4", "--subjects", 7, 2, 1)
    fails("rois: not in the atlas: 'V99'", "4", "--subjects", 2, "--rois", "V1", "V99")
    right = tiny_nsd.label_path(root, 2, "rh.HCP_MMP1")
    labels = np.asarray(nibabel.load(tiny_nsd.label_path(root, 2, "lh.HCP_MMP1")).dataobj)
    tiny_nsd.save(labels, right)
    fails("overlap: 20 voxels have a label in both hemispheres", "4", "--subjects", 2)


def test_another_folder_of_annotations_can_be_given(root, tmp_path):
    shutil.move(root / "annotations", tmp_path / "coco")
    assert run("3", "--root", root, "--coco", tmp_path / "coco") == 0
    assert len(pd.read_csv(root / "captions/nsd-captions-coco.csv")) == 9


@pytest.mark.parametrize("script", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_help_is_the_scripts_docstring(script):
    done = subprocess.run([sys.executable, "-B", str(script), "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert script.read_text().split('"""')[1].splitlines()[0] in done.stdout
    assert f"python 1_dataset_preparation/{script.name}" in done.stdout


def test_a_process_killed_from_outside_goes_on_where_it_was(root, tmp_path):
    assert run("2", "--root", root, "--derivatives", tmp_path / "derivatives") == 0
    other = Path(shutil.copytree(root, tmp_path / "other/nsd"))
    assert run("4", "--root", other, "--subjects", 2) == 0
    process = subprocess.Popen([sys.executable, "-B", str(SCRIPTS[3]), "--root", str(root), "--subjects", "2"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = time.time()
    while process.poll() is None and not list(root.glob("betas/.sub02.*")) and time.time() - started < 60:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (root / "betas/sub02").exists() and len(list(root.glob("betas/.sessions-sub02/session-0?.npy"))) == 3
    assert run("4", "--root", root, "--subjects", 2) == 0
    assert contents(root) == contents(other)


def test_the_miniature_is_prepared_and_its_canaries_are_in_place(miniature, tmp_path):
    root = Path(shutil.copytree(miniature / "nsd", tmp_path / "nsd"))
    for name, *options in (("1", "--deep"), ("2", "--derivatives", tmp_path / "derivatives"), ("3",), ("4", "--rois", "p24")):
        assert run(name, "--root", root, *options) == 0
    from convergence import open_dataset
    nsd = open_dataset("nsd", root)
    for subject in nsd.subjects:
        rows = nsd.rows(subject)
        for label in (180, 360):
            canary = nsd.responses(subject, label)
            assert np.array_equal(canary[:, 0], rows)
            assert (canary[:, 1:] == 1000 + np.arange(1, canary.shape[1])).all()
    assert all(f"img{image}" in caption for image, caption in nsd.captions.items())
