"""NSD's pictures: the array imgBrick of nsd_stimuli.hdf5, (n_images, height, width, 3) uint8."""

import numpy as np

from convergence.datasets.nsd import hdf5

_NAME = "imgBrick"


def read_picture(path, image):
    """(height, width, 3) uint8: the picture of an nsd_id.

    Raises
    ------
    ValueError
        The file is damaged or none of NSD's pictures; there is no such nsd_id.
    """
    try:
        with hdf5.opened(path, _NAME) as pictures:
            shape, dtype = pictures.shape, pictures.dtype
            sound = shape[3] == 3 and dtype == np.uint8 and (pictures.chunks is not None or hdf5.is_complete(pictures))
            picture = pictures[int(image)] if sound and 0 <= image < len(pictures) else None
    except hdf5.Unreadable as error:
        raise ValueError(f"{path} cannot be read as HDF5 with a dataset {_NAME!r} ({error}); download it again") from error
    if not sound:
        raise ValueError(f"{path}: {_NAME} is {dtype} {shape}, or a part of it is missing; expected uint8 (n, height, width, "
                         "3); download it again")
    if picture is None:
        raise ValueError(f"image: {image} is not an nsd_id of {path}, which holds 0 to {shape[0] - 1}")
    return picture
