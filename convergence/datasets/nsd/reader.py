"""The Natural Scenes Dataset (Allen et al. 2022), as stage 1 prepares it: trials, images, captions, a response matrix per parcel.

    nsd = open_dataset("nsd", root)
    nsd.trials                                      planned trials of all subjects; `exists` where there is data
    nsd.responses(1, [1, 181], rows=[7, 3])         (2, n_voxels) int16, percent signal change x 300: V1, left and right
    open_dataset("nsd", root, source=Source(resolution="func1pt8mm"))           another set of matrices than the default one

Tables and matrices come from 1_dataset_preparation/; only pictures are read from the downloaded files. Nothing is needed before
it is asked for: the tables alone serve who has no betas. Where sets of several sources were made, the later stages take the
default one, or that whose folder NSD_MATRICES names, e.g. betas_func1pt8mm_fithrf_nsdgeneral; give each a derivatives folder of
its own.
"""

from functools import cached_property
from numbers import Integral
from pathlib import Path

import numpy as np

from convergence.datasets.annotations import first_caption
from convergence.datasets.base import Dataset
from convergence.datasets.matrices import places_of
from convergence.datasets.nsd import files
from convergence.datasets.nsd.files import Source
from convergence.storage.paths import dataset_root, matrix_set

_SCRIPTS = "1_dataset_preparation"


