"""What a picture shows, in one row: how many objects, persons and animals, and whether it is animate.

    table = content_table(objects, persons, n_images)
    content_labels(table)                           Series: "animate", "inanimate", or "" for pictures without annotated objects
"""

import numpy as np

from convergence.datasets.annotations.objects import supercategory_counts
from convergence.datasets.annotations.persons import body_parts
from convergence.storage.tables import conform

_ANIMATE = ("person", "animal")         # supercategories


def content_table(objects, persons, n_images, *, min_visible=0.0):
    """One row per picture, those without any annotation included.

    Parameters
    ----------
    objects, persons : DataFrame
        As object_table and person_table make them.
    n_images : int
    min_visible : float
        Only objects of whose box at least this part lies in NSD's crop; 0 (default): all, as published.

    Returns
    -------
    DataFrame (n_images, 8)
        nsd_id; n_objects, n_person, n_animal: instances, crowds left out; n_crowd: crowd regions; animate: there is a person or
        an animal, crowds of them included; inanimate: there are objects, none of them animate; is_person: a body part of a person
        is marked.

    Raises
    ------
    ValueError
        min_visible is not 0 to 1; an nsd_id beyond n_images.
    """
    import pandas

    if not 0 <= min_visible <= 1:
        raise ValueError(f"min_visible: {min_visible} is not a fraction; expected 0 (all objects) to 1 (whole ones only)")
    single = supercategory_counts(objects, n_images, min_visible=min_visible)
    every = supercategory_counts(objects, n_images, min_visible=min_visible, crowds=True)
    some, counted = every.sum(axis=1).to_numpy(), single.sum(axis=1).to_numpy()
    animate = sum(_column(every, name) for name in _ANIMATE) > 0
    parts = body_parts(persons[persons["visible_fraction"] >= min_visible], n_images)
    return conform(pandas.DataFrame({
        "nsd_id": np.arange(n_images), "n_objects": counted, "n_person": _column(single, "person"),
        "n_animal": _column(single, "animal"), "n_crowd": some - counted, "animate": animate, "inanimate": (some > 0) & ~animate,
        "is_person": (parts > 0).any(axis=1).to_numpy()}), "content")


def content_labels(content):
    """"animate", "inanimate" or "" of every picture: a Series indexed by nsd_id."""
    import pandas

    labels = np.where(content["animate"], "animate", np.where(content["inanimate"], "inanimate", ""))
    return pandas.Series(labels, index=pandas.Index(content["nsd_id"], name="nsd_id"), name="content")


def _column(counts, name):
    """A column's counts; zeros where nothing of that name occurs."""
    return counts[name].to_numpy() if name in counts else np.zeros(len(counts), dtype=np.int64)
