"""The sentences of every ValueError in `analysis`: which argument of which function, what was found, what to do.

    (a, b), n = rdm_stacks("rsa", a=a, b=b)       # condensed RDMs: numbers, finite, not constant, the same n stimuli everywhere
    x = responses("compute_rdm", "responses", x)      # one (n, p) matrix: numbers, finite, at least 4 stimuli
    option("rsa", "method", method, METHODS)          # a near miss gets "did you mean"
    blocks = one_per_stimulus("permutation_null", "blocks", blocks, n)
    n_permutations = whole_number("permutation_null", "n_permutations", n_permutations, at_least=1)
    has_columns("peak_depth", "table", table, ["roi", "layer"])

Each function is told the caller's name and the argument's name, and reports all offenders, not the first. Arrays come back as
NumPy arrays or, if they were tensors, as tensors; they are never copied and never changed.
"""

import difflib
import math
import operator

import numpy as np

from convergence.compute.device import is_tensor

MINIMUM_STIMULI = 4             # with 3 stimuli an RDM has 3 numbers, and relabelling them cannot say anything


def rdm_stacks(function, *, labels=None, what="RDMs", **stacks):
    """Check that all arguments are condensed RDMs of the same stimuli.

    Parameters
    ----------
    function : str
        Name of the calling function, the first word of the sentence.
    labels : sequence of str, optional
        Names of the rows, used instead of their numbers.
    what : str
        What a row is, in the plural: "RDMs", "ROIs", "subjects".
    **stacks : array_like or torch.Tensor, (n_pairs,) or (n_rdms, n_pairs)
        By argument name; the first is the one that the others are compared with.

    Returns
    -------
    arrays : list of numpy.ndarray or torch.Tensor
    n : int
        Number of stimuli.

    Raises
    ------
    ValueError
        Not numbers, not one or two axes, square instead of condensed, no n (n - 1) / 2 pairs, fewer than 4 stimuli, NaN or
        infinity, constant RDMs, or different numbers of stimuli.
    """
    arrays = {name: numbers(function, name, stack) for name, stack in stacks.items()}
    sizes = {name: _condensed_size(function, name, array) for name, array in arrays.items()}
    first, *others = sizes
    for name in others:
        if sizes[name] != sizes[first]:
            raise ValueError(f"{function}: {name} has {_pairs(sizes[name])}, {first} has {_pairs(sizes[first])}; "
                             "select the same stimuli in both first.")
    for name, array in arrays.items():
        low, high = finite(function, name, array, labels=labels, what=what)
        _not_constant(function, name, array, low, high, labels, what)
    return list(arrays.values()), sizes[first]


def responses(function, name, values, *, least_columns=1):
    """Check a (n_stimuli, n_features) matrix or a stack of them; it comes back as an array or a tensor."""
    array = numbers(function, name, values)
    if array.ndim < 2:
        raise ValueError(f"{function}: {name} has shape {tuple(array.shape)}; expected (n_stimuli, n_features)")
    n, p = array.shape[-2:]
    if n < MINIMUM_STIMULI:
        raise ValueError(f"{function}: {name} has {count(n, 'row')} (stimuli); at least {MINIMUM_STIMULI} are needed")
    if p < least_columns:
        raise ValueError(f"{function}: {name} has {count(p, 'column')} (voxels or units); at least {least_columns} "
                         f"{'is' if least_columns == 1 else 'are'} needed")
    if math.prod(array.shape) and not (math.isfinite(array.min()) and math.isfinite(array.max())):
        places = np.ndindex(*array.shape[:-1])
        labels = [f"[{', '.join(map(str, matrix))}] {row}" for *matrix, row in places] if array.ndim > 2 else None
        finite(function, name, array, labels=labels, what="rows",
               remedy="leave these stimuli out, or the columns (voxels) that hold no data")
    return array


