"""A subject and the group of the others: the identity with pairs, r with the mean against scipy, and what cannot be computed."""

import numpy as np
import pandas
import pytest
import toy_brains
from scipy.stats import pearsonr

from convergence.alignment.rdms import store_unit
from convergence.alignment.subject_group import group_similarity, group_unit, table_path
from convergence.alignment.subject_subject import pair_similarity
from convergence.analysis.rdm import select_stimuli
from convergence.storage.rdm_store import RDMStore
from convergence.tasks import run_units


def stores_of(toy, folder):
    units = [store_unit(toy, subject, toy.parcels(), "joined", folder, device="cpu") for subject in toy.subjects]
    return dict(zip(toy.subjects, run_units(units, title="RDMs")))


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complete")
    return stores_of(toy_brains.write(folder / "toy"), folder)


@pytest.fixture(scope="module")
def lacking(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lacking")
    return stores_of(toy_brains.write(folder / "toy", complete=False), folder)


def group(stores, subject, *, shift=1, form="full", **more):
    others = [other for other in stores if other != subject]
    return group_similarity(subject=subject, others=others, shift=shift, form=form, hemispheres="joined", rois=None,
                            stores=stores,
                            device="cpu", **more)


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_the_mean_of_r_is_the_mean_over_pairs(complete, shift):
    """u_i . mean_j u_j is the mean of the pairs' correlations, where all pairs have the same trials."""
    for subject in complete:
        table = group(complete, subject, shift=shift).set_index(["roi_x", "roi_y"])
        pairs = [pair_similarity(subject_i=subject, subject_j=other, shift=shift, form="full", hemispheres="joined", rois=None,
                                 store_i=complete[subject], store_j=complete[other], device="cpu")
                 .set_index(["roi_x", "roi_y"])["similarity"] for other in complete if other != subject]
        assert np.allclose(table["mean_of_r"], sum(pairs) / len(pairs), atol=1e-6, equal_nan=True)
        assert table["mean_of_r"].notna().sum() >= 1
        assert (table["r_with_mean"] >= table["mean_of_r"].abs() - 1e-6)[table["mean_of_r"] > 0].all()
        assert np.array_equal(table["similarity"], table["r_with_mean"], equal_nan=True)
        published = group(complete, subject, shift=shift, reference=True)
        assert np.array_equal(published["similarity"], published["mean_of_r"], equal_nan=True)


def test_r_with_the_mean_against_scipy_on_trials_that_all_have(lacking):
    rdms, rows = {}, {}
    opened = {subject: RDMStore(path) for subject, path in lacking.items()}
    known = {subject: {pair: k for k, pair in enumerate(zip(store.trials["image"], store.trials["repetition"]))}
             for subject, store in opened.items()}
    shared = [(image, repetition) for image, repetition in known[5]
              if all((image, (repetition - 1) % 3) in known[other] for other in (2, 9))]
    assert 8 < len(shared) < 24
    for subject in (2, 5, 9):
        back = 0 if subject == 5 else 1
        rows[subject] = np.array([known[subject][image, (repetition - back) % 3] for image, repetition in shared])
        rdm = select_stimuli(opened[subject].rdms([3]), rows[subject])[0].astype(float)
        rdms[subject] = (rdm - rdm.mean()) / np.linalg.norm(rdm - rdm.mean())
        opened[subject].close()
    table = group(lacking, 5)
    row = table[(table["roi_x"] == 3) & (table["roi_y"] == 3)].iloc[0]
    assert abs(row["r_with_mean"] - pearsonr(rdms[5], rdms[2] + rdms[9]).statistic) < 1e-5
    assert row["n_pairs"] == len(shared) * (len(shared) - 1) // 2
    assert abs(row["mean_of_r"] - (rdms[5] @ rdms[2] + rdms[5] @ rdms[9]) / 2) < 1e-5


def test_the_diagonal_and_the_reasons(lacking, monkeypatch):
    full, diagonal = group(lacking, 2), group(lacking, 2, form="diagonal")
    same = full[full["roi_x"] == full["roi_y"]].reset_index(drop=True)
    assert np.allclose(same["similarity"], diagonal["similarity"], atol=1e-6, equal_nan=True)
    assert same["reason"].equals(diagonal["reason"])
    reasons = diagonal.set_index("roi")["reason"]
    assert reasons[3] == ""
    assert reasons[8] == "subject_5: no voxels"
    assert reasons[11] == "subject_i: no voxels; subject_5: no voxels; subject_9: no voxels"
    assert set(full["subject_j"]) == {"group_without_i"} and set(full["subject_i"]) == {2}
    monkeypatch.setattr("convergence.alignment.sources._BLOCK", 600)
    pandas.testing.assert_frame_equal(group(lacking, 2), full, atol=1e-6)


def test_names_options_and_too_few_trials(lacking, tmp_path):
    table = table_path(tmp_path, "nsd", shift=0)
    diagonal = table_path(tmp_path, "nsd", shift=1, hemispheres="separated", form="diagonal")
    assert table.name == "rsa_subject_group_alignment_joined_0.parquet"
    assert diagonal.name == "rsa_subject_group_alignment_separated_1_diagonal.parquet"
    unit = group_unit(5, lacking, table, shift=0)
    assert unit.options["others"] == [2, 9]
    assert unit.inputs == tuple(lacking.values())
    assert unit.output.name == "subject-05.parquet"
    from convergence.alignment import subject_group
    from convergence.alignment.sources import StoreSource
    with StoreSource(lacking[5]) as mine, StoreSource(lacking[9]) as theirs, pytest.MonkeyPatch.context() as patch:
        two = pandas.DataFrame({"subject_index_i": [1, 2], "subject_index_j": [3, 4]})
        patch.setattr(subject_group, "common_table", lambda *_: two)
        with pytest.raises(ValueError,
                           match="subject 5 has 2 trials at shift 0 with a partner in all of subjects 9; at least 4 "):
            subject_group.common_with_all(mine, [theirs], 0)
