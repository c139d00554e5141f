"""The real run: known answers with the packaged numbers and with the published pictures, tables, one figure."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from convergence import images92 as analysis
from convergence.images92 import main
from convergence.datasets.images92 import Images92


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    out = tmp_path_factory.mktemp("packaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("IMAGES92_DATASET", raising=False)
        assert main(["--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def from_pictures(tmp_path_factory, images92_root):
    out = tmp_path_factory.mktemp("pictures")
    assert main(["--root", str(images92_root), "--out", str(out)]) == 0
    return out


@pytest.fixture(params=["packaged", "from_pictures"])
def out(request):
    return request.getfixturevalue(request.param)


def table(out, name):
    return pd.read_parquet(out / "derivatives" / "images92" / f"{name}.parquet")


def test_monkey_ceiling_and_layers(out):
    p = table(out, "p_values").set_index("comparison")
    assert p.loc["monkey", "observed"] == pytest.approx(0.491, abs=0.001) and p.loc["monkey", "pvalue"] < 1e-6
    assert p["noise_ceiling_lower"].unique() == pytest.approx([0.394], abs=0.005) and p["noise_ceiling_upper"].unique() == pytest.approx([0.680], abs=0.005)
    layers = p.loc["efficientnet_lite0"]
    assert len(layers) > 5 and layers["layer"].tolist() == list(range(len(layers)))
    assert layers["observed"].max() == pytest.approx(0.30, abs=0.01) and layers["observed"].max() < p["noise_ceiling_lower"].iloc[0]
    assert layers["observed"].argmax() > layers["layer"].max() / 2 and (layers["pvalue_fdr_bh"] >= layers["pvalue"]).all()


def test_tables_hold_pearson_correlations(out):
    data = Images92()
    pairs = table(out, "subject_subject")
    assert len(pairs) == 8 * 7 // 2
    row = pairs[(pairs["subject_i"] == 2) & (pairs["session_i"] == 1) & (pairs["subject_j"] == 3) & (pairs["session_j"] == 2)]
    assert row["similarity"].item() == pytest.approx(pearsonr(data.rdm(2, session=1), data.rdm(3, session=2)).statistic, abs=1e-6)
    model = table(out, "subject_model").set_index(["subject", "layer"])["similarity"]
    assert model[3, 2] == pytest.approx(pearsonr(data.rdm(3), data.layer_rdms[2]).statistic, abs=1e-3)


def test_the_mean_over_people_and_its_null_agree_with_sampling(packaged):
    """One relabelling of the layer serves all people: the mean of r is sampled with the same permutation for everyone."""
    data, rng = Images92(), np.random.default_rng(0)
    row = table(packaged, "p_values").query("comparison == 'efficientnet_lite0' and layer == 6").iloc[0]
    i, j = np.triu_indices(92, 1)
    square = np.zeros((92, 92))
    square[i, j] = square[j, i] = data.layer_rdms[6]
    persons = np.stack([(r - r.mean()) / r.std() for r in analysis.people(data)]).mean(0) / len(i)
    samples = [persons @ (lambda x: (x - x.mean()) / x.std())(square[np.ix_(o, o)][i, j]) for o in (rng.permutation(92) for _ in range(1000))]
    assert row["null_std"] == pytest.approx(np.std(samples), rel=0.1) and abs(row["null_mean"] - np.mean(samples)) < 4 * np.std(samples) / 1000 ** 0.5


def test_a_second_run_changes_nothing(packaged, capsys, monkeypatch):
    monkeypatch.delenv("IMAGES92_DATASET", raising=False)
    before = {p: p.stat().st_mtime_ns for p in packaged.rglob("*") if p.is_file()}
    assert main(["--out", str(packaged)]) == 0
    assert {p: p.stat().st_mtime_ns for p in packaged.rglob("*") if p.is_file()} == before
    assert "images92.pdf" in capsys.readouterr().out


def test_other_pictures_are_refused(monkeypatch):
    data = Images92()
    monkeypatch.setattr(analysis, "_computed", lambda dataset, features: (data.layer_names, data.layer_rdms + np.float32(0.01)))
    with pytest.raises(ValueError, match=r"differ from the packaged ones by up to 1.0e-02 \(allowed: 0.001"):
        analysis.layer_rdms(data, "features.h5")


def test_packaging_needs_the_published_files(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("IMAGES92_DATASET", raising=False)
    assert main(["--out", str(tmp_path), "--package", str(tmp_path / "new.npz")]) == 1
    assert "give their folder with --root" in capsys.readouterr().err


def test_packaging_gives_the_packaged_numbers(from_pictures, images92_root, tmp_path):
    assert main(["--root", str(images92_root), "--out", str(from_pictures), "--package", str(tmp_path / "new.npz")]) == 0
    with np.load(tmp_path / "new.npz") as new:
        old = Images92()._packaged
        assert sorted(new) == sorted(old) and np.abs(new["layer_rdms"] - old["layer_rdms"]).max() < 1e-3
        assert np.array_equal(new["human"], old["human"]) and np.array_equal(new["category"], old["category"])
