"""Sessions paired by the place of their trials, against plain loops."""

import numpy as np
import pandas as pd
import pytest
import toy_brains
from scipy.spatial.distance import pdist

from convergence.alignment.out_of_order import draw_sessions, session_pair_similarity, summary
from convergence.analysis.trial_order import against_reversed
from convergence.storage.tables import conform


@pytest.fixture
def toy(tmp_path):
    return toy_brains.write(tmp_path / "toy", complete=False)


def compare(toy, first=1, second=3, **options):
    return session_pair_similarity(**{"subjects": [2, 9], "draw": 4, "session1": first, "session2": second,
                                      "hemispheres": "joined",
                                      "rois": None, "clip": 0, "seed": 0, "dataset": toy, "device": "cpu", **options})


def test_sessions_are_drawn_once_each_with_the_seed(toy):
    every = draw_sessions(toy, [2, 5, 9], draws=20)
    assert sorted(every) == [(1, 2), (1, 3), (2, 3)] and draw_sessions(toy, [2], draws=2, seed=0) == every[:2]
    assert len({tuple(draw_sessions(toy, [2], draws=3, seed=seed)) for seed in range(9)}) > 1
    assert draw_sessions(toy, [2, 9], draws=5, among=[1, 3, 8]) == [(1, 3)] == draw_sessions(toy, [9], draws=5)
    with pytest.raises(ValueError, match="sessions: 1 of those asked for exist; two different ones are needed"):
        draw_sessions(toy, [2], draws=3, among=[1])


def test_trials_meet_by_place_and_never_with_one_picture(toy):
    found = compare(toy)
    assert len(found) == 4 * 5 and (found["draw"] == 4).all()
    table = toy.trials
    for i, j in ((2, 9), (9, 2), (2, 2)):
        first, second = (table[(table["subject"] == subject) & (table["session"] == session)] for subject,
                         session in ((i, 1), (j, 3)))
        kept = np.flatnonzero(first["image"].to_numpy() != second["image"].to_numpy())
        x, y = (toy.responses(subject, (3, 203), of_it["subject_index"].to_numpy()[kept]).astype(float)
                for subject, of_it in ((i, first), (j, second)))
        row = found[(found["roi"] == 3) & (found["subject1"] == i) & (found["subject2"] == j)].iloc[0]
        r = lambda a, b: np.corrcoef(pdist(a, "correlation"), pdist(b, "correlation"))[0, 1]
        assert row["n_trials"] == len(kept) and row["rsa"] == pytest.approx(r(x, y), abs=1e-5)
        assert row["rsa_reversed"] == pytest.approx(r(x[::-1], y), abs=1e-5) and row["rsa_shuffled"] not in (row["rsa"],
                                                                                                             row["rsa_reversed"])
    assert found["n_trials"].min() < toy_brains.PER_SESSION                         # some places show one picture in both
    empty = found[found["roi"] == 11]
    assert empty["rsa"].isna().all() and (empty["reason"] == "parcel: no voxels").all()
    pd.testing.assert_frame_equal(found, conform(found, "out_of_order"))


def test_shuffles_have_a_seed(toy):
    one, again, other = (compare(toy, seed=seed, rois=[3])["rsa_shuffled"] for seed in (1, 1, 2))
    assert one.equals(again) and not one.equals(other)


def test_a_session_that_a_subject_lacks_has_no_rows(toy):
    found = compare(toy, 1, 2)
    assert set(zip(found["subject1"], found["subject2"])) == {(2, 2), (9, 2)}
    with pytest.raises(ValueError,
                       match="sessions 2 and 3 of subjects 9 have no four places at which they show different pictures"):
        compare(toy, 2, 3, subjects=[9])


def test_the_summary_is_the_mean_over_sessions_against_sessions_backwards():
    rng, pairs = np.random.default_rng(0), [(1, 2), (1, 3), (2, 3)]
    table = pd.DataFrame([{"roi": roi, "session1": a, "session2": b, "rsa": rng.random(), "rsa_reversed": rng.random(),
                           "rsa_shuffled": 0.1}
                          for roi in (7, 3) for a, b in pairs for _ in range(4)])
    table.loc[table["roi"] == 3, "rsa"] += 5
    table = pd.concat([table, pd.DataFrame([{"roi": 9, "session1": 1, "session2": 2}])])
    found = summary(table).set_index("roi")
    means = table[table["roi"] == 7].groupby(["session1", "session2"]).mean()
    null = against_reversed(means["rsa"], means["rsa_reversed"], pairs)
    assert found.loc[7, ["observed", "null_mean", "null_std", "z", "pvalue"]].tolist() == pytest.approx(list(null))
    assert found.loc[3, "observed"] > 5 and found.loc[3, "n_draws"] == 3 and found.loc[7, "shuffled"] == pytest.approx(0.1)
    assert found.loc[9].drop("n_draws").isna().all() and found.loc[9, "n_draws"] == 0
    assert found.loc[7, "pvalue_fdr_bh"] >= found.loc[7, "pvalue"]
