"""What the scripts of stage 1 ask: is everything there, is it sound, how to get what is missing."""

import json
import shutil
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

from convergence import open_dataset
from convergence.datasets.bold5000 import files
from convergence.datasets.bold5000.preparation import check, extract, forecast, index_units, report
from convergence.datasets.miniature.bold5000 import write_bare


def faults(findings):
    return {finding.path: (finding.status, finding.message) for finding in findings if finding.status in ("missing", "wrong")}


def foretold(root, options):
    """What forecast says after check."""
    return forecast(root, options, check(root, options))


def test_a_complete_download_is_in_order(downloaded, chosen):
    found = check(downloaded, chosen())
    assert not faults(found) and len(found) == 4 * 4 + 11 + 3
    deep = check(downloaded, chosen(deep=True, jobs=2))
    notes = {finding.path: finding.message for finding in deep if finding.status == "note"}
    assert not faults(deep) and sorted(notes) == [files.beta_name(2, "D", 1), files.beta_name(2, "D", 2),
                                                  "preprocessed/atlas/subj-02_HCP_atlas_func_360.nii.gz",
                                                  "preprocessed/atlas/subj-03_HCP_atlas_func_360.nii.gz"]
    assert notes[files.beta_name(2, "D", 1)] == "1 NaN or infinite values in the brain; extraction sets them to 0"
    assert notes["preprocessed/atlas/subj-03_HCP_atlas_func_360.nii.gz"] == "2 of 360 parcels have no voxel: [110, 290]"
    assert len(check(downloaded, chosen(subjects=[4], sessions=[2]))) == 4 + 1 + 3


def test_what_is_missing_is_named_with_the_commands_that_get_it(root, chosen):
    missing = [files.beta_name(1, "D", 2), "CSI3_brainmask.nii.gz", "preprocessed/atlas/subj-02_HCP_atlas_func_360.nii.gz"]
    for name in missing:
        (root / name).unlink()
    found = faults(check(root, chosen()))
    assert sorted(found) == sorted(missing) and all(status == "missing" for status, _ in found.values())
    assert found[missing[2]][1].endswith("(1_dataset_preparation/warp_atlas.sh makes it)")
    listing = [{"name": name, "size": 7, "download_url": f"https://figshare/{k}", "supplied_md5": "ab"}
               for k, name in enumerate([missing[0], missing[1], files.beta_name(1, "B", 2)])]
    (root / "figshare-14456124.json").write_text(json.dumps(listing))
    lines = "\n".join(foretold(root, chosen()))
    assert "subject 1: 2 sessions of type D, " in lines and "warp_atlas.sh for every subject" in lines
    assert f"curl -fL -C - -o {missing[0]} https://figshare/0" in lines and f"echo 'ab  {missing[1]}' | md5sum -c -" in lines
    assert "TYPEB" not in lines


def test_the_disk_that_is_foretold_is_enough_and_not_far_off(downloaded, extracted, chosen):
    """Compressed files say nothing: what counts is voxels of the brain, trials, and 4 bytes."""
    mask = np.asarray(nibabel.load(extracted / "CSI4_brainmask.nii.gz").dataobj)
    most = 4 * 60 * np.count_nonzero(mask)
    line, disk = foretold(downloaded, chosen(subjects=[4]))
    assert f"matrices at most {most / 1e6:.1f} MB, and twice as much while" in line
    assert disk.startswith(f"disk of {downloaded}: about {2 * most / 1e6:.1f} MB to download and to make, ")
    there = "subject 4: a set of matrices of type D is there, in preprocessed/betas/sub-4"
    assert foretold(extracted, chosen(subjects=[4])) == [there]
    made = sum(np.load(path, mmap_mode="r").nbytes for path in (extracted / "preprocessed/betas/sub-4").glob("sub-4_*.npy"))
    assert 0.4 * most < made <= most


def test_a_disk_that_is_too_small_is_said(tmp_path, chosen, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1e9))
    lines = foretold(tmp_path, chosen(sessions=[1, 2, 3]))
    assert f"disk of {tmp_path}: about 1.9 GB to download and to make, 1.0 GB free: NOT ENOUGH, 0.9 GB are lacking" in lines


