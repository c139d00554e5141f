"""Stacks of RDMs become similarities: representational similarity analysis (RSA).

    rsa(a, b)                                   # (n_a, n_pairs), (n_b, n_pairs) -> (n_a, n_b)
    rsa(a, b, paired=True)                      # the k-th of a with the k-th of b: (n,)
    rsa(rdm, other)                             # one number

    units = unit(stack)                         # what concerns one stack, done once: centred, scaled to length 1 ...
    rsa_of_units(units, other_units)            # ... and then every comparison is one matrix product
    default_method(a, b)                        # "rho_a" where an RDM has many equal values, such as categories; else "pearson"

All methods are inner products of prepared RDMs: "pearson" centres and scales, "cosine" scales, "spearman" and "rho_a" put ranks
in place of the values first. Products are summed in float32 within a block of pairs and in float64 over blocks, so that
millions of pairs cost no accuracy. `rsa` centres block by block and makes no copy of a stack.
"""

import math

import numpy as np

from convergence.analysis import validation
from convergence.compute.device import is_tensor
from convergence.compute.gram import as_type, enter_native, row_products
from convergence.compute.threads import blas_threads_for, spread

METHODS = ("pearson", "spearman", "rho_a", "cosine")

_PAIRS_PER_BLOCK = {"cpu": 1 << 13, "gpu": 1 << 18}   # blocks that fit into a CPU's cache; a GPU wants few launches


def rsa(a, b, *, method="pearson", paired=False):
    """Similarity of RDMs.

    Parameters
    ----------
    a : (n_a, n_pairs) or (n_pairs,) array or tensor
        Condensed RDMs; float64 is computed in float64, all else in float32.
    b : (n_b, n_pairs) or (n_pairs,) array or tensor
        RDMs of the same stimuli in the same order.
    method : {"pearson", "spearman", "rho_a", "cosine"}
        "pearson": correlation of the dissimilarities; asks for a linear relation. The paper's.
        "spearman": correlation of their ranks, equal values sharing their average rank; asks for a monotonic relation. Values
        within rounding of 0 are 0 first, so that the distances of equal patterns are tied and not ranked by their noise.
        "rho_a": the mean of Spearman's correlation over all ways to break ties. "spearman" favours models that leave many pairs
        equal, such as categories; this one does not.
        "cosine": like "pearson" without subtracting the mean; for dissimilarities with a meaningful zero.
    paired : bool
        Compare the k-th RDM of `a` with the k-th of `b` only.

    Returns
    -------
    (n_a, n_b) array; (n,) if paired; an axis for each stack, so that one RDM with a stack gives (n,) and with another RDM a float
        From -1 to 1 (what rounding puts outside is put back). Torch in, torch out, on the same device.

    Raises
    ------
    ValueError
        RDMs of different numbers of stimuli, NaN or infinity, a constant RDM, fewer than 4 stimuli, paired stacks of different
        lengths.

    Notes
    -----
    Work: 2 n_a n_b n_pairs; the ranks cost a sort of each RDM and a copy of the stack.

    Kriegeskorte, Mur & Bandettini (2008), Front. Syst. Neurosci. 2:4; rho_a: Schuett et al. (2023), eLife 12:e82566, and as
    "rho-a" in rsatoolbox.

    Examples
    --------
    >>> import numpy as np
    >>> truth, noise_1, noise_2 = np.random.default_rng(0).standard_normal((3, 4950))           # 100 stimuli
    >>> round(rsa(truth + noise_1, truth + noise_2), 1)                     # half of the variance of each is shared: r = 0.5
    0.5
    >>> rsa(np.stack([truth, noise_1]), np.stack([truth, noise_1, -truth])).round(1) + 0.0
    array([[ 1.,  0., -1.],
           [ 0.,  1.,  0.]])
    """
    validation.option("rsa", "method", method, METHODS)
    (a, b), _ = validation.rdm_stacks("rsa", a=a, b=b)
    axes = [x.ndim - 1 for x in (a, b)]
    out, x, y = enter_native(a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1]))
    if paired and len(x) != len(y):
        raise ValueError("rsa: paired=True compares the k-th RDM of a with the k-th of b, "
                         f"but a has {len(x):,} and b has {len(y):,}")
    r = _compare(x, y, method, paired)
    if not any(axes):
        return r.item()
    return out(r if paired else r.reshape([n for n, axis in zip(r.shape, axes) if axis]))


def unit(rdms, *, method="pearson"):
    """Prepare RDMs once, so that every comparison is a product: r = unit(a) @ unit(b).T.

    Parameters
    ----------
    rdms : (n_rdms, n_pairs) or (n_pairs,) array or tensor
    method : {"pearson", "spearman", "rho_a", "cosine"}
        See `rsa`.

    Returns
    -------
    array or tensor like `rdms`
        A copy: centred (except for "cosine"), with sum of squares 1 (for "rho_a": at most 1, less the more values are equal).

    Raises
    ------
    ValueError
        As for `rsa`.
    """
    validation.option("unit", "method", method, METHODS)
    (rdms,), _ = validation.rdm_stacks("unit", rdms=rdms)
    return unit_values(rdms.reshape(-1, rdms.shape[-1]), method=method).reshape(rdms.shape)


def unit_values(values, *, method="pearson"):
    """`unit` for distances of some pairs only, (n_rdms, n_values), which are known to be finite and not constant."""
    out, x = enter_native(values)
    values, center = _standard(x, method)
    units = 1 * values if center is None else values - center
    (squares,) = _sums_over_blocks(lambda u: [row_products(u, u)], (units, None))
    units /= as_type(_length(squares, units.shape[1], method), units.dtype)[:, None]
    return out(units)


