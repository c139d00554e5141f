"""NSD's index tables, made from nsd_stim_info_merged.csv and from what is on the disk.

    images       nsd_id, name, path             row number = nsd_id; path: where an unrolled picture would lie
    trials       one row per planned trial      subject_index counts from 0, session from 1, repetition 0, 1, 2
    masks        one row per ROI volume

How many subjects, images, trials and sessions there are is read from the table and from the beta files' headers. Two checks come
with the trials: the images that each subject's behavioural record names (responses.tsv, optional) must be those of the table, and
`shared_positions` tells whether a shared image falls on the same trial number in every subject, which is why subjects are
compared between repetitions.
"""

import re
from pathlib import Path

from convergence.datasets import annotations
from convergence.datasets.nsd import files
from convergence.datasets.nsd.volumes import read_header, usual_count

_REQUIRED = ("cocoId", "cocoSplit", "cropBox", "nsdId", "flagged", "BOLD5000", "shared1000")
_PER_FOLDER = 1000              # pictures in one folder of the published layout


def read_stimulus_information(root):
    """nsd_stim_info_merged.csv, checked: one row per image in the order of nsdId, from 0 without gaps; cocoId unique.

    Raises
    ------
    FileNotFoundError, ValueError
        The file is not there; columns are missing; ids are not as they should be.
    """
    import pandas

    path = Path(root) / files.STIMULUS_INFORMATION
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; download it from nsddata/experiments/nsd/ of the Natural Scenes Dataset")
    try:
        information = pandas.read_csv(path)
    except ValueError as error:                                     # empty, not text, rows of unequal length
        raise ValueError(f"{path} is not a readable table ({error}); download it again") from error
    missing = [column for column in _REQUIRED if column not in information]
    if missing or not planned_subjects(information):
        raise ValueError(f"{path} lacks the columns {missing or ['subject1_rep0', '...']}; expected NSD's table of stimuli")
    if list(information["nsdId"]) != list(range(len(information))):
        raise ValueError(f"{path}: column nsdId is not 0 to {len(information) - 1} in order; rows were lost or sorted, download "
                         "it again")
    if information["cocoId"].duplicated().any():
        twice = sorted(information.loc[information["cocoId"].duplicated(), "cocoId"])
        raise ValueError(f"{path}: {len(twice)} values of cocoId occur twice, such as {twice[:3]}; expected one row per picture")
    return information


def planned_subjects(information):
    """Numbers of the subjects for which the table has trials, ascending."""
    found = (re.fullmatch(r"subject(\d+)_rep\d+", column) for column in information)
    return sorted({int(match.group(1)) for match in found if match})


def image_table(*, root):
    """nsd.csv: nsd_id, name, path."""
    table = read_stimulus_information(root)[["nsdId"]].rename(columns={"nsdId": "nsd_id"})
    first = table["nsd_id"] // _PER_FOLDER * _PER_FOLDER
    table["name"] = [f"nsd_{image:05d}" for image in table["nsd_id"]]
    table["path"] = [f"images/nsd_{lo:05d}_{lo + _PER_FOLDER - 1:05d}/{name}.jpg" for lo, name in zip(first, table["name"])]
    return table


def caption_table(*, root, captions):
    """nsd-captions-coco.csv from COCO's caption files: nsd_id, coco_id, cocoSplit, captions (see annotations.caption_table)."""
    images = read_stimulus_information(root).rename(columns={"nsdId": "nsd_id", "cocoId": "coco_id", "cocoSplit": "coco_split"})
    return annotations.caption_table(images, captions)


def trials_per_session(root, sessions, source=files.Source()):
    """The number of trials in a session: of volumes in every beta file, or where there is none, of lines in the records.

    Parameters
    ----------
    root : path
    sessions : dict of int to list of int
        The sessions on the disk, by subject.
    source : Source
        Whose beta files.

    Raises
    ------
    ValueError
        There is neither a beta file nor a record, or files differ; the message names those that differ from the most.
    """
    paths = [files.beta_path(root, subject, session, source) for subject, some in sessions.items() for session in some]
    headers = [read_header(path) for path in paths]
    if not headers:
        return _trials_in_records(root, sessions, source)
    usual = usual_count(headers)
    odd = [f"{header.path} has {header.shape[3]}" for header in headers if header.shape[3] != usual]
    if odd:
        raise ValueError(f"sessions have different numbers of volumes: {usual} in {len(headers) - len(odd)} files, but "
                         f"{', '.join(odd)}; download the odd ones again")
    return usual


def _trials_in_records(root, subjects, source):
    """Lines of most sessions in responses.tsv, for a root without betas."""
    import pandas

    records = [path for subject in subjects if (path := Path(root) / files.behaviour_file(subject)).exists()]
    counts = [n for path in records for n in _read_record(path).groupby("SESSION").size()]
    if not counts:
        raise ValueError(f"{root} has no beta file such as {files.beta_file(1, 1, source)}, so that the number of trials in a "
                         "session is unknown; download at least one session, or behav/responses.tsv of one subject")
    return int(pandas.Series(counts).mode().max())


