"""Stage 1 of a dataset folder of your own: it comes prepared, so that there is only something to check.

    check(root, chosen)                 list of Finding: tables, matrices and pictures against the layout that reader.py states
    forecast(root, chosen, findings)    lines: how large it is
    index_units(dataset, derivatives)   nothing
    report(dataset)                     lines: what the tables say
    extract(dataset, subject, chosen)   nothing
"""

from functools import partial
from pathlib import Path

import numpy as np

from convergence.datasets.folder.reader import ATLAS, IMAGES, TRIALS, Folder

_ROWS_AT_A_TIME = 2**12


def check(root, chosen):
    """Read the tables and the headers of the matrices, and with chosen.deep every number and picture.

    Parameters
    ----------
    root : path
    chosen : object
        subjects (None: all in trials.csv), deep; sessions do not matter: the matrices have all of them.

    Returns
    -------
    list of Finding
    """
    from convergence.datasets.findings import Finding

    dataset = Folder(root)
    findings = [_attempt(TRIALS, dataset.root, lambda: dataset.trials), _attempt(ATLAS, dataset.root, dataset.atlas)]
    if (dataset.root / IMAGES).exists():
        findings.append(_attempt(IMAGES, dataset.root, lambda: dataset.images))
    if any(finding.status != "ok" for finding in findings):
        return findings                                                 # without the tables nothing is known about the matrices
    unknown = sorted(set(chosen.subjects or ()) - set(dataset.subjects))
    findings += [Finding("wrong", TRIALS, f"{dataset.root / TRIALS} has no trials of subjects {unknown}")] if unknown else []
    for subject in sorted(set(chosen.subjects or dataset.subjects) - set(unknown)):
        findings += _look_at_matrices(dataset, subject, chosen.deep)
    return findings + (_look_at_pictures(dataset, chosen.deep) if "file" in dataset.images else [])


def forecast(root, chosen, findings):
    """Lines: how large the matrices are; there is nothing to download or to extract."""
    n_bytes = sum(path.stat().st_size for path in Path(root).glob("responses/subject-*/roi-*.npy"))
    return [f"{n_bytes / 1e6:,.1f} MB of matrices; nothing is to be downloaded or extracted: the later stages read these files"]


def index_units(dataset, derivatives):
    """No units: trials.csv, images.csv and atlas.csv are the indexes."""
    return []


def report(dataset):
    """Lines: what the tables say, and that there was nothing to build."""
    trials, n_images, can = dataset.trials, len(dataset.images), "can" if dataset.repetitions_shift else "cannot"
    there = trials[trials["exists"]].groupby("subject").size()
    return [f"nothing to build: {TRIALS}, {ATLAS} and {IMAGES} of {dataset.root} are the indexes",
            "trials with data: " + ", ".join(f"subject {subject} {there.get(subject, 0)}" for subject in dataset.subjects),
            f"images: {trials['image'].nunique()} of {n_images} were shown, {trials.loc[trials['shared'], 'image'].nunique()} of "
            f"them shared; repetitions {can} be shifted"]


def extract(dataset, subject, chosen):
    """Nothing to do: the matrices are part of the dataset."""
    print(f"subject {subject}: nothing to extract, {dataset.response_folder(subject)} holds the matrices")


def _attempt(name, root, function):
    """The finding about one file, given a function that reads it."""
    from convergence.datasets.findings import Finding

    try:
        function()
    except FileNotFoundError as error:
        return Finding("missing", name, str(error))
    except (ValueError, OSError) as error:
        return Finding("wrong", name, str(error) if str(root) in str(error) else f"{root / name}: {error}")
    return Finding("ok", name)


def _look_at_matrices(dataset, subject, deep):
    from convergence.datasets.findings import Finding

    folder = dataset.response_folder(subject)
    name = folder.relative_to(dataset.root).as_posix()
    if not folder.is_dir():
        return [Finding("missing", name, f"{folder} is not there; it holds roi-001.npy, ... of subject {subject}, who is in "
                        f"{TRIALS}")]
    labels = [int(roi) for roi in dataset.atlas()["roi"]]
    files = {label: folder / f"roi-{label:03d}.npy" for label in labels}
    findings = [_attempt(f"{name}/{path.name}", dataset.root, partial(_check_matrix, dataset, subject, label, path, deep))
                for label, path in files.items() if path.exists()]
    absent = [path.name for path in files.values() if not path.exists()]
    if absent:
        message = f"{len(absent)} of {len(files)} parcels have no matrix ({', '.join(absent[:3])}): no voxels"
        findings.append(Finding("note", name, message))
    strange = sorted(path.name for path in folder.glob("*.npy") if path not in files.values())
    if strange:
        message = (f"{folder} holds {', '.join(strange[:3])}, which {ATLAS} does not know; expected names such as "
                   f"{files[labels[0]].name}, one for each row of {ATLAS}")
        findings.append(Finding("wrong", name, message))
    return findings


def _check_matrix(dataset, subject, label, path, deep):
    matrix = dataset.responses(subject, label, [])                      # opens it, and says what is wrong with its shape
    if not deep or matrix.dtype.kind != "f":
        return
    whole = np.load(path, mmap_mode="r")
    for first in range(0, len(whole), _ROWS_AT_A_TIME):
        wrong = ~np.isfinite(whole[first:first + _ROWS_AT_A_TIME])
        if wrong.any():
            row, voxel = np.argwhere(wrong)[0]
            raise ValueError(f"{path}: NaN or infinite values, the first in row {first + row}, voxel {voxel}; leave those voxels "
                             "out, or set them to a number")


def _look_at_pictures(dataset, deep):
    """One finding for all pictures: those that are not there, or with deep cannot be read."""
    from convergence.datasets.findings import Finding

    faults = {}
    for image, file in dataset.images["file"].items():
        if not (dataset.root / file).is_file():
            faults[file] = "is not there"
        elif deep:
            try:
                dataset.image(image)
            except (OSError, ValueError, SyntaxError) as error:         # what Pillow raises for damaged files
                faults[file] = f"cannot be read ({error})"
    if not faults:
        return [Finding("ok", "images")]
    first = next(iter(faults))
    message = (f"{len(faults)} of {len(dataset.images)} pictures that {dataset.root / IMAGES} names cannot be used; the first, "
               f"{dataset.root / first}, {faults[first]}")
    return [Finding("missing" if "not there" in faults[first] else "wrong", "images", message)]
