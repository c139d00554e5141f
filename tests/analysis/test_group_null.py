"""Means over subjects, directions and tables, against all combinations of relabellings, and their size on simulated subjects."""

import itertools

import numpy as np
import pytest
import torch
from relabelled import all_relabellings, r_of_all, square, three_moments
from scipy.spatial.distance import pdist

from convergence import mantel_moments, p_values, rsa
from convergence.analysis.group_null import joint_moments, mean_of_uncorrelated, subject_mean_moments, subject_pairs_moments
from convergence.analysis.null import MantelMoments


def random_rdms(n, count, seed=0):
    return np.random.default_rng(seed).random((count, n * (n - 1) // 2))


def of_reordered(a, b, orders_a, orders_b):
    """r of a in every order of the first list with b in the order at the same place of the second."""
    i, j = np.triu_indices(orders_a.shape[1], 1)
    a, b = square(a), square(b)
    return np.array([np.corrcoef(a[p[i], p[j]], b[q[i], q[j]])[0, 1] for p, q in zip(orders_a, orders_b)])


@pytest.mark.parametrize("images", [None, np.array([4, 4, 9, 9, 1, 1, 6, 6]), np.array([4, 4, 9, 9, 1, 1, 6, 5])],
                         ids=["plain", "blocks", "strata"])
def test_mean_over_subjects_against_models(images):
    labels = np.arange(6) if images is None else images
    brains, models = random_rdms(len(labels), 3), random_rdms(len(labels), 2, seed=1)
    found = subject_mean_moments(brains, models, blocks=images)
    orders = all_relabellings(labels)
    for k, model in enumerate(models):
        exact = three_moments(np.mean([r_of_all(brain, model, orders) for brain in brains], axis=0))
        np.testing.assert_allclose([found.mean[k], found.variance[k]], exact[:2], rtol=0, atol=1e-12)
        assert np.isnan(found.skewness[k]) if images is not None and images[-1] == 5 else abs(found.skewness[k] - exact[2]) < 1e-9
    assert isinstance(subject_mean_moments(brains, models[0]).variance if images is None else 0.0, float)


def test_mean_over_pairs_of_subjects_relabelled_each_on_their_own():
    """4 stimuli: all 24 x 24 x 24 relabellings of three subjects, of which the first can stay as it is."""
    rdms = random_rdms(4, 3, seed=2)
    orders = all_relabellings(np.arange(4))
    p, q = (np.array(x) for x in zip(*itertools.product(orders, orders)))
    as_it_is = np.tile(np.arange(4), (len(p), 1))
    mean_r = (of_reordered(rdms[0], rdms[1], as_it_is, p) + of_reordered(rdms[0], rdms[2], as_it_is, q) + of_reordered(rdms[1],
                                                                                                                       rdms[2],
                                                                                                                       p, q)) / 3
    np.testing.assert_allclose(subject_pairs_moments(rdms), three_moments(mean_r), rtol=0, atol=1e-12)
    np.testing.assert_allclose(subject_pairs_moments(rdms, skewness=False)[:2], three_moments(mean_r)[:2], rtol=0, atol=1e-12)


def test_the_same_with_images_shown_twice():
    images = np.array([3, 8, 8, 5, 3, 5, 2, 2])
    rdms = random_rdms(8, 3, seed=3)
    orders = all_relabellings(images)
    p, q = (np.array(x) for x in zip(*itertools.product(orders, orders)))
    as_it_is = np.tile(np.arange(8), (len(p), 1))
    mean_r = (of_reordered(rdms[0], rdms[1], as_it_is, p) + of_reordered(rdms[0], rdms[2], as_it_is, q) + of_reordered(rdms[1],
                                                                                                                       rdms[2],
                                                                                                                       p, q)) / 3
    np.testing.assert_allclose(subject_pairs_moments(rdms, blocks=images), three_moments(mean_r), rtol=0, atol=1e-12)


def test_two_orders_of_two_subjects_share_a_relabelling():
    """r(a, s b) and r(b, s a): the golden covariance, and the moments of their mean, over all 720 relabellings."""
    a, b = random_rdms(6, 2)
    stacks = [a[None], b[None]], [b[None], a[None]], [np.arange(6)] * 2
    found = joint_moments(*stacks)
    one, other = mantel_moments(a, b), mantel_moments(b, a)
    assert abs((4 * found.variance[0] - one.variance - other.variance) / 2 - 0.00522245587669) < 1e-13
    orders = all_relabellings(np.arange(6))
    exact = three_moments((r_of_all(a, b, orders) + r_of_all(b, a, orders)) / 2)
    np.testing.assert_allclose([x[0] for x in found], exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize("first, second", [
    # 5 images twice, and the same once, in another order
    (np.array([5, 5, 7, 7, 1, 1, 2, 2, 9, 9]), np.array([9, 7, 1, 2, 5])),
    (np.array([5, 7, 5, 1, 7, 2, 1, 2]), np.array([7, 7, 2, 2, 5, 5, 1, 1])),
    # strata by both tables: {5, 7}, {1}, {2, 3}?, {4, 8}
    (np.array([5, 5, 7, 7, 1, 2, 3]), np.array([5, 7, 1, 2, 2, 3, 4, 4, 8, 8]))])
def test_two_tables_of_trials_of_the_same_images(first, second):
    names = np.union1d(first, second)
    (a, b), (c, d) = random_rdms(len(first), 2, seed=4), random_rdms(len(second), 2, seed=5)
    counts = {name: ((first == name).sum(), (second == name).sum()) for name in names}
    groups = [[name for name in names if counts[name] == count] for count in sorted(set(counts.values()))]
    values = []
    for choice in itertools.product(*(itertools.permutations(group) for group in groups)):
        becomes = {name: other for group, others in zip(groups, choice) for name, other in zip(group, others)}
        r = 0
        for x, y, table in ((a, b, first), (c, d, second)):
            order = np.empty(len(table), int)
            for name, other in becomes.items():
                order[np.flatnonzero(table == name)] = np.flatnonzero(table == other)
            r += r_of_all(x, y, order[None])[0] / 2
        values.append(r)
    found, exact = joint_moments([a[None], c[None]], [b[None], d[None]], [first, second]), three_moments(np.array(values))
    np.testing.assert_allclose([x[0] for x in found[:2]], exact[:2], rtol=0, atol=1e-12)
    assert np.isnan(found.skewness[0]) if len(groups) > 1 else abs(found.skewness[0] - exact[2]) < 1e-9


def test_joint_moments_of_stacks_and_tensors():
    a, b = random_rdms(8, 4), random_rdms(8, 4, seed=1)
    images = [np.repeat([2, 0, 1, 5], 2)] * 2
    stacked = joint_moments([a, b], [b, a], images)
    single = [joint_moments([a[k:k + 1], b[k:k + 1]], [b[k:k + 1], a[k:k + 1]], images) for k in range(4)]
    np.testing.assert_allclose(np.array(stacked).T, np.array(single)[:, :, 0], rtol=1e-12)
    tensors = joint_moments(*([torch.from_numpy(x) for x in side] for side in ([a, b], [b, a])), images)
    np.testing.assert_allclose(np.array([x.numpy() for x in tensors]), stacked, rtol=1e-12)
    np.testing.assert_allclose(np.array(joint_moments([a], [b], images[:1])),
                               mantel_moments(a, b, paired=True, blocks=images[0]), rtol=1e-12)


def test_mean_of_uncorrelated_statistics():
    """Sums of independent gamma variables are gamma: mean, variance and skewness are known."""
    shapes = np.array([[1.0, 4.0], [3.0, 2.0], [5.0, 0.5]])
    found = mean_of_uncorrelated(MantelMoments(shapes, shapes, 2 / np.sqrt(shapes)))
    total = shapes.sum(0)
    np.testing.assert_allclose(found, (total / 3, total / 9, 2 / np.sqrt(total)))
    assert mean_of_uncorrelated(MantelMoments(np.zeros(2), np.zeros(2), np.zeros(2))) == (0, 0, 0)
    unknown = mean_of_uncorrelated(MantelMoments(np.ones((2, 2)), np.ones((2, 2)), np.array([[0.1, np.nan], [0.1, 0.1]])))
    assert np.isnan(unknown.skewness[1]) and not np.isnan(unknown.skewness[0])


def simulated(rng, n_subjects, n_images, m, shared):
    """RDMs over n_images x m trials of subjects with geometries of their own, or (shared) one not the model's; a model RDM."""
    images = np.repeat(np.arange(n_images), m)
    geometry = rng.standard_normal((n_images, 4))
    rdms = []
    for _ in range(n_subjects):
        own = geometry if shared else rng.standard_normal((n_images, 4))
        rdms.append(pdist(own[images] @ rng.standard_normal((4, 20)) + rng.standard_normal((len(images), 20)), "correlation"))
    return images, np.stack(rdms), pdist(rng.standard_normal((n_images, 6))[images], "correlation")


def share_rejected(p):
    return np.mean(np.array(p) < 0.05)


def test_the_group_test_between_subjects_keeps_its_size():
    """5 unrelated subjects, 12 images three times: about 5 % rejected; single trials relabelled instead would reject far more."""
    rng, by_image, by_trial = np.random.default_rng(0), [], []
    for _ in range(400):
        images, rdms, _ = simulated(rng, 5, 12, 3, shared=False)
        observed = rsa(rdms, rdms)[np.triu_indices(5, 1)].mean()
        by_image.append(p_values(observed, subject_pairs_moments(rdms, blocks=images, skewness=False)))
        by_trial.append(p_values(observed, subject_pairs_moments(rdms, skewness=False)))
    assert 0.02 < share_rejected(by_image) < 0.08
    assert share_rejected(by_trial) > 0.2


def test_the_group_test_against_a_model_keeps_its_size_where_subjects_share_a_geometry():
    rng, one_relabelling, one_each = np.random.default_rng(1), [], []
    for _ in range(400):
        images, rdms, model = simulated(rng, 5, 12, 2, shared=True)
        observed = rsa(rdms, model).mean()
        one_relabelling.append(p_values(observed, subject_mean_moments(rdms, model, blocks=images, skewness=False)))
        each = mantel_moments(rdms, model, blocks=images, skewness=False)
        one_each.append(p_values(observed, mean_of_uncorrelated(each)))
    assert 0.02 < share_rejected(one_relabelling) < 0.08
    assert share_rejected(one_each) > 0.2


@pytest.mark.parametrize("call, message", [
    (lambda a: subject_mean_moments(a[0], a[1]), r"subject_mean_moments: a has shape \(15,\); expected \(n_subjects, n_pairs\)"),
    (lambda a: subject_mean_moments(np.stack([a[0], -a[0]]), a[1]),
     "subject_mean_moments: a averages to a constant RDM: the subjects' RDMs cancel"),
    (lambda a: subject_pairs_moments(a[:1]), r"subject_pairs_moments: rdms has shape \(1, 15\); expected .* at least two "
                                             r"subjects"),
    (lambda a: joint_moments([a], [a, a], [np.arange(6)]), "joint_moments: a has 1 tables, b has 2, blocks has 1"),
    (lambda a: joint_moments([a, a[:1]], [a, a[:1]], [np.arange(6)] * 2),
     r"joint_moments: the stacks have shapes \(2, 15\), \(2, 15\), \(1, 15\), \(1, 15\)"),
    (lambda a: joint_moments([a], [random_rdms(5, 2)], [np.arange(6)]),
     r"joint_moments: b\[0\] has 10 pairs \(5 stimuli\), a\[0\] has 15 pairs"),
    (lambda a: joint_moments([a], [a], [[1, 1, 2, 3, 3, 3]]), "joint_moments: blocks has 3 images with 1, 2, 3 rows each"),
    (lambda a: joint_moments([a], [a], [[1, 1, 2]]), r"joint_moments: blocks\[0\] has 3 entries, the RDMs have 6 stimuli")])
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call(random_rdms(6, 2))
