"""Crossnobis distances against rsatoolbox and loops; pure noise has mean 0, noise that repetitions share has not."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import squareform
from sklearn.covariance import ledoit_wolf, ledoit_wolf_shrinkage

from convergence.analysis.crossnobis import crossnobis
from convergence.analysis.crossnobis import ledoit_wolf as shrinkage_of

IMAGES = np.array([50, 2, 9, 11, 7])


def trials(counts, n_voxels=12, seed=0, signal=1.0):
    """(responses, images, repetitions, sessions), in a shuffled order."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(len(counts)), counts)
    repetition = np.concatenate([np.arange(count) for count in counts])
    order = rng.permutation(len(number))
    patterns = signal * rng.standard_normal((len(counts), n_voxels)) + 3 * signal
    noise = rng.standard_normal((len(number), n_voxels)) * np.linspace(0.5, 2, n_voxels)
    session = np.arange(len(number)) * 3 // len(number)
    images = np.resize(IMAGES, len(counts))[number][order] + 100 * (number[order] // 5)
    return (patterns[number] + noise)[order], images, repetition[order] + 1, session


@pytest.mark.parametrize("noise", ["none", np.arange(1, 13) / 3])
def test_equal_repetitions_against_rsatoolbox(noise):
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm.calc import calc_rdm

    x, images, repetitions, _ = trials([3] * 5)
    found, order = crossnobis(x, images, repetitions, noise=noise)
    assert order.tolist() == list(dict.fromkeys(images.tolist()))
    data = Dataset(x, obs_descriptors={"image": images.tolist(), "repetition": repetitions.tolist()})
    expected = calc_rdm(data, method="crossnobis", descriptor="image", cv_descriptor="repetition", noise=None
                        if isinstance(noise, str) else np.diag(1 / noise))
    theirs = expected.pattern_descriptors["image"]
    square = squareform(expected.dissimilarities[0])[np.ix_([theirs.index(image) for image in order],
                                                            [theirs.index(image) for image in order])]
    assert np.abs(squareform(found) - square).max() < 1e-10
    single = crossnobis(torch.as_tensor(x, dtype=torch.float32), images, repetitions, noise=noise)[0]
    assert single.dtype == torch.float32 and np.abs(single.numpy() - found).max() < 1e-5 * np.abs(found).max()


def looped(x, images, repetitions, metric, own_metric):
    """Means over products of different repetitions, by loops; metrics are (p, p) precisions, own_metric(image) that of <k, k>."""
    x, names = x - x[np.isin(images,
                             [i for i in images if (images == i).sum() > 1])].mean(0), list(dict.fromkeys(images.tolist()))
    names = [name for name in names if (images == name).sum() > 1]
    def inner(k, l):
        precision = own_metric(k) if k == l else metric
        return np.mean([x[s] @ precision @ x[t] for s in np.flatnonzero(images == k) for t in np.flatnonzero(images == l)
                        if repetitions[s] != repetitions[t]])
    return np.array([[inner(k, k) + inner(l, l) - inner(k, l) - inner(l, k) for l in names] for k in names]) / x.shape[1], names


@pytest.mark.parametrize("noise", ["none", "diagonal", "shrinkage"])
def test_unequal_repetitions_against_loops(noise):
    x, images, repetitions, sessions = trials([2, 4, 1, 3, 2, 3], n_voxels=25)
    many = np.array([(images == image).sum() for image in images])
    use = many > 1
    weights = many[use] / (many[use] - 1) / np.array([(sessions[use] == s).sum()
                                                      for s in sessions[use]]) * use.sum() / len(set(sessions[use]))
    residuals = (x - np.stack([x[images == image].mean(0) for image in images]))[use] * np.sqrt(weights)[:, None]
    if noise == "none":
        metric, own = np.eye(25), lambda image: np.eye(25)
    elif noise == "diagonal":
        metric = np.diag(use.sum() / (residuals ** 2).sum(0))
        own = lambda image: np.diag((images[use] != image).sum() / (residuals[images[use] != image] ** 2).sum(0))
    else:
        covariance, shrinkage = ledoit_wolf(residuals, assume_centered=True)
        metric = np.linalg.inv(covariance)
        share = lambda rows: (1 - shrinkage) / use.sum() * rows.T @ rows
        own = lambda image: np.linalg.inv(covariance - share(residuals[images[use] == image]))
    expected, names = looped(x, images, repetitions, metric, own)
    found, order = crossnobis(x, images, repetitions, sessions=sessions, noise=noise)
    assert order.tolist() == names and len(names) == 5                      # the image shown once is left out
    assert np.abs(squareform(found) - expected).max() < 1e-10 * np.abs(expected).max()


def test_the_shrinkage_is_that_of_scikit_learn():
    rows = np.random.default_rng(0).standard_normal((9, 40)) * np.linspace(1, 4, 40)
    gram = rows @ rows.T
    assert abs(shrinkage_of(gram, gram.diagonal(), 40)[0] - ledoit_wolf_shrinkage(rows, assume_centered=True)) < 1e-12


@pytest.mark.parametrize("noise", ["none", "diagonal", "shrinkage"])
@pytest.mark.parametrize("counts", [[3] * 20, [2, 3, 4, 5] * 5])
def test_pure_noise_has_mean_0_and_shared_noise_has_not(noise, counts):
    means, shared = [], []
    for seed in range(60):
        x, images, repetitions, sessions = trials(counts, n_voxels=30, seed=seed, signal=0)
        means.append(crossnobis(x, images, repetitions, sessions=sessions, noise=noise)[0].mean())
        if seed < 10:
            # the same in all repetitions
            together = np.random.default_rng(seed).standard_normal((images.max() + 1, 30))[images]
            shared.append(crossnobis(x + together, images, repetitions, sessions=sessions, noise=noise)[0].mean())
    assert abs(np.mean(means)) < 3 * np.std(means, ddof=1) / np.sqrt(len(means))
    assert np.mean(shared) > 20 * np.std(means, ddof=1) / np.sqrt(len(means))


def test_planted_distances_are_found_without_bias():
    found = np.mean([crossnobis(*trials([2, 3, 3, 2], n_voxels=20, seed=seed, signal=0)[:3], noise="none")[0]
                     for seed in range(200)], axis=0)
    patterns = np.array([0, 0, 2, -1.0])
    rdms = []
    for seed in range(200):
        x, images, repetitions, _ = trials([2, 3, 3, 2], n_voxels=20, seed=seed, signal=0)
        rdm, order = crossnobis(x + patterns[[[50, 2, 9, 11].index(image) for image in images]][:, None], images, repetitions,
                                noise="none")
        place = [order.tolist().index(image) for image in (50, 2, 9, 11)]
        rdms.append(squareform(rdm)[np.ix_(place, place)][np.triu_indices(4, 1)])
    expected = np.array([0, 4, 1, 4, 1, 9])
    assert np.abs(found).max() < 0.3 and np.all(np.abs(np.mean(rdms, 0) - expected) < 4 * np.std(rdms, 0) / np.sqrt(200))


def test_default_repetitions_follow_the_order_of_trials():
    x, images, _, _ = trials([2, 3, 3, 2])
    seen, repetitions = {}, []
    for image in images:
        repetitions.append(seen.setdefault(image, 0))
        seen[image] += 1
    assert np.array_equal(crossnobis(x, images, noise="none")[0], crossnobis(x, images, repetitions, noise="none")[0])


def test_bad_input_is_named():
    x, images, repetitions, _ = trials([3] * 5)
    with pytest.raises(ValueError, match="crossnobis: noise='diagnoal' is unknown; did you mean 'diagonal'"):
        crossnobis(x, images, noise="diagnoal")
    with pytest.raises(ValueError, match="crossnobis: images: 3 images of 5 shown at least twice; at least 4 are needed"):
        crossnobis(*trials([2, 1, 1, 2, 2])[:3])
    with pytest.raises(ValueError, match="image 2 has two trials of the same repetition"):
        crossnobis(x, images, np.where(images == 2, 1, repetitions))
    still = np.where(np.arange(12) < 4, 1.0, x)
    with pytest.raises(ValueError, match="crossnobis: responses have no noise in 4 of 12 voxels"):
        crossnobis(still, images, repetitions)
    with pytest.raises(ValueError, match=r"crossnobis: noise has shape \(3,\); expected a variance for each of 12 voxels"):
        crossnobis(x, images, noise=np.ones(3))
    with pytest.raises(ValueError, match="crossnobis: images has 4 entries, the RDMs have 15 stimuli"):
        crossnobis(x, images[:4])
    with pytest.raises(ValueError, match="all repetitions of an image are equal"):
        crossnobis(np.ones((15, 1)) * images[:, None], images, repetitions, noise="shrinkage")
