"""BOLD5000's index tables: which picture was shown in which trial. Three witnesses must agree, to the trial.

    CSI1_imgnames.txt           names of the pictures in the order of the betas: what the tables are made from
    presentation lists          one text file per run; their lines, session after session, must be the same pictures
    betas                       every session on the disk must have as many volumes as the lists of its runs have lines

    trials (stimulus_index)     one row per trial; subject_index, session_index and run_index count from 0, session, run and
                                repetition from 1
    images                      one row per picture, in the order of its first showing: bold_position 0, 1, 2, ... is the row of
                                every feature file; bold_id is the trial number of that showing, which is CSI1's, who sees all

A picture is known by its stem in lower case (extensions and case vary); "rep_" before a name marks a repeated showing and is
taken off. How often a picture is repeated is irregular and differs between subjects: repetitions are numbered as they come.
"""

import re
from collections import Counter
from pathlib import Path

from convergence.datasets.bold5000 import files
from convergence.datasets.bold5000.volumes import read_header

SOURCES = ("coco", "imagenet", "scenes")
TRIAL_TYPES = {"subject": "uint8", "session": "uint8", "run": "uint8", "bold_id": "uint32", "subject_index": "uint16",
               "session_index": "uint16", "run_index": "uint8", "repetition": "uint8", "name": "str", "stim_source": "str",
               "image_name": "str", "bold_position": "uint16"}
IMAGE_TYPES = {"bold_id": "uint16", "image_name": "str", "stim_source": "str", "image_path": "str", "bold_position": "uint16"}
BASE = ["subject", "session", "run", "image_name"]              # all other columns follow from these
_MOST_SHOWN = 5                                                 # disagreements in one message


def trial_table(subjects, volumes=None, *, root):
    """The table stimulus_index: every trial of every subject, sorted by subject and subject_index.

    Parameters
    ----------
    subjects : list of int
    volumes : list of (file name, subject, session, number of volumes), optional
        What `beta_volumes` finds.
    root : path

    Raises
    ------
    FileNotFoundError, ValueError
        A list is not there or not text; lists and betas disagree, with the numbers of all disagreements.
    """
    import pandas

    if 1 not in subjects:
        raise FileNotFoundError(f"{files.image_names_file(root, 1)} is not there; pictures are numbered by the trials of CSI1, "
                                "so that the list of CSI1 is needed for every subject: download it")
    parts, faults = [], []
    for subject in subjects:
        names, runs = read_names(files.image_names_file(root, subject)), read_run_lists(root, subject)
        faults += _disagreements(root, subject, names, runs, volumes or [])
        trials = [(subject, session, run) for (session, run), lines in runs.items() for _ in lines]
        parts += [(*trial, name) for trial, name in zip(trials, names)]
    if faults:
        more = f"\n  and {len(faults) - _MOST_SHOWN} more" if len(faults) > _MOST_SHOWN else ""
        raise ValueError(f"the trial lists and betas of {root} disagree; download again what is wrong:\n  " +
                         "\n  ".join(faults[:_MOST_SHOWN]) + more)
    return derive(pandas.DataFrame(parts, columns=BASE))


def image_table(subjects, *, root):
    """The table images: one row per picture in the order of first showing; parameters and errors as in `trial_table`."""
    trials = trial_table(subjects, root=root)
    images = trials.drop_duplicates("bold_position").reset_index(drop=True)
    images["image_path"] = [f"{files.STIMULI}/{files.PICTURES}/{files.PICTURE_FOLDERS[source]}/{name}"
                            for source, name in zip(images["stim_source"], images["image_name"])]
    return images[list(IMAGE_TYPES)].astype(IMAGE_TYPES)


def derive(base):
    """All columns of stimulus_index from those of BASE, in their types; trials in order."""
    trials = base.reset_index(drop=True)
    trials["name"] = [stem(name) for name in trials["image_name"]]
    trials["subject_index"] = trials.groupby("subject").cumcount()
    trials["session_index"] = trials.groupby(["subject", "session"]).cumcount()
    trials["run_index"] = trials.groupby(["subject", "session", "run"]).cumcount()
    trials["repetition"] = trials.groupby(["subject", "name"]).cumcount() + 1
    shown_first = trials.drop_duplicates("name").set_index("name")
    trials["bold_id"] = trials["name"].map(dict(zip(shown_first.index, trials.drop_duplicates("name").index)))
    trials["bold_position"] = trials["name"].map({name: position for position, name in enumerate(shown_first.index)})
    trials["image_name"] = trials["name"].map(shown_first["image_name"])
    trials["stim_source"] = [source_of(name) for name in trials["image_name"]]
    return trials[list(TRIAL_TYPES)].astype(TRIAL_TYPES)