def test_what_is_damaged_is_deleted_before_it_is_fetched_anew(root, chosen):
    """curl -C - would go on at its end. Of lists that disagree none is deleted."""
    betas, mask, names = root / files.beta_name(4, "D", 1), root / "CSI2_brainmask.nii.gz", root / "CSI3_imgnames.txt"
    betas.write_bytes(betas.read_bytes()[:-100])
    mask.write_bytes(b"cut")
    names.write_text("\n".join(names.read_text().split()[:-1]))
    lines = foretold(root, chosen(deep=True))
    first = lines.index("# damaged, to be downloaded anew:")
    assert lines[first + 1:first + 3] == [f"rm {mask}", f"rm {betas}"] and not any("rm" in line[:3] for line in lines[first + 3:])
    described = [line for line in lines[first:] if line.startswith("# figshare item 14456124: ")]
    assert [line.split(": ")[1].split(",")[0] for line in described] == ["lists of image names", "brain masks", "betas of type D"]


def test_what_a_damaged_file_leaves_unknown_is_said(root, chosen):
    (root / "CSI4_brainmask.nii.gz").write_bytes(b"cut")
    line = foretold(root, chosen(subjects=[4]))[0]
    assert "the disk that its matrices need is told once its brain mask and betas can be read" in line


def test_an_empty_folder_gets_every_command(tmp_path, chosen):
    assert set(faults(check(tmp_path, chosen()))) >= {"CSI1_imgnames.txt", "CSI1_brainmask.nii.gz", files.beta_name(1, "D", 1)}
    lines = "\n".join(foretold(tmp_path, chosen()))
    assert "https://api.figshare.com/v2/articles/14456124/files" in lines
    assert "BOLD5000_Stimuli.zip" in lines and "figshare 3501911" in lines
    dataset = open_dataset("bold5000", tmp_path)
    with pytest.raises(FileNotFoundError, match="CSI1_imgnames.txt is not there; 1_dataset_preparation/1_check_dataset.py "
                       "--dataset bold5000 lists what is missing"):
        index_units(dataset, tmp_path / "derivatives")


def test_deep_finds_what_is_wrong_inside(root, chosen):
    names = root / "CSI2_imgnames.txt"
    names.write_text("\n".join(names.read_text().split()[:-1]))
    atlas = root / "preprocessed/atlas/subj-01_HCP_atlas_func_360.nii.gz"
    (atlas.parent / "mirrored" / atlas.name).rename(atlas)
    long = root / files.beta_name(3, "D", 2)
    values = np.asarray(nibabel.load(long).dataobj)
    write_bare(np.concatenate([values, values[..., :1]], axis=3), long)
    cut = root / files.beta_name(4, "D", 1)
    cut.write_bytes(cut.read_bytes()[:-100])
    assert not faults(check(root, chosen()))
    found = faults(check(root, chosen(deep=True)))
    assert set(found) == {"CSI1_imgnames.txt", "preprocessed/atlas/subj-01_HCP_atlas_func_360.nii.gz", cut.name}
    assert {status for status, _ in found.values()} == {"wrong"}
    lists = found["CSI1_imgnames.txt"][1]
    assert "CSI2_imgnames.txt has 95 names, the 8 run lists of CSI2 have 96" in lists
    assert f"{long.name} has 25 volumes, the run lists of session 2 of CSI3 have 24" in lists
    assert "is mirrored" in found["preprocessed/atlas/subj-01_HCP_atlas_func_360.nii.gz"][1]
    assert "truncated or damaged" in found[cut.name][1]


def test_deep_finds_pictures_that_are_missing(root, chosen):
    path = next((root / "bold5000_stimuli/Scene_Stimuli/Presented_Stimuli/Scene").iterdir())
    path.unlink()
    found = faults(check(root, chosen(deep=True)))
    (folder, (_, message)), = found.items()
    assert folder == "bold5000_stimuli/Scene_Stimuli/Presented_Stimuli"
    assert f"lacks 1 of 84 pictures, such as ['{path.name}']; unpack the archive again" in message


def test_betas_under_two_names_are_a_finding(root, chosen):
    (root / files.beta_name(1, "D", 1, "TYBE")).write_bytes(b"x")
    assert any("is there twice" in message for _, message in faults(check(root, chosen())).values())
    assert foretold(root, chosen())[0].startswith("subject 2: ")


def test_a_source_is_prepared_with_the_whole(with_indexes, chosen):
    part = open_dataset("bold5000-scenes", with_indexes)
    extract(part, 4, chosen(rois=["V1"], dry_run=True))
    assert not (with_indexes / "preprocessed/betas").exists()
    extract(part, 4, chosen(rois=["V1"]))
    rows = np.load(with_indexes / "preprocessed/betas/sub-4/rows_D.npy")
    assert rows.tolist() == list(range(60)) and report(part)[1] == "pictures: 18 (18 scenes), 18 shown to more than one subject"
