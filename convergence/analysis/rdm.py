"""Responses become RDMs.

    compute_rdm(responses)              # (n_stimuli, n_voxels) -> (n_pairs,), or a stack, or a list of regions of different size
    select_stimuli(rdms, rows)          # RDMs of fewer stimuli, or of the same stimuli in another order, without the responses
    n_stimuli(n_pairs)                  # 4,186 pairs -> 92 stimuli

An RDM (representational dissimilarity matrix) says how different the responses to every two stimuli are. It is symmetric with a
zero diagonal, so that it is kept condensed: the n (n - 1) / 2 entries above the diagonal, row by row, as numpy.triu_indices(n,
1) and scipy's pdist order them.
"""

import math

import numpy as np

from convergence.analysis import validation
from convergence.analysis.validation import n_stimuli
from convergence.compute.device import is_tensor
from convergence.compute.gram import as_type, condense, enter_native, means, row_products
from convergence.compute.quantiles import tail_limits
from convergence.compute.threads import spread

__all__ = ["METRICS", "compute_rdm", "n_stimuli", "select_stimuli"]

METRICS = ("correlation", "euclidean", "cosine")


def compute_rdm(responses, *, metric="correlation", clip=None, device="auto"):
    """Dissimilarities of all pairs of stimuli.

    Parameters
    ----------
    responses : (..., n, p) array or tensor, or list of (n, p_k)
        n stimuli (rows) by p voxels or units (columns); a stack of such matrices, or a list of regions with different numbers
        of voxels. float64 and integers wider than 16 bits are computed in float64, all else (float16, bfloat16, int16, ...) in
        float32.
    metric : {"correlation", "euclidean", "cosine"}
        "correlation": 1 - Pearson r of two rows, from 0 to 2: what differs only in mean or in scale is alike. The field's usual
        choice.
        "cosine": 1 - cosine of the angle of two rows: what differs only in scale is alike.
        "euclidean": the distance of two rows, not squared.
    clip : float, optional
        Limit the values to the quantiles `clip` and 1 - `clip` of the whole (n, p) matrix first, so that single voxels with
        artefacts do not decide. None or 0: not at all. The paper uses 0.003.
    device : {"auto", "cpu", "cuda", ...}
        Where to compute; "auto": where the tensor lies, for NumPy input a GPU if there is one.

    Returns
    -------
    (..., n_pairs) or (len(responses), n_pairs)
        Condensed RDMs with n_pairs = n (n - 1) / 2. NumPy in, NumPy out; torch in, torch out on the same device (without
        gradients).

    Raises
    ------
    ValueError
        Fewer than 4 stimuli, NaN or infinity, a row whose dissimilarity is undefined (constant for "correlation", zero for
        "cosine"), matrices with different numbers of stimuli, an unknown metric.

    Notes
    -----
    Work: n^2 p multiplications and additions on a CPU (2 n^2 p on a GPU); memory: the responses once more, and the
    square RDM of one region. "correlation" and "cosine" are limited to [0, 2]. "euclidean" is computed in float64 from columns
    with mean 0, so that the distance of two nearly equal rows is not lost in rounding, and returned in float32 for float32
    responses.

    Kriegeskorte, Mur & Bandettini (2008), Front. Syst. Neurosci. 2:4; clipping as in arXiv 2507.13941.

    Examples
    --------
    >>> import numpy as np
    >>> patterns = np.random.default_rng(0).standard_normal((2, 100))       # two categories, three noisy stimuli each
    >>> noise = np.random.default_rng(1).standard_normal((6, 100))
    >>> rdm = compute_rdm(np.repeat(patterns, 3, axis=0) + noise / 2)
    >>> print(rdm.round(1))                             # pairs 01 02 03 04 05 12 13 ...: small within a category
    [0.2 0.2 1.  1.  1.  0.2 1.  1.  0.9 0.9 0.9 0.8 0.2 0.2 0.2]
    """
    validation.option("compute_rdm", "metric", metric, METRICS)
    clip = validation.number("compute_rdm", "clip", clip or 0, low=0, high=0.5)
    open_regions = _list_of_regions if _is_list_of_matrices(responses) else _stack_of_regions
    out, like, shape, (n, p), region = open_regions(responses, least_columns=2 if metric == "correlation" else 1, device=device)
    n_pairs = n * (n - 1) // 2
    rdms = _empty((math.prod(shape), n_pairs), like) if shape else [None]

    def fill(k):
        rdms[k] = _rdm(*region(k), metric, clip)

    spread(fill, len(rdms), work=math.inf if is_tensor(like) else n * n * p)
    return out(rdms.reshape(*shape, n_pairs) if shape else rdms[0])


