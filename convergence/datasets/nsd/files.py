"""Where NSD's files lie: names below the dataset's folder for what was downloaded, below its work folder for what stage 1 makes.

downloaded   nsd_stimuli.hdf5, nsd_stim_info_merged.csv
             subj01/func1mm/betas_fithrf_GLMdenoise_RR/betas_session01.nii.gz, ...
             subj01/func1mm/roi/{lh.,rh.,}HCP_MMP1.nii.gz, subj01/func1mm/brainmask.nii.gz, subj01/behav/responses.tsv (optional)
made         nsd.csv, nsd_stimuli.csv, nsd_masks.csv, captions/nsd-captions-coco.csv
             subj01/func1mm/roi/both.HCP_MMP1.nii.gz, betas/sub01/{sub-01_roi-001.npy, ..., rows.npy, manifest.json},
             betas/sub01.json

Which subjects and sessions there are is read off the disk.
"""

import re
from pathlib import Path

STIMULI = "nsd_stimuli.hdf5"
STIMULUS_INFORMATION = "nsd_stim_info_merged.csv"
IMAGES, TRIALS, MASKS = "nsd.csv", "nsd_stimuli.csv", "nsd_masks.csv"
CAPTIONS = "captions/nsd-captions-coco.csv"
LEFT, RIGHT, COMBINED, BOTH = "lh.HCP_MMP1", "rh.HCP_MMP1", "HCP_MMP1", "both.HCP_MMP1"
ROWS, MANIFEST = "rows.npy", "manifest.json"

_SPACE = "func1mm"
_BETAS = "betas_fithrf_GLMdenoise_RR"


def beta_file(subject, session):
    return f"subj{subject:02d}/{_SPACE}/{_BETAS}/betas_session{session:02d}.nii.gz"


def label_file(subject, stem):
    return f"{label_folder(subject)}/{stem}.nii.gz"


def label_folder(subject):
    return f"subj{subject:02d}/{_SPACE}/roi"


def brain_mask_file(subject):
    return f"subj{subject:02d}/{_SPACE}/brainmask.nii.gz"


def behaviour_file(subject):
    return f"subj{subject:02d}/behav/responses.tsv"


def matrix_folder(subject):
    """The set of a subject's ROI matrices."""
    return f"betas/sub{subject:02d}"


def matrix_file(subject, label):
    return f"{matrix_folder(subject)}/sub-{subject:02d}_roi-{label:03d}.npy"


def session_matrix_file(subject, session):
    """Temporary: all voxels of one session, until the subject's set is complete."""
    return f"betas/.sessions-sub{subject:02d}/session-{session:02d}.npy"


def subjects_on_disk(root):
    """Numbers of the subjects that have a folder, ascending."""
    return sorted(int(found.group(1)) for path in Path(root).iterdir() if (found := re.fullmatch(r"subj(\d+)", path.name)))


def sessions_on_disk(root, subject):
    """Numbers of a subject's sessions whose beta file is there, ascending."""
    names = (path.name for path in (Path(root) / beta_file(subject, 1)).parent.glob("betas_session*.nii.gz"))
    return sorted(int(found.group(1)) for name in names if (found := re.fullmatch(r"betas_session(\d+)\.nii\.gz", name)))
