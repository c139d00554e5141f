"""Which parcels represent alike: parcel-by-parcel matrices, their backbone, its directions, and an order in which blocks show.

    c = connectivity_matrix(table)                          # rsa_subject_subject_alignment -> DataFrame, parcels by parcels
    backbone = spanning_tree_backbone(c, n_trees=3)         # source, target, similarity, iteration_added
    orient_edges(depth, backbone)                           # ... + t, p, p_fdr, direction: from shallow to deep
    c = c.loc[order, order]                                 # order = spectral_order(c)

Nodes and communities of such a network are in network.py.
"""

import numpy as np
import pandas as pd

from convergence.analysis import validation
from convergence.analysis.inference import fdr

SUBJECTS = ("within", "between")


def connectivity_matrix(table, *, subjects="within", symmetric=True, disattenuate=False, reliability=None):
    """Mean similarity of every two parcels.

    Parameters
    ----------
    table : DataFrame
        Columns roi_x, roi_y, similarity, subject_i, subject_j: the long table rsa_subject_subject_alignment in its full form,
        or a part of it. More rows of one pair (sessions) are averaged.
    subjects : {"within", "between"}
        "within": subject_i = subject_j, other repetitions of the same pictures. "between": the pairs of two people.
    symmetric : bool
        (C + C') / 2. A similarity of parcel x of one and parcel y of the other is not that of y and x; as published, False.
    disattenuate : bool
        Divide by sqrt(C_xx C_yy), what two parcels with this reliability could reach.
    reliability : float, optional
        With `disattenuate`: parcels with C_xx below it are NaN. Default: those at or below 0, of which a root makes no sense.

    Returns
    -------
    (n_rois, n_rois) DataFrame
        Index roi_x, columns roi_y, both ascending.

    Raises
    ------
    ValueError
        A missing column, no rows of this kind, a pair of parcels that some subjects lack.

    Notes
    -----
    The arithmetic mean of r, as published (arXiv 2507.13941). A NaN similarity makes the entry NaN.

    Examples
    --------
    >>> rows = [(1, 1, 0.5), (1, 2, 0.1), (2, 1, 0.3), (2, 2, 0.4)]
    >>> table = pd.DataFrame(rows, columns=["roi_x", "roi_y", "similarity"]).assign(subject_i=1, subject_j=1)
    >>> connectivity_matrix(table)
    roi_y    1    2
    roi_x          
    1      0.5  0.2
    2      0.2  0.4
    """
    validation.has_columns("connectivity_matrix", "table", table, ["roi_x", "roi_y", "similarity", "subject_i", "subject_j"])
    validation.option("connectivity_matrix", "subjects", subjects, SUBJECTS)
    same = table["subject_i"].astype(int) == table["subject_j"].astype(int)
    rows = table[same if subjects == "within" else ~same]
    if not len(rows):
        kind, other = ("of a subject with itself", "between") if subjects == "within" else ("of two subjects", "within")
        raise ValueError(f"connectivity_matrix: table has no rows {kind}; subjects={other!r} has")
    groups = rows.groupby(["roi_x", "roi_y"], observed=True)["similarity"]
    sizes = groups.size()
    if sizes.min() != sizes.max():
        few = sizes[sizes < sizes.max()]
        raise ValueError(f"connectivity_matrix: {len(few):,} of {len(sizes):,} pairs of parcels have fewer rows than "
                         f"others, e.g. ({few.index[0][0]}, {few.index[0][1]}): {few.iloc[0]} of {sizes.max()}; choose "
                         "parcels that all subjects have")
    matrix = groups.agg(lambda r: r.mean(skipna=False)).unstack("roi_y").astype(np.float64)
    if list(matrix.index) != list(matrix.columns) or matrix.shape[0] ** 2 != len(sizes):
        raise ValueError(f"connectivity_matrix: table has {len(sizes):,} pairs of {matrix.shape[0]} and {matrix.shape[1]} "
                         "parcels; every parcel with every parcel is needed (--form full)")
    if symmetric:
        matrix = (matrix + matrix.T.to_numpy()) / 2
    return _disattenuated(matrix, reliability) if disattenuate else matrix


