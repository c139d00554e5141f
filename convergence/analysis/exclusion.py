"""Which pairs of trials count: pairs that share an image, a run, a session, or a moment are left out of a similarity.

    rules = parse_rules(["same-image", "lag10"])
    kept = kept_pairs(rules, {"image": ..., "session": ..., "position": ...})         # (n_pairs,) bool, or None: all
    refuse_moments(rules)                               # closed forms only where relabelling leaves the excluded set unchanged
    masked_units(rdms, kept)                            # prepared RDMs, 0 at what is left out: r is a product, moments exact
    masked_null(a, b, kept_a, kept_b, relabellings)     # sampled null: a pair counts where both of its places count

Trials of one image share it whatever else is compared; trials of one run, session or minute share drift, attention and the
scanner's state, so that RDMs look alike where brains do not. Leaving pairs out is one cure, a control RDM (alignment/controls.py)
another, a shift of repetitions a third.
"""

import re

import numpy as np

from convergence.analysis import validation
from convergence.analysis.similarity import METHODS, unit_values
from convergence.compute.device import is_tensor

RULES = {"same-image": "image", "same-run": "run", "same-session": "session"}         # and the column that a pair must not share
_LAG = re.compile(r"lag<?(\d+)$")


def parse_rules(words):
    """The rules of `--exclude-pairs`, each once, in a fixed order; a ValueError names the unknown.

    Parameters
    ----------
    words : sequence of str
        "same-image", "same-run", "same-session", "lag10" (or "lag<10": fewer than 10 trials apart); several joined by "," are
        several.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> parse_rules(["lag<12,same-session"])
    ('same-session', 'lag12')
    """
    given, lags = [word for text in words or () for word in text.split(",") if word], []
    for word in given:
        lag = _LAG.match(word)
        if lag and int(lag[1]) > 1:
            lags.append(int(lag[1]))
        elif lag:
            raise ValueError(f"exclude-pairs: {word!r} leaves nothing out; lag2 leaves out neighbours in time, lag<K> pairs less "
                             "than K trials apart")
        else:
            validation.option("exclude-pairs", "rule", word, (*RULES, "lag<K>"))
    return (*(rule for rule in RULES if rule in given), *([f"lag{max(lags)}"] if lags else []))


def kept_pairs(rules, trials):
    """Which pairs of trials are left in.

    Parameters
    ----------
    rules : sequence of str
        From `parse_rules`.
    trials : dict of (n,) array_like
        What the rules ask for: image, run, session; position (a count of trials, for lag). Runs count within their session.

    Returns
    -------
    (n_pairs,) bool array in the order of numpy.triu_indices(n, 1), or None where there is no rule

    Raises
    ------
    ValueError
        The trials do not have a column that a rule asks for, or fewer than 4 pairs are left.
    """
    if not rules:
        return None
    needed = {RULES.get(rule, "position") for rule in rules} | ({"session"} if "same-run" in rules else set())
    lacking = sorted(name for name in needed if name not in trials)
    if lacking:
        raise ValueError(f"exclude-pairs: the trials have no column {', '.join(lacking)} ({', '.join(rules)} ask for it); they "
                         f"have {', '.join(trials)}")
    values = {name: np.asarray(trials[name]) for name in needed}
    n = len(next(iter(values.values())))
    kept = []
    for i in range(n - 1):                                  # row by row: index arrays of all pairs would cost 16 bytes a pair
        row = np.ones(n - 1 - i, bool)
        for rule in rules:
            if rule == "same-run":
                row &= (values["run"][i + 1:] != values["run"][i]) | (values["session"][i + 1:] != values["session"][i])
            elif rule in RULES:
                row &= values[RULES[rule]][i + 1:] != values[RULES[rule]][i]
            else:
                row &= abs(values["position"][i + 1:] - values["position"][i]) >= int(_LAG.match(rule)[1])
        kept.append(row)
    kept = np.concatenate(kept)
    if kept.sum() < 4:
        raise ValueError(f"exclude-pairs: {', '.join(rules)} leave {kept.sum()} of {len(kept)} pairs of {n} trials; at least 4 "
                         "are needed, leave fewer out")
    return kept


