"""Units of work: skip what is done, run the rest here or on Dask, with progress; a failure stops its own unit only.

    unit = Unit("subject-01_subject-02", output, pair_similarity, options={"shift": 1}, places={"stores": [...]}, inputs=stores)
    run_units([unit, ...], title="subject-subject", scheduler="local")      # UnitsFailed lists what failed, after all others were done

The function of a unit is importable by a worker; it takes its options and places as keyword arguments and returns what outputs.save can
write: a DataFrame, an array, a dict, or a function that writes the file at a given path. Options decide the result and stand in the
sidecar; places (folders, devices) only say where things are.
"""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable

from convergence.dependencies import explain
from convergence.storage.outputs import Record, save, state


@dataclass(frozen=True)
class Unit:
    name: str
    output: Path
    function: Callable
    options: dict = field(default_factory=dict)
    places: dict = field(default_factory=dict)
    inputs: tuple = ()

    @property
    def record(self):
        made_by = f"{self.function.__module__}.{self.function.__qualname__}"
        return Record(made_by, tuple(self.inputs), self.options, device=str(self.places.get("device", "cpu")))

    def execute(self):
        record = replace(self.record, device=_where(self.places.get("device", "cpu")))
        return save(self.function(**self.options, **self.places), self.output, record)


class UnitsFailed(RuntimeError):
    """Some units failed; the message lists them all."""


def run_units(units, *, title, scheduler="local", jobs=1, overwrite=False, dry_run=False):
    """Execute the units whose output is missing or stale; returns the outputs of all, in order.

    Parameters
    ----------
    units : list of Unit
    title : str
        What the progress bar says.
    scheduler : {"local", "threads", "slurm"} or "tcp://host:port"
        In this process; on threads; on SLURM through dask-jobqueue; on a running Dask scheduler.
    jobs : int
        Threads, or SLURM workers.
    overwrite : bool
        Redo what is done.
    dry_run : bool
        Print what would be done, do nothing.

    Raises
    ------
    ValueError
        A device that does not exist here; nothing was done then.
    UnitsFailed
        After every other unit was done.
    """
    todo = []
    for unit in units:
        found, reason = state(unit.output, unit.record)
        if found != "done" or overwrite:
            todo.append(unit)
            if dry_run or found == "stale":
                print(f"{title}: {unit.name}: {'redo' if found != 'missing' else 'to do'}, {reason if found != 'done' else 'asked for'}")
    if len(todo) < len(units):
        print(f"{title}: {len(units) - len(todo)} of {len(units)} done before")
    if todo and not dry_run:
        if scheduler in ("local", "threads"):                       # workers elsewhere have devices of their own
            for device in {str(unit.places.get("device", "cpu")) for unit in todo}:
                _where(device)
        failures = _collect(_executed(todo, scheduler, jobs), title, len(todo))
        if failures:
            written = "; the others are written" if len(failures) < len(units) else ""
            raise UnitsFailed(f"{title}: {len(failures)} of {len(units)} failed{written}. Run again after mending:\n{_by_error(failures)}")
    return [unit.output for unit in units]


def _executed(units, scheduler, jobs):
    """Yield (unit, None or the error) as units end."""
    if scheduler == "local":
        for unit in units:
            yield unit, _attempt(unit)
        return
    from convergence.compute.cluster import client
    from dask.distributed import as_completed

    with client(scheduler, jobs) as cluster:
        futures = {cluster.submit(_attempt, unit, pure=False, retries=2): unit for unit in units}
        for future in as_completed(futures):
            yield futures[future], future.exception() or future.result()


def _attempt(unit):
    try:
        unit.execute()
    except ModuleNotFoundError as error:
        return explain(error)
    except (ValueError, OSError) as error:                      # our own sentences, they say enough
        return str(error)
    except Exception as error:                                  # reported by name at the end; the other units go on
        return f"{type(error).__name__}: {error}"


def _collect(results, title, total):
    from tqdm import tqdm

    failures = []
    with tqdm(total=total, desc=title, unit="unit", file=sys.stderr, smoothing=0.1) as progress:
        for unit, error in results:
            if error is not None:
                failures.append((unit, error))
                progress.set_postfix_str(f"{len(failures)} failed")
            progress.update()
    return failures


def _by_error(failures):
    """A line per error, with the units that it stopped."""
    names = {}
    for unit, error in failures:
        names.setdefault(str(error), []).append(unit.name)
    return "\n".join(f"  {', '.join(units)}: {error}" for error, units in names.items())


def _where(device):
    """The device that a name means here, for the sidecar; torch is not asked about the CPU."""
    if str(device) == "cpu":
        return "cpu"
    from convergence.compute.device import resolve
    return str(resolve(device))
