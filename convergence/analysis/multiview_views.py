"""What multi-view CCA needs of one view: its smoother, and the way from there back to coefficients.

Of a centred kernel K (n, n) and a penalty k (mode "A"), with G = (1 - k) K + k I, the smoother is S = inv(G) K, symmetric with
eigenvalues s / ((1 - k) s + k) where K has s. Every view has `smooth(z)` = S z, and coefficients that give these scores of new
stimuli, too:

    Whole(kernel, penalty)              any kernel; one Cholesky factorisation, no eigendecomposition
    Spectrum(kernel, penalty, tol)      small singular values dropped, or no penalty; one eigendecomposition
    Features(features, penalty)         K = L L' with few columns L; one small Cholesky factorisation

`Spectrum` and `Features` also have `factor`, R with S = R R'. Everything is a float64 tensor.
"""

import torch


class View:
    """n_stimuli and device: where the scores lie."""

    def __init__(self, like):
        self.n_stimuli, self.device = len(like), like.device


class Whole(View):
    """A centred kernel as it is; 0 < penalty <= 1. The kernel's memory is used up."""

    def __init__(self, kernel, penalty):
        super().__init__(kernel)
        self._cholesky = None
        if penalty == 1:                                            # then G = I
            self._smoother = kernel
            return
        regularized = kernel.mul_(1 - penalty)
        regularized.diagonal().add_(penalty)
        self._cholesky = torch.linalg.cholesky(regularized)
        self._smoother = torch.cholesky_inverse(self._cholesky).mul_(-penalty / (1 - penalty))
        self._smoother.diagonal().add_(1 / (1 - penalty))

    def smooth(self, z):
        return self._smoother @ z

    def coefficients(self, z):
        """(n, k) alpha with K alpha = S z."""
        return z if self._cholesky is None else torch.cholesky_solve(z, self._cholesky)


class Spectrum(View):
    """A centred kernel without the eigenvalues of K / n at or below `tol`, and without what rounding cannot tell from 0."""

    def __init__(self, kernel, penalty, tol=0.0):
        super().__init__(kernel)
        values, vectors = torch.linalg.eigh(kernel)
        kept = values > max(tol * len(kernel), float(values[-1]) * len(kernel) * torch.finfo(values.dtype).eps)
        self.largest = float(values[-1]) / len(kernel)
        values, vectors = values[kept], vectors[:, kept]
        regularized = (1 - penalty) * values ** 2 + penalty * values
        self.factor = vectors * (values / regularized.sqrt())
        self._vectors, self._inverse = vectors, values / regularized

    def smooth(self, z):
        return self.factor @ (self.factor.T @ z)

    def coefficients(self, z):
        """(n, k) alpha with K alpha = S z."""
        return self._vectors @ (self._inverse[:, None] * (self._vectors.T @ z))


class Features(View):
    """A kernel that is the product L L' of centred features L (n, m); 0 < penalty <= 1."""

    def __init__(self, features, penalty):
        super().__init__(features)
        self._features = features
        regularized = (1 - penalty) * (features.T @ features)
        regularized.diagonal().add_(penalty)
        self._cholesky = torch.linalg.cholesky(regularized)
        self.factor = torch.linalg.solve_triangular(self._cholesky.T, features, upper=True, left=False)

    def smooth(self, z):
        return self.factor @ (self.factor.T @ z)

    def coefficients(self, z):
        """(m, k) weights of the features, with L weights = S z."""
        return torch.cholesky_solve(self._features.T @ z, self._cholesky)


class Factored(View):
    """A view of which only a factor is known."""

    def __init__(self, factor):
        super().__init__(factor)
        self.factor = factor

    def smooth(self, z):
        return self.factor @ (self.factor.T @ z)


class Embedded(View):
    """A view that has some of the stimuli only: its scores are 0 elsewhere."""

    def __init__(self, view, rows):
        super().__init__(rows)
        self._view, self._rows = view, rows
        if hasattr(view, "factor"):
            self.factor = self._spread(view.factor)

    def smooth(self, z):
        return self._spread(self._view.smooth(z[self._rows]))

    def coefficients(self, z):
        return self._view.coefficients(z[self._rows])

    def _spread(self, values):
        spread = values.new_zeros(len(self._rows), values.shape[1])
        spread[self._rows] = values
        return spread
