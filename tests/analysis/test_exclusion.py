"""Which pairs of trials count, by loops over pairs; nulls over what counts; moments where the excluded set stays."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import squareform

from convergence.analysis.exclusion import kept_pairs, masked_null, masked_units, parse_rules, refuse_moments
from convergence.analysis.null import mantel_moments

N = 12
TRIALS = {"image": np.array([4, 9, 4, 7, 9, 2, 2, 7, 4, 30, 31, 30]), "session": np.arange(N) // 5, "run": np.arange(N) % 5 // 2,
          "position": np.array([0, 2, 3, 7, 8, 20, 21, 25, 26, 60, 61, 62])}


def test_every_rule_by_loops_over_pairs():
    t = TRIALS
    rules = {"same-image": lambda i, j: t["image"][i] == t["image"][j], "same-session": lambda i,
             j: t["session"][i] == t["session"][j],
             "same-run": lambda i, j: t["session"][i] == t["session"][j] and t["run"][i] == t["run"][j],
             "lag5": lambda i, j: t["position"][j] - t["position"][i] < 5}
    pairs = list(itertools.combinations(range(N), 2))
    for chosen in (["same-image"], ["same-run"], ["lag5"], ["same-session", "lag5"], list(rules)):
        expected = [not any(rules[rule](i, j) for rule in chosen) for i, j in pairs]
        found = kept_pairs(parse_rules(chosen), t)
        assert found.tolist() == expected and 0 < found.sum() < len(pairs)
    assert kept_pairs((), t) is None


def test_rules_are_parsed_in_one_order_and_the_unknown_are_named():
    assert parse_rules(["lag<7,same-session", "lag3", "same-image"]) == ("same-image", "same-session", "lag7")
    assert parse_rules(None) == ()
    with pytest.raises(ValueError, match="exclude-pairs: rule='same-sesion' is unknown; did you mean 'same-session'"):
        parse_rules(["same-sesion"])
    with pytest.raises(ValueError, match="'lag1' leaves nothing out"):
        parse_rules(["lag1"])
    with pytest.raises(ValueError, match=r"the trials have no column run \(same-run ask for it\); they have image, session"):
        kept_pairs(("same-run",), {name: TRIALS[name] for name in ("image", "session")})
    with pytest.raises(ValueError, match="exclude-pairs: lag99 leave 0 of 66 pairs of 12 trials"):
        kept_pairs(("lag99",), TRIALS)


def test_a_null_counts_a_pair_where_both_places_count():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 66))
    kept_a, kept_b = kept_pairs(("same-session",), TRIALS), kept_pairs(("same-image", "lag5"), TRIALS)
    relabellings = np.array([np.arange(N), *(rng.permutation(N) for _ in range(4))])
    found = masked_null(a, b, kept_a, kept_b, relabellings)
    i, j = np.triu_indices(N, 1)
    for p, row in enumerate(relabellings):
        use = kept_a & squareform(kept_b.astype(float))[np.ix_(row, row)][i, j].astype(bool)
        for k in range(3):
            moved = squareform(b[k])[np.ix_(row, row)][i, j]
            assert abs(found[p, k] - np.corrcoef(a[k][use], moved[use])[0, 1]) < 1e-12
    kept = kept_a & kept_b
    # the identity is what was observed
    assert np.allclose(found[0], [np.corrcoef(x[kept], y[kept])[0, 1] for x, y in zip(a, b)])


def test_moments_without_pairs_of_one_image_are_those_of_all_relabellings():
    rng, images = np.random.default_rng(1), np.arange(10) % 5
    a, b = rng.random((2, 1, 45))
    kept = kept_pairs(("same-image",), {"image": images})
    u, v = masked_units(a, kept), masked_units(b, kept)
    assert abs((u @ v.T).item() - np.corrcoef(a[0][kept], b[0][kept])[0, 1]) < 1e-12 and not u[0][~kept].any()
    relabellings = np.array([np.concatenate([order, 5 + order]) for order in map(np.array, itertools.permutations(range(5)))])
    sampled = masked_null(a, b, kept, kept, relabellings)
    moments = mantel_moments(u[0], v[0], blocks=images)
    assert abs(moments.mean - sampled.mean()) < 1e-10 and abs(moments.variance - sampled.var()) < 1e-10


def test_moments_are_refused_where_relabelling_moves_the_excluded_set():
    refuse_moments(("same-image",), "images")
    refuse_moments(())
    with pytest.raises(ValueError, match="relabelling images changes which pairs same-session, lag5 leave out.* sample the null "
                                         "instead"):
        refuse_moments(("same-image", "same-session", "lag5"))
    with pytest.raises(ValueError, match="relabelling trials changes which pairs same-image leave out"):
        refuse_moments(("same-image",), "trials")
