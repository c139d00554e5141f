"""Simulated single-trial responses with planted truth. What every miniature dataset shares; arrays in, arrays out.

A parcel of one subject answers to the picture, to the clock and with noise:

    response = sqrt(snr / 6) z(image) W  +  0.5 drift(trial) D  +  noise       (n_trials, n_voxels), noise of variance 1

z is the latent that the parcel follows (latents.py), 6 numbers per image. W and D are random for every subject and parcel:
geometry is shared between subjects, voxels are not. In some parcels z is weak where a picture shows neither person nor animal,
so that there is little to share among such pictures. `drift` is smooth, has no mean within a session, and is the same for all
subjects, so that trials at the same position look alike whatever was shown. That is what a repetition shift is for.
"""

import numpy as np

from convergence.datasets.miniature.latents import shows_somebody

DRIFT_COMPONENTS = 4
DRIFT_AMPLITUDE = 1.0           # standard deviation in a voxel, in those of its noise: nulls read r = 0.5 to 0.7 unshifted
DRIFT_SMOOTHNESS = 10           # standard deviation of the smoothing kernel, in trials
UNIT = 300                      # responses are stored as percent signal change x 300


def draw_drift(trials_per_session, n_sessions, rng):
    """(n_trials, DRIFT_COMPONENTS), session after session: smooth over trials, mean 0 in a session, variance 1 over all."""
    from scipy.ndimage import gaussian_filter1d

    noise = rng.standard_normal((n_sessions * trials_per_session, DRIFT_COMPONENTS))
    drift = gaussian_filter1d(noise, DRIFT_SMOOTHNESS, axis=0, mode="wrap")
    sessions = drift.reshape(n_sessions, trials_per_session, DRIFT_COMPONENTS)
    drift = (sessions - sessions.mean(axis=1, keepdims=True)).reshape(drift.shape)
    return drift / drift.std(axis=0)


def drift_similarity(drift):
    """(n_trials, n_trials) expected correlation of the patterns of two trials in a parcel without signal (many voxels)."""
    patterns = drift * DRIFT_AMPLITUDE / np.sqrt(drift.shape[1])
    variance = 1 + np.sum(patterns**2, axis=1)
    return patterns @ patterns.T / np.sqrt(np.outer(variance, variance))


def mix(latents, recipe):
    """(n_images, 6) latent of unit variance named by a recipe: "low", or equal parts of several, "low+scene"."""
    parts = recipe.split("+")
    return sum(latents[part] for part in parts) / np.sqrt(len(parts))


def signal_of(latents, roi):
    """(n_images, 6) latent that a parcel follows (`roi`: an entry of truth.plant), weak in pictures of nobody where it says so.

    Its variance over all images is 1, as that of the latents.
    """
    weight = np.where(shows_somebody(latents["social"]), 1.0, roi["nobody"])
    return mix(latents, roi["latent"]) * weight[:, None] / np.sqrt(np.mean(weight**2))


def simulate(drift, n_voxels, rng, *, signal=None, snr=0.0):
    """Responses of one parcel of one subject.

    Parameters
    ----------
    drift : (n_trials, DRIFT_COMPONENTS) array
    n_voxels : int
    rng : numpy.random.Generator
        The subject's and parcel's own.
    signal : (n_trials, n_axes) array, optional
        Latent of the image of every trial.
    snr : float
        Variance of the signal in a voxel, in those of its noise.

    Returns
    -------
    (n_trials, n_voxels) float64 array
    """
    responses = rng.standard_normal((len(drift), n_voxels))
    responses += drift @ rng.standard_normal((drift.shape[1], n_voxels)) * (DRIFT_AMPLITUDE / np.sqrt(drift.shape[1]))
    if snr:
        responses += signal @ rng.standard_normal((signal.shape[1], n_voxels)) * np.sqrt(snr / signal.shape[1])
    return responses


def canaries(n_trials, n_voxels):
    """(n_trials, n_voxels) int16: voxel 0 holds the trial's number from 0, voxel k holds 1000 + k."""
    values = np.tile(1000 + np.arange(n_voxels, dtype=np.int16), (n_trials, 1))
    values[:, :1] = np.arange(n_trials)[:, None]
    return values


def as_int16(responses):
    """Responses as the files hold them: rounded percent signal change x 300."""
    return np.clip(np.round(UNIT * responses), -32767, 32767).astype(np.int16)


def stream(seed, *names):
    """A random generator of its own for whatever `names` name, so that one thing can be drawn anew without moving the others."""
    from zlib import crc32

    return np.random.default_rng([seed, *(crc32(str(name).encode()) for name in names)])
