"""Maps of parcels as files for Connectome Workbench: one value per parcel, on the vertices of the fsLR 32k surface.

    python -m convergence export-map --table derivatives/nsd/rsa_pvalues_subject_language_vision.parquet \\
        --where comparison=vision --column observed pvalue_fdr_bh --out vision.dscalar.nii

Reads    a table of the derivatives with a column roi, and the atlas: --atlas FILE, or metadata/hcp.csv of the derivatives that
         the table lies in, or HCP-MMP1.
Writes   by the ending of --out: CIFTI numbers (.dscalar.nii) or categories with colours (.dlabel.nii), both hemispheres; or the
         same as GIFTI (.func.gii, .shape.gii, .label.gii), a file for each: x.func.gii becomes x.L.func.gii, x.R.func.gii.
Time     a second or two.

CIFTI files hold the vertices that are cortex, without the medial wall; in GIFTI files the medial wall is NaN (label: 0), and so
is a parcel without a value in both. Where hemispheres were analysed together, both sides have the parcel's value.
"""

from pathlib import Path

import numpy as np

from convergence.cli import command, options
from convergence.datasets.atlas import open_atlas
from convergence.datasets.atlas_surface import LETTERS, cortex_vertices, n_vertices
from convergence.storage.outputs import Record, save

CIFTI = {".dscalar.nii": "NIFTI_INTENT_CONNECTIVITY_DENSE_SCALARS",
         ".dlabel.nii": "NIFTI_INTENT_CONNECTIVITY_DENSE_LABELS"}
GIFTI = {".func.gii": "NIFTI_INTENT_NONE", ".shape.gii": "NIFTI_INTENT_SHAPE", ".label.gii": "NIFTI_INTENT_LABEL"}
LABELS = (".dlabel.nii", ".label.gii")
NO_LABEL = ("???", (0.0, 0.0, 0.0, 0.0))                    # of key 0, as Workbench writes it
_STRUCTURES = {"lh": ("CIFTI_STRUCTURE_CORTEX_LEFT", "CortexLeft"), "rh": ("CIFTI_STRUCTURE_CORTEX_RIGHT", "CortexRight")}


@command
def main(arguments=None):
    parser = options(__doc__, "hemispheres", "atlas")
    parser.add_argument("--table", required=True, metavar="FILE", help="table (.parquet, .csv) with a column roi")
    parser.add_argument("--column", nargs="+", default=["similarity"], metavar="NAME",
                        help="columns to export, a map each (default: similarity)")
    parser.add_argument("--where", nargs="+", default=[], metavar="COLUMN=VALUE", help="only rows with these values")
    parser.add_argument("--mean", action="store_true",
                        help="average the rows of a parcel, where there are several; a parcel with an empty one is empty")
    parser.add_argument("--out", required=True, metavar="FILE", help="the file to write; its ending decides what it is")
    chosen = parser.parse_args(arguments)

    from convergence.storage.tables import file_of, read_table

    table = read_table(chosen.table)
    beside = Path(chosen.table).resolve().parents[1] / file_of("hcp")
    atlas = chosen.atlas or (beside if beside.exists() else None)
    joined = table["join_hemispheres"].all() if "join_hemispheres" in table else chosen.hemispheres == "joined"
    values = one_per_parcel(table, chosen.column, chosen.where, mean=chosen.mean)
    hemispheres = "joined" if joined else "separated"
    print("\n".join(map(str, export_map(values, chosen.out, atlas=atlas, hemispheres=hemispheres, inputs=(chosen.table,)))))


