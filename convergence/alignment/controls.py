"""Control RDMs: what two brains, or a brain and a network, may share besides the images' geometry.

    controls = read_controls(derivatives, dataset, ["visual_cortex_cca_1", "same_session"], distance="euclidean")
    controls["same_session"].rdms(table)                # (n_rdms, n_pairs) float32 over the trials of a table of pairs
    choices(controls)                                   # [("uncontrolled", "", ()), ("same_session", "built-in", (0,)), ...]

A control is a table control_matrices/control_<name>.parquet in the derivatives: the dataset's image number, and columns of
features; its RDM is their Euclidean distance or 1 - Pearson r. Four controls are built in and come from the design, one RDM for
each of two subjects where they differ:

    same_image              0 for trials of one image, 1 for others
    same_session            0 for trials of one session, 1 for others
    temporal_lag            how many trials lie between two
    repetition_difference   difference of the repetition numbers

A table with the columns subject_i and subject_j (2_model_extraction/4_fit_kmcca.py: ..._leave-pair-out) has features for every
two subjects, found without them; `without_subjects` chooses those of a comparison.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from convergence.storage.tables import read_table

DISTANCES = {"euclidean": "euclidean", "pearson": "correlation"}         # of the features of two images; metric of compute_rdm
BUILT_IN = {"same_image": "image", "same_session": "session", "temporal_lag": "subject_index",
            "repetition_difference": "repetition"}


@dataclass(frozen=True)
class Control:
    """distance: euclidean, pearson or built-in; features: DataFrame by image, or None for a built-in one; by_pair: a DataFrame by
    image for every two subjects (i, j), i <= j, of which one must be chosen first."""

    name: str
    distance: str
    features: object = None
    by_pair: object = None

    def rdms(self, table):
        """RDMs over the rows of a table of paired trials (trials.common_trials; or of one subject: columns without _i, _j).

        Returns
        -------
        (n_rdms, n_pairs) float32 array
            Without those that are constant over these trials.
        """
        if self.by_pair is not None:
            raise ValueError(f"control {self.name!r} has other features for every pair of subjects, and this analysis is of no "
                             "pair; use a control without leave-pair-out")
        if self.features is None:
            column = BUILT_IN[self.name]
            sides = [table[name].to_numpy() for name in (f"{column}_i", f"{column}_j", column) if name in table]
            found = [_differences(values, same=self.name.startswith("same_")) for values in sides]
        else:
            from convergence.analysis.rdm import compute_rdm
            values = self.features.loc[table["image"]].to_numpy(np.float64)
            found = [compute_rdm(values, metric=DISTANCES[self.distance], device="cpu").astype(np.float32)]
        n_pairs = len(table) * (len(table) - 1) // 2
        return np.array([rdm for rdm in found if rdm.min() < rdm.max()], np.float32).reshape(-1, n_pairs)


def control_path(derivatives, name):
    """Where the features of a control are."""
    return Path(derivatives) / "control_matrices" / f"control_{name}.parquet"


def read_controls(derivatives, dataset, names, *, distance="euclidean"):
    """The controls of these names, a dict of Control in the order given.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such table or built-in control; a table without image numbers, with an image twice, with values that are not
        finite numbers, or, for distance "pearson", with a single column.
    """
    from convergence.analysis import validation

    validation.option("controls", "distance", distance, DISTANCES)
    return {name: Control(name, "built-in") if name in BUILT_IN
            else _from_table(control_path(derivatives, name), dataset, name, distance) for name in names}


def control_files(derivatives, names):
    """The files that decide the RDMs of these controls."""
    return tuple(control_path(derivatives, name) for name in names if name not in BUILT_IN)


def images_of(controls):
    """Images that all controls have, or None where none of them is a table."""
    tables = [set(control.features.index) for control in controls.values() if control.features is not None]
    return set.intersection(*tables) if tables else None


def without_subjects(controls, *subjects):
    """The controls for a comparison of two subjects, or of one with networks: of a table by pairs, those found without them.

    Raises
    ------
    ValueError
        Such a table lacks these subjects.
    """
    pair, chosen = (min(subjects), max(subjects)), {}
    for name, control in controls.items():
        if control.by_pair is not None:
            if pair not in control.by_pair:
                raise ValueError(f"control {name!r} has no features without subjects {pair[0]} and {pair[1]}; there are "
                                 f"{', '.join(f'{i} and {j}' for i, j in list(control.by_pair)[:6])} (2_model_extraction/"
                                 "4_fit_kmcca.py, which needs two more subjects)")
            control = replace(control, features=control.by_pair[pair], by_pair=None)
        chosen[name] = control
    return chosen


def choices(controls):
    """What is computed, [(name, distance, numbers of the controls)]: nothing controlled, each control alone, and, of several, all
    at once."""
    names = list(controls)
    found = [("uncontrolled", "", ())] + [(name, controls[name].distance, (k,)) for k, name in enumerate(names)]
    if len(names) > 1:
        distances = dict.fromkeys(controls[name].distance for name in names)
        found.append(("+".join(names), "+".join(distances), tuple(range(len(names)))))
    return found


def stacked(controls, table, kept=None, *, method="pearson", device="auto"):
    """Prepared RDMs of all controls, (n_rdms, n_pairs or n_kept), and the list of the numbers of each control's."""
    from convergence.alignment.rdms import prepare

    rdms, numbers = [], []
    for control in controls.values():
        found = control.rdms(table)
        numbers.append(list(range(sum(map(len, rdms)), sum(map(len, rdms)) + len(found))))
        rdms.append(found)
    rdms = np.concatenate(rdms) if rdms else np.zeros((0, 0), np.float32)
    if not len(rdms):
        return None, numbers
    units, reasons = prepare(rdms, [""] * len(rdms), device, method=method, kept=kept)
    # constant over the pairs that count: nothing to take out
    varied = [k for k, reason in enumerate(reasons) if not reason]
    place = {k: number for number, k in enumerate(varied)}
    return (units[varied] if varied else None), [[place[k] for k in some if k in place] for some in numbers]


