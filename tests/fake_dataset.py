"""A dataset of seven little pictures of different modes and sizes, numbered 9, 2, 31, ...: what stage 2 needs, no brain data."""

import numpy as np
import pandas
from PIL import Image

from convergence.datasets.base import Dataset

IDS = [9, 2, 31, 14, 5, 20, 3]
MODES = ["RGB", "L", "P", "RGBA", "CMYK", "RGB", "L"]
CAPTIONS = ["A dog on a beach.", "two people ride bicycles in the rain, near a house with a red door", "x", "A bowl of fruit",
            "many words in one caption make it long: one two three four five six seven eight nine ten", "A bowl of fruit",
            "snow; a hill"]


class SevenPictures(Dataset):
    name, image_key = "seven", "seven_id"
    trials = None

    @property
    def images(self):
        return pandas.DataFrame({"mode": MODES}, index=pandas.Index(IDS, name="seven_id"))

    @property
    def captions(self):
        return pandas.read_csv(self.root / "captions.csv", index_col="seven_id")["caption"]

    def image(self, image):
        return Image.open(self.path(image))

    def path(self, image):
        return self.root / f"{image}.{'jpg' if MODES[IDS.index(image)] == 'CMYK' else 'png'}"

    def stimulus_files(self):
        return tuple(self.path(image) for image in IDS)

    def caption_files(self):
        return (self.root / "captions.csv",)

    def atlas(self):
        raise NotImplementedError


def write_seven_pictures(root):
    """Write the pictures and the captions (in another order than the images) into a folder; returns the dataset."""
    root.mkdir(parents=True, exist_ok=True)
    dataset, rng = SevenPictures(root), np.random.default_rng(0)
    for k, (image, mode) in enumerate(zip(IDS, MODES)):
        blocks = rng.integers(0, 255, (4, 5 + k, 3), np.uint8)
        Image.fromarray(blocks).resize((48 + k, 40), Image.Resampling.NEAREST).convert(mode).save(dataset.path(image))
    pandas.Series(CAPTIONS, index=pandas.Index(IDS, name="seven_id"), name="caption").sort_index().to_csv(root / "captions.csv")
    return dataset


class ManyPictures(Dataset):
    """`n` little pictures that need no files, numbered backwards in threes; `read` lists those that were asked for."""
    name, image_key = "many", "many_id"
    trials = atlas = None

    def __init__(self, n, size=16):
        super().__init__(".")
        self.n, self.size, self.read = n, size, []

    @property
    def images(self):
        return pandas.DataFrame(index=pandas.Index(range(3 * self.n, 0, -3), name="many_id"))

    def image(self, image):
        self.read.append(image)
        return Image.fromarray(np.random.default_rng(image).integers(0, 255, (self.size, self.size, 3), np.uint8))
