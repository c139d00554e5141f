"""Nodes of a representational network: how central each parcel is, and which parcels form a community.

    nodes(backbone, communities)                            # degree, strength, betweenness, participation of every parcel
    consensus_communities([backbone of each subject])       # a Series: community of every parcel, the same whoever runs it
    edge_frequency(matrices, n_trees, n_bootstrap=1000)     # how often an edge is in the backbone when subjects are drawn again
    label_agreement(communities, hubs)                      # do communities follow labels given beforehand?

A backbone is what `spanning_tree_backbone` returns. Graph algorithms are networkx's.
"""

import networkx
import numpy as np
import pandas as pd

from convergence.analysis import validation
from convergence.analysis.connectivity import spanning_tree_backbone


def nodes(backbone, communities=None):
    """Measures of every parcel of a network.

    Parameters
    ----------
    backbone : DataFrame
        source, target, similarity.
    communities : Series, optional
        Community of every parcel; for `participation`.

    Returns
    -------
    DataFrame, index roi
        degree: number of edges. strength: sum of their similarities. betweenness: part of the shortest paths between two others
        that go through it, where an edge is as long as 1 - similarity (0 to 1). participation: 1 - sum over communities of
        (edges into it / degree)^2, 0 where all edges stay in one community; NaN without `communities`.

    Notes
    -----
    Freeman (1977), Sociometry 40:35-41; participation: Guimera & Amaral (2005), Nature 433:895-900.
    """
    validation.has_columns("nodes", "backbone", backbone, ["source", "target", "similarity"])
    network = _network(backbone, length=True)
    between = networkx.betweenness_centrality(network, weight="length")
    table = pd.DataFrame({"degree": dict(network.degree()), "strength": dict(network.degree(weight="similarity")),
                          "betweenness": between}).rename_axis("roi").sort_index()
    if communities is None:
        return table.assign(participation=np.nan)
    lacking = sorted(set(table.index) - set(communities.index), key=str)
    if lacking:
        raise ValueError(f"nodes: communities lacks the parcels {', '.join(map(str, lacking))}")
    return table.assign(participation=[_participation(network, roi, communities) for roi in table.index])


def consensus_communities(backbones, *, resolution=1.0, n_runs=50, seed=0):
    """Communities on which several networks, one per subject, agree.

    Parameters
    ----------
    backbones : list of DataFrame
        One per subject; source, target, similarity.
    resolution : float
        Above 1: more and smaller communities.
    n_runs : int
        Louvain runs per network; it depends on the order in which it meets the parcels.
    seed : int

    Returns
    -------
    Series, index roi
        Community of every parcel, numbered from 1 by size, then by the first parcel.

    Notes
    -----
    How often two parcels fall into one community, over runs and subjects, is a network again; what exceeds the
    chance of two parcels drawn at random is divided by Louvain until all runs agree. Edges of negative similarity do not count.

    Blondel et al. (2008), J. Stat. Mech. P10008; Lancichinetti & Fortunato (2012), Sci. Rep. 2:336.
    """
    n_runs = validation.whole_number("consensus_communities", "n_runs", n_runs, at_least=1)
    rois = sorted({roi for backbone in backbones for end in ("source", "target") for roi in backbone[end]})
    rng = np.random.default_rng(seed)
    together = np.mean([_together(_network(backbone), rois, resolution, n_runs, rng) for backbone in backbones], axis=0)
    for _ in range(100):
        if np.isin(together, (0, 1)).all():
            break
        np.fill_diagonal(together, 0)
        kept = np.where(together > together.mean(), together, 0)
        network = networkx.from_numpy_array(kept, edge_attr="similarity")
        together = _together(networkx.relabel_nodes(network, dict(enumerate(rois))), rois, resolution, n_runs, rng)
    groups = sorted({tuple(np.flatnonzero(row > 0.5)) for row in together}, key=lambda members: (-len(members), members))
    number = {rois[k]: community for community, members in reversed(list(enumerate(groups, start=1))) for k in members}
    return pd.Series(number, name="community").reindex(rois).rename_axis("roi")


