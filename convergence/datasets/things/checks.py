"""A look into the files of THINGS-fMRI: do they hold what they should, and do they belong together?

    look_inside(root, subjects, present, deep=True, jobs=4)         list of Finding: what is wrong, and what is worth knowing

Without `deep`: the lengths of the HDF5 files, and of archives whose list of figshare lies in the folder. With it: every trial's
picture, every voxel's parcel and side, every number of the responses, every picture to its last pixel, the archives' MD5 sums.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from convergence.datasets import figshare
from convergence.datasets.findings import Finding, attempt
from convergence.datasets.things import files, index, voxels
from convergence.datasets.things.responses_h5 import ResponseFile, check_length


def look_inside(root, subjects, present, *, deep, jobs):
    """Findings with the status "wrong" or "note".

    Parameters
    ----------
    root : Path
    subjects : list of int
    present : set of str
        Paths below root of the files that are there; only those are looked into.
    deep : bool
    jobs : int
        Pictures that are read at a time.
    """
    findings = []
    for item, folder in ((files.RESPONSE_ITEM, "."), (files.MASK_ITEM, files.MASK_FOLDER)):
        fault, found = attempt(figshare.list_file(root, item).name, partial(figshare.faults, root, item, deep=deep, into=folder),
                               damaged=False)
        findings += fault or found
    for subject in subjects:
        path = files.table_file(root, subject, files.RESPONSES)
        if _below(root, path) in present:
            findings += attempt(_below(root, path), check_length, path)[0]
    if deep:
        present = present - {finding.path for finding in findings}
        findings += _look_at_pictures(root, present, jobs)
        for subject in subjects:
            findings += _look_at_subject(root, subject, present)
        findings += _look_at_trials(root, subjects, present, {finding.path for finding in findings if finding.status == "wrong"})
    return findings


def _look_at_pictures(root, present, jobs):
    findings = []
    higher = [_below(root, files.higher_file(root, part)) for part in (files.MEMBERSHIP, files.TAGS)]
    if {files.CONCEPTS, *higher} <= present:
        findings += attempt(higher[0], lambda: index.category_table(root=root))[0]
    if not {files.CONCEPTS, files.PICTURES} <= present:
        return findings
    fault, images = attempt(files.PICTURES, lambda: index.image_table(root=root), damaged=False)
    if images is None:
        return findings + fault
    from tqdm import tqdm
    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        said = list(tqdm(pool.map(lambda path: _fault_of_picture(root / path), images["image_path"]), total=len(images),
                         desc="reading pictures", unit="picture"))
    return findings + [Finding("wrong", path, fault, damaged=True) for path, fault in zip(images["image_path"], said) if fault]


def _fault_of_picture(path):
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        return f"{path} is not a readable picture ({error}); download the pictures of the THINGS database (osf.io/jum2f) again"


def _look_at_subject(root, subject, present):
    stimuli, table, responses = (files.table_file(root, subject, kind)
                                 for kind in (files.TRIALS_OF, files.VOXELS, files.RESPONSES))
    findings, trials, found = [], None, None
    if _below(root, stimuli) in present:
        findings, trials = attempt(_below(root, stimuli), index.read_stimuli, root, subject)
    if {_below(root, table), _below(root, files.grid_file(root, subject))} <= present:
        said, found = _look_at_voxels(root, subject, table)
        findings += said
    if _below(root, responses) in present:
        name = _below(root, responses)
        findings += attempt(name, check_finite, responses)[0] or attempt(name, check_belonging, responses, trials, found,
                                                                         damaged=False)[0]
    return findings


def _look_at_voxels(root, subject, path):
    """(findings, voxels or None): parcels, coordinates, sides."""
    from convergence.datasets.atlas import load_atlas

    def look():
        table = voxels.roi_table(subject, found, grid, atlas, path=path)
        agree, there = voxels.localiser_agreement(found, voxels.left_by_affine(found, grid, path))
        middle = (found[voxels.COORDINATES].to_numpy() @ grid.affine[0, :3] + grid.affine[0, 3]).mean()
        return (f"{len(table)} of {len(found)} voxels have a parcel, {table['roi'].nunique()} of {len(atlas)} parcels have "
                f"voxels; {sum(agree.values())} of {sum(there.values())} localiser voxels lie on the side of their name; the "
                f"voxels' middle lies at world x = {middle:.1f}, where left ends at 0")

    atlas = load_atlas()
    areas = list(atlas.loc[atlas["hemisphere"] == "lh", "name"])
    fault, found = attempt(_below(root, path), voxels.read_voxels, root, subject, areas)
    of_grid, grid = attempt(_below(root, files.grid_file(root, subject)), voxels.read_grid, root, subject)
    if fault or of_grid:
        return fault + of_grid, found
    fault, note = attempt(_below(root, path), look, damaged=False)
    return fault or [Finding("note", _below(root, path), note)], found


def check_belonging(path, trials, found):
    """ValueError unless a file has the trials and the voxels of the subject's tables; either may be None."""
    with ResponseFile(path) as file:
        file.check_against(None if trials is None else len(trials), None if found is None else found["voxel_id"])


def check_finite(path):
    """ValueError unless all responses in a file are finite numbers."""
    with ResponseFile(path) as file:
        for first, values in file.blocks():
            wrong = ~np.isfinite(values).all(axis=1)
            if wrong.any():
                raise ValueError(f"{path}: {wrong.sum()} voxels of a block have responses that are no finite numbers, the first "
                                 f"is voxel_id {file.voxel_ids[first + np.argmax(wrong)]}; download betas_csv of THINGS-data "
                                 "(figshare+ item 20492835) again")


def _look_at_trials(root, subjects, present, wrong):
    """All pictures shown are there, and all subjects saw the same. Where a table has a fault of its own, that is said already."""
    tables = {subject: _below(root, files.table_file(root, subject, files.TRIALS_OF)) for subject in subjects}
    if not {files.PICTURES, files.CONCEPTS, *tables.values()} <= present - wrong:
        return []
    alone = [finding for subject, path in tables.items()
             for finding in attempt(path, partial(index.stimulus_table, [subject], root=root), damaged=False)[0]]
    return alone or attempt(tables[subjects[-1]], partial(index.stimulus_table, subjects, root=root), damaged=False)[0]


def _below(root, path):
    return path.relative_to(root).as_posix()
