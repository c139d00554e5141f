"""The published procedure in plain NumPy and loops, for the golden table: limits of outliers from the rows of every comparison,
trial by trial.

    python tests/oracles/naive_alignment.py > tests/oracles/golden_alignment.csv

Nothing of the package is used but the toy dataset's files. Written from the description in arXiv 2507.13941, not from its code.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
SHIFT, N_REPETITIONS, FRACTION = 1, 3, 0.003
PARCELS = {3: (3, 203), 8: (8, 208)}


def condensed_rdm(matrix):
    matrix = matrix.astype(np.float64)
    ordered = np.sort(matrix.ravel())
    limits = [np.interp(q * (len(ordered) - 1), np.arange(len(ordered)), ordered) for q in (FRACTION, 1 - FRACTION)]
    matrix = np.minimum(np.maximum(matrix, limits[0]), limits[1])
    distances = []
    for i in range(len(matrix)):
        for j in range(i + 1, len(matrix)):
            x, y = matrix[i] - matrix[i].mean(), matrix[j] - matrix[j].mean()
            distances.append(1 - (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))
    return np.array(distances)


def pearson(a, b):
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def responses(folder, subject, labels):
    with np.load(folder / f"responses-{subject:02d}.npz") as file:
        return np.concatenate([file[str(label)] for label in labels], axis=1)


def table(folder):
    """roi_x, roi_y, similarity, subject_i, subject_j of all ordered pairs."""
    trials, rows = pandas.read_csv(folder / "trials.csv"), []
    gone = (trials["subject"] == 9) & (trials["session"] == 2)
    trials = trials[trials["shared"] & ~gone]
    subjects = sorted(trials["subject"].unique())
    for i in subjects:
        for j in subjects:
            pairs = []
            for mine in trials[trials["subject"] == i].sort_values("subject_index").itertuples():
                for theirs in trials[trials["subject"] == j].itertuples():
                    if theirs.image == mine.image and (theirs.repetition + SHIFT) % N_REPETITIONS == mine.repetition:
                        pairs.append((mine.subject_index, theirs.subject_index))
            first, second = np.array(pairs).T
            for x, labels_x in PARCELS.items():
                for y, labels_y in PARCELS.items():
                    a, b = responses(folder, i, labels_x)[first], responses(folder, j, labels_y)[second]
                    r = pearson(condensed_rdm(a), condensed_rdm(b)) if a.shape[1] and b.shape[1] else np.nan
                    rows.append((x, y, r, i, j))
    return pandas.DataFrame(rows, columns=["roi_x", "roi_y", "similarity", "subject_i", "subject_j"])


if __name__ == "__main__":
    import toy_brains
    with tempfile.TemporaryDirectory() as folder:
        toy_brains.write(Path(folder) / "toy", complete=False)
        table(Path(folder) / "toy").round(8).to_csv(sys.stdout, index=False)
