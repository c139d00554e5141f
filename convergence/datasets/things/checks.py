"""A look into the files of THINGS-fMRI: do they hold what they should, and do they belong together?

    look_inside(root, subjects, present, deep=True, jobs=4)         list of Finding: what is wrong, and what is worth knowing

Without `deep`: the lengths of the HDF5 files, and of archives whose list of figshare lies in the folder. With it: every trial's picture,
every voxel's parcel and side, every number of the responses, every picture to its last pixel, the archives' MD5 sums.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from convergence.datasets import figshare
from convergence.datasets.findings import Finding
from convergence.datasets.things import files, index, voxels
from convergence.datasets.things.responses_h5 import ResponseFile, check_length

ITEMS = (20492835, 20492757)


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
    def name(path):
        return path.relative_to(root).as_posix()

    findings = [Finding(path=file, status="wrong", message=message) for file, message in figshare.faults(root, ITEMS, deep=deep).items()]
    responses = {subject: files.table_file(root, subject, files.RESPONSES) for subject in subjects}
    for subject, path in responses.items():
        if name(path) in present:
            findings += _attempt(name(path), check_length, path)[0]
    if not deep:
        return findings
    cut = {finding.path for finding in findings}
    findings += _check_pictures(root, present, jobs)
    for subject, path in responses.items():
        stimuli, table, grid = (files.table_file(root, subject, files.TRIALS_OF), files.table_file(root, subject, files.VOXELS), files.grid_file(root, subject))
        trials = found = None
        if name(stimuli) in present:
            fault, trials = _attempt(name(stimuli), index.read_stimuli, root, subject)
            findings += fault
        if {name(table), name(grid)} <= present:
            some, found = _check_voxels(root, subject, name(table))
            findings += some
        if name(path) in present - cut:
            findings += _attempt(name(path), _check_responses, path, trials, found)[0]
    if {files.PICTURES, files.CONCEPTS, *(name(files.table_file(root, subject, files.TRIALS_OF)) for subject in subjects)} <= present:
        findings += _attempt(name(files.table_file(root, subjects[0], files.TRIALS_OF)), _check_trials, root, subjects, {f.path for f in findings})[0]
    return findings


def _attempt(path, function, *arguments):
    """([], result) of a function, or ([the finding], None) where it says what is wrong."""
    try:
        return [], function(*arguments)
    except (ValueError, OSError) as error:
        return [Finding(path=path, status="wrong", message=str(error))], None


def _check_pictures(root, present, jobs):
    """Findings about categories and pictures."""
    findings = []
    higher = [files.higher_file(root, part).relative_to(root).as_posix() for part in (files.MEMBERSHIP, files.TAGS)]
    if {files.CONCEPTS, *higher} <= present:
        findings += _attempt(higher[0], lambda: index.category_table(root=root))[0]
    if not {files.CONCEPTS, files.PICTURES} <= present:
        return findings
    fault, images = _attempt(files.PICTURES, lambda: index.image_table(root=root))
    if images is None:
        return findings + fault
    from tqdm import tqdm
    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        said = tqdm(pool.map(lambda path: _fault_of_picture(root / path), images["image_path"]), total=len(images), desc="reading pictures", unit="picture")
        return findings + [Finding(path=path, status="wrong", message=fault) for path, fault in zip(images["image_path"], said) if fault]


def _fault_of_picture(path):
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        return f"{path} is not a readable picture ({error}); download the pictures of the THINGS database (osf.io/jum2f) again"


def _check_voxels(root, subject, name):
    """(findings, voxels): parcels, coordinates, sides."""
    from convergence.datasets.atlas import load_atlas

    atlas = load_atlas()
    areas = list(atlas.loc[atlas["hemisphere"] == "lh", "name"])
    fault, found = _attempt(name, voxels.read_voxels, root, subject, areas)
    if found is None:
        return fault, None
    fault, table = _attempt(name, lambda: voxels.roi_table(subject, found, voxels.read_grid(root, subject), atlas, path=root / name))
    if table is None:
        return fault, found
    grid = voxels.read_grid(root, subject)
    agree, there = voxels.localiser_agreement(found, voxels.left_by_affine(found, grid, root / name))
    return [Finding(path=name, status="note", message=f"{len(table)} of {len(found)} voxels have a parcel, {table['roi'].nunique()} of {len(atlas)} parcels have "
                    f"voxels; {sum(agree.values())} of {sum(there.values())} localiser voxels lie on the side of their name")], found


def _check_responses(path, trials, found):
    """ValueError unless a file has a response of every voxel to every trial, all finite."""
    with ResponseFile(path) as file:
        if trials is not None and file.n_trials != len(trials):
            raise ValueError(f"{path} has responses to {file.n_trials} trials, the subject's {files.TRIALS_OF} has {len(trials)}")
        if found is not None and set(found["voxel_id"]) != set(file.voxel_ids):
            differ = sorted(set(found["voxel_id"]) ^ set(file.voxel_ids))
            raise ValueError(f"{path} and the subject's {files.VOXELS} have different voxels, {len(differ)} are in one only, such as voxel_id {differ[0]}")
        for first, values in file.blocks():
            wrong = ~np.isfinite(values).all(axis=1)
            if wrong.any():
                raise ValueError(f"{path}: the responses of {wrong.sum()} voxels are no finite numbers, such as voxel_id {file.voxel_ids[first + np.argmax(wrong)]}; "
                                 "download it again")


def _check_trials(root, subjects, faulty):
    """ValueError unless all pictures shown are there, and all subjects saw the same. Where a table has a fault of its own, that is said already."""
    if not any(files.table_file(root, subject, files.TRIALS_OF).relative_to(root).as_posix() in faulty for subject in subjects) and files.PICTURES not in faulty:
        index.stimulus_table(subjects, root=root)
