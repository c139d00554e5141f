"""Files of pictures as networks need them: RGB, 8 bits, upright.

    rgb(Image.open(path))
"""


def rgb(picture):
    """An RGB picture of the same look, whatever the file's mode.

    Parameters
    ----------
    picture : PIL.Image.Image
        Grey, palette and CMYK pictures are converted; 16 bits become 8 by division (Pillow would clip them); the rotation that
        a camera noted (EXIF) is carried out. Transparency is dropped, colours stay as they are stored (as timm and torchvision
        do).

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    OSError, ValueError
        It cannot be decoded; its values are floating-point numbers or more than 16 bits wide, so that white is not known.
    """
    import numpy as np
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ValueError(f"its values ({picture.mode!r}, {values.min()} to {values.max()}) have no known white; "
                             "save it with 8 or 16 bits per channel")
        picture = Image.fromarray(np.round(values / 257).astype(np.uint8))
    return picture.convert("RGB")
