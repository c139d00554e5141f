"""A dataset of your own, as a folder of plain files.

    my_dataset/
        trials.csv              subject, session, image, repetition; one row per trial, in the order of the matrices' rows.
                                Optional: shared (was the image shown to several subjects?), run, and columns of your own
        atlas.csv               roi, name; optional: hemisphere (lh, rh: parcels of one name are joined), area, hub, ...
        responses/subject-01/roi-001.npy        (n_trials of the subject, n_voxels), one file per subject and parcel; no file: no
                                voxels
        images.csv              optional: image (0, 1, 2, ...), file (relative), caption, and columns of your own
        images/                 optional: the pictures that images.csv names

`python -m convergence new-dataset my_dataset` writes such a folder with simulated responses, to be replaced file by file;
`open_dataset("folder", "my_dataset")` reads it, and 1_dataset_preparation/1_check_dataset.py --dataset folder checks it. The
dataset goes by the folder's name: its tables lie in derivatives/my_dataset/.

Subjects, sessions and parcels are whole numbers from 1, images from 0, repetitions from 0 (the first showing) upwards, all as you
number them; gaps are allowed except in images, whose numbers are the rows of the feature files.
"""

from functools import cached_property
from numbers import Integral
from pathlib import Path

import numpy as np

from convergence.datasets.base import TRIAL_COLUMNS, Dataset
from convergence.datasets.matrices import checked_rows
from convergence.storage.paths import dataset_root
from convergence.storage.pictures import rgb

TRIALS, ATLAS, IMAGES = "trials.csv", "atlas.csv", "images.csv"
REQUIRED = {TRIALS: ("subject", "session", "image", "repetition"), ATLAS: ("roi", "name"), IMAGES: ("image",)}
_NEW = "python -m convergence new-dataset writes an example"


