"""A Natural Scenes Dataset of a few kilobytes, in NSD's own formats and unlike it in every size: for tests of stage 1.

Subjects 2 and 5; three sessions of five trials planned, of which subject 5 has two; nine pictures, two of them shared; another
grid for each subject; parcels of unequal size at scattered places, one without voxels, one with dead voxels.
"""

import gzip
import json
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd

from convergence.python_files import load_python

PER_SESSION, N_SESSIONS, N_IMAGES = 5, 3, 9
GRIDS = {2: (7, 6, 5), 5: (5, 8, 4)}
PRESENT = {2: (1, 2, 3), 5: (1, 2)}
IMAGES_OF = {2: (4, 7, 0, 2, 8), 5: (4, 7, 1, 6, 3)}            # 4 and 7 are shared
COCO = (532481, 100, 77, 262414, 524646, 262690, 584, 9, 425226)
SIZES = {1: (9, 4), 2: (5, 3), 6: (2, 6), 120: (1, 1), 180: (3, 2)}     # voxels by area: left, right
EMPTY, DEAD = (5, 6, "lh"), (2, 180, "rh")                      # (subject, area, hemisphere)


def write(root, seed=0, per_session=PER_SESSION):
    """Write the dataset below root; returns root."""
    root, rng = Path(root), np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    order = rng.permutation(np.repeat(np.arange(5), 3))         # one order of positions for all subjects
    write_information(root, order)
    with h5py.File(root / "nsd_stimuli.hdf5", "w") as file:
        file["imgBrick"] = rng.integers(0, 256, (N_IMAGES, 6, 4, 3), dtype=np.uint8)
    for subject in GRIDS:
        mask = write_labels(root, subject, rng)
        for session in PRESENT[subject]:
            write_betas(beta_path(root, subject, session), mask, rng, n_trials=per_session)
        write_behaviour(root, subject, order, per_session)
    write_captions(root / "annotations")
    return root


def beta_path(root, subject, session):
    return Path(root) / f"subj{subject:02d}/func1mm/betas_fithrf_GLMdenoise_RR/betas_session{session:02d}.nii.gz"


def label_path(root, subject, stem):
    return Path(root) / f"subj{subject:02d}/func1mm/roi/{stem}.nii.gz"


def information(order):
    """The 41 columns' equivalent: numbers of trials from 1, 0 where an image is not shown."""
    images = range(N_IMAGES)
    table = pd.DataFrame({"cocoId": COCO, "cocoSplit": ["val2017", "train2017", "train2017"] * 3,
                          "cropBox": "(0, 0, 0.125, 0.125)", "loss": 0.1, "nsdId": images, "flagged": [i == 3 for i in images],
                          "BOLD5000": [i in (4, 7, 0) for i in images], "shared1000": [i in (4, 7) for i in images]})
    for subject, own in IMAGES_OF.items():
        table[f"subject{subject}"] = [int(i in own) for i in images]
    for subject, own in IMAGES_OF.items():
        trials = np.array(own)[order]
        for k in range(3):
            table[f"subject{subject}_rep{k}"] = [int(np.flatnonzero(trials == i)[k]) + 1 if i in own else 0 for i in images]
    return table


def write_information(root, order):
    information(order).to_csv(root / "nsd_stim_info_merged.csv")


def write_labels(root, subject, rng):
    """lh, rh and combined labels, a brain mask; returns the mask."""
    shape = GRIDS[subject]
    places = rng.permutation(np.prod(shape))
    volumes = {"lh": np.full(shape, -1, np.int16).ravel(), "rh": np.full(shape, -1, np.int16).ravel()}
    mask, used = np.ones(np.prod(shape), np.int16), 0
    mask[places[-7:]] = 0
    for area, sizes in SIZES.items():
        for hemisphere, size in zip(("lh", "rh"), sizes):
            size = 0 if (subject, area, hemisphere) == EMPTY else size
            chosen = places[used:used + size]
            volumes[hemisphere][chosen] = area
            used += size
            if (subject, area, hemisphere) == DEAD:
                mask[chosen[0]] = 0
    volumes["lh"][places[used:used + 5]] = 0                    # cortex without label
    combined = np.maximum(volumes["lh"], volumes["rh"])
    stems = {"lh.HCP_MMP1": volumes["lh"], "rh.HCP_MMP1": volumes["rh"], "HCP_MMP1": combined, "nsdgeneral": mask}
    for stem, values in stems.items():
        save(values.reshape(shape), label_path(root, subject, stem))
    save(mask.reshape(shape), root / f"subj{subject:02d}/func1mm/brainmask.nii.gz")
    return mask.reshape(shape)


