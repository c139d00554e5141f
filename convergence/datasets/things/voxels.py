"""Which voxel belongs to which parcel: the tables VoxelMetadata.csv, and left or right.

    voxels = read_voxels(root, subject, areas)          voxel_id, voxel_x, ..., area (0: none), and the localisers lPPA, rPPA, ...
    grid = read_grid(root, subject)                     shape, affine and mask of the volume that the coordinates count in
    table = roi_table(subject, voxels, grid, atlas)     roi_coordinates.parquet: every voxel's parcel, and its column there

The tables have a 0/1 column per area and say nothing of the hemisphere. It is read off the affine: left is where the world's x is
negative. The localisers, which were named by the experimenters (lPPA, rPPA, ...), must agree in 95 of 100 voxels. As published,
hemispheres came from the voxel's number, x below the middle of the grid, and the parcels of the right were given to the left and
vice versa; compat="reference" does that.

Columns are found by name, without the white space in two of them ("glasser-p9-\\n46v"), and must be the atlas' areas, each once.
"""

import gzip
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convergence.datasets.things import files
from convergence.datasets.things.strict import read_text, whole

AGREEMENT = 0.95                # of the localisers' voxels with the affine, at least
IN_MASK = 0.95                  # of the voxels within the brain mask, at least
REFERENCE = "reference"
COORDINATES = ["voxel_x", "voxel_y", "voxel_z"]
_LOCALISER = re.compile(r"[lr](EBA|FFA|OFA|STS|PPA|RSC|TOS|LOC)")
_PREFIX = "glasser-"
_ROWS = 20_000                  # of the table, read at a time
_TABLES = "download betas_csv of THINGS-data (figshare+ item 20492835) again"
_GRID = "download sub-0S_space-T1w_brainmask.nii.gz (figshare+ item 20492757) into the folder brainmasks"


class Grid(NamedTuple):
    """The volume that voxel_x, voxel_y, voxel_z count in."""
    path: Path
    shape: tuple                # (x, y, z)
    affine: np.ndarray          # (4, 4)
    mask: np.ndarray            # (x, y, z) bool: brain; None where the file is no mask


def read_voxels(root, subject, areas):
    """A subject's VoxelMetadata.csv.

    Parameters
    ----------
    root : path
    subject : int
    areas : list of str
        Names of the atlas' areas; area k of the result is areas[k - 1].

    Returns
    -------
    DataFrame (n_voxels, 5 + n_localisers)
        In the order of the file. Localisers are bool.

    Raises
    ------
    FileNotFoundError, ValueError
        No file; areas that are missing, unknown or there twice; values other than 0 and 1; a voxel with two areas; voxels that
        are there twice; another subject's file.
    """
    import pandas

    path = files.table_file(root, subject, files.VOXELS)
    required = ["voxel_id", "subject_id", *COORDINATES]
    blocks = read_text(path, required, _TABLES, dtype=dict.fromkeys(required, str), chunksize=_ROWS)
    parts = [_read_block(block, path, subject, areas) for block in blocks]
    if not parts:
        raise ValueError(f"{path} has no rows; {_TABLES}")
    voxels = pandas.concat(parts, ignore_index=True)
    for columns in (["voxel_id"], COORDINATES):
        twice = voxels.duplicated(columns)
        if twice.any():
            first = dict(zip(columns, voxels.loc[twice, columns].iloc[0].tolist()))
            raise ValueError(f"{path}: {twice.sum()} voxels repeat an earlier one, the first has {_words(first)}; {_TABLES}")
    return voxels


def _read_block(block, path, subject, areas):
    """Some rows of the table as read_voxels returns them."""
    import pandas

    own = whole(block.assign(subject_id=block["subject_id"].str.removeprefix("sub-")), "subject_id", path)
    if (own != subject).any():
        raise ValueError(f"{path}: subject_id must be {subject}, found {sorted(set(own.tolist()) - {subject})[:3]}; {_TABLES}")
    found = {column: whole(block, column, path) for column in ("voxel_id", *COORDINATES)}
    column_of = area_columns(block, path, areas)
    labels = _zeros_and_ones(block[[column_of[area] for area in areas]], path)
    several = labels.sum(axis=1) > 1
    if several.any():
        row = int(np.argmax(several))
        named = [areas[k] for k in np.flatnonzero(labels[row])]
        raise ValueError(f"{path}: {several.sum()} voxels have more than one area, the first is voxel_id "
                         f"{found['voxel_id'][row]} with {named[:4]}; {_TABLES}")
    localisers = [column for column in block if _LOCALISER.fullmatch(column)]
    values = _zeros_and_ones(block[localisers], path)
    return pandas.DataFrame({**found, "area": np.where(labels.any(axis=1), labels.argmax(axis=1) + 1, 0).astype(np.int32),
                             **{column: values[:, k] for k, column in enumerate(localisers)}})


def voxel_ids(root, subject):
    """(n_voxels,) voxel_id of every row of a subject's VoxelMetadata.csv, with a parcel or without."""
    path = files.table_file(root, subject, files.VOXELS)
    return whole(read_text(path, ["voxel_id"], _TABLES, usecols=["voxel_id"]), "voxel_id", path)


