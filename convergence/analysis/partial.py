"""What two RDMs share beyond some control RDMs: partial representational similarity analysis.

    partial_rsa(a, b, controls)                 # all controls at once: the similarity of what they leave of a and of b
    products = products_with_controls(a, b, c)  # sums over pairs, taken once ...
    partial_of(products, [0, 2])                # ... serve every choice of the controls

The partial correlation of a and b is the correlation of their residuals after regression on the controls and a constant. No
residual is formed: with u, v the centred RDMs and Q an orthonormal basis of the centred controls,

    r = (u.v - uQ.vQ) / sqrt((u.u - uQ.uQ) (v.v - vQ.vQ))

so that k controls cost (n_a + n_b) k products on top of the n_a n_b of plain RSA. Controls that follow from others add nothing.
"""

from typing import NamedTuple

import numpy as np

from convergence.analysis import validation
from convergence.analysis.similarity import METHODS, prepared_sums, rsa
from convergence.compute.device import is_tensor
from convergence.compute.gram import enter_native

_LEFT = 1e-6                # of its variance: what the controls leave less of is rounding


class Products(NamedTuple):
    """Sums over pairs of products of prepared RDMs, NumPy float64: a with b, a with itself, b with itself, with the controls,
    ..."""

    ab: np.ndarray          # (n_a, n_b), or (n,) if paired
    aa: np.ndarray          # (n_a,)
    bb: np.ndarray          # (n_b,)
    ac: np.ndarray          # (n_a, n_controls)
    bc: np.ndarray          # (n_b, n_controls)
    cc: np.ndarray          # (n_controls, n_controls)
    paired: bool


def partial_rsa(a, b, controls, *, method="pearson", paired=False):
    """Similarity of RDMs after the controls were taken out of both.

    Parameters
    ----------
    a : (n_a, n_pairs) or (n_pairs,) array or tensor
    b : (n_b, n_pairs) or (n_pairs,) array or tensor
        RDMs of the same stimuli in the same order, as for `rsa`.
    controls : (n_controls, n_pairs) or (n_pairs,) array or tensor
        Taken out all at once; with none, (0, n_pairs), the result is that of `rsa`.
    method : {"pearson", "spearman", "rho_a", "cosine"}
        See `rsa`: for "spearman" and "rho_a" the ranks are partialled ("rho_a" then equals "spearman", as a residual has no
        ties); for "cosine" there is no constant.
    paired : bool
        Compare the k-th RDM of `a` with the k-th of `b` only.

    Returns
    -------
    As `rsa`.

    Raises
    ------
    ValueError
        As for `rsa`; also where the controls leave nothing of an RDM.

    Notes
    -----
    Work: 2 (n_a n_b + (n_a + n_b) n_controls) n_pairs. For one control this is (r_ab - r_ac r_bc) / sqrt((1 - r_ac^2)(1 -
    r_bc^2)), the partial correlation of arXiv 2507.13941; Legendre (2000), J. Stat. Comput. Simul. 67:37.

    Examples
    --------
    >>> import numpy as np
    >>> clock, truth, *noise = np.random.default_rng(0).standard_normal((4, 4950))
    >>> a, b = clock + truth + noise[0], clock + truth + noise[1]
    >>> from convergence.analysis.similarity import rsa
    >>> print(round(rsa(a, b), 1), round(partial_rsa(a, b, clock), 1))      # 2/3; without what the clock explains 1/2
    0.7 0.5
    """
    validation.option("partial_rsa", "method", method, METHODS)
    if len(controls) == 0 and getattr(controls, "ndim", 2) == 2:
        return rsa(a, b, method=method, paired=paired)
    (a, b, controls), _ = validation.rdm_stacks("partial_rsa", a=a, b=b, controls=controls)
    axes = [x.ndim - 1 for x in (a, b)]
    out, x, y, c = enter_native(*(s.reshape(-1, s.shape[-1]) for s in (a, b, controls)))
    if paired and len(x) != len(y):
        raise ValueError("partial_rsa: paired=True compares the k-th RDM of a with the k-th of b, "
                         f"but a has {len(x):,} and b has {len(y):,}")
    found, lost_a, lost_b = partial_of(products_with_controls(x, y, c, method=method, paired=paired))
    for name, lost in (("a", lost_a), ("b", lost_b)):
        if lost.any():
            raise ValueError(f"partial_rsa: the controls explain all of {name} in {', '.join(map(str, np.flatnonzero(lost)))} of "
                             f"{validation.count(len(lost), 'RDM')}; nothing is left to compare, leave it or the control out")
    if not any(axes):
        return float(found.reshape(-1)[0])
    found = found if paired else found.reshape([n for n, axis in zip(found.shape, axes) if axis])
    if is_tensor(x):
        return out(x.new_tensor(found))
    return out(found.astype(x.dtype))


def products_with_controls(a, b, controls, *, method="pearson", paired=False):
    """The sums that every partial similarity of two stacks needs, in one pass over the pairs.

    Parameters
    ----------
    a, b, controls : (n, n_values) arrays or tensors of one library and type, finite
        RDMs over the same pairs; these need not be all pairs of some stimuli.
    method, paired
        As for `partial_rsa`.

    Returns
    -------
    Products
    """
    sums = prepared_sums(a, b, controls, method=method, paired=paired)
    return Products(*(np.asarray(value.cpu() if is_tensor(value) else value) for value in sums), paired)


def partial_of(products, chosen=None):
    """Similarities with some of the controls (their numbers; default: all) taken out.

    Returns
    -------
    r : (n_a, n_b) or (n,) float64, from -1 to 1; NaN where nothing is left
    lost_a, lost_b : (n_a,), (n_b,) bool
        RDMs of which the controls leave nothing.
    """
    chosen = list(range(len(products.cc))) if chosen is None else list(chosen)
    basis = _orthonormal(products.cc[np.ix_(chosen, chosen)])
    on_a, on_b = products.ac[:, chosen] @ basis, products.bc[:, chosen] @ basis
    left_a, left_b = products.aa - (on_a ** 2).sum(1), products.bb - (on_b ** 2).sum(1)
    lost_a, lost_b = left_a <= _LEFT * products.aa, left_b <= _LEFT * products.bb
    length_a, length_b = (np.sqrt(np.where(lost, np.nan, left)) for left, lost in ((left_a, lost_a), (left_b, lost_b)))
    if products.paired:
        shared, length = products.ab - (on_a * on_b).sum(1), length_a * length_b
    else:
        shared, length = products.ab - on_a @ on_b.T, np.outer(length_a, length_b)
    return np.clip(shared / length, -1, 1), lost_a, lost_b


def _orthonormal(gram):
    """(k, k) inner products of the controls -> (k, rank) coefficients of an orthonormal basis of what they span."""
    scale = np.sqrt(np.where(np.diag(gram) > 0, np.diag(gram), 1))
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    real = values > 1e-10 * max(len(gram), 1)
    return vectors[:, real] / np.sqrt(values[real]) / scale[:, None]
