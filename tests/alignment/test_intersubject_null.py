"""Nulls of pairs of subjects, from stores of simulated RDMs, against relabelling images by hand."""

import itertools

import numpy as np
import pandas
import pytest
from relabelled import square, three_moments
from scipy.spatial.distance import pdist

from convergence import p_values
from convergence.alignment.controls import Control
from convergence.alignment.intersubject_null import (joined_samples, mean_moments, mean_samples, pair_moments, pair_units,
                                                     sample_units)
from convergence.alignment.nulls import SAMPLE, compare
from convergence.analysis.null import MantelMoments
from convergence.analysis.relabelling import draw_images, image_strata
from convergence.storage.rdm_store import RDMStore, write_rdms
from convergence.tasks import Unit, run_units

IMAGES = [31, 4, 17, 22, 9]
LACKING = {8: [(31, 1), (31, 2), (22, 0), (9, 2)]}          # of the incomplete subject 8


def write_stores(folder, images, subjects, n_rois, lacking=None, shared=0.0, voxels=15):
    """A store per subject: every image three times, in another order for each; own geometries, and a shared one."""
    rng, paths = np.random.default_rng(len(images)), {}
    common = rng.standard_normal((n_rois, len(images), 4))
    for subject in subjects:
        shown = rng.permutation(np.repeat(np.arange(len(images)), 3))
        trials = pandas.DataFrame({"row": 2 * np.arange(len(shown)), "image": np.array(images)[shown], "session": 1})
        trials["repetition"] = trials.groupby("image").cumcount()
        there = np.array([(image, k) not in (lacking or {}).get(subject, []) for image,
                          k in zip(trials["image"], trials["repetition"])])
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

    without = ""

    def __init__(self, store_i, store_j, roi):
        self.i, self.j = ({"rdm": square(store.rdms([roi])[0].astype(float)),
                           "row": {trial: row for row,
                                   trial in enumerate(zip(store.trials["image"],
                                                          store.trials["repetition"]))}} for store in (store_i, store_j))
        self.rows = {image: ([r for r in range(3) if (image, r) in self.i["row"] and (image, (r - 1) % 3) in self.j["row"]],
                             [r for r in range(3) if (image, r) in self.j["row"]
                              and (image, (r - 1) % 3) in self.i["row"]]) for image in IMAGES}

    def r(self, becomes, direction):
        """Correlation over all pairs of rows; `becomes` is the image of j that image of i meets."""
        mine, theirs = [], []
        for image in IMAGES:
            for r, other in zip(self.rows[image][direction], self.rows[becomes[image]][direction]):
                mine.append(self.i["row"][image, r if direction == 0 else (r - 1) % 3])
                theirs.append(self.j["row"][becomes[image], (other - 1) % 3 if direction == 0 else other])
        k, m = np.triu_indices(len(mine), 1)
        if self.without:
            label = np.array([image for image in IMAGES for _ in self.rows[image][direction]])
            k, m = (x[label[k] != label[m]] for x in (k, m))
        return np.corrcoef(self.i["rdm"][mine][:, mine][k, m], self.j["rdm"][theirs][:, theirs][k, m])[0, 1]

    def mean_r(self, becomes):
        return (self.r(becomes, 0) + self.r(becomes, 1)) / 2

    def all(self):
        counts = {image: (len(self.rows[image][0]), len(self.rows[image][1])) for image in IMAGES}
        groups = [[image for image in IMAGES if counts[image] == count] for count in sorted(set(counts.values()))]
        return np.array([self.mean_r({image: other for group, others in zip(groups, choice) for image,
                                      other in zip(group, others)})
                         for choice in itertools.product(*(itertools.permutations(group) for group in groups))])


@pytest.fixture
def stores(tmp_path):
    return write_stores(tmp_path, IMAGES, (3, 5, 8), 3, LACKING)


def options(stores, i, j, **more):
    return dict(subject_i=i, subject_j=j, shift=1, rois=[1, 2, 3], store_i=stores[i], store_j=stores[j], device="cpu", **more)


