"""Small simulated brains that look like the data, for benchmarks/false_positives.py: RDMs over trials of several people.

    brain = Brain(seed)                         # nothing there: everybody's parcels have a geometry of their own
    brain = Brain(seed, effect=0.4)             # there is: patterns that people share, with weight 0.4 beside their own

Images are shown three times, at the same trial numbers for everybody, in an order that is new for every brain. Responses drift
over trials, sessions have patterns of their own, and the noise of successive trials is correlated (0.4). RDMs are given in the
order image by image, repetition by repetition (LABELS).
"""

import numpy as np

SUBJECTS, PARCELS, IMAGES, REPETITIONS, SESSIONS, VOXELS, LAYERS = 3, 20, 30, 3, 3, 25, 5
TRIALS = IMAGES * REPETITIONS
LABELS = np.repeat(np.arange(IMAGES), REPETITIONS)              # image of every trial
I, J = np.triu_indices(TRIALS, 1)


class Brain:
    """RDMs of all subjects and parcels, (subjects, parcels, n_pairs).

    own: patterns of each subject's own, and with `effect` shared ones; shifted: the same, the repetition before in every place.
    alike: subjects share patterns that are not the model's, and with `effect` the model's.
    confounded: `own`, plus a control RDM that is in all subjects.
    layers: (layers, n_pairs), of a model that has features of its own. position: when a trial was shown.
    """

    def __init__(self, seed, effect=0.0):
        self.seed, self.rng, rng = seed, (rng := np.random.default_rng(seed)), rng
        order = rng.permutation(LABELS)
        self.position = np.concatenate([np.flatnonzero(order == image) for image in range(IMAGES)])
        self.own = self._rdms(effect * rng.standard_normal((1, PARCELS, IMAGES, 4)))
        self.shifted = in_place_of_the_next(self.own)
        features = rng.standard_normal((IMAGES, 4))
        shared = rng.standard_normal((1, PARCELS, IMAGES, 4))
        self.alike = self._rdms(shared + effect * features, own=0.5)
        mixed = [features @ rng.standard_normal((4, 30)) + noise * rng.standard_normal((IMAGES, 30))
                 for noise in np.linspace(0.2, 1.5, LAYERS)]
        self.layers = correlation_distances(np.stack(mixed)[:, LABELS])
        points = rng.standard_normal((IMAGES, 3))[LABELS]
        self.control = np.sqrt(((points[I] - points[J]) ** 2).sum(1))
        self.confounded = _scaled(self.own) + 0.5 * _scaled(self.control)

    def _rdms(self, common, own=1.0):
        size, rng = (SUBJECTS, PARCELS), self.rng
        patterns = common + own * rng.standard_normal((*size, IMAGES, 4))
        signal = patterns[:, :, LABELS] @ rng.standard_normal((*size, 4, VOXELS))
        slow = np.stack([np.cos(np.pi * k * self.position / TRIALS) / k for k in (1, 2, 3)], 1)
        drift = slow @ rng.standard_normal((*size, 3, VOXELS))
        session = rng.standard_normal((*size, SESSIONS, VOXELS))[:, :, self.position * SESSIONS // TRIALS]
        noise = rng.standard_normal((*size, TRIALS, VOXELS))
        for trial in range(1, TRIALS):
            noise[:, :, trial] = 0.4 * noise[:, :, trial - 1] + 0.84 ** 0.5 * noise[:, :, trial]
        return correlation_distances(signal + drift + 0.7 * session + 2.5 * noise[:, :, self.position])


def in_place_of_the_next(rdms):
    """The same RDMs, with repetition r - 1 (cyclically) of every image in the place of its repetition r."""
    place = np.roll(np.arange(TRIALS).reshape(IMAGES, REPETITIONS), 1, axis=1).ravel()
    low, high = np.minimum(place[I], place[J]), np.maximum(place[I], place[J])
    return rdms[..., low * TRIALS - low * (low + 1) // 2 + high - low - 1]


def correlation_distances(responses):
    """(..., trials, voxels) -> (..., n_pairs)"""
    x = responses - responses.mean(-1, keepdims=True)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    return (1 - x @ x.swapaxes(-1, -2))[..., I, J].astype(np.float32)


def _scaled(rdms):
    return ((rdms - rdms.mean(-1, keepdims=True)) / rdms.std(-1, keepdims=True)).astype(np.float32)
