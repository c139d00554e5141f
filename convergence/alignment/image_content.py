"""What the images of a dataset show, from the tables that there are: labels, and captions.

    content, notes = content_source(dataset, derivatives)       # content.read(): DataFrame by image; notes: what is left out
    captions, note = caption_source(dataset)                    # captions.read(): all captions of an image in one text, by image

Both are read where they are needed (on a worker), and their files are inputs of what is made from them.
"""

from pathlib import Path
from typing import NamedTuple

import pandas

from convergence.storage.tables import read_table

OBJECTS, CONTENT = "coco_objects_annotations.csv", "content.csv"
_COCO = "1_dataset_preparation/3_build_coco_tables.py"
_CAPTIONING = "2_model_extraction/2_caption_images.py --prompts motion indoor scene"
# of the captioning model's three answers: how the projections' published column calls them
_DOMINANCE = {"Scene-dominated": "Scene-dominated", "Object-in-Scene": "Elements-in-Scene",
              "Object-dominated": "Element-dominated"}


class Source(NamedTuple):
    """Files, and a function of an image key and these files that reads them."""
    function: object
    image_key: str
    files: tuple

    def read(self):
        return self.function(self.image_key, self.files)


def content_source(dataset, derivatives):
    """(Source of labels by image, [what is left out and why]); nothing is required."""
    candidates = {"supercategory flags": (dataset.work / OBJECTS, _COCO),
                  "animate, inanimate, is_person": (dataset.work / CONTENT, _COCO),
                  "motion, static, environment, scene_dominated": (_labels_file(dataset, derivatives), _CAPTIONING)}
    files = tuple(path for path, _ in candidates.values() if path.exists())
    notes = [f"{what} left out: {path} is not there; {script} writes it" for what, (path, script) in candidates.items()
             if not path.exists()]
    return Source(_read_content, dataset.image_key, files), notes


def caption_source(dataset):
    """(Source of captions by image or None, "" or why there is none)."""
    try:
        files = tuple(dataset.caption_files())
        first = dataset.captions
    except (ValueError, OSError) as error:
        return None, str(error)
    if files and Path(files[0]).suffix == ".csv" and "captions" in pandas.read_csv(files[0], nrows=0):
        return Source(_read_captions, dataset.image_key, files[:1]), ""
    return Source(_Given(first), dataset.image_key, files), ""


class _Given(NamedTuple):
    captions: object

    def __call__(self, image_key, files):
        return self.captions


def _labels_file(dataset, derivatives):
    """The label table of the captioning model: Pixtral's, as published, or else the first."""
    folder, pattern = Path(derivatives) / "captions", f"{dataset.name}-content-{{}}.csv"
    published = folder / pattern.format("pixtral")
    return published if published.exists() else next(iter(sorted(folder.glob(pattern.format("*")))), published)


def _read_captions(image_key, files):
    table = pandas.read_csv(files[0], usecols=[image_key, "captions"], dtype={"captions": str}, keep_default_na=False)
    return table.set_index(image_key)["captions"]


def _read_content(image_key, files):
    """DataFrame by image; false, or '', where a table has no row of it (images without objects have none)."""
    tables = [_BY_NAME.get(Path(file).name, _answers)(read_table(file), image_key) for file in files]
    labels = pandas.concat(tables, axis=1) if tables else pandas.DataFrame(index=pandas.Index([], name=image_key))
    empty = {name: False if table[name].dtype == bool else "" for table in tables for name in table}
    return labels.fillna(empty).astype({name: bool for name, value in empty.items() if value is False})


def _flags(objects, image_key):
    return pandas.crosstab(objects[image_key], objects["supercategory"]) > 0


def _counts(content, image_key):
    return content.set_index(image_key)[["animate", "inanimate", "is_person"]]


def _answers(answers, image_key):
    """motion and static (bool), environment, scene_dominated, scene_dominated2; '' where the model gave no legal answer."""
    answers = answers.set_index(image_key).fillna("")
    return pandas.DataFrame({"motion": answers["motion"] == "motion", "static": answers["motion"] == "static",
                             "environment": answers["setting"],
                             "scene_dominated": answers["dominance"],
                             "scene_dominated2": answers["dominance"].map(_DOMINANCE).fillna("")})


_BY_NAME = {OBJECTS: _flags, CONTENT: _counts}
