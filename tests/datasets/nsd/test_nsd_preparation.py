"""What the scripts of stage 1 ask of NSD: sources and their names, releases, forecasts, commands for what is missing."""

import shutil
from types import SimpleNamespace

import nibabel
import numpy as np
import pandas as pd
import pytest
import tiny_nsd
from tiny_nsd import beta_path, label_path, run

from convergence import open_dataset
from convergence.datasets.nsd import check as checks
from convergence.datasets.nsd import download, files
from convergence.datasets.nsd.files import Source
from convergence.datasets.nsd.preparation import check, forecast, source_of

BUCKET = "s3://natural-scenes-dataset"


@pytest.fixture
def root(tmp_path):
    return tiny_nsd.write(tmp_path / "nsd")


def chosen(**options):
    return SimpleNamespace(**{"subjects": None, "sessions": None, "deep": False, "jobs": 1, **options})


def foretold(root, **options):
    """What forecast says after check."""
    return forecast(root, chosen(**options), check(root, chosen(**options)))


def test_the_default_source_has_the_names_of_old():
    assert files.beta_file(2, 7) == "subj02/func1mm/betas_fithrf_GLMdenoise_RR/betas_session07.nii.gz"
    assert files.label_files(2) == tuple(f"subj02/func1mm/roi/{side}HCP_MMP1.nii.gz" for side in ("lh.", "rh.", ""))
    assert files.joined_label_file(2) == "subj02/func1mm/roi/both.HCP_MMP1.nii.gz"
    assert files.matrix_file(2, 7) == "betas/sub02/sub-02_roi-007.npy" and Source().flags == []


@pytest.mark.parametrize("source, folder", [
    (Source("func1pt8mm", "fithrf", "nsdgeneral", "session"), "betas_func1pt8mm_fithrf_nsdgeneral_zscore"),
    (Source(betas="assumehrf", volume="Kastner2015"), "betas_func1mm_assumehrf_Kastner2015"),
    (Source(drop_dead_voxels=True, min_ncsnr=0.25), "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_alive_ncsnr0.25"),
    (Source(min_ncsnr=1e-5), "betas_func1mm_fithrf_GLMdenoise_RR_HCP_MMP1_ncsnr1e-05"),
    (Source(volume="my_zscore-atlas"), "betas_func1mm_fithrf_GLMdenoise_RR_my_zscore-atlas")])
def test_the_folder_of_a_source_tells_it(source, folder):
    assert source.folder == folder and Source.of_folder(folder) == source
    assert files.matrix_folder(3, source) == f"{folder}/sub03"


@pytest.mark.parametrize("options, message", [
    ({"betas": "b3"}, "betas: 'b3' is unknown to dataset 'nsd'; known: assumehrf, fithrf, fithrf_GLMdenoise_RR"),
    ({"resolution": "1mm"}, "resolution: '1mm' is unknown"), ({"zscore": "run"}, "zscore: 'run' is unknown"),
    ({"volume": "lh.streams"}, "volume: 'lh.streams' is not the name of a ROI volume; give it without lh., rh. and .nii.gz"),
    ({"volume": "../x"}, "is not the name of a ROI volume"), ({"min_ncsnr": float("nan")}, "min_ncsnr: nan is not a ratio")])
def test_a_source_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Source(**options)


def test_options_name_a_source_and_only_those_given_matter():
    assert source_of(chosen()) == Source()
    assert source_of(chosen(resolution="func1pt8mm", zscore=None, drop_dead_voxels=True, release="full")) == Source(
        "func1pt8mm", drop_dead_voxels=True)


def test_the_betas_of_a_session_are_of_either_kind(root):
    assert files.beta_path(root, 2, 1).name == "betas_session01.nii.gz"
    beta_path(root, 2, 1).rename(beta_path(root, 2, 1).with_name("betas_session01.hdf5"))
    assert files.beta_path(root, 2, 1).name == "betas_session01.hdf5" and files.sessions_on_disk(root, 2) == [1, 2, 3]
    assert files.beta_path(root, 2, 9).name == "betas_session09.nii.gz"
    assert not [finding for finding in check(root, chosen()) if finding.status == "missing"]


