"""Products of rows, for NumPy arrays on a CPU and tensors on a GPU alike.

    out, a, b = enter_native(a, b)                  # the way back; NumPy arrays on a CPU, tensors on a GPU
    condense(rows @ rows.T)                         # inner products of all pairs of rows, (n_pairs,)
    row_products(a, b), means(a)

NumPy's products and sorts are the faster ones on a CPU, and one library means one set of threads there. NumPy and BLAS see that
`rows @ rows.T` is symmetric and do half of the work; copying the triangle row by row is then cheaper than gathering it through
index arrays, which costs more than the product.
"""

import numpy as np

from convergence.compute.device import enter, is_tensor


def enter_native(*arrays, device="auto"):
    """`device.enter`, with NumPy arrays where the work happens on a CPU; `out` takes both."""
    import torch

    out, *tensors = enter(*arrays, device=device)
    if tensors[0].device.type == "cpu":
        tensors = [tensor.detach().numpy() for tensor in tensors]
    return lambda result: out(result if is_tensor(result) else torch.from_numpy(result)), *tensors


def condense(square):
    """The entries above the diagonal, row by row: (n, n) -> (n (n - 1) / 2,) in the order of numpy.triu_indices(n, 1)."""
    if is_tensor(square):
        import torch
        i, j = torch.triu_indices(len(square), len(square), 1, device=square.device)
        return square[i, j]
    from scipy.spatial.distance import squareform
    return squareform(square, checks=False)


def row_products(a, b):
    """Inner product of each row of `a` with the same row of `b`, (n, p), (n, p) -> (n,)."""
    if is_tensor(a):
        import torch
        return torch.linalg.vecdot(a, b)
    return np.einsum("ij,ij->i", a, b)


def means(rows):
    """Mean of every row, (n, p) -> (n,)."""
    if is_tensor(rows):
        return rows.mean(1)
    return rows @ np.ones(rows.shape[1], rows.dtype) / rows.shape[1]                # six times as fast for short rows


def as_type(array, dtype):
    """`array` in another type, given as the type of an array of the same library or by name: "float64"."""
    if is_tensor(array):
        import torch
        return array.to(getattr(torch, dtype) if isinstance(dtype, str) else dtype)
    return array.astype(dtype, copy=False)