def area_columns(columns, path, areas):
    """{area: its column}: by name, white space left out.

    Raises
    ------
    ValueError
        The columns are not the areas of the atlas, each once.
    """
    found = {column: "".join(column.split()).removeprefix(_PREFIX) for column in columns
             if "".join(column.split()).startswith(_PREFIX)}
    missing, unknown = sorted(set(areas) - set(found.values())), sorted(set(found.values()) - set(areas))
    if missing or unknown or len(found) != len(areas):
        raise ValueError(f"{path}: the columns {_PREFIX}... are not the {len(areas)} areas of the atlas, each once: "
                         f"{len(missing)} missing {missing[:4]}, {len(unknown)} unknown {unknown[:4]}, {len(found)} found; "
                         f"{_TABLES}")
    return {area: column for column, area in found.items()}


def read_grid(root, subject):
    """The Grid of a subject.

    Raises
    ------
    FileNotFoundError, ValueError
        Neither a brain mask nor a volume of betas; a file that is no NIfTI or says nothing of where it lies.
    """
    import nibabel

    path = files.grid_file(root, subject)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; its affine tells left from right: {_GRID}")
    try:
        # All of a mask is unpacked, up to the checksum of the gzip; of a volume of betas the header is enough.
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes())) if files.is_mask(path) else nibabel.load(path)
        shape, affine = tuple(int(n) for n in image.shape[:3]), np.asarray(image.affine, float)
        mask = np.asarray(image.dataobj).reshape(shape) > 0 if files.is_mask(path) else None
    except Exception as error:                          # nibabel and the codecs below it raise a dozen types for damaged files
        raise ValueError(f"{path} cannot be read as NIfTI ({type(error).__name__}: {error}); {_GRID}") from error
    if len(shape) != 3 or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise ValueError(f"{path} has shape {image.shape} and an affine that says nothing of left and right: {affine.tolist()}; "
                         f"{_GRID}")
    return Grid(path, shape, affine, mask)


def check_grid(voxels, grid, path):
    """ValueError unless the voxels lie in the grid and, where it is a mask, in the brain."""
    places = voxels[COORDINATES].to_numpy()
    outside = (places >= grid.shape).any(axis=1)
    if outside.any():
        raise ValueError(f"{path}: {outside.sum()} voxels lie outside the grid {grid.shape} of {grid.path.name}, such as "
                         f"{places[outside][0].tolist()}; the two files do not belong together")
    in_mask = 1 if grid.mask is None else grid.mask[tuple(places.T)].mean()
    if in_mask < IN_MASK:
        raise ValueError(f"{path}: {100 * in_mask:.1f} % of the voxels lie in the brain of {grid.path.name}, expected at least "
                         f"{100 * IN_MASK:.0f} %; the two files do not belong together")


def left_by_affine(voxels, grid, path):
    """(n_voxels,) bool: world x < 0, where at least AGREEMENT of the localisers' voxels agree.

    Raises
    ------
    ValueError
        They do not, or there are none; the message has the localisers' agreement, the worst first.
    """
    left = voxels[COORDINATES].to_numpy() @ grid.affine[0, :3] + grid.affine[0, 3] < 0
    n_agree, n_voxels = localiser_agreement(voxels, left)
    if sum(n_voxels.values()) == 0:
        raise ValueError(f"{path} has no voxels in localisers such as lPPA, so that left and right cannot be checked; {_TABLES}")
    if sum(n_agree.values()) < AGREEMENT * sum(n_voxels.values()):
        worst = sorted((name for name in n_voxels if n_voxels[name]), key=lambda name: n_agree[name] / n_voxels[name])
        said = ", ".join(f"{name} {n_agree[name]} of {n_voxels[name]}" for name in worst[:4])
        raise ValueError(f"{path}: {sum(n_agree.values())} of {sum(n_voxels.values())} localiser voxels lie in the hemisphere of "
                         f"their name by the affine of {grid.path}, expected at least {100 * AGREEMENT:.0f} % ({said}, ...); is "
                         "it the subject's brain mask?")
    return left


def localiser_agreement(voxels, left):
    """({localiser: n voxels on the side of its name}, {localiser: n voxels})."""
    names = [column for column in voxels if _LOCALISER.fullmatch(column)]
    side = {name: left if name[0] == "l" else ~left for name in names}
    return {name: int((voxels[name] & side[name]).sum()) for name in names}, {name: int(voxels[name].sum()) for name in names}


