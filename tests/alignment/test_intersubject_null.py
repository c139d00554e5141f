"""Nulls of pairs of subjects, from stores of simulated RDMs, against relabelling images by hand."""

import itertools

import numpy as np
import pandas
import pytest
from relabelled import square, three_moments
from scipy.spatial.distance import pdist

from convergence import p_values
from convergence.alignment.intersubject_null import mean_moments, mean_samples, pair_moments, pair_samples, pair_units
from convergence.alignment.nulls import compare
from convergence.analysis.null import MantelMoments
from convergence.analysis.relabelling import draw_images, image_strata
from convergence.storage.rdm_store import RDMStore, write_rdms
from convergence.tasks import run_units

IMAGES = [31, 4, 17, 22, 9]
LACKING = {8: [(31, 1), (31, 2), (22, 0), (9, 2)]}          # of the incomplete subject 8


def write_stores(folder, images, subjects, n_rois, lacking=None, shared=0.0, voxels=15):
    """A store per subject: every image three times, in another order for each; parcels with geometries of the subject's own, and a shared one."""
    rng, paths = np.random.default_rng(len(images)), {}
    common = rng.standard_normal((n_rois, len(images), 4))
    for subject in subjects:
        shown = rng.permutation(np.repeat(np.arange(len(images)), 3))
        trials = pandas.DataFrame({"row": 2 * np.arange(len(shown)), "image": np.array(images)[shown], "session": 1})
        trials["repetition"] = trials.groupby("image").cumcount()
        there = np.array([(image, k) not in (lacking or {}).get(subject, []) for image, k in zip(trials["image"], trials["repetition"])])
        parcels = []
        for roi in range(n_rois):
            patterns = shared * common[roi] + rng.standard_normal(common[roi].shape)
            responses = patterns[shown] @ rng.standard_normal((4, voxels)) + rng.standard_normal((len(shown), voxels))
            parcels.append((roi + 1, voxels, pdist(responses[there], "correlation").astype(np.float32), ""))
        paths[subject] = folder / f"subject-{subject}.h5"
        write_rdms(paths[subject], parcels=parcels, trials=trials[there].reset_index(drop=True),
                   attributes={"subject": subject, "hemispheres": "joined", "first_repetition": 0, "n_repetitions": 3})
    return paths


class ByHand:
    """A parcel of two subjects: r(i, j) and r(j, i) at shift 1 after an exchange of j's images, from dictionaries of trials."""

    def __init__(self, store_i, store_j, roi):
        self.i, self.j = ({"rdm": square(store.rdms([roi])[0].astype(float)),
                           "row": {trial: row for row, trial in enumerate(zip(store.trials["image"], store.trials["repetition"]))}} for store in (store_i, store_j))
        self.rows = {image: ([r for r in range(3) if (image, r) in self.i["row"] and (image, (r - 1) % 3) in self.j["row"]],
                             [r for r in range(3) if (image, r) in self.j["row"] and (image, (r - 1) % 3) in self.i["row"]]) for image in IMAGES}

    def r(self, becomes, direction):
        """Correlation over all pairs of rows; `becomes` is the image of j that image of i meets."""
        mine, theirs = [], []
        for image in IMAGES:
            for r, other in zip(self.rows[image][direction], self.rows[becomes[image]][direction]):
                mine.append(self.i["row"][image, r if direction == 0 else (r - 1) % 3])
                theirs.append(self.j["row"][becomes[image], (other - 1) % 3 if direction == 0 else other])
        k, m = np.triu_indices(len(mine), 1)
        return np.corrcoef(self.i["rdm"][mine][:, mine][k, m], self.j["rdm"][theirs][:, theirs][k, m])[0, 1]

    def mean_r(self, becomes):
        return (self.r(becomes, 0) + self.r(becomes, 1)) / 2

    def all(self):
        counts = {image: (len(self.rows[image][0]), len(self.rows[image][1])) for image in IMAGES}
        groups = [[image for image in IMAGES if counts[image] == count] for count in sorted(set(counts.values()))]
        return np.array([self.mean_r({image: other for group, others in zip(groups, choice) for image, other in zip(group, others)})
                         for choice in itertools.product(*(itertools.permutations(group) for group in groups))])


@pytest.fixture
def stores(tmp_path):
    return write_stores(tmp_path, IMAGES, (3, 5, 8), 3, LACKING)


def options(stores, i, j, **more):
    return dict(subject_i=i, subject_j=j, shift=1, rois=[1, 2, 3], store_i=stores[i], store_j=stores[j], device="cpu", **more)


@pytest.mark.parametrize("i, j", [(3, 5), (3, 8), (5, 8)])
def test_moments_of_both_orders_over_all_exchanges_of_images(stores, i, j):
    table = pair_moments(**options(stores, i, j, skewness=True))
    assert table["roi"].tolist() == [1, 2, 3]
    with RDMStore(stores[i]) as one, RDMStore(stores[j]) as other:
        for row in table.itertuples():
            values = ByHand(one, other, row.roi).all()
            mean, variance, skewness = three_moments(values)
            assert len(values) == (120 if j == 5 else 4)
            assert abs(row.mean - mean) < 1e-7 and abs(row.variance - variance) < 1e-7
            assert abs(row.skewness - skewness) < 1e-4 if j == 5 else np.isnan(row.skewness)


