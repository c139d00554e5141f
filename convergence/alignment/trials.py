"""Which trials make an RDM, and which rows of two subjects belong together. Tables in, tables out.

    shared_trials(trials, subject)              existing trials of shared images: the stimuli of a subject's RDM store
    session_trials(trials, subject, session)    all existing trials of one session: the stimuli of an RDM that meets a model
    sessions(trials, subject)                   sessions with existing trials
    common_trials(trials, i, j, shift)          pairs of trials, one of each subject, that show the same image

All are in order of presentation. `trials` is Dataset.trials (datasets/base.py): planned trials, `exists` where there is data.

Why a shift: shared images stand at the same trial numbers in every subject, so that trials at equal positions also share the
clock (drift, novelty, fatigue). With shift 1 or 2 a trial meets another presentation of its image, and what depends on the clock
alone no longer aligns.
"""

TRIALS_OF_AN_RDM = ["subject_index", "image", "repetition", "session"]          # and run, where the dataset tells runs


def shared_trials(trials, subject):
    """Existing trials of images that were shown to several subjects, in order of presentation.

    Parameters
    ----------
    trials : DataFrame
        Columns subject, subject_index, image, repetition, session, shared, exists.
    subject : int

    Returns
    -------
    DataFrame
        subject_index, image, repetition, session, and run where it is known; empty where nothing shared exists.
    """
    own = _of(trials, subject)
    return _in_order(own[own["shared"].astype(bool) & own["exists"].astype(bool)])


def session_trials(trials, subject, session):
    """All existing trials of one session, in order of presentation; columns as in `shared_trials`."""
    own = _of(trials, subject)
    return _in_order(own[(own["session"] == session) & own["exists"].astype(bool)])


def sessions(trials, subject):
    """Numbers of the sessions with existing trials, ascending."""
    own = _of(trials, subject)
    return sorted(int(session) for session in own.loc[own["exists"].astype(bool), "session"].unique())


def repetition_codes(trials):
    """The numbers that repetitions of shared images have, as a range: range(0, 3) on NSD.

    Read off the planned trials of all subjects, so that a missing session does not change what "the next repetition" means.
    """
    planned = trials.loc[trials["shared"].astype(bool), "repetition"]
    if planned.empty:
        raise ValueError("trials: no image is marked as shared between subjects, so that there is nothing to compare them on")
    return range(int(planned.min()), int(planned.max()) + 1)


def common_trials(trials, i, j, shift, *, repetitions=None):
    """Pairs of existing shared trials of subjects i and j: the same image, j's repetition `shift` before i's, cyclically.

    A row is (image; i's repetition r; j's repetition (r - shift) mod n), n repetitions in all. A row is left out where one of the
    two trials does not exist. For i = j and shift 0 every trial meets itself.

    Parameters
    ----------
    trials : DataFrame
        Columns subject, subject_index, image, repetition, session, shared, exists.
    i, j : int
        Subjects, in this order: (j, i) at a shift s has the pairs of (i, j) at n - s.
    shift : int
        0 to n - 1.
    repetitions : range, optional
        The numbers that repetitions have; default: `repetition_codes` of the trials.

    Returns
    -------
    DataFrame
        image, repetition_i, repetition_j, subject_index_i, subject_index_j, session_i, session_j, in i's order of presentation;
        also run_i, run_j where runs are known.

    Raises
    ------
    ValueError
        A subject or shift that is not there, or an image that a subject saw twice under one repetition number.
    """
    codes = repetition_codes(trials) if repetitions is None else repetitions
    if not 0 <= shift < len(codes):
        raise ValueError(f"shift: {shift} is not possible, images are shown {len(codes)} times; use {_words(range(len(codes)))}")
    mine, theirs = shared_trials(trials, i), shared_trials(trials, j)
    for subject, table in ((i, mine), (j, theirs)):
        _refuse_repeated(subject, table)
    theirs = theirs.assign(meets=codes[0] + (theirs["repetition"] - codes[0] + shift) % len(codes))
    pairs = mine.merge(theirs, left_on=["image", "repetition"], right_on=["image", "meets"], suffixes=("_i", "_j"))
    columns = ["image",
               *(f"{name}_{side}" for name in ("repetition", "subject_index", "session", "run") for side in "ij"
                 if f"{name}_{side}" in pairs)]
    return pairs.sort_values("subject_index_i", ignore_index=True)[columns]


def _of(trials, subject):
    own = trials[trials["subject"] == subject]
    if own.empty:
        raise ValueError(f"subject: {subject} is not in the trials; there are {_words(sorted(trials['subject'].unique()))}")
    return own


def _in_order(trials):
    columns = TRIALS_OF_AN_RDM + (["run"] if "run" in trials else [])
    return trials.sort_values("subject_index", ignore_index=True)[columns]


def _refuse_repeated(subject, table):
    repeated = table.loc[table.duplicated(["image", "repetition"]), ["image", "repetition"]]
    if len(repeated):
        image, repetition = (int(value) for value in repeated.iloc[0])
        raise ValueError(f"trials: subject {subject} has {len(repeated)} trials whose image and repetition occurred before, "
                         f"the first is image {image}, repetition {repetition}; number the repetitions of an image anew "
                         "(1_dataset_preparation/2_build_indexes.py)")


def _words(numbers):
    *most, last = (str(number) for number in numbers)
    return f"{', '.join(most)} or {last}" if most else last
