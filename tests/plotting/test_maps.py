"""Colours of parcels, from values to pixels."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from scipy.ndimage import distance_transform_edt

from convergence.datasets.atlas import load_atlas
from convergence.plotting import maps, style
from convergence.plotting.surface import BACKGROUND, SUPERSAMPLING, render, sheet


class TwoColors:
    """A scale that needs no colormap: red below 0, blue from 0 on."""
    def to_rgba(self, values):
        return np.array([(0, 0, 1, 1) if value >= 0 else (1, 0, 0, 1) for value in values])


def no(values):
    return pd.Series(False, index=values.index)


@pytest.fixture(autouse=True)
def close():
    yield
    pyplot.close("all")


def test_a_joined_value_is_painted_on_both_sides():
    values = pd.Series({3: -1.0, 77: 2.0})
    colors = maps.parcel_colors(values, TwoColors(), no(values))
    assert colors.shape == (1 + load_atlas()["roi"].max(), 3)
    for roi, color in ((3, (1, 0, 0)), (183, (1, 0, 0)), (77, (0, 0, 1)), (257, (0, 0, 1))):
        np.testing.assert_array_equal(colors[roi], color)
    assert (colors[[0, 1, 2, 181, 360]] == to_rgb(style.NO_DATA)).all()


def test_a_separated_value_is_painted_on_its_side():
    values = pd.Series({3: -1.0, 257: 2.0})
    colors = maps.parcel_colors(values, TwoColors(), no(values), "separated")
    np.testing.assert_array_equal(colors[257], (0, 0, 1))
    assert (colors[[77, 183]] == to_rgb(style.NO_DATA)).all()


def test_not_significant_and_without_data_differ():
    values = pd.Series({5: 1.0, 6: np.nan, 7: 1.0})
    colors = maps.parcel_colors(values, TwoColors(), pd.Series({5: True, 6: True, 7: False}))
    np.testing.assert_array_equal(colors[5], to_rgb(style.NOT_SIGNIFICANT))
    np.testing.assert_array_equal(colors[6], to_rgb(style.NO_DATA))
    np.testing.assert_array_equal(colors[7], (0, 0, 1))


def test_parcels_that_the_atlas_lacks_are_refused():
    values = pd.Series({0: 1.0, 5: 1.0, 181: 1.0})
    message = r"values: parcel numbers \[0, 181\] are not among 1 to 180, the parcels of joined hemispheres; index the values by"
    with pytest.raises(ValueError, match=message):
        maps.cortex(values, label="r")
    with pytest.raises(ValueError, match="hemispheres: 'both' is neither 'joined' nor 'separated'"):
        maps.cortex(values, label="r", hemispheres="both")


@pytest.mark.parametrize("values, limit", [([0.213, -0.1], 0.3), ([-0.2], 0.2), ([0.11], 0.15), ([7.1], 8), ([95], 100),
                                           ([0.0], 1), ([], 1)])
def test_limits_are_round_and_symmetric(values, limit):
    assert maps.symmetric_limits(pd.Series(values, dtype=float)) == pytest.approx((-limit, limit))


def test_pixels_have_the_colour_of_their_parcel():
    colors = np.random.default_rng(2).uniform(0.2, 1, (1 + load_atlas()["roi"].max(), 3))
    image, parcel = maps.paint(colors), sheet().parcel
    assert image.shape[:2] == tuple(n // SUPERSAMPLING for n in parcel.shape) and image.min() >= 0 and image.max() <= 1
    for roi in (1, 140, 181, 320, 0):
        somewhere = np.argwhere(parcel == roi)
        corner = np.maximum(somewhere[len(somewhere) // 2] - 100, 0)
        part = parcel[corner[0]:corner[0] + 200, corner[1]:corner[1] + 200] == roi
        row, column = corner + np.unravel_index(distance_transform_edt(part).argmax(), part.shape)  # far from any border
        pixel = image[row // SUPERSAMPLING, column // SUPERSAMPLING]
        np.testing.assert_allclose(pixel / pixel.sum(), colors[roi] / colors[roi].sum(), atol=1e-4)
    assert (image[0, 0] == 1).all() and parcel[0, 0] == BACKGROUND


def test_a_second_map_renders_nothing_anew():
    values = pd.Series(np.linspace(-0.1, 0.1, 180), index=range(1, 181))
    maps.cortex(values, label="r")
    before = render.cache_info().misses
    maps.cortex(-values, label="r")
    assert render.cache_info().misses == before


def test_colour_bar_says_when_values_go_beyond_its_ends():
    values = pd.Series({1: -0.5, 2: 0.1, 4: 0.9})
    bar = lambda figure: figure.axes[1]._colorbar
    assert bar(maps.cortex(values, label="r", limits=(-0.2, 0.2))).extend == "both"
    assert bar(maps.cortex(values, label="r", limits=(-0.2, 0.2),
                           significant=pd.Series({1: False, 2: True, 4: True}))).extend == "max"
    assert bar(maps.cortex(values, label="r")).extend == "neither"


def test_legend_explains_the_greys():
    values = pd.Series({1: 0.5, 2: 0.1})
    texts = lambda figure: [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts(maps.cortex(values, label="r")) == ["no data"]
    assert texts(maps.cortex(values, label="r", significant=pd.Series({1: True}))) == ["no data", "not significant"]


def test_the_cortex_is_a_picture_and_its_text_is_text(tmp_path):
    style.apply()
    figure = maps.cortex(pd.Series({1: 0.5, 2: 0.1}), label="RSA (r)", title="Vision models")
    content = style.save(figure, tmp_path / "map")[0].read_bytes()
    assert b"/Subtype /Image" in content and b"/FontFile2" in content and len(content) < 2_000_000
