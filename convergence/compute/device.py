"""What came in, where to compute, and in which type.

    out, a, b = enter(a, b, device=device)      # tensors where the work happens; out: the way back to the caller's library and device
    return out(a @ b.T)

NumPy in gives NumPy out, torch in gives torch out on the same device. "auto" stays where a tensor lies, and takes a GPU for NumPy input when
there is one. float64 (and wide integers) are computed in float64, everything else in float32.
"""

import sys

import numpy as np


def enter(*arrays, device="auto"):
    """Bring arrays to one device and type.

    Parameters
    ----------
    *arrays : array_like, torch.Tensor or None
        NumPy arrays, whatever ``numpy.asarray`` takes, or tensors. None is handed through.
    device : {"auto", "cpu", "cuda", "cuda:1", ...}
        Where to compute.

    Returns
    -------
    out : callable
        Takes a tensor back to the caller's library and device.
    *tensors : torch.Tensor
        float32, or float64 if any input was float64 or an integer wider than 16 bits.

    Raises
    ------
    ValueError
        The device does not exist here, or an input is not numeric.
    """
    import torch

    tensors = [x if x is None or is_tensor(x) else _from_numpy(x) for x in arrays]
    given = [x for x in arrays if is_tensor(x)]
    where = resolve(device, like=given[0] if given else None)
    wide = any(x is not None and x.dtype in (torch.float64, torch.int64, torch.int32) for x in tensors)
    tensors = [None if x is None else x.to(device=where, dtype=torch.float64 if wide else torch.float32) for x in tensors]
    if given:
        return lambda result: result.to(given[0].device), *tensors
    return lambda result: result.detach().cpu().numpy(), *tensors


def resolve(device="auto", *, like=None):
    """The torch.device that `device` means here; "auto": where `like` lies, else the first GPU, else the CPU."""
    import torch

    if isinstance(device, str) and device == "auto":
        if like is not None:
            return like.device
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device: {device!r} is not a device; use 'auto', 'cpu', 'cuda' or 'cuda:<number>'") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: {device!r} was asked for, but torch finds no CUDA device here; use device='cpu' or device='auto'")
    return chosen


def is_tensor(x):
    """Whether x is a torch tensor; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def _from_numpy(x):
    import torch

    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"expected numbers, found an array of type {array.dtype}")
    if array.dtype.kind == "u" or array.dtype == np.longdouble:                     # torch has no arithmetic for these
        array = array.astype(np.float64 if array.dtype.itemsize > 2 else np.float32)
    return torch.from_numpy(np.require(array, requirements=["C", "W"]) if array.flags.writeable else array.copy())
