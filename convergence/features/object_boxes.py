"""Objects in pictures, as a detection network of transformers finds them, and pictures that one object fills.

    run_boxes(box_jobs(dataset, derivatives, threshold=0.8))
    element_dominated(boxes, images, image_key="nsd_id")            # bool per image: the area rule

Two tables: a row per box (columns as published, arXiv 2507.13941), and a row per picture, which also says where detection failed.
Found boxes lie in .<table>.jsonl beside the table until every picture was looked at (checkpoint.py). This module is light: what
is done is known before torch is imported.
"""

import time
from pathlib import Path

from convergence.features.extraction import existing
from convergence.features.picture_runs import run_pictures
from convergence.storage.outputs import Record, fingerprint, save
from convergence.storage.tables import conform, file_of

DEFAULT_MODEL, DEFAULT_REVISION = "facebook/detr-resnet-50", "no_timm"      # that revision needs no further library
_KEY = "nsd_id"                                                              # what schemas call the image number


def element_dominated(boxes, images, *, image_key="nsd_id", area=0.6, fewer_than=3):
    """Whether an object fills a picture: some box covers more than `area` of it, and it has fewer than `fewer_than` boxes.

    Parameters
    ----------
    boxes : DataFrame
        A row per box, with the columns `image_key` and percent_area (0 to 1).
    images : (n,) sequence of int
        Which images to decide about; those without a box are not dominated.
    image_key : str
    area : float
        Share of the picture; exactly this share is not enough.
    fewer_than : int

    Returns
    -------
    Series of bool, indexed by `images`
        As published (arXiv 2507.13941), where the third box already makes a scene of it.

    Raises
    ------
    ValueError
        Columns are missing, or a percent_area is negative or NaN.
    """
    import pandas

    lacking = [column for column in (image_key, "percent_area") if column not in boxes]
    if lacking:
        raise ValueError(f"boxes: the columns {lacking} are missing, found {list(boxes)}; "
                         "4_other_alignments/7_object_boxes.py writes such a table")
    wrong = boxes.loc[~(boxes["percent_area"] >= 0), image_key]
    if len(wrong):
        raise ValueError(f"boxes: percent_area must be a number from 0; it is not in {len(wrong)} rows, such as {image_key} "
                         f"{wrong.iloc[0]}")
    groups = boxes.groupby(image_key)["percent_area"]
    index = pandas.Index(images, name=image_key)
    largest, n_boxes = groups.max().reindex(index, fill_value=0.0), groups.size().reindex(index, fill_value=0)
    return ((largest > area) & (n_boxes < fewer_than)).rename("element_dominated")