def samples(stores, *subjects, **more):
    return mean_samples(**{**dict(subjects=subjects, shift=1, rois=[1, 2, 3], stores=stores, device="cpu"), **more})


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
    found = samples(stores, 3, 5, permutations=40, seed=11)
    assert found.shape == (40, 3) and found.dtype == np.float32
    strata = image_strata(np.repeat(IMAGES, 3), np.repeat(IMAGES, 3))
    draws = {subject: np.concatenate(list(draw_images(strata, 40, (11, subject)))) for subject in (3, 5)}
    with RDMStore(stores[3]) as one, RDMStore(stores[5]) as other:
        by_hand = ByHand(one, other, 2)
        names = sorted(IMAGES)
        expected = [by_hand.mean_r({names[first]: names[second] for first, second in zip(p, q)}) for p,
                    q in zip(draws[3], draws[5])]
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-6)
    assert len(np.unique(found[:, 1].round(6))) > 20


def test_a_pair_with_other_trials_has_its_own_relabelling(stores):
    found = samples(stores, 3, 8, permutations=200, seed=0)
    with RDMStore(stores[3]) as one, RDMStore(stores[8]) as other:
        allowed = ByHand(one, other, 1).all()
    assert np.abs(found[:, :1] - allowed).min(1).max() < 1e-6
    counts = [(np.abs(found[:, 0] - value) < 1e-6).sum() for value in allowed]
    assert len(counts) == 4 and min(counts) > 30


def test_units_know_whether_the_skewness_is_known_and_a_parcel_without_rdm_stays_empty(tmp_path):
    complete = write_stores(tmp_path, IMAGES, (3, 5), 2)
    table = tmp_path / "toy" / "p.parquet"
    unit, = pair_units(complete, table, shift=1, rois=[2, 1])
    assert unit.options == {"subject_i": 3, "subject_j": 5, "shift": 1, "rois": [2, 1], "skewness": True}
    assert unit.inputs == (complete[3], complete[5])
    found = pandas.read_parquet(run_units([unit], title="nulls")[0])
    assert found["roi"].tolist() == [2, 1] and found["skewness"].notna().all()
    with RDMStore(complete[3]) as store:
        trials, rdm = store.trials, store.rdms([1])[0]
    write_rdms(complete[3], parcels=[(1, 9, rdm, ""), (2, 0, None, "no voxels")], trials=trials,
               attributes={"subject": 3, "hemispheres": "joined", "first_repetition": 0, "n_repetitions": 3})
    some = pandas.read_parquet(run_units([unit], title="nulls")[0])
    assert some.loc[0].isna().tolist() == [False, True, True, True, False]
    pandas.testing.assert_series_equal(some.loc[1], found.loc[1])
    sampled = samples(complete, 3, 5, permutations=7, seed=0, rois=[2, 1])
    assert np.isnan(sampled[:, 0]).all() and not np.isnan(sampled[:, 1]).any()
    with_gaps = write_stores(tmp_path, IMAGES, (3, 5, 8), 2, LACKING)
    assert [unit.options["skewness"] for unit in pair_units(with_gaps, table, shift=1, rois=[1])] == [False] * 3


def test_blocks_of_parcels_change_nothing(stores, monkeypatch):
    whole = pair_moments(**options(stores, 3, 8, skewness=False)), samples(stores, 3, 8, permutations=9, seed=0)
    monkeypatch.setattr("convergence.alignment.intersubject_null._BLOCK", 1)
    pandas.testing.assert_frame_equal(pair_moments(**options(stores, 3, 8, skewness=False)), whole[0])
    np.testing.assert_array_equal(samples(stores, 3, 8, permutations=9, seed=0), whole[1])
    monkeypatch.setattr("convergence.alignment.intersubject_null._TOGETHER", 4)
    np.testing.assert_allclose(samples(stores, 3, 8, permutations=9, seed=0), whole[1], atol=1e-7)


def test_units_of_some_parcels_make_the_mean_over_pairs_one_subject_relabelled_alike_in_all(tmp_path, monkeypatch):
    """Parts of one parcel each, against the mean of pairs computed alone; what is written is the mean only."""
    stores = write_stores(tmp_path, IMAGES, (3, 5, 6), 3)
    monkeypatch.setattr("convergence.alignment.intersubject_null._PARCELS", 2)
    units = sample_units(stores, tmp_path / "toy" / "p.parquet", shift=1, rois=[1, 2, 3], permutations=30, seed=4, device="cpu")
    assert [unit.options["rois"] for unit in units] == [[1, 2], [3]] and set(units[0].inputs) == set(stores.values())
    assert units[1].output.name == "parcels-003-003_samples.npy"
    found = joined_samples(parts=run_units(units, title="nulls"))
    alone = [samples(stores, *pair, permutations=30, seed=4) for pair in itertools.combinations(stores, 2)]
    assert found.shape == (30, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found, np.mean(alone, axis=0), atol=1e-7)


