"""Write a dataset folder to start from: small, complete, with simulated responses, to be replaced file by file by your own.

    python -m convergence new-dataset my_dataset
    python 1_dataset_preparation/1_check_dataset.py --dataset folder --root my_dataset
    python 3_alignment/1_compute_rdms.py --dataset folder --root my_dataset

Three people see the same 24 pictures twice, in two sessions; two parcels share a representation of the pictures between the
people, one does not. An existing folder is never written into.
"""

from pathlib import Path

import numpy as np

from convergence.cli import command, options
from convergence.datasets.folder.reader import ATLAS, IMAGES, TRIALS
from convergence.storage.outputs import replacing

N_SUBJECTS, N_SESSIONS, N_IMAGES, N_VOXELS = 3, 2, 24, 20
PARCELS = {(1, "shared", "lh"): 2.0, (2, "also shared", "lh"): 1.0, (3, "not shared", "lh"): 0.0,
           (101, "shared", "rh"): 2.0}                                                                      # signal over noise
README = """# A dataset folder for `convergence`

| file | what to put there |
|---|---|
| `trials.csv` | a row per trial, in the order of the matrices' rows: subject, session, image, repetition (of the image, from 0) |
| `atlas.csv` | a row per parcel: roi, name; hemisphere (lh, rh) if parcels of one name are to be joined; area, hub if you like |
| `responses/subject-01/roi-001.npy` | `numpy.save` of an array (trials of the subject, voxels), any number type |
| `images.csv` | one row per picture: image (0, 1, 2, ...), file, caption; or leave it out |
| `images/` | the pictures |

The responses here are simulated. `python 1_dataset_preparation/1_check_dataset.py --dataset folder --root FOLDER` says what is
wrong, if anything.
"""


@command
def main(arguments=None):
    parser = options(__doc__, "seed")
    parser.add_argument("folder", metavar="DIR", help="the new folder")
    chosen = parser.parse_args(arguments)
    print(write_template(chosen.folder, seed=chosen.seed))


def write_template(folder, *, seed=0):
    """Write an example dataset; returns its path. ValueError if there is something already."""
    folder = Path(folder)
    if folder.exists():
        raise ValueError(f"{folder} is there already; choose a folder that does not exist yet")
    rng = np.random.default_rng(seed)
    trials = _trials(rng)
    with replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / "README.md").write_text(README)
        trials.to_csv(temporary / TRIALS, index=False)
        _atlas().to_csv(temporary / ATLAS, index=False)
        colors = _write_pictures(temporary, rng)
        _write_responses(temporary, trials, colors, rng)
    return folder


def _trials(rng):
    import pandas
    rows = [(subject, session + 1, image, session)
            for subject in range(1, N_SUBJECTS + 1) for session in range(N_SESSIONS) for image in rng.permutation(N_IMAGES)]
    return pandas.DataFrame(rows, columns=["subject", "session", "image", "repetition"])


def _atlas():
    import pandas
    return pandas.DataFrame(list(PARCELS), columns=["roi", "name", "hemisphere"])


def _write_pictures(folder, rng):
    """Plain colours with a disc; the colours are what the simulated parcels share."""
    import pandas
    from PIL import Image, ImageDraw
    colors = rng.integers(0, 256, (N_IMAGES, 2, 3))
    (folder / "images").mkdir()
    for image, (ground, disc) in enumerate(colors):
        picture = Image.new("RGB", (64, 64), tuple(int(c) for c in ground))
        ImageDraw.Draw(picture).ellipse((16, 16, 48, 48), fill=tuple(int(c) for c in disc))
        picture.save(folder / "images" / f"image-{image:03d}.png")
    captions = ["a disc of colour {}-{}-{} on a ground of colour {}-{}-{}".format(*disc, *ground) for ground, disc in colors]
    names = [f"images/image-{image:03d}.png" for image in range(N_IMAGES)]
    pandas.DataFrame({"image": range(N_IMAGES), "file": names, "caption": captions}).to_csv(folder / IMAGES, index=False)
    return colors


def _write_responses(folder, trials, colors, rng):
    latent = (colors.reshape(N_IMAGES, -1) - 127.5) / 74
    for subject in trials["subject"].unique():
        place = folder / "responses" / f"subject-{subject:02d}"
        place.mkdir(parents=True)
        shown = latent[trials.loc[trials["subject"] == subject, "image"]]
        for (roi, _, _), signal in PARCELS.items():
            pattern = shown @ rng.standard_normal((shown.shape[1], N_VOXELS)) / np.sqrt(shown.shape[1])
            responses = signal * pattern + rng.standard_normal(pattern.shape)
            np.save(place / f"roi-{roi:03d}.npy", responses.astype(np.float32))