def spanning_tree_backbone(similarity, n_trees):
    """The edges of `n_trees` maximum spanning trees, each of edges that the trees before it left.

    Parameters
    ----------
    similarity : (n, n) DataFrame
        Symmetric, index and columns the same parcels. NaN off the diagonal: no edge. Negative values are edges.
    n_trees : int

    Returns
    -------
    DataFrame
        source, target (source before target in the index), similarity, iteration_added (from 1), in the order in which they
        were added: n_trees (n - 1) rows in a connected network of enough edges.

    Raises
    ------
    ValueError
        Not square, other columns than rows, not symmetric, fewer than 2 parcels.

    Notes
    -----
    A tree may take an edge of an earlier tree again where nothing else connects its two sides; it is not added
    again. It ends early when a round adds nothing. Of edges with equal similarity the one that stands first in the index is
    taken. A network in several pieces gives a tree of each.

    Iterated spanning trees as in arXiv 2507.13941; Kruskal (1956), Proc. Am. Math. Soc. 7:48-50.

    Examples
    --------
    >>> c = pd.DataFrame([[1, .9, .5], [.9, 1, .2], [.5, .2, 1]], index=[3, 7, 8], columns=[3, 7, 8])
    >>> spanning_tree_backbone(c, 2)
       source  target  similarity  iteration_added
    0       3       7         0.9                1
    1       3       8         0.5                1
    2       7       8         0.2                2
    """
    import networkx

    values = _symmetric("spanning_tree_backbone", similarity)
    n_trees = validation.whole_number("spanning_tree_backbone", "n_trees", n_trees, at_least=1)
    sources, targets = np.triu_indices(len(values), 1)
    there = ~np.isnan(values[sources, targets])
    network = networkx.Graph()
    network.add_nodes_from(range(len(values)))
    ends = sources[there], targets[there]
    network.add_weighted_edges_from(zip(*(column.tolist() for column in (*ends, values[ends]))))
    added = {}
    for iteration in range(1, n_trees + 1):
        tree = [tuple(sorted(edge)) for edge in networkx.maximum_spanning_edges(network, algorithm="kruskal", data=False)]
        new = [edge for edge in tree if edge not in added]
        if not new:
            break
        added.update({edge: iteration for edge in new})
        for edge in tree:
            network.edges[edge]["weight"] = -np.inf                         # only where nothing else connects its two sides
    labels = similarity.index
    return pd.DataFrame([(labels[i], labels[j], values[i, j], iteration) for (i, j), iteration in added.items()],
                        columns=["source", "target", "similarity", "iteration_added"])


def orient_edges(depth, edges, *, alpha=0.05):
    """Point every edge from the shallower to the deeper parcel, where the subjects agree on which that is.

    Parameters
    ----------
    depth : (n_subjects, n_rois) DataFrame
        Depth of every parcel in the hierarchy of a network (`peak_depth`), one row per subject.
    edges : DataFrame
        Columns source, target: names of columns of `depth`.
    alpha : float
        Level of the corrected p.

    Returns
    -------
    DataFrame
        `edges` with t (positive: target is deeper), p, p_fdr, and direction: "forward" (source to target), "backward", or "none".

    Raises
    ------
    ValueError
        Fewer than 3 subjects, an edge of a parcel that `depth` lacks, NaN in a depth that is needed.

    Notes
    -----
    Paired t-test over subjects; Benjamini-Hochberg over all pairs of parcels in `depth`, as published (arXiv
    2507.13941), whose sign is mended here: there it follows the order of the two parcels' numbers. What is tested is an order
    of depths, not a flow of information.

    Examples
    --------
    >>> depth = pd.DataFrame({"V1": [0.1, 0.2, 0.1, 0.2], "MT": [0.7, 0.9, 0.8, 0.8]})
    >>> orient_edges(depth, pd.DataFrame({"source": ["MT"], "target": ["V1"]}))["direction"].item()
    'backward'
    """
    validation.has_columns("orient_edges", "edges", edges, ["source", "target"])
    validation.number("orient_edges", "alpha", alpha, low=0, high=1)
    unknown = sorted({*edges["source"], *edges["target"]} - set(depth.columns), key=str)
    if unknown:
        raise ValueError(f"orient_edges: depth lacks the parcels {', '.join(map(str, unknown))} of the edges")
    values = depth.to_numpy(np.float64)
    if len(values) < 3:
        raise ValueError(f"orient_edges: depth has {validation.count(len(values), 'subject')}; a test over subjects "
                         "needs at least 3")
    lacking = [str(roi) for roi, bad in zip(depth.columns, np.isnan(values).any(0)) if bad]
    if lacking:
        raise ValueError(f"orient_edges: depth is NaN for parcels {', '.join(lacking)}; leave them out of depth and edges")
    t, p = _paired(values)
    upper = np.triu_indices(len(t), 1)
    corrected = np.ones_like(p)
    corrected[upper] = fdr(p[upper])
    corrected = np.minimum(corrected, corrected.T)
    source, target = (depth.columns.get_indexer(edges[end]) for end in ("source", "target"))
    oriented = edges.assign(t=t[source, target], p=p[source, target], p_fdr=corrected[source, target])
    known = oriented["p_fdr"] <= alpha
    forward, backward = known & (oriented["t"] > 0), known & (oriented["t"] < 0)
    return oriented.assign(direction=np.select([forward, backward], ["forward", "backward"], "none"))


