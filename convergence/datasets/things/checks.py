"""A look into the files of THINGS-fMRI: do they hold what they should, and do they belong together?

    look_inside(root, subjects, present, deep=True, jobs=4)         list of Finding: what is wrong, and what is worth knowing

Without `deep`: the lengths of the HDF5 files, and of archives whose list of figshare lies in the folder. With it: every trial's
picture, every voxel's parcel and side, every number of the responses, every picture to its last pixel, the archives' MD5 sums.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from convergence.datasets import figshare
from convergence.datasets.findings import Finding
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
        said = _attempt(figshare.list_file(root, item).name, lambda: figshare.faults(root, item, deep=deep, into=folder))
        findings += said[0] + [Finding(path=path, status="wrong", message=message) for path, message in (said[1] or {}).items()]
    for subject in subjects:
        path = files.table_file(root, subject, files.RESPONSES)
        if _below(root, path) in present:
            findings += _attempt(_below(root, path), lambda: check_length(path))[0]
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
        findings += _attempt(higher[0], lambda: index.category_table(root=root))[0]
    if not {files.CONCEPTS, files.PICTURES} <= present:
        return findings
    fault, images = _attempt(files.PICTURES, lambda: index.image_table(root=root))
    if images is None:
        return findings + fault
    from tqdm import tqdm
    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        said = list(tqdm(pool.map(lambda path: _fault_of_picture(root / path), images["image_path"]), total=len(images),
                         desc="reading pictures", unit="picture"))
    return findings + [Finding(path=path, status="wrong", message=fault) for path, fault in zip(images["image_path"], said)
                       if fault]


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
        findings, trials = _attempt(_below(root, stimuli), lambda: index.read_stimuli(root, subject))
    if {_below(root, table), _below(root, files.grid_file(root, subject))} <= present:
        said, found = _look_at_voxels(root, subject, table)
        findings += said
    if _below(root, responses) in present:
        findings += _attempt(_below(root, responses), lambda: check_responses(responses, trials, found))[0]
    return findings


def _look_at_voxels(root, subject, path):
    """(findings, voxels or None): parcels, coordinates, sides."""
    from convergence.datasets.atlas import load_atlas

    def look():
        grid = voxels.read_grid(root, subject)
        table = voxels.roi_table(subject, found, grid, atlas, path=path)
        agree, there = voxels.localiser_agreement(found, voxels.left_by_affine(found, grid, path))
        middle = (found[voxels.COORDINATES].to_numpy() @ grid.affine[0, :3] + grid.affine[0, 3]).mean()
        return (f"{len(table)} of {len(found)} voxels have a parcel, {table['roi'].nunique()} of {len(atlas)} parcels have "
                f"voxels; {sum(agree.values())} of {sum(there.values())} localiser voxels lie on the side of their name; the "
                f"voxels' middle lies at world x = {middle:.1f}, where left ends at 0")

    atlas = load_atlas()
    areas = list(atlas.loc[atlas["hemisphere"] == "lh", "name"])
    fault, found = _attempt(_below(root, path), lambda: voxels.read_voxels(root, subject, areas))
    if found is None:
        return fault, None
    fault, note = _attempt(_below(root, path), look)
    return fault or [Finding(path=_below(root, path), status="note", message=note)], found


def check_responses(path, trials, found):
    """ValueError unless a file has a finite response of every voxel to every trial; `trials` and `found` may be None."""
    with ResponseFile(path) as file:
        file.check_against(None if trials is None else len(trials), None if found is None else found["voxel_id"])
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
             for finding in _attempt(path, lambda: index.stimulus_table([subject], root=root))[0]]
    return alone or _attempt(tables[subjects[-1]], lambda: index.stimulus_table(subjects, root=root))[0]


def _attempt(path, function):
    """([], result) of a function, or ([the finding], None) where it says what is wrong."""
    try:
        return [], function()
    except (ValueError, OSError) as error:
        return [Finding(path=path, status="wrong", message=str(error))], None


def _below(root, path):
    return path.relative_to(root).as_posix()
