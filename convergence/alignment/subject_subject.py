"""Do two brains represent the same images alike? RSA of the parcels of one subject with those of another, from their RDM stores.

    unit = pair_unit(1, 2, stores, table, shift=1)      # tasks.Unit: writes the part of the ordered pair (1, 2)
    pair_similarity(subject_i=1, ...)                   # its table: roi_x, roi_y, similarity, ..., reason
    common_rows(store_i, store_j, shift)                # which stimuli of two stores belong together (trials.py says how)

r(x, y) is the Pearson correlation of the RDM of parcel x of subject i with that of parcel y of subject j over the common trials
(arXiv 2507.13941). The pair of a subject with itself is its reliability at shift 1 and 2, and 1 at shift 0.

Memory: the prepared RDMs of subject i, n_rois x n_pairs x 4 bytes (3.2 GB for 180 parcels and 3,000 trials), and blocks of
subject j. The first stay for the next pair where it needs the same rows (`Latest`): units are in the order of i.
"""

import threading
from pathlib import Path

import numpy as np
import pandas

from convergence.alignment.parts import parts_folder
from convergence.alignment.rdms import prepare
from convergence.alignment.trials import common_trials
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import conform, file_of

_BLOCK = 2**27                                  # numbers of a block of RDMs: 512 MiB
# How the published file names say shift and hemispheres; not regular.
VARIANTS = {(0, "joined"): "joined_0", (1, "joined"): "shift_1_joined", (2, "joined"): "shift_2_joined",
            (0, "separated"): "separated_0", (1, "separated"): "shift_1_separated", (2, "separated"): "separated_2"}
_TABLES = {"full": "rsa_subject_subject_alignment", "diagonal": "rsa_subject_subject_alignment_diagonal"}


def table_path(derivatives, dataset, *, shift, hemispheres="joined", form="full"):
    """Where the table of all pairs is, under its published name."""
    return Path(derivatives) / file_of(_TABLES[form], dataset=dataset, variant=VARIANTS[shift, hemispheres])


def pair_unit(i, j, stores, table, *, shift, form="full", hemispheres="joined", rois=None, device="auto", latest=None):
    """The unit of work of an ordered pair of subjects.

    Parameters
    ----------
    i, j : int
    stores : dict of path by subject
    table : path
        The table that the part will be merged into.
    shift : int
    form : {"full", "diagonal"}
        Every parcel with every parcel, or each with itself.
    hemispheres : {"joined", "separated"}
        What the stores hold.
    rois : list of int, optional
        Parcel numbers (default: all in the stores).
    device : str
    latest : Latest, optional
        Shared by the units of a process, saves preparing subject i again.
    """
    from convergence.tasks import Unit

    return Unit(f"subjects {i} and {j}", parts_folder(table, rois) / f"subject-{i:02d}_subject-{j:02d}.parquet", pair_similarity,
                options={"subject_i": i, "subject_j": j, "shift": shift, "form": form, "hemispheres": hemispheres, "rois": rois},
                places={"store_i": stores[i], "store_j": stores[j], "device": device, "latest": latest},
                inputs=tuple(dict.fromkeys([stores[i], stores[j]])))


def pair_similarity(*, subject_i, subject_j, shift, form, hemispheres, rois, store_i, store_j, device="auto", latest=None):
    """Table of one ordered pair: columns of rsa_subject_subject_alignment, or of its diagonal form.

    Arguments are those of `pair_unit`, with the paths of the two stores.

    Raises
    ------
    FileNotFoundError, ValueError
        A store is missing or unreadable, or lacks a parcel; fewer than 4 common trials. (A parcel that cannot be computed is a
        row without similarity, and with a reason.)
    """
    with RDMStore(store_i) as mine, RDMStore(store_j) as theirs:
        rois = mine.rois.tolist() if rois is None else rois
        rows_i, rows_j = common_rows(mine, theirs, shift)
        key = (*_identity(store_i), tuple(rois), rows_i.tobytes(), device)
        units, reasons_x = (latest or Latest())(key, lambda: _stack(mine, rois, rows_i, device))
        similarity, reasons_y = _compare(units, theirs, rois, rows_j, form, device)
    if form == "diagonal":
        rows = {"roi": rois, "reason": list(map(_both, reasons_x, reasons_y))}
    else:
        rows = {"roi_x": np.repeat(rois, len(rois)), "roi_y": np.tile(rois, len(rois)),
                "reason": [_both(x, y) for x in reasons_x for y in reasons_y]}
    frame = pandas.DataFrame({**rows, "similarity": similarity.ravel(), "subject_i": subject_i, "subject_j": subject_j,
                              "join_hemispheres": hemispheres == "joined", "rep_shift": str(shift)})
    return conform(frame, _TABLES[form])


