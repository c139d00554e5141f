"""What the scripts of stage 1 ask: is everything there, is it sound, how to get what is missing."""

import hashlib
import json
import shutil
from types import SimpleNamespace

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest

from convergence import open_dataset
from convergence.datasets.things import files
from convergence.datasets.things.preparation import check, extract, forecast, index_units, report

TABLES = "betas_csv/betas_csv"


def options_with(**values):
    """What a script's options are where none was given, but for these."""
    return SimpleNamespace(**{"subjects": None, "sessions": None, "deep": False, "jobs": 1, **values})


def faults(findings):
    return {finding.path: (finding.status, finding.message) for finding in findings if finding.status in ("missing", "wrong")}


def foretold(root, **options):
    """What forecast says after check."""
    return forecast(root, options_with(**options), check(root, options_with(**options)))


def test_a_complete_download_is_in_order(things_downloaded, chosen):
    found = check(things_downloaded, chosen())
    assert not faults(found) and len(found) == 3 * 4 + 4 and {finding.status for finding in found} == {"ok"}
    deep = check(things_downloaded, chosen(deep=True, jobs=2))
    notes = {finding.path: finding.message for finding in deep if finding.status == "note"}
    assert not faults(deep) and sorted(notes) == [f"{TABLES}/sub-0{subject}_VoxelMetadata.csv" for subject in (1, 2, 3)]
    said = notes[f"{TABLES}/sub-02_VoxelMetadata.csv"]
    assert "358 of 360 parcels have voxels; 331 of 331 localiser voxels lie on the side of their name" in said
    assert "the voxels' middle lies at world x = 0.5, where left ends at 0" in said
    assert len(check(things_downloaded, chosen(subjects=[2]))) == 4 + 4


def test_one_level_of_betas_csv_is_in_order_too(root, chosen):
    (root / TABLES).rename(root / "moved")
    (root / "betas_csv").rmdir()
    (root / "moved").rename(root / "betas_csv")
    assert not faults(check(root, chosen(deep=True)))


def test_what_is_missing_is_named_with_the_commands_that_get_it(root, chosen):
    missing = [f"{TABLES}/sub-02_ResponseData.h5", "brainmasks/sub-01_space-T1w_brainmask.nii.gz", files.CONCEPTS]
    for name in missing:
        (root / name).unlink()
    found = faults(check(root, chosen()))
    expected = ["betas_csv/sub-02_ResponseData.h5", *missing[1:]]                # where the archive would put it
    assert sorted(found) == sorted(expected) and {status for status, _ in found.values()} == {"missing"}
    assert "is not there (the brain mask, or a volume of betas_vol/, tells left from right)" in found[missing[1]][1]
    lines = "\n".join(foretold(root))
    assert "https://api.figshare.com/v2/articles/20492835/files" in lines and "20492757" in lines and "osf.io/jum2f" in lines
    listing = [{"name": "betas_csv.zip", "size": 7, "download_url": "https://figshare/1", "supplied_md5": "ab"},
               {"name": "betas_vol.zip", "size": 9, "download_url": "https://figshare/2", "supplied_md5": "cd"}]
    (root / "figshare-20492835.json").write_text(json.dumps(listing))
    lines = "\n".join(foretold(root))
    assert "curl -fL -C - -o betas_csv.zip https://figshare/1" in lines and "echo 'ab  betas_csv.zip' | md5sum -c -" in lines
    assert "unzip -n betas_csv.zip" in lines and "betas_vol" not in lines
    (root / "figshare-20492835.json").write_text("[{}]")
    assert "is not figshare's list of files (KeyError: 'name')" in faults(check(root, chosen()))["figshare-20492835.json"][1]
    assert "https://api.figshare.com/v2/articles/20492835/files" in "\n".join(foretold(root))


def test_an_empty_folder_gets_every_command(tmp_path, chosen):
    found = faults(check(tmp_path, chosen()))
    assert set(found) >= {"betas_csv/sub-01_ResponseData.h5", "brainmasks/sub-01_space-T1w_brainmask.nii.gz", files.PICTURES}
    lines = "\n".join(foretold(tmp_path))
    assert all(text in lines for text in ("articles/20492835", "articles/20492757", "osf.io/jum2f"))


