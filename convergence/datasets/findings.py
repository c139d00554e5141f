"""What the check of a dataset says about one file."""

from typing import NamedTuple


class Finding(NamedTuple):
    """status is "ok", "note" (worth knowing, no fault), "missing" or "wrong"; path counts from the dataset's folder."""
    status: str
    path: str
    message: str = ""
