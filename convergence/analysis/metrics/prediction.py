"""How well one matrix predicts the other where it was not fitted: linear_predictivity.

Ridge regression in its dual form: the cost does not depend on how wide the matrices are.
"""

import numpy as np

from convergence.analysis import validation
from convergence.analysis.metrics.registry import register_metric
from convergence.compute.device import enter

ALPHAS = 10.0 ** np.arange(-4, 5)           # times the mean squared length of the centred training rows


@register_metric
def linear_predictivity(x, y, *, n_folds=5, alphas=None, groups=None, seed=0):
    """From -1 to 1, larger is more alike: mean correlation of columns of y with ridge predictions from x. Not symmetric.

    Parameters
    ----------
    x : (n, p) array or tensor
        Predicts.
    y : (n, q) array or tensor
        Is predicted; columns with one value in all rows are left out.
    n_folds : int
        Parts of the stimuli; each is predicted from the others.
    alphas : sequence of float, optional
        Penalties, one of which is chosen in the training rows by their leave-one-out error (for all columns together). Default:
        ALPHAS times the mean squared length of the centred training rows, so that scaling x changes nothing.
    groups : (n,) array, optional
        The image of every row: rows of one image stay in one part. Without it, repetitions of an image predict each other.
    seed : int
        Of the parts.

    Raises
    ------
    ValueError
        Fewer than two stimuli (groups) in a part, all columns of y constant, a penalty that is not above 0.

    Notes
    -----
    Correlations within a part, averaged over parts, then over columns; 0 for a column that is constant in a part or predicted
    as constant. Computed in float64. Cost: n^2 p + n^3 for each part.
    """
    import torch

    _, x, y = enter(x, y)
    x, y = x.double(), y.double()
    y = y - y.mean(0)
    y = y[:, y.norm(dim=0) > 1e-12 * y.norm(dim=0).max()]
    if y.shape[1] == 0:
        raise ValueError("linear_predictivity: every column of y has one value in all rows, so that there is nothing to predict")
    if alphas is not None and not min(alphas) > 0:
        raise ValueError(f"linear_predictivity: alphas={alphas!r}; expected numbers above 0")
    fold = torch.as_tensor(_folds(len(x), n_folds, groups, seed), device=x.device)
    scores = [_correlations(y[fold == k], _predicted(x[fold != k], y[fold != k], x[fold == k], alphas)) for k in range(n_folds)]
    return float(torch.stack(scores).mean())


def _folds(n, n_folds, groups, seed):
    """Part of every row."""
    groups = np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    n_folds = validation.whole_number("linear_predictivity", "n_folds", n_folds, at_least=2)
    if len(groups) != n:
        raise ValueError(f"linear_predictivity: groups has {len(groups)} entries, x has {n} rows; give one entry per row")
    n_groups = groups.max() + 1
    if n_groups < 2 * n_folds:
        raise ValueError(f"linear_predictivity: {n_groups} stimuli in n_folds={n_folds} parts; at least two in each are needed, "
                         f"give n_folds of at most {n_groups // 2} (2 or more), or more stimuli")
    return (np.random.default_rng(seed).permutation(n_groups) % n_folds)[groups]


def _predicted(x, y, new, alphas):
    """Ridge predictions for new rows, with the penalty that has the smallest leave-one-out error."""
    import torch

    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    values, vectors = torch.linalg.eigh(x @ x.T)
    values = values.clamp(min=0)
    if alphas is None:
        alphas = ALPHAS * max(float(values.mean()), torch.finfo(x.dtype).tiny)
    projected = vectors.T @ y
    errors = [float(_leave_one_out(values, vectors, projected, y, alpha)) for alpha in alphas]
    alpha = float(alphas[int(np.argmin(errors))])
    return mean_y + (new - mean_x) @ x.T @ (vectors @ (projected / (values + alpha)[:, None]))


def _leave_one_out(values, vectors, projected, y, alpha):
    """Mean squared error of rows predicted from the others: residual / (1 - leverage); the intercept has a leverage of 1/n."""
    shrunk = values / (values + alpha)
    leverage = (vectors ** 2) @ shrunk + 1 / len(y)
    return (((y - vectors @ (shrunk[:, None] * projected)) / (1 - leverage)[:, None]) ** 2).mean()


def _correlations(y, predicted):
    """Pearson r of every column; 0 where one of the two is constant."""
    import torch

    y, predicted = y - y.mean(0), predicted - predicted.mean(0)
    lengths = y.norm(dim=0) * predicted.norm(dim=0)
    return torch.where(lengths > 1e-12 * lengths.max().clamp(min=1e-300), (y * predicted).sum(0) / lengths.clamp(min=1e-300), 0.0)
