"""Connectivity: matrices from tables, backbones against scipy and networkx, directions against scipy's paired t-test, spectral order."""

import networkx
import numpy as np
import pandas as pd
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.stats import ttest_rel

from convergence import connectivity_matrix, orient_edges, spanning_tree_backbone, spectral_order

ROIS = [2, 7, 11, 30, 31, 45, 180]


def random_similarity(seed, labels=ROIS):
    values = np.random.default_rng(seed).uniform(-0.3, 0.8, (len(labels), len(labels)))
    return pd.DataFrame((values + values.T) / 2, index=labels, columns=labels)


def long_table(seed=0, subjects=(1, 2, 5), rois=(3, 8, 9)):
    rng = np.random.default_rng(seed)
    return pd.DataFrame([(x, y, i, j, rng.uniform(-1, 1)) for i in subjects for j in subjects for x in rois for y in rois],
                        columns=["roi_x", "roi_y", "subject_i", "subject_j", "similarity"])


def test_the_matrix_is_the_mean_over_pairs():
    table = long_table().sample(frac=1, random_state=1)
    within = connectivity_matrix(table, symmetric=False)
    rows = table[(table.subject_i == table.subject_j) & (table.roi_x == 8) & (table.roi_y == 3)]
    assert len(rows) == 3 and within.loc[8, 3] == pytest.approx(rows["similarity"].mean())
    between = connectivity_matrix(table, subjects="between", symmetric=False)
    rows = table[(table.subject_i != table.subject_j) & (table.roi_x == 3) & (table.roi_y == 9)]
    assert len(rows) == 6 and between.loc[3, 9] == pytest.approx(rows["similarity"].mean())
    np.testing.assert_allclose(connectivity_matrix(table), (within + within.T) / 2)


def test_disattenuation():
    table = long_table()
    table.loc[table.roi_x == table.roi_y, "similarity"] = [0.25, 0.64, -0.1] * 9
    c = connectivity_matrix(table)
    ours = connectivity_matrix(table, disattenuate=True)
    assert ours.loc[3, 8] == pytest.approx(c.loc[3, 8] / np.sqrt(0.25 * 0.64)) and ours.loc[3, 3] == pytest.approx(1)
    assert ours[9].isna().all() and ours.loc[9].isna().all()
    assert connectivity_matrix(table, disattenuate=True, reliability=0.3)[3].isna().all()


@pytest.mark.parametrize("change, options, message", [
    (lambda t: t.drop(columns="roi_y"), {}, "table lacks the column roi_y"),
    (lambda t: t[t.subject_i != t.subject_j], {}, "no rows of a subject with itself; subjects='between' has"),
    (lambda t: t, {"subjects": "both"}, "subjects='both' is unknown"),
    (lambda t: t.drop(t.index[(t.subject_i == 5) & (t.roi_x == 3) & (t.roi_y == 8)]), {}, r"1 of 9 pairs of parcels have fewer rows than others, e.g. \(3, 8\): 2 of 3"),
    (lambda t: t[t.roi_x == t.roi_y], {}, "3 pairs of 3 and 3 parcels; every parcel with every parcel is needed")])
def test_tables_that_cannot_be_a_matrix(change, options, message):
    with pytest.raises(ValueError, match=message):
        connectivity_matrix(change(long_table()), **options)


def test_nan_is_not_averaged_away():
    table = long_table()
    table.loc[(table.roi_x == 3) & (table.roi_y == 8) & (table.subject_i == 2) & (table.subject_j == 2), "similarity"] = np.nan
    c = connectivity_matrix(table)
    assert np.isnan(c.loc[3, 8]) and np.isnan(c.loc[8, 3]) and np.isfinite(c.loc[9, 8])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_trees", [1, 2, 3])
def test_backbones_are_iterated_maximum_spanning_trees(seed, n_trees):
    c = random_similarity(seed)
    backbone = spanning_tree_backbone(c, n_trees)
    assert len(backbone) == n_trees * (len(c) - 1)
    cost = np.triu(1 - c.to_numpy(), 1)                                     # of scipy, which takes 0 for no edge
    for iteration in range(1, n_trees + 1):
        tree = minimum_spanning_tree(cost).toarray()
        found = backbone[backbone["iteration_added"] == iteration]
        assert {(ROIS[i], ROIS[j]) for i, j in zip(*tree.nonzero())} == set(zip(found["source"], found["target"]))
        cost[tree.nonzero()] = 0
    for row in backbone.itertuples():
        assert row.similarity == c.loc[row.source, row.target]


def test_the_first_tree_is_networkxs():
    c = random_similarity(3)
    tree = networkx.maximum_spanning_tree(networkx.from_pandas_adjacency(c), algorithm="prim")
    backbone = spanning_tree_backbone(c, 1)
    assert {frozenset(edge) for edge in tree.edges if edge[0] != edge[1]} == {frozenset(edge) for edge in zip(backbone["source"], backbone["target"])}


def test_ties_go_to_the_first_in_the_index():
    c = pd.DataFrame(np.full((4, 4), 0.5), index=[9, 4, 7, 1], columns=[9, 4, 7, 1])
    backbone = spanning_tree_backbone(c, 1)
    assert list(zip(backbone["source"], backbone["target"])) == [(9, 4), (9, 7), (9, 1)]
    order = [7, 9, 1, 4]
    again = spanning_tree_backbone(c.loc[order, order], 1)
    assert list(zip(again["source"], again["target"])) == [(7, 9), (7, 1), (7, 4)]


