"""The index tables of THINGS-fMRI, made from the pictures on the disk and the subjects' StimulusMetadata.csv.

    categories       one row per category           category_id: line of unique_id.csv, from 0
    images           one row per picture            things_id: place among the file names in code-point order, from 0
    stimulus index   one row per trial              subject_index = trial_id, from 0; session, run and repetition from 1

things_id depends on the listing, so that a picture that is missing moves all after it: a category without pictures, a shown
picture that is not there, and one that the subjects saw unequally often are refused. prepared.py reads the tables again.
"""

import re
from pathlib import Path

import numpy as np

from convergence.datasets.things import files
from convergence.datasets.things.strict import read_lines, read_text, whole

COLUMNS = {"subject_id": "uint8", "session": "uint8", "run": "uint8", "things_id": "uint16", "subject_index": "uint16",
           "session_index": "uint16", "run_index": "uint16", "repetition": "uint8", "image_name": "str", "category_id": "uint16",
           "category": "str", "image_category_index": "uint8", "trial_type": "str"}
IMAGE_COLUMNS = ("things_id", "image_name", "category", "category_id", "image_category_index", "image_path")
TRIAL_TYPES = ("train", "test")

_PICTURES = "download the pictures of the THINGS database (osf.io/jum2f) again"
_TABLES = "download betas_csv of THINGS-data (figshare+ item 20492835) again"


def category_names(root):
    """Names of the categories (the database's concepts), in the order of unique_id.csv."""
    path = Path(root) / files.CONCEPTS
    names = read_lines(path, _PICTURES)
    odd = sorted({name for name in names if not name or names.count(name) > 1})
    if odd:
        raise ValueError(f"{path}: expected one category a line, each once; found {odd[:3]} empty or more than once; {_PICTURES}")
    return names


def category_table(*, root):
    """categories.csv: category_id, category_name, the columns of category_mat_manual.tsv (0/1), tags (sorted, joined by ';')."""
    import pandas

    names = category_names(root)
    membership_file, tag_file = files.higher_file(root, files.MEMBERSHIP), files.higher_file(root, files.TAGS)
    membership, tags = read_text(membership_file, [], _PICTURES, sep="\t"), read_lines(tag_file, _PICTURES)
    for path, n_rows in ((membership_file, len(membership)), (tag_file, len(tags))):
        if n_rows != len(names):
            raise ValueError(f"{path} has {n_rows} categories, {files.CONCEPTS} {len(names)}; they do not belong together, "
                             f"{_PICTURES}")
    columns = {name: whole(membership, name, membership_file, at_most=1) for name in membership}
    joined = [";".join(sorted({label.strip() for label in line.split("\t")} - {""})) for line in tags]
    return pandas.DataFrame({"category_id": range(len(names)), "category_name": names, **columns, "tags": joined})


def image_table(*, root):
    """images.csv: every picture of the database, in the code-point order of file names.

    Raises
    ------
    FileNotFoundError, ValueError
        No pictures; a folder that is no category; a category without pictures; one file name in two folders.
    """
    import pandas

    root = Path(root)
    paths = sorted((path for path in (root / files.PICTURES).glob("object_images*/*/*.jpg") if not path.name.startswith(".")),
                   key=lambda path: path.name)
    if not paths:
        raise FileNotFoundError(f"{root / files.PICTURES} has no pictures such as object_images_A-C/aardvark/aardvark_01b.jpg; "
                                f"{_PICTURES}")
    names = [path.stem for path in paths]
    twice = [name for name, following in zip(names, names[1:]) if name == following]
    if twice:
        raise ValueError(f"{root / files.PICTURES}: {twice[:3]} lie in several folders; keep one of each")
    number_of = {name: number for number, name in enumerate(category_names(root))}
    categories = [path.parent.name for path in paths]
    unknown, absent = sorted(set(categories) - set(number_of)), [name for name in number_of if name not in set(categories)]
    if unknown or absent:
        raise ValueError(f"{root / files.PICTURES}: {len(unknown)} folders are no categories of {files.CONCEPTS} {unknown[:3]}, "
                         f"and {len(absent)} of its {len(number_of)} categories have no pictures {absent[:3]}; {_PICTURES}")
    table = pandas.DataFrame({"things_id": range(len(paths)), "image_name": names, "category": categories,
                              "category_id": [number_of[category] for category in categories]})
    table["image_category_index"] = table.groupby("category").cumcount() + 1
    return table.assign(image_path=[path.relative_to(root).as_posix() for path in paths])


def read_stimuli(root, subject):
    """One subject's StimulusMetadata.csv, a row per trial in order: trial_type, session, run, image_name, concept.

    Raises
    ------
    FileNotFoundError, ValueError
        No file; trials are not 0 to n - 1 in order; sessions and runs do not follow each other with equal numbers of trials;
        another subject's file.
    """
    import pandas

    path = files.table_file(root, subject, files.TRIALS_OF)
    table = read_text(path, ["trial_type", "session", "run", "subject_id", "trial_id", "stimulus", "concept"], _TABLES)
    table["subject_id"] = table["subject_id"].str.removeprefix("sub-")
    trial, own, session, run = (whole(table, column, path) for column in ("trial_id", "subject_id", "session", "run"))
    if not np.array_equal(trial, np.arange(len(table))):
        row = int(np.argmax(trial != np.arange(len(table))))
        raise ValueError(f"{path}: trial_id must be 0 to {len(table) - 1} in order, row {row + 1} says {trial[row]}; {_TABLES}")
    if (own != subject).any():
        raise ValueError(f"{path}: subject_id must be {subject}, found {sorted(set(own.tolist()) - {subject})[:3]}; {_TABLES}")
    odd = sorted(set(table["trial_type"]) - set(TRIAL_TYPES))
    if odd:
        raise ValueError(f"{path}: trial_type must be train or test, found {odd[:3]}; {_TABLES}")
    unnamed = table.index[~table["stimulus"].str.fullmatch(r".+\.jpg")]
    if len(unnamed):
        raise ValueError(f"{path}: stimulus must name a picture, such as dog_12s.jpg; row {unnamed[0] + 1} says "
                         f"{table['stimulus'][unnamed[0]]!r}; {_TABLES}")
    _check_runs(session, run, path)
    return pandas.DataFrame({"trial_type": table["trial_type"], "session": session, "run": run,
                             "image_name": table["stimulus"].str.removesuffix(".jpg"), "concept": table["concept"]})