def test_published_relabellings_are_of_single_trials_by_one_list_in_the_first_subjects_order(stores):
    from convergence.analysis.relabelling import draw_published

    found = samples(stores, 5, 8, permutations=25, seed=2, published=15)
    with RDMStore(stores[5]) as one, RDMStore(stores[8]) as other:
        by_hand = ByHand(one, other, 2)
        expected = []
        for mine, theirs in ((by_hand.i, by_hand.j), (by_hand.j, by_hand.i)):
            back = {row: trial for trial, row in mine["row"].items()}
            trials = [back[row] for row in range(len(back))]                               # in the first subject's order
            rows = [(mine["row"][image, r], theirs["row"][image, (r - 1) % 3]) for image, r in trials
                    if (image, (r - 1) % 3) in theirs["row"]]
            a, b = np.array(rows).T
            k, m = np.triu_indices(len(a), 1)
            expected.append([np.corrcoef(mine["rdm"][np.ix_(a, a)][k, m], theirs["rdm"][np.ix_(b[p], b[p])][k, m])[0, 1]
                             for p in np.concatenate(list(draw_published(len(a), 25, 2, 15)))])
    np.testing.assert_allclose(found[:, 1], np.mean(expected, axis=0), atol=1e-6)


def test_excluded_pairs_do_not_count_in_observed_and_relabelled_alike(stores):
    """Same-image pairs: closed form over all exchanges by hand, samples are among these; lag: samples only."""
    table = pair_moments(**options(stores, 3, 5, skewness=True, exclude=["same-image"]))
    with RDMStore(stores[3]) as one, RDMStore(stores[5]) as other:
        by_hand = ByHand(one, other, 2)
        by_hand.without = "same-image"
        values = by_hand.all()
    mean, variance, skewness = three_moments(values)
    row = table.iloc[1]
    assert abs(row["mean"] - mean) < 1e-6 and abs(row["variance"] / variance - 1) < 1e-4
    assert abs(row["skewness"] - skewness) < 1e-3
    plain = pair_moments(**options(stores, 3, 5, skewness=True)).iloc[1]
    assert abs(plain["mean"] - row["mean"]) > 1e-3
    found = samples(stores, 3, 5, permutations=60, seed=1, exclude=["same-image"])[:, 1]
    assert np.abs(found[:, None] - values).min(1).max() < 1e-6
    lagged = samples(stores, 3, 5, permutations=60, seed=1, exclude=["lag4"])
    assert not np.isnan(lagged).any() and np.abs(lagged[:, 1] - samples(stores, 3, 5, permutations=60, seed=1)[:, 1]).max() > 1e-3


def test_controls_are_taken_out_in_closed_form_and_by_freedman_lane(stores):
    from convergence import partial_rsa
    from convergence.analysis.null import permutation_null

    known = {"size": Control("size", "euclidean", pandas.DataFrame({"x": [0.3, 2.0, 1.1, 5.0, 4.0]}, index=sorted(IMAGES)))}
    moments = pair_moments(**options(stores, 3, 5, skewness=True, known=known, controls={"size": "euclidean"}))
    sampled = samples(stores, 3, 5, permutations=3000, seed=1, known=known)
    error = (moments["variance"] / 3000) ** 0.5
    assert (abs(sampled.mean(0) - moments["mean"]) < 4 * error + 0.01).all()               # five images: the refit costs a little
    assert (abs(sampled.var(0) / moments["variance"] - 1) < 0.2).all()
    assert abs(samples(stores, 3, 5, permutations=3000, seed=1).mean(0) - sampled.mean(0)).max() > 0.01


def test_within_sessions_only_images_of_the_same_sessions_change_places(tmp_path):
    stores = write_stores(tmp_path, list(range(20, 32)), (3, 5), 1)
    for path in stores.values():
        with RDMStore(path) as store:
            trials, rdm, attributes = store.trials, store.rdms([1])[0], dict(store.attributes)
        trials["session"] = 1 + (trials["image"] % 3).to_numpy()                           # images of session 1, 2 and 3
        write_rdms(path, parcels=[(1, 9, rdm, "")], trials=trials, attributes=attributes)
    unit, = pair_units(stores, tmp_path / "toy" / "p.parquet", shift=1, rois=[1], within_sessions=True)
    assert unit.options["within_sessions"] is True and unit.options["skewness"] is False    # three strata
    moments = pandas.read_parquet(run_units([unit], title="nulls")[0])
    sampled = samples(stores, 3, 5, permutations=4000, seed=1, rois=[1], within_sessions=True)[:, 0]
    free = pair_moments(**{**options(stores, 3, 5, skewness=False), "rois": [1]})
    assert abs(sampled.mean() - moments["mean"][0]) < 4 * (moments["variance"][0] / 4000) ** 0.5
    assert abs(sampled.var() / moments["variance"][0] - 1) < 0.1
    assert abs(free["mean"][0] - moments["mean"][0]) > 1e-4


