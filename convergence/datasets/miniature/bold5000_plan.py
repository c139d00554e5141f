"""Who sees what and when in the miniature BOLD5000: pictures, each subject's order of trials, drift. No file is touched.

CSI1 and CSI2 see all pictures, a few of them four times; in CSI3 repetitions are irregular; CSI4 has fewer sessions and sees
some of the pictures. Every subject has an order of its own, so that where the same picture is shown, the clock is another:
unlike in NSD, drift is not in step with the pictures. What coupling is left by chance is made small by drawing many orders and
keeping the best.
"""

from typing import NamedTuple

import numpy as np

from convergence.datasets.miniature.latents import draw_latents
from convergence.datasets.miniature.responses import draw_drift, drift_similarity, stream

RUNS = {1: (3, 2, 3), 2: (3, 2, 3), 3: (3, 2, 3), 4: (3, 2)}                    # of every session, by subject
TRIALS_PER_RUN = 12
N_IMAGES = {"coco": 34, "imagenet": 32, "scenes": 18}
# How often the first pictures of a subject's list are shown; all others once.
REPEATED = {1: (4, 4, 4, 4), 2: (4, 4, 4, 4), 3: (5, 4, 4, 3), 4: (4, 3, 2)}
_N_ORDERS = 200
_SCENES = ("airplanecabin", "badminton_court", "bakery", "canyon", "icerink", "lighthouse")
_EXTENSIONS = {"coco": (".jpg",), "imagenet": (".JPEG",), "scenes": (".jpg", ".jpeg")}


class Plan(NamedTuple):
    seed: int
    images: object              # DataFrame indexed by bold_position: image_name, stim_source
    latents: dict               # {"low": (n_images, 6), ...}
    shown: dict                 # by subject: (n_trials,) bold_position of every trial
    drift: np.ndarray           # (n_trials, n_components)
    coupling: float             # largest |r| of the drift's RDMs between two subjects

    def trials(self, subject, session):
        """The slice of a subject's trials that are one session."""
        ends = np.cumsum([0, *RUNS[subject]]) * TRIALS_PER_RUN
        return slice(int(ends[session - 1]), int(ends[session]))


def draw_plan(seed):
    """The plan of a seed; a second. Pictures are numbered by CSI1's trials, as the index will number them."""
    drift = draw_drift(TRIALS_PER_RUN, sum(RUNS[1]), stream(seed, "bold5000", "drift"))
    shown, coupling = choose_orders(drift_similarity(drift), stream(seed, "bold5000", "orders"))
    images = draw_images(stream(seed, "bold5000", "images"))
    return Plan(seed, images, draw_latents(len(images), stream(seed, "bold5000", "latents")), shown, drift, coupling)


def draw_images(rng):
    """The images of a Plan."""
    import pandas

    sources = rng.permutation(np.repeat(list(N_IMAGES), list(N_IMAGES.values())))
    coco, synset, number = (rng.choice(high, len(sources), replace=False) for high in (580_000, 9_000_000, 20_000))
    names = []
    for k, source in enumerate(sources):
        stem = {"coco": f"COCO_train2014_{coco[k]:012d}", "imagenet": f"n{1_000_000 + synset[k]:08d}_{number[k]}",
                "scenes": f"{_SCENES[k % len(_SCENES)]}{k}"}[source]
        names.append(stem + _EXTENSIONS[source][k % len(_EXTENSIONS[source])])
    return pandas.DataFrame({"image_name": names, "stim_source": sources}).rename_axis("bold_position")


def choose_orders(similarity, rng):
    """({subject: (n_trials,) bold_position}, coupling): orders in which drift looks least like agreement of subjects.

    Parameters
    ----------
    similarity : (n_trials, n_trials) array
        Of trials by their drift.
    rng : numpy.random.Generator
    """
    n_images = sum(N_IMAGES.values())
    shown, largest = {}, 0.0
    for subject, runs in RUNS.items():
        best, least = None, np.inf
        for _ in range(1 if not shown else _N_ORDERS):
            order = _draw_order(sum(runs) * TRIALS_PER_RUN, REPEATED[subject], n_images, rng)
            order = _by_first_showing(order) if not shown else order
            coupling = max((abs(_coupling(similarity, other, order)) for other in shown.values()), default=0)
            if coupling < least:
                best, least = order, coupling
        shown[subject], largest = best, max(largest, least)
    return shown, float(largest)


def repetitions(order):
    """(n_trials,) how often a trial's picture has been shown, itself included: 1, 2, ..."""
    return np.array([np.count_nonzero(order[:k + 1] == image) for k, image in enumerate(order)])


def common_rows(order_i, order_j):
    """Trials of two subjects that show the same picture in the same repetition, in i's order."""
    where = {key: trial for trial, key in enumerate(zip(order_j.tolist(), repetitions(order_j).tolist()))}
    pairs = [(trial, where[key]) for trial, key in enumerate(zip(order_i.tolist(), repetitions(order_i).tolist()))
             if key in where]
    return tuple(np.array(rows) for rows in zip(*pairs))


def _draw_order(n_trials, repeated, n_images, rng):
    images = rng.permutation(n_images)
    n_once = n_trials - sum(repeated)
    return rng.permutation(np.concatenate([np.repeat(images[:len(repeated)], repeated),
                                           images[len(repeated):len(repeated) + n_once]]))


def _by_first_showing(order):
    """The same order with pictures numbered 0, 1, 2, ... as they come."""
    number = {image: k for k, image in enumerate(dict.fromkeys(order.tolist()))}
    return np.array([number[image] for image in order.tolist()])


def _coupling(similarity, order_i, order_j):
    """r of the drift's RDMs of two subjects over the trials that belong together."""
    rows_i, rows_j = common_rows(order_i, order_j)
    above = np.triu_indices(len(rows_i), 1)
    return np.corrcoef(*(similarity[np.ix_(rows, rows)][above] for rows in (rows_i, rows_j)))[0, 1]
