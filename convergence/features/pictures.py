"""Pictures on their way into a network: read, prepared on threads, stacked in batches that shrink when memory runs out.

    size = BatchSize("auto")
    for stack, faults in stacks(dataset, transform, ids, size, row=0): ...      # faults: {image: why it cannot be read}
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import torch
from tqdm import tqdm

from convergence.features.shards import rows_left
from convergence.storage.pictures import rgb

START = 32


class BatchSize:
    """How many inputs go through a network at a time: a number, or "auto": 32, and fewer when memory runs out.

    given: 1, 2, ... or "auto"; what: "pictures", "captions", as messages call them.

    Attributes
    ----------
    n : int
    auto : bool
    """

    def __init__(self, given="auto", what="pictures"):
        self.auto, self._what = given == "auto", what
        if not self.auto and not (str(given).isdigit() and int(given) > 0):
            raise ValueError(f"batch size: {given!r} is neither 'auto' nor a whole number above 0")
        self.n = START if self.auto else int(given)

    def halve(self, tried, error):
        """After `tried` inputs were too many; a ValueError where fewer are not possible or not wanted."""
        if not self.auto or tried == 1:
            reason = " ".join(str(error).split())[:150]
            hint = "use --batch-size auto, or fewer"
            if tried == 1:
                hint = "use a smaller network, --dtype bfloat16, or another device"
            raise ValueError(f"out of memory with {tried} {self._what} at a time ({reason}); {hint}") from error
        self.n = max(1, tried // 2)


def stacks(dataset, transform, ids, size, *, row=0, workers=2):
    """Yield (stack, faults) of successive images: (b, 3, height, width), None without any, and why pictures have no row.

    Parameters
    ----------
    dataset : Dataset
    transform : callable
        RGB PIL image -> (3, height, width) tensor.
    ids : sequence of int
    size : BatchSize
        Asked before every batch.
    row : int
        Number of the first of these images among all: batches end where shards end.
    workers : int
        Threads that read and prepare the next pictures meanwhile.
    """
    upcoming, left = prepared(dataset, transform, ids, workers, ahead=2 * size.n), len(ids)
    while left:
        taken = list(islice(upcoming, min(size.n, rows_left(row), left)))
        row, left = row + len(taken), left - len(taken)
        faults = {image: reason for image, _, reason in taken if reason}
        tensors = [tensor for _, tensor, reason in taken if not reason]
        yield torch.stack(tensors) if tensors else None, faults


def open_batches(dataset, checkpoint, size, workers, *, title):
    """Yield ([(image, picture, "") or (image, None, why it cannot be read), ...], progress bar) for images without an ok record.

    checkpoint : Checkpoint
        Its records have a status; what a batch becomes is to be appended before the next is asked for.
    size : BatchSize
    title : str
        What the progress bar says.
    """
    every = [int(image) for image in dataset.images.index]
    ids = [image for image in every if checkpoint.records.get(image, {}).get("status") != "ok"]
    upcoming = prepared(dataset, lambda picture: picture, ids, workers, ahead=2 * size.n)
    with tqdm(total=len(every), initial=len(every) - len(ids), desc=title, unit="picture") as progress:
        while batch := list(islice(upcoming, size.n)):
            yield batch, progress
            progress.update(len(batch))


def read_rgb(dataset, image):
    """The picture of an image number as an RGB PIL image (storage/pictures.py).

    Raises
    ------
    ValueError
        It cannot be read; names the image.
    """
    from PIL import Image

    try:
        return rgb(dataset.image(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"the picture of {dataset.image_key} {image} cannot be read: {error}") from error


def prepared(dataset, transform, ids, workers, ahead):
    """Yield (image, tensor, "") or (image, None, why it cannot be read), in order."""
    def prepare(image):
        try:
            picture = read_rgb(dataset, image)
        except ValueError as error:
            return image, None, str(error)
        return image, transform(picture), ""

    following, waiting = iter([int(image) for image in ids]), deque()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        while True:
            waiting.extend(pool.submit(prepare, image) for image in islice(following, ahead - len(waiting)))
            if not waiting:
                return
            yield waiting.popleft().result()