def write_betas(path, mask, rng, *, n_trials=PER_SESSION, **options):
    values = rng.integers(-32768, 32768, (*mask.shape, n_trials)).astype(np.int16)
    values[values == 0] = 1
    values[mask == 0] = 0
    save(values, path, **options)


def save(values, path, *, endian="<", slope=None, inter=None, offset=None):
    """A .nii.gz with the byte order, scaling and start of data that are asked for; the stored numbers are `values`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = nibabel.Nifti1Header(endianness=endian)
    header.set_data_dtype(values.dtype.newbyteorder(endian))
    header.set_data_shape(values.shape)
    header["vox_offset"] = offset or 352
    if slope is not None:
        header["scl_slope"], header["scl_inter"] = slope, inter
    stored = values.astype(values.dtype.newbyteorder(endian)).tobytes(order="F")
    content = header.binaryblock + bytes(4) + bytes((offset or 352) - 352) + stored
    path.write_bytes(gzip.compress(content, mtime=0))


def as_hdf5(path, *, order=(3, 2, 1, 0), dtype=None, remove=True, **layout):
    """The .hdf5 that NSD publishes of a beta file, by default in its place: its axes (x, y, z, trials) in this order."""
    values = np.asarray(nibabel.load(path).dataobj).transpose(order)
    target = path.with_name(path.name.replace(".nii.gz", ".hdf5"))
    with h5py.File(target, "w") as file:
        file.create_dataset("betas", data=values.astype(dtype or values.dtype), track_times=False, **layout)
    if remove:
        path.unlink()
    return target


def write_volume(root, subject, name, n_labels, resolution="func1mm"):
    """lh., rh. and plain label volumes of another ROI volume; returns labels 1 .. n_labels left, from n_labels + 1 right."""
    rng = np.random.default_rng(n_labels)
    drawn = rng.integers(0, n_labels + 1, GRIDS[subject]).astype(np.int16)
    left = np.arange(GRIDS[subject][0])[:, None, None] < 3
    for stem, values in (("lh.", np.where(left, drawn, -1)), ("rh.", np.where(left, -1, drawn)), ("", drawn)):
        save(values.astype(np.int16), root / f"subj{subject:02d}/{resolution}/roi/{stem}{name}.nii.gz")
    return np.where(left | (drawn == 0), drawn, drawn + n_labels)


def write_behaviour(root, subject, order, per_session=PER_SESSION):
    trials = np.array(IMAGES_OF[subject])[order]
    rows = [(subject, session, 1 + k // 3, k % 3, trials[(session - 1) * per_session + k] + 1)
            for session in PRESENT[subject] for k in range(per_session)]
    path = root / f"subj{subject:02d}/behav/responses.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=["SUBJECT", "SESSION", "RUN", "TRIAL", "73KID"]).to_csv(path, sep="\t", index=False)


def write_captions(folder):
    """COCO's caption files: train before val, unrelated pictures between, captions that try a table's patience."""
    folder.mkdir(parents=True, exist_ok=True)
    table = information(np.repeat(np.arange(5), 3))
    for split in ("train2017", "val2017"):
        own = sorted(table.loc[table["cocoSplit"] == split, "cocoId"], reverse=True)
        annotations = [{"image_id": coco_id, "id": 10 * k + j, "caption": caption} for k, coco_id in enumerate([*own, 999_999])
                       for j, caption in enumerate((f" picture {coco_id}, \"first\" ", f"a dog; a cät\non a {k}", "NA"))]
        shuffled = annotations[1::3] + annotations[::3] + annotations[2::3]
        (folder / f"captions_{split}.json").write_text(json.dumps({"images": [], "annotations": shuffled}))


def naive(root, subject, label, sessions):
    """What a parcel's matrix must be: every session loaded whole and masked."""
    stem, area = ("lh", label) if label <= 180 else ("rh", label - 180)
    mask = np.asarray(nibabel.load(label_path(root, subject, f"{stem}.HCP_MMP1")).dataobj) == area
    return np.concatenate([np.asarray(nibabel.load(beta_path(root, subject, session)).dataobj)[mask].T for session in sessions])


def run(name, *arguments):
    """main() of a stage-1 script, by the start of its file's name: run("4", "--root", root); returns the exit status."""
    path, = (Path(__file__).resolve().parent.parent / "1_dataset_preparation").glob(f"{name}_*.py")
    module = load_python(path)
    return module.main([str(argument) for argument in arguments])


def contents(root):
    """{path: bytes} of every file below root; of sidecars all but times and commit, which may change while tests run."""
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(Path(root).rglob("*")) if path.is_file()}
    for path, content in found.items():
        if path.endswith(".json") and b'"times"' in content:
            found[path] = {key: value for key, value in json.loads(content).items() if key != "times"}
            found[path]["versions"].pop("git")
    return found