def select_stimuli(rdms, rows):
    """RDMs of some of the stimuli, in a new order.

    Parameters
    ----------
    rdms : (n_pairs,) or (n_rdms, n_pairs) array or tensor
        Condensed RDMs of n stimuli.
    rows : (k,) integers
        Which stimuli, in the order that the result shall have; each at most once.

    Returns
    -------
    (k (k - 1) / 2,) or (n_rdms, k (k - 1) / 2), of the same type and on the same device

    Raises
    ------
    ValueError
        A row that does not exist, or that is asked for twice (a stimulus has no dissimilarity with itself).

    Examples
    --------
    >>> import numpy as np
    >>> select_stimuli(np.array([1, 2, 3, 12, 13, 23]), [3, 0, 2])          # pairs (3, 0), (3, 2), (0, 2)
    array([ 3, 23,  2])
    """
    array = validation.numbers("select_stimuli", "rdms", rdms)
    try:
        n = n_stimuli(array.shape[-1])
    except ValueError as error:
        raise ValueError(f"select_stimuli: rdms has {error}") from None
    rows = _checked_rows(rows, n)
    i, j = np.triu_indices(len(rows), 1)
    first, second = np.minimum(rows[i], rows[j]), np.maximum(rows[i], rows[j])
    pairs = first * (2 * n - first - 1) // 2 + second - first - 1
    if is_tensor(array):
        import torch
        return array[..., torch.from_numpy(pairs).to(array.device)]
    if array.ndim == 1:
        return array.take(pairs)
    selected = np.empty((len(array), len(pairs)), array.dtype)
    for rdm, out in zip(array, selected):                           # mode="clip" writes into `out` directly
        np.take(rdm, pairs, out=out, mode="clip")
    return selected


def _is_list_of_matrices(responses):
    return isinstance(responses, (list, tuple)) and len(responses) > 0 and all(getattr(x, "ndim", 0) == 2 for x in responses)


def _list_of_regions(matrices, *, least_columns, device):
    """(out, example, shape, (n, largest p), region); region(k) brings one matrix to its type and device, and gives (x, name)."""
    for k, matrix in enumerate(matrices):
        if len(matrix) != len(matrices[0]):
            raise ValueError(f"compute_rdm: responses[{k}] has {len(matrix):,} stimuli (rows), "
                             f"responses[0] has {len(matrices[0]):,}; select the same stimuli first")
        if matrix.dtype != matrices[0].dtype:
            raise ValueError(f"compute_rdm: responses[{k}] is {matrix.dtype}, responses[0] is {matrices[0].dtype}; "
                             "give all the same type")

    def region(k):
        matrix = validation.responses("compute_rdm", f"responses[{k}]", matrices[k], least_columns=least_columns)
        return enter_native(matrix, device=device)[1], f"responses[{k}]"

    out, example = enter_native(matrices[0][:0], device=device)
    return out, example, (len(matrices),), (len(matrices[0]), max(matrix.shape[1] for matrix in matrices)), region


def _stack_of_regions(responses, *, least_columns, device):
    """The same for one array, brought to its type and device at once."""
    array = validation.responses("compute_rdm", "responses", responses, least_columns=least_columns)
    *shape, n, p = array.shape
    out, stack = enter_native(array.reshape(math.prod(shape), n, p), device=device)

    def region(k):
        return stack[k], f"responses[{', '.join(map(str, np.unravel_index(k, shape)))}]" if shape else "responses"

    return out, stack, shape, (n, p), region


def _empty(shape, like):
    return like.new_empty(shape) if is_tensor(like) else np.empty(shape, like.dtype)


def _rdm(x, name, metric, clip):
    """(n, p) -> (n_pairs,); `x` is an array or a tensor of float32 or float64, and stays as it is."""
    x = x.clip(*tail_limits(x, clip)) if clip else x
    if metric == "euclidean":
        return _euclidean(x)
    mean = means(x) if metric == "correlation" else 0 * x[:, 0]
    x = x - mean[:, None]
    norm = row_products(x, x) ** 0.5
    _refuse_rows_without_direction(name, mean, norm, x.shape[1], metric, clip)
    x *= (1 / norm)[:, None]
    rdm = condense(x @ x.T)
    rdm *= -1
    rdm += 1
    return rdm.clip(0.0, 2.0)                                       # rounding may leave the range by 1e-7


def _euclidean(x):
    wide = as_type(x, "float64")
    wide = wide - wide.mean(0)
    squares = row_products(wide, wide)
    distances = condense(squares[:, None] + squares - 2 * (wide @ wide.T)).clip(0.0, np.inf) ** 0.5
    return as_type(distances, x.dtype)


def _refuse_rows_without_direction(name, mean, norm, p, metric, clip):
    """A constant row keeps, after its mean was subtracted, nothing but the rounding of that mean."""
    limits = np.finfo(np.float64 if "float64" in str(norm.dtype) else np.float32)
    defined = (norm > limits.tiny ** 0.5) & (norm > 4 * limits.eps * p ** 0.5 * abs(mean)) & (norm < np.inf)
    if not defined.all():
        defined = np.asarray(defined.cpu() if is_tensor(defined) else defined)
        validation.directions("compute_rdm", name, defined, metric=metric, clipped=bool(clip))


def _checked_rows(rows, n):
    rows = np.asarray(rows.cpu() if is_tensor(rows) else rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise ValueError(f"select_stimuli: rows has shape {rows.shape} and type {rows.dtype}; expected row numbers, shape (k,)")
    outside = rows[(rows < 0) | (rows >= n)]
    if len(outside):
        raise ValueError(f"select_stimuli: rows holds {', '.join(map(str, outside))}; the RDMs have rows 0 to {n - 1}")
    values, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"select_stimuli: rows holds {', '.join(map(str, values[counts > 1]))} more than once; "
                         "a stimulus has no dissimilarity with itself")
    return rows.astype(np.int64)