def numbers(function, name, values):
    """`values` as a numeric NumPy array in this machine's byte order, or as the tensor that it is, without its gradient."""
    if is_tensor(values):
        if values.is_complex():
            raise ValueError(f"{function}: {name} holds complex numbers ({values.dtype}); expected real ones")
        return values.detach() if values.requires_grad else values
    try:
        array = np.asarray(values)
    except ValueError as error:                                                      # rows of unequal length
        raise ValueError(f"{function}: {name} is no rectangular array of numbers ({error})") from error
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{function}: {name} is {type(values).__name__} of type {array.dtype}; "
                         "expected an array of real numbers")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def finite(function, name, array, *, labels=None, what="RDMs", remedy="leave them out; nothing is averaged over NaN silently"):
    """Check that no value is NaN or infinite; returns the smallest and the largest value of every row, both (n_rows,) float64."""
    low, high = _extremes(array)
    nan = np.isnan(low) | np.isnan(high)
    infinite = ~nan & (np.isinf(low) | np.isinf(high))
    found = [f"{kind} in {_rows(bad, labels, what)}" if array.ndim > 1 else kind
             for kind, bad in (("NaN", nan), ("infinity", infinite)) if bad.any()]
    if found:
        raise ValueError(f"{function}: {name} has {' and '.join(found)}; {remedy}")
    return low, high


def directions(function, name, defined, *, metric, clipped):
    """Check that every row has a direction, told by `defined` (n_rows,) bool: a constant row has no correlation, a zero row no
    cosine."""
    if not defined.all():
        what = {"correlation": "constant", "cosine": "zero"}[metric]
        raise ValueError(f"{function}: {name} is {what}{' after clipping' if clipped else ''} (to the precision of its type) in "
                         f"{_rows(~defined, None, 'rows')}; the {metric} with such a row is undefined, leave these stimuli out")


def option(function, name, value, allowed):
    """Check a keyword that is one of a few words."""
    if isinstance(value, str) and value in allowed:
        return value
    near = difflib.get_close_matches(str(value).lower(), [str(a) for a in allowed], n=1, cutoff=0.5)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"{function}: {name}={value!r} is unknown; {meant}Choose from: {', '.join(map(repr, allowed))}")


def number(function, name, value, *, low, high):
    """Check a real number with low <= value < high; it comes back as a float."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not low <= found < high:
        raise ValueError(f"{function}: {name}={value!r}; expected a number from {low} to below {high}")
    return found


def whole_number(function, name, value, *, at_least):
    """Check a count; it comes back as an int. True, 3.5 and "3" are not counts."""
    try:
        found = at_least - 1 if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        found = at_least - 1
    if found < at_least:
        raise ValueError(f"{function}: {name}={value!r}; expected a whole number, at least {at_least}")
    return found


def one_per_stimulus(function, name, values, n):
    """Check a vector with one entry per stimulus, such as the image that it shows; it comes back as an (n,) NumPy array."""
    array = np.asarray(values.cpu() if is_tensor(values) else values)
    if array.shape != (n,):
        found = count(len(array), "entry", "entries") if array.ndim == 1 else f"shape {array.shape}"
        raise ValueError(f"{function}: {name} has {found}, the RDMs have {n:,} stimuli; "
                         f"give one entry per stimulus, shape ({n},)")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(f"{function}: {name} has NaN at stimuli {_ranges(np.flatnonzero(np.isnan(array)))}; "
                         "every stimulus needs an entry")
    return array


def relabellings(function, name, values, n):
    """Check a stack of permutations of the n stimuli; it comes back as an (n_permutations, n) int64 NumPy array."""
    array = np.asarray(values.cpu() if is_tensor(values) else values)
    if array.ndim != 2 or array.shape[1] != n or array.dtype.kind not in "iu":
        raise ValueError(f"{function}: {name} has shape {array.shape} and type {array.dtype}; expected whole numbers, shape "
                         f"(n_permutations, {n}): a row holds the new order of the {n} stimuli")
    wrong = np.flatnonzero((np.sort(array, axis=1) != np.arange(n)).any(axis=1))
    if len(wrong):
        raise ValueError(f"{function}: {name} has rows that are no permutation of 0 ... {n - 1}: {_ranges(wrong)}")
    return array.astype(np.int64, copy=False)


def has_columns(function, name, table, columns):
    """Check that a DataFrame has all these columns."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"{function}: {name} lacks the {'column' if len(missing) == 1 else 'columns'} {', '.join(missing)}; "
                         f"it has {', '.join(map(str, table.columns))}")


