"""THINGS-fMRI (Hebart et al. 2023, eLife 12:e82580), as stage 1 prepares it: trials, images, captions, a response matrix per
parcel.

    things = open_dataset("things", root)
    things.trials                                   all trials of all subjects; repetition counts an image's showings from 1
    things.responses(1, [1, 181], rows=[7, 3])      (2, n_voxels) float32: V1, left and right

Every subject saw all images: most once, in the train trials, some in every session, in the test trials. So all images are shared,
and trials of two subjects belong together where image and repetition are the same. Whether the clock is then alike too depends on
the orders of presentation, and no repetition can be shifted.

Tables and matrices come from 1_dataset_preparation/; only pictures are read from the downloaded files. Nothing is needed before
it is asked for: the tables alone serve who has neither responses nor pictures.
"""

from functools import cached_property
from numbers import Integral

import numpy as np

from convergence.datasets.base import TRIAL_COLUMNS, Dataset
from convergence.datasets.matrices import checked_rows
from convergence.datasets.things import files
from convergence.datasets.things.matrices import read_manifest
from convergence.datasets.things.prepared import checked_images, checked_index
from convergence.datasets.things.strict import read_text, whole
from convergence.storage.paths import dataset_root

_SCRIPTS = "1_dataset_preparation"


class Things(Dataset):
    """Reader of THINGS-fMRI; see `Dataset` for the interface.

    Subjects, sessions, trials and images are as many as the tables say. Responses are float32 as published: amplitudes of a GLM
    on data z-scored within runs.
    """

    name = "things"
    image_key = "things_id"
    repetitions_shift = False

    @classmethod
    def open(cls, root=None):
        return cls(dataset_root(cls.name, root))

    @cached_property
    def trials(self):
        """All trials, sorted by subject and subject_index: TRIAL_COLUMNS, then those of the stimulus index.

        `exists` is looked up when the table is first asked for: the subject's responses are there, or have been extracted.
        """
        path = self.work / files.INDEX
        index = checked_index(path if path.exists() or not (self.work / files.INDEX_CSV).exists()
                              else self.work / files.INDEX_CSV, self.images)
        trials = index.rename(columns={"subject_id": "subject"}).assign(image=index["things_id"])
        trials["shared"] = trials.groupby("image")["subject"].transform("nunique") > 1
        trials["exists"] = trials["subject"].map({s: self._has_responses(s) for s in trials["subject"].unique()}).astype(bool)
        return trials[[*TRIAL_COLUMNS, *(column for column in trials if column not in TRIAL_COLUMNS)]]

    @cached_property
    def images(self):
        """image_name, category, category_id, image_category_index, image_path, indexed by things_id."""
        return checked_images(self.work / files.IMAGES)

    @cached_property
    def captions(self):
        """The caption of every image that was shown, a Series indexed by things_id; other images may have one too.

        THINGS has no captions: preprocessed/captions.csv (things_id, caption) is yours to provide.
        """
        path = next((folder / files.CAPTIONS for folder in (self.work, self.root) if (folder / files.CAPTIONS).exists()),
                    self.work / files.CAPTIONS)
        table = read_text(path, ["things_id", "caption"], "THINGS comes without captions: provide a table with the columns "
                                                          "things_id, caption")
        table["things_id"] = whole(table, "things_id", path)
        captions = table.set_index("things_id")["caption"].sort_index()
        absent = sorted(set(self.trials["image"]) - set(captions.index[captions != ""]))
        unknown, twice = captions.index.difference(self.images.index), captions.index[captions.index.duplicated()]
        if absent or len(unknown) or len(twice):
            raise ValueError(f"{path}: every image shown needs one caption; without one are {len(absent)}, such as {absent[:3]}; "
                             f"not in images.csv are {len(unknown)} {list(unknown[:3])}; {len(twice)} stand there twice "
                             f"{list(twice[:3])}")
        return captions

    def image(self, image):
        """The picture of a things_id: an RGB PIL.Image."""
        from PIL import Image

        from convergence.storage.pictures import rgb

        if image not in self.images.index:
            raise ValueError(f"image: {image} is no things_id; {self.work / files.IMAGES} has 0 to {len(self.images) - 1}")
        path = self.root / self.images.loc[image, "image_path"]
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; {files.IMAGES} names it as the picture of things_id {image}: download "
                                    "the pictures of the THINGS database (osf.io/jum2f)")
        try:
            with Image.open(path) as picture:
                return rgb(picture)
        except (OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"{path} is not a readable picture ({error}); download it again") from error

    def stimulus_files(self):
        pictures = self.root / files.PICTURES
        return (self.work / files.IMAGES, *([pictures] if pictures.is_dir() else []))

    def caption_files(self):
        return tuple(path for folder in dict.fromkeys((self.work, self.root)) if (path := folder / files.CAPTIONS).exists())[:1]

    def response_files(self, subject):
        """The manifest of the subject's matrices: it names the bytes that they were made from, the trials, and the parcels."""
        return (self.work / files.matrix_folder(subject) / files.MANIFEST,)

    def atlas(self):
        from convergence.datasets.atlas import load_atlas
        return load_atlas()

    def responses(self, subject, roi, rows=None):
        """Responses of one subject in one parcel, or in several side by side.

        Parameters
        ----------
        subject : int
        roi : int or sequence of int
            Labels of the atlas.
        rows : (n_rows,) array_like of int, optional
            Values of trials.subject_index, in any order; default: all.

        Returns
        -------
        (n_rows, n_voxels) float32
            Memory-mapped where it is one matrix as it lies on the disk. (n_rows, 0) for a parcel without voxels.

        Raises
        ------
        FileNotFoundError
            The subject or parcel has not been extracted.
        ValueError
            Rows that are no trials; a matrix that is not what the manifest says.
        """
        manifest = read_manifest(self.work / files.matrix_folder(subject) / files.MANIFEST)
        where = slice(None) if rows is None else checked_rows(rows, manifest["n_trials"], subject)
        labels = [roi] if isinstance(roi, Integral) else list(roi)
        parts = [self._matrix(subject, int(label), manifest)[where] for label in labels]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _matrix(self, subject, label, manifest):
        script = f"{_SCRIPTS}/4_extract_roi_betas.py --dataset things --subjects {subject}"
        path = self.work / files.matrix_folder(subject) / files.matrix_name(label)
        if label not in manifest["n_voxels"]:
            raise FileNotFoundError(f"{path} is not there: the set of subject {subject} was made without parcel {label}; "
                                    f"{script} adds it")
        shape = (manifest["n_trials"], manifest["n_voxels"][label])
        if shape[1] == 0:
            return np.zeros(shape, np.float32)
        try:
            matrix = np.load(path, mmap_mode="r")
        except Exception as error:                      # NumPy reads the header as Python code, which can fail in many ways
            raise ValueError(f"{path} cannot be read ({error}); {script} --overwrite makes it again") from error
        if matrix.shape != shape or matrix.dtype != np.float32:
            raise ValueError(f"{path} holds {matrix.dtype} {matrix.shape}, the manifest beside it says float32 {shape}; {script} "
                             "--overwrite makes it again")
        return matrix

    def _has_responses(self, subject):
        extracted = self.work / files.matrix_folder(subject) / files.MANIFEST
        return extracted.exists() or files.table_file(self.root, subject, files.RESPONSES).exists()
