"""Lines are means over subjects, ribbons one standard error to each side."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from scipy.stats import sem

from convergence.plotting import curves, style


@pytest.fixture(autouse=True)
def close():
    style.apply()
    yield
    pyplot.close("all")


def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame([(subject, roi, depth, rng.normal()) for subject in (2, 5, 9) for roi in (4, 31)
                         for depth in (0, 0.5, 1)],
                        columns=["subject", "roi", "depth", "similarity"])


def test_line_and_ribbon():
    values = table()
    axes = curves.hubs(values, {"EVC": {4: "V2", 77: "absent"}, "LOTC": {31: "MT"}}, title="Vision models").axes
    line = next(line for line in axes[1].lines if line.get_label() == "MT")
    rows = [values[(values["roi"] == 31) & (values["depth"] == depth)]["similarity"] for depth in (0, 0.5, 1)]
    np.testing.assert_allclose(line.get_ydata(), [row.mean() for row in rows])
    vertices = axes[1].collections[0].get_paths()[0].vertices
    at_middle = vertices[vertices[:, 0] == 0.5][:, 1]
    assert (at_middle.min(), at_middle.max()) == pytest.approx((rows[1].mean() - sem(rows[1]), rows[1].mean() + sem(rows[1])))
    assert [line.get_label() for line in axes[0].lines if not line.get_label().startswith("_")] == ["V2"]  # no curve, no line
    assert [a.get_title() for a in axes] == ["EVC", "LOTC"]


def test_one_subject_has_a_line_and_no_ribbon(tmp_path):
    values = table().query("subject == 5")
    axes = curves.hubs(values, {"EVC": {4: "V2"}}).axes[0]
    assert not np.isnan(axes.lines[0].get_ydata()).any()
    style.save(axes.get_figure(), tmp_path / "curves")


def test_parcels_of_a_hub_have_different_colours():
    values = pd.concat([table().assign(roi=lambda t, k=k: t["roi"] + 100 * k) for k in range(4)])
    axes = curves.hubs(values, {"hub": {roi: str(roi) for roi in sorted(values["roi"].unique())}}).axes[0]
    colors = [line.get_color() for line in axes.lines if not line.get_label().startswith("_")]
    assert len(colors) == len(set(colors)) == 8
