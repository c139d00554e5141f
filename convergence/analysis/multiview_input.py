"""How KMCCA's matrices become kernels: what is settled by the training stimuli and used again for new ones.

    tensors, present = check_views("KMCCA.fit", views, mask, device)
    kernel = kernel_of(x, rows, estimator, generator)       # of one view, over the stimuli (rows) that it has
    view = kernel.view(penalty, tol, small)                 # for the solver (multiview_views.py)
    kernel.with_training(new)                               # (n_new, ...): what the view's coefficients are multiplied with

Kernels are centred over the training stimuli and, with normalize=True, scaled to a trace of their number.
"""

import torch

from convergence.analysis import validation
from convergence.analysis.metrics.kernels import KERNELS, centre, gram, settle
from convergence.analysis.multiview_views import Embedded, Features, Spectrum, Whole


def check_views(function, views, mask, device, *, square=False, columns=None):
    """The views as float64 tensors, and which stimuli each has: a (n_views, n) bool tensor.

    Raises
    ------
    ValueError
        See KMCCA.fit and KMCCA.transform.
    """
    if not isinstance(views, (list, tuple)) and getattr(views, "ndim", 0) != 3:
        raise ValueError(f"{function}: views is {type(views).__name__}; expected a list of (n_stimuli, n_features) "
                         "matrices, one per view")
    least = 2 if columns is None else len(columns)
    if len(views) < least or columns is not None and len(views) > least:
        raise ValueError(f"{function}: found {validation.count(len(views), 'view')}; "
                         f"expected {'at least 2' if columns is None else f'the {least} that were fitted'}")
    arrays = [validation.numbers(function, f"views[{a}]", view) for a, view in enumerate(views)]
    for a, array in enumerate(arrays):
        if array.ndim != 2:
            raise ValueError(f"{function}: views[{a}] has shape {tuple(array.shape)}; expected (n_stimuli, n_features)")
    sizes = [len(array) for array in arrays]
    if len(set(sizes)) > 1:
        raise ValueError(f"{function}: the views have {', '.join(map(str, sizes))} stimuli; "
                         "give all views the same stimuli in the same order, and say in mask (n_views, n_stimuli) which of "
                         "them a view lacks")
    for a, array in enumerate(arrays):
        wanted = len(array) if square else columns[a] if columns is not None else array.shape[1]
        if array.shape[1] != wanted:
            raise ValueError(f"{function}: views[{a}] has {validation.count(array.shape[1], 'column')}; expected {wanted:,}"
                             + (", a Gram matrix of all stimuli (kernel='precomputed')" if square else ", as in fit"))
    present = _presence(function, mask, len(arrays), sizes[0], device)
    tensors = [torch.as_tensor(array, device=device).to(torch.float64) for array in arrays]
    for a, (x, rows) in enumerate(zip(tensors, present)):
        if columns is None and int(rows.sum()) < validation.MINIMUM_STIMULI:
            raise ValueError(f"{function}: views[{a}] has {validation.count(int(rows.sum()), 'stimulus', 'stimuli')}; "
                             f"at least {validation.MINIMUM_STIMULI} are needed")
        validation.finite(function, f"views[{a}]", x[rows], what="stimuli", remedy="leave these stimuli out, or say so in mask")
    return tensors, present


def kernel_of(x, rows, estimator, generator):
    """The kernel of one view (n, p) over its stimuli `rows` (n,) bool, with the estimator's options."""
    if estimator.max_rank is not None and estimator.max_rank < int(rows.sum()):
        return LandmarkKernel(x, rows, estimator, generator)
    return FullKernel(x, rows, estimator)


class FullKernel:
    """Every stimulus with every training stimulus."""

    def __init__(self, x, rows, estimator):
        self._rows, self._name = rows, estimator.kernel
        self._x = None if self._name == "precomputed" else x[rows]
        self._parameters = {} if self._x is None else settle(_known(self._name), self._x, estimator.kernel_params or {})
        self._kernel = self._raw(x[rows])
        self._means = self._kernel.mean(0)
        self._kernel = centre(self._kernel)
        self._scale = _scale(self._kernel.trace(), estimator.normalize, len(self._kernel))

    def view(self, penalty, tol, small):
        kernel, self._kernel = self._kernel.mul_(self._scale), None            # not needed again
        view = Spectrum(kernel, penalty, tol) if small or tol > 0 or penalty == 0 else Whole(kernel, penalty)
        return view if bool(self._rows.all()) else Embedded(view, self._rows)

    def with_training(self, x):
        kernel = self._raw(x)
        return (kernel - self._means - kernel.mean(1, keepdim=True) + self._means.mean()) * self._scale

    def _raw(self, x):
        return x[:, self._rows] if self._x is None else gram(self._name, x, self._x, **self._parameters)


class LandmarkKernel:
    """Nystrom features: every stimulus with `max_rank` training stimuli, turned so that their inner products are the kernel.

    Williams & Seeger (2001), Adv. Neural Inf. Process. Syst. 13:682-688.
    """

    def __init__(self, x, rows, estimator, generator):
        self._rows, self._name, x = rows, _known(estimator.kernel), x[rows]
        chosen = torch.randperm(len(x), generator=generator)[:estimator.max_rank].sort().values
        self._landmarks = x[chosen.to(x.device)]
        self._parameters = settle(self._name, self._landmarks, estimator.kernel_params or {})
        values, vectors = torch.linalg.eigh(gram(self._name, self._landmarks, **self._parameters))
        kept = values > 1e-12 * values[-1]
        self._turn, self._mean = vectors[:, kept] / values[kept].sqrt(), 0.0
        self._features = self._raw(x)
        self._mean = self._features.mean(0)
        self._features = self._features - self._mean
        self._scale = _scale((self._features ** 2).sum(), estimator.normalize, len(x)) ** 0.5

    def view(self, penalty, tol, small):
        features, self._features = self._features.mul_(self._scale), None
        view = Features(features, penalty)
        return view if bool(self._rows.all()) else Embedded(view, self._rows)

    def with_training(self, x):
        return (self._raw(x) - self._mean) * self._scale

    def _raw(self, x):
        return gram(self._name, x, self._landmarks, **self._parameters) @ self._turn


def _presence(function, mask, n_views, n, device):
    if mask is None:
        return torch.ones(n_views, n, dtype=torch.bool, device=device)
    present = torch.as_tensor(mask, device=device)
    if present.shape != (n_views, n) or present.dtype != torch.bool:
        raise ValueError(f"{function}: mask has shape {tuple(present.shape)} and type "
                         f"{str(present.dtype).removeprefix('torch.')}; expected ({n_views}, {n}) bool, True "
                         "where the view has the stimulus")
    return present


def _known(name):
    return validation.option("KMCCA", "kernel", name, (*KERNELS, "precomputed"))


def _scale(trace, normalize, n):
    if not float(trace) > 0:
        raise ValueError("KMCCA.fit: a view is constant: its stimuli cannot be told apart; leave it out")
    return n / float(trace) if normalize else 1.0