@pytest.mark.slow
def test_a_null_of_10000_relabellings_180_parcels_and_56_pairs_takes_less_than_20_mb(tmp_path, monkeypatch):
    """Eight subjects, two images three times: everything that lies on disk at the end but the RDMs themselves."""
    monkeypatch.setattr("convergence.alignment.intersubject_null._PARCELS", 60)             # larger steps, as RDMs are small
    monkeypatch.setattr("convergence.alignment.intersubject_null._TOGETHER", 10_000)
    stores = write_stores(tmp_path, IMAGES[:2], range(1, 9), 180)
    table, rois = tmp_path / "derivatives" / "p.parquet", list(range(1, 181))
    units = sample_units(stores, table, shift=1, rois=rois, permutations=10_000, seed=0, device="cpu")
    parts = run_units(units, title="nulls")
    null = Unit("null", table.with_name("null.npy"), joined_samples, {}, {"parts": parts}, tuple(parts))
    assert np.load(run_units([null], title="null")[0]).shape == (10_000, 180)
    assert sum(path.stat().st_size for path in table.parent.rglob("*") if path.is_file()) < 20e6


@pytest.fixture(scope="module")
def unrelated(tmp_path_factory):
    """Four subjects, 200 parcels in each of which every subject has a geometry of its own; 10 images three times."""
    return write_stores(tmp_path_factory.mktemp("unrelated"), list(range(50, 60)), (1, 2, 4, 7), 200)


def observed(stores, rois):
    from convergence.alignment.subject_subject import pair_similarity
    tables = [pair_similarity(subject_i=i, subject_j=j, shift=1, form="diagonal", hemispheres="joined", rois=rois,
                              store_i=stores[i], store_j=stores[j], device="cpu")
              for i, j in itertools.permutations(stores, 2)]
    return np.mean([table["similarity"] for table in tables], axis=0)


def test_unrelated_subjects_are_rejected_in_five_percent_and_both_nulls_agree(unrelated, tmp_path):
    rois = list(range(1, 201))
    moments = mean_moments(run_units(pair_units(unrelated, tmp_path / "p.parquet", shift=1, rois=rois), title="closed form"))
    sampled = joined_samples(parts=run_units(sample_units(unrelated, tmp_path / "p.parquet", shift=1, rois=rois,
                                                          permutations=250, seed=1), title="sampled"))
    r = observed(unrelated, rois)
    assert 0.015 < (p_values(r, sampled) < 0.05).mean() < 0.095
    known = MantelMoments(*(moments[name].to_numpy() for name in ("mean", "variance", "skewness")))
    assert 0.015 < (p_values(r, known) < 0.05).mean() < 0.095
    assert abs((sampled.mean(0) - known.mean) / (known.variance / 250) ** 0.5).mean() < 1          # 0.8 expected
    assert abs(sampled.var(0).mean() / known.variance.mean() - 1) < 0.04
    atlas = pandas.DataFrame({"roi": rois, "name": "x"})
    methods = compare("intersubject", pandas.Series(r, index=rois), moments, atlas)["method"]
    assert set(methods.str.removesuffix(SAMPLE)) == {"closed form of relabelled images, Pearson III"}


def test_nothing_to_relabel_is_said_with_the_subjects(tmp_path):
    lacking = {4: [(1, 0), (1, 1), (2, 0)], 9: []}
    stores = write_stores(tmp_path, [1, 2, 3], (4, 9), 1, lacking)
    with pytest.raises(ValueError, match="subjects 4 and 9: blocks has 3 images with .* rows each: no two images have equally "
                                         "many rows"):
        pair_units(stores, tmp_path / "p.parquet", shift=1, rois=[1])
    with pytest.raises(ValueError, match="subjects 4 and 9: blocks has 3 images"):
        sample_units(stores, tmp_path / "p.parquet", shift=1, rois=[1], permutations=9, seed=0)
