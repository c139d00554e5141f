"""Where the files of THINGS-fMRI lie: below the dataset's folder what was downloaded, below its work folder what stage 1 makes.

downloaded   betas_csv/sub-01_{ResponseData.h5, StimulusMetadata.csv, VoxelMetadata.csv}, or in a betas_csv within betas_csv
             brainmasks/sub-01_space-T1w_brainmask.nii.gz (or beside the tables), or a volume of betas_vol/: for the affine
             stimuli/THINGS/Images/object_images*/<concept>/<concept>_01b.jpg
             stimuli/THINGS/Metadata/Concept-specific/unique_id.csv, stimuli/THINGS/27 higher-level categories/*.tsv
made         preprocessed/categories.csv, images.csv, stimulus_index.{parquet,csv}; captions.csv is yours, if you have one
             preprocessed/sub-01/roi_coordinates.parquet, mask-glasser.{npy,nii.gz}
             preprocessed/sub-01/betas_roi/{betas_glasser_roi_1.npy, ..., rows.npy, manifest.json}, betas_roi.json

Which subjects there are is read off the disk.
"""

import re
from pathlib import Path

RESPONSES, TRIALS_OF, VOXELS = "ResponseData.h5", "StimulusMetadata.csv", "VoxelMetadata.csv"
TABLES = (RESPONSES, TRIALS_OF, VOXELS)
PICTURES = "stimuli/THINGS/Images"
CONCEPTS = "stimuli/THINGS/Metadata/Concept-specific/unique_id.csv"
MEMBERSHIP, TAGS = "category_mat_manual.tsv", "categorization.tsv"
CATEGORIES, IMAGES, CAPTIONS = "preprocessed/categories.csv", "preprocessed/images.csv", "preprocessed/captions.csv"
INDEX, INDEX_CSV = "preprocessed/stimulus_index.parquet", "preprocessed/stimulus_index.csv"
ROWS, MANIFEST = "rows.npy", "manifest.json"

RESPONSE_ITEM, MASK_ITEM = 20492835, 20492757          # of figshare+
MASK_FOLDER = "brainmasks"

_TABLE_FOLDERS = ("betas_csv", "betas_csv/betas_csv")
_HIGHER_FOLDERS = tuple(f"stimuli/THINGS/{folder}27 higher-level categories"
                        for folder in ("", "Metadata/", "Metadata/Concept-specific/"))
_MASK_FOLDERS = (MASK_FOLDER, ".", *_TABLE_FOLDERS)


def table_file(root, subject, kind):
    """One of a subject's three TABLES, at whichever level of betas_csv it lies; if at neither, its place at the upper."""
    return _first(Path(root), _TABLE_FOLDERS, f"sub-{subject:02d}_{kind}")


def higher_file(root, name):
    """MEMBERSHIP or TAGS, wherever the folder of the 27 higher-level categories was put."""
    return _first(Path(root), _HIGHER_FOLDERS, name)


def grid_file(root, subject):
    """A NIfTI file on the grid of the subject's voxels: the brain mask, else a volume of betas, else the mask's place."""
    mask = _first(Path(root), _MASK_FOLDERS, f"sub-{subject:02d}_space-T1w_brainmask.nii.gz")
    if mask.exists():
        return mask
    volumes = (Path(root) / "betas_vol").rglob(f"sub-{subject:02d}*_betas.nii.gz")
    return min(volumes, default=mask)


def is_mask(path):
    """Whether a grid_file says which voxels are brain."""
    return Path(path).name.endswith("_brainmask.nii.gz")


def subject_folder(subject):
    return f"preprocessed/sub-{subject:02d}"


def coordinate_file(subject):
    return f"{subject_folder(subject)}/roi_coordinates.parquet"


def label_file(subject, suffix):
    """The label volume; suffix ".npy" or ".nii.gz"."""
    return f"{subject_folder(subject)}/mask-glasser{suffix}"


def matrix_folder(subject):
    """The set of a subject's matrices."""
    return f"{subject_folder(subject)}/betas_roi"


def matrix_name(roi):
    return f"betas_glasser_roi_{roi}.npy"


def subjects_on_disk(root):
    """Numbers of the subjects of whom there is one of the three tables, ascending."""
    names = (path.name for folder in _TABLE_FOLDERS for path in (Path(root) / folder).glob("sub-*"))
    pattern = rf"sub-(\d+)_({'|'.join(map(re.escape, TABLES))})"
    return sorted({int(found.group(1)) for name in names if (found := re.fullmatch(pattern, name))})


def _first(root, folders, name):
    places = [root / folder / name for folder in folders]
    return next((place for place in places if place.exists()), places[0])
