"""One interface to every dataset. What comes after stage 1 asks a Dataset and never which one it is.

    dataset = open_dataset("nsd", root)
    dataset.subjects                                [1, 2, 3, 4]
    dataset.trials                                  one row per trial: TRIAL_COLUMNS, ...
    dataset.images, dataset.captions                tables indexed by image: the row of every feature file
    dataset.image(i)                                an RGB PIL image
    dataset.parcels("joined")                       [Parcel(roi=1, name="V1", labels=(1, 181)), ...]
    dataset.responses(subject, roi, rows)           (n_rows, n_voxels); rows count as in trials.subject_index
    dataset.rdm(subject, roi, session)              only where RDMs are published instead of responses

Tables work where responses and images are absent (index-only): each method asks for its own files when it is called.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

TRIAL_COLUMNS = ("subject", "subject_index", "session", "image", "repetition", "shared", "exists")


@dataclass(frozen=True)
class Parcel:
    """A set of voxels that is analysed as one: the ROI matrices of `labels`, side by side."""
    roi: int
    name: str
    labels: tuple


class Dataset(ABC):
    """See the module's docstring. Subclasses read one dataset's files; their oddities end here.

    Attributes
    ----------
    name : str
    root : Path
        The downloaded files.
    work : Path
        Where stage 1 puts prepared files: the root, or below CONVERGENCE_WORK.
    image_key : str
        Name of the image number in the dataset's own tables, e.g. "nsd_id".
    repetitions_shift : bool
        Whether repetition k of one subject can meet repetition k - shift of another (images shown equally often to all).
    atlas_file : Path or None
        The table that `use_atlas` was given; None: parcels are the dataset's own.
    """

    name: str
    image_key: str
    repetitions_shift = False
    atlas_file = None

    def __init__(self, root):
        from convergence.storage.paths import work_folder
        self.root = Path(root)
        self.work = work_folder(self.name, self.root)

    def __getstate__(self):
        """What travels to a worker: not the tables, which are read there again when they are asked for."""
        cached = {name for kind in type(self).__mro__ for name, value in vars(kind).items() if isinstance(value, cached_property)}
        return {name: value for name, value in vars(self).items() if name not in cached}

    @property
    def subjects(self):
        """Subject numbers, ascending."""
        return sorted(int(s) for s in self.trials["subject"].unique())

    @property
    @abstractmethod
    def trials(self):
        """All trials of all subjects: the columns of TRIAL_COLUMNS, then the dataset's own."""

    @property
    @abstractmethod
    def images(self):
        """One row per image, indexed by image number, ascending: 0 .. n_images - 1, but for parts of a dataset."""

    @property
    def captions(self):
        """One caption per image, a Series indexed like `images`."""
        raise ValueError(f"dataset {self.name!r} has no captions")

    @abstractmethod
    def image(self, image):
        """The picture of an image number: an RGB PIL.Image."""

    def stimulus_files(self):
        """Files that decide the pictures and their numbers: features are extracted again when one of them changes; (): none."""
        return ()

    def caption_files(self):
        """The same for `captions`."""
        return ()

    def response_files(self, subject):
        """Files that decide a subject's responses: RDMs and model alignment are computed again when one of them changes."""
        return ()

    @abstractmethod
    def atlas(self):
        """The table of parcels: roi, name, hemisphere, area, hub, ... (datasets/atlas.py)."""

    def use_atlas(self, file=None):
        """Take the parcels from another atlas' table from now on, here and on workers; returns the dataset. None changes nothing.

        ROI matrices are asked for by the numbers in its column roi. The table is one of the `response_files` then, so that
        results are computed again when it changes. FileNotFoundError or ValueError: see `atlas.load_atlas`.
        """
        if file is not None:
            from convergence.datasets.atlas import load_atlas
            load_atlas(file)                                        # says what is wrong now, not in every unit of work
            self.atlas_file = Path(file).resolve()
            self.atlas = partial(load_atlas, self.atlas_file)       # both stand before the reader's own methods
            self.response_files = partial(_response_files_and_atlas, self)
        return self

    def atlas_files(self):
        """The table that `use_atlas` was given; (): the parcels are the reader's own."""
        return () if self.atlas_file is None else (self.atlas_file,)

    def parcels(self, hemispheres="joined"):
        """Units of analysis: each label alone ("separated"), or the two hemispheres' labels of one name together ("joined")."""
        atlas = self.atlas()
        if hemispheres == "separated":
            return [Parcel(int(roi), name, (int(roi),)) for roi, name in zip(atlas["roi"], atlas["name"])]
        if hemispheres != "joined":
            raise ValueError(f"hemispheres: {hemispheres!r} is neither 'joined' nor 'separated'")
        labels_of_name = {name: tuple(sorted(labels)) for name, labels in atlas.groupby("name", sort=False)["roi"]}
        return [Parcel(min(labels), name, labels) for name, labels in labels_of_name.items()]

    def responses(self, subject, roi, rows=None):
        """(n_rows, n_voxels) responses of one subject's parcel; `roi` a label or several, whose voxels stand side by side.

        rows: values of trials.subject_index (default: all that exist). A row without data is a ValueError.
        """
        raise ValueError(f"dataset {self.name!r} publishes RDMs, not responses; use rdm(subject, roi, session)")

    def rdm(self, subject, roi=None, session=None):
        """(n_pairs,) condensed RDM, where RDMs are published instead of responses."""
        raise ValueError(f"dataset {self.name!r} has responses; compute RDMs from responses(subject, roi, rows)")


def _response_files_and_atlas(dataset, subject):
    return (*type(dataset).response_files(dataset, subject), *dataset.atlas_files())
