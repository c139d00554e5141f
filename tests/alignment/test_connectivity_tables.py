"""connectivity_nodes and connectivity_edges on derivatives with planted hubs, and their script."""


import numpy as np
import pandas
import pytest
import synthetic_derivatives

from convergence.alignment.connectivity import Network, choose_parcels, depths, directed, network_units
from convergence.analysis.connectivity import connectivity_matrix
from convergence.python_files import load_python
from convergence.storage.tables import read_table
from convergence.tasks import run_units

FAST = {"n_bootstrap": 30, "n_permutations": 199}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    synthetic_derivatives.write_derivatives(folder)
    return folder


@pytest.fixture(scope="module")
def tables(folder):
    paths = run_units(network_units(folder, "nsd", n_nodes=16, n_trees=3, **FAST), title="network")
    return [read_table(path) for path in paths]


def test_nodes_are_the_most_reliable_parcels_with_their_hubs(folder, tables):
    nodes, _ = tables
    pairs = read_table(folder / "nsd" / "rsa_subject_subject_alignment_shift_1_joined.parquet")
    own = pairs[(pairs["subject_i"] == pairs["subject_j"]) & (pairs["roi_x"] == pairs["roi_y"])]
    own = own.groupby("roi_x")["similarity"].mean()
    for kind, frame in nodes.groupby("subjects", observed=True):
        assert frame["roi"].tolist() == sorted(own.nlargest(16).index) and sorted(frame["order"]) == list(range(1, 17))
        if kind == "within":
            np.testing.assert_allclose(frame["similarity"], own[frame["roi"]], rtol=1e-6)
        assert frame["hub_agreement"].nunique() == 1 and frame["hub_agreement_p"].between(0, 1).all()
    names = nodes.set_index("roi")["name"]
    assert names[1].unique().tolist() == ["V1"] and set(nodes["hub"]) <= {"", "EVC", "Ventral", "LOTC"}


def test_edges_have_a_direction_from_the_shallower_to_the_deeper(folder, tables):
    nodes, edges = tables
    depth = nodes.drop_duplicates("roi").set_index("roi")["depth"]
    assert depth.notna().all() and (edges.groupby("subjects", observed=True).size() <= 3 * 15).all()
    pointing = edges[edges["direction"] != "none"]
    assert len(pointing)
    for edge in pointing.itertuples():
        assert (depth[edge.target] > depth[edge.source]) == (edge.direction == "forward") and edge.p_fdr <= 0.05
    assert edges["frequency"].between(0, 1).all() and (edges["frequency"] > 0.5).any()


def test_matrices_of_subjects_average_to_that_of_all(folder):
    network = Network(folder / "nsd" / "rsa_subject_subject_alignment_shift_1_joined.parquet", 12)
    assert network.kinds == ("within", "between") and len(network.rois) == 12
    for kind in network.kinds:
        mean = sum(network.of_subjects(kind, False)) / len(network.subjects)
        np.testing.assert_allclose(network.matrix(kind, False), mean, atol=1e-7)
    whole = network.matrix("within", True)
    np.testing.assert_allclose(np.diag(whole), 1)


def test_as_published_the_larger_number_decides(folder):
    path = folder / "nsd" / "rsa_subject_subject_alignment_shift_1_joined.parquet"
    matrix = Network(path, 12, reference=True).matrix("within", False)
    pairs = read_table(path)
    pairs = pairs[pairs["roi_x"].isin(matrix.index) & pairs["roi_y"].isin(matrix.index)]
    raw = connectivity_matrix(pairs, subjects="within", symmetric=False).to_numpy()
    for a in range(12):
        for b in range(a):
            assert matrix.iloc[a, b] == matrix.iloc[b, a] == pytest.approx(raw[a, b])


def test_parcels_that_some_subject_lacks_are_no_nodes():
    rows = [(x, y, 0.1 * x + 0.01 * (x == y), i, j) for x in range(1, 8) for y in range(1, 8) for i in (2, 5) for j in (2, 5)]
    pairs = pandas.DataFrame(rows, columns=["roi_x", "roi_y", "similarity", "subject_i", "subject_j"])
    pairs.loc[(pairs["roi_x"] == 7) & (pairs["subject_i"] == 5) & (pairs["subject_j"] == 2), "similarity"] = np.nan
    assert choose_parcels(pairs, 4) == [3, 4, 5, 6]
    with pytest.raises(ValueError, match="3 parcels have a similarity in all subjects; a network needs at least 4"):
        choose_parcels(pairs[pairs["roi_x"].isin([1, 2, 3]) & pairs["roi_y"].isin([1, 2, 3])], 4)
    with pytest.raises(ValueError, match="no subject with itself.*2_subject_subject.py --shift 1"):
        choose_parcels(pairs[pairs["subject_i"] != pairs["subject_j"]], 4)


def test_parcels_without_a_peak_have_no_arrows():
    depth = pandas.DataFrame({3: [0.1, 0.2, 0.15, 0.12], 8: [0.7, 0.8, 0.9, 0.75], 11: [0.5, np.nan, 0.4, 0.6]})
    edges = pandas.DataFrame({"source": [3, 3, 11], "target": [8, 11, 8]})
    found = directed(depth, edges)
    assert found["direction"].tolist() == ["forward", "none", "none"] and found["t"].notna().tolist() == [True, False, False]
    assert depths(None, None, "mean_curve", [3, 8]).isna().all(axis=None)
    assert directed(depths(None, None, "mean_curve", [3, 8, 11]), edges)["direction"].tolist() == ["none"] * 3


def test_the_script(folder, checkout, capsys):
    script = load_python(checkout / "3_alignment" / "9_connectivity.py")
    derivatives = ["--derivatives", str(folder)]
    options = ["--nodes", "10", "--trees", "2", "--bootstrap", "20", "--permutations", "99", "--reference"]
    assert script.main(derivatives + options) == 0
    nodes = read_table(folder / "nsd" / "connectivity_nodes.parquet")
    assert len(nodes) == 20
    capsys.readouterr()
    assert script.main(derivatives + options) == 0 and "network: 2 of 2 done before" in capsys.readouterr().out
    assert script.main([*derivatives, "--nodes", "3"]) == 1 and "--nodes: 3 parcels are no network" in capsys.readouterr().err
    assert script.main([*derivatives, "--dataset", "things"]) == 1
    assert "2_subject_subject.py" in capsys.readouterr().err
