"""Networks with planted truth: their layers are known to carry this or that latent of a miniature dataset. Arrays in, arrays out.

    vision_layers("planted_vision_12x96", latents)          # 12 arrays (n_images, 96)
    peak_layers("planted_vision_12x96")                     # {"low": 1, "scene": 5, "social": 10}: where each latent peaks
    language_layers("planted_language_6x64", latents); pixel_layers(pictures)

`python -m convergence plant-features` writes their feature files (convergence/plant_features.py).

Vision networks go from `low` over `scene` to `social` with depth: layer l of L, at depth d = l / (L - 1), is

    sum over latents of  w(d - place of the latent) z(image) W_latent  +  noise,         w(x) = exp(-(x / WIDTH)^2 / 2)

with one random W per latent for all layers (a W per layer would move the peaks by its own luck), so that the RDM of a layer is
a mixture of the latents' RDMs, and each latent's share is largest in one known layer. One network with random weights is a
random projection of the pixels; two language networks carry `social` alone.
"""

import numpy as np

from convergence.datasets.miniature.responses import stream

PLACES = {"low": 0.1, "scene": 0.5, "social": 0.9}      # depth at which a latent's share of a vision network peaks
WIDTH = 0.15
NOISE = 0.5                                             # standard deviation in a unit, in those of a latent at its peak
# layers, units
VISION = {"planted_vision_8x64": (8, 64), "planted_vision_12x96": (12, 96), "planted_vision_24x128": (24, 128)}
LANGUAGE = {"planted_language_6x64": (6, 64), "planted_language_10x96": (10, 96)}
UNTRAINED = "planted_pixels_4x64", (4, 64)


def strengths(n_layers):
    """{latent: (n_layers,)}: weight of each latent in every layer of a vision network."""
    depth = np.linspace(0, 1, n_layers)
    return {latent: np.exp(-((depth - place) / WIDTH) ** 2 / 2) for latent, place in PLACES.items()}


def peak_layers(name):
    """{latent: layer} of a planted vision network: where each latent's share of the signal's variance is largest."""
    weights = strengths(VISION[name][0])
    total = sum(weight**2 for weight in weights.values()) + NOISE**2
    return {latent: int(np.argmax(weight**2 / total)) for latent, weight in weights.items()}


def vision_layers(name, latents, seed=0):
    """Activations of a planted vision network.

    Parameters
    ----------
    name : str
        A key of VISION.
    latents : dict of str to (n_images, 6) array
        `low`, `scene` and `social` of every image.
    seed : int

    Returns
    -------
    list of (n_images, n_units) float32 array, one per layer
    """
    n_layers, n_units = VISION[name]
    weights = strengths(n_layers)
    return [_mixture({latent: weights[latent][layer] for latent in PLACES}, latents, n_units, (seed, name), layer)
            for layer in range(n_layers)]


def language_layers(name, latents, seed=0):
    """The same of a planted language network: `social` in every layer, and in the first one noise alone."""
    n_layers, n_units = LANGUAGE[name]
    return [_mixture({"social": float(layer > 0)}, latents, n_units, (seed, name), layer) for layer in range(n_layers)]


def pixel_layers(pictures, seed=0):
    """Random projections of (n_images, ...) pictures, one per layer, each rectified."""
    name, (n_layers, n_units) = UNTRAINED
    values = np.asarray(pictures, np.float32).reshape(len(pictures), -1) / 255
    layers = []
    for layer in range(n_layers):
        weights = stream(seed, name, layer).standard_normal((values.shape[1], n_units)).astype(np.float32)
        values = values @ weights / np.sqrt(len(weights))
        layers.append(np.maximum(values, 0))
    return layers


def _mixture(weights, latents, n_units, key, layer):
    """(n_images, n_units) float32: latents times weights through the network's random matrices, and the layer's own noise."""
    n_images = len(next(iter(latents.values())))
    values = NOISE * stream(*key, "noise", layer).standard_normal((n_images, n_units))
    for latent, weight in weights.items():
        axes = latents[latent]
        values += weight * axes @ stream(*key, latent).standard_normal((axes.shape[1], n_units)) / np.sqrt(axes.shape[1])
    return values.astype(np.float32)
