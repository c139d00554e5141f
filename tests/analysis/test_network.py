"""Nodes and communities of a network, by hand and with planted blocks."""

import numpy as np
import pandas as pd
import pytest

from convergence.analysis.connectivity import spanning_tree_backbone
from convergence.analysis.network import consensus_communities, edge_frequency, label_agreement, nodes

STAR = pd.DataFrame([(5, 1, 0.9), (5, 2, 0.5), (5, 9, 0.2), (1, 2, 0.7)], columns=["source", "target", "similarity"])


def blocks(seed, sizes=(5, 4, 3)):
    block = np.repeat(range(len(sizes)), sizes)
    values = np.where(block[:, None] == block, 0.6, 0.05) + 0.05 * np.random.default_rng(seed).standard_normal((len(block), len(block)))
    labels = np.arange(len(block)) * 3 + 2
    return pd.DataFrame((values + values.T) / 2, index=labels, columns=labels), block


def test_measures_by_hand():
    table = nodes(STAR, pd.Series({5: 1, 1: 1, 2: 2, 9: 3}))
    assert table.index.tolist() == [1, 2, 5, 9]
    assert table["degree"].tolist() == [2, 2, 3, 1]
    np.testing.assert_allclose(table["strength"], [1.6, 1.2, 1.6, 0.2])
    # lengths: 5-1 0.1, 5-2 0.5, 5-9 0.8, 1-2 0.3: the way 5-2 is shorter through 1 (0.4)
    np.testing.assert_allclose(table["betweenness"], [2 / 3, 0, 2 / 3, 0])
    np.testing.assert_allclose(table["participation"], [0.5, 0, 2 / 3, 0])
    assert nodes(STAR)["participation"].isna().all()
    with pytest.raises(ValueError, match="communities lacks the parcels 9"):
        nodes(STAR, pd.Series({5: 1, 1: 1, 2: 2}))


def test_communities_are_the_planted_blocks():
    backbones = [spanning_tree_backbone(blocks(seed)[0], 4) for seed in range(3)]
    communities = consensus_communities(backbones, n_runs=10)
    assert communities.tolist() == (blocks(0)[1] + 1).tolist()               # numbered by size
    assert communities.index.tolist() == blocks(0)[0].index.tolist()
    pd.testing.assert_series_equal(communities, consensus_communities(backbones, n_runs=10))


def test_frequent_edges_are_those_on_which_subjects_agree():
    matrices = [blocks(seed)[0] for seed in range(4)]
    strong = matrices[0].index[0], matrices[0].index[11]
    for c in matrices:
        c.loc[strong[0], strong[1]] = c.loc[strong[1], strong[0]] = 0.99
    matrices[0].loc[2, 17] = matrices[0].loc[17, 2] = 3.9                    # only when subject 0 is drawn often enough
    table = edge_frequency(matrices, 1, n_bootstrap=60)
    frequency = table.set_index(["source", "target"])["frequency"]
    assert frequency[strong] == 1.0 and 0.3 < frequency[2, 17] < 0.95
    assert table["frequency"].is_monotonic_decreasing and frequency.sum() == pytest.approx(11)
    pd.testing.assert_frame_equal(table, edge_frequency(matrices, 1, n_bootstrap=60))
    with pytest.raises(ValueError, match="the matrices have different parcels"):
        edge_frequency([matrices[0], matrices[1].iloc[:5, :5]], 1)


def test_agreement_with_labels():
    hubs = ["EVC"] * 4 + ["LOTC"] * 5 + ["Ventral"] * 6
    index, p = label_agreement([3] * 4 + [2] * 5 + [1] * 6, hubs, n_permutations=999)
    assert index == 1.0 and p == 1 / 1000
    rng = np.random.default_rng(0)
    shuffled = [label_agreement(rng.permutation([3] * 4 + [2] * 5 + [1] * 6), hubs, n_permutations=99, seed=k) for k in range(100)]
    assert abs(np.mean([index for index, _ in shuffled])) < 0.05 and np.mean([p <= 0.05 for _, p in shuffled]) <= 0.1
    assert label_agreement([1, 2, 1, 2], ["EVC"] * 4) == pytest.approx((np.nan, np.nan), nan_ok=True)
    with pytest.raises(ValueError, match="label_agreement: 3 communities and 2 labels"):
        label_agreement([1, 2, 3], ["a", "b"])
