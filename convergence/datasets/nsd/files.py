"""Where NSD's files lie: names below the dataset's folder for what was downloaded, below its work folder for what stage 1 makes.

downloaded   nsd_stimuli.hdf5, nsd_stim_info_merged.csv
             subj01/func1mm/betas_fithrf_GLMdenoise_RR/betas_session01.nii.gz (or .hdf5), ..., ncsnr.nii.gz (optional)
             subj01/func1mm/roi/{lh.,rh.,}HCP_MMP1.nii.gz, subj01/func1mm/brainmask.nii.gz, subj01/behav/responses.tsv (optional)
made         nsd.csv, nsd_stimuli.csv, nsd_masks.csv, captions/nsd-captions-coco.csv
             subj01/func1mm/roi/both.HCP_MMP1.nii.gz, betas/sub01/{sub-01_roi-001.npy, ..., rows.npy, manifest.json},
             betas/sub01.json

A `Source` says which betas, on which grid, cut by which ROI volume. Sets of matrices of the default source lie in betas/, of any
other in a folder whose name tells it, e.g. betas_func1pt8mm_fithrf_nsdgeneral_zscore/sub01. Which subjects and sessions there are
is read off the disk.
"""

import re
from dataclasses import dataclass, fields
from pathlib import Path

STIMULI = "nsd_stimuli.hdf5"
STIMULUS_INFORMATION = "nsd_stim_info_merged.csv"
IMAGES, TRIALS, MASKS = "nsd.csv", "nsd_stimuli.csv", "nsd_masks.csv"
CAPTIONS = "captions/nsd-captions-coco.csv"
LEFT, RIGHT, COMBINED, BOTH = "lh.HCP_MMP1", "rh.HCP_MMP1", "HCP_MMP1", "both.HCP_MMP1"
ROWS, MANIFEST = "rows.npy", "manifest.json"
SUFFIXES = (".nii.gz", ".hdf5")                         # of beta files, the preferred one first

RESOLUTIONS = ("func1mm", "func1pt8mm")
BETAS = ("assumehrf", "fithrf", "fithrf_GLMdenoise_RR")
ZSCORES = ("none", "session")
_DEFAULT_FOLDER = "betas"
_SET_NAME = re.compile(rf"betas_({'|'.join(RESOLUTIONS)})_({'|'.join(sorted(BETAS, key=len, reverse=True))})_(.+?)"
                       r"(_zscore)?(_alive)?(?:_ncsnr([0-9.e-]+))?")


