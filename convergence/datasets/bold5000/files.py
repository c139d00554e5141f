"""Where BOLD5000's files lie: below the dataset's folder what was downloaded, below its work folder what stage 1 makes.

downloaded   CSI1_imgnames.txt, CSI1_brainmask.nii.gz, CSI1_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_ses-01.nii.gz, ... in the
             dataset's folder or in one folder below it
             bold5000_stimuli/Scene_Stimuli/Presented_Stimuli/{COCO,ImageNet,Scene}/ (the archive calls it BOLD5000_Stimuli)
             bold5000_stimuli/Stimuli_Presentation_Lists/CSI1/CSI1_sess01/..._run01.txt, ...
input        preprocessed/atlas/subj-01_HCP_atlas_func_360.nii.gz (warp_atlas.sh makes it; in the dataset's or the work folder)
made         preprocessed/images.{csv,parquet}, preprocessed/stimulus_index.{csv,parquet},
             preprocessed/betas/sub-1/{sub-1_hcpmmp_roi1_D.npy, ..., rows_D.npy, manifest.json}, preprocessed/betas/sub-1.json

Which subjects, sessions and runs there are is read off the disk. The misspelt "TYBE" of the published names is accepted beside
"TYPE".
"""

import re
from pathlib import Path

TYPES = {"A": "ASSUMEHRF", "B": "FITHRF", "C": "FITHRF-GLMDENOISE", "D": "FITHRF-GLMDENOISE-RR"}
STIMULI = "bold5000_stimuli"
PICTURES = "Scene_Stimuli/Presented_Stimuli"
PICTURE_FOLDERS = {"coco": "COCO", "imagenet": "ImageNet", "scenes": "Scene"}
LISTS = "Stimuli_Presentation_Lists"

PREPROCESSED = "preprocessed"
IMAGES, TRIALS = f"{PREPROCESSED}/images", f"{PREPROCESSED}/stimulus_index"         # .csv and .parquet
CAPTIONS = f"{PREPROCESSED}/captions.csv"
MANIFEST = "manifest.json"


def image_names_file(root, subject):
    return _find(root, f"CSI{subject}_imgnames.txt")


def brain_mask_file(root, subject):
    return _find(root, f"CSI{subject}_brainmask.nii.gz")


def beta_file(root, subject, beta_type, session):
    """Path of a session's betas: where they are, under either spelling, or else where they are expected."""
    return beta_files(root, subject, beta_type).get(session) or Path(root) / beta_name(subject, beta_type, session)


def beta_name(subject, beta_type, session, spelling="TYPE"):
    return f"CSI{subject}_GLMbetas-{spelling}{beta_type}-{TYPES[beta_type]}_ses-{session:02d}.nii.gz"


def beta_files(root, subject, beta_type):
    """{session: path} of the sessions whose betas are there, ascending.

    Raises
    ------
    ValueError
        An unknown type of betas; one session under two names or in two folders.
    """
    if beta_type not in TYPES:
        raise ValueError(f"type: {beta_type!r} is no type of betas of BOLD5000; choose from {', '.join(TYPES)}")
    pattern = re.compile(rf"CSI{subject}_GLMbetas-TY[PB]E{beta_type}-{TYPES[beta_type]}_ses-(\d+)\.nii\.gz")
    found = {}
    for folder in _folders(root):
        for path in sorted(folder.iterdir()):
            match = pattern.fullmatch(path.name)
            if match and found.setdefault(int(match.group(1)), path) != path:
                raise ValueError(f"session {int(match.group(1))} of CSI{subject}, type {beta_type}, is there twice: "
                                 f"{found[int(match.group(1))]} and {path}; keep one of them")
    return dict(sorted(found.items()))


def subjects_on_disk(root):
    """Numbers of the subjects of whom there is a list of image names, ascending."""
    found = (re.fullmatch(r"CSI(\d+)_imgnames\.txt", path.name) for folder in _folders(root) for path in folder.iterdir())
    return sorted({int(match.group(1)) for match in found if match})


def stimuli_folder(root):
    """The unpacked archive of stimuli: in whatever case it was named, or else where it is expected."""
    folders = (path for path in sorted(Path(root).iterdir()) if path.is_dir() and path.name.lower() == STIMULI)
    return next(folders, Path(root) / STIMULI)


def run_lists(root, subject):
    """{(session, run): path} of a subject's presentation lists, ascending.

    Raises
    ------
    ValueError
        Two lists for one run.
    """
    found = {}
    for path in sorted((stimuli_folder(root) / LISTS / f"CSI{subject}").glob("CSI*_sess*/*.txt")):
        session, run = re.search(r"sess0*(\d+)$", path.parent.name), re.search(r"run0*(\d+)\.txt$", path.name)
        if session and run:
            key = int(session.group(1)), int(run.group(1))
            if found.setdefault(key, path) != path:
                raise ValueError(f"run {key[1]} of session {key[0]} of CSI{subject} has two lists: {found[key]} and {path.name}; "
                                 "keep one of them")
    return dict(sorted(found.items()))


def atlas_file(root, work, subject):
    """The subject's atlas, in the work folder or else in the dataset's; where there is none, where it is expected."""
    return _input(root, work, f"atlas/subj-{subject:02d}_HCP_atlas_func_360.nii.gz")


def hemispheres_file(root, work, subject):
    """Optional: 1 in voxels of the left hemisphere, 2 in the right, for atlases whose labels are the same on both sides."""
    return _input(root, work, f"atlas/subj-{subject:02d}_hemispheres_func.nii.gz")


def matrix_folder(subject):
    """The set of a subject's ROI matrices, of all types of betas."""
    return f"{PREPROCESSED}/betas/sub-{subject}"


def matrix_file(subject, label, beta_type):
    return f"{matrix_folder(subject)}/sub-{subject}_hcpmmp_roi{label}_{beta_type}.npy"


def rows_file(subject, beta_type):
    """subject_index of every row of the matrices of one type."""
    return f"{matrix_folder(subject)}/rows_{beta_type}.npy"


def session_matrix_file(subject, beta_type, session):
    """Temporary: all labelled voxels of one session, until the subject's set is complete."""
    return f"{PREPROCESSED}/betas/.sessions-sub-{subject}/{beta_type}-{session:02d}.npy"


def _folders(root):
    """Where figshare's files may lie: the dataset's folder and those below it, except what stage 1 makes and the stimuli."""
    below = [path for path in sorted(Path(root).iterdir())
             if path.is_dir() and not path.name.startswith(".") and path.name.lower() not in (PREPROCESSED, STIMULI)]
    return [Path(root), *below]


def _find(root, name):
    places = [folder / name for folder in _folders(root) if (folder / name).exists()]
    if len(places) > 1:
        raise ValueError(f"{name} is there twice: {places[0]} and {places[1]}; keep one of them")
    return places[0] if places else Path(root) / name


def _input(root, work, name):
    path = Path(work) / PREPROCESSED / name
    return path if path.exists() else Path(root) / PREPROCESSED / name