def rsa_of_units(a, b, *, paired=False):
    """Similarities of stacks that `unit` prepared with the same method; NaN in an RDM gives NaN in its similarities.

    Parameters
    ----------
    a, b : (n_a, n_pairs), (n_b, n_pairs) arrays or tensors
    paired : bool

    Returns
    -------
    (n_a, n_b) or, paired, (n,)
        What ``rsa`` gives for the RDMs, to rounding.
    """
    out, x, y = enter_native(a, b)
    (r,) = _sums_over_blocks(lambda u, v: [_products(u, v, paired)], (x, None), (y, None))
    return out(as_type(r.clip(-1, 1), x.dtype))


def default_method(*rdms):
    """"rho_a" where one of the RDMs has many equal values, else "pearson".

    Parameters
    ----------
    *rdms : (n_rdms, n_pairs) or (n_pairs,) arrays or tensors
        Many: its most frequent value is that of over 1 % of the pairs. In float32 single values meet by chance; the distances of
        categories, of sets of words, or of a few levels of a rating are equal in large groups.

    Examples
    --------
    >>> import numpy as np
    >>> default_method(np.random.default_rng(0).random(4950))
    'pearson'
    >>> default_method(np.random.default_rng(0).random(4950).round(1))
    'rho_a'
    """
    stacks, _ = validation.rdm_stacks("default_method", **{f"RDMs {k}": stack for k, stack in enumerate(rdms)})
    for stack in stacks:
        array = np.asarray(stack.cpu() if is_tensor(stack) else stack)
        for row in array.reshape(-1, array.shape[-1]):
            if np.unique(row, return_counts=True)[1].max() > 0.01 * len(row):
                return "rho_a"
    return "pearson"


def prepared_sums(a, b, controls, *, method="pearson", paired=False):
    """Sums over pairs, in float64, of the products of three prepared stacks: a b, a a, b b, a c, b c, c c (see
    analysis/partial.py)."""
    stacks = [_standard(x, method) for x in (a, b, controls)]
    return _sums_over_blocks(lambda u, v, c: [_products(u, v, paired), row_products(u, u), row_products(v, v), u @ c.T, v @ c.T,
                                              c @ c.T], *stacks)


def centered_ranks(rdms):
    """Ranks of the pairs within each RDM, minus their mean; equal values share the average of their ranks.

    Parameters
    ----------
    rdms : (n_rdms, n_pairs) array or tensor

    Returns
    -------
    (n_rdms, n_pairs) float64: multiples of 1/2, exact
    """
    out, x = enter_native(rdms)
    return out(_ranked(as_type(_without_rounding(x), "float64")))


def _compare(x, y, method, paired):
    """Similarity of two stacks, (n_a, n_b) or (n,)."""
    x, y = _standard(x, method), _standard(y, method)
    n_pairs, dtype = x[0].shape[1], x[0].dtype
    sums = _sums_over_blocks(lambda u, v: [_products(u, v, paired), row_products(u, u), row_products(v, v)], x, y)
    products, length_x, length_y = sums[0], _length(sums[1], n_pairs, method), _length(sums[2], n_pairs, method)
    return as_type((products / (length_x if paired else length_x[:, None]) / length_y).clip(-1, 1), dtype)


def _standard(x, method):
    """(values, center): the values or their ranks, and what is to be subtracted (None: nothing)."""
    if method in ("spearman", "rho_a"):
        return _ranked(_without_rounding(x)), None
    return x, x.mean(1)[:, None] if method == "pearson" else None


def _without_rounding(x):
    """A distance of equal patterns is 0 but for rounding, of either sign: it becomes 0, and is tied with the others."""
    spacing = np.finfo(np.float64 if "float64" in str(x.dtype) else np.float32).eps
    largest = abs(x).amax(1) if is_tensor(x) else abs(x).max(1)
    return x * (abs(x) > (8 * spacing * largest)[:, None])


def _length(sum_of_squares, n_pairs, method):
    """What the products are divided by: the length, for rho_a the one that ranks without ties have."""
    if method == "rho_a":
        sum_of_squares = 0 * sum_of_squares + n_pairs * (n_pairs ** 2 - 1) / 12
    return sum_of_squares ** 0.5


def _products(u, v, paired):
    return row_products(u, v) if paired else u @ v.T


def _sums_over_blocks(function, *stacks):
    """Sums, in float64, of what the function makes of some columns of the centred stacks after the others."""
    values = [stack for stack, _ in stacks]
    size = _PAIRS_PER_BLOCK["gpu" if is_tensor(values[0]) else "cpu"]
    totals = None
    with blas_threads_for(math.inf if is_tensor(values[0]) else size * math.prod(len(x) for x in values)):
        for start in range(0, values[0].shape[1], size):
            blocks = [x[:, start:start + size] if center is None else x[:, start:start + size] - center for x, center in stacks]
            results = [as_type(result, "float64") for result in function(*blocks)]
            totals = results if totals is None else [total + result for total, result in zip(totals, results)]
    return totals


def _ranked(x):
    """`centered_ranks` in the type of x; equal values share their rank, so that the order of a sort never shows."""
    ranks = 0 * x

    def one(k):
        ranks[k] = _ranked_row(x[k])

    spread(one, len(x), work=math.inf if is_tensor(x) else 0)
    return ranks


def _ranked_row(row):
    order = row.argsort()
    ordered = row[order]
    first = ordered == ordered
    place = first.cumsum(0) - 1                                     # 0, 1, 2, ...
    first[1:] = ordered[1:] != ordered[:-1]                         # of each run of equal values
    last = place == len(row) - 1
    last[:-1] = first[1:]
    of_run = as_type(place[first] + place[last] + 1 - len(row), "float64") / 2
    ranks = as_type(place, "float64")
    ranks[order] = of_run[first.cumsum(0) - 1]
    return ranks
