"""Cross-validated distances of images that were shown repeatedly: their noise adds nothing on average.

    rdm, images = crossnobis(responses, images, repetitions)        # (n_trials, n_voxels) -> (n_pairs,), in the order of `images`

The squared distance of two patterns, <k, k> + <l, l> - 2 <k, l>, grows with noise, because the noise of a trial multiplies
itself. Here every inner product is a mean over products of two different repetitions, so that with independent noise each has the
right mean, and images without any difference have distance 0 on average; single distances are negative then as often as positive.
What repetitions share (trials of one session, estimates that were denoised together, such as GLMdenoise's) is not noise to this
estimate: with noise shared between repetitions the distances of equal patterns are above 0.

Noise normalisation ("nobis"): voxels are weighted by the inverse of the noise variance ("diagonal") or of a shrunken noise
covariance ("shrinkage"). The noise is estimated in every session, from the residuals of its trials from the mean of their image,
and averaged over sessions: with a matrix per session, equal patterns in sessions of different noise would differ. In <k, k> the
noise is estimated without image k, since an estimate that contains the residuals of k is not independent of k, which would lift
all distances.
"""

import numpy as np

from convergence.analysis import validation
from convergence.compute.device import is_tensor
from convergence.compute.gram import condense, enter_native, row_products

NOISE = ("none", "diagonal", "shrinkage")


def crossnobis(responses, images, repetitions=None, *, sessions=None, noise="diagonal", device="auto"):
    """Cross-validated squared distances of all pairs of images that were shown at least twice, divided by the number of voxels.

    Parameters
    ----------
    responses : (n_trials, n_voxels) array or tensor
    images : (n_trials,) array_like
        Image of every trial. Images may be shown unequally often.
    repetitions : (n_trials,) array_like, optional
        Which of its image's repetitions a trial is; default: in the order of trials. Products are taken between different
        repetitions only, of one image and of two.
    sessions : (n_trials,) array_like, optional
        For the noise: that of every session counts the same, however many of its trials are here. Default: one session.
    noise : {"none", "diagonal", "shrinkage"} or (n_voxels,) array_like
        "none": plain cross-validated Euclidean. "diagonal": every voxel divided by its noise. "shrinkage": the noise covariance,
        shrunken towards equal independent noise as far as Ledoit and Wolf say. An array: variances of the noise, known from
        elsewhere.
    device : str

    Returns
    -------
    rdm : (n_pairs,) array or tensor
        Squared distances, of either sign.
    images : (n_images,) NumPy array
        In the order of first appearance; images shown once are left out.

    Raises
    ------
    ValueError
        Fewer than 4 images shown at least twice, an image with two trials of one repetition, voxels whose noise is 0, and as for
        `compute_rdm`.

    Notes
    -----
    Work: n_trials^2 n_voxels multiplications; memory: the responses three times and some n_trials x n_trials matrices, never
    n_voxels x n_voxels. With equally many repetitions and `noise` "none" or an array, the mean over pairs of folds of
    rsatoolbox's calc_rdm_crossnobis. Walther et al. (2016), NeuroImage 137:188; Ledoit & Wolf (2004), J. Multivar. Anal. 88:365.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> patterns = np.repeat([[1.0], [1.0], [0.0], [0.0]], 500, axis=1)             # images 0 and 1 are equal, so are 2 and 3
    >>> rdm, _ = crossnobis(np.tile(patterns, (3, 1)) + rng.standard_normal((12, 500)), np.tile(range(4), 3), noise="none")
    >>> print(np.abs(rdm).round(1))                                                 # pairs 01 02 03 12 13 23
    [0.  0.9 1.  0.9 0.9 0. ]
    """
    if isinstance(noise, str):
        validation.option("crossnobis", "noise", noise, NOISE)
    array = validation.responses("crossnobis", "responses", responses)
    n_trials = array.shape[0]
    images = validation.one_per_stimulus("crossnobis", "images", images, n_trials)
    trials, names, image, repetition = _repeated(images, repetitions, n_trials)
    session = np.zeros(n_trials, int) if sessions is None else validation.one_per_stimulus("crossnobis", "sessions", sessions,
                                                                                           n_trials)
    out, x = enter_native(array[_index(array, trials)], device=device)
    x = x - x.mean(0)                                       # the mean pattern cancels in every distance, and costs digits
    products, own = _whitened(x, image, session[trials], noise)
    inner = _different_repetitions(products, image, repetition, len(names))
    inner[range(len(names)), range(len(names))] = own
    diagonal = inner.diagonal()
    rdm = condense(diagonal[:, None] + diagonal - inner - inner.T) / x.shape[1]
    return out(_like(rdm, x)), names


