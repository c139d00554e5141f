"""Which stimuli may change places, and seeded ways to do it.

    draw_relabellings(n, 10_000, seed=0)                    # (10_000, n): any stimulus may become any other
    draw_relabellings(n, 10_000, seed=0, blocks=images)     # whole images change places, the rows of an image keep their order

With `blocks`, the p-th row of an image becomes the p-th row of another image that has as many rows. Images with equally many
rows are a *stratum*; no image leaves its stratum. With `within` (sessions, say), their rows must also carry the same labels in
the same order. Several tables of trials can be relabelled together: an image then has a number of rows in each. Relabelling p of
b means b[p[i], p[j]]. What is drawn depends on the seed and on the structure of the table only: neither on the size of the blocks
in which it is asked for, nor on the images' names beyond their order.
"""

import numpy as np

from convergence.analysis import validation


def draw_relabellings(n, n_permutations, seed=0, blocks=None, within=None):
    """Random relabellings of n stimuli, uniform over all that `blocks` and `within` allow.

    Parameters
    ----------
    n : int
        Number of stimuli.
    n_permutations : int
    seed : int or sequence of int
        As for ``numpy.random.default_rng``.
    blocks : (n,) array, optional
        The image that each stimulus (trial) shows. Images with equally many trials change places, trial by trial in their order.
    within : (n,) array, optional
        A label of each stimulus that it may not leave, such as the session of the trial.

    Returns
    -------
    (n_permutations, n) int64 array
        Row k, entry i: the stimulus of b that stimulus i of a meets. Asking one seed for more relabellings continues the same
        list.

    Raises
    ------
    ValueError
        No two images have equally many trials, so that nothing can be relabelled; a count below 1; blocks of another length.

    Examples
    --------
    >>> draw_relabellings(6, 2, seed=1)
    array([[4, 5, 1, 2, 3, 0],
           [0, 1, 4, 5, 3, 2]])
    >>> draw_relabellings(6, 2, seed=1, blocks=["a", "b", "b", "a", "c", "c"])      # rows 0, 3 (a) meet rows 1, 2 (b)
    array([[1, 0, 3, 2, 4, 5],
           [0, 1, 2, 3, 4, 5]])
    """
    n = validation.whole_number("draw_relabellings", "n", n, at_least=2)
    n_permutations = validation.whole_number("draw_relabellings", "n_permutations", n_permutations, at_least=1)
    strata = strata_of("draw_relabellings", blocks, n, within)
    return np.concatenate([rows_of(images, strata) for images in draw_images(strata, n_permutations, seed)])


def draw_published(n, n_permutations, seed, largest, size=256):
    """Relabellings of single trials as published: one list of permutations of `largest` trials serves every table.

    A table of n trials takes of each permutation the entries below n, in their order (arXiv 2507.13941): every table sees the
    same list, whatever its rows show. Trials of one image are torn apart, so that it rejects far too many true nulls.

    Parameters
    ----------
    n : int
        Trials of the table.
    n_permutations, seed, largest : int
        Of the list.
    size : int
        How many at a time.

    Yields
    ------
    (k, n) int64 arrays, n_permutations rows in all
    """
    if n > largest:
        raise ValueError(f"draw_published: the table has {n} trials, the list of permutations only {largest}")
    generator = np.random.default_rng(seed)
    for first in range(0, n_permutations, size):
        k = min(size, n_permutations - first)
        drawn = generator.permuted(np.tile(np.arange(largest), (k, 1)), axis=1)
        yield drawn[drawn < n].reshape(k, n)


def strata_of(function, blocks, n, within=None):
    """`image_strata` of one table of n stimuli, every stimulus its own image where blocks is None; told the caller's name."""
    blocks = np.arange(n) if blocks is None else validation.one_per_stimulus(function, "blocks", blocks, n)
    within = None if within is None else [validation.one_per_stimulus(function, "within", within, n)]
    return image_strata(blocks, within=within, function=function)


def image_strata(*blocks, within=None, function="image_strata"):
    """Images that may change places: those with equally many rows in every one of the tables.

    Parameters
    ----------
    *blocks : (n_t,) arrays
        For each table, the image of every row.
    within : list of (n_t,) arrays, optional
        For each table, a label of every row: images change places whose rows carry the same labels in the same order.

    Returns
    -------
    list of tuples of (n_images, m_t) int arrays, one array per table
        A stratum: rows of its images, in the order of the table; the same images in the same order in all tables. Images are
        sorted, strata are in ascending order of their numbers of rows.

    Raises
    ------
    ValueError
        Every stratum has one image only.
    """
    tables = [np.asarray(table) for table in blocks]
    images, codes = np.unique(np.concatenate(tables), return_inverse=True)
    codes = np.split(codes, np.cumsum([len(table) for table in tables])[:-1])
    counts = np.stack([np.bincount(code, minlength=len(images)) for code in codes], axis=1)
    order = [np.argsort(code, kind="stable") for code in codes]
    starts = np.cumsum(counts, axis=0) - counts
    keys = counts if within is None else np.hstack([counts, *map(_labels_in_order, within, order, starts.T, counts.T)])
    strata = []
    for key in np.unique(keys, axis=0):
        members, numbers = np.flatnonzero((keys == key).all(axis=1)), key[:len(tables)]
        strata.append(tuple(order[t][starts[members, t][:, None] + np.arange(m)] for t, m in enumerate(numbers)))
    if all(len(stratum[0]) == 1 for stratum in strata):
        found = ", ".join("/".join(map(str, row)) for row in np.unique(counts, axis=0))
        if within is not None:
            raise ValueError(f"{function}: no two of {len(images)} images have equally many rows with the same labels of within "
                             "in the same order, so that nothing can be relabelled; leave within out")
        raise ValueError(f"{function}: blocks has {validation.count(len(images), 'image')} with {found} rows each: no two images "
                         "have equally many rows, so that nothing can be relabelled; select images with equally many "
                         "repetitions, or leave blocks out")
    return strata


def _labels_in_order(labels, order, starts, counts):
    """Labels of the rows of every image, as numbers: (n_images, most rows of an image); -1 where there is no row."""
    codes = np.unique(labels, return_inverse=True)[1][order]
    place = np.arange(counts.max())
    return np.where(place < counts[:, None], codes[np.minimum(starts[:, None] + place, len(codes) - 1)], -1)


def draw_images(strata, n_permutations, seed, size=256):
    """Yield (k, n_images) arrays, n_permutations rows in all: position in `strata`, one after the other -> position whose
    place it takes."""
    sizes = [len(stratum[0]) for stratum in strata]
    starts = np.cumsum(sizes) - sizes
    generators = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(len(strata))]
    for first in range(0, n_permutations, size):
        k = min(size, n_permutations - first)
        yield np.concatenate([generator.permuted(np.tile(np.arange(start, start + n), (k, 1)), axis=1)
                              for generator, start, n in zip(generators, starts, sizes)], axis=1)


def rows_of(images, strata, table=0):
    """Relabellings of images, (k, n_images), as relabellings of the rows of one of the tables, (k, n_t)."""
    n = sum(stratum[table].size for stratum in strata)
    rows = np.empty((len(images), n), np.int64)
    start = 0
    for stratum in strata:
        places = stratum[table]
        chosen = images[:, start:start + len(places)] - start
        rows[:, places.ravel()] = places[chosen].reshape(len(images), -1)
        start += len(places)
    return rows
