"""Index tables of a dataset: which picture was shown in which trial, and the table of the atlas.

Reads    nsd_stim_info_merged.csv, the headers of the beta files, behav/responses.tsv where there is one.
Writes   nsd.csv (images), nsd_stimuli.csv (trials), nsd_masks.csv (ROI volumes) into the dataset's folder, or below
         CONVERGENCE_WORK if that is set; metadata/hcp.csv (the atlas) into the derivatives.
Checks   that trial numbers are complete and responses.tsv names the same pictures; reports whether shared pictures fall on the
         same trials.
Time     seconds.

Run it again after further sessions were downloaded: what did not change is skipped.

    python 1_dataset_preparation/2_build_indexes.py --root /data/nsd --derivatives derivatives
"""

import sys
from pathlib import Path

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "overwrite", "dry-run")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import open_dataset
    from convergence.datasets.nsd.index import shared_positions
    from convergence.tasks import run_units

    if chosen.dataset != "nsd":
        raise ValueError(f"--dataset: {chosen.dataset!r} has no indexes to build; this script knows nsd")
    dataset = open_dataset(chosen.dataset, chosen.root)
    run_units(index_units(dataset, chosen.derivatives), title="indexes", overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    if not chosen.dry_run:
        there = dataset.trials[dataset.trials["exists"]].groupby("subject").size()
        print("trials with data: " + ", ".join(f"subject {subject} {there.get(subject, 0)}" for subject in dataset.subjects))
        equal, total = shared_positions(dataset.trials)
        print(f"shared pictures: {equal} of {total} presentations have the same trial number in every subject")


def index_units(dataset, derivatives):
    from convergence.datasets import atlas
    from convergence.datasets.nsd import files, index
    from convergence.storage.paths import derivatives_folder
    from convergence.storage.tables import file_of
    from convergence.tasks import Unit

    root, information = Path(dataset.root), Path(dataset.root) / files.STIMULUS_INFORMATION
    subjects = index.planned_subjects(index.read_stimulus_information(root))
    sessions = {subject: files.sessions_on_disk(root, subject) for subject in subjects}
    records = [path for subject in subjects if (path := root / files.behaviour_file(subject)).exists()]
    trials = {"per_session": index.trials_per_session(root, sessions), "sessions": sessions}
    return [Unit("images", dataset.work / files.IMAGES, index.image_table, {}, {"root": root}, (information,)),
            Unit("trials", dataset.work / files.TRIALS, index.trial_table, trials, {"root": root}, (information, *records)),
            Unit("masks", dataset.work / files.MASKS, index.mask_table, {"volumes": index.volumes_on_disk(root)}),
            Unit("atlas", derivatives_folder(derivatives) / file_of("hcp"), atlas.load_atlas,
                 inputs=(atlas.AREAS, atlas.REGIONS))]


if __name__ == "__main__":
    sys.exit(main())
