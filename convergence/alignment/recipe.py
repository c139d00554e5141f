"""How responses become RDMs, where there is a choice: the options of 1_compute_rdms.py as a value, and what they do to responses.

    recipe = Recipe(metric="euclidean", zscore=True)
    recipe.suffix                       # "_euclidean_zscore": end of the names of stores and tables; "" as published
    recipe.flags                        # "--metric euclidean --zscore"
    recipe.condensed(dataset, subject, parcel, trials)          # (n_voxels, (n_pairs,) or None, reason)
    recipe.stimuli(trials)              # one row per stimulus of the RDM: trials, or images

The published recipe (arXiv 2507.13941) is the default: 1 - Pearson r between single trials, after values beyond the 0.3 % and
99.7 % quantiles of the matrix were set to these.
"""

from dataclasses import dataclass

import numpy as np

CLIP = 0.003
GLMDENOISE = ("note: the betas of this dataset were denoised with regressors that all trials share (GLMdenoise, ridge "
              "regression): the repetitions of an image are not independent, and cross-validated distances of equal patterns may "
              "be above 0")


@dataclass(frozen=True)
class Recipe:
    """The choices; the defaults are the published recipe.

    metric : {"correlation", "euclidean", "cosine", "crossnobis"}
    zscore : bool
        Every voxel within each session first.
    images : bool
        Responses averaged over the repetitions of an image first.
    noise : {"diagonal", "shrinkage"}
        Of crossnobis.
    clip : float
        Fraction of the values at either end that is limited.
    """

    metric: str = "correlation"
    zscore: bool = False
    images: bool = False
    noise: str = "diagonal"
    clip: float = CLIP

    def __post_init__(self):
        if self.noise != "diagonal" and self.metric != "crossnobis":
            raise ValueError(f"--noise {self.noise} belongs to --metric crossnobis; the metric is {self.metric}")

    @property
    def by_image(self):
        """Whether the RDM's stimuli are images; else they are trials."""
        return self.images or self.metric == "crossnobis"

    @property
    def suffix(self):
        return "".join(f"_{word}" for word, told in self._words() if told)

    @property
    def flags(self):
        """The options that ask for it, e.g. in the command of an error message."""
        told = {f"--metric {self.metric}": self.metric != "correlation", f"--noise {self.noise}": self.noise != "diagonal",
                "--zscore": self.zscore, "--images": self.images}
        return " ".join(flag for flag, is_told in told.items() if is_told)

    @property
    def options(self):
        """What a sidecar states: metric and clip, and what is not the default."""
        more = {name: getattr(self, name) for name in ("zscore", "images", "noise")}
        stated = {"metric": self.metric, "clip": self.clip}
        return stated | {name: value for name, value in more.items() if value != getattr(Recipe, name)}

    def stimuli(self, trials):
        """The rows of a table of trials that are the RDM's stimuli: all, or the first trial of each image.

        Of crossnobis: of each image that was shown at least twice.
        """
        if not self.by_image:
            return trials
        first = trials.groupby("image", sort=False).head(1).reset_index(drop=True)
        if self.metric == "crossnobis":
            shown = first["image"].map(trials["image"].value_counts())
            first = first[shown > 1].reset_index(drop=True)
        return first.assign(repetition=trials["repetition"].min() if len(trials) else 0)

    def condensed(self, dataset, subject, parcel, trials, *, device="auto"):
        """The RDM of a parcel over trials (of the images of trials).

        Parameters
        ----------
        dataset : Dataset
        subject : int
        parcel : Parcel
        trials : DataFrame
            As of `trials.shared_trials`, in the order of the stimuli.
        device : str

        Returns
        -------
        n_voxels : int
        condensed : (n_pairs,) float32 array, or None where it cannot be computed
        reason : str
        """
        from convergence.alignment.rdms import rdm_or_reason

        responses = self._responses(dataset, subject, parcel, trials)
        n_voxels = responses.shape[1]
        if self.metric == "crossnobis":
            return n_voxels, *self._crossnobis(responses, trials, device)
        if self.images:
            responses = _means(responses, trials["image"].to_numpy())
        return n_voxels, *rdm_or_reason(responses, "voxel", metric=self.metric, clip=self.clip, device=device)

    def _words(self):
        return ((self.metric, self.metric != "correlation"), (self.noise, self.noise != "diagonal"), ("zscore", self.zscore),
                ("images", self.images))

    def _responses(self, dataset, subject, parcel, trials):
        rows = trials["subject_index"].to_numpy()
        if not self.zscore:
            return dataset.responses(subject, parcel.labels, rows)
        return zscored(dataset, subject, parcel.labels, trials)

    def _crossnobis(self, responses, trials, device):
        from convergence.alignment.rdms import unusable
        from convergence.analysis.crossnobis import crossnobis
        from convergence.compute.quantiles import tail_limits

        reason = unusable(responses, "voxel", constant=False)
        if reason:
            return None, reason
        responses = np.asarray(responses, np.float32)
        responses = responses[:, responses.min(axis=0) < responses.max(axis=0)]     # dead voxels have neither noise nor distance
        if responses.shape[1] < 2:
            return None, f"all voxels{' but one' * responses.shape[1]} have one value in all trials"
        if self.clip:
            responses = responses.clip(*tail_limits(responses, self.clip))
        try:
            image, repetition, session = (trials[name].to_numpy() for name in ("image", "repetition", "session"))
            return crossnobis(responses, image, repetition, sessions=session, noise=self.noise, device=device)[0], ""
        except ValueError as error:                             # voxels that never vary: the function says it in words
            return None, str(error)


def zscored(dataset, subject, labels, trials):
    """Responses of trials, every voxel with mean 0 and standard deviation 1 over all existing trials of its session.

    A voxel that never varies in a session is 0 there.

    Returns
    -------
    (n_trials, n_voxels) float32 array
    """
    from convergence.alignment.trials import session_trials

    table, found = dataset.trials, None
    for session, of_it in trials.reset_index(drop=True).groupby("session"):
        whole = session_trials(table, subject, session)["subject_index"]
        matrix = np.asarray(dataset.responses(subject, labels, whole.to_numpy()), np.float32)
        deviation = matrix.std(axis=0, dtype=np.float64)
        scaled = (matrix - matrix.mean(axis=0, dtype=np.float64)) / np.where(deviation > 0, deviation, np.inf)
        if found is None:
            found = np.empty((len(trials), matrix.shape[1]), np.float32)
        found[of_it.index] = scaled[whole.searchsorted(of_it["subject_index"])]
    return found


def _means(responses, image):
    """Mean response of every image, in the order of first appearance: (n_images, n_voxels) float32."""
    import pandas

    number, names = pandas.factorize(image)
    member = np.zeros((len(names), len(image)), np.float32)
    member[number, np.arange(len(image))] = 1 / np.bincount(number)[number]
    return member @ np.asarray(responses, np.float32)