def _check_runs(session, run, path):
    """Trials are in order of time: sessions ascend, runs ascend within them, and all runs are equally long."""
    order = session * (run.max() + 1) + run
    back = np.flatnonzero(np.diff(order) < 0)
    if back.size or session.min() < 1 or run.min() < 1:
        row = int(back[0]) + 1 if back.size else int(np.argmin(np.minimum(session, run)))
        raise ValueError(f"{path}: sessions and runs count from 1 and never go back; row {row + 1} is session {session[row]}, "
                         f"run {run[row]}; {_TABLES}")
    runs, n_trials = np.unique(order, return_counts=True)
    usual = np.bincount(n_trials).argmax()
    if (n_trials != usual).any():
        odd = int(np.flatnonzero(n_trials != usual)[0])
        place = int(np.argmax(order == runs[odd]))
        raise ValueError(f"{path}: runs have {usual} trials, but run {run[place]} of session {session[place]} has "
                         f"{n_trials[odd]}; {_TABLES}")


def stimulus_table(subjects, *, root):
    """The stimulus index: every trial of the subjects, with the columns and types of COLUMNS.

    Raises
    ------
    ValueError
        A picture that was shown is not on the disk or is no picture of the concept; a train picture shown twice, test pictures
        unequally often, other pictures to one subject than to another.
    """
    import pandas

    images = image_table(root=root).set_index("image_name")
    shown = {subject: read_stimuli(root, subject) for subject in subjects}
    for subject, trials in shown.items():
        _check_pictures(trials, images, files.table_file(root, subject, files.TRIALS_OF))
    _check_alike(shown, root)
    parts = [_index_of(subject, trials, images) for subject, trials in shown.items()]
    return _as_types(pandas.concat(parts, ignore_index=True))


def _index_of(subject, trials, images):
    table = trials.assign(subject_id=subject, subject_index=range(len(trials)))
    table = table.join(images, on="image_name", validate="many_to_one")
    return table.assign(session_index=table.groupby("session").cumcount(), run_index=table.groupby(["session", "run"]).cumcount(),
                        repetition=table.groupby("image_name").cumcount() + 1)


def _check_pictures(trials, images, path):
    absent = trials.loc[~trials["image_name"].isin(images.index), "image_name"]
    if len(absent):
        raise ValueError(f"{path}: {absent.nunique()} pictures that were shown are not on the disk, such as {absent.iloc[0]}.jpg "
                         f"(row {absent.index[0] + 1}); {_PICTURES}, or the table")
    category = images["category"].reindex(trials["image_name"]).to_numpy()
    concept = trials["concept"].to_numpy()
    # Homonyms have a number in the database ("bat1") that a table may leave out.
    wrong = [row for row, (a, b) in enumerate(zip(category, concept)) if b not in (a, re.sub(r"\d+$", "", a))]
    if wrong:
        row = wrong[0]
        raise ValueError(f"{path}: in {len(wrong)} rows the concept is not that of the picture, first row {row + 1}: "
                         f"{trials['image_name'][row]}.jpg of {category[row]}, concept {concept[row]!r}; {_TABLES}")
    counts = trials.groupby(["trial_type", "image_name"]).size()
    for kind, expected in (("train", "once"), ("test", "equally often")):
        some = counts.get(kind)
        if some is None:
            continue
        odd = some[some != (1 if kind == "train" else some.mode().iloc[-1])]
        if len(odd):
            raise ValueError(f"{path}: {kind} pictures are shown {expected}, but {odd.index[0]}.jpg {odd.iloc[0]} times; "
                             f"{_TABLES}")
    both = set(counts.get("train", {})) & set(counts.get("test", {}))
    if both:
        raise ValueError(f"{path}: {sorted(both)[:3]} are both train and test pictures; {_TABLES}")


def _check_alike(shown, root):
    """All subjects saw the same pictures equally often; the message names the one that most others differ from."""
    counts = {subject: trials.groupby(["image_name", "trial_type"]).size().to_dict() for subject, trials in shown.items()}
    usual = max(counts, key=lambda subject: sum(own == counts[subject] for own in counts.values()))
    for subject, own in counts.items():
        if own != counts[usual]:
            differ = sorted({name for (name, _), _ in set(own.items()) ^ set(counts[usual].items())})
            raise ValueError(f"{files.table_file(root, subject, files.TRIALS_OF)}: subject {subject} did not see the pictures of "
                             f"subject {usual}: {len(differ)} differ, such as {differ[:3]}; {_TABLES}")


def _as_types(table):
    """The columns of COLUMNS in their order and types; a number that does not fit is a ValueError, not another number."""
    for column, dtype in COLUMNS.items():
        if dtype != "str" and table[column].max() > np.iinfo(dtype).max:
            raise ValueError(f"the stimulus index: {column} goes up to {table[column].max()}, its type {dtype} to "
                             f"{np.iinfo(dtype).max}")
    return table[list(COLUMNS)].astype(COLUMNS)