def _from_table(path, dataset, name, distance):
    if not path.exists():
        there = sorted(found.stem.removeprefix("control_") for found in path.parent.glob("control_*.parquet"))
        raise FileNotFoundError(f"{path} is not there; the control {name!r} is a table with the columns {dataset.image_key} and "
                                f"features. There are {', '.join(there) or 'no tables'}, and built in {', '.join(BUILT_IN)}")
    table = read_table(path)
    if dataset.image_key not in table or len(table.columns) < 2:
        raise ValueError(f"{path} has the columns {', '.join(map(str, table.columns))}; expected {dataset.image_key} and columns "
                         "of features")
    if {"subject_i", "subject_j"} <= set(table):
        pairs = {(int(i), int(j)): _checked(own.drop(columns=["subject_i", "subject_j"]), path, dataset, distance)
                 for (i, j), own in table.groupby(["subject_i", "subject_j"])}
        return Control(name, distance, by_pair=pairs)
    return Control(name, distance, _checked(table, path, dataset, distance))


def _checked(table, path, dataset, distance):
    """(n_images, n_columns) DataFrame of features by image."""
    features = table.set_index(dataset.image_key)
    twice = features.index[features.index.duplicated()].unique()
    if len(twice):
        raise ValueError(f"{path} has {len(twice)} images in more than one row, such as {dataset.image_key} "
                         f"{', '.join(map(str, twice[:3]))}")
    try:
        values = features.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: features are not numbers ({error})") from error
    if not np.isfinite(values.to_numpy()).all():
        broken = values.index[~np.isfinite(values.to_numpy()).all(axis=1)]
        raise ValueError(f"{path} has NaN or infinity for {len(broken)} images, such as {dataset.image_key} "
                         f"{', '.join(map(str, broken[:3]))}")
    if distance == "pearson" and values.shape[1] < 2:
        raise ValueError(f"{path} has one column of features; 1 - Pearson r needs at least two, use --distance euclidean")
    return values


def _differences(values, *, same):
    """(n_pairs,) float32: whether the values of two trials differ, or by how much."""
    i, j = np.triu_indices(len(values), 1)
    return (values[i] != values[j] if same else abs(values[i].astype(np.int64) - values[j])).astype(np.float32)