def trial_table(per_session, sessions, *, root, resolution=None, betas=None):
    """nsd_stimuli.csv: every planned trial of every subject, sorted by subject and subject_index.

    Parameters
    ----------
    per_session : int
        Trials in a session.
    sessions : dict of int to list of int
        The sessions on the disk, by subject.
    root : path
    resolution, betas : str, optional
        Of the beta files that the column filename names; default: those of `Source`.

    Raises
    ------
    ValueError
        A subject's trial numbers are not 1 to n without gaps, or responses.tsv names other images.
    """
    source = files.Source(**{name: value for name, value in (("resolution", resolution), ("betas", betas)) if value})
    trials = planned_trials(read_stimulus_information(root), per_session)
    for subject, part in trials.groupby("subject"):
        record = Path(root) / files.behaviour_file(subject)
        if record.exists():
            check_behaviour(part, record)
    keys = list(zip(trials["subject"], trials["session"]))
    name_of = {key: files.beta_path(root, *key, source).relative_to(root).as_posix() for key in dict.fromkeys(keys)}
    there = {(subject, session) for subject, some in sessions.items() for session in some}
    trials["filename"] = [name_of[key] for key in keys]
    trials["exists"] = [key in there for key in keys]
    return trials


def planned_trials(information, per_session):
    """The trials of all subjects in a table of stimuli; ValueError where a subject's trial numbers are not 1 to n, each once."""
    import pandas

    parts = [_trials_of(information, subject, per_session) for subject in planned_subjects(information)]
    return pandas.concat(parts, ignore_index=True)


def _trials_of(information, subject, per_session):
    import pandas

    columns = [column for column in information if re.fullmatch(rf"subject{subject}_rep\d+", column)]
    shown = []
    for column in columns:
        number = pandas.to_numeric(information[column]).fillna(0).astype(int)      # 1-based trial number, 0: not shown
        part = information.loc[number > 0]
        shown.append(pandas.DataFrame({
            "subject": subject, "subject_index": number[number > 0] - 1, "nsd_id": part["nsdId"],
            "repetition": int(column.rpartition("rep")[2]), "flagged": _truth(part["flagged"]),
            "shared": _truth(part["shared1000"]), "bold5000": _truth(part["BOLD5000"]),
            "coco_id": part["cocoId"], "coco_split": part["cocoSplit"], "crop_box": part["cropBox"]}))
    trials = pandas.concat(shown).sort_values("subject_index", kind="stable")
    if list(trials["subject_index"]) != list(range(len(trials))):
        raise ValueError(f"{files.STIMULUS_INFORMATION}: the trial numbers of subject {subject} in {', '.join(columns)} are not "
                         f"1 to {len(trials)}, each once; download it again")
    trials.insert(2, "session", trials["subject_index"] // per_session + 1)
    trials.insert(3, "session_index", trials["subject_index"] % per_session)
    return trials


def _truth(column):
    """Bools from a column that says True/False or 1/0."""
    return column.astype(str).isin(["True", "TRUE", "1", "1.0"])


def check_behaviour(trials, path):
    """How many trials of a subject's record (73KID, counted from 1; one row per trial of the sessions held) were compared.

    Raises
    ------
    ValueError
        The record cannot be read, or names other pictures than the table.
    """
    import pandas

    held = _read_record(path)
    expected = trials.set_index(["session", "session_index"])["nsd_id"]
    keys = pandas.MultiIndex.from_arrays([held["SESSION"].astype(int), held.groupby("SESSION").cumcount()])
    planned, named = expected.reindex(keys).to_numpy(), held["73KID"].to_numpy() - 1
    wrong = planned != named
    if wrong.any():
        session, position = keys[wrong.argmax()]
        raise ValueError(f"{path}: {wrong.sum()} of {len(wrong)} trials name another image than {files.STIMULUS_INFORMATION}, "
                         f"first trial {position + 1} of session {session} (73KID "
                         f"{named[wrong][0] + 1:.0f}, expected {planned[wrong][0] + 1:.0f}); the two files do not belong "
                         "together")
    return len(held)


def _read_record(path):
    import pandas

    try:
        record = pandas.read_csv(path, sep="\t", usecols=["SESSION", "73KID"])
    except ValueError as error:
        raise ValueError(f"{path} is not a readable table with the columns SESSION and 73KID ({error}); download it "
                         "again") from error
    wrong = [column for column in record if record[column].dtype.kind not in "iuf" or record[column].isna().any()]
    if wrong:
        raise ValueError(f"{path}: column {wrong[0]} holds something else than numbers; download it again")
    return record


def shared_positions(trials):
    """(n_equal, n): of n presentations of shared images to several subjects, how many have the same trial number in all."""
    positions = trials.loc[trials["shared"]].groupby(["nsd_id", "repetition"])["subject_index"].agg(["nunique", "size"])
    several = positions[positions["size"] > 1]
    return int((several["nunique"] == 1).sum()), len(several)


def volumes_on_disk(root, resolution=None):
    """Relative paths of all ROI volumes of one grid, and of the one of both hemispheres that stage 1 makes beside them."""
    source = files.Source(resolution=resolution) if resolution else files.Source()
    root, found = Path(root), []
    for subject in files.subjects_on_disk(root):
        stems = {path.name.removesuffix(".nii.gz") for path in (root / files.label_folder(subject, source)).glob("*.nii.gz")}
        if {files.LEFT, files.RIGHT} <= stems:
            stems.add(files.BOTH)
        found += [files.label_file(subject, stem, source) for stem in sorted(stems)]
    return found


def mask_table(volumes):
    """nsd_masks.csv: subject, roi (the file's stem), hemisphere (l, r or b), mask_path; sorted by subject and roi."""
    import pandas

    parts = [re.fullmatch(r"subj(\d+)/.*/([^/]+)\.nii\.gz", volume).groups() for volume in volumes]
    hemispheres = [{"lh": "l", "rh": "r"}.get(stem.split(".")[0], "b") for _, stem in parts]
    return pandas.DataFrame({"subject": [int(subject) for subject, _ in parts], "roi": [stem for _, stem in parts],
                             "hemisphere": hemispheres, "mask_path": list(volumes)})