def edge_frequency(matrices, n_trees, *, n_bootstrap=1_000, seed=0):
    """How often an edge is in the backbone of the mean matrix when subjects are drawn with replacement.

    Parameters
    ----------
    matrices : list of (n, n) DataFrame
        One per subject, of the same parcels.
    n_trees : int
    n_bootstrap : int
    seed : int

    Returns
    -------
    DataFrame
        source, target, frequency (0 to 1), of all edges that occurred, the most frequent first.
    """
    n_bootstrap = validation.whole_number("edge_frequency", "n_bootstrap", n_bootstrap, at_least=1)
    first = matrices[0]
    if any(list(matrix.index) != list(first.index) for matrix in matrices):
        raise ValueError("edge_frequency: the matrices have different parcels; choose those that all subjects have")
    stack, rng, counts = np.stack([matrix.to_numpy(np.float64) for matrix in matrices]), np.random.default_rng(seed), {}
    for _ in range(n_bootstrap):
        drawn = pd.DataFrame(stack[rng.integers(len(stack), size=len(stack))].mean(0), first.index, first.columns)
        for edge in spanning_tree_backbone(drawn, n_trees)[["source", "target"]].itertuples(index=False):
            counts[tuple(edge)] = counts.get(tuple(edge), 0) + 1
    table = pd.DataFrame([(*edge, count / n_bootstrap) for edge, count in counts.items()],
                         columns=["source", "target", "frequency"])
    return table.sort_values(["frequency", "source", "target"], ascending=[False, True, True], ignore_index=True)


def _network(backbone, *, length=False):
    network = networkx.Graph()
    for source, target, similarity in backbone[["source", "target", "similarity"]].itertuples(index=False):
        network.add_edge(source, target, similarity=similarity)
        if length:
            network.edges[source, target]["length"] = max(1 - similarity, 0)
    return network


def _participation(network, roi, communities):
    shares = pd.Series([communities[other] for other in network[roi]]).value_counts(normalize=True)
    return 1 - float((shares ** 2).sum())


def _together(network, rois, resolution, n_runs, rng):
    """(n, n) how often two parcels fall into one community."""
    position = {roi: k for k, roi in enumerate(rois)}
    network = networkx.Graph((a, b, attributes) for a, b, attributes in network.edges(data=True) if attributes["similarity"] > 0)
    together = np.zeros((len(rois), len(rois)))
    for _ in range(n_runs):
        seed = int(rng.integers(2**31))
        for community in networkx.community.louvain_communities(network, weight="similarity", resolution=resolution, seed=seed):
            members = [position[roi] for roi in community]
            together[np.ix_(members, members)] += 1
    together[np.diag_indices_from(together)] = n_runs
    return together / n_runs


def label_agreement(communities, labels, *, n_permutations=10_000, seed=0):
    """Do communities follow labels that were given beforehand? Adjusted Rand index, and how often shuffled labels reach it.

    Parameters
    ----------
    communities, labels : (n,) sequences
        Of the same parcels, in the same order.
    n_permutations : int
    seed : int

    Returns
    -------
    index : float
        1 where both divide the parcels alike, 0 as by chance; NaN where there are fewer than two labels, or fewer than four
        parcels.
    p : float
        One-sided: (1 + count) / (1 + n_permutations).

    Notes
    -----
    Shuffles keep the sizes of groups, so that the index rises with the number of pairs of parcels that are together
    in both. Neighbouring parcels are alike, and labels often name neighbours: p does not say that the network knows more than
    that.

    Hubert & Arabie (1985), J. Classif. 2:193-218.
    """
    from sklearn.metrics import adjusted_rand_score

    n_permutations = validation.whole_number("label_agreement", "n_permutations", n_permutations, at_least=1)
    (communities, _), (labels, names) = pd.factorize(np.asarray(communities)), pd.factorize(np.asarray(labels))
    if len(communities) != len(labels):
        raise ValueError(f"label_agreement: {len(communities)} communities and {len(labels)} labels; give both of the same "
                         "parcels")
    if len(names) < 2 or len(labels) < 4:
        return np.nan, np.nan
    members, of_label = np.eye(communities.max() + 1)[communities], np.eye(len(names))[labels]
    rng = np.random.default_rng(seed)
    together = lambda rows: ((members.T @ rows) ** 2).sum()
    null = np.array([together(of_label[rng.permutation(len(labels))]) for _ in range(n_permutations)])
    count = (null >= together(of_label) - 1e-9).sum()
    return float(adjusted_rand_score(labels, communities)), float((1 + count) / (1 + n_permutations))
