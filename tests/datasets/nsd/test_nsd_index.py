"""Index tables: made from the stimulus table and the disk, and refused where these contradict themselves."""

import numpy as np
import pandas as pd
import pytest
import tiny_nsd
from tiny_nsd import IMAGES_OF, beta_path

from convergence.datasets.nsd import index
from convergence.datasets.nsd.files import Source, sessions_on_disk, subjects_on_disk

TABLE = "nsd_stim_info_merged.csv"


@pytest.fixture
def root(tmp_path):
    return tiny_nsd.write(tmp_path / "nsd")


def trials(root, per_session=5):
    return index.trial_table(per_session, {subject: sessions_on_disk(root, subject) for subject in (2, 5)}, root=root)


def change(root, edit, file=TABLE, **options):
    table = pd.read_csv(root / file, **options)
    edited = edit(table)
    (table if edited is None else edited).to_csv(root / file, index=False, sep=options.get("sep", ","))


def test_images_are_named_and_foldered_by_number(root):
    table = index.image_table(root=root)
    assert list(table) == ["nsd_id", "name", "path"] and table["nsd_id"].tolist() == list(range(9))
    assert table.loc[8].tolist() == [8, "nsd_00008", "images/nsd_00000_00999/nsd_00008.jpg"]


def test_the_second_thousand_has_its_own_folder(root, monkeypatch):
    monkeypatch.setattr(index, "_PER_FOLDER", 4)
    paths = index.image_table(root=root)["path"]
    assert [paths[4], paths[8]] == ["images/nsd_00004_00007/nsd_00004.jpg", "images/nsd_00008_00011/nsd_00008.jpg"]


