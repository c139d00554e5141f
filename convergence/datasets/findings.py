"""What the check of a dataset says about one file.

    fault, table = attempt("trials.csv", read_trials, root)         ([], the table), or ([Finding("wrong", ...)], None)
"""

from typing import NamedTuple


class Finding(NamedTuple):
    """status is "ok", "note" (worth knowing, no fault), "missing" or "wrong"; path counts from the dataset's folder.

    damaged: the file itself is at fault, so that downloading it again is the remedy (not so where two files disagree).
    """
    status: str
    path: str
    message: str = ""
    damaged: bool = False


def attempt(path, function, *arguments, damaged=True):
    """([], what the function returns), or where it raises a ValueError or OSError, ([the finding about the path], None)."""
    try:
        return [], function(*arguments)
    except (ValueError, OSError) as error:
        return [Finding("wrong", path, str(error), damaged)], None


def paths_of(findings, *, status=None, damaged=None):
    """Paths of findings with this status, or that are damaged; each once."""
    return list(dict.fromkeys(finding.path for finding in findings
                              if status in (None, finding.status) and damaged in (None, finding.damaged)))
