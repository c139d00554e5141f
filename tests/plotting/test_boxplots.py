"""What stands in a boxplot: quartiles, the order of parcels, the null's ribbon, stars only where the table has them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb

from convergence.plotting import boxplots, style

ATLAS = pd.DataFrame({"name": ["V1", "MST", "p24", "52"], "area": ["Primary", "MT+", "Cingulate", "MT+"],
                      "roi_order": [1, 9, 30, 10],
                      "area_color": ["#203359", "#7f6c93", "#7f3346", "#7f6c93"]}, index=pd.Index([1, 2, 180, 103], name="roi"))
VALUES = pd.DataFrame({"subject": [2, 5, 9, 2, 5, 9, 2, 5, 9, 2], "roi": [1, 1, 1, 2, 2, 2, 180, 180, 180, 103],
                       "similarity": [0.1, 0.5, 0.2, 0.3, np.nan, 0.4, 0.01, -0.02, 0.0, 0.2]})
P_VALUES = pd.DataFrame({"roi": [180, 2, 1, 103], "null_mean": [0.01, 0.02, 0.03, 0.0], "null_std": [0.1, 0.2, 0.3, 0.05],
                         "apa_star": ["", "**", "****", np.nan]})


@pytest.fixture(autouse=True)
def close():
    yield
    pyplot.close("all")


def drawn(rois=(2, 1, 180, 103), **options):
    return boxplots.parcels(VALUES, list(rois), ATLAS, label="r", **options)


def test_boxes_are_quartiles_in_the_order_asked_for():
    axes = drawn().axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["MST", "V1", "p24", "52"]
    boxes = [patch for patch in axes.patches if len(patch.get_path().vertices) > 4]
    extent = boxes[1].get_path().get_extents()
    assert (extent.ymin, extent.ymax) == pytest.approx(tuple(np.quantile([0.1, 0.5, 0.2], [0.25, 0.75])))
    assert boxes[1].get_facecolor()[:3] == pytest.approx(to_rgb("#203359"))
    # the subject without a value is left out
    assert boxes[0].get_path().get_extents().ymin == pytest.approx(np.quantile([0.3, 0.4], 0.25))


def test_stars_stand_over_their_own_parcels_only():
    axes = drawn(p_values=P_VALUES).axes[0]
    stars = {text.xy[0]: (text.get_text(), text.xy[1]) for text in axes.texts}
    assert stars == {0: ("**", 0.4), 1: ("****", 0.5)}


def test_ribbon_is_mean_and_sd_of_the_null():
    ribbon = next(patch for patch in drawn(p_values=P_VALUES).axes[0].patches if hasattr(patch, "get_data"))
    high, edges, low = ribbon.get_data()
    np.testing.assert_allclose(edges, [-0.5, 0.5, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(high, [0.22, 0.33, 0.11, 0.05])
    np.testing.assert_allclose(low, [-0.18, -0.27, -0.09, -0.05])


def test_without_p_values_there_is_no_ribbon():
    figure = drawn()
    assert not figure.axes[0].texts and not any(hasattr(patch, "get_data") for patch in figure.axes[0].patches)
    assert "null, mean ± SD" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_legend_names_each_area_once_in_the_order_of_the_atlas():
    texts = [text.get_text() for text in drawn(p_values=P_VALUES).legends[0].get_texts()]
    assert texts == ["Primary", "MT+", "Cingulate", "null, mean ± SD"]


def test_many_parcels_are_drawn_in_rows():
    figure = drawn(p_values=P_VALUES, per_row=3)
    assert [len(axes.get_xticks()) for axes in figure.axes] == [3, 1]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim() and figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_comparison_without_rows_in_the_table_is_drawn_without_null():
    axes = drawn(p_values=P_VALUES.iloc[:0]).axes[0]
    assert not axes.texts and len(axes.get_xticks()) == 4


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match=r"rois: no parcel to draw \(r\); the table holds no value, or none is significant"):
        drawn(rois=())


def test_nothing_is_clipped():
    style.apply()
    figure = drawn(p_values=P_VALUES, title="A title", width="one and a half")
    figure.draw_without_rendering()
    page = figure.bbox
    for text in [*figure.axes[0].texts, *figure.axes[0].get_xticklabels(), *figure.legends[0].get_texts(), figure.axes[0].title,
                 figure.axes[0].yaxis.label]:
        box = text.get_window_extent()
        assert box.x0 >= page.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1, text.get_text()
