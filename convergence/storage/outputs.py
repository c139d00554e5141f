"""Every file that is written, is written here: whole or not at all, with a sidecar that says where it came from.

    with replacing(path) as temporary: ...          # takes path's place at the end of the block, vanishes on any error
    save(value, path, Record(...))                  # DataFrame, array, dict, text, or a function that writes it; then <path>.json
    state(path, Record(...))                        # "done" | "stale" | "missing", and why

A file (or a folder of files that belong together) is done when its sidecar exists, names its size, and records the same inputs
and options as those at hand. Inputs are recorded by content: small files by their hash, large ones (over 16 MiB) by a hash of
their size and of 64 blocks spread over them, so that checking a terabyte costs seconds; an edit that keeps the size and misses
every block is not seen (--overwrite redoes).
Everything in a sidecar that changes from run to run stands under "times".
"""

import glob
import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_WHOLE = 16 * 2**20         # files up to this size are hashed whole
_BLOCKS, _BLOCK = 64, 2**16
_ASIDE = "old.partial"      # how the name of a folder ends that is being replaced


@dataclass(frozen=True)
class Record:
    """Where a file comes from: what made it, from which files, with which options."""
    made_by: str
    inputs: tuple = ()
    options: dict = field(default_factory=dict)
    device: str = "cpu"


@contextmanager
def replacing(path):
    """A temporary path beside `path`, for a file or a folder: takes its place when the block ends well, else it is removed."""
    path = Path(path)
    _make_writable(path.parent)
    _remove_abandoned(path)
    temporary = _beside(path, "partial")
    _remove(temporary)
    try:
        yield temporary
        for file in [temporary] if temporary.is_file() else _files_in(temporary):
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        _exchange(temporary, path)
    finally:
        _remove(temporary)


def put_back(path):
    """Give a folder its name again that was killed between stepping aside and being replaced.

    To be called before a folder is read that may be the only place of what it holds.
    """
    path = Path(path)
    for left in [] if path.exists() else _abandoned(path, _ASIDE)[:1]:
        os.replace(left, path)


def save(value, path, record):
    """Write a value and its sidecar: a DataFrame (.parquet, .csv), array (.npy), dict (.json), str, or a function of a path."""
    path, started = Path(path), time.time()
    _make_writable(path.parent)
    sidecar_path(path).unlink(missing_ok=True)              # from here until the end, the file does not count as done
    with replacing(path) as temporary:
        _write(value, temporary)
    write_sidecar(path, record, started)
    return path


def write_sidecar(path, record, started):
    """Record how `path`, which exists, came to be."""
    content = {"file": Path(path).name, "bytes": _size(path), "made_by": record.made_by,
               **_comparable(record), "device": record.device, "versions": _versions(),
               "times": {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(started)),
                         "seconds": round(time.time() - started, 3)}}
    with replacing(sidecar_path(path)) as temporary:
        temporary.write_text(json.dumps(content, indent=1, default=str) + "\n")


def sidecar_path(path):
    return Path(path).with_name(Path(path).name + ".json")


def read_sidecar(path):
    """The sidecar of a file, or None where there is none that can be read."""
    try:
        return json.loads(sidecar_path(path).read_text())
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None


def state(path, record):
    """("done" | "stale" | "missing", reason): whether `path` is what `record` would make now."""
    path = Path(path)
    if not path.exists():
        return "missing", "not there yet"
    sidecar = read_sidecar(path)
    if sidecar is None:
        return "stale", "it has no sidecar, so that it may be half of something"
    if sidecar.get("bytes") != _size(path):
        return "stale", f"it has {_size(path)} bytes, its sidecar says {sidecar.get('bytes')}"
    for part, now in json.loads(json.dumps(_comparable(record), default=str)).items():
        before = sidecar.get(part) or {}
        changed = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
        if changed:
            told = [f"{key} ({_short(before.get(key))} -> {_short(now.get(key))})" for key in changed[:3]]
            return "stale", f"{part} changed: {', '.join(told)}"
    return "done", "same inputs, same options"