def n_stimuli(n_pairs):
    """How many stimuli a condensed RDM of `n_pairs` pairs has: the n with n (n - 1) / 2 = n_pairs.

    Raises
    ------
    ValueError
        There is no such n.

    Examples
    --------
    >>> n_stimuli(4186)
    92
    """
    n = (1 + math.isqrt(1 + 8 * n_pairs)) // 2
    if n * (n - 1) // 2 != n_pairs:
        raise ValueError(f"{n_pairs:,} pairs, which is no n (n - 1) / 2: {n:,} stimuli have {n * (n - 1) // 2:,} pairs, "
                         f"{n + 1:,} have {(n + 1) * n // 2:,}")
    return n


def count(number, one, many=None):
    """'1 row', '4,186 rows'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _condensed_size(function, name, array):
    """Number of stimuli of one argument, from its shape."""
    shape = tuple(array.shape)
    if _is_square_rdm(array):
        m = shape[-1]
        raise ValueError(f"{function}: {name} has shape {shape} and looks like square RDMs of {count(m, 'stimulus', 'stimuli')}; "
                         f"pass the upper triangle instead: i, j = numpy.triu_indices({m}, 1); {name}[..., i, j]")
    if len(shape) not in (1, 2):
        raise ValueError(f"{function}: {name} has shape {shape}; expected condensed RDMs, (n_rdms, n_pairs) or (n_pairs,)")
    try:
        n = n_stimuli(shape[-1])
    except ValueError as error:
        raise ValueError(f"{function}: {name} has {error}") from None
    if n < MINIMUM_STIMULI:
        raise ValueError(f"{function}: {name} has {_pairs(n)}; at least {MINIMUM_STIMULI} stimuli are needed")
    return n


def _is_square_rdm(array):
    """(m, m) or (k, m, m), symmetric with a zero diagonal: somebody forgot to take the triangle."""
    if array.ndim not in (2, 3) or array.shape[-1] != array.shape[-2] or not math.prod(array.shape):
        return False
    square = array if array.ndim == 2 else array[0]
    return not bool((square.diagonal() != 0).any()) and not bool((square != square.T).any())


def _not_constant(function, name, array, low, high, labels, what):
    # A constant RDM that went through arithmetic differs in its last digits; what differs by more is left to the user.
    epsilon = _epsilon(array)
    constant = high - low <= 4 * epsilon * np.maximum(abs(low), abs(high))
    if constant.any():
        where = f" in {_rows(constant, labels, what)}" if array.ndim == 2 else ""
        raise ValueError(f"{function}: {name} is constant{where}; the similarity with a constant RDM is undefined, leave it out")


def _epsilon(array):
    if is_tensor(array):
        import torch
        return torch.finfo(array.dtype).eps if array.dtype.is_floating_point else 0.0
    return np.finfo(array.dtype).eps if array.dtype.kind == "f" else 0.0


def _extremes(array):
    """Smallest and largest value of every row as float64; both are NaN where a row holds NaN."""
    rows = array.reshape(-1, array.shape[-1])
    if is_tensor(rows):
        return tuple(x.double().cpu().numpy() for x in (rows.amin(-1), rows.amax(-1)))
    with np.errstate(invalid="ignore"):
        return rows.min(axis=-1).astype(np.float64), rows.max(axis=-1).astype(np.float64)


def _pairs(n):
    return f"{count(n * (n - 1) // 2, 'pair')} ({count(n, 'stimulus', 'stimuli')})"


def _rows(bad, labels, what):
    """'3 of 180 ROIs: V1, MST, 52'; every offender is listed, neighbours as a range."""
    found = np.flatnonzero(bad)
    listed = _ranges(found) if labels is None else ", ".join(str(labels[k]) for k in found)
    return f"{len(found):,} of {len(bad):,} {what}: {listed}"


def _ranges(indices):
    """[0, 1, 2, 7] -> '0-2, 7'."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