def test_a_release_tells_a_last_session_that_is_missing(root, monkeypatch, tmp_path):
    table = tmp_path / "sessions.csv"
    table.write_text("subject,sessions,held_out\n2,4,1\n5,3,1\n")
    monkeypatch.setattr(checks, "_SESSIONS", table)
    missing = {release: [finding.path for finding in check(root, chosen(release=release)) if finding.status == "missing"]
               for release in (None, "first", "full")}
    last = [files.beta_file(2, 4), files.beta_file(5, 3)]
    assert missing == {None: [], "first": [], "full": last}
    with pytest.raises(ValueError, match="--release full: nothing is known of subject 7; releases first and full have the "
                                         "subjects 2 to 5"):
        check(root, chosen(release="full", subjects=[7]))
    with pytest.raises(ValueError, match="--sessions and --release both say which sessions"):
        check(root, chosen(release="full", sessions=[1]))


def test_the_real_dataset_has_284_sessions_24_of_which_were_held_out():
    full, first = ([checks.sessions_of_release(subject, release) for subject in range(1, 9)] for release in ("full", "first"))
    assert full == [40, 40, 32, 30, 40, 32, 40, 30] and sum(full) - sum(first) == 24


def test_an_empty_folder_is_told_how_to_get_everything(tmp_path):
    findings, lines = check(tmp_path, chosen(release="full")), foretold(tmp_path, release="full")
    assert len(findings) == 2 + 8 * 4 + 284 and {finding.status for finding in findings} == {"missing"}
    text, table = "\n".join(lines), "nsd_stim_info_merged.csv"
    assert f"aws s3 cp --no-sign-request {BUCKET}/nsddata/experiments/nsd/{table} {tmp_path}/{table}" in text
    assert f"{BUCKET}/nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5" in text
    sync = [line for line in lines if line.startswith("aws s3 sync") and "nsddata_betas/ppdata/subj04/func1mm/" in line]
    assert len(sync) == 1 and sync[0].count("--include") == 30
    assert f" {tmp_path}/subj04/func1mm/betas_fithrf_GLMdenoise_RR --exclude '*'" in sync[0]
    assert 700 < float(text.split("about ")[1].split(" GB")[0]) < 800


def test_what_is_missing_is_told_with_its_key_in_the_bucket(root):
    for path in ("subj05/func1mm/brainmask.nii.gz", "subj02/func1mm/betas_fithrf_GLMdenoise_RR/betas_session01.nii.gz"):
        (root / path).unlink()
    lines = foretold(root)
    betas = "ppdata/subj02/func1mm/betas_fithrf_GLMdenoise_RR/betas_session01.nii.gz"
    assert f"aws s3 cp --no-sign-request {BUCKET}/nsddata_betas/{betas} {root}/{betas.removeprefix('ppdata/')}" in lines
    mask = "subj05/func1mm/brainmask.nii.gz"
    assert f"aws s3 cp --no-sign-request {BUCKET}/nsddata/ppdata/{mask} {root}/{mask}" in lines
    other = foretold(root, resolution="func1pt8mm", betas="assumehrf", subjects=[5], sessions=[1])
    key = "nsddata_betas/ppdata/subj05/func1pt8mm/betas_assumehrf/betas_session01.nii.gz"
    assert any(f"{BUCKET}/{key} " in line for line in other)


