"""Names beside points: none covers another, none leaves the frame, and each stands near its own point."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from convergence.plotting import scatter, style
from convergence.plotting.labels import area_legend, legend_height, place_labels


@pytest.fixture(autouse=True)
def close():
    style.apply()
    yield
    pyplot.close("all")


def boxes(texts):
    return [text.get_window_extent() for text in texts]


def collisions(texts):
    found = boxes(texts)
    return [(a, b) for a in range(len(found)) for b in range(a) if found[a].overlaps(found[b])]


def test_crowded_names_do_not_collide_and_stay_inside():
    axes = style.figure("single", 70).subplots()
    crowd = np.random.default_rng(8).normal(0.2, 0.004, (14, 2))
    axes.scatter(*crowd.T, s=14)
    axes.set(xlim=(0, 0.22), ylim=(0, 0.22))
    texts = place_labels(axes, {f"TPOJ{k}": point for k, point in enumerate(crowd)})
    assert [text.get_text() for text in texts] == [f"TPOJ{k}" for k in range(14)]
    assert not collisions(texts)
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes(texts))


def test_names_do_not_cover_points_when_there_is_room():
    axes = style.figure("single", 70).subplots()
    points = np.random.default_rng(1).uniform(0, 1, (60, 2))
    axes.scatter(*points.T, s=4)
    texts = place_labels(axes, {f"P{k}": points[k] for k in range(6)}, others=points[6:])
    pixels = axes.transData.transform(points)
    for box in boxes(texts):
        assert not ((pixels > box.min) & (pixels < box.max)).all(1).any()


def test_a_lonely_name_stands_beside_its_point():
    axes = style.figure("single", 70).subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    text, = place_labels(axes, {"V1": (0.5, 0.5)})
    box, at = text.get_window_extent(), axes.transData.transform((0.5, 0.5))
    gap = (box.x0 - at[0]) * 72 / axes.get_figure().dpi
    assert 2 < gap < 5 and abs((box.y0 + box.y1) / 2 - at[1]) < 2
    assert len(axes.texts) == 1                                         # so near a point, a name needs no line


def parcels(n=40):
    rng = np.random.default_rng(3)
    atlas = pd.DataFrame({"name": [f"A{k}" for k in range(n)], "area": [f"Area {k // 10}" for k in range(n)],
                          "roi_order": range(n),
                          "area_color": [("#203359", "#7f6c93", "#7f3346", "#46ccb9")[k // 10] for k in range(n)]},
                         index=pd.Index(np.arange(n) + 100, name="roi"))
    x = pd.Series(np.linspace(0.4, 0, n), atlas.index)
    return x, x * 0.8 + rng.normal(0, 0.01, n), atlas


def test_the_strongest_parcels_are_named():
    x, y, atlas = parcels()
    x.iloc[3], y.iloc[5] = np.nan, np.nan
    figure = scatter.parcels(x, y, atlas, x_label="x (r)", y_label="y (r)", n_labels=6, note="rho = 0.9")
    axes = figure.axes[0]
    assert len(axes.collections[0].get_offsets()) == 38                 # parcels without one of the values are left out
    names = [text.get_text() for text in axes.texts if text.get_text().startswith("A")]
    assert set(names) == {"A0", "A1", "A2", "A4", "A6", "A7"}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Area 0", "other areas"]
    assert not collisions([text for text in axes.texts if text.get_text()])


def test_legend_takes_the_height_it_says():
    *_, atlas = parcels()
    figure = style.figure("single", 50)
    figure.subplots()
    area_legend(figure, atlas, {"other areas": "#DDDDDD"})
    figure.draw_without_rendering()
    height = figure.legends[0].get_window_extent().height / figure.dpi * style.MILLIMETRES_PER_INCH
    assert height == pytest.approx(legend_height(atlas, "single", {"other areas": "#DDDDDD"}), abs=3)
