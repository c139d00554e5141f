"""Pairs of subjects session by session, as in THINGS and BOLD5000, against scipy on rows that the test gathers itself; networks
with layers from 0 or 1."""

import numpy as np
import pytest
import toy_brains
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr

from convergence.alignment import other_datasets, subject_model
from convergence.alignment.other_datasets import pair_similarity, pair_unit, session_wise, table_path


class Unshifted(toy_brains.Toy):
    """Every subject sees the shared images in an order of its own; repetitions count from 1."""

    name, repetitions_shift = "things", False

    @property
    def trials(self):
        table = super().trials
        own = {2: 1, 5: 4, 9: 7}
        order = (table["subject_index"] * table["subject"].map(own)) % 39
        table = table.assign(subject_index=order, session=1 + order // 13, repetition=table["repetition"] + 1)
        return table.assign(exists=~((table["subject"] == 9) & (table["session"] == 2)))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    root = tmp_path_factory.mktemp("toy")
    toy_brains.write(root)
    return Unshifted(root)


def rdm(matrix):
    matrix = matrix.astype(float)
    return pdist(np.clip(matrix, *np.quantile(matrix, [0.003, 0.997])), "correlation")


def similarity(toy, i, j, **options):
    return pair_similarity(subject_i=i, subject_j=j, hemispheres="joined", form="full", rois=[3, 8], clip=0.003, dataset=toy,
                           device="cpu", **options)


@pytest.mark.parametrize("i, j", [(2, 5), (9, 2)])
def test_sessions_against_scipy_on_rows_gathered_by_hand(toy, i, j):
    trials = toy.trials[toy.trials["shared"] & toy.trials["exists"]]
    theirs = {(t.image, t.repetition): t.subject_index for t in trials[trials["subject"] == j].itertuples()}
    table = similarity(toy, i, j)
    sessions = []
    for session, mine in trials[trials["subject"] == i].sort_values("subject_index").groupby("session"):
        rows = [(t.subject_index, theirs[t.image, t.repetition]) for t in mine.itertuples() if (t.image, t.repetition) in theirs]
        if len(rows) < 4:
            continue
        sessions.append(session)
        first, second = np.array(rows).T
        found = table[table["session"] == session].set_index(["roi_x", "roi_y"])
        expected = pearsonr(rdm(toy.responses(i, (3, 203), first)), rdm(toy.responses(j, (3, 203), second))).statistic
        assert abs(found.loc[(3, 3), "similarity"] - expected) < 1e-5
        assert set(found["n_pairs"]) == {len(rows) * (len(rows) - 1) // 2}
    assert table["session"].unique().tolist() == sessions and len(sessions) >= 2 and len(table) == 4 * len(sessions)
    assert set(table["dataset"]) == {"things"} and set(table["rep_shift"]) == {"0"}
    assert table.set_index(["roi_x", "roi_y"]).loc[(8, 3), "reason"].iloc[0] == ("subject_i: no voxels" if i == 5 else "")
    published = similarity(toy, i, j, reference=True)
    assert set(published["rep_shift"]) == {"things"}
    assert published["session"].unique()[0] in (0, 1)
    assert published["session"].max() < max(sessions)
    assert np.array_equal(published["similarity"], table["similarity"], equal_nan=True)


def test_published_names_and_variants(tmp_path):
    names = {name: str(table_path(tmp_path, name).relative_to(tmp_path)) for name in ("things", "bold5000", "bold5000-coco")}
    assert names == {"things": "things/rsa_things_subject_subject_alignment_joined.parquet",
                     "bold5000": "bold5000/rsa_bold5000_subject_subject_alignment_joined.parquet",
                     "bold5000-coco": "bold5000/rsa_bold5000-coco_subject_subject_alignment_joined.parquet"}
    assert table_path(tmp_path, "things", hemispheres="separated", form="diagonal", exclude=("same-run",)).name == (
        "rsa_things_subject_subject_alignment_separated_without-same-run_diagonal.parquet")
    scenes = subject_model.table_path(tmp_path, "bold5000-scenes").relative_to(tmp_path)
    assert str(scenes) == "bold5000/rsa_bold5000-scenes_subject_model_alignment_joined.parquet"
    assert subject_model.table_path(tmp_path, "things",
                                    untrained=True).name == "rsa_things_subject_model_alignment_joined_untrained.parquet"


def test_which_datasets_are_session_wise(toy):
    assert session_wise(toy)
    assert not session_wise(toy_brains.Toy(toy.root))
    assert other_datasets.folder_of("things-of-mine") == "things-of-mine" and other_datasets.folder_of("bold5000-coco") == "bold5000"


def test_no_session_with_enough_trials_is_named(toy, monkeypatch):
    monkeypatch.setattr(other_datasets, "common",
                        lambda *_: other_datasets.shared_trials(toy.trials, 2).rename(columns={"session": "session_i"}).iloc[:3])
    with pytest.raises(ValueError, match="subjects 2 and 5 have 3 common trials, and no session with at least 4 of them; get "
                                         "more of their sessions"):
        similarity(toy, 2, 5)


def test_units_state_what_decides_them(toy, tmp_path):
    plain, other = (pair_unit(toy, 2, 9, tmp_path / "t.parquet", reference=reference) for reference in (False, True))
    assert plain.output.name == "subject-02_subject-09.parquet"
    assert "reference" not in plain.options
    assert other.options["reference"] is True
    assert plain.inputs == (*toy.response_files(2), *toy.response_files(9))