def export_map(values, path, *, atlas=None, hemispheres="joined", colors=None, inputs=()):
    """Write values of parcels as a CIFTI or GIFTI file.

    Parameters
    ----------
    values : Series or DataFrame
        Indexed by parcel number (or a table with a column roi), a map per column. Numbers; for .dlabel.nii and .label.gii
        categories: text, or whole numbers from 1, which become the keys. NaN, None and '' are no value.
    path : path
        Ending in .dscalar.nii, .dlabel.nii, .func.gii, .shape.gii or .label.gii. GIFTI: two files, with .L and .R before the
        ending.
    atlas : Atlas or path, optional
        See `datasets.atlas.open_atlas`; default: HCP-MMP1.
    hemispheres : {"joined", "separated"}
        Whether a value stands for all parcels of its name, or for one number.
    colors : dict, optional
        Category -> "#rrggbb"; default: the colour of the region that its parcels are in, or one of its own where they are in
        several.
    inputs : sequence of path
        Files that the values come from, for the sidecar.

    Returns
    -------
    list of Path
        The files written; beside each lies its sidecar.

    Raises
    ------
    FileNotFoundError
        The atlas has no labels on the surface.
    ValueError
        Another ending; parcels that the atlas does not have, or that stand there twice; numbers where categories are needed, or
        the reverse.
    """
    ending, atlas = _ending(path), open_atlas(atlas)
    maps = _maps_of(values)
    labels, numbers = None, maps
    if ending in LABELS:
        labels, numbers = label_table(maps, atlas, colors)
    elif not all(kind.kind in "fiub" for kind in maps.dtypes):
        raise ValueError(f"values: {ending} holds numbers, found text; for categories choose .dlabel.nii or .label.gii")
    surfaces = on_vertices(numbers, atlas, hemispheres)
    names, source = [str(name) for name in maps], atlas.file.name if atlas.file else "HCP-MMP1"
    record = Record(f"{__name__}.export_map", tuple(inputs), {"maps": names, "hemispheres": hemispheres, "atlas": source})
    if ending in CIFTI:
        images = {Path(path): _cifti(surfaces, names, labels, CIFTI[ending])}
    else:
        images = {Path(f"{str(path)[:-len(ending)]}.{letter}{ending}"): _gifti(surfaces[side], side, names, labels, GIFTI[ending])
                  for side, letter in LETTERS.items()}
    return [save(image.to_filename, file, record) for file, image in images.items()]


def on_vertices(values, atlas, hemispheres="joined"):
    """Spread values of parcels over the surface.

    Parameters
    ----------
    values : DataFrame (n_parcels, n_maps)
        Indexed by parcel number.
    atlas : Atlas

    Returns
    -------
    {"lh": (n_maps, n_vertices), "rh": (n_maps, n_vertices)} of float32, NaN where there is no parcel or no value.
    """
    from convergence.plotting.maps import analysed_as

    listed = analysed_as(values.index, atlas.table, hemispheres)
    of_parcels = np.full((1 + max(listed), values.shape[1]), np.nan, np.float32)           # row 0: no parcel
    of_parcels[list(listed)] = values.reindex(list(listed.values())).to_numpy(np.float32)
    return {side: of_parcels[labels].T for side, labels in atlas.labels.items()}


def label_table(maps, atlas, colors=None):
    """Categories of maps as a label table, and as numbers.

    Returns
    -------
    labels : {key: (name, (red, green, blue, alpha))}
        Whole numbers are their own keys, text is counted from 1 in order of appearance.
    keys : DataFrame
        Like `maps`, NaN where there is no category.
    """
    from matplotlib.colors import to_rgba

    maps = maps.where(maps.notna() & (maps != ""))
    found = [value for value in dict.fromkeys(maps.to_numpy().T.ravel().tolist()) if value == value and value is not None]
    whole = all(isinstance(value, (int, float, np.integer)) and value % 1 == 0 and value >= 1 for value in found)
    if not whole and not all(isinstance(value, str) for value in found):
        raise ValueError(f"values: labels are text or whole numbers from 1, found {', '.join(map(repr, found[:4]))}; for other "
                         "numbers choose .dscalar.nii, .func.gii or .shape.gii")
    keys = {value: int(value) if whole else k for k, value in enumerate(sorted(found) if whole else found, start=1)}
    shades = {**_own_colors(maps, keys, atlas), **(colors or {})}
    labels = {0: NO_LABEL, **{key: (str(int(value) if whole else value), to_rgba(shades[value])) for value, key in keys.items()}}
    return labels, maps.apply(lambda column: column.map(keys).astype(float))


