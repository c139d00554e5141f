"""What the scripts of 2_model_extraction that extract features share: options that name networks, and how their jobs are run."""

from convergence.features.entries import read_models
from convergence.tasks import Unit, run_units


def add_network_options(parser, models_file):
    """Declare --untrained, --seeds and --models-file."""
    parser.add_argument("--untrained", action="store_true", help="random weights instead of trained ones")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N",
                        help="with --untrained: a set of random weights per seed (default: 0)")
    parser.add_argument("--models-file", default=models_file, metavar="FILE",
                        help="where networks are listed (default: models.yml beside this script)")


def networks(chosen, modality):
    """(list of Entry, list of seeds or None) that the options name.

    Raises
    ------
    ValueError
        Seeds without --untrained; models.yml is not as expected.
    """
    if chosen.seeds and not chosen.untrained:
        raise ValueError("--seeds: they are those of random weights; add --untrained, or leave them out")
    return read_models(chosen.models_file, modality, chosen.models), (chosen.seeds or [0]) if chosen.untrained else None


def run_jobs(jobs, chosen, features, *, title):
    """Run jobs (extraction.py), and write the table of networks from all feature files, also when some networks failed."""
    from convergence.features.models_table import write_models_info
    from convergence.storage.paths import derivatives_folder

    try:
        run_units([Unit(**job) for job in jobs], title=title, overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    finally:
        if not chosen.dry_run:
            write_models_info(features, derivatives_folder(chosen.derivatives))
