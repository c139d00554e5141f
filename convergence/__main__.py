"""python -m convergence COMMAND: the commands that belong to no stage.

Each command is a module with a docstring (its help) and main(arguments); it is imported only when it is called.
"""

import difflib
import importlib
import sys

COMMANDS = {
    "run": ("convergence.pipeline", "run the stage scripts in order, from one YAML file"),
    "new-dataset": ("convergence.datasets.folder.template", "write a folder for data of your own, with an example in it"),
    "make-miniature": ("convergence.datasets.miniature.command", "write small datasets with planted truth, in the real formats"),
    "plant-features": ("convergence.plant_features", "write features with planted truth for a miniature dataset"),
    "images92": ("convergence.images92", "the whole analysis on 92 real images (Kriegeskorte et al. 2008)"),
    "figures": ("convergence.plotting.figures", "execute the notebooks and write their figures"),
    "export-map": ("convergence.plotting.export", "write values of parcels as CIFTI or GIFTI files for Connectome Workbench"),
    "compare-published": ("convergence.compare_published", "score a run on the real NSD against the published numbers"),
    "describe-derivatives": ("convergence.storage.describe", "write derivatives/README.md from the tables' schemas"),
}


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m convergence COMMAND [options]\n\ncommands (each has --help):")
        print("\n".join(f"  {name:22s} {text}" for name, (_, text) in COMMANDS.items()))
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        print(f"error: unknown command {name!r}{f'; did you mean {near[0]!r}?' if near else ''} (python -m convergence --help lists them)", file=sys.stderr)
        return 2
    return importlib.import_module(COMMANDS[name][0]).main(rest)


if __name__ == "__main__":
    sys.exit(main())
