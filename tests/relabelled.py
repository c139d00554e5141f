"""All relabellings of small problems, written down without the package: the oracle of closed-form and sampled nulls."""

import itertools

import numpy as np


def all_relabellings(images):
    """(n_relabellings, n): every way to exchange images that have equally many rows, the rows of an image in their order."""
    images = np.asarray(images)
    rows = {image: np.flatnonzero(images == image) for image in images.tolist()}
    sizes = sorted({len(r) for r in rows.values()})
    strata = [[image for image in rows if len(rows[image]) == size] for size in sizes]
    found = []
    for choice in itertools.product(*(itertools.permutations(stratum) for stratum in strata)):
        order = np.empty(len(images), int)
        for stratum, others in zip(strata, choice):
            for image, other in zip(stratum, others):
                order[rows[image]] = rows[other]
        found.append(order)
    return np.array(found)


def square(condensed):
    n = round((1 + (1 + 8 * len(condensed)) ** 0.5) / 2)
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n, 1)] = condensed
    return matrix + matrix.T


def r_of_all(a, b, orders):
    """numpy.corrcoef of a with b relabelled in every order."""
    i, j = np.triu_indices(orders.shape[1], 1)
    b = square(b)
    return np.array([np.corrcoef(a, b[order[i], order[j]])[0, 1] for order in orders])


def three_moments(values):
    centered = values - values.mean()
    return values.mean(), (centered ** 2).mean(), (centered ** 3).mean() / (centered ** 2).mean() ** 1.5