def common_rows(store_i, store_j, shift):
    """Which stimuli of two opened stores belong together.

    Returns
    -------
    rows_i, rows_j : (n,) int arrays
        Stimuli of the first and of the second store, in the first subject's order of presentation.

    Raises
    ------
    ValueError
        There are fewer than 4, or the shift is impossible.
    """
    i, j = (int(store.attributes["subject"]) for store in (store_i, store_j))
    first, n = (int(store_i.attributes[name]) for name in ("first_repetition", "n_repetitions"))
    trials = pandas.concat([_as_trials(store) for store in ([store_i] if i == j else [store_i, store_j])])
    pairs = common_trials(trials, i, j, shift, repetitions=range(first, first + n))
    if len(pairs) < 4:
        images = len(set(store_i.trials["image"]) & set(store_j.trials["image"]))
        raise ValueError(f"subjects {i} and {j} have {len(pairs)} common trials at shift {shift} ({images} images that both "
                         "saw), at least 4 are needed; get more of their sessions, or leave one of them out with --subjects")
    return tuple(pandas.Index(store.trials["row"]).get_indexer(pairs[column])
                 for store, column in ((store_i, "subject_index_i"), (store_j, "subject_index_j")))


class Latest:
    """Remembers the value that was made last, so that the units of a process share it.

    A copy that travels to a worker finds there what the worker made last; where it was made, it is forgotten with the object.
    """

    def __init__(self):
        self._key = self._value = None
        self._lock = threading.Lock()

    def __call__(self, key, make):
        with self._lock:
            if key != self._key:
                self._key = self._value = None              # free the old value before the new one is made
                self._value = make()
                self._key = key
            return self._value

    def __reduce__(self):
        return _of_this_process, ()


_LATEST = Latest()


def _of_this_process():
    return _LATEST


def _stack(store, rois, rows, device):
    """All parcels prepared, (n_rois, n_pairs), and the reasons."""
    import torch

    n, stack, reasons = len(rows), None, []
    for start, units, more in _blocks(store, rois, rows, device):
        if stack is None:
            stack = torch.empty((len(rois), n * (n - 1) // 2), dtype=units.dtype, device=units.device)
        stack[start:start + len(units)] = units
        reasons += more
    return stack, reasons


def _compare(units, store, rois, rows, form, device):
    """Similarity of prepared RDMs with a store's parcels, (n_rois, n_rois) or on the diagonal (n_rois,); the store's reasons."""
    from convergence.analysis.similarity import rsa_of_units

    found, reasons, paired = [], [], form == "diagonal"
    for start, others, more in _blocks(store, rois, rows, device):
        mine = units[start:start + len(others)] if paired else units
        found.append(rsa_of_units(mine, others, paired=paired).cpu().numpy())
        reasons += more
    return np.concatenate(found, axis=-1), reasons


def _blocks(store, rois, rows, device):
    """Yield (number of the first parcel, prepared RDMs of some parcels over these stimuli, their reasons)."""
    from convergence.analysis.rdm import select_stimuli

    place = {int(roi): k for k, roi in enumerate(store.rois)}
    at_once = max(1, _BLOCK // (len(store.trials) * (len(store.trials) - 1) // 2))
    all_in_order = np.array_equal(rows, np.arange(len(store.trials)))
    for start in range(0, len(rois), at_once):
        block = rois[start:start + at_once]
        rdms = store.rdms(block) if all_in_order else select_stimuli(store.rdms(block), rows)
        yield start, *prepare(rdms, [str(store.reasons[place[int(roi)]]) for roi in block], device)


def _as_trials(store):
    trials = store.trials.rename(columns={"row": "subject_index"})
    return trials.assign(subject=int(store.attributes["subject"]), shared=True, exists=True)


def _identity(path):
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


def _both(x, y):
    return "; ".join(f"subject_{which}: {reason}" for which, reason in (("i", x), ("j", y)) if reason)