def one_per_parcel(table, columns, where=(), *, mean=False):
    """Rows of a table by parcel number.

    Parameters
    ----------
    table : DataFrame
        With a column roi.
    columns : list of str
    where : sequence of str
        "column=value", all of which a row must have.
    mean : bool
        Average several rows of a parcel, NaN where one of them is NaN. ValueError where there are several and this is False.
    """
    absent = [name for name in ["roi", *columns] if name not in table]
    if absent:
        raise ValueError(f"the table has no column {', '.join(absent)}; it has {', '.join(table)}")
    for condition in where:
        table = _chosen(table, condition)
    several = table[table["roi"].duplicated(keep=False)]
    if several.empty:
        return table.set_index("roi")[columns]
    if not mean:
        first = several[several["roi"] == several["roi"].iloc[0]]
        differ = [name for name in first if name not in columns and first[name].nunique() > 1]
        raise ValueError(f"parcel {first['roi'].iloc[0]} has {len(first)} rows, one is needed; choose with --where "
                         f"({', '.join(differ)} differ), or average them with --mean")
    return table.groupby("roi")[columns].agg(lambda values: values.mean(skipna=False))


def _chosen(table, condition):
    column, separator, value = condition.partition("=")
    if not separator or column not in table:
        raise ValueError(f"--where: {condition!r} is not COLUMN=VALUE with one of the columns {', '.join(table)}")
    rows = table[table[column].astype(str) == value]
    if rows.empty:
        there = table[column].astype(str).drop_duplicates().tolist()
        raise ValueError(f"--where: no row has {condition}; {column} is {', '.join(there[:8])}"
                         f"{', ...' if len(there) > 8 else ''}")
    return rows


def _ending(path):
    known = [*CIFTI, *GIFTI]
    ending = next((ending for ending in known if str(path).endswith(ending)), None)
    if ending is None:
        raise ValueError(f"path: {path} is no file of maps that can be written; it should end in {', '.join(known)}")
    return ending


def _maps_of(values):
    """The values as a DataFrame indexed by parcel number, without parcels that stand there twice."""
    maps = values.to_frame(values.name if values.name is not None else "value") if values.ndim == 1 else values
    maps = maps.set_index("roi") if "roi" in maps else maps
    again = maps.index[maps.index.duplicated()].unique().tolist()
    if again:
        raise ValueError(f"values: {len(again)} parcels stand there more than once, such as {again[:5]}; one value per parcel is "
                         "needed")
    return maps


def _own_colors(maps, keys, atlas):
    """{category: colour}: of the region that all its parcels are in, or another one."""
    from convergence.datasets.atlas_file import hue

    region = atlas.table.set_index("roi")["area_color"].reindex(maps.index)
    shades = {}
    for number, value in enumerate(keys):
        inside = set(region[(maps == value).any(axis=1)].dropna())
        shades[value] = inside.pop() if len(inside) == 1 else hue(number)
    return shades


def _cifti(surfaces, names, labels, intent):
    import nibabel
    from nibabel.cifti2 import BrainModelAxis, LabelAxis, ScalarAxis

    cortex = {side: cortex_vertices(side) for side in surfaces}
    left, right = (BrainModelAxis.from_surface(vertices, n_vertices(side), _STRUCTURES[side][0])
                   for side, vertices in cortex.items())
    data = np.concatenate([surfaces[side][:, vertices] for side, vertices in cortex.items()], axis=1)
    axis = ScalarAxis(names) if labels is None else LabelAxis(names, [labels] * len(names))
    image = nibabel.Cifti2Image(data if labels is None else np.nan_to_num(data), (axis, left + right))
    image.nifti_header.set_intent(intent)
    return image


def _gifti(values, side, names, labels, intent):
    from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiLabel, GiftiLabelTable, GiftiMetaData

    image = GiftiImage(meta=GiftiMetaData({"AnatomicalStructurePrimary": _STRUCTURES[side][1]}))
    if labels is not None:
        table = GiftiLabelTable()
        for key, (name, color) in labels.items():
            label = GiftiLabel(key, *color)
            label.label = name
            table.labels.append(label)
        image.labeltable, values = table, np.nan_to_num(values).astype(np.int32)
    for name, numbers in zip(names, values):
        meta = GiftiMetaData({"Name": name})
        image.add_gifti_data_array(GiftiDataArray(np.ascontiguousarray(numbers), intent, meta=meta))
    return image