class NSD(Dataset):
    """Reader of the Natural Scenes Dataset; see `Dataset` for the interface.

    Subjects, sessions, trials and images are as many as the tables say. Responses are int16 as published: percent signal
    change x 300, no z-score, unless the source says otherwise.

    Attributes
    ----------
    source : Source
        Which set of matrices `responses` reads: what the betas were, on which grid, cut by which ROI volume.
    """

    name = "nsd"
    image_key = "nsd_id"
    repetitions_shift = True

    def __init__(self, root, source=Source()):
        super().__init__(root)
        self.source = source

    @classmethod
    def open(cls, root=None, source=None):
        """source: default that of the folder which NSD_MATRICES names, or else `Source()`; ValueError if it names none."""
        root = dataset_root(cls.name, root)
        return cls(root, Source.of_folder(matrix_set(cls.name) or Source().folder) if source is None else source)

    @cached_property
    def trials(self):
        """Planned trials, sorted by subject and subject_index: the columns of nsd_stimuli.csv, and `image` (= nsd_id).

        `exists` is looked up when the table is first asked for: the beta file of the session is there, or its rows have been
        extracted.
        """
        trials = self._table(files.TRIALS, "2_build_indexes.py")
        trials.insert(trials.columns.get_loc("nsd_id"), "image", trials["nsd_id"])
        trials["exists"] = False
        for subject in trials["subject"].unique():
            own = trials["subject"] == subject
            trials.loc[own, "exists"] = trials.loc[own, "session"].isin(files.sessions_on_disk(self.root, subject, self.source))
            if (self._set(subject) / files.ROWS).exists():
                trials.loc[own, "exists"] |= trials.loc[own, "subject_index"].isin(self.rows(subject))
        return trials

    @cached_property
    def images(self):
        """name and path (where an unrolled picture would lie), indexed by nsd_id."""
        return self._table(files.IMAGES, "2_build_indexes.py").set_index("nsd_id")

    @cached_property
    def captions(self):
        """The first COCO caption of every image, a Series indexed by nsd_id."""
        table = self._table(files.CAPTIONS, "3_build_coco_tables.py", dtype={"captions": str}, keep_default_na=False)
        captions = table.set_index("nsd_id")["captions"].sort_index().map(first_caption).rename("caption")
        if not captions.index.equals(self.images.index):
            absent = self.images.index.difference(captions.index)
            raise ValueError(f"{self.work / files.CAPTIONS} has captions for {len(captions)} images, {files.IMAGES} lists "
                             f"{len(self.images)}, without a caption are {list(absent[:3])}; run "
                             f"{_SCRIPTS}/3_build_coco_tables.py again")
        return captions

    def image(self, image):
        """The picture of an nsd_id, from nsd_stimuli.hdf5: an RGB PIL.Image."""
        from PIL import Image

        from convergence.datasets.nsd.pictures import read_picture

        path = self.root / files.STIMULI
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; it holds the pictures: download it from nsddata_stimuli/stimuli/nsd/ "
                                    "of the Natural Scenes Dataset")
        return Image.fromarray(read_picture(path, image)).convert("RGB")

    def stimulus_files(self):
        return self.root / files.STIMULI, self.work / files.IMAGES

    def caption_files(self):
        return (self.work / files.CAPTIONS,)

    def response_files(self, subject):
        """The manifest of the subject's matrices: it names the bytes that they were made from, the rows, and the parcels."""
        return (self._set(subject) / files.MANIFEST,)

    def atlas(self):
        """The parcels of the source's ROI volume; ValueError where nothing is known about its labels."""
        from convergence.datasets.nsd.parcels import volume_atlas

        atlas = volume_atlas(self.source.volume)
        if atlas is None:
            raise ValueError(f"nothing is known about the labels of the ROI volume {self.source.volume!r}; give a table of its "
                             "parcels with --atlas (Dataset.use_atlas): roi (its labels on the left, then as many on the right), "
                             "name, hemisphere")
        return atlas

    def rows(self, subject):
        """(n_rows,) subject_index of every row of a subject's matrices, ascending."""
        folder = self._set(subject)
        if not (folder / files.ROWS).exists():
            others = [name for name in files.sets_on_disk(self.work, subject) if name != self.source.folder]
            there = f"; there are sets of this subject in {', '.join(others)}: NSD_MATRICES chooses one of them" if others else ""
            raise FileNotFoundError(f"{folder} is not there; {self._extraction(subject)} makes it{there}")
        return np.load(folder / files.ROWS)

    def _set(self, subject):
        """The folder of a subject's matrices."""
        return self.work / files.matrix_folder(subject, self.source)

    def _extraction(self, subject):
        """The command that extracts a subject's matrices."""
        return " ".join([f"{_SCRIPTS}/4_extract_roi_betas.py --subjects {subject}", *self.source.flags])

    def responses(self, subject, roi, rows=None):
        """Responses of one subject in one parcel, or in several side by side.

        Parameters
        ----------
        subject : int
        roi : int or sequence of int
            Labels of the atlas.
        rows : (n_rows,) array_like of int, optional
            Values of trials.subject_index, in any order; default: all rows there are.

        Returns
        -------
        (n_rows, n_voxels) int16, or of a z-scored source float32
            Percent signal change x 300, or z-scores; memory-mapped where it is one matrix as it lies on the disk. (n_rows, 0)
            for a parcel without voxels.

        Raises
        ------
        FileNotFoundError
            The subject or parcel has not been extracted.
        ValueError
            Rows without data; the message names them.
        """
        present = self.rows(subject)
        where = slice(None) if rows is None else places_of(rows, present, subject)
        labels = [roi] if isinstance(roi, Integral) else list(roi)
        parts = [self._matrix(subject, label, len(present))[where] for label in labels]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _matrix(self, subject, label, n_rows):
        path = self.work / files.matrix_file(subject, int(label), self.source)
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there: the set of subject {subject} was made without parcel {label}; "
                                    f"{self._extraction(subject)} adds it")
        matrix = np.load(path, mmap_mode="r")
        if len(matrix) != n_rows:
            raise ValueError(f"{path} has {len(matrix)} rows, {files.ROWS} beside it {n_rows}; delete {path.parent} and run "
                             f"{_SCRIPTS}/4_extract_roi_betas.py again")
        return matrix

    def _table(self, file, script, **options):
        import pandas

        path = Path(self.work) / file
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; {_SCRIPTS}/{script} makes it")
        return pandas.read_csv(path, **options)
