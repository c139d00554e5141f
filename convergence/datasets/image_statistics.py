"""Perceptual statistics of pictures: nine numbers that say how a picture looks, and nothing of what it shows.

    statistics(picture)                             {"luminance": 0.41, "contrast": ..., ...} of one RGB picture
    units(dataset, derivatives), merge(...)         all pictures of a dataset, in shards that a stopped run keeps

Every picture is scaled so that its shorter side has 256 pixels: frequencies are cycles per shorter side, and a picture of another
size has the same statistics. Y is the grey value of a pixel, 0.2125 R + 0.7154 G + 0.0721 B of the values as stored (0 black, 1
white).

luminance           mean of Y                                                                   0 to 1
contrast            standard deviation of Y (root mean square contrast)                         0 to 0.5
saturation          mean of (max(R, G, B) - min(R, G, B)) / max(R, G, B), black counts 0        0 to 1
edge_density        part of the pixels that Canny's detector calls edges (sigma 2 pixels)       0 to 1
gabor_energy        mean of |g * (Y - mean Y)|^2 over pixels and 16 complex Gabor filters g: 0, 45, 90, 135 degrees; 4, 8, 16,
                    32 cycles per side; one octave wide. A grating of amplitude a at a filter's own frequency gives it a^2 / 4
spatial_frequency   slope of the line through log(amplitude) over log(frequency), the amplitude of Y's Fourier spectrum (Hann
                    window) averaged over rings 4, 5, ... 32 cycles per side; about -1 for natural pictures, NaN for one grey
entropy             -sum p log2 p of the histogram of 256 grey values                           0 to 8 bits
homogeneity         sum P / (1 + (i - j)^2): P the co-occurrence of 32 grey levels i, j in neighbouring pixels, mean of
                    4 directions                                                                0 to 1
correlation         Pearson r of i and j under P, mean of 4 directions; 1 for one grey alone    -1 to 1

Time: 20 ms per picture on one core (16 ms at 425 pixels, 21 at 800; NSD: 25 minutes divided by the number of processes), and
reading it. Pictures under 64 pixels have nothing at the highest frequencies, so that their slope is too steep. Sources: Canny
(1986); Haralick et al. (1973); Field (1987) for the slope.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

SIDE = 256
FREQUENCIES = (4, 8, 16, 32)            # cycles per shorter side
_ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_RINGS = np.arange(4, 33)
_EDGE_SIGMA = 2.0
_LEVELS = 32                            # of grey in the co-occurrence matrix
SHARD = 500                             # pictures that one unit of work measures
NAMES = ("luminance", "contrast", "saturation", "edge_density", "gabor_energy", "spatial_frequency", "entropy", "homogeneity",
         "correlation")


def statistics(picture):
    """The nine numbers of one picture.

    Parameters
    ----------
    picture : PIL.Image.Image
        Of any mode and size; grey ones have saturation 0.

    Returns
    -------
    dict of str to float
        Keys are NAMES; units and ranges in the module's docstring.
    """
    from skimage.color import rgb2gray
    from skimage.feature import canny

    from convergence.storage.pictures import rgb

    colours = _scaled(rgb(picture))
    grey = rgb2gray(colours)
    eight_bits = np.round(grey * 255).astype(np.uint8)
    homogeneity, correlation = _co_occurrence(eight_bits)
    return {"luminance": float(grey.mean()), "contrast": float(grey.std()), "saturation": _saturation(colours),
            "edge_density": float(canny(grey, sigma=_EDGE_SIGMA).mean()), "gabor_energy": float(np.mean(gabor_energies(grey))),
            "spatial_frequency": spectrum_slope(grey), "entropy": _entropy(eight_bits),
            "homogeneity": homogeneity, "correlation": correlation}


def gabor_energies(grey):
    """Mean energy of the Gabor filters of every frequency, (n_frequencies,); borders are mirrored.

    Parameters
    ----------
    grey : (height, width) array
        Shorter side SIDE pixels.

    Notes
    -----
    By Parseval's theorem the mean of a filter's squared output is a sum over the spectrum; the spectrum of the mirrored picture
    is a cosine transform, and a filter's squared gain a product of a function of the rows and one of the columns: one transform
    and small products serve all filters. The mirrored copies see the filter at 45 degrees as the one at 135 and the reverse, so
    that the mean over orientations is that of the picture itself.
    """
    from scipy.fft import dctn

    power = (dctn(grey - grey.mean()) / (4 * grey.size)) ** 2
    gains = [(_gains(grey.shape[0], np.sin(angle)), _gains(grey.shape[1], np.cos(angle))) for angle in _ANGLES]
    return np.mean([np.einsum("fi,ij,fj->f", down, power, across, optimize=True) for down, across in gains], axis=0)


def spectrum_slope(grey):
    """Slope of log amplitude over log spatial frequency; NaN where a ring is empty.

    Parameters
    ----------
    grey : (height, width) array
        Shorter side SIDE pixels.
    """
    window, ring, members = _rings(grey.shape)
    mean = (grey * window).sum() / window.sum()
    amplitude = np.abs(np.fft.fft2((grey - mean) * window))
    rings = np.bincount(ring, amplitude.ravel()[members], minlength=_RINGS[-1] + 1)[_RINGS]
    rings /= np.bincount(ring, minlength=_RINGS[-1] + 1)[_RINGS]
    if rings.min() <= 1e-9 * grey.size:
        return float("nan")
    return float(np.polyfit(np.log(_RINGS), np.log(rings), 1)[0])


def units(dataset, derivatives):
    """Units of work, one per SHARD pictures; a part of the table each.

    Parameters
    ----------
    dataset : Dataset
    derivatives : path
    """
    from convergence.tasks import Unit

    images = [int(image) for image in dataset.images.index]
    folder, inputs = table_path(dataset, derivatives).parent / "parts" / "image_statistics", tuple(dataset.stimulus_files())
    return [Unit(f"pictures {start} to {start + len(shard) - 1}", folder / f"{start:06d}.parquet", measure_shard,
                 {"images": shard}, {"dataset": dataset}, inputs)
            for start in range(0, len(images), SHARD) for shard in [images[start:start + SHARD]]]


def measure_shard(images, dataset):
    """The rows of some pictures, in the given order.

    Raises
    ------
    ValueError
        Pictures cannot be read; the message lists them.
    """
    import pandas

    from convergence.storage.tables import conform

    rows, faults = [], []
    for image in images:
        try:
            picture = dataset.image(image)
        except (OSError, SyntaxError, ValueError) as error:
            faults.append(f"{dataset.image_key} {image} ({error})")
            continue
        rows.append({"image": image, **statistics(picture)})
    if faults:
        more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ValueError(f"{len(faults)} of {len(images)} pictures cannot be read: {', '.join(faults[:3])}{more}")
    return conform(pandas.DataFrame(rows), "image_statistics")


def merge(parts, dataset, derivatives):
    """One table of all parts, in order, unless it is what they make already; returns its path."""
    from convergence.storage.outputs import Record, state
    from convergence.storage.tables import concatenate

    path, record = table_path(dataset, derivatives), Record("1_dataset_preparation/5_measure_image_statistics.py", tuple(parts))
    if state(path, record)[0] != "done":
        concatenate(parts, path, record)
    return path


def table_path(dataset, derivatives):
    """Where the table of a dataset lies."""
    from convergence.storage.tables import file_of
    return Path(derivatives) / file_of("image_statistics", dataset=dataset.name)


def _scaled(picture):
    """(height, width, 3) values 0 to 1, shorter side SIDE."""
    from PIL import Image

    factor = SIDE / min(picture.size)
    size = tuple(max(SIDE, round(side * factor)) for side in picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC), dtype=np.float64) / 255


def _saturation(colours):
    red, green, blue = np.moveaxis(colours, -1, 0)
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    return float(np.divide(most - least, most, out=np.zeros_like(most), where=most > 0).mean())


def _entropy(eight_bits):
    counts = np.bincount(eight_bits.ravel())
    p = counts[counts > 0] / eight_bits.size
    return float(abs(p @ np.log2(p)))


def _co_occurrence(eight_bits):
    """(homogeneity, correlation), means over four directions."""
    from skimage.feature import graycomatrix, graycoprops

    levels = (eight_bits // (256 // _LEVELS)).astype(np.uint8)
    matrix = graycomatrix(levels, [1], _ANGLES, levels=_LEVELS, symmetric=True, normed=True)
    return float(graycoprops(matrix, "homogeneity").mean()), float(graycoprops(matrix, "correlation").mean())


def _gains(side, direction):
    """(n_frequencies, side): along one axis, what a squared cosine coefficient contributes to each filter's energy.

    A Gabor filter's gain is a Gaussian about its frequency f, of width 1 / (2 pi sigma); sigma = 3 sqrt(ln 2 / 2) / (pi f)
    for one octave. A coefficient stands for a positive and a negative frequency; a mirrored picture has nothing at the highest.
    """
    frequency = np.fft.fftfreq(2 * side) * SIDE
    centres = np.array(FREQUENCIES)[:, None]
    gain = np.exp(-9 * np.log(4) * ((frequency - direction * centres) / centres) ** 2)
    return np.concatenate([gain[:, :1], gain[:, 1:side] + gain[:, :side:-1]], axis=1)


@lru_cache(maxsize=8)
def _rings(shape):
    """Hann window; ring of every place of the spectrum that lies in one of _RINGS; which places those are."""
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) * SIDE for n in shape), indexing="ij")).ravel()
    ring = np.round(radius).astype(int)
    members = np.flatnonzero((ring >= _RINGS[0]) & (ring <= _RINGS[-1]))
    return np.outer(np.hanning(shape[0]), np.hanning(shape[1])), ring[members], members
