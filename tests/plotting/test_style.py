"""Figures as files: both formats or none, the same bytes every time, text that stays text, the sizes of journal columns."""

import matplotlib
import pytest
from matplotlib import font_manager
from PIL import Image

from convergence.plotting import style


def drawing():
    style.apply()
    figure = style.figure("single", height=40)
    figure.subplots().set(xlabel="inter-subject RSA (r)", title="ρ")
    return figure


def test_save_writes_pdf_and_png_of_the_column_width(tmp_path):
    pdf, png = style.save(drawing(), tmp_path / "new folder" / "01a.panel")
    assert (pdf.name, png.name) == ("01a.panel.pdf", "01a.panel.png")
    with Image.open(png) as image:
        assert image.width == round(89 / 25.4 * 300) or image.width == int(89 / 25.4 * 300)
        assert round(image.info["dpi"][0]) == 300


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    first, second = (style.save(drawing(), tmp_path / name) for name in ("a", "b"))
    for one, other in zip(first, second):
        assert one.read_bytes() == other.read_bytes()
    assert b"CreationDate" not in first[0].read_bytes() and b"atplotlib" not in first[0].read_bytes() + first[1].read_bytes()


def test_text_in_the_pdf_is_text(tmp_path):
    content = style.save(drawing(), tmp_path / "a")[0].read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in content                # TrueType, which editors can edit


def test_nothing_is_left_when_drawing_fails(tmp_path):
    figure = drawing()
    figure.suptitle(r"$\unknown$")
    with pytest.raises(ValueError):
        style.save(figure, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_only_installed_fonts_are_asked_for(recwarn):
    style.apply()
    installed = {font.name for font in font_manager.fontManager.ttflist}
    assert matplotlib.rcParams["font.sans-serif"][-1] == "DejaVu Sans"
    assert ("Arial" in matplotlib.rcParams["font.sans-serif"]) == ("Arial" in installed)


def test_an_unknown_width_is_refused():
    message = "width: 'triple' is no column of a page; choose one of 'single', 'one and a half', 'double', or give millimetres"
    with pytest.raises(ValueError, match=message):
        style.figure("triple", height=10)


def test_colours_stay_apart_for_colour_blind_readers():
    """Deuteranopia, as Machado et al. (2009) simulate it: the colours of the three comparisons keep a distance in RGB."""
    deuteranopia = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    seen = [[sum(a * b for a, b in zip(row, matplotlib.colors.to_rgb(style.COLORS[name]))) for row in deuteranopia]
            for name in ("vision", "language", "intersubject")]
    distances = [sum((a - b) ** 2 for a, b in zip(seen[i], seen[j])) ** 0.5 for i, j in ((0, 1), (0, 2), (1, 2))]
    assert min(distances) > 0.25