def test_subjects_with_the_same_trials_are_relabelled_each_on_their_own(stores):
    """A pair sees the relabelling of one relative to the other's; the same draws of a subject serve all its pairs."""
    found = pair_samples(**options(stores, 3, 5, permutations=40, seed=11))
    assert found.shape == (40, 3) and found.dtype == np.float32
    strata = image_strata(np.repeat(IMAGES, 3), np.repeat(IMAGES, 3))
    draws = {subject: np.concatenate(list(draw_images(strata, 40, (11, subject)))) for subject in (3, 5)}
    with RDMStore(stores[3]) as one, RDMStore(stores[5]) as other:
        by_hand = ByHand(one, other, 2)
        names = sorted(IMAGES)
        expected = [by_hand.mean_r({names[first]: names[second] for first, second in zip(p, q)}) for p, q in zip(draws[3], draws[5])]
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-6)
    assert len(np.unique(found[:, 1].round(6))) > 20


def test_a_pair_with_other_trials_has_its_own_relabelling(stores):
    found = pair_samples(**options(stores, 3, 8, permutations=200, seed=0))
    with RDMStore(stores[3]) as one, RDMStore(stores[8]) as other:
        allowed = ByHand(one, other, 1).all()
    assert np.abs(found[:, :1] - allowed).min(1).max() < 1e-6
    counts = [(np.abs(found[:, 0] - value) < 1e-6).sum() for value in allowed]
    assert len(counts) == 4 and min(counts) > 30


def test_units_know_whether_the_skewness_is_known_and_a_parcel_without_rdm_stays_empty(tmp_path):
    complete = write_stores(tmp_path, IMAGES, (3, 5), 2)
    table = tmp_path / "toy" / "p.parquet"
    unit, = pair_units(complete, table, null="closed-form", shift=1, rois=[2, 1])
    assert unit.options == {"subject_i": 3, "subject_j": 5, "shift": 1, "rois": [2, 1], "skewness": True}
    assert unit.inputs == (complete[3], complete[5])
    found = pandas.read_parquet(run_units([unit], title="nulls")[0])
    assert found["roi"].tolist() == [2, 1] and found["skewness"].notna().all()
    with RDMStore(complete[3]) as store:
        trials, rdm = store.trials, store.rdms([1])[0]
    write_rdms(complete[3], parcels=[(1, 9, rdm, ""), (2, 0, None, "no voxels")], trials=trials,
               attributes={"subject": 3, "hemispheres": "joined", "first_repetition": 0, "n_repetitions": 3})
    some = pandas.read_parquet(run_units([unit], title="nulls")[0])
    assert some.loc[0].isna().tolist() == [False, True, True, True]
    pandas.testing.assert_series_equal(some.loc[1], found.loc[1])
    samples = pair_samples(**dict(options(complete, 3, 5, permutations=7, seed=0), rois=[2, 1]))
    assert np.isnan(samples[:, 0]).all() and not np.isnan(samples[:, 1]).any()
    with_gaps = write_stores(tmp_path, IMAGES, (3, 5, 8), 2, LACKING)
    assert [unit.options["skewness"] for unit in pair_units(with_gaps, table, null="closed-form", shift=1, rois=[1])] == [False] * 3


def test_blocks_of_parcels_change_nothing(stores, monkeypatch):
    whole = pair_moments(**options(stores, 3, 8, skewness=False)), pair_samples(**options(stores, 3, 8, permutations=9, seed=0))
    monkeypatch.setattr("convergence.alignment.intersubject_null._BLOCK", 1)
    pandas.testing.assert_frame_equal(pair_moments(**options(stores, 3, 8, skewness=False)), whole[0])
    np.testing.assert_array_equal(pair_samples(**options(stores, 3, 8, permutations=9, seed=0)), whole[1])


@pytest.fixture(scope="module")
def unrelated(tmp_path_factory):
    """Four subjects, 200 parcels in each of which every subject has a geometry of its own; 10 images three times."""
    return write_stores(tmp_path_factory.mktemp("unrelated"), list(range(50, 60)), (1, 2, 4, 7), 200)


def observed(stores, rois):
    from convergence.alignment.subject_subject import pair_similarity
    tables = [pair_similarity(subject_i=i, subject_j=j, shift=1, form="diagonal", hemispheres="joined", rois=rois, store_i=stores[i], store_j=stores[j], device="cpu")
              for i, j in itertools.permutations(stores, 2)]
    return np.mean([table["similarity"] for table in tables], axis=0)


def test_unrelated_subjects_are_rejected_in_five_percent_and_both_nulls_agree(unrelated, tmp_path):
    rois = list(range(1, 201))
    units = {null: pair_units(unrelated, tmp_path / "p.parquet", null=null, shift=1, rois=rois, permutations=250, seed=1) for null in ("closed-form", "sampled")}
    moments = mean_moments(run_units(units["closed-form"], title="closed form"))
    samples = mean_samples(parts=run_units(units["sampled"], title="sampled"))
    r = observed(unrelated, rois)
    assert 0.015 < (p_values(r, samples) < 0.05).mean() < 0.095
    known = MantelMoments(*(moments[name].to_numpy() for name in ("mean", "variance", "skewness")))
    assert 0.015 < (p_values(r, known) < 0.05).mean() < 0.095
    assert abs((samples.mean(0) - known.mean) / (known.variance / 250) ** 0.5).mean() < 1          # 0.8 expected
    assert abs(samples.var(0).mean() / known.variance.mean() - 1) < 0.04
    atlas = pandas.DataFrame({"roi": rois, "name": "x"})
    assert set(compare("intersubject", pandas.Series(r, index=rois), moments, atlas)["method"]) == {"closed form of relabelled images, Pearson III"}


def test_nothing_to_relabel_is_said_with_the_subjects(tmp_path):
    lacking = {4: [(1, 0), (1, 1), (2, 0)], 9: []}
    stores = write_stores(tmp_path, [1, 2, 3], (4, 9), 1, lacking)
    with pytest.raises(ValueError, match="subjects 4 and 9: blocks has 3 images with .* rows each: no two images have equally many rows"):
        pair_units(stores, tmp_path / "p.parquet", null="closed-form", shift=1, rois=[1])