def fingerprint(path):
    """Content hash of a file (of its size and 64 blocks, if it is large); of a folder, of the names and sizes in it."""
    path = Path(path)
    digest = hashlib.blake2b(digest_size=16)
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            digest.update(f"{file.relative_to(path)} {file.stat().st_size}\n".encode())
        return f"folder:{digest.hexdigest()}"
    status = path.stat()
    return _file_fingerprint(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_fingerprint(path, size, modified):
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        if size <= _WHOLE:
            digest.update(file.read())
            return digest.hexdigest()
        digest.update(str(size).encode())
        for block in range(_BLOCKS):
            file.seek((size - _BLOCK) * block // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
    return f"sampled:{digest.hexdigest()}"


def _comparable(record):
    """The part of a record that decides whether an output is still good. Inputs go by the last three parts of their paths."""
    return {"inputs": {"/".join(Path(p).parts[-3:]): fingerprint(p) for p in record.inputs}, "options": record.options}


def _write(value, path):
    if callable(value):
        value(path)
    elif isinstance(value, str):
        path.write_text(value)
    elif isinstance(value, dict):
        path.write_text(json.dumps(value, indent=1) + "\n")
    elif path.suffix == ".parquet":
        import pyarrow                              # noqa: F401  missing: its own name in the error, not pandas' list of engines
        value.to_parquet(path, index=False)
    elif path.suffix == ".csv":
        value.to_csv(path, index=False)
    elif path.suffix == ".npy":
        import numpy
        numpy.save(path, value)
    else:
        raise TypeError(f"no way to write a {type(value).__name__} to {path.name}")


def _make_writable(folder):
    hint = "choose another folder; prepared files of a read-only dataset go below CONVERGENCE_WORK, if that is set"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"the folder {folder} cannot be made ({error.strerror}); {hint}") from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"the folder {folder} is read-only; {hint}")


def _remove_abandoned(path):
    """Delete what killed processes of this machine left half-written for the same file."""
    put_back(path)
    for left in _abandoned(path, "partial"):
        _remove(left)


def _abandoned(path, ending):
    """What killed processes of this machine left beside `path` under names that end so."""
    prefix, suffix, found = f".{path.name}.{socket.gethostname()}-", f".{ending}{path.suffix}", []
    for left in sorted(path.parent.glob(f"{glob.escape(prefix)}*{glob.escape(suffix)}")):
        process = left.name[len(prefix):].split(".")[0]
        if process.isdigit() and int(process) != os.getpid() and not _alive(int(process)):
            found.append(left)
    return found


def _beside(path, ending):
    """A hidden name beside `path` that tells which process of which machine made it."""
    return path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.{ending}{path.suffix}")


def _exchange(temporary, path):
    """Rename. A folder cannot be replaced in one step: the old one steps aside, from where `put_back` gets it after a kill."""
    aside = _beside(path, _ASIDE)
    if path.is_dir() and temporary.exists():
        _remove(aside)
        os.replace(path, aside)
    os.replace(temporary, path)
    _remove(aside)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _files_in(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _size(path):
    """Bytes of a file, or of all files in a folder."""
    path = Path(path)
    return sum(file.stat().st_size for file in _files_in(path)) if path.is_dir() else path.stat().st_size


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _versions():
    from convergence import __version__

    found = {"convergence": __version__, "git": _git(), "python": platform.python_version()}
    for library in ("numpy", "torch", "timm", "transformers"):      # installed, used here or not: nothing depends on the caller
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            pass
    return found


@lru_cache(maxsize=1)
def _git():
    """Commit of the checkout that holds the package, with -dirty where it was edited; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _short(value):
    text = str(value)
    return text if len(text) <= 24 else text[:21] + "..."
