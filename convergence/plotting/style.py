"""One style for every figure: fonts, sizes of journal columns, colours for colour-blind readers too, and how figures are saved.

    style.apply()                                              # once, before the first figure
    figure = style.figure("double", height=60)                 # a journal's two columns wide, 60 mm high
    style.save(figure, folder / "01a_intersubject")            # [01a_intersubject.pdf, 01a_intersubject.png]

Text in the PDF stays text (TrueType), cortical maps are raster images of RESOLUTION dpi. Files hold no date and no name of a
program, so that the same tables give the same bytes.
"""

from pathlib import Path

from convergence.storage.outputs import replacing

WIDTHS = {"single": 89, "one and a half": 120, "double": 183}          # mm
RESOLUTION = 300                                                        # dots per inch, of the PNG and of raster parts of the PDF
MILLIMETRES_PER_INCH = 25.4

# What matplotlib would otherwise write into the files: dates, names, versions.
NAMELESS = {".pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
            ".png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 4}}}

# Okabe and Ito's colours, which stay apart under the common colour-vision deficiencies; the first four have a meaning.
COLORS = {"vision": "#0072B2", "language": "#D55E00", "intersubject": "#009E73", "null": "#9A9A9A"}
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
NO_DATA, NOT_SIGNIFICANT = "#7A7A7A", "#D2D2D2"
DIVERGING, SEQUENTIAL = "RdBu_r", "viridis"
COMPARISONS = {"intersubject": "Inter-subject", "vision": "Vision models", "language": "Language models"}
AXES = {"intersubject": "inter-subject RSA (r)", "vision": "vision models, best layer (r)",
        "language": "language models, best layer (r)"}


def apply():
    """Set matplotlib's defaults; DejaVu Sans comes with matplotlib, Arial is used only where it is installed."""
    import matplotlib
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    matplotlib.rcParams.update({
        "font.family": "sans-serif", "font.sans-serif": [name for name in ("Arial", "DejaVu Sans") if name in installed],
        "font.size": 7, "axes.titlesize": 8, "axes.labelsize": 7, "xtick.labelsize": 6, "ytick.labelsize": 6,
                                "legend.fontsize": 6,
        "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "lines.linewidth": 1.2,
        "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
        "legend.frameon": False, "axes.prop_cycle": matplotlib.cycler(color=SERIES), "image.cmap": SEQUENTIAL,
        "pdf.fonttype": 42, "svg.fonttype": "none", "figure.dpi": 150, "savefig.dpi": RESOLUTION})


def figure(width, height, layout="constrained"):
    """An empty pyplot figure, which a notebook shows at the end of its cell.

    Parameters
    ----------
    width : {"single", "one and a half", "double"} or float
        Columns of a journal page, or millimetres.
    height : float
        Millimetres.
    layout : {"constrained", None}
        Whether matplotlib makes room for labels, or axes are placed by hand.

    Raises
    ------
    ValueError
        A width that is no column.
    """
    from matplotlib import pyplot

    if isinstance(width, str) and width not in WIDTHS:
        raise ValueError(f"width: {width!r} is no column of a page; choose one of {', '.join(map(repr, WIDTHS))}, "
                         "or give millimetres")
    millimetres = WIDTHS.get(width, width)
    return pyplot.figure(figsize=(millimetres / MILLIMETRES_PER_INCH, height / MILLIMETRES_PER_INCH), layout=layout)


def save(figure, path):
    """Write a figure as <path>.pdf and <path>.png, each whole or not at all; returns the two paths."""
    written = []
    for suffix in NAMELESS:
        target = Path(path).with_name(Path(path).name + suffix)
        with replacing(target) as temporary:
            write(figure, temporary)
        written.append(target)
    return written


def write(figure, path):
    """Write one file, .pdf or .png."""
    figure.savefig(path, dpi=RESOLUTION, **NAMELESS[Path(path).suffix])
