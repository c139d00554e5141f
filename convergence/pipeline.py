"""Run the stage scripts in order, in one process, from one YAML file.

    python -m convergence run nsd.yml               # everything; what is done is skipped
    python -m convergence run nsd.yml --from 3_alignment/2_subject_subject.py
    python -m convergence run nsd.yml --dry-run     # what each step would do, as far as the steps before it are done

The file has two parts. `shared` gives options that every step takes if it has them; `steps` lists the steps with their own options, spelt
as on the command line without the dashes. A step is a stage script, or a command of `python -m convergence`. Paths are relative to the file.

    shared: {root: /data/nsd, derivatives: derivatives, features: /data/features}
    steps:
      - 1_dataset_preparation/1_check_dataset.py
      - 3_alignment/2_subject_subject.py: {shift: 1, hemispheres: joined}
      - figures: {out: figures}

The first step that fails ends the run with exit status 1; the same command goes on from there.
"""

import contextlib
import importlib
import io
import os
import time
from pathlib import Path

from convergence.cli import command, options, shared_defaults
from convergence.python_files import load_python

CHECKOUT = Path(__file__).resolve().parent.parent
SHOWN = {"tables": (".parquet", ".csv", ".npy"), "figures": (".pdf", ".png", ".html")}


@command
def main(arguments=None):
    parser = options(__doc__, "dry-run")
    parser.add_argument("config", metavar="CONFIG.yml", help="what to run")
    parser.add_argument("--from", dest="first", metavar="STEP", help="start at this step")
    chosen = parser.parse_args(arguments)
    config = read_config(chosen.config)
    steps = _steps_from(config["steps"], chosen.first)
    with _folder(Path(chosen.config).resolve().parent), shared_defaults(config["shared"]):
        for number, (name, own) in enumerate(steps, start=1):
            print(f"[{number}/{len(steps)}] {name} {' '.join(_flags(own))}", flush=True)
            (_forecast if chosen.dry_run else _run_step)(name, own)
        if not chosen.dry_run:
            _print_outputs(config)


def read_config(path):
    """{"shared": {option: value}, "steps": [(name, {option: value}), ...]} of a YAML file; every step is known to exist.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file; not YAML; another structure; a step that does not exist.
    """
    import yaml

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; demo.yml and nsd.yml are examples of such a file")
    try:
        config = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(config, dict) or set(config) - {"shared", "steps"} or not isinstance(config.get("steps"), list):
        raise ValueError(f"{path}: expected a mapping with the list `steps` and, if wanted, the mapping `shared`; found {_kind(config)}")
    steps = [_step(entry, path) for entry in config["steps"]]
    for name, _ in steps:
        _main_of(name)
    return {"shared": config.get("shared") or {}, "steps": steps}


def _step(entry, path):
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, dict) and len(entry) == 1:
        (name, own), = entry.items()
        if own is None or isinstance(own, dict):
            return name, own or {}
    raise ValueError(f"{path}: a step is a name, or a name with a mapping of options; found {entry!r}")


def _steps_from(steps, first):
    if first is None:
        return steps
    names = [name for name, _ in steps]
    if first not in names:
        raise ValueError(f"--from: {first!r} is no step of this file; its steps: {', '.join(names)}")
    return steps[names.index(first):]


def _run_step(name, own):
    started = time.time()
    try:
        status = _main_of(name)()(_flags(own))
    except SystemExit as stop:                          # argparse: an option that the script does not have
        status = stop.code
    if status:
        raise ValueError(f"the step {name} failed (its message stands above); mend that and run the same command again: what is done is skipped")
    print(f"    {time.time() - started:.1f} s", flush=True)


def _forecast(name, own):
    """What a step's own --dry-run says; a step without one, or that lacks what earlier steps write, says so in a line."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            status = _main_of(name)()(_flags({**own, "dry-run": True}))
    except SystemExit:
        print("    to do (this step has no forecast)", flush=True)
        return
    if status:
        print(f"    not known yet: {(said.getvalue().strip().splitlines() or ['it failed'])[-1].removeprefix('error: ')}", flush=True)


def _main_of(name):
    """A function that imports the step and returns its main; the step is known to exist, and not imported yet."""
    from convergence.__main__ import COMMANDS
    if name in COMMANDS:
        return lambda: importlib.import_module(COMMANDS[name][0]).main
    script = CHECKOUT / name
    if script.suffix == ".py" and script.exists():
        return lambda: load_python(script).main
    scripts = sorted(str(p.relative_to(CHECKOUT)) for p in CHECKOUT.glob("[1-4]_*/*.py"))
    raise ValueError(f"unknown step {name!r}; steps are {', '.join([*scripts, *COMMANDS])}")


def _flags(own):
    """{"shift": 1, "subjects": [1, 2], "overwrite": True} -> ["--shift", "1", "--subjects", "1", "2", "--overwrite"]"""
    flags = []
    for option, value in own.items():
        if value is None or value is False:
            continue
        values = [] if value is True else value if isinstance(value, list) else [value]
        flags += [f"--{option}", *map(str, values)]
    return flags


def _print_outputs(config):
    """The tables and figures that lie in the folders that this run wrote to."""
    folders = {value for values in [config["shared"], *(own for _, own in config["steps"])]
               for option, value in values.items() if option in ("derivatives", "out") and Path(str(value)).is_dir()}
    found = sorted({p for folder in folders for p in Path(folder).rglob("*") if p.is_file() and "parts" not in p.parts})
    for kind, suffixes in SHOWN.items():
        files = [p for p in found if p.suffix in suffixes and "datasets" not in p.parts]
        print(f"{len(files)} {kind}:" if files else f"no {kind}")
        for file in files:
            print(f"  {file}")


@contextlib.contextmanager
def _folder(path):
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


def _kind(config):
    return f"the keys {sorted(config)}" if isinstance(config, dict) else type(config).__name__