def test_time_and_disk_are_foretold(things_downloaded, things_extracted, monkeypatch):
    from convergence.datasets.things import preparation

    size = (things_downloaded / f"{TABLES}/sub-02_ResponseData.h5").stat().st_size
    monkeypatch.setattr(preparation, "_READING", size / 180)
    line, disk = foretold(things_downloaded, subjects=[2])
    assert line.startswith(f"subject 2: {size / 1e6:.1f} MB to read, about 3 min; matrices about {size / 3e6:.1f} MB, and as")
    assert disk.startswith(f"disk of {things_downloaded}: about {2 * size / 3e6:.1f} MB to download and to make, ")
    there = "subject 2: a set of matrices is there, in preprocessed/sub-02/betas_roi"
    assert foretold(things_extracted, subjects=[2]) == [there]


def test_a_disk_that_is_too_small_is_said(things_downloaded, root, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=21e9))
    assert foretold(things_downloaded)[-1].endswith("21.0 GB free: enough")
    for subject in (1, 3):
        (root / f"{TABLES}/sub-0{subject}_ResponseData.h5").unlink()
    assert any(line.endswith("21.0 GB free: NOT ENOUGH, 19.0 GB are lacking") for line in foretold(root))


def test_what_is_damaged_is_deleted_before_it_is_fetched_anew(root):
    """unzip -n leaves what is there, and curl -C - goes on at its end. Of tables that disagree none is deleted."""
    voxels, picture = f"{TABLES}/sub-02_VoxelMetadata.csv", sorted((root / files.PICTURES).glob("*/*/*.jpg"))[3]
    text = (root / voxels).read_text().splitlines()
    (root / voxels).write_text("\n".join([*text[:9], text[9] + ",1,2", *text[10:]]))
    picture.write_bytes(picture.read_bytes()[:300])
    trials = root / f"{TABLES}/sub-03_StimulusMetadata.csv"
    trials.write_text("\n".join(trials.read_text().splitlines()[:-25]))
    found = faults(check(root, options_with(deep=True)))
    assert set(found) >= {voxels, picture.relative_to(root).as_posix(), f"{TABLES}/sub-03_ResponseData.h5"}
    lines = foretold(root, deep=True)
    first = lines.index("# damaged, to be downloaded anew:")
    assert lines[first + 1:first + 3] == [f"rm {picture}", f"rm {root / voxels}"] and not lines[first + 3].startswith("rm")
    assert any("articles/20492835" in line for line in lines[first:]) and any("osf.io/jum2f" in line for line in lines[first:])


def test_the_sums_of_archives_are_compared(root, chosen):
    (root / "betas_csv.zip").write_bytes(b"whole")
    entry = {"name": "betas_csv.zip", "size": 5, "download_url": "https://figshare/1",
             "supplied_md5": hashlib.md5(b"whole").hexdigest()}
    (root / "figshare-20492835.json").write_text(json.dumps([entry]))
    assert not faults(check(root, chosen(deep=True)))
    (root / "betas_csv.zip").write_bytes(b"whols")
    assert not faults(check(root, chosen()))
    assert "has another MD5 sum than figshare says, 5 bytes, " in faults(check(root, chosen(deep=True)))["betas_csv.zip"][1]
    (root / "betas_csv.zip").write_bytes(b"who")
    assert "has 3 of 5 bytes; go on with: curl -fL -C - -o betas_csv.zip" in faults(check(root, chosen()))["betas_csv.zip"][1]


def test_deep_finds_what_is_wrong_inside(root, chosen, edit):
    edit(root, "StimulusMetadata.csv", lambda table: table.iloc[:-25], subject=3)
    with h5py.File(root / f"{TABLES}/sub-01_ResponseData.h5", "r+") as file:
        file["ResponseData/block0_values"][77, 3] = np.nan
    mask = root / "brainmasks/sub-02_space-T1w_brainmask.nii.gz"
    image = nibabel.load(mask)
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), np.diag([-1.0, 1, 1, 1]) @ image.affine), mask)
    picture = sorted((root / files.PICTURES).glob("*/*/*.jpg"))[20]
    picture.write_bytes(picture.read_bytes()[:500])
    assert not faults(check(root, chosen()))
    found = faults(check(root, chosen(deep=True)))
    assert {status for status, _ in found.values()} == {"wrong"}
    assert set(found) == {f"{TABLES}/sub-03_ResponseData.h5", f"{TABLES}/sub-01_ResponseData.h5",
                          f"{TABLES}/sub-02_VoxelMetadata.csv",
                          picture.relative_to(root).as_posix(), f"{TABLES}/sub-03_StimulusMetadata.csv"}
    assert "1 voxels of a block have responses that are no finite numbers, the first is voxel_id 77" in found[
        f"{TABLES}/sub-01_ResponseData.h5"][1]
    assert "responses to 150 trials, the subject's StimulusMetadata.csv has 125" in found[f"{TABLES}/sub-03_ResponseData.h5"][1]
    assert "0 of 331 localiser voxels lie in the hemisphere of their name" in found[f"{TABLES}/sub-02_VoxelMetadata.csv"][1]
    assert "is not a readable picture" in found[picture.relative_to(root).as_posix()][1]
    assert "test pictures are shown equally often, but" in found[f"{TABLES}/sub-03_StimulusMetadata.csv"][1]