def _repeated(images, repetitions, n_trials):
    """Trials of images shown at least twice, sorted by image: (trials, images in order of appearance, number of the image, of the
    repetition)."""
    if images.ndim != 1:
        raise ValueError(f"crossnobis: images has shape {images.shape}; expected (n_trials,)")
    found, first, inverse, counts = np.unique(images, return_index=True, return_inverse=True, return_counts=True)
    if repetitions is None:
        order = np.argsort(inverse, kind="stable")
        repetitions = np.empty(n_trials, int)
        repetitions[order] = np.arange(n_trials) - np.repeat(np.cumsum(counts) - counts, counts)
    repetitions = np.unique(validation.one_per_stimulus("crossnobis", "repetitions", repetitions, n_trials),
                            return_inverse=True)[1]
    twice = np.unique(np.stack([inverse, repetitions]), axis=1, return_counts=True)
    if (twice[1] > 1).any():
        raise ValueError(f"crossnobis: repetitions: image {found[twice[0][0, twice[1] > 1][0]]} has two trials of the same "
                         "repetition; number the repetitions of an image anew")
    kept = np.flatnonzero(counts > 1)[np.argsort(first[counts > 1])]
    if len(kept) < validation.MINIMUM_STIMULI:
        raise ValueError(f"crossnobis: images: {validation.count(len(kept), 'image')} of {len(found)} shown at least twice; at "
                         f"least {validation.MINIMUM_STIMULI} are needed, as a distance multiplies different repetitions")
    place = np.full(len(found), -1)
    place[kept] = np.arange(len(kept))
    trials = np.flatnonzero(place[inverse] >= 0)
    trials = trials[np.argsort(place[inverse[trials]], kind="stable")]
    return trials, found[kept], place[inverse[trials]], repetitions[trials]


def _whitened(x, image, session, noise):
    """Products of trials in the metric of the noise, (n_trials, n_trials); and the mean product of two repetitions of every
    image, (n_images,), in the metric that does not know this image."""
    if isinstance(noise, str) and noise == "none":
        products = _numpy(x @ x.T)
        return products, _own(lambda rows: products[np.ix_(rows, rows)], image)
    if not isinstance(noise, str):
        variance = np.asarray(noise.cpu() if is_tensor(noise) else noise, float)
        if variance.shape != (x.shape[1],):
            raise ValueError(f"crossnobis: noise has shape {variance.shape}; expected a variance for each of {x.shape[1]} voxels")
        _refuse_still(variance)
        scaled = x / _like(variance ** 0.5, x)
        return _whitened(scaled, image, session, "none")
    residuals = _residuals(x, image, session)
    return _diagonal(x, residuals, image) if noise == "diagonal" else _shrunken(x, residuals, image)


def _residuals(x, image, session):
    """Trials less the mean of their image, scaled to the variance of the noise and so that every session counts the same."""
    counts, (_, session, size) = np.bincount(image), np.unique(session, return_inverse=True, return_counts=True)
    weights = counts[image] / (counts[image] - 1) * len(image) / (len(size) * size[session])
    return (x - _means(x, image)[_index(x, image)]) * _like(weights ** 0.5, x)[:, None]


def _diagonal(x, residuals, image):
    squares = residuals ** 2
    total = squares.sum(0)
    _refuse_still(_numpy(total), _numpy((x ** 2).sum(0)))
    products = _numpy((x * (len(x) / total)) @ x.T)

    def of_image(rows):
        mine, here = x[rows[0]:rows[-1] + 1], squares[rows[0]:rows[-1] + 1].sum(0)
        return _numpy((mine * ((len(x) - len(rows)) / (total - here))) @ mine.T)

    return products, _own(of_image, image)


