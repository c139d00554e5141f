"""The representational network as two tables: its parcels and the edges of its backbone, within subjects and between them.

    units = network_units(derivatives, "nsd", n_nodes=30, n_trees=3)        # tasks.Units: connectivity_nodes, connectivity_edges
    choose_parcels(pairs, 30)                                               # the most reliable parcels

Made from tables alone: rsa_subject_subject_alignment (shift 1, every parcel with every parcel), rsa_subject_model_alignment for
depths, and the atlas. The mathematics is analysis.connectivity's and analysis.network's.
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment import subject_model, subject_subject
from convergence.storage.tables import conform, file_of, read_table

NODES, EDGES = "connectivity_nodes", "connectivity_edges"
KINDS = ("within", "between")
_PAIRS = ["roi_x", "roi_y", "similarity", "subject_i", "subject_j"]
_LAYERS = ["subject", "session", "model", "layer", "roi", "similarity"]


def network_units(derivatives, dataset, *, n_nodes=30, n_trees=3, hemispheres="joined", disattenuate=False, rule="mean_curve",
                  n_bootstrap=1_000, n_permutations=10_000, seed=0, reference=False):
    """The units that write the two tables; parcels have depths where the table of alignment with networks is there.

    Parameters
    ----------
    derivatives, dataset : path, str
    n_nodes : int
        Parcels with the highest reliability.
    n_trees : int
        Of the backbone.
    hemispheres : {"joined", "separated"}
    disattenuate : bool
        See `connectivity_matrix`.
    rule : str
        See `peak_depth`.
    n_bootstrap, n_permutations, seed : int
        Of the frequency of edges; of the agreement of pathways and hubs.
    reference : bool
        As published: the similarity of two parcels is that of the one with the larger number in subject_i, not the mean of both
        directions, and the p-values of directions are corrected for all pairs of parcels, not of the network's.
    """
    from convergence.tasks import Unit

    folder = Path(derivatives)
    pairs = subject_subject.table_path(folder, dataset, shift=1, hemispheres=hemispheres)
    depths = {"layers": subject_model.table_path(folder, dataset, hemispheres=hemispheres),
              "models": folder / file_of("models_info")}
    places = {"pairs": pairs, "atlas": folder / file_of("hcp"),
              **(depths if all(path.exists() for path in depths.values()) else {})}
    how = {"n_nodes": n_nodes, "n_trees": n_trees, "disattenuate": disattenuate, "rule": rule,
           **({"reference": True} if reference else {})}
    work = {NODES: (node_table, {"n_permutations": n_permutations}), EDGES: (edge_table, {"n_bootstrap": n_bootstrap})}
    for path in (pairs, places["atlas"]):
        if not path.exists():
            read_table(path)                                            # says which script writes it
    return [Unit(name, folder / file_of(name, dataset=dataset), function, options={**how, **more, "seed": seed},
                 places={place: str(path) for place, path in places.items()}, inputs=tuple(places.values()))
            for name, (function, more) in work.items()]


def node_table(*, pairs, atlas, n_nodes, n_trees, disattenuate, rule, n_permutations, seed, layers=None, models=None,
               reference=False):
    """The table connectivity_nodes; arguments as of `network_units`, with the paths of the tables."""
    from convergence.analysis.connectivity import spanning_tree_backbone, spectral_order
    from convergence.analysis.network import consensus_communities, label_agreement, nodes

    network = Network(pairs, n_nodes, reference)
    known = read_table(atlas).fillna({"hub": ""}).set_index("roi").reindex(network.rois)
    depth = depths(layers, models, rule, network.rois).mean(skipna=False)
    frames = []
    for kind in network.kinds:
        matrix = network.matrix(kind, disattenuate)
        backbone = spanning_tree_backbone(matrix, n_trees)
        communities = consensus_communities([spanning_tree_backbone(own, n_trees)
                                             for own in network.of_subjects(kind, disattenuate)], seed=seed)
        order = pandas.Series(range(1, len(matrix) + 1), index=spectral_order(matrix))
        own = np.diag(network.matrix(kind, False))
        hub = known["hub"].to_numpy() if "hub" in known else np.full(len(known), "")
        agreement, p = label_agreement(communities.reindex(network.rois)[hub != ""], hub[hub != ""],
                                       n_permutations=n_permutations, seed=seed)
        frame = nodes(backbone, communities).reindex(network.rois)
        frames.append(frame.assign(subjects=kind, disattenuated=disattenuate, name=known["name"], hub=hub, similarity=own,
                                   depth=depth, order=order, pathway=communities, hub_agreement=agreement,
                                   hub_agreement_p=p).rename_axis("roi").reset_index())
    return conform(pandas.concat(frames), NODES)


def edge_table(*, pairs, n_nodes, n_trees, disattenuate, rule, n_bootstrap, seed, atlas=None, layers=None, models=None,
               reference=False):
    """The table connectivity_edges; arguments as of `network_units`, with the paths of the tables. Names of the atlas are not
    needed."""
    from convergence.analysis.connectivity import spanning_tree_backbone
    from convergence.analysis.network import edge_frequency

    network = Network(pairs, n_nodes, reference)
    depth = depths(layers, models, rule, None if reference else network.rois)
    frames = []
    for kind in network.kinds:
        backbone = spanning_tree_backbone(network.matrix(kind, disattenuate), n_trees)
        frequency = edge_frequency(network.of_subjects(kind, disattenuate), n_trees, n_bootstrap=n_bootstrap, seed=seed)
        edges = backbone.merge(frequency, on=["source", "target"], how="left").fillna({"frequency": 0.0})
        frames.append(directed(depth, edges).assign(subjects=kind, disattenuated=disattenuate))
    return conform(pandas.concat(frames), EDGES)


class Network:
    """Matrices of the most reliable parcels. kinds: "within", and "between" where there are two subjects; rois: ascending."""

    def __init__(self, pairs, n_nodes, reference=False):
        table = read_table(pairs, _PAIRS)
        self.rois, self._reference = choose_parcels(table, n_nodes), reference
        self._pairs = table[table["roi_x"].isin(self.rois) & table["roi_y"].isin(self.rois)]
        self.subjects = sorted(self._pairs["subject_i"].unique().tolist())
        self.kinds = KINDS if len(self.subjects) > 1 else KINDS[:1]

    def matrix(self, kind, disattenuate):
        """Mean over all subjects (pairs of subjects)."""
        return self._matrix(self._pairs, kind, disattenuate)

    def of_subjects(self, kind, disattenuate):
        """One matrix per subject; between: of its pairs with all others."""
        return [self._matrix(self._pairs[self._pairs["subject_i"] == subject], kind, disattenuate) for subject in self.subjects]

    def _matrix(self, pairs, kind, disattenuate):
        from convergence.analysis.connectivity import connectivity_matrix

        matrix = connectivity_matrix(pairs, subjects=kind, symmetric=not self._reference, disattenuate=disattenuate)
        if self._reference:                                             # the entry whose row has the larger number serves both
            lower = np.tril(matrix.to_numpy())
            matrix[:] = lower + np.tril(lower, -1).T
        return matrix


def choose_parcels(pairs, n_nodes):
    """The n_nodes parcels with the highest similarity within subjects, ascending by number.

    Raises
    ------
    ValueError
        The table has no pairs of a subject with itself; fewer than four parcels have a similarity in all of them.
    """
    diagonal = pairs[(pairs["subject_i"].astype(int) == pairs["subject_j"].astype(int)) & (pairs["roi_x"] == pairs["roi_y"])]
    if not len(diagonal):
        raise ValueError("the table of pairs of subjects has no subject with itself, which tells the reliability of parcels; run "
                         "3_alignment/2_subject_subject.py --shift 1")
    reliability = diagonal.groupby("roi_x")["similarity"].agg(lambda r: r.mean(skipna=False)).dropna()
    complete = pairs.groupby("roi_x")["similarity"].count()
    complete = complete.index[complete == complete.max()]               # parcels that all subjects have
    chosen = sorted(reliability[reliability.index.isin(complete)].nlargest(n_nodes).index.tolist())
    if len(chosen) < 4:
        raise ValueError(f"{len(chosen)} parcels have a similarity in all subjects; a network needs at least 4")
    return chosen


def depths(layers, models, rule, rois):
    """(n_subjects, n_rois) DataFrame: peak depth in networks of vision, mean over those where it has one; else NaN.

    rois None: all parcels of the table, so that directions are corrected for all pairs of them.
    """
    from convergence.analysis.aggregate import model_by_subject

    if layers is None:
        return pandas.DataFrame(np.nan, index=range(1), columns=rois or [])
    table = read_table(layers, _LAYERS)
    found = model_by_subject(table if rois is None else table[table["roi"].isin(rois)], read_table(models), rule=rule)
    of_vision = found[found["modality"] == "vision"].pivot(index="subject", columns="roi", values="depth")
    return of_vision if rois is None else of_vision.reindex(columns=rois)


def directed(depth, edges):
    """`orient_edges` for the edges whose ends have a depth in all subjects; others have no t, and direction "none"."""
    from convergence.analysis.connectivity import orient_edges

    known = depth.columns[depth.notna().all()] if len(depth) > 2 else []
    there = edges["source"].isin(known) & edges["target"].isin(known)
    if not there.any():
        return edges.assign(t=np.nan, p=np.nan, p_fdr=np.nan, direction="none")
    oriented = orient_edges(depth[known], edges[there])
    return edges.join(oriented[["t", "p", "p_fdr", "direction"]]).fillna({"direction": "none"})
