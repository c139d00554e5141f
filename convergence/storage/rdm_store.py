"""The HDF5 file of a subject's RDMs: derivatives/<dataset>/rdms/subject-01_{joined,separated}_shared.h5.

    rdm         (n_rois, n_pairs) float32       condensed; NaN where a parcel cannot be computed; float16 is read as float32
    roi         (n_rois,)                       parcel numbers
    n_voxels    (n_rois,)
    reason      (n_rois,)                       why a parcel is NaN, or ''
    row, image, repetition, session  (n,)       which trial each stimulus of the RDM is: row of the subject's ROI matrices, ...
                                                (and run, where the dataset tells runs); of images, their first trial

n_pairs = n (n - 1) / 2, pairs in the order of numpy.triu_indices(n, 1). Attributes: dataset, subject, hemispheres, metric, clip,
stimuli.
"""

from pathlib import Path

import h5py
import numpy as np

TRIAL_COLUMNS = ("row", "image", "repetition", "session")
_MORE = ("run",)


def write_rdms(path, *, parcels, trials, attributes, dtype="float32"):
    """Write a store, one parcel at a time.

    Parameters
    ----------
    path : path
        Usually the temporary path of ``outputs.replacing``.
    parcels : iterable of (roi, n_voxels, condensed or None, reason), with len()
        ``condensed`` is (n_pairs,), or None where the parcel cannot be computed.
    trials : DataFrame
        n rows with the columns row, image, repetition, session.
    attributes : dict
        Stored with the file.
    dtype : {"float32", "float16"}
        float16 halves the file; distances then have three digits.

    Raises
    ------
    ValueError
        A distance is too large for float16.
    """
    n = len(trials)
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for column in TRIAL_COLUMNS + tuple(name for name in _MORE if name in trials):
            file.create_dataset(column, data=trials[column].to_numpy(np.int64))
        rdm = file.create_dataset("rdm", (len(parcels), n * (n - 1) // 2), dtype)
        rois, counts, reasons = [], [], []
        for k, (roi, n_voxels, condensed, reason) in enumerate(parcels):
            if condensed is not None and dtype == "float16" and abs(condensed).max() > np.finfo(np.float16).max:
                raise ValueError(f"parcel {roi} has distances up to {abs(condensed).max():.3g}, float16 ends at "
                                 f"{np.finfo(np.float16).max}; leave --float16 out")
            rdm[k] = np.nan if condensed is None else condensed
            rois.append(roi), counts.append(n_voxels), reasons.append(reason)
        file.create_dataset("roi", data=np.array(rois, np.uint16))
        file.create_dataset("n_voxels", data=np.array(counts, np.int64))
        file.create_dataset("reason", data=reasons, dtype=h5py.string_dtype())


class RDMStore:
    """A store opened for reading; a context manager. Only the parcels asked for are read.

    Attributes
    ----------
    rois, n_voxels, reasons : (n_rois,) arrays
    trials : DataFrame, n rows: row, image, repetition, session, and run where it is known
    attributes : dict
    """

    def __init__(self, path):
        import pandas

        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f"{path} is not there; 3_alignment/1_compute_rdms.py writes it")
        try:
            self._file = h5py.File(path, "r")
            columns = TRIAL_COLUMNS + tuple(name for name in _MORE if name in self._file)
            self.trials = pandas.DataFrame({column: self._file[column][:] for column in columns})
            self.rois, self.n_voxels = self._file["roi"][:], self._file["n_voxels"][:]
            self.reasons = self._file["reason"].asstr()[:]
        except (OSError, KeyError) as error:
            raise ValueError(f"{path} is not a readable RDM store ({error}); delete it and run 3_alignment/1_compute_rdms.py "
                             "again") from error
        self.attributes = dict(self._file.attrs)

    def rdms(self, rois=None):
        """(n_rois, n_pairs) float32, in the order of `rois` (default: all)."""
        if rois is None:
            return self._file["rdm"][:].astype(np.float32, copy=False)
        place = {int(roi): k for k, roi in enumerate(self.rois)}
        unknown = [roi for roi in rois if int(roi) not in place]
        if unknown:
            raise ValueError(f"{self.path.name} has no parcel {unknown}; it has {len(place)}: {sorted(place)[:10]} ...")
        stored = self._file["rdm"]
        rdms = np.empty((len(rois), stored.shape[1]), np.float32)
        for k, roi in enumerate(rois):
            stored.read_direct(rdms, np.s_[place[int(roi)]], np.s_[k])
        return rdms

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
