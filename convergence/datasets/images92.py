"""The 92 object images of Kriegeskorte et al. (2008): RDMs of inferior temporal cortex (IT) of four people in two sessions, and
of a monkey.

The people's responses are not published, their RDMs are; so this reader serves `rdm(subject, session=...)` and no responses. The
RDMs and the category flags come with the package, together with the layer RDMs of EfficientNet-lite0 that we computed
(assets/images92/README.md).
The pictures do not: with a folder (--root or IMAGES92_DATASET) RDMs, flags and pictures are read from the published files in it.

    dataset = open_dataset("images92")
    dataset.rdm(1, session=2)                       (4186,) person 1 in session 2
    dataset.rdm(1)                                  person 1, mean of the sessions
    dataset.monkey_rdm, dataset.layer_rdms          (4186,), (n_layers, 4186)
"""

from functools import cached_property
from pathlib import Path

import numpy as np

from convergence.datasets.base import TRIAL_COLUMNS, Dataset
from convergence.storage.paths import DATASET_VARIABLES, dataset_root

PACKAGED = Path(__file__).parent / "assets" / "images92" / "images92.npz"
BRAINS, SUPPLEMENT = "92_brainRDMs.mat", "Kriegeskorte_Neuron2008_supplementalData.mat"
FLAGS = ("human", "face", "animal", "natural")


class Images92(Dataset):
    """RDMs of human and monkey IT for 92 images; see the module's docstring.

    Attributes
    ----------
    packaged : bool
        Whether the packaged numbers are used; then there are no pictures.
    human_rdms : (n_subjects, n_sessions, n_pairs) float32
        Correlation distances.
    monkey_rdm : (n_pairs,) float32
        Of 674 neurons.
    layer_names, layer_rdms : list of str, (n_layers, n_pairs) float32
        EfficientNet-lite0, as packaged.
    """

    name = "images92"
    image_key = "image"

    def __init__(self, root=None):
        super().__init__(root or PACKAGED.parent)
        self.packaged = root is None

    @classmethod
    def open(cls, root=None):
        """With a folder (argument or environment), its files; without, the packaged numbers."""
        return cls(dataset_root("images92", root, required=False))

    @property
    def human_rdms(self):
        return self._numbers["human"]

    @property
    def monkey_rdm(self):
        return self._numbers["monkey"]

    @property
    def people(self):
        """Initials of the four people, as published."""
        return [str(name) for name in self._numbers["people"]]

    @cached_property
    def images(self):
        import pandas
        flags = self._numbers["flags"]
        table = pandas.DataFrame({flag: flags[:, k].astype(bool) for k, flag in enumerate(FLAGS)},
                                 index=pandas.RangeIndex(len(flags), name="image"))
        return table.assign(category=self._numbers["category"].astype(str))

    @cached_property
    def trials(self):
        import pandas
        n_subjects, n_sessions, _ = self.human_rdms.shape
        index = pandas.MultiIndex.from_product([range(1, n_subjects + 1), range(1, n_sessions + 1), range(len(self.images))],
                                               names=["subject", "session", "image"])
        table = index.to_frame(index=False)
        table["subject_index"] = table.groupby("subject").cumcount()
        return table.assign(repetition=table["session"] - 1, shared=True, exists=True)[list(TRIAL_COLUMNS)]

    def atlas(self):
        """One parcel: IT of both hemispheres (316 voxels with the largest visual response, as published)."""
        import pandas
        return pandas.DataFrame({"roi": [1], "name": ["IT"], "hemisphere": ["both"], "area": ["Inferior temporal cortex"],
                                 "hub": [""]})

    def rdm(self, subject, roi=None, session=None):
        """(n_pairs,) condensed RDM of one person's IT: of one session, or the mean of all."""
        n_subjects, n_sessions, _ = self.human_rdms.shape
        if subject not in range(1, n_subjects + 1):
            raise ValueError(f"subject: {subject} is not in dataset 'images92', which has subjects 1 to {n_subjects}")
        if session is None:
            return self.human_rdms[subject - 1].mean(0)
        if session not in range(1, n_sessions + 1):
            raise ValueError(f"session: {session} is not in dataset 'images92', which has sessions 1 to {n_sessions}")
        return self.human_rdms[subject - 1, session - 1]

    def image(self, image):
        from PIL import Image
        if self.packaged:
            raise FileNotFoundError("dataset 'images92': the pictures do not come with the package; download the folder "
                                    "92imageData of rsatoolbox's demos and "
                                    f"give it with --root or {DATASET_VARIABLES['images92']}")
        if image not in range(len(self.images)):
            raise ValueError(f"image: {image} is not in dataset 'images92', which has images 0 to {len(self.images) - 1}")
        return Image.fromarray(self._numbers["pictures"][image]).convert("RGB")

    def stimulus_files(self):
        return () if self.packaged else (self.root / SUPPLEMENT,)

    def packed_numbers(self):
        """All numbers of the published files, by their names in the packaged file (the pictures left out)."""
        return {name: array for name, array in self._numbers.items() if name not in ("pictures", "layer_rdms", "layer_names")}

    def source_files(self):
        """The files that the numbers are read from."""
        return (PACKAGED,) if self.packaged else (PACKAGED, self.root / BRAINS, self.root / SUPPLEMENT)

    @property
    def layer_names(self):
        return [str(name) for name in self._packaged["layer_names"]]

    @property
    def layer_rdms(self):
        return self._packaged["layer_rdms"]

    @cached_property
    def _packaged(self):
        with np.load(PACKAGED) as file:
            return dict(file)

    @cached_property
    def _numbers(self):
        return self._packaged if self.packaged else read_published(self.root)


def read_published(root):
    """Everything that the two published MATLAB files hold, under the names of the packaged file.

    Raises
    ------
    FileNotFoundError, ValueError
        A file is missing; a file is truncated, or not the published one.
    """
    from scipy.io import loadmat

    content = []
    for name in (BRAINS, SUPPLEMENT):
        path = Path(root) / name
        if not path.exists():
            raise FileNotFoundError(f"dataset 'images92': {path} is missing; expected {BRAINS} and {SUPPLEMENT} in one folder")
        try:
            content.append(loadmat(path))
        except Exception as error:                          # SciPy raises half a dozen types for a damaged file
            raise ValueError(f"dataset 'images92': {path} is not a readable MATLAB file ({error}); download it again") from error
    try:
        return _unpack(*content)
    except (KeyError, IndexError) as error:
        raise ValueError(f"dataset 'images92': the files in {root} do not have the published fields ({error}); download them "
                         "again") from error


def _unpack(brains, supplement):
    brain = brains["RDMs"][0]                               # (n_subjects, n_sessions) structs
    square = np.array([[session["RDM"] for session in subject] for subject in brain], np.float32)
    monkey, stimuli = supplement["RDMs_mIT_hIT_fig1"][0, 0], supplement["stimuli_92objs"][0]
    rows, columns = np.triu_indices(square.shape[-1], 1)
    return {"human": square[:, :, rows, columns], "monkey": monkey["RDM"].ravel().astype(np.float32),
            "people": np.array([subject[0]["name"][0].split("|")[1].strip() for subject in brain]),
            "flags": np.array([[int(s[flag].item()) for flag in FLAGS] for s in stimuli], np.uint8),
            "category": np.array([s["category"].item() for s in stimuli]), "pictures": np.stack([s["image"] for s in stimuli])}
