"""The largest eigenvalues of multi-view CCA, without the (views x stimuli)^2 matrix.

Mode A of kernel multi-view CCA reads, with view scores u_a and smoothers S_a (multiview_views.py),

    (l - 1) u_a = S_a sum_{b != a} u_b .

Put u_a = S_a z_a: the operator that takes z to "the sum of the other views' S z" is symmetric in the inner product z' S z, and
costs one product with each smoother. Small problems, whose views have factors R_a with S_a = R_a R_a', are solved as one dense
matrix of blocks R_a' R_b. Others by a block Rayleigh-Ritz iteration that starts from the top directions of sum_a S_a, which
nearly are the answer.
"""

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning

DENSE = 1_500                   # columns of all factors together up to which the dense eigenproblem is the faster one
RESIDUAL = 3e-5                 # relative to the eigenvalue, which is then right to about 1e-6
GUARDS = 2                      # directions beyond those asked for that are carried along
KEPT, LARGEST = 3, 6            # blocks that a restart keeps of the basis, and blocks at which it restarts
POWER_STEPS = 8
STILL, LATELY = 1e-7, 20        # also done: eigenvalues that moved by no more than this (relative) over so many steps
MOST_STEPS = 500


def top_directions(views, n_components, generator):
    """Largest eigenvalues, and where the scores come from.

    Parameters
    ----------
    views : list of objects with smooth(z), and maybe factor
    n_components : int
    generator : torch.Generator
        On the CPU; draws the start of the iteration.

    Returns
    -------
    eigenvalues : (n_components,) tensor, descending; 1: nothing is shared, n_views: the views agree wholly
    sources : (n_views, n, n_components) tensor z, with view scores S_a z_a, so that sum_a z_a' S_a z_a = 1 for each component

    Warns
    -----
    ConvergenceWarning
        After MOST_STEPS steps; the message says how well the eigenvalues are known.

    Notes
    -----
    Where a little penalty meets many more voxels than stimuli, the eigenvalues of noise lie so close together that their single
    directions are not determined; the iteration then ends when the eigenvalues stand still.
    """
    factors = [getattr(view, "factor", None) for view in views]
    if all(f is not None for f in factors) and sum(f.shape[1] for f in factors) <= max(DENSE, 4 * n_components):
        return _dense(factors, n_components)
    return _iterate(views, n_components, generator)


def largest(views, generator):
    """The largest eigenvalue alone, as a float."""
    factors = [view.factor for view in views]
    if sum(factor.shape[1] for factor in factors) <= DENSE:
        return 1 + float(torch.linalg.eigvalsh(_blocks(factors))[-1])
    return float(_iterate(views, 1, generator)[0])


def _dense(factors, n_components):
    values, vectors = torch.linalg.eigh(_blocks(factors))
    values, vectors = values[-n_components:].flip(0), vectors[:, -n_components:].flip(1)
    scores = torch.stack([factor @ w for factor, w in zip(factors, vectors.split([f.shape[1] for f in factors]))])
    return 1 + values, _others(scores) / values


def _blocks(factors):
    """The dense matrix: R_a' R_b off the diagonal, 0 on it."""
    stacked, end = torch.cat(factors, dim=1), 0
    matrix = stacked.T @ stacked
    for factor in factors:
        start, end = end, end + factor.shape[1]
        matrix[start:end, start:end] = 0
    return matrix


def _iterate(views, n_components, generator):
    width = n_components + GUARDS
    basis, smoothed = _orthonormal(*_start(views, width, generator))
    history = []
    for _ in range(MOST_STEPS):
        values, vectors = torch.linalg.eigh(_products(smoothed, _others(smoothed)))
        if len(values) > LARGEST * width:                           # restart from the best, without the rounding so far
            basis = basis @ vectors[:, -KEPT * width:]
            basis, smoothed = _orthonormal(basis, _smooth(views, basis))
            values, vectors = torch.linalg.eigh(_products(smoothed, _others(smoothed)))
        values, vectors = values[-width:].flip(0), vectors[:, -width:].flip(1)
        sources, scores = basis @ vectors, smoothed @ vectors
        residuals = _others(scores) - sources * values
        residuals = residuals - residuals.mean(1, keepdim=True)     # S is 0 along the constant, where rounding would gather
        smoothed_residuals = _smooth(views, residuals)
        sizes = (residuals * smoothed_residuals).sum((0, 1)).clamp(min=0).sqrt()
        error = (sizes / values.abs())[:n_components].max()
        history.append(values[:n_components])
        if float(error) <= RESIDUAL or _stands_still(history):
            return 1 + values[:n_components], sources[..., :n_components]
        for _ in range(2):                                          # twice is enough for orthogonality to rounding
            overlap = _products(smoothed, residuals)
            residuals, smoothed_residuals = _orthonormal(residuals - basis @ overlap, smoothed_residuals - smoothed @ overlap)
        basis, smoothed = torch.cat([basis, residuals], 2), torch.cat([smoothed, smoothed_residuals], 2)
    warnings.warn(f"KMCCA: {MOST_STEPS} steps did not separate {n_components} components; eigenvalues are known to a "
                  f"relative {float(error):.0e}. Ask for fewer components, or for more regularization", ConvergenceWarning,
                  stacklevel=2)
    return 1 + values[:n_components], sources[..., :n_components]


def _stands_still(history):
    return len(history) > LATELY and bool(((history[-1] - history[-1 - LATELY]).abs() <= STILL * history[-1].abs()).all())


def _start(views, width, generator):
    """The top directions x of sum_a S_a by subspace iteration, the same in every view, and S_a x."""
    n = views[0].n_stimuli
    x = torch.randn(n, min(width, n), generator=generator, dtype=torch.float64).to(views[0].device)
    for _ in range(POWER_STEPS):
        x = torch.linalg.qr(sum(view.smooth(x) for view in views))[0]
    basis = x.expand(len(views), *x.shape)
    return basis, _smooth(views, basis)


def _smooth(views, z):
    return torch.stack([view.smooth(part) for view, part in zip(views, z)])


def _others(scores):
    """Of every view the sum of the others'."""
    return scores.sum(0) - scores


def _products(x, y):
    """(k, k) inner products over views and stimuli."""
    return x.flatten(0, 1).T @ y.flatten(0, 1)


def _orthonormal(basis, smoothed):
    """The same span with z' S z = 1; directions that rounding cannot tell from 0 are left out."""
    values, vectors = torch.linalg.eigh(_products(basis, smoothed))
    kept = values > 1e-14 * values[-1].clamp(min=1e-300)
    vectors = vectors[:, kept] / values[kept].sqrt()
    return basis @ vectors, smoothed @ vectors