def roi_table(subject, voxels, grid, atlas, *, path, compat=None):
    """roi_coordinates.parquet: the voxels with an area, ascending by voxel_id.

    Parameters
    ----------
    subject : int
    voxels, grid
        See read_voxels, read_grid.
    atlas : DataFrame
        roi, name, hemisphere ("lh", "rh"); its left rows in the order of the areas.
    path : Path
        Of the table, for messages.
    compat : None or "reference"
        See the module.

    Returns
    -------
    DataFrame
        voxel_id, subject_id, voxel_x, voxel_y, voxel_z, roi, name, hemisphere, voxel_roi_index (the voxel's column in its
        parcel's matrix).
    """
    check_grid(voxels, grid, path)
    if compat not in (None, REFERENCE):
        raise ValueError(f"hemisphere_compat: {compat!r} is unknown; leave it out, or use {REFERENCE!r} for the files as "
                         "published")
    left = left_by_affine(voxels, grid, path) if compat is None else (voxels["voxel_x"] < grid.shape[0] // 2).to_numpy()
    hemisphere = np.where(left, "lh", "rh")
    given = hemisphere if compat is None else np.where(left, "rh", "lh")
    names = atlas.loc[atlas["hemisphere"] == "lh", "name"].to_numpy()
    roi_of = atlas.set_index(["name", "hemisphere"])["roi"]
    labelled = (voxels["area"] > 0).to_numpy()
    table = voxels.loc[labelled, ["voxel_id", *COORDINATES]].assign(subject_id=subject, hemisphere=hemisphere[labelled])
    table["name"] = names[voxels.loc[labelled, "area"] - 1]
    table["roi"] = roi_of.loc[list(zip(table["name"], given[labelled]))].to_numpy()
    table = table.sort_values("voxel_id", ignore_index=True)
    table["voxel_roi_index"] = table.groupby("roi").cumcount()
    columns = {"voxel_id": "uint32", "subject_id": "int64", **dict.fromkeys(COORDINATES, "int64"), "roi": "int64",
               "name": "category", "hemisphere": "category", "voxel_roi_index": "uint32"}
    return table[list(columns)].astype(columns)


def coordinate_table(subject, hemisphere_compat, *, root, atlas):
    """roi_coordinates.parquet of a subject, from its files."""
    path = files.table_file(root, subject, files.VOXELS)
    areas = list(atlas.loc[atlas["hemisphere"] == "lh", "name"])
    return roi_table(subject, read_voxels(root, subject, areas), read_grid(root, subject), atlas, path=path,
                     compat=hemisphere_compat)


def read_coordinates(work, subject):
    """roi_coordinates.parquet of a subject, as it was made.

    Raises
    ------
    ValueError
        It is damaged: not readable, columns missing, or voxels that are not counted within their parcels by voxel_id.
    """
    import pandas

    path = Path(work) / files.coordinate_file(subject)
    again = f"delete it and run 1_dataset_preparation/4_extract_roi_betas.py --dataset things --subjects {subject} again"
    try:
        table = pandas.read_parquet(path)
        ids, roi = table["voxel_id"].to_numpy(np.int64), table["roi"].to_numpy(np.int64)
        counted = table["voxel_roi_index"].to_numpy() == table.groupby("roi").cumcount().to_numpy()
        # A parcel of one hemisphere has one name, and a name at most one parcel in each.
        named = table.groupby(["name", "hemisphere"], observed=True)["roi"].transform("nunique").to_numpy() == 1
        named &= table.groupby("roi")["name"].transform("nunique").to_numpy() == 1
        sound = counted & named & (np.diff(ids, prepend=-1) > 0) & (table["subject_id"].to_numpy() == subject) & (roi > 0)
        sound &= (table[COORDINATES].to_numpy(np.int64) >= 0).all(axis=1)
    except Exception as error:                          # pyarrow raises a dozen types for damaged files
        raise ValueError(f"{path} cannot be read as a table ({type(error).__name__}: {error}); {again}") from error
    if not sound.all():
        row = int(np.argmin(sound))
        raise ValueError(f"{path}: {(~sound).sum()} of {len(table)} rows contradict the others, such as row {row + 1}, voxel_id "
                         f"{ids[row]}; {again}")
    return table


def label_volume(subject, suffix, hemisphere_compat, *, root, work):
    """mask-glasser.npy, or the writer of mask-glasser.nii.gz: (x, y, z) uint16, the parcel of every voxel, 0 elsewhere.

    It shows roi_coordinates.parquet, which was made with `hemisphere_compat`. The same labels give the same bytes.
    """
    import nibabel

    table, grid = read_coordinates(work, subject), read_grid(root, subject)
    labels = np.zeros(grid.shape, np.uint16)
    labels[tuple(table[COORDINATES].to_numpy().T)] = table["roi"]
    if suffix == ".npy":
        return labels
    return lambda path: path.write_bytes(gzip.compress(nibabel.Nifti1Image(labels, grid.affine).to_bytes(), mtime=0))


def _zeros_and_ones(block, path):
    """(n_rows, n_columns) bool of columns that must hold 0 and 1."""
    for column in block:
        accepted = block[column].isin([0, 1] if block[column].dtype.kind in "iuf" else ["0", "1"])
        if not accepted.all():
            raise ValueError(f"{path}: column {column!r} must hold 0 and 1, row {block.index[~accepted][0] + 1} says "
                             f"{str(block.loc[~accepted, column].iloc[0])!r}; {_TABLES}")
    return block.to_numpy(np.float32) > 0


def _words(values):
    return ", ".join(f"{name} {value}" for name, value in values.items())