def spectral_order(similarity):
    """Parcels in an order that puts those that are alike side by side.

    Parameters
    ----------
    similarity : (n, n) DataFrame
        Symmetric, without NaN; negative values count as 0.

    Returns
    -------
    list
        The labels of the index, by the Fiedler vector of the normalised graph Laplacian; pieces that nothing connects follow
        one another, the larger first. The end at which the first label of the index lies comes first.

    Notes
    -----
    Fiedler (1973), Czech. Math. J. 23:298-305; Shi & Malik (2000), IEEE Trans. Pattern Anal. Mach. Intell. 22:888-905.

    Examples
    --------
    >>> c = pd.DataFrame([[1, 0, .8], [0, 1, .3], [.8, .3, 1]], index=["V1", "MT", "V2"], columns=["V1", "MT", "V2"])
    >>> spectral_order(c)
    ['V1', 'V2', 'MT']
    """
    from scipy.sparse.csgraph import connected_components

    values = _symmetric("spectral_order", similarity)
    if np.isnan(values).any():
        raise ValueError("spectral_order: similarity has NaN; leave these parcels out")
    weights = np.where(values > 0, values, 0)
    np.fill_diagonal(weights, 0)
    _, piece = connected_components(weights)
    pieces = [np.flatnonzero(piece == k) for k in range(piece.max() + 1)]
    pieces.sort(key=lambda members: (-len(members), members[0]))
    return [similarity.index[k] for members in pieces for k in members[_fiedler_order(weights[np.ix_(members, members)])]]


def _disattenuated(matrix, reliability):
    diagonal = np.diag(matrix).copy()
    diagonal[diagonal < reliability if reliability is not None else diagonal <= 0] = np.nan
    return matrix / np.sqrt(np.outer(diagonal, diagonal))


def _symmetric(function, similarity):
    if not isinstance(similarity, pd.DataFrame) or list(similarity.index) != list(similarity.columns):
        raise ValueError(f"{function}: similarity is no DataFrame with the same parcels as index and columns; "
                         "see connectivity_matrix")
    values = similarity.to_numpy(np.float64)
    if len(values) < 2:
        raise ValueError(f"{function}: similarity has {validation.count(len(values), 'parcel')}; at least 2 are needed")
    difference = np.abs(values - values.T)
    if np.nanmax(difference, initial=0) > 1e-6 or (np.isnan(values) != np.isnan(values.T)).any():
        raise ValueError(f"{function}: similarity is not symmetric (entries differ by up to "
                         f"{np.nanmax(difference, initial=0):.3g}); use connectivity_matrix(..., symmetric=True)")
    return values


def _paired(values):
    """t (n, n) of column j minus column i, and p, without an array of all pairs and subjects."""
    from scipy.stats import t as student

    n = len(values)
    means, covariance = values.mean(0), np.cov(values, rowvar=False).reshape(values.shape[1], -1)
    variance = np.diag(covariance)[:, None] + np.diag(covariance) - 2 * covariance
    difference = means - means[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = difference / np.sqrt(np.maximum(variance, 0) / n)
    constant = variance <= 1e-14 * (np.diag(covariance)[:, None] + np.diag(covariance) + 1e-300)
    t = np.where(constant, np.select([difference > 0, difference < 0], [np.inf, -np.inf], 0.0), t)
    return t, 2 * student.sf(np.abs(t), n - 1)


def _fiedler_order(weights):
    if len(weights) < 3:
        return np.arange(len(weights))
    root = 1 / np.sqrt(weights.sum(1))
    vectors = np.linalg.eigh(np.eye(len(weights)) - root[:, None] * weights * root)[1]
    fiedler = root * vectors[:, 1]
    order = np.argsort(fiedler, kind="stable")
    return order if np.argmax(order == 0) < len(order) / 2 else order[::-1]
