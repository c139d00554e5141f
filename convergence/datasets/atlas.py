"""The atlas: HCP-MMP1, 180 areas a hemisphere (Glasser et al. 2016), 22 regions, and the three hubs of the visual system.

    load_atlas()                        one row per parcel: roi, name, description, hemisphere, area, area_color, hub, ...
    HUBS                                {"EVC": ["V1", ...], "Ventral": [...], "LOTC": [...]}
    labels_of(atlas, ["V1", "20"])      the labels, left and right, of parcels given by name or number

Parcel numbers are those of NSD's label volumes: the areas in the atlas' order on the left, then the same on the right. The areas
and regions are small tables in assets/ (README.md there tells their sources); this module doubles them into two hemispheres.
"""

import difflib
from pathlib import Path

from convergence.storage.tables import conform

HUBS = {"EVC": ["V1", "V2", "V3", "V4"],
        "Ventral": ["VMV1", "VMV2", "VMV3", "PHA1", "PHA2", "PHA3"],
        "LOTC": ["MT", "MST", "FST", "V4t", "TPOJ2", "TPOJ3"]}

AREAS, REGIONS = (Path(__file__).parent / "assets" / file for file in ("areas.csv", "regions.csv"))
_HEMISPHERES = (("lh", "L", "Left"), ("rh", "R", "Right"))
_ON_THE_SURFACE = {"7Pl": "7PL"}            # the one area that NSD's volumes and the surface labels spell differently


def load_atlas():
    """The table of parcels, one row each, sorted by number.

    Returns
    -------
    DataFrame (n_parcels, 12)
        Columns of the table metadata/hcp.csv: roi (1 to n_areas left, then right), name (the same in both hemispheres),
        description, full_name, atlas, hemisphere ("lh", "rh"), mne_name ("L_V1_ROI-lh"), area (region), area_id, area_color
        ("#rrggbb"), roi_order (position within a hemisphere when regions are shown together), hub ("EVC", "Ventral", "LOTC", "").

    Source: Glasser et al. 2016, A multi-modal parcellation of human cerebral cortex, Nature 536, Supplementary Neuroanatomical
    Results.
    """
    import pandas

    areas = _read(AREAS).merge(_read(REGIONS), on="area_id", how="left", validate="many_to_one")
    hub_of = {name: hub for hub, names in HUBS.items() for name in names}
    halves = []
    for number, (hemisphere, letter, side) in enumerate(_HEMISPHERES):
        surface = areas["name"].replace(_ON_THE_SURFACE)
        halves.append(areas.assign(
            roi=range(number * len(areas) + 1, (number + 1) * len(areas) + 1),
            hemisphere=hemisphere, atlas=f"{hemisphere}.HCP_MMP1",
            full_name=side + " " + areas["description"] + " (" + areas["name"] + ")",
            mne_name=letter + "_" + surface + "_ROI-" + hemisphere, hub=areas["name"].map(hub_of).fillna("")))
    return conform(pandas.concat(halves), "hcp")


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
        raise ValueError("rois: not in the atlas: " + ", ".join(repr(roi) + _hint(roi, known) for roi in unknown) +
                         f"; use names such as V1 or numbers from {atlas['roi'].min()} to {atlas['roi'].max()}")
    chosen = {*asked, *(name_of[roi] for roi in asked if roi in name_of)}
    return sorted(int(roi) for roi, name in zip(atlas["roi"], atlas["name"]) if name in chosen)


def _hint(roi, known):
    lower = {name.lower(): name for name in sorted(known)}
    near = difflib.get_close_matches(roi.lower(), lower, n=1)
    return f" (did you mean {lower[near[0]]!r}?)" if near else ""


def _read(file):
    import pandas

    return pandas.read_csv(file, dtype={"name": str}, keep_default_na=False)
