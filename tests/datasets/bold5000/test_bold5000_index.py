"""The index: exactly what the lists say, or a refusal with the numbers."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from convergence import open_dataset
from convergence.datasets.bold5000 import files, index
from convergence.datasets.bold5000.preparation import index_units, report
from convergence.datasets.miniature.bold5000 import write_bare
from convergence.tasks import run_units

EVERYONE = [1, 2, 3, 4]


def lines(path):
    return path.read_text().splitlines()


def write(path, names):
    path.write_text("".join(f"{name}\n" for name in names))


def run_list(root, subject, session, run):
    name = f"CSI{subject}_sess{session:02d}"
    return root / f"bold5000_stimuli/Stimuli_Presentation_Lists/CSI{subject}/{name}/{name}_run{run:02d}.txt"


def trial_table(root):
    return index.trial_table(EVERYONE, index.beta_volumes(root, EVERYONE), root=root)


def test_trials_are_those_of_the_lists(indexed):
    trials = pd.read_csv(indexed / "preprocessed/stimulus_index.csv")
    assert list(trials) == ["subject", "session", "run", "bold_id", "subject_index", "session_index", "run_index", "repetition",
                            "name", "stim_source",
                            "image_name", "bold_position"]
    assert trials.groupby("subject").size().to_dict() == {1: 96, 2: 96, 3: 96, 4: 60}
    for subject, own in trials.groupby("subject"):
        assert own["image_name"].tolist() == lines(indexed / f"CSI{subject}_imgnames.txt")
        assert own["subject_index"].tolist() == list(range(len(own)))
    row = trials[(trials["subject"] == 3) & (trials["subject_index"] == 51)].iloc[0]       # 36 + 12 + 3
    assert (row["session"], row["session_index"], row["run"], row["run_index"]) == (2, 15, 2, 3)
    assert row["image_name"] == lines(run_list(indexed, 3, 2, 2))[3].replace("rep_", "")
    assert row["name"] == row["image_name"].split(".")[0].lower()


def test_bold_position_is_contiguous_and_bold_id_is_the_first_trial_of_csi1(indexed):
    images, names = pd.read_csv(indexed / "preprocessed/images.csv"), lines(indexed / "CSI1_imgnames.txt")
    assert list(images) == ["bold_id", "image_name", "stim_source", "image_path", "bold_position"]
    assert images["bold_position"].tolist() == list(range(84))
    first = [names.index(name) for name in images["image_name"]]
    assert images["bold_id"].tolist() == sorted(names.index(name) for name in set(names)) == first
    assert images["bold_id"].max() > 83                                                 # there are gaps, so that the two differ
    assert images.groupby("stim_source").size().to_dict() == {"coco": 34, "imagenet": 32, "scenes": 18}
    assert all((indexed / path).exists() for path in images["image_path"])
    trials = pd.read_csv(indexed / "preprocessed/stimulus_index.csv")
    assert trials["image_name"].tolist() == images["image_name"][trials["bold_position"]].tolist()
    assert trials["bold_id"].tolist() == images["bold_id"][trials["bold_position"]].tolist()


def test_irregular_repeats_are_kept(indexed):
    trials = pd.read_csv(indexed / "preprocessed/stimulus_index.csv")
    times = {subject: sorted(own.groupby("bold_position").size(), reverse=True)[:5] for subject, own in trials.groupby("subject")}
    assert times == {1: [4, 4, 4, 4, 1], 2: [4, 4, 4, 4, 1], 3: [5, 4, 4, 3, 1], 4: [4, 3, 2, 1, 1]}
    for _, own in trials.groupby(["subject", "bold_position"]):
        assert own["repetition"].tolist() == list(range(1, len(own) + 1))


def test_both_files_of_a_table_say_the_same_in_the_published_types(indexed):
    for name in ("images", "stimulus_index"):
        table = pd.read_parquet(indexed / f"preprocessed/{name}.parquet")
        assert table.astype(object).equals(pd.read_csv(indexed / f"preprocessed/{name}.csv").astype(object))
    assert {column: str(table[column].dtype) for column in ("subject", "bold_id", "subject_index", "repetition",
                                                            "bold_position")} == {
        "subject": "uint8", "bold_id": "uint32", "subject_index": "uint16", "repetition": "uint8", "bold_position": "uint16"}


def test_what_is_done_is_skipped_and_reported(indexed, capsys):
    dataset = open_dataset("bold5000", indexed)
    run_units(index_units(dataset, indexed.parent / "derivatives"), title="indexes")
    assert capsys.readouterr().out == "indexes: 5 of 5 done before\n"
    assert "\n".join(report(dataset)).startswith("trials with data: subject 1 96, subject 2 96, subject 3 96, subject 4 60\n"
                                                 "pictures: 84 (34 coco, 32 imagenet, 18 scenes), 84 shown to more than one "
                                                 "subject\n"
                                                 "subject 1: 4 pictures 4 times, 80 once\n")


def test_an_index_without_betas_works(root):
    for path in root.glob("CSI*_GLMbetas*"):
        path.unlink()
    assert len(trial_table(root)) == 348


def test_the_list_of_names_one_line_short_is_refused_with_the_numbers(root):
    path = root / "CSI2_imgnames.txt"
    names = lines(path)
    write(path, names[:30] + names[31:])
    with pytest.raises(ValueError, match=r"trial lists and betas of .* disagree.*\n.*CSI2_imgnames.txt has 95 names, the 8 run "
                       r"lists of CSI2 have 96 \(8 runs of 12 "
                       r"are 96\); the first that differs is trial 31, ") as error:
        trial_table(root)
    assert f"{names[31]} there and {names[30]} in the run lists" in str(error.value)


def test_a_run_list_one_line_short_is_refused_with_the_numbers(root):
    path = run_list(root, 3, 2, 1)
    write(path, lines(path)[:-1])
    with pytest.raises(ValueError) as error:
        trial_table(root)
    for part in (f"{path} has 11 lines, most of the 8 run lists of CSI3 have 12", "CSI3_imgnames.txt has 96 names, the 8 run "
                 "lists of CSI3 have 95",
                 "CSI3_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_ses-02.nii.gz has 24 volumes, the run lists of session 2 of CSI3 have "
                 "23 lines (2 runs)"):
        assert part in str(error.value)


@pytest.mark.parametrize("beta_type, file", [("D", "CSI4_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_ses-01.nii.gz"),
                                             ("B", "CSI1_GLMbetas-TYBEB-FITHRF_ses-01.nii.gz")])
def test_a_volume_with_one_trial_too_many_is_refused_with_the_numbers(root, beta_type, file):
    values = np.asarray(nibabel.load(root / file).dataobj)
    write_bare(np.concatenate([values, values[..., :1]], axis=3), root / file)
    with pytest.raises(ValueError, match=rf"\n  {file} has 37 volumes, the run lists of session 1 of CSI{file[3]} have 36 lines "
                       rf"\(3 runs\)$"):
        trial_table(root)


def test_names_that_differ_are_counted(root):
    path = root / "CSI4_imgnames.txt"
    names = lines(path)
    names[10], names[20] = names[20], names[10]
    write(path, names)
    with pytest.raises(ValueError, match="CSI4_imgnames.txt names another picture than the run lists in 2 of 60 trials; the "
                       "first that differs is trial 11, "):
        trial_table(root)


def test_extensions_and_case_do_not_make_another_picture(root):
    expected = trial_table(root)
    path = root / "CSI2_imgnames.txt"
    write(path, [name.split(".")[0].swapcase() + ".jpeg" for name in lines(path)])
    assert trial_table(root).equals(expected)


def test_lists_that_are_missing_are_named(root):
    run_list(root, 1, 1, 2).unlink()
    with pytest.raises(ValueError, match=r"lists are missing: session 1 has the runs \[1, 3\]; expected numbers from 1 "
                       r"without gaps"):
        trial_table(root)
    (root / "CSI1_imgnames.txt").unlink()
    with pytest.raises(FileNotFoundError, match="CSI1_imgnames.txt is not there; pictures are numbered by the trials of CSI1"):
        index.trial_table([2, 3], root=root)
    (root / "bold5000_stimuli").rename(root / "elsewhere")
    with pytest.raises(FileNotFoundError, match="CSI2 has no lists such as CSI2_sess01/CSI2_sess01_run01.txt; unpack the "
                       "archive"):
        index.read_run_lists(root, 2)


@pytest.mark.parametrize("line, message", [("", r"line 2 is ''; expected the name of a picture"),
                                           ("../x.jpg", "line 2 is '../x.jpg'"), ("rep_x.txt", "line 2 is 'rep_x.txt'")])
def test_lines_that_are_no_names_are_refused(tmp_path, line, message):
    write(tmp_path / "CSI1_imgnames.txt", ["a.jpg", line, "b.jpg"])
    with pytest.raises(ValueError, match=message):
        index.read_names(tmp_path / "CSI1_imgnames.txt")


def test_a_list_as_windows_writes_it(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"rep_a.jpg\r\nn01_2.JPEG \r\n\r\n")
    assert index.read_names(tmp_path / "list.txt") == ["a.jpg", "n01_2.JPEG"]


def test_files_are_found_in_a_folder_below_and_under_both_spellings(root):
    (root / "figshare").mkdir()
    for path in root.glob("CSI*"):
        path.rename(root / "figshare" / path.name)
    (root / "bold5000_stimuli").rename(root / "BOLD5000_Stimuli")
    assert files.subjects_on_disk(root) == EVERYONE and len(trial_table(root)) == 348
    assert [path.name for path in files.beta_files(root, 1, "B").values()] == ["CSI1_GLMbetas-TYBEB-FITHRF_ses-01.nii.gz"]
    assert open_dataset("bold5000", root).root == root


def test_one_session_twice_is_refused(root):
    second = root / "CSI1_GLMbetas-TYPEB-FITHRF_ses-01.nii.gz"
    second.write_bytes((root / "CSI1_GLMbetas-TYBEB-FITHRF_ses-01.nii.gz").read_bytes())
    with pytest.raises(ValueError, match="session 1 of CSI1, type B, is there twice: .*TYBEB.* and .*TYPEB.*; keep one of them"):
        trial_table(root)
    with pytest.raises(ValueError, match="type: 'E' is no type of betas of BOLD5000; choose from A, B, C, D"):
        files.beta_files(root, 1, "E")
