"""Options that the scripts share, in one wording, and how a script ends.

    @command
    def main(arguments=None):
        parser = options(__doc__, "dataset", "root", "derivatives", "hemispheres", "shift")
        ...                                     # heavy imports come after parsing, so that --help is instant
        chosen = parser.parse_args(arguments)

`command` turns expected errors (bad input, a missing file or library, failed units) into one message and exit status 1; --traceback shows all.
"""

import argparse
import functools
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_DEFAULTS = ContextVar("defaults of the shared options", default={})


def _count(text):
    """A whole number from 1, as an option's type."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text!r}")
    return int(text)


_SHARED = {
    "dataset": dict(default="nsd", metavar="NAME", help="dataset: nsd (default), ..."),
    "root": dict(metavar="DIR", help="folder of the downloaded dataset; default: the dataset's environment variable, e.g. NSD_DATASET"),
    "derivatives": dict(metavar="DIR", help="folder of the tables; default: CONVERGENCE_DERIVATIVES, or ./derivatives"),
    "features": dict(metavar="DIR", help="folder of the feature files; default: CONVERGENCE_FEATURES, or ./features"),
    "subjects": dict(type=int, nargs="+", metavar="N", help="only these subjects (default: all)"),
    "sessions": dict(type=int, nargs="+", metavar="N", help="only these sessions (default: all that are there)"),
    "atlas": dict(metavar="FILE", help="table of parcels (.csv, .tsv: roi, name, hemisphere, region, hub, ...) in place of the dataset's own atlas; give every atlas "
                                       "a derivatives folder of its own. convergence/datasets/atlas.py states its columns"),
    "rois": dict(nargs="+", metavar="ROI", help="only these parcels, by number or name (default: all)"),
    "models": dict(nargs="+", metavar="NAME", help="only these models (default: in stage 2 all that models.yml lists, which takes a GPU and a connection; "
                   "later all that have feature files)"),
    "hemispheres": dict(choices=("joined", "separated"), default="joined",
                        help="joined (default): left and right voxels of a parcel together; separated: each alone"),
    "shift": dict(type=int, choices=(0, 1, 2), default=1,
                  help="pair repetition k of one subject with repetition k - shift (mod 3) of the other; 1 (default) and 2 keep slow drifts, which shared "
                       "trial positions have in common, out of the comparison; 0 does not"),
    "form": dict(choices=("full", "diagonal"), default="full", help="full (default): every parcel with every parcel; diagonal: each with itself"),
    "permutations": dict(type=_count, default=10_000, metavar="N", help="relabellings for sampled nulls (default: 10,000)"),
    "seed": dict(type=int, default=0, metavar="N", help="seed of everything that is drawn (default: 0)"),
    "device": dict(default="auto", metavar="DEV", help="auto (default: a GPU if there is one), cpu, cuda, cuda:1, ..."),
    "scheduler": dict(default="local", metavar="WHERE", help="local (default, no cluster needed), threads, slurm, or tcp://host:port of a Dask scheduler"),
    "jobs": dict(type=_count, default=1, metavar="N", help="units at a time: threads, or SLURM workers (default: 1)"),
    "overwrite": dict(action="store_true", help="redo what is done"),
    "dry-run": dict(action="store_true", help="say what would be done, and do nothing"),
    "control": dict(nargs="+", default=[], metavar="NAME", help="control RDMs to take out: control_matrices/control_NAME.parquet, or same_image, same_session, "
                    "temporal_lag, repetition_difference"),
    "distance": dict(choices=("euclidean", "pearson"), default="euclidean", help="of the features of a control"),
    "exclude-pairs": dict(nargs="+", default=[], metavar="RULE", help="pairs of trials to leave out: same-image, same-run, same-session, lag10 (less than 10 "
                          "trials apart)"),
    "pilot": dict(action="store_true", help="try it on ten parcels of one subject, or of two where subjects are compared, and one session where it goes "
                                            "session by session; below a folder pilot/ of the derivatives"),
    "reference": dict(action="store_true", help="as published, where a correction changes numbers"),
}


def options(doc, *shared):
    """An ArgumentParser whose help is the script's docstring, with the shared options asked for, in the given order."""
    name = "python -m convergence" if Path(sys.argv[0]).name == "__main__.py" else None
    parser = argparse.ArgumentParser(prog=name, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    for name in shared:
        parser.add_argument(f"--{name}", **_SHARED[name])
    parser.set_defaults(**{name.replace("-", "_"): value for name, value in _DEFAULTS.get().items() if name in shared})
    parser.add_argument("--traceback", action="store_true", help="on an error, show where in the code it arose")
    return parser


@contextmanager
def shared_defaults(values):
    """Within the block, `options` takes these values as defaults of the shared options that a script asks for."""
    unknown = sorted(set(values) - set(_SHARED))
    if unknown:
        raise ValueError(f"unknown shared options {unknown}; known: {', '.join(_SHARED)}")
    token = _DEFAULTS.set(values)
    try:
        yield
    finally:
        _DEFAULTS.reset(token)


def command(main):
    """Make `main(arguments=None) -> None` a command: returns 0, or 1 after printing one message."""
    @functools.wraps(main)
    def run(arguments=None):
        from convergence.tasks import UnitsFailed
        try:
            main(arguments)
        except ModuleNotFoundError as error:
            from convergence.dependencies import explain
            return _fail(explain(error), arguments)
        except (ValueError, OSError, UnitsFailed) as error:
            return _fail(error, arguments)
        except KeyboardInterrupt:
            return _fail("stopped; run the same command again to go on from here", arguments)
        return 0
    return run


def _fail(message, arguments):
    if "--traceback" in (sys.argv[1:] if arguments is None else arguments):
        raise
    print(f"error: {message}", file=sys.stderr)
    return 1
