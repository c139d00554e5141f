"""4_other_alignments/6_untrained_models.py on the miniature NSD: training matters for the lateral cluster, in every subject."""


import pandas
import pytest

from convergence import open_dataset
from convergence.datasets.miniature import read_truth
from convergence.python_files import load_python
from convergence.storage.tables import read_table


@pytest.mark.slow
def test_trained_networks_exceed_untrained_ones_in_the_lateral_cluster(checkout, prepared, tmp_path):
    """Unbiased CKA, mean over sessions and the cluster, best layer; the untrained: mean of five seeds."""
    script = load_python(checkout / "4_other_alignments" / "6_untrained_models.py")
    rois = pandas.DataFrame.from_dict(read_truth(prepared.root)["rois"], orient="index")
    lateral = rois.index[rois["cluster"] == "lateral"].tolist()
    folders = ["--root", str(prepared.root), "--features", str(prepared.features), "--derivatives", str(tmp_path)]
    assert script.main([*folders, "--rois", *lateral]) == 0
    assert script.main([*folders, "--rois", *lateral, "--trained", "--models", "efficientnet_lite0"]) == 0
    trained = best(read_table(tmp_path / "nsd" / "cka_subject_model_alignment_joined.parquet"), "model_name")
    untrained = best(read_table(tmp_path / "nsd" / "cka_untrained_models_similarity.parquet"), "model").filter(like="efficientnet")
    assert untrained.shape == (len(open_dataset("nsd", prepared.root).subjects), 5) and trained.shape[1] == 1
    assert (trained.iloc[:, 0] > 2 * untrained.mean(axis=1)).all()


def best(table, model):
    """(subjects x networks): the best layer of the mean over sessions and parcels."""
    curves = table.groupby(["subject", model, "layer"], observed=True)["score"].mean()
    return curves.groupby(level=[0, 1], observed=True).max().unstack()
