"""A made-up atlas of seven parcels, four left and three right, with labels on the surface; numbers are those of toy_brains.

    file = write(folder)                # folder/seven.csv, seven.L.label.gii, seven.R.label.gii
    write(folder, surface=False)        # the table alone
"""

import nibabel
import numpy as np
import pandas
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiLabel, GiftiLabelTable

from convergence.datasets.atlas_surface import n_vertices

# Number, name, hemisphere, region, hub. "back" and "front" are on both sides, and go by the numbers 3 and 41 when joined.
PARCELS = [(3, "back", "lh", "Visual", "Seeing"), (8, "below", "lh", "Visual", ""), (11, "above", "lh", "Action", ""),
           (41, "front", "lh", "Action", "Planning"), (203, "back", "rh", "Visual", "Seeing"),
           (241, "front", "rh", "Action", "Planning"), (208, "aside", "rh", "Action", "Planning")]
JOINED = {3: (3, 203), 8: (8,), 11: (11,), 41: (41, 241), 208: (208,)}
OTHER_LABEL = 77                        # on the left surface, not in the table


def table():
    return pandas.DataFrame(PARCELS, columns=["label", "name", "hemisphere", "region", "hub"])


def vertices(side):
    """(32492,) label of every vertex: bands of the mesh's numbering, of unequal width; what is left over is none."""
    labels = [row[0] for row in PARCELS if row[2] == side] + ([OTHER_LABEL] if side == "lh" else [])
    values = np.zeros(n_vertices(side), np.int32)
    start = 500
    for k, label in enumerate(labels):
        width = 4000 + 1500 * k
        values[start:start + width] = label
        start += width
    return values


def write(folder, *, surface=True, frame=None):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "seven.csv"
    (table() if frame is None else frame).to_csv(file, index=False)
    for side, letter in (("lh", "L"), ("rh", "R")) if surface else ():
        write_labels(folder / f"seven.{letter}.label.gii", vertices(side))
    return file


def write_labels(path, values):
    table = GiftiLabelTable()
    for key in np.unique(values):
        label = GiftiLabel(int(key), 0.5, 0.5, 0.5, 1.0)
        label.label = f"key {key}"
        table.labels.append(label)
    image = GiftiImage(labeltable=table)
    image.add_gifti_data_array(GiftiDataArray(np.asarray(values, np.int32), "NIFTI_INTENT_LABEL"))
    nibabel.save(image, path)