class Folder(Dataset):
    """Reader of a folder; the layout stands in the module's docstring."""

    image_key = "image"

    def __init__(self, root):
        self.name = Path(root).resolve().name
        super().__init__(root)

    @classmethod
    def open(cls, root=None):
        return cls(dataset_root("folder", root))

    @property
    def repetitions_shift(self):
        """True where every shared image was shown the same number of times, more than once, to all who saw it."""
        shared = self.trials[self.trials["shared"]]
        counts = shared.groupby(["subject", "image"]).size()
        return len(counts) > 0 and counts.nunique() == 1 and counts.iloc[0] > 1

    @cached_property
    def trials(self):
        trials = read_table(self.root / TRIALS)
        trials["subject_index"] = trials.groupby("subject").cumcount()
        if "shared" not in trials:
            trials["shared"] = trials.groupby("image")["subject"].transform("nunique") > 1
        trials["shared"] = trials["shared"].astype(bool)
        there = {subject: self.response_folder(subject).is_dir() for subject in trials["subject"].unique()}
        trials["exists"] = trials["subject"].map(there).astype(bool)
        repeated = trials[trials.duplicated(["subject", "image", "repetition"])]
        if len(repeated):
            first = repeated.iloc[0]
            raise ValueError(f"{self.root / TRIALS}: {len(repeated)} trials repeat an earlier subject, image and repetition, the "
                             f"first is subject {first['subject']}, image {first['image']}, repetition {first['repetition']}; "
                             "number the showings of an image 0, 1, 2, ... within a subject")
        if (self.root / IMAGES).exists():
            unknown = sorted(set(trials["image"]) - set(self.images.index))
            if unknown:
                raise ValueError(f"{self.root / TRIALS} shows {len(unknown)} images that {IMAGES} beside it does not list: "
                                 f"{', '.join(map(str, unknown[:5]))}; it lists 0 to {len(self.images) - 1}; add the missing rows")
        return trials[[*TRIAL_COLUMNS, *(c for c in trials if c not in TRIAL_COLUMNS)]]

    @cached_property
    def images(self):
        import pandas
        path = self.root / IMAGES
        if not path.exists():
            return pandas.DataFrame(index=pandas.RangeIndex(int(self.trials["image"].max()) + 1, name="image"))
        images = read_table(path).set_index("image").sort_index()
        if list(images.index) != list(range(len(images))):
            raise ValueError(f"{path}: images must be numbered 0 to {len(images) - 1} without gaps (they are rows of the feature "
                             f"files); found {list(images.index[:5])} ...")
        return images

    @cached_property
    def captions(self):
        if "caption" not in self.images:
            raise ValueError(f"dataset {self.name!r} has no captions; add a column caption to {self.root / IMAGES}")
        return self.images["caption"]

    def image(self, image):
        from PIL import Image
        if "file" not in self.images:
            raise ValueError(f"dataset {self.name!r} has no pictures; add a column file to {self.root / IMAGES}")
        if image not in self.images.index:
            raise ValueError(f"image: {image} is not in dataset {self.name!r}, which has images 0 to {len(self.images) - 1}")
        path = self.root / self.images.loc[image, "file"]
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; {self.root / IMAGES} names it as the picture of image {image}")
        with Image.open(path) as picture:
            return rgb(picture)

    def stimulus_files(self):
        return (self.root / IMAGES, *([self.root / "images"] if (self.root / "images").is_dir() else []))

    def caption_files(self):
        return (self.root / IMAGES,)

    @cached_property
    def _atlas(self):
        atlas = read_table(self.root / ATLAS)
        for column, default in (("hemisphere", "both"), ("area", ""), ("hub", "")):
            if column not in atlas:
                atlas[column] = default
        twice = sorted(set(atlas.loc[atlas["roi"].duplicated(), "roi"]))
        if twice:
            raise ValueError(f"{self.root / ATLAS}: roi {twice} stand there twice; give every parcel a number of its own")
        return atlas

    def atlas(self):
        return self._atlas

    def response_folder(self, subject):
        return self.root / "responses" / f"subject-{subject:02d}"

    def response_files(self, subject):
        return (self.root / TRIALS, *sorted(self.response_folder(subject).glob("roi-*.npy")))

    def responses(self, subject, roi, rows=None):
        """(n_rows, n_voxels) in the type of the files; `roi` a number or several, whose voxels stand side by side.

        Raises
        ------
        FileNotFoundError
            The subject has no folder.
        ValueError
            A matrix does not have a row for every trial; a row that is not there.
        """
        folder = self.response_folder(subject)
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not there; it holds roi-001.npy, ... of subject {subject}")
        n_trials = int((self.trials["subject"] == subject).sum())
        rows = slice(None) if rows is None else checked_rows(rows, n_trials, subject)
        labels = [roi] if isinstance(roi, Integral) else list(roi)
        parts = [self._matrix(folder / f"roi-{label:03d}.npy", n_trials)[rows] for label in labels]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _matrix(self, path, n_trials):
        if not path.exists():
            return np.zeros((n_trials, 0), np.float32)
        try:
            matrix = np.load(path, mmap_mode="r")
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(f"{path} is not a readable .npy file ({error}); write it again with numpy.save") from error
        if matrix.ndim != 2 or len(matrix) != n_trials or matrix.dtype.kind not in "fiu":
            raise ValueError(f"{path}: expected numbers of shape ({n_trials}, n_voxels), a row per trial of the subject in "
                             f"{TRIALS}; found shape {matrix.shape}, type {matrix.dtype}")
        return matrix


def read_table(path):
    """A CSV file of the layout with its required columns; whole numbers where numbers are asked for.

    Raises
    ------
    FileNotFoundError, ValueError
        No file; not a CSV; missing columns; something else than whole numbers, with the line.
    """
    import pandas

    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {_NEW}")
    try:
        table = pandas.read_csv(path, keep_default_na=False, dtype={"name": str, "caption": str, "file": str})
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable CSV table ({error}); {_NEW}") from error
    missing = [column for column in REQUIRED[path.name] if column not in table]
    if missing or table.empty:
        wrong = f"the columns {missing} are missing" if missing else "there are no rows"
        raise ValueError(f"{path}: {wrong}; found {list(table)}; {_NEW}")
    for column in set(REQUIRED[path.name]) - {"name"}:
        numbers = pandas.to_numeric(table[column], errors="coerce")
        wrong = numbers.isna() | (numbers % 1 != 0) | (numbers < 0)
        if wrong.any():
            line = int(np.flatnonzero(wrong)[0])
            raise ValueError(f"{path}: column {column} must hold whole numbers from 0; line {line + 2} says "
                             f"{table[column].iloc[line]!r}")
        table[column] = numbers.astype(int)
    return table