def refuse_moments(rules, relabelled="images"):
    """See that closed-form moments hold where pairs are left out.

    They do where relabelling maps the excluded set onto itself: pairs of trials of one image, where images are relabelled with
    their repetitions together. What shares a run, a session or a moment before relabelling does not share it afterwards.

    Parameters
    ----------
    rules : sequence of str
    relabelled : {"images", "trials"}
        What changes places: images with their repetitions together (blocks), or single trials.

    Raises
    ------
    ValueError
    """
    moving = [rule for rule in rules if rule != "same-image" or relabelled != "images"]
    if moving:
        raise ValueError(f"exclude-pairs: relabelling {relabelled} changes which pairs {', '.join(moving)} leave out, so that "
                         "there are no closed-form moments; sample the null instead (--null sampled)")


def masked_units(rdms, kept, *, method="pearson"):
    """Prepared RDMs (`similarity.unit`) of the pairs that count, with 0 at all others, so that r = units_a @ units_b.T.

    Parameters
    ----------
    rdms : (n_rdms, n_pairs) array or tensor
        Finite, and not constant over the pairs that count.
    kept : (n_pairs,) bool array
    method : {"pearson", "spearman", "rho_a", "cosine"}

    Returns
    -------
    (n_rdms, n_pairs), like `rdms`
        Their sum is 0, so that further centring changes nothing: moments of relabellings that leave the excluded set unchanged
        are those of these.
    """
    validation.option("masked_units", "method", method, METHODS)
    units, places = 0 * rdms, _places(rdms, kept)
    units[:, places] = unit_values(rdms[:, places], method=method)
    return units


def masked_null(a, b, kept_a, kept_b, relabellings):
    """Pearson r over the pairs that count, for relabelled b, each RDM of `a` with the same of `b`.

    Under a relabelling p the entry (i, j) of a meets the entry (p_i, p_j) of b. It counts where a keeps (i, j) and b keeps (p_i,
    p_j): the rule holds for permutations as for what was observed, which is the identity.

    Parameters
    ----------
    a, b : (n_rdms, n_pairs) arrays or tensors
    kept_a, kept_b : (n_pairs,) bool arrays
    relabellings : (n_permutations, n) int array

    Returns
    -------
    (n_permutations, n_rdms) float64 array

    Notes
    -----
    Work: that of 6 plain nulls. Memory: 6 square forms per RDM; give some RDMs at a time.
    """
    import torch

    from convergence.compute.permute import relabelled_products

    (a, b), n = validation.rdm_stacks("masked_null", a=a, b=b)
    relabellings = validation.relabellings("masked_null", "relabellings", relabellings, n)
    a, b = (torch.as_tensor(x).reshape(-1, x.shape[-1]).double() for x in (a, b))
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)             # of no consequence but for digits
    one_a, one_b = (torch.as_tensor(np.asarray(kept)).to(a.device).double().expand_as(a) for kept in (kept_a, kept_b))
    def sums(x, y):
        return relabelled_products(x.contiguous(), y.contiguous(), paired=True)(relabellings).double()
    n_kept = sums(one_a[:1], one_b[:1])
    sum_a, sum_b = sums(a * one_a, one_b), sums(one_a, b * one_b)
    covariance = sums(a * one_a, b * one_b) - sum_a * sum_b / n_kept
    squares_a, squares_b = sums(a * a * one_a, one_b) - sum_a ** 2 / n_kept, sums(one_a, b * b * one_b) - sum_b ** 2 / n_kept
    return (covariance / (squares_a * squares_b).sqrt()).clip(-1, 1).cpu().numpy()


def _places(rdms, kept):
    places = np.flatnonzero(kept)
    if is_tensor(rdms):
        import torch
        return torch.from_numpy(places).to(rdms.device)
    return places
