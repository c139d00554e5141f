"""Download one file: goes on where it stopped, compares length and checksum, and only then gives it its name.

    download(Remote(url, n_bytes=252_907_541, md5="..."), target)

Until then it lies beside the target as <target>.part, which a later call continues.
"""

import hashlib
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

_BLOCK = 2**20
_TIMEOUT = 60           # seconds without a byte


@dataclass(frozen=True)
class Remote:
    """A file elsewhere, and how to know it: its length in bytes and its MD5 sum in hexadecimal digits."""
    url: str
    n_bytes: int
    md5: str


def download(remote, target, *, attempts=5):
    """Bring a remote file to `target`, unless it is there.

    Parameters
    ----------
    remote : Remote
    target : path
        Its folder is made.
    attempts : int
        Connections in all; each goes on where the one before broke off.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    ValueError
        What arrived, or what was there, has another length or checksum.
    OSError
        The server cannot be reached, refuses, or broke off in every attempt; call again to go on.
    """
    target = Path(target)
    if target.exists():
        if not _whole(target, remote):
            raise ValueError(f"{target} is not the file of {remote.url} ({_found(target)}; expected {_expected(remote)}); delete "
                             "it and download again")
        return target
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(attempts):
        error = _fetch(remote, part)
        if part.exists() and part.stat().st_size >= remote.n_bytes:
            break
    else:
        n_bytes = part.stat().st_size if part.exists() else 0
        raise OSError(f"{remote.url}: {error or 'the connection broke off'}; {n_bytes:,} of {remote.n_bytes:,} bytes are in "
                      f"{part}, run again to go on from there")
    if not _whole(part, remote):
        found = _found(part)
        part.unlink()
        raise ValueError(f"{remote.url}: what arrived is damaged or another file ({found}; expected {_expected(remote)}) and was "
                         "deleted; download again")
    os.replace(part, target)
    return target


def md5_of(path):
    """The MD5 sum of a file in hexadecimal digits."""
    digest = hashlib.md5()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _fetch(remote, part):
    """Add to `part` what one connection brings; None, or what went wrong."""
    from tqdm import tqdm

    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            resumed = start and answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            with open(part, "ab" if resumed else "wb") as file, tqdm(
                    desc=part.stem, total=remote.n_bytes, initial=start if resumed else 0, unit="B", unit_scale=True,
                    file=sys.stderr) as progress:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    progress.update(len(block))
    except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
        return error
    return None


def _whole(path, remote):
    return path.stat().st_size == remote.n_bytes and md5_of(path) == remote.md5


def _expected(remote):
    return f"{remote.n_bytes:,} bytes, MD5 {remote.md5}"


def _found(path):
    return f"{path.stat().st_size:,} bytes, MD5 {md5_of(path)}"