def test_trials_are_the_planned_ones_in_order_of_presentation(root):
    table = trials(root)
    assert list(table) == ["subject", "subject_index", "session", "session_index", "nsd_id", "repetition", "flagged", "shared",
                           "bold5000", "coco_id", "coco_split", "crop_box", "filename", "exists"]
    source = pd.read_csv(root / TABLE).set_index("nsdId")
    for row in table.itertuples():
        assert source.loc[row.nsd_id, f"subject{row.subject}_rep{row.repetition}"] == row.subject_index + 1
        assert (row.session, row.session_index) == (row.subject_index // 5 + 1, row.subject_index % 5)
        assert (row.shared, row.flagged, row.bold5000) == (row.nsd_id in (4, 7), row.nsd_id == 3, row.nsd_id in (0, 4, 7))
        assert row.coco_id == tiny_nsd.COCO[row.nsd_id]
        assert row.filename == str(beta_path(root, row.subject, row.session).relative_to(root))
    assert table["subject"].tolist() == [2] * 15 + [5] * 15 and table["subject_index"].tolist() == [*range(15)] * 2
    assert table.groupby(["subject", "session"])["exists"].all().tolist() == [True, True, True, True, True, False]
    assert table.groupby(["subject", "nsd_id"])["repetition"].apply(sorted).map(tuple).unique().tolist() == [(0, 1, 2)]
    for subject, images in IMAGES_OF.items():
        assert set(table.loc[table["subject"] == subject, "nsd_id"]) == set(images)


def test_a_last_session_may_be_shorter(root):
    (root / "subj02/behav/responses.tsv").unlink(), (root / "subj05/behav/responses.tsv").unlink()
    assert trials(root, per_session=6)["session"].value_counts().to_dict() == {1: 12, 2: 12, 3: 6}


def test_truth_may_be_written_in_two_ways_and_numbers_as_floats(root):
    before = trials(root)
    change(root, lambda t: t.assign(shared1000=t["shared1000"].astype(int), flagged=t["flagged"].astype(float),
                                    subject2_rep1=t["subject2_rep1"].replace(0, np.nan)))
    assert trials(root).equals(before)


@pytest.mark.parametrize("edit, message", [
    (lambda t: t.drop(columns=["cropBox", "shared1000"]), r"lacks the columns \['cropBox', 'shared1000'\]; expected NSD's table"),
    (lambda t: t.drop(columns=[c for c in t if "_rep" in c]), r"lacks the columns \['subject1_rep0', '...'\]"),
    (lambda t: t.iloc[::-1], r"column nsdId is not 0 to 8 in order; rows were lost or sorted"),
    (lambda t: t.drop(index=[0]), r"column nsdId is not 0 to 7 in order"),
    (lambda t: t.assign(cocoId=[5, 5, *t["cocoId"][2:]]), r"1 values of cocoId occur twice, such as \[5\]"),
    (lambda t: t.assign(subject5_rep2=t["subject5_rep1"]), r"the trial numbers of subject 5 in subject5_rep0, subject5_rep1, "
                                                           r"subject5_rep2 are not 1 to 15, each once"),
])
def test_a_stimulus_table_that_cannot_be_is_refused(root, edit, message):
    change(root, edit)
    with pytest.raises(ValueError, match=message):
        trials(root)


def test_a_missing_stimulus_table_is_named(root):
    (root / TABLE).unlink()
    with pytest.raises(FileNotFoundError, match="nsd_stim_info_merged.csv is not there; download it from "
                                                "nsddata/experiments/nsd/"):
        index.image_table(root=root)


def test_a_behavioural_record_of_other_pictures_is_refused(root):
    # Subject 5 never sees image 8, which the record counts as 9.
    change(root, lambda t: t.assign(**{"73KID": [*t["73KID"][:7], 9, *t["73KID"][8:]]}), "subj05/behav/responses.tsv", sep="\t")
    with pytest.raises(ValueError, match=r"subj05/behav/responses.tsv: 1 of 10 trials name another image than "
                                         r"nsd_stim_info_merged.csv, first trial 3 of session 2 \(73KID 9"):
        trials(root)


def test_a_record_that_lacks_a_session_is_compared_by_session(root):
    change(root, lambda t: t[t["SESSION"] != 2], "subj02/behav/responses.tsv", sep="\t")
    assert len(trials(root)) == 30


def test_shared_pictures_at_equal_positions_are_counted(root):
    table = trials(root)
    assert index.shared_positions(table) == (6, 6)
    first, second = table.index[(table["subject"] == 5) & (table["nsd_id"] == 4)][:2]
    table.loc[[first, second], "subject_index"] = table.loc[[second, first], "subject_index"].to_numpy()
    assert index.shared_positions(table) == (4, 6)


def test_trials_in_a_session_come_from_the_headers(root):
    sessions = {2: [1, 3], 5: [1, 2]}
    assert index.trials_per_session(root, sessions) == 5
    tiny_nsd.save(np.ones((7, 6, 5, 4), np.int16), beta_path(root, 2, 3))
    with pytest.raises(ValueError, match=r"sessions have different numbers of volumes: 5 in 3 files, but "
                                         r".*subj02.*betas_session03.nii.gz has 4; download the odd ones"):
        index.trials_per_session(root, sessions)
    tiny_nsd.save(np.ones((7, 6, 5, 9), np.int16), root / "subj02/func1pt8mm/betas_fithrf/betas_session01.nii.gz")
    assert index.trials_per_session(root, {2: [1], 5: []}, Source("func1pt8mm", "fithrf")) == 9


def test_without_betas_the_trials_in_a_session_come_from_the_records(root):
    change(root, lambda t: t[(t["SESSION"] != 3) | (t["TRIAL"] > 0)], "subj02/behav/responses.tsv", sep="\t")     # one is shorter
    assert index.trials_per_session(root, {2: [], 5: []}) == 5
    (root / "subj02/behav/responses.tsv").unlink(), (root / "subj05/behav/responses.tsv").unlink()
    with pytest.raises(ValueError, match="has no beta file such as .*func1pt8mm.*so that the number of trials in a session "
                                         "is unknown; download at least one session, or behav/responses.tsv"):
        index.trials_per_session(root, {2: [], 5: []}, Source("func1pt8mm"))


def test_the_table_names_the_beta_files_of_a_source_and_of_either_kind(root):
    (root / "subj05/func1pt8mm/betas_assumehrf").mkdir(parents=True)
    (root / "subj05/func1pt8mm/betas_assumehrf/betas_session02.hdf5").write_bytes(b"")
    source = Source("func1pt8mm", "assumehrf")
    assert sessions_on_disk(root, 5, source) == [2]
    table = index.trial_table(5, {2: [], 5: [2]}, root=root, resolution="func1pt8mm", betas="assumehrf")
    assert table.loc[table["exists"], "filename"].unique().tolist() == ["subj05/func1pt8mm/betas_assumehrf/betas_session02.hdf5"]
    assert table.loc[0, "filename"] == "subj02/func1pt8mm/betas_assumehrf/betas_session01.nii.gz"
    assert table.drop(columns=["filename", "exists"]).equals(trials(root).drop(columns=["filename", "exists"]))


@pytest.mark.parametrize("content, message", [
    ("SESSION\tTRIAL\n1\t2\n", "responses.tsv is not a readable table with the columns SESSION and 73KID"),
    ("SESSION\t73KID\n1\tdog\n", "responses.tsv: column 73KID holds something else than numbers"),
    ("", "responses.tsv is not a readable table")])
def test_a_record_that_is_none_is_refused(root, content, message):
    (root / "subj05/behav/responses.tsv").write_text(content)
    with pytest.raises(ValueError, match=message):
        trials(root)


def test_volumes_are_listed_with_the_one_that_is_made(root):
    (root / "subj05/func1mm/roi/rh.HCP_MMP1.nii.gz").unlink()
    table = index.mask_table(index.volumes_on_disk(root))
    assert [row[:3] for row in table.itertuples(index=False)] == [
        (2, "HCP_MMP1", "b"), (2, "both.HCP_MMP1", "b"), (2, "lh.HCP_MMP1", "l"), (2, "nsdgeneral", "b"), (2, "rh.HCP_MMP1", "r"),
        (5, "HCP_MMP1", "b"), (5, "lh.HCP_MMP1", "l"), (5, "nsdgeneral", "b")]
    assert list(table) == ["subject", "roi", "hemisphere", "mask_path"]
    assert table["mask_path"].tolist() == [f"subj{row.subject:02d}/func1mm/roi/{row.roi}.nii.gz" for row in table.itertuples()]


def test_subjects_and_sessions_are_read_off_the_disk(root):
    (root / "subjects.txt").write_text("")
    (beta_path(root, 2, 1).parent / "betas_session12.nii.gz.part").write_text("")
    assert subjects_on_disk(root) == [2, 5] and sessions_on_disk(root, 2) == [1, 2, 3] and sessions_on_disk(root, 7) == []