def test_rounds_end_when_nothing_is_left():
    c = random_similarity(0, labels=[1, 2, 3])                              # 3 edges: 2 in the first tree, 1 in the second
    backbone = spanning_tree_backbone(c, 9)
    assert backbone["iteration_added"].tolist() == [1, 1, 2]


def test_disconnected_and_negative_networks():
    c = random_similarity(1) - 1.0
    c.iloc[:3, 3:] = c.iloc[3:, :3] = np.nan
    backbone = spanning_tree_backbone(c, 1)
    assert len(backbone) == 2 + 3 and (backbone["similarity"] < 0).all()
    assert all((a in ROIS[:3]) == (b in ROIS[:3]) for a, b in zip(backbone["source"], backbone["target"]))


@pytest.mark.parametrize("c, message", [
    (random_similarity(0).to_numpy(), "no DataFrame with the same parcels as index and columns"),
    (random_similarity(0).iloc[:, ::-1], "no DataFrame with the same parcels"),
    (random_similarity(0) + np.triu(np.full((7, 7), 0.1), 1), r"not symmetric \(entries differ by up to 0.1\); use connectivity_matrix"),
    (random_similarity(0).iloc[:1, :1], "has 1 parcel; at least 2")])
@pytest.mark.parametrize("function", [lambda c: spanning_tree_backbone(c, 2), spectral_order])
def test_matrices_that_cannot_be(function, c, message):
    with pytest.raises(ValueError, match=message):
        function(c)


@pytest.fixture
def hierarchy():
    """8 subjects, 6 parcels whose depth rises in another order than their numbers do."""
    rng = np.random.default_rng(0)
    means = {12: 0.1, 3: 0.3, 40: 0.5, 8: 0.7, 5: 0.72, 99: 0.9}
    return pd.DataFrame({roi: mean + 0.03 * rng.standard_normal(8) for roi, mean in means.items()})


@pytest.mark.parametrize("turned", [False, True])
def test_every_arrow_points_to_the_deeper_parcel(hierarchy, turned):
    rois = list(hierarchy)
    edges = pd.DataFrame([(a, b) if not turned else (b, a) for k, a in enumerate(rois) for b in rois[k + 1:] if {a, b} != {8, 5}], columns=["source", "target"])
    oriented = orient_edges(hierarchy, edges)
    assert (oriented["direction"] == ("backward" if turned else "forward")).all()
    for row in oriented.itertuples():
        t, p = ttest_rel(hierarchy[row.target], hierarchy[row.source])
        assert row.t == pytest.approx(t) and row.p == pytest.approx(p)


def test_what_the_subjects_do_not_agree_on_has_no_direction(hierarchy):
    rng = np.random.default_rng(1)
    depth = hierarchy.assign(**{str(k): rng.uniform(0, 1, 8) for k in range(2)})
    row = orient_edges(depth, pd.DataFrame({"source": ["0"], "target": ["1"]})).iloc[0]
    assert row.direction == "none" and row.p_fdr >= row.p


def test_the_correction_is_over_all_pairs_of_parcels(hierarchy):
    from statsmodels.stats.multitest import multipletests
    rois = list(hierarchy)
    p = [ttest_rel(hierarchy[a], hierarchy[b]).pvalue for k, a in enumerate(rois) for b in rois[k + 1:]]
    edge = orient_edges(hierarchy, pd.DataFrame({"source": [8], "target": [5]}))
    k = [(a, b) for n, a in enumerate(rois) for b in rois[n + 1:]].index((8, 5))
    assert edge["p_fdr"].item() == pytest.approx(multipletests(p, method="fdr_bh")[1][k])


@pytest.mark.parametrize("depth, message", [
    (lambda d: d.iloc[:2], "depth has 2 subjects; a test over subjects needs at least 3"),
    (lambda d: d.drop(columns=3), "depth lacks the parcels 3 of the edges"),
    (lambda d: d.assign(**{"other": np.nan}), "depth is NaN for parcels other")])
def test_depths_that_cannot_be(hierarchy, depth, message):
    with pytest.raises(ValueError, match=message):
        orient_edges(depth(hierarchy), pd.DataFrame({"source": [12], "target": [3]}))


def test_spectral_order_puts_blocks_side_by_side():
    block = np.repeat([0, 1, 2], [4, 3, 5])
    rng = np.random.default_rng(2)
    values = np.where(block[:, None] == block, 0.6, 0.1 * (abs(block[:, None] - block) == 1)) + 0.02 * rng.standard_normal((12, 12))
    c = pd.DataFrame((values + values.T) / 2, index=range(20, 32), columns=range(20, 32))
    shuffled = rng.permutation(c.index)
    order = [block[roi - 20] for roi in spectral_order(c.loc[shuffled, shuffled])]
    assert order in ([0] * 4 + [1] * 3 + [2] * 5, [2] * 5 + [1] * 3 + [0] * 4)
    assert spectral_order(c)[0] in range(20, 24)                             # the end at which the first parcel lies


def test_spectral_order_of_pieces():
    c = pd.DataFrame(np.eye(5), index=list("abcde"), columns=list("abcde"))
    c.loc["b", "d"] = c.loc["d", "b"] = 0.4
    c.loc["a", "e"] = c.loc["e", "a"] = -0.9                                 # negative: no connection
    assert sorted(spectral_order(c)[:2]) == ["b", "d"] and spectral_order(c)[2:] == ["a", "c", "e"]
