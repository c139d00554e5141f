"""Where the RDMs of a subject come from, when two are compared: from its store, or anew from its responses.

    source = StoreSource(path)                          # rows and columns of the store's RDMs: limits from all shared trials
    source = ResponsesSource(dataset, 1, "joined")      # computed over exactly these rows: limits from these rows, as published
    for start, units, reasons in blocks(source, rois, rows, device): ...        # prepared RDMs of some parcels at a time
    stack(source, rois, rows, device)                   # of all parcels, and their reasons

`rows` are values of trials.subject_index (where stimuli are images: of their first trial), in any order.
"""

import threading
from pathlib import Path

import numpy as np

from convergence.alignment.rdms import parcel_rdms, prepare
from convergence.storage.rdm_store import RDMStore

_BLOCK = 2**27                                  # numbers of a block of RDMs: 512 MiB


class StoreSource:
    """RDMs from a store; a context manager. `trials` is a table like Dataset.trials, of this subject's stimuli alone."""

    def __init__(self, path):
        self.store = RDMStore(path)
        self.subject = int(self.store.attributes["subject"])
        self.by_image = self.store.attributes.get("stimuli") == "images"
        first, n = (int(self.store.attributes[name]) for name in ("first_repetition", "n_repetitions"))
        self.repetitions = range(first, first + n)
        self.rois = self.store.rois.tolist()
        self.n_stimuli = len(self.store.trials)
        self.identity = file_identity([path])

    @property
    def trials(self):
        trials = self.store.trials.rename(columns={"row": "subject_index"})
        return trials.assign(subject=self.subject, shared=True, exists=True)

    def places(self, rows):
        """Numbers of the store's stimuli."""
        import pandas
        return pandas.Index(self.store.trials["row"]).get_indexer(rows)

    def condensed(self, rois, rows):
        """(n_rois, n_pairs) float32 RDMs over rows, and reasons."""
        from convergence.analysis.rdm import select_stimuli

        known, places = dict(zip(self.rois, self.store.reasons)), self.places(rows)
        rdms = self.store.rdms(rois)
        whole = np.array_equal(places, np.arange(self.n_stimuli))
        return rdms if whole else select_stimuli(rdms, places), [str(known[int(roi)]) for roi in rois]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.store.close()


class ResponsesSource:
    """RDMs computed from responses over exactly the rows asked for, as the published scripts do."""

    by_image = False

    def __init__(self, dataset, subject, hemispheres, trials=None, device="auto"):
        self.dataset, self.subject, self.device = dataset, subject, device
        self.parcels = {parcel.roi: parcel for parcel in dataset.parcels(hemispheres)}
        self.rois = list(self.parcels)
        self._trials = dataset.trials if trials is None else trials
        self.identity = dataset.name, str(dataset.root), subject, hemispheres, file_identity(dataset.response_files(subject))
        self.n_stimuli = 0

    @property
    def trials(self):
        return self._trials[self._trials["subject"] == self.subject]

    @property
    def repetitions(self):
        from convergence.alignment.trials import repetition_codes
        return repetition_codes(self._trials)

    def condensed(self, rois, rows):
        parcels = [self.parcels[int(roi)] for roi in rois]
        rdms, reasons = np.full((len(rois), len(rows) * (len(rows) - 1) // 2), np.nan, np.float32), []
        for k, (_, _, condensed, reason) in enumerate(parcel_rdms(self.dataset, self.subject, parcels, rows, device=self.device)):
            reasons.append(reason)
            if condensed is not None:
                rdms[k] = condensed
        return rdms, reasons

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def blocks(source, rois, rows, device, *, method="pearson", kept=None, n_stimuli=None):
    """Yield (number of the first parcel, prepared RDMs of some parcels over these stimuli, their reasons); `n_stimuli` (default:
    what is read) decides how many parcels at a time."""
    n = n_stimuli or max(len(rows), source.n_stimuli)
    at_once = max(1, _BLOCK // max(1, n * (n - 1) // 2))
    for start in range(0, len(rois), at_once):
        yield start, *prepare(*source.condensed(rois[start:start + at_once], rows), device, method=method, kept=kept)


def stack(source, rois, rows, device, *, method="pearson", kept=None):
    """All parcels prepared, (n_rois, n_pairs or n_kept), and the reasons."""
    import torch

    whole, reasons = None, []
    for start, units, more in blocks(source, rois, rows, device, method=method, kept=kept):
        if whole is None:
            whole = torch.empty((len(rois), units.shape[1]), dtype=units.dtype, device=units.device)
        whole[start:start + len(units)] = units
        reasons += more
    return whole, reasons


def file_identity(paths):
    """What tells files from others, and from themselves before they were written anew: part of a key of `Latest`."""
    found = ((str(path), Path(path).stat()) for path in paths if Path(path).exists())
    return tuple((name, status.st_size, status.st_mtime_ns) for name, status in found)


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