def _shrunken(x, residuals, image):
    """By Woodbury's identity, from products of trials: (c I + w E'E)^-1 = (I - E' (c / w I + E E')^-1 E) / c."""
    n, p = x.shape
    gram, crossed, plain = (_numpy(product).astype(np.float64) for product in (residuals @ residuals.T, x @ residuals.T, x @ x.T))
    shrinkage, variance = ledoit_wolf(gram, _numpy(row_products(residuals, residuals)), p)
    c, w = shrinkage * variance, (1 - shrinkage) / n
    if c <= _rounding(plain.trace() / n / p):
        raise ValueError("crossnobis: responses: all repetitions of an image are equal, so that there is no noise to normalise "
                         "by; use noise='none'")
    solved = np.linalg.solve(c / w * np.eye(n) + gram,
                             np.concatenate([crossed.T, gram], axis=1)) if w > 0 else np.zeros((n, 2 * n))
    products = (plain - crossed @ solved[:, :n]) / c
    mixed, own = (crossed - crossed @ solved[:, n:]) / c, (gram - gram @ solved[:, n:]) / c

    def of_image(rows):
        block = np.ix_(rows, rows)
        if w == 0:
            return products[block]
        return products[block] + mixed[block] @ np.linalg.solve(np.eye(len(rows)) / w - own[block], mixed[block].T)

    return products, _own(of_image, image)


def ledoit_wolf(gram, squares, p):
    """Shrinkage of the covariance of n centred rows towards its mean variance, and that variance, from the rows' products alone.

    gram : (n, n) products of the rows; squares : (n,) its diagonal; p : number of columns. As
    sklearn.covariance.ledoit_wolf_shrinkage.
    """
    n = len(gram)
    variance = squares.sum() / n / p
    squared_norm = (gram ** 2).sum() / n ** 2                           # of the covariance
    distance = squared_norm / p - variance ** 2
    spread = ((squares ** 2).sum() / n - squared_norm) / n / p
    return (min(spread, distance) / distance if distance > 0 else 1.0), variance


def _own(of_image, image):
    """Mean product of two different repetitions of each image; the trials of an image stand together."""
    starts = [*_starts(image), len(image)]
    values = []
    for first, stop in zip(starts[:-1], starts[1:]):
        square = of_image(np.arange(first, stop))
        m = stop - first
        values.append((square.sum() - square.trace()) / (m * (m - 1)))
    return np.array(values)


def _different_repetitions(products, image, repetition, n_images):
    """(n_images, n_images) mean of the products of different repetitions of two images; sums over trials, less those of equal
    repetitions."""
    starts = _starts(image)
    total = np.add.reduceat(np.add.reduceat(products.astype(np.float64), starts, axis=0), starts, axis=1)
    counts = np.bincount(image).astype(float)
    pairs = np.outer(counts, counts)
    for one in range(repetition.max() + 1):
        rows = np.flatnonzero(repetition == one)
        block = np.ix_(image[rows], image[rows])
        total[block] -= products[np.ix_(rows, rows)]
        pairs[block] -= 1
    return total / np.where(pairs > 0, pairs, np.nan)


def _starts(image):
    return np.flatnonzero(np.diff(image, prepend=-1))


def _means(x, group):
    """(n_groups, p) mean rows."""
    order, counts = np.argsort(group, kind="stable"), np.bincount(group)
    member = np.zeros((len(counts), len(group)))
    member[group[order], order] = 1 / counts[group[order]]
    return _like(member, x) @ x


def _index(x, rows):
    if is_tensor(x):
        import torch
        return torch.from_numpy(np.asarray(rows)).to(x.device)
    return rows


def _numpy(x):
    return x.cpu().numpy() if is_tensor(x) else np.asarray(x)


def _like(values, x):
    if is_tensor(x):
        return x.new_tensor(values)
    return np.asarray(values, x.dtype)


def _rounding(squares):
    """What residuals of values with these squares are above 0 by rounding, in float32."""
    return (8 * np.finfo(np.float32).eps) ** 2 * squares


def _refuse_still(variance, squares=0.0):
    still = ~(variance > _rounding(squares))
    if still.any():
        raise ValueError(f"crossnobis: responses have no noise in {still.sum()} of {len(still)} voxels (all repetitions are "
                         "equal); leave these voxels out, or use noise='none'")