def test_what_is_damaged_is_copied_anew_and_never_synced(root):
    """aws s3 sync would take a damaged file of the right length for a whole one."""
    betas = [beta_path(root, 2, session) for session in (1, 2, 3)]
    for path in betas:
        path.write_bytes(path.read_bytes()[:-300] + bytes(300))
    label_path(root, 5, "rh.HCP_MMP1").write_bytes(b"cut")
    record = root / "subj05/behav/responses.tsv"
    pd.read_csv(record, sep="\t").assign(**{"73KID": lambda t: t["73KID"] - 1}).to_csv(record, sep="\t", index=False)
    assert not [line for line in foretold(root) if line.startswith(("aws", "#"))]
    found = {finding.path: finding for finding in check(root, chosen(deep=True)) if finding.status == "wrong"}
    assert {path for path, finding in found.items() if finding.damaged} == {
        *(path.relative_to(root).as_posix() for path in betas), "subj05/func1mm/roi/rh.HCP_MMP1.nii.gz",
        "subj05/behav/responses.tsv"}
    lines = foretold(root, deep=True)
    assert "# what is damaged, from the bucket of the Natural Scenes Dataset (pip install awscli; accept its terms):" in lines
    commands = [line for line in lines if line.startswith("aws")]
    assert all(line.startswith("aws s3 cp --no-sign-request s3://") for line in commands)
    assert sorted(line.split()[-1] for line in commands) == sorted(map(str, [
        *betas, *(label_path(root, 5, f"{side}HCP_MMP1") for side in ("lh.", "rh.", "")), record]))


def test_commands_survive_a_folder_with_spaces(tmp_path):
    line, = download.commands(tmp_path / "my data", ["subj05/func1mm/brainmask.nii.gz"])
    assert line.endswith(f"'{tmp_path}/my data/subj05/func1mm/brainmask.nii.gz'")


def test_another_atlas_goes_to_the_derivatives_with_its_surface(root, tmp_path):
    from convergence.datasets.atlas import load_atlas
    mine, derivatives = tmp_path / "mine.csv", tmp_path / "derivatives"
    load_atlas()[["roi", "name", "hemisphere"]].assign(region="all of it").to_csv(mine, index=False)
    (tmp_path / "mine.L.label.gii").write_text("labels of the left")
    assert run("2", "--root", root, "--derivatives", derivatives, "--atlas", mine) == 0
    assert set(pd.read_csv(derivatives / "metadata/hcp.csv")["area"]) == {"all of it"}
    assert (derivatives / "metadata/hcp.L.label.gii").read_text() == "labels of the left"


def test_the_disk_that_is_foretold_is_what_is_made(root):
    lines = foretold(root)
    assert lines[0].startswith("subject 2: 3 sessions, ") and f"matrices {15 * 36 * 2:,} bytes" in lines[0]
    needed = download._matrix_bytes(root, 2, [beta_path(root, 2, 1)] * 3, Source())
    assert run("2", "--root", root, "--derivatives", root / "d") == 0 and run("4", "--root", root) == 0
    assert needed == sum(np.load(path, mmap_mode="r").nbytes for path in (root / "betas/sub02").glob("sub-02_roi-*.npy"))
    assert "a set of matrices is there, in betas/sub02" in foretold(root)[0]


def test_a_disk_that_is_too_small_is_said(root, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2e9))
    monkeypatch.setattr(download, "_TYPICAL", {"func1mm": 2.6e9, "func1pt8mm": 2.5e9})
    lines = foretold(root, resolution="func1pt8mm", subjects=[2], sessions=[1, 2])
    assert f"disk of {root}: about 5.0 GB to download and to make, 2.0 GB free: NOT ENOUGH, 3.0 GB are lacking" in lines


