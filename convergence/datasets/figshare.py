"""Downloads from figshare: commands that go on where they stopped, and whether what arrived is whole. Nothing is downloaded here.

    commands(root, 20492835, "betas_csv: ...", only="betas_csv")     lines for a shell, to be run in any folder
    faults(root, 20492835, deep=True)                                findings: files that are not whole
    removals(root, ["CSI1_brainmask.nii.gz"])                        lines that make room for files to be downloaded anew

figshare tells names, lengths and MD5 sums of an item's files in a list. The sums are not known before, so that the list is
fetched first, as figshare-<item>.json into the dataset's folder; with it there, the commands name every file, resume (curl -C -),
and compare its sum.
"""

import json
import shlex
from pathlib import Path

from convergence.datasets.download import md5_of
from convergence.datasets.findings import Finding

_API = "https://api.figshare.com/v2/articles/{item}/files?page_size=1000"
_UNPACK = {".zip": "unzip -n {}", ".tar": "tar --skip-old-files -xf {}", ".tar.gz": "tar --skip-old-files -xf {}",
           ".tgz": "tar --skip-old-files -xf {}"}


def commands(root, item, description, *, only="", into="."):
    """Shell lines that download an item's files; where their list is not there, or damaged, those that fetch it.

    Parameters
    ----------
    root : path
        The dataset's folder.
    item : int
        Number of the item.
    description : str
        What it is, for people.
    only : str
        Only files with this in their names, if there are any.
    into : str
        Folder below root for them.
    """
    lines, listing = [f"# figshare item {item}: {description}"], list_file(root, item)
    try:
        files = read_list(listing) if listing.exists() else []
    except ValueError:                                  # a finding of its own; it must not hide the others
        files = []
    if not files:
        return [*lines, f"mkdir -p {_quoted(root)} && curl -fsSL -o {_quoted(listing)} {_quoted(_API.format(item=item))}",
                "#   names, lengths and MD5 sums stand in that list; ask for the commands again when it is there"]
    for file in [file for file in files if only in file["name"]] or files:
        lines += [f"cd {_quoted(Path(root) / into)} && {line}" for line in _commands_of(file)]
    return [lines[0], f"mkdir -p {_quoted(Path(root) / into)}", *lines[1:]]


def faults(root, item, *, deep=False, into="."):
    """Findings: files of an item that have another length, or with `deep` another MD5 sum, than its list says.

    [] where the list is not there. A file that is too short is not called damaged: its download goes on.
    """
    found, listing = [], list_file(root, item)
    for file in read_list(listing) if listing.exists() else []:
        path = Path(root) / into / file["name"]
        if not path.exists():
            continue
        name, n_bytes = path.relative_to(root).as_posix(), path.stat().st_size
        if n_bytes < file["size"]:
            message = f"{path} has {n_bytes:,} of {file['size']:,} bytes; go on with: {_commands_of(file)[0]}"
            found.append(Finding("wrong", name, message))
        elif n_bytes > file["size"] or deep and file["md5"] and md5_of(path) != file["md5"]:
            message = (f"{path} has another {'length' if n_bytes > file['size'] else 'MD5 sum'} than figshare says, "
                       f"{file['size']:,} bytes, {file['md5']}; delete it and download it again")
            found.append(Finding("wrong", name, message, damaged=True))
    return found


def removals(root, damaged):
    """Shell lines that delete damaged files, given by their paths below root; [] where there are none.

    Without that a download would go on where they end, and an archive that is unpacked leaves what lies there.
    """
    lines = [f"rm {_quoted(Path(root) / path)}" for path in damaged]
    return ["# damaged, to be downloaded anew:", *lines] if lines else []


def list_file(root, item):
    """Where the list of an item's files lies."""
    return Path(root) / f"figshare-{item}.json"


def read_list(path):
    """[{"name", "size", "url", "md5"}, ...] of a list; md5 is "" where figshare has none.

    Raises
    ------
    ValueError
        It is no such list.
    """
    try:
        return [{"name": Path(str(file["name"])).name, "size": int(file["size"]), "url": str(file["download_url"]),
                 "md5": str(file.get("supplied_md5") or file.get("computed_md5") or "")}
                for file in json.loads(Path(path).read_text())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not figshare's list of files ({type(error).__name__}: {error}); delete it and fetch it "
                         "again") from error


def _commands_of(file):
    """Download, compare, unpack one file."""
    name = _quoted(file["name"])
    check = f"echo {_quoted(file['md5'] + '  ' + file['name'])} | md5sum -c -"
    if not file["md5"]:
        check = f"test $(wc -c < {name}) -eq {file['size']}    # no MD5 sum is known, its length is"
    unpack = [line.format(name) for ending, line in _UNPACK.items() if file["name"].endswith(ending)]
    return [f"curl -fL -C - -o {name} {_quoted(file['url'])}    # {file['size'] / 1e9:.2f} GB", check, *unpack]


def _quoted(text):
    return shlex.quote(str(text))
