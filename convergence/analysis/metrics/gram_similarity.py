"""Metrics that compare how alike every two stimuli are in one matrix and in the other: rsa, cka, unbiased_cka.

All three are inner products of vectors of length 1 with an entry per pair of stimuli: distances minus their mean (rsa), entries
of the centred Gram matrix (cka), entries above its diagonal, centred without bias (unbiased_cka). A stack of matrices is
compared with a stack by one matrix product.
"""

import math

from convergence.analysis.metrics import kernels
from convergence.analysis.metrics.registry import in_parts, pair, register_metric
from convergence.analysis.rdm import compute_rdm, select_stimuli
from convergence.analysis.similarity import rsa_of_units, unit
from convergence.compute.gram import condense


def _rdm_units(x, metric="correlation", method="pearson", clip=None):
    return unit(compute_rdm(x, metric=metric, clip=clip), method=method)


@register_metric
@in_parts(_rdm_units, rsa_of_units, select_stimuli,
          is_pearson=lambda options: options.get("method", "pearson") in ("pearson", "spearman"))
def rsa(x, y, *, metric="correlation", method="pearson", clip=None):
    """From -1 to 1, larger is more alike: correlation of the two RDMs; 0 for unrelated ones.

    Parameters
    ----------
    x, y : (n, p), (n, q) tensors or arrays
    metric, clip
        Of the RDMs: see `convergence.compute_rdm`.
    method : {"pearson", "spearman", "rho_a", "cosine"}
        See `convergence.rsa`.

    Raises
    ------
    ValueError
        A constant row (with metric="correlation"), a constant RDM.

    Notes
    -----
    Kriegeskorte, Mur & Bandettini (2008), Front. Syst. Neurosci. 2:4. Cost: n^2 (p + q).
    """
    return pair(rsa, x, y, metric=metric, method=method, clip=clip)


def _centred_units(x, kernel="linear", **parameters):
    """Diagonal, then the pairs times sqrt(2), of the centred Gram matrix: products of two are tr(KHLH). Length 1."""
    import torch

    k = kernels.centre(_gram(x, kernel, parameters))
    return _length_one(torch.cat([k.diagonal(), math.sqrt(2) * _condensed(k)]), kernel, k.diagonal().abs().max())


def _relabel_centred(stack, order):
    import torch

    n = len(order)
    rows = torch.as_tensor(order, device=stack.device)
    return torch.cat([stack[:, rows], select_stimuli(stack[:, n:], order)], dim=1)


@register_metric
@in_parts(_centred_units, rsa_of_units, _relabel_centred)
def cka(x, y, *, kernel="linear", **parameters):
    """From 0 to 1, larger is more alike: centred kernel alignment; above 0 by chance, the more the wider the matrices.

    Parameters
    ----------
    x, y : (n, p), (n, q) tensors or arrays
    kernel : {"linear", "rbf", "cosine", ...}
        One of kernels.KERNELS. "rbf": width by the median heuristic, gamma = 1 / (median squared distance), unless gamma= is
        given.
    **parameters
        Of the kernel.

    Raises
    ------
    ValueError
        An unknown kernel or parameter; all rows are alike.

    Notes
    -----
    tr(KHLH) / sqrt(tr(KHKH) tr(LHLH)) with H = 1 - 1/n: Kornblith et al. (2019), ICML, equations 2-4. With few stimuli and many
    columns it is near 1 for noise: take `unbiased_cka`, or `calibrate` it. (With sigmoid and correlation kernels that are not
    positive it can be below 0.) Cost: n^2 (p + q).
    """
    return pair(cka, x, y, kernel=kernel, **parameters)


def _unbiased_units(x, kernel="linear", **parameters):
    """Pairs of the U-centred Gram matrix: diagonal left out, rows sum to 0. Length 1."""
    k = _gram(x, kernel, parameters)
    scale = k.abs().max()
    n = len(k)
    k = k.fill_diagonal_(0)
    sums = k.sum(0) / (n - 2)
    k = k - sums[:, None] - sums + sums.sum() / (n - 1)
    return _length_one(_condensed(k), kernel, scale)


@register_metric
@in_parts(_unbiased_units, rsa_of_units, select_stimuli, is_pearson=lambda options: True)
def unbiased_cka(x, y, *, kernel="linear", **parameters):
    """From -1 to 1, larger is more alike: CKA without bias, 0 on average for unrelated matrices, however wide they are.

    Parameters
    ----------
    x, y, kernel, **parameters
        As of `cka`.

    Raises
    ------
    ValueError
        An unknown kernel or parameter; all rows are alike.

    Notes
    -----
    HSIC_u(K, L) / sqrt(HSIC_u(K, K) HSIC_u(L, L)) with the unbiased estimator of Song et al. (2012), JMLR 13:1393, equation 5.
    It is the inner product of U-centred matrices (Szekely & Rizzo 2014, Ann. Stat. 42:2382), and so never outside -1 to 1.
    Relabelling the stimuli of one gives 0 on average, exactly. Cost: n^2 (p + q).
    """
    return pair(unbiased_cka, x, y, kernel=kernel, **parameters)


def _gram(x, kernel, parameters):
    """The linear kernel of features without their mean: the same after centring, and large common offsets cost no digits."""
    return kernels.gram(kernel, x - x.mean(0) if kernel == "linear" else x, **parameters)


def _condensed(square):
    import torch
    return condense(square) if square.is_cuda else torch.from_numpy(condense(square.numpy()))


def _length_one(values, kernel, scale):
    """`scale`: the largest entry before the means were subtracted, of which rounding leaves something behind."""
    import torch

    length = values.double().norm()
    if not bool(values.abs().max() > 16 * torch.finfo(values.dtype).eps * scale):
        raise ValueError(f"cka: every two rows are equally alike to the {kernel} kernel, so that there is nothing to compare; "
                         "leave this matrix out")
    return values / length.to(values.dtype)