def box_jobs(dataset, derivatives, *, model=DEFAULT_MODEL, revision=None, threshold=0.8, clip=True, device="auto", batch_size=8,
             workers=2):
    """Who writes <derivatives>/<dataset>/<dataset>_scenes_objects.parquet, and .._images.parquet: a list of one job.

    Parameters
    ----------
    dataset : Dataset
    derivatives : path
    model : str
        Hub id or folder of a detection network.
    revision : str, optional
        Commit or branch of the hub; default: "no_timm" of the default model, else the main one.
    threshold : float
        Boxes of a lower confidence are left out.
    clip : bool
        Cut boxes at the picture's edges; as published: not, so that percent_area may exceed 1.
    device, batch_size, workers
        Do not decide the result, but for rounding: pictures of different sizes never share a batch.

    Raises
    ------
    ValueError
        The threshold is not between 0 and 1.
    FileNotFoundError
        The pictures are not there.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold: {threshold} is not a confidence; expected a number from 0 to 1")
    model = str(model)
    folder = [Path(model)] if Path(model).is_dir() else []
    if revision is None and model == DEFAULT_MODEL:
        revision = DEFAULT_REVISION
    inputs = (*existing(dataset.stimulus_files(), f"the pictures of {dataset.name}"), *folder)
    output = Path(derivatives) / file_of("object_boxes", dataset=dataset.name)
    images = Path(derivatives) / file_of("object_boxes_images", dataset=dataset.name)
    options = {"model": Path(model).name if folder else model, "revision": revision, "threshold": threshold, "clip": clip}
    places = {"dataset": dataset, "source": model, "checkpoint": output.with_name(f".{output.name}.jsonl"), "account": images,
              "inputs": inputs, "device": device, "batch_size": batch_size, "workers": workers}
    return [dict(name=options["model"], output=output, function=find_boxes, inputs=inputs, options=options, places=places)]


def run_boxes(jobs, **how):
    """Run the job of `box_jobs`; overwrite, dry_run, skip_bad: see picture_runs.run_pictures."""
    run_pictures(jobs, title="object boxes", lacking="boxes looked for", **how)


def find_boxes(model, revision, threshold, clip, *, dataset, source, checkpoint, account, inputs, device, batch_size, workers):
    """The job of `box_jobs`: writes the table of images, returns the table of boxes."""
    from convergence.features.checkpoint import Checkpoint
    from convergence.features.detection import Detector, look

    started = time.time()
    known = {"/".join(Path(path).parts[-3:]): fingerprint(path) for path in inputs}
    options = {"model": model, "revision": revision, "threshold": threshold, "clip": clip}
    found = Checkpoint(checkpoint, {"dataset": dataset.name, **options, "inputs": known})
    ids = [int(image) for image in dataset.images.index]
    if any(found.records.get(image, {}).get("status") != "ok" for image in ids):
        try:
            look(dataset, Detector(source, revision=revision, threshold=threshold, device=device), found, batch_size=batch_size,
                 workers=workers)
        finally:
            found.close()
    records = [found.records[image] for image in ids]
    boxes = boxes_table(records, clip=clip)
    images = conform(images_table(records, boxes), "object_boxes_images")
    save(images.rename(columns={_KEY: dataset.image_key}), account, Record(f"{__name__}.find_boxes", inputs, options))
    return conform(boxes, "object_boxes").rename(columns={_KEY: dataset.image_key})


def boxes_table(records, *, clip=True):
    """A row per box, from the records of the checkpoint, in their order; the image number is called nsd_id.

    percent_area = box_width x box_height / (image_width x image_height).
    """
    import numpy as np
    import pandas

    rows = [(record["image"], number, record["width"], record["height"], *box)
            for record in records if record["status"] == "ok" for number, box in enumerate(record["boxes"])]
    sides = ["box_x0", "box_y0", "box_x1", "box_y1"]
    columns = [_KEY, "object_index", "image_width", "image_height", "label_id", "label", "confidence", *sides]
    table = pandas.DataFrame(rows, columns=columns)
    edges = table[sides].to_numpy(dtype=float).reshape(-1, 4)
    size = table[["image_width", "image_height"]].to_numpy(dtype=float).reshape(-1, 2)
    if clip:
        edges = np.clip(edges, 0, np.tile(size, 2))
    table[sides], table["box"] = edges, list(edges)
    table[["box_width", "box_height"]] = edges[:, 2:] - edges[:, :2]
    return table.assign(percent_area=(edges[:, 2:] - edges[:, :2]).prod(axis=1) / size.prod(axis=1))


def images_table(records, boxes):
    """A row per image: n_boxes, largest_area, element_dominated, status, reason."""
    import pandas

    table = pandas.DataFrame({name: [record[key] for record in records]
                              for name, key in ((_KEY, "image"), ("status", "status"), ("reason", "reason"))})
    areas, ids = boxes.groupby(_KEY)["percent_area"], table[_KEY]
    return table.assign(n_boxes=areas.size().reindex(ids, fill_value=0).to_numpy(),
                        largest_area=areas.max().reindex(ids, fill_value=0.0).to_numpy(),
                        element_dominated=element_dominated(boxes, ids).to_numpy())
