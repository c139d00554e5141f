"""How many dimensions are shared: the stepwise permutation test.

    count_components(views, 5, n_permutations=1000)     # Components(eigenvalues, p, n_shared): p of the 1st, of the 2nd given it

At step k the k - 1 dimensions found before are taken out of every view; each view's stimuli are then relabelled on their own,
and the largest eigenvalue of what is left is compared with those of the relabelled views. Nothing is factorised again:
relabelling a view permutes the rows of its factor. Relabelling supposes that stimuli are exchangeable: average repetitions
first, and remove what is common to neighbours in time.
"""

from typing import NamedTuple

import numpy as np

from convergence.analysis import validation
from convergence.analysis.multiview import KMCCA
from convergence.compute.device import is_tensor, resolve


class Components(NamedTuple):
    """eigenvalues and p (k,) of the steps, p never falling; n_shared: how many steps in a row have p <= alpha."""
    eigenvalues: np.ndarray
    p: np.ndarray
    n_shared: int


def count_components(views, n_components=5, *, n_permutations=1_000, alpha=0.05, regularization=0.1, kernel="linear",
                     kernel_params=None, seed=0, device="auto"):
    """Stepwise permutation test of the number of shared dimensions.

    Parameters
    ----------
    views : list of (n, p_a) arrays or tensors
        The same n stimuli in the same order.
    n_components : int
        How many steps at most; they end after the first that is not significant.
    n_permutations : int
        Per step; the smallest p is 1 / (1 + n_permutations).
    alpha : float
    regularization, kernel, kernel_params : see KMCCA
    seed : int
    device : {"auto", "cpu", "cuda", ...}

    Returns
    -------
    Components
        As many entries as steps were made.

    Raises
    ------
    ValueError
        As KMCCA.fit.

    Notes
    -----
    After k - 1 dimensions are taken out, n - k directions are left in every view; they are relabelled in an
    orthonormal basis of that space, not as n dependent rows (Theil residuals), which keeps the error rate. p is the running
    maximum over the steps.

    Time: an n^3 eigendecomposition per view, then per relabelling the largest eigenvalue of a (n_views n)^2 matrix, or beyond
    1,500 of them some 100 products with the n x n factors: 5 ms for 3 views of 80 stimuli, 10 s for 8 views of 1,000.

    Winkler, Renaud, Smith & Nichols (2020), NeuroImage 220:117065, for two views; here for several, with their sum of
    covariances.
    """
    import torch
    from convergence.analysis.multiview_solver import largest, top_directions
    from convergence.analysis.multiview_views import Factored

    validation.whole_number("count_components", "n_permutations", n_permutations, at_least=1)
    validation.number("count_components", "alpha", alpha, low=0, high=1)
    estimator = KMCCA(n_components, kernel=kernel, kernel_params=kernel_params, regularization=regularization, device=device)
    where = resolve(device, like=next((x for x in views if is_tensor(x)), None))
    factors = _factors(views, estimator, where)
    generator = torch.Generator().manual_seed(seed)
    found, p = [], []
    for _ in range(validation.whole_number("count_components", "n_components", n_components, at_least=1)):
        trained = [Factored(factor) for factor in factors]
        value, sources = top_directions(trained, 1, generator)
        null = [largest([Factored(factor[torch.randperm(len(factor), generator=generator).to(where)]) for factor in factors],
                        generator) for _ in range(n_permutations)]
        found.append(float(value))
        p.append(max([*p[-1:], (1 + sum(x >= found[-1] for x in null)) / (1 + n_permutations)]))
        if p[-1] > alpha:
            break
        factors = [_without(view.smooth(z)[:, 0]) @ view.factor for view, z in zip(trained, sources)]
    return Components(np.array(found), np.array(p), sum(x <= alpha for x in p))


def _factors(views, estimator, where):
    """(n - 1, m_a) factors of the views' smoothers, in a basis of the space that centring leaves."""
    import torch
    from convergence.analysis.multiview_input import check_views, kernel_of

    estimator.check_options()
    tensors, present = check_views("count_components", views, None, where)
    kernels = [kernel_of(x, rows, estimator, None) for x, rows in zip(tensors, present)]
    spectra = [kernel.view(estimator.regularization, estimator.tol, small=True) for kernel in kernels]
    centred = _without(torch.ones(len(tensors[0]), dtype=torch.float64, device=where))
    return [centred @ view.factor for view in spectra]


def _without(vector):
    """(n - 1, n) orthonormal rows that are all orthogonal to a vector."""
    import torch
    n = len(vector)
    basis = torch.linalg.qr(torch.cat([vector[:, None], torch.eye(n, dtype=vector.dtype, device=vector.device)[:, 1:]], 1))[0]
    return basis[:, 1:].T
