"""NSD's pictures are square crops of COCO's: how much of a box is left of it.

    crop = read_crop("(0, 0, 0.125, 0.125)")        fractions cut away: top, bottom, left, right
    visible_fraction([0, 0, 160, 100], 640, 480, crop)      0.5: the crop takes the first 80 columns of pixels
"""

import ast


def read_crop(text):
    """(top, bottom, left, right), fractions cut away, from NSD's column cropBox; ValueError where it does not hold that."""
    try:
        crop = tuple(float(part) for part in ast.literal_eval(str(text)))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        crop = ()
    if len(crop) != 4 or not all(0 <= part < 1 for part in crop) or crop[0] + crop[1] >= 1 or crop[2] + crop[3] >= 1:
        raise ValueError(f"cropBox is {text!r}; expected four fractions cut away from top, bottom, left and right, such as "
                         "'(0, 0, 0.125, 0.125)'")
    return crop


def visible_fraction(box, width, height, crop):
    """The part of a box's area that lies within the crop, 0 to 1.

    Parameters
    ----------
    box : (x, y, width, height)
        In pixels of the whole picture. What sticks out of the picture does not count; of a box without area, its middle does.
    width, height : int
        Of the whole picture.
    crop : (top, bottom, left, right)
        Fractions cut away.
    """
    top, bottom, left, right = crop
    across, whole_across = _overlap(box[0], box[2], left * width, (1 - right) * width, width)
    down, whole_down = _overlap(box[1], box[3], top * height, (1 - bottom) * height, height)
    return across / whole_across * down / whole_down


def _overlap(start, length, low, high, side):
    """(length within low to high, length within 0 to side) of an interval; one without length counts as 1 within."""
    first, last = max(start, 0), min(start + length, side)
    if last <= first:
        return float(low <= start + length / 2 <= high), 1.0
    return max(0.0, min(last, high) - max(first, low)), last - first
