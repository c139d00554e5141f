"""How well a perfect model could do: noise ceilings."""

from convergence.analysis import validation
from convergence.analysis.similarity import METHODS, centered_ranks, rsa, unit


def noise_ceiling(rdms, *, method="pearson"):
    """Bounds of the mean similarity with the subjects' RDMs that the best possible model would have.

    Every RDM is z-scored (for "cosine" only scaled, for "spearman" and "rho_a" replaced by its ranks). Lower bound: each
    subject with the mean of the other subjects; upper bound: each subject with the mean of all, which knows the subject's own
    noise. Both are averaged over subjects. A model within the bounds explains what the subjects share.

    Parameters
    ----------
    rdms : (n_subjects, n_pairs) array or tensor
        Condensed RDMs of one region, the same stimuli in all subjects.
    method : {"pearson", "spearman", "rho_a", "cosine"}
        See `rsa`.

    Returns
    -------
    lower, upper : float

    Raises
    ------
    ValueError
        Fewer than 2 subjects, and as for `rsa`.

    Notes
    -----
    With 2 subjects the lower bound is their similarity with each other. Nili et al. (2014), PLoS Comput. Biol.
    10:e1003553; as boot_noise_ceiling of rsatoolbox.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> shared, own = rng.standard_normal(4950), rng.standard_normal((4, 4950))
    >>> lower, upper = noise_ceiling(shared + own)      # r(s + n_1, s + mean of 3 n) = 1 / sqrt(2 (1 + 1/3)) = 0.61
    >>> print(round(lower, 2), round(upper, 2))
    0.61 0.79
    """
    validation.option("noise_ceiling", "method", method, METHODS)
    (rdms,), _ = validation.rdm_stacks("noise_ceiling", rdms=rdms, what="subjects")
    if rdms.ndim != 2 or len(rdms) < 2:
        raise ValueError(f"noise_ceiling: rdms has shape {tuple(rdms.shape)}; "
                         "expected (n_subjects, n_pairs) with at least 2 subjects")
    # Sums of ranks are exact in float64, so that equal ones stay equal and share their rank again.
    poolable = centered_ranks(rdms) if method in ("spearman", "rho_a") else unit(rdms, method=method)
    total = poolable.sum(0)
    others = total - poolable
    validation.rdm_stacks("noise_ceiling", **{"the mean of the other subjects": others}, what="subjects")
    return float(rsa(rdms, others, method=method, paired=True).mean()), float(rsa(rdms, total, method=method).mean())