def test_a_deep_check_reports_what_agrees(root):
    found = check(root, chosen(deep=True))
    told = {finding.path: finding.message for finding in found if finding.status == "ok" and finding.message}
    assert told == {
        "subj02/func1mm/roi/lh.HCP_MMP1.nii.gz": "left, right and combined labels agree in 36 voxels",
        "subj05/func1mm/roi/lh.HCP_MMP1.nii.gz": "left, right and combined labels agree in 34 voxels",
        "subj02/behav/responses.tsv": "15 trials name the pictures of nsd_stim_info_merged.csv (73KID, from 1)",
        "subj05/behav/responses.tsv": "10 trials name the pictures of nsd_stim_info_merged.csv (73KID, from 1)",
        "nsd_stim_info_merged.csv": "6 of 6 presentations of shared pictures have the same trial number in every subject"}


def test_a_record_that_counts_from_0_is_a_fault(root):
    path = root / "subj05/behav/responses.tsv"
    pd.read_csv(path, sep="\t").assign(**{"73KID": lambda t: t["73KID"] - 1}).to_csv(path, sep="\t", index=False)
    found = {finding.path: finding for finding in check(root, chosen(deep=True))}["subj05/behav/responses.tsv"]
    assert found.status == "wrong" and "10 of 10 trials name another image" in found.message


def test_extraction_keeps_to_a_release(root, monkeypatch, tmp_path, capsys):
    table = tmp_path / "sessions.csv"
    table.write_text("subject,sessions,held_out\n2,4,2\n5,3,1\n")
    monkeypatch.setattr(checks, "_SESSIONS", table)
    assert run("2", "--root", root, "--derivatives", tmp_path / "derivatives") == 0
    assert run("4", "--root", root, "--rois", "V1", "--release", "first") == 0
    assert [len(np.load(root / f"betas/sub0{subject}/rows.npy")) for subject in (2, 5)] == [10, 10]
    assert run("4", "--root", root, "--rois", "V1", "--release", "full", "--subjects", 2) == 0
    assert "subject 2: sessions [4] of release full have no beta file" in capsys.readouterr().out
    assert len(np.load(root / "betas/sub02/rows.npy")) == 15
    assert run("4", "--root", root, "--release", "full", "--sessions", 1) == 1
    assert "--sessions and --release both say which sessions to take" in capsys.readouterr().err


def test_another_volume_and_normalisation_make_a_set_of_their_own(root, tmp_path, monkeypatch):
    """The labels of HCP_MMP1 below 8 serve as streams; parcels are named by the packaged table, right ones follow the left."""
    for subject in (2, 5):
        for side in ("lh.", "rh.", ""):
            volume = nibabel.load(label_path(root, subject, f"{side}HCP_MMP1"))
            labels = np.asarray(volume.dataobj)
            tiny_nsd.save(np.where(labels > 7, 0, labels), label_path(root, subject, f"{side}streams"))
    assert not [f for f in check(root, chosen(deep=True, volume="streams")) if f.status in ("missing", "wrong")]
    options = ("--root", root, "--volume", "streams")
    assert run("2", *options, "--derivatives", tmp_path / "derivatives") == 0
    assert pd.read_csv(tmp_path / "derivatives/metadata/hcp.csv")["name"].tolist()[6:8] == ["parietal", "early"]
    assert run("4", *options, "--subjects", 2, "--rois", "midventral", "early") == 0
    assert run("4", *options, "--subjects", 2, "--zscore", "session") == 0
    usual = "betas_func1mm_fithrf_GLMdenoise_RR_streams"
    assert files.sets_on_disk(root, 2) == [usual, f"{usual}_zscore"]
    nsd = open_dataset("nsd", root, source=Source(volume="streams"))
    assert np.array_equal(nsd.responses(2, 2), tiny_nsd.naive(root, 2, 2, (1, 2, 3)))
    assert np.array_equal(nsd.responses(2, 8), tiny_nsd.naive(root, 2, 181, (1, 2, 3)))
    monkeypatch.setenv("NSD_MATRICES", f"{usual}_zscore")
    scored = open_dataset("nsd", root).responses(2, 8)
    assert scored.dtype == np.float32 and np.allclose(scored.reshape(3, 5, -1).mean(axis=1), 0, atol=1e-5)
