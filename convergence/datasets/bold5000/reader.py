"""BOLD5000 as stage 1 prepares it: trials, pictures, captions, a response matrix per parcel.

    bold = open_dataset("bold5000", root)           or the pictures of one source: "bold5000-coco", "-imagenet", "-scenes"
    bold.trials                                     trials of all subjects; image = bold_position; `exists` where there is data
    bold.responses(1, [1, 181], rows=[7, 3])        (2, n_voxels) float32, percent signal change: V1, left and right

Tables and matrices come from 1_dataset_preparation/; only pictures are read from the downloaded files. Nothing is needed before
it is asked for. Subjects see repeated pictures at different trials and not equally often, so that repetitions cannot be shifted
against each other; they count from 1. The variants keep the numbers of pictures and trials of the whole.
"""

from functools import cached_property
from numbers import Integral
from pathlib import Path

import numpy as np

from convergence.datasets.base import TRIAL_COLUMNS, Dataset
from convergence.datasets.bold5000 import files
from convergence.datasets.bold5000.index import BASE, IMAGE_TYPES, TRIAL_TYPES, derive, stem
from convergence.datasets.matrices import places_of
from convergence.storage.paths import dataset_root, work_folder

_SCRIPTS = "1_dataset_preparation"


class Bold5000(Dataset):
    """Reader of BOLD5000; see `Dataset` for the interface.

    Attributes
    ----------
    source : str or None
        "coco", "imagenet" or "scenes": the trials and pictures of this source alone. None: all.
    beta_type : {"A", "B", "C", "D"}
        Whose matrices `responses` gives; D (fitted HRF, denoised, ridge regression) is what the data's authors recommend.
    """

    name = "bold5000"
    image_key = "bold_position"
    repetitions_shift = False
    source = None

    def __init__(self, root, beta_type="D"):
        super().__init__(root)
        self.work = work_folder(Bold5000.name, self.root)               # the variants share what was prepared
        self.beta_type = beta_type

    @classmethod
    def open(cls, root=None):
        return cls(dataset_root(Bold5000.name, root))

    @cached_property
    def trials(self):
        """Trials, sorted by subject and subject_index: TRIAL_COLUMNS, then the other columns of stimulus_index.

        `exists` is looked up when the table is first asked for: betas of the session are there, or its rows have been extracted.
        """
        trials = self.all_trials
        return trials[trials["stim_source"] == self.source].reset_index(drop=True) if self.source else trials

    @cached_property
    def all_trials(self):
        """The same of all sources: what sessions, and the rows of the matrices, consist of."""
        trials = self._checked_trials()
        trials["image"] = trials["bold_position"]
        trials["shared"] = trials.groupby("image")["subject"].transform("nunique") > 1
        trials["exists"] = False
        for subject in trials["subject"].unique():
            own = trials["subject"] == subject
            trials.loc[own, "exists"] = trials.loc[own, "session"].isin(files.beta_files(self.root, subject, self.beta_type))
            if (self.work / files.rows_file(subject, self.beta_type)).exists():
                trials.loc[own, "exists"] |= trials.loc[own, "subject_index"].isin(self.rows(subject))
        return trials[[*TRIAL_COLUMNS, *(column for column in trials if column not in TRIAL_COLUMNS)]]

    @cached_property
    def images(self):
        """bold_id, image_name, stim_source and image_path, indexed by bold_position."""
        images = self._all_images
        return images[images["stim_source"] == self.source] if self.source else images

    @cached_property
    def captions(self):
        """One caption per picture, from captions.csv (columns bold_position or image_name, and caption), by bold_position."""
        import pandas

        path = self.work / files.CAPTIONS
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; it holds a caption for every picture: put a table there with the "
                                    "columns image_name (or bold_position) and caption")
        table = pandas.read_csv(path, dtype={"caption": str, "image_name": str}, keep_default_na=False)
        if "bold_position" not in table and "image_name" in table:
            positions = {stem(name): position for position, name in self._all_images["image_name"].items()}
            table["bold_position"] = [positions.get(stem(name), -1) for name in table["image_name"]]
        if not {"bold_position", "caption"} <= set(table):
            raise ValueError(f"{path} has the columns {list(table)}; expected bold_position or image_name, and caption")
        captions = table.drop_duplicates("bold_position").set_index("bold_position")["caption"].reindex(self.images.index)
        if captions.isna().any():
            absent = self.images.loc[captions.isna(), "image_name"]
            raise ValueError(f"{path} has no caption for {len(absent)} of {len(captions)} pictures, such as {list(absent[:3])}; "
                             f"add them")
        return captions

    def image(self, image):
        """The picture of a bold_position: an RGB PIL.Image."""
        from PIL import Image

        from convergence.storage.pictures import rgb

        if image not in self.images.index:
            raise ValueError(f"image: {image} is not a bold_position of dataset {self.name!r}, which has {len(self.images)} from "
                             f"{self.images.index.min()} to {self.images.index.max()}")
        path = files.stimuli_folder(self.root) / Path(self.images.loc[image, "image_path"]).relative_to(files.STIMULI)
        path = path if path.exists() else self._other_spellings.get(stem(path.name), path)
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; unpack the archive of BOLD5000's stimuli into {self.root}")
        try:
            with Image.open(path) as picture:
                return rgb(picture)
        except (OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"{path} cannot be read as a picture ({error}); unpack the archive of BOLD5000's stimuli "
                             f"again") from error

    def stimulus_files(self):
        pictures = files.stimuli_folder(self.root) / files.PICTURES
        return (self.work / f"{files.IMAGES}.csv", *(folder for name in files.PICTURE_FOLDERS.values()
                                                     if (folder := pictures / name).is_dir()))

    def caption_files(self):
        return (self.work / files.CAPTIONS,)

    def response_files(self, subject):
        """The manifest of the subject's matrices (it names the bytes that they were made from), and the rows."""
        return self.work / files.matrix_folder(subject) / files.MANIFEST, self.work / files.rows_file(subject, self.beta_type)

    def atlas(self):
        from convergence.datasets.atlas import load_atlas
        return load_atlas()

    def rows(self, subject):
        """(n_rows,) subject_index of every row of a subject's matrices, ascending; checked again when their files change."""
        stamp = tuple(path.stat().st_mtime_ns if path.exists() else None for path in self.response_files(subject))
        if self._rows.get(subject, (None, None))[0] != stamp:
            self._rows[subject] = stamp, self._checked_rows(subject)
        return self._rows[subject][1]

    @cached_property
    def _rows(self):
        """By subject: when its files were written, and the rows."""
        return {}

    def _checked_rows(self, subject):
        from convergence.datasets.bold5000.betas import read_manifest, rows_of

        path = self.work / files.rows_file(subject, self.beta_type)
        rows, types = self._load(path, subject), read_manifest(self.work, subject) or {}
        if self.beta_type not in types or not np.array_equal(rows, rows_of(types[self.beta_type])):
            raise ValueError(f"{path} has {rows.size} rows that are not those of {files.MANIFEST} beside it; delete "
                             f"{path.parent} and run {_SCRIPTS}/4_extract_roi_betas.py --dataset bold5000 again")
        return rows

    def responses(self, subject, roi, rows=None):
        """Responses of one subject in one parcel, or in several side by side.

        Parameters
        ----------
        subject : int
        roi : int or sequence of int
            Labels.
        rows : (n_rows,) array_like of int, optional
            Values of trials.subject_index, in any order; default: all of the dataset's trials that have data.

        Returns
        -------
        (n_rows, n_voxels) float32
            Percent signal change, NaN and infinity set to 0; (n_rows, 0) for a parcel without voxels.

        Raises
        ------
        FileNotFoundError
            The subject or parcel has not been extracted.
        ValueError
            Rows without data; the message names them.
        """
        present = self.rows(subject)
        if rows is None and self.source:
            rows = np.intersect1d(present, self.trials.loc[self.trials["subject"] == subject, "subject_index"])
        where = slice(None) if rows is None else places_of(rows, present, subject)
        labels = [roi] if isinstance(roi, Integral) else list(roi)
        parts = [self._matrix(subject, int(label), len(present))[where] for label in labels]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _matrix(self, subject, label, n_rows):
        path = self.work / files.matrix_file(subject, label, self.beta_type)
        matrix = self._load(path, subject)
        if matrix.ndim != 2 or len(matrix) != n_rows or matrix.dtype != np.float32:
            raise ValueError(f"{path} is {matrix.dtype} {matrix.shape}; expected float32 ({n_rows}, n_voxels), a row for each "
                             f"of rows_{self.beta_type}.npy beside it; delete {path.parent} and run "
                             f"{_SCRIPTS}/4_extract_roi_betas.py again")
        return matrix

    def _load(self, path, subject):
        again = f"{_SCRIPTS}/4_extract_roi_betas.py --dataset bold5000 --subjects {subject} --type {self.beta_type}"
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; {again} makes it")
        try:
            return np.load(path, mmap_mode="r")
        except Exception as error:                          # NumPy reads the header as Python code, which can fail in many ways
            raise ValueError(f"{path} is damaged ({error}); delete {path.parent} and run {again}") from error

    @cached_property
    def _all_images(self):
        images = self._table(files.IMAGES, IMAGE_TYPES)
        if list(images["bold_position"]) != list(range(len(images))):
            raise ValueError(f"{self.work / files.IMAGES}.csv: bold_position must be 0 to {len(images) - 1} in order (the rows "
                             f"of the feature files); {_AGAIN}")
        return images.set_index("bold_position")

    @cached_property
    def _other_spellings(self):
        """Pictures on the disk by their stem."""
        return {stem(path.name): path for path in sorted((files.stimuli_folder(self.root) / files.PICTURES).glob("*/*"))}

    def _checked_trials(self):
        """stimulus_index.csv, after seeing that its columns follow from each other and its pictures are those of images.csv."""
        trials, images = self._table(files.TRIALS, TRIAL_TYPES), self._all_images
        expected = derive(trials[BASE])
        for column in TRIAL_TYPES:
            wrong = (trials[column] != expected[column]).to_numpy()
            if wrong.any():
                line = int(wrong.argmax())
                raise ValueError(f"{self.work / files.TRIALS}.csv: line {line + 2} says {column} {trials[column][line]}, which "
                                 f"does not follow from the other columns ({expected[column][line]} would); {_AGAIN}")
        named = expected.drop_duplicates("bold_position").set_index("bold_position")
        for column in ("bold_id", "image_name", "stim_source"):
            if list(named[column]) != list(images[column]):
                raise ValueError(f"{self.work / files.TRIALS}.csv and {Path(files.IMAGES).name}.csv differ in {column}: they "
                                 f"do not belong together; {_AGAIN}")
        return trials

    def _table(self, file, types):
        import pandas

        path = self.work / f"{file}.csv"
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; {_SCRIPTS}/2_build_indexes.py --dataset bold5000 makes it")
        try:
            table = pandas.read_csv(path, keep_default_na=False, dtype=str)
            return table[list(types)].astype({name: "int64" for name, kind in types.items() if kind != "str"}).astype(types)
        except (ValueError, KeyError, OverflowError) as error:
            raise ValueError(f"{path} is damaged ({str(error).splitlines()[0]}); {_AGAIN}") from error


_AGAIN = f"delete it and run {_SCRIPTS}/2_build_indexes.py --dataset bold5000 again"


class Bold5000Coco(Bold5000):
    """The pictures from COCO and their trials."""
    name, source = "bold5000-coco", "coco"


class Bold5000ImageNet(Bold5000):
    """The pictures from ImageNet and their trials."""
    name, source = "bold5000-imagenet", "imagenet"


class Bold5000Scenes(Bold5000):
    """The pictures of scenes and their trials."""
    name, source = "bold5000-scenes", "scenes"