def test_deep_finds_a_subject_who_saw_other_pictures(root, chosen, edit):
    name = sorted((root / files.PICTURES).glob("*/*/*.jpg"))
    shown = set(pd.read_csv(root / f"{TABLES}/sub-02_StimulusMetadata.csv")["stimulus"])
    other = next(path for path in name if path.name not in shown)

    def change(table):
        row = table.index[table["trial_type"] == "train"][0]
        table.loc[row, ["stimulus", "concept"]] = other.name, other.parent.name
    edit(root, "StimulusMetadata.csv", change, subject=2)
    (_, message), = faults(check(root, chosen(deep=True))).values()
    assert "sub-02_StimulusMetadata.csv: subject 2 did not see the pictures of subject 1: 2 differ" in message


def test_a_file_of_responses_that_was_cut_is_found_at_once(root, chosen):
    path = root / f"{TABLES}/sub-01_ResponseData.h5"
    path.write_bytes(path.read_bytes()[:-1000])
    for deep in (False, True):
        (name, (status, message)), = faults(check(root, chosen(deep=deep))).items()
        assert name == f"{TABLES}/sub-01_ResponseData.h5" and "it was cut, or something was inserted" in message


def test_the_indexes_are_reported(things_extracted):
    assert report(open_dataset("things", things_extracted)) == [
        "trials with data: subject 1 150, subject 2 150, subject 3 150",
        "images: 130 of 150 were shown (10 test, 120 train), 130 to more than one subject"]


def test_options_that_do_not_apply_are_refused(things_indexed, chosen):
    with pytest.raises(ValueError, match="--sessions: dataset 'things' has one file of responses per subject, with all "
                                         "sessions; leave "
                                         "the option out"):
        check(things_indexed, chosen(sessions=[1]))
    with pytest.raises(ValueError, match="--min-ncsnr: dataset 'things' comes without a volume of ncsnr; leave the option out"):
        extract(open_dataset("things", things_indexed), 1, chosen(min_ncsnr=0.2))


def test_what_extraction_needs_is_named(with_indexes, chosen):
    (with_indexes / f"{TABLES}/sub-01_VoxelMetadata.csv").unlink()
    with pytest.raises(FileNotFoundError, match="not there: .*sub-01_VoxelMetadata.csv; 1_dataset_preparation/1_check_dataset.py "
                                                "--dataset things tells how to download what is missing"):
        extract(open_dataset("things", with_indexes), 1, chosen())


def test_a_table_that_was_changed_renews_what_follows_from_it(with_indexes, chosen, edit, capsys):
    dataset = open_dataset("things", with_indexes)
    extract(dataset, 1, chosen(rois=["V1"]))
    before = pd.read_parquet(with_indexes / files.coordinate_file(1))
    first = before.loc[before["roi"] == 1, "voxel_id"].iloc[0]
    edit(with_indexes, "VoxelMetadata.csv",
         lambda t: t.assign(**{"glasser-V1": t["glasser-V1"].where(t["voxel_id"] != str(first), "0"),
                               "glasser-MST": t["glasser-MST"].where(t["voxel_id"] != str(first), "1")}))
    capsys.readouterr()
    extract(dataset, 1, chosen(rois=["V1"]))
    assert capsys.readouterr().out.count("inputs changed") == 4
    assert dataset.responses(1, 1).shape[1] == (before["roi"] == 1).sum() - 1


def test_indexes_list_their_sources(things_downloaded, tmp_path):
    units = {unit.name: unit for unit in index_units(open_dataset("things", things_downloaded), tmp_path)}
    assert list(units) == ["categories", "images", "trials", "trials as text", "atlas"]
    assert {path.name for path in units["trials"].inputs} >= {f"sub-0{subject}_StimulusMetadata.csv" for subject in (1, 2, 3)}