@dataclass(frozen=True)
class Source:
    """What a set of ROI matrices is made from; two sets that differ in any of this lie in two folders.

    Parameters
    ----------
    resolution : str
        The grid: "func1mm" or "func1pt8mm".
    betas : str
        The estimate: "assumehrf", "fithrf" or "fithrf_GLMdenoise_RR" (NSD's b1, b2, b3).
    volume : str
        The ROI volume: "HCP_MMP1", "nsdgeneral", "streams", "Kastner2015", or another that lies in roi/ as lh., rh. and plain.
    zscore : str
        "none", or "session": every voxel within each session.
    drop_dead_voxels : bool
        Leave out voxels that are 0 in every trial.
    min_ncsnr : float, optional
        Keep voxels with at least this ratio of signal to noise.

    Raises
    ------
    ValueError
        A value that is not among these.
    """
    resolution: str = "func1mm"
    betas: str = "fithrf_GLMdenoise_RR"
    volume: str = "HCP_MMP1"
    zscore: str = "none"
    drop_dead_voxels: bool = False
    min_ncsnr: float | None = None

    def __post_init__(self):
        for name, known in (("resolution", RESOLUTIONS), ("betas", BETAS), ("zscore", ZSCORES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: {getattr(self, name)!r} is unknown to dataset 'nsd'; known: {', '.join(known)}")
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.volume) or self.volume.startswith(("lh.", "rh.", "both.")):
            raise ValueError(f"volume: {self.volume!r} is not the name of a ROI volume; give it without lh., rh. and .nii.gz, "
                             "e.g. HCP_MMP1")
        if self.min_ncsnr is not None and not self.min_ncsnr >= 0:
            raise ValueError(f"min_ncsnr: {self.min_ncsnr} is not a ratio of signal to noise; expected 0 or more")

    @property
    def folder(self):
        """Name of the folder of this source's sets."""
        if self == Source():
            return _DEFAULT_FOLDER
        options = ["_zscore" if self.zscore == "session" else "", "_alive" if self.drop_dead_voxels else "",
                   "" if self.min_ncsnr is None else f"_ncsnr{float(self.min_ncsnr)!r}"]
        return f"betas_{self.resolution}_{self.betas}_{self.volume}{''.join(options)}"

    @property
    def flags(self):
        """Options of 4_extract_roi_betas.py that name this source."""
        default = Source()
        return [f"--{item.name.replace('_', '-')}" + ("" if value is True else f" {value}") for item in fields(self)
                if (value := getattr(self, item.name)) != getattr(default, item.name)]

    @classmethod
    def of_folder(cls, name):
        """The source whose sets lie in a folder of this name; ValueError where it is no such name."""
        if name == _DEFAULT_FOLDER:
            return cls()
        found = _SET_NAME.fullmatch(name)
        if not found:
            raise ValueError(f"{name!r} does not name a set of matrices; expected {_DEFAULT_FOLDER!r}, or a name such as "
                             "'betas_func1pt8mm_fithrf_nsdgeneral_zscore'")
        resolution, betas, volume, zscore, alive, ncsnr = found.groups()
        return cls(resolution, betas, volume, "session" if zscore else "none", bool(alive), float(ncsnr) if ncsnr else None)


def beta_file(subject, session, source=Source(), suffix=".nii.gz"):
    return f"{beta_folder(subject, source)}/betas_session{session:02d}{suffix}"


def beta_folder(subject, source=Source()):
    return f"subj{subject:02d}/{source.resolution}/betas_{source.betas}"


def beta_path(root, subject, session, source=Source()):
    """Where the betas of a session are: the .nii.gz, or the .hdf5 if only that is there; else where the .nii.gz should be."""
    paths = [Path(root) / beta_file(subject, session, source, suffix) for suffix in SUFFIXES]
    return next((path for path in paths if path.exists()), paths[0])


def ncsnr_file(subject, source=Source()):
    """NSD's own map of signal to noise, beside the betas."""
    return f"{beta_folder(subject, source)}/ncsnr.nii.gz"


def label_file(subject, stem, source=Source()):
    return f"{label_folder(subject, source)}/{stem}.nii.gz"


def label_folder(subject, source=Source()):
    return f"subj{subject:02d}/{source.resolution}/roi"


def label_files(subject, source=Source()):
    """The three label volumes that NSD publishes of a ROI volume: left, right, combined."""
    return tuple(label_file(subject, f"{side}{source.volume}", source) for side in ("lh.", "rh.", ""))


def joined_label_file(subject, source=Source()):
    """Made: the label volume of both hemispheres."""
    return label_file(subject, f"both.{source.volume}", source)


def brain_mask_file(subject, source=Source()):
    return f"subj{subject:02d}/{source.resolution}/brainmask.nii.gz"


def behaviour_file(subject):
    return f"subj{subject:02d}/behav/responses.tsv"


def matrix_folder(subject, source=Source()):
    """The set of a subject's ROI matrices."""
    return f"{source.folder}/sub{subject:02d}"


def matrix_file(subject, label, source=Source()):
    return f"{matrix_folder(subject, source)}/sub-{subject:02d}_roi-{label:03d}.npy"


def session_matrix_file(subject, session, source=Source()):
    """Temporary: all voxels of one session, until the subject's set is complete."""
    return f"{source.folder}/.sessions-sub{subject:02d}/session-{session:02d}.npy"


def sets_on_disk(work, subject):
    """Names of the folders that hold a set of matrices of a subject (`Source.of_folder` reads them), sorted."""
    return sorted(path.parts[-3] for path in Path(work).glob(f"betas*/sub{subject:02d}/{MANIFEST}"))


def subjects_on_disk(root):
    """Numbers of the subjects that have a folder, ascending."""
    return sorted(int(found.group(1)) for path in Path(root).iterdir() if (found := re.fullmatch(r"subj(\d+)", path.name)))


def sessions_on_disk(root, subject, source=Source()):
    """Numbers of a subject's sessions whose beta file is there, of either kind, ascending."""
    names = (path.name for path in (Path(root) / beta_folder(subject, source)).glob("betas_session*"))
    return sorted({int(found.group(1)) for name in names if (found := re.fullmatch(r"betas_session(\d+)\.(nii\.gz|hdf5)", name))})
