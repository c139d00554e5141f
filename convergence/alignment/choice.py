"""What a script of stage 3 works on, and what must be there first: one clear error at the start, instead of one per unit later.

    subjects = choose_subjects(dataset, [1, 2])
    parcels = choose_parcels(dataset, "joined", ["V1", "2"])
    check_responses(dataset, subjects)                                          # the ROI matrices of stage 1
    stores = check_stores(derivatives, "nsd", subjects, "joined", parcels)      # the RDMs of 1_compute_rdms.py
    folder, rois = pilot(folder, dataset, "joined", rois)                       # --pilot: ten parcels, in a folder of their own
    say_cost(units, flops=..., memory=..., disk=...)                            # --dry-run
"""

from convergence.alignment.rdms import store_path
from convergence.alignment.recipe import Recipe
from convergence.alignment.trials import sessions

PILOT_PARCELS = 10
_FLOPS = 3e10                   # multiplications and additions a second, of a CPU core's matrix products


def choose_subjects(dataset, subjects=None):
    """The dataset's subjects, or those of them in `subjects`, ascending; ValueError names the unknown."""
    unknown = sorted(set(subjects or ()) - set(dataset.subjects))
    if unknown:
        raise ValueError(f"subjects: {_listed(unknown)} not in dataset {dataset.name!r}, which has {_listed(dataset.subjects)}")
    return sorted(set(subjects)) if subjects else dataset.subjects


def choose_parcels(dataset, hemispheres, rois=None):
    """The dataset's parcels, or those whose number or name is in `rois`, in the dataset's order; ValueError names the unknown."""
    parcels = dataset.parcels(hemispheres)
    if rois is None:
        return parcels
    wanted = {str(roi) for roi in rois}
    chosen = [parcel for parcel in parcels if {str(parcel.roi), parcel.name} & wanted]
    unknown = wanted.difference(*({str(parcel.roi), parcel.name} for parcel in chosen))
    if unknown:
        numbers = [parcel.roi for parcel in parcels]
        names = _listed([parcel.name for parcel in parcels], at_most=4)
        raise ValueError(f"rois: {_listed(sorted(unknown))} not among the {len(parcels)} {hemispheres} parcels of "
                         f"{dataset.name!r}; give numbers ({min(numbers)} to {max(numbers)}) or names ({names})")
    return chosen


def existing_sessions(dataset, subjects):
    """(subject, session) of all sessions that have data, in order; ValueError where a subject has none."""
    found = {subject: sessions(dataset.trials, subject) for subject in subjects}
    empty = [subject for subject, numbers in found.items() if not numbers]
    if empty:
        raise ValueError(f"subjects {_listed(empty)} have no session in {dataset.root}; get their sessions, or choose "
                         "other subjects with --subjects")
    return [(subject, session) for subject, numbers in found.items() for session in numbers]


def refuse_shift(dataset, shift):
    """A ValueError where a dataset's repetitions cannot be shifted against each other."""
    if shift and not dataset.repetitions_shift:
        raise ValueError(f"shift: dataset {dataset.name!r} does not show its images equally often to all subjects, so that "
                         "repetitions cannot be shifted; use --shift 0")


def check_responses(dataset, subjects):
    """See that stage 1 has made the responses of these subjects; a FileNotFoundError names what is missing and what makes it."""
    missing = [(subject, file) for subject in subjects for file in dataset.response_files(subject) if not file.exists()]
    if missing:
        without = " ".join(map(str, dict.fromkeys(subject for subject, _ in missing)))
        raise FileNotFoundError(f"{_listed([file for _, file in missing])} not there; "
                                f"1_dataset_preparation/4_extract_roi_betas.py --subjects {without} makes them "
                                "(or choose other subjects with --subjects)")


def check_stores(derivatives, dataset, subjects, hemispheres, parcels, recipe=Recipe()):
    """Paths of RDM stores by subject, after seeing that all are there and hold these parcels.

    Raises
    ------
    FileNotFoundError
        Stores are missing; the message is the command that makes them.
    ValueError
        A store is not readable, or lacks parcels.
    """
    from convergence.datasets import option_of
    from convergence.storage.rdm_store import RDMStore

    paths = {subject: store_path(derivatives, dataset, subject, hemispheres, recipe) for subject in subjects}
    command = f"python 3_alignment/1_compute_rdms.py --dataset {option_of(dataset)} --hemispheres {hemispheres} {recipe.flags}".rstrip()
    missing = [subject for subject, path in paths.items() if not path.exists()]
    if missing:
        raise FileNotFoundError(f"{_listed([paths[subject] for subject in missing])} not there; make them with: {command} "
                                f"--subjects {' '.join(map(str, missing))} (and the --root and --derivatives of this command)")
    for path in paths.values():
        with RDMStore(path) as store:
            lacking = sorted({parcel.roi for parcel in parcels} - set(store.rois.tolist()))
        if lacking:
            raise ValueError(f"{path} lacks {len(lacking)} of {len(parcels)} parcels ({_listed(lacking)}), because it was made "
                             f"with --rois; give the same --rois here, or make it whole with: {command}")
    return paths


def pilot(folder, dataset, hemispheres, rois=None):
    """Where a trial run writes, and its parcels: at most ten of those asked for."""
    parcels = choose_parcels(dataset, hemispheres, rois)[:PILOT_PARCELS]
    return folder / "pilot", [str(parcel.roi) for parcel in parcels]


def say_cost(units, *, flops, memory, disk):
    """Print what is left of some units: how many, roughly how long on one CPU core, memory of one, disk of all.

    Parameters
    ----------
    units : list of Unit
    flops, memory, disk : float
        Of one unit: multiplications and additions; bytes while it runs; bytes that it writes.
    """
    from convergence.storage.outputs import state

    n = sum(state(unit.output, unit.record)[0] != "done" for unit in units)
    print(f"{n} of {len(units)} units to do: about {_time(n * flops / _FLOPS)} on one CPU core (and reading), {_bytes(memory)} "
          f"of memory for a unit, {_bytes(n * disk)} of disk")


def _time(seconds):
    if seconds > 5400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds > 90 else f"{max(1, round(seconds))} seconds"


def _bytes(n):
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{max(1, round(n / 1e6))} MB"


def _listed(values, at_most=10):
    shown = ", ".join(map(str, values[:at_most]))
    return f"{shown}, ... ({len(values)} in all)" if len(values) > at_most else shown