def stem(image_name):
    """A picture's name without extension, in lower case: what identifies it."""
    return image_name.split(".")[0].lower()


def source_of(image_name):
    """Where a picture comes from: one of SOURCES."""
    if image_name.lower().startswith("coco"):
        return "coco"
    return "imagenet" if re.match(r"n\d+_\d+", image_name) else "scenes"


def read_names(path):
    """The names in a text list, one a line, without "rep_"; empty lines at the end are none.

    Raises
    ------
    FileNotFoundError, ValueError
        The list is not there, is not text, is empty, or has something else in a line than one file name.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is not there; download it: the index is made from it")
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file ({error}); download it again") from error
    lines = [line.strip() for line in text.rstrip().split("\n")]
    for number, line in enumerate(lines, start=1):
        if not (line.isprintable() and re.fullmatch(r"[^/\\]+\.(jpe?g|png)", line, re.IGNORECASE)):
            raise ValueError(f"{path}: line {number} is {line!r}; expected the name of a picture, such as n01930112_19568.JPEG; "
                             "download it again")
    return [line.removeprefix("rep_") for line in lines]


def read_run_lists(root, subject):
    """{(session, run): names} of a subject, in order of presentation.

    Raises
    ------
    FileNotFoundError
        There are no lists.
    ValueError
        A list is no list of names; sessions or runs between others are missing.
    """
    paths = files.run_lists(root, subject)
    folder = files.stimuli_folder(root) / files.LISTS / f"CSI{subject}"
    if not paths:
        raise FileNotFoundError(f"{folder} has no lists such as CSI{subject}_sess01/CSI{subject}_sess01_run01.txt; unpack the "
                                "archive of the stimuli, which holds them")
    runs_of = {session: [run for s, run in paths if s == session] for session, _ in paths}
    gaps = [f"session {session} has the runs {runs}" for session, runs in runs_of.items()
            if runs != list(range(1, len(runs) + 1))]
    if list(runs_of) != list(range(1, len(runs_of) + 1)):
        gaps.append(f"there are the sessions {list(runs_of)}")
    if gaps:
        raise ValueError(f"{folder}: lists are missing: {'; '.join(gaps)}; expected numbers from 1 without gaps; unpack the "
                         f"archive again")
    return {key: read_names(path) for key, path in paths.items()}


def beta_volumes(root, subjects, beta_types=tuple(files.TYPES)):
    """[(file name, subject, session, number of volumes), ...] of all betas on the disk; headers are read, no volume."""
    found = []
    for subject in subjects:
        for beta_type in beta_types:
            for session, path in files.beta_files(root, subject, beta_type).items():
                found.append((path.name, subject, session, read_header(path).shape[3]))
    return found


def _disagreements(root, subject, names, runs, volumes):
    """Sentences about what does not agree for one subject, with the numbers."""
    faults, listed = [], [name for lines in runs.values() for name in lines]
    counts = Counter(len(lines) for lines in runs.values())
    usual = max(counts.items(), key=lambda item: item[::-1])[0]
    faults += [f"{files.run_lists(root, subject)[key]} has {len(lines)} lines, most of the {len(runs)} run lists of CSI{subject} "
               f"have {usual}"
               for key, lines in runs.items() if len(lines) != usual]
    path = files.image_names_file(root, subject)
    differ = [k for k, (a, b) in enumerate(zip(names, listed)) if stem(a) != stem(b)]
    where = ""
    if differ:
        first = differ[0]
        where = f"; the first that differs is trial {first + 1}, {names[first]} there and {listed[first]} in the run lists"
    if len(names) != len(runs) * usual or len(names) != len(listed):
        faults.append(f"{path} has {len(names)} names, the {len(runs)} run lists of CSI{subject} have {len(listed)} "
                      f"({len(runs)} runs of {usual} are {len(runs) * usual}){where}")
    elif differ:
        faults.append(f"{path} names another picture than the run lists in {len(differ)} of {len(names)} trials{where}")
    lines_of = Counter()
    for (session, _), lines in runs.items():
        lines_of[session] += len(lines)
    for file, owner, session, n_volumes in volumes:
        if owner == subject and n_volumes != lines_of[session]:
            faults.append(f"{file} has {n_volumes} volumes, the run lists of session {session} of CSI{subject} have "
                          f"{lines_of[session]} lines ({sum(s == session for s, _ in runs)} runs)")
    return faults
