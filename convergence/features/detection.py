"""Running a detection network over the pictures of a dataset.

    detector = Detector("facebook/detr-resnet-50", revision="no_timm", threshold=0.8)
    detector([picture, ...])                        # per picture: [(label number, label, confidence, x0, y0, x1, y1), ...]
    look(dataset, detector, checkpoint)             # a record per picture

Pictures of different sizes would be padded to a common one, which changes what the network sees at their edges: only equal sizes
share a batch, so that boxes do not depend on the batch.
"""

import torch

from convergence.compute.device import resolve
from convergence.features.attempts import attempt, check_patience, sentence
from convergence.features.loading import load
from convergence.features.pictures import BatchSize, open_batches


class Detector:
    """A detection network of transformers in float32, with its processor.

    Parameters
    ----------
    source : str
        Hub id, or a folder that save_pretrained of both wrote.
    revision : str, optional
    threshold : float
        Boxes of a lower confidence are left out.
    device : str

    Raises
    ------
    ValueError
        It cannot be loaded, or its weights are incomplete.
    """

    def __init__(self, source, *, revision=None, threshold=0.8, device="auto"):
        self._where, self._threshold = resolve(device), threshold
        self._processor, model = load(source, "AutoImageProcessor", "AutoModelForObjectDetection", revision=revision,
                                      dtype=torch.float32)
        self._model, self._labels = model.eval().to(self._where), model.config.id2label

    def __call__(self, pictures):
        """Boxes per picture, in the network's order; edges in pixels. All pictures have one size.

        A label that the network has no name for goes by its number.
        """
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        inputs = self._processor(images=pictures, return_tensors="pt").to(self._where)
        with torch.inference_mode(), exact:
            outputs = self._model(**inputs)
        sizes = [(picture.height, picture.width) for picture in pictures]
        found = self._processor.post_process_object_detection(outputs, threshold=self._threshold, target_sizes=sizes)
        return [[(label, self._labels.get(label, str(label)), score, *box) for label, score, box in
                 zip(one["labels"].tolist(), one["scores"].tolist(), one["boxes"].tolist())] for one in found]


def look(dataset, detector, checkpoint, *, batch_size=8, workers=2):
    """Put into the checkpoint a record (status, reason, width, height, boxes) for every image that has none, or failed before.

    Parameters
    ----------
    dataset : Dataset
    detector : Detector
    checkpoint : Checkpoint
    batch_size : int or "auto"
        Pictures at a time; auto: 32, halved whenever memory runs out.
    workers : int
        Threads that read pictures.

    Raises
    ------
    ValueError
        Memory does not suffice, or the network fails with every picture.
    """
    size, errors, n_failed = BatchSize(batch_size), [], 0
    for batch, progress in open_batches(dataset, checkpoint, size, workers, title="objects"):
        records = {image: _failed(image, reason) for image, _, reason in batch if reason}
        n_failed += len(records)
        for group in _by_size([(image, picture) for image, picture, reason in batch if not reason]):
            results = attempt(lambda part: detector([picture for _, picture in part]), group, size)
            for (image, picture), boxes in zip(group, results):
                if isinstance(boxes, Exception):
                    records[image] = _failed(image, sentence(boxes))
                    errors.append(records[image])
                else:
                    records[image] = {"image": image, "status": "ok", "reason": "", "width": picture.width,
                                      "height": picture.height, "boxes": boxes}
        checkpoint.append([records[image] for image, _, _ in batch])
        check_patience(errors, checkpoint)
        progress.set_postfix_str(f"{n_failed + len(errors)} failed" if n_failed or errors else "")


def _by_size(items):
    """The (image, picture) items in groups of one size, in order."""
    groups = {}
    for image, picture in items:
        groups.setdefault(picture.size, []).append((image, picture))
    return list(groups.values())


def _failed(image, reason):
    return {"image": image, "status": "failed", "reason": reason}
