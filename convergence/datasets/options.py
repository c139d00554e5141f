"""Options of stage 1 that belong to some datasets only: one wording, and an error where one is given to another dataset.

    parser = options(__doc__, "dataset", "root")
    add_options(parser, "betas", "resolution")
    chosen = parser.parse_args(arguments)
    refuse_foreign(chosen)
    dataset = open_chosen(chosen)

All default to None, so that what was not given can be told from what was.
"""

from convergence.datasets import family, open_dataset, preparation

_OWN = {
    "betas": (("nsd",), dict(choices=("assumehrf", "fithrf", "fithrf_GLMdenoise_RR"),
                             help="which estimate of the responses (default: fithrf_GLMdenoise_RR)")),
    "resolution": (("nsd",), dict(choices=("func1mm", "func1pt8mm"),
                                  help="grid of the volumes (default: func1mm); func1pt8mm takes a sixth of disk and time")),
    "volume": (("nsd",), dict(metavar="NAME", help="ROI volume that tells the parcels: HCP_MMP1 (default), nsdgeneral, streams, "
                                                   "Kastner2015, or another in roi/ (with --atlas)")),
    "release": (("nsd",), dict(choices=("first", "full"),
                               help="sessions of the release: first (without the three of each person that were once held out) "
                                    "or full (with them); default: those that are there")),
    "min-ncsnr": (("nsd",), dict(type=float, metavar="X", help="keep voxels whose ratio of signal to noise is at least X")),
    "drop-dead-voxels": (("nsd", "things"), dict(action="store_true", default=None,
                                                 help="leave out voxels that are 0 in every trial")),
    "zscore": (("nsd", "things", "bold5000"), dict(choices=("none", "session"),
                                                   help="none (default), or session: every voxel within each session")),
    "type": (("bold5000",), dict(choices=("A", "B", "C", "D"),
                                 help="type of the betas (default: D, fitted HRF, denoised, ridge regression)")),
    "hemisphere-compat": (("things",), dict(choices=("reference",),
                                            help="reference: left and right swapped, as in the published files")),
}


def add_options(parser, *names):
    """Declare options, each with the datasets that it is for in its help."""
    for name in names:
        datasets, arguments = _OWN[name]
        parser.add_argument(f"--{name}", **{**arguments, "help": f"[{', '.join(datasets)}] {arguments['help']}"})


def refuse_foreign(chosen):
    """ValueError where an option was given that is not for the dataset; the message says for which it is."""
    for name, (datasets, _) in _OWN.items():
        if getattr(chosen, name.replace("-", "_"), None) is not None and family(chosen.dataset) not in datasets:
            raise ValueError(f"--{name} is for {' and '.join(datasets)}; dataset {chosen.dataset!r} has no use for it, leave it "
                             "out")


def open_chosen(chosen):
    """The dataset that a script's options name, with what its preparation makes of the other options.

    Raises
    ------
    ValueError
        The dataset needs no preparation, or an option is not for it.
    """
    steps = preparation(chosen.dataset)
    refuse_foreign(chosen)
    reader_options = getattr(steps, "reader_options", None)
    dataset = open_dataset(chosen.dataset, chosen.root, **(reader_options(chosen) if reader_options else {}))
    return dataset.use_atlas(getattr(chosen, "atlas", None))
