"""Which parcels the labels of a ROI volume are: HCP_MMP1 comes with the package's atlas, some others with a table in assets/."""

from pathlib import Path

from convergence.datasets.nsd.files import Source


def volume_atlas(volume):
    """The parcels of a ROI volume, labels of the left and then those of the right; None where nothing is known about it."""
    from convergence.datasets.atlas import load_atlas

    if volume == Source().volume:
        return load_atlas()
    return load_atlas(table_file(volume)) if table_file(volume).exists() else None


def n_areas(volume):
    """How many labels a ROI volume has in a hemisphere; None where nothing is known about it."""
    atlas = volume_atlas(volume)
    return None if atlas is None else int((atlas["hemisphere"] == "lh").sum())


def table_file(volume):
    """Where the packaged table of a ROI volume lies, if there is one."""
    return Path(__file__).parent / "assets" / f"{volume}.csv"
