"""A folder of simulated downloads: written whole, or not taken for whole.

truth.json is written first and its sidecar last, so that a folder without the sidecar is one whose writing was interrupted. The
sidecar holds the fingerprint of every file: where one was deleted, edited, or made by another version of the generator, all are
written again.
"""

import sys
import time
from pathlib import Path

from convergence.datasets.miniature.truth import TRUTH, read_truth, to_text
from convergence.storage.outputs import Record, fingerprint, read_sidecar, replacing, sidecar_path, state, write_sidecar


def write_folder(root, describe, options):
    """Write a miniature dataset, unless it is there already, whole and as this version of the generator makes it.

    Parameters
    ----------
    root : path
    describe : function
        describe(**options) -> (truth, {file: function of a path}); called only when there is something to write.
    options : dict
        What the data depend on. A folder made with other options is refused.

    Raises
    ------
    ValueError
        The folder holds something else.
    """
    root = Path(root)
    _refuse_foreign(root, options)
    before = (read_sidecar(root / TRUTH) or {}).get("options", {}).get("files", {})
    if before and state(root / TRUTH, _record(root, before, options))[0] == "done":
        return
    from tqdm import tqdm

    started = time.time()
    truth, writers = describe(**options)
    sidecar_path(root / TRUTH).unlink(missing_ok=True)
    with replacing(root / TRUTH) as temporary:
        temporary.write_text(to_text(truth | options))
    for name, write in tqdm(writers.items(), desc=f"miniature {root.name}", unit="file", file=sys.stderr):
        with replacing(root / name) as temporary:
            write(temporary)
    write_sidecar(root / TRUTH, _record(root, writers, options), started)


def _refuse_foreign(root, options):
    """ValueError if the folder holds another dataset, or a miniature with other options."""
    if not root.exists() or not any(not path.name.startswith(".") for path in root.iterdir()):
        return
    try:
        truth = read_truth(root, complete=False)
    except FileNotFoundError:
        raise ValueError(f"{root} is not empty and is no miniature dataset; give --out another folder") from None
    differ = {name: truth.get(name) for name, value in options.items() if truth.get(name) != value}
    if differ:
        asked = {name: options[name] for name in differ}
        raise ValueError(f"{root} holds a miniature dataset made with {_words(differ)}, asked for is {_words(asked)}; give --out "
                         "another folder, or delete this one first")


def _record(root, names, options):
    """The record of a complete folder as it is on the disk now."""
    found = {name: fingerprint(root / name) if (root / name).exists() else "missing" for name in names}
    code = {path.name: fingerprint(path) for path in sorted(Path(__file__).parent.glob("*.py"))}
    return Record("convergence.datasets.miniature", options={**options, "files": found, "generator": code})


def _words(options):
    return ", ".join(f"{name} {value}" for name, value in options.items())
