"""How much of every parcel's RDM several control RDMs explain together, each alone, only each, and what they have in common.

reads    <derivatives>/<dataset>/rdms/ (3_alignment/1_compute_rdms.py), and <derivatives>/control_matrices/control_NAME.parquet
         (3_categories.py, 5_image_statistics.py, or your own: the image number and columns of features)
writes   <derivatives>/<dataset>/variance_partitioning_joined.parquet (_separated; _nonnegative is appended with that solver),
         with intervals over images, variance inflation and condition number. Columns: derivatives/README.md
units    a subject; what is done is skipped, so that a killed run goes on
time     NSD, 180 parcels, 3 controls, 200 bootstrap samples: 30 minutes a subject on two CPU cores, a minute without; 3 GB of
         memory

    python 4_other_alignments/9_variance_partitioning.py --control is_person luminance temporal_lag
    python 4_other_alignments/9_variance_partitioning.py --control categories all_statistics --solver nonnegative --bootstrap 0

At most 8 controls, in the order of preference. Built in are same_image, same_session, temporal_lag and repetition_difference;
with same_image, what trials of one image have in common is not credited to the image's content. A control that is constant, or
a combination of those before it, is left out by name, and the rest stands.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "subjects", "rois", "hemispheres", "seed", "scheduler", "jobs",
                     "overwrite", "dry-run", "pilot", "control", "distance")
    parser.add_argument("--solver", choices=("ordinary", "nonnegative"), default="ordinary",
                        help="least squares: ordinary (default), or with weights from 0")
    parser.add_argument("--bootstrap", type=int, default=200, metavar="N",
                        help="samples of images for the intervals (default: 200)")
    chosen = parser.parse_args(arguments)
    names = list(dict.fromkeys(chosen.control))

    from convergence.alignment.choice import check_stores, choose_parcels, choose_subjects, pilot, say_cost
    from convergence.alignment.controls import read_controls
    from convergence.alignment.parts import merge
    from convergence.alignment.variance_shares import left_out, subject_unit, table_path
    from convergence.analysis.variance_partitioning import MOST
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    if not names:
        raise ValueError("--control: give at least one control RDM, in the order of preference")
    if len(names) > MOST:
        raise ValueError(f"--control: {len(names)} controls; at most {MOST}, as every subset of them is fitted")
    dataset, folder = open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives)
    subjects, output = choose_subjects(dataset, chosen.subjects), folder
    read_controls(folder, dataset, names, distance=chosen.distance)
    if chosen.pilot:
        output, chosen.rois = pilot(folder, dataset, chosen.hemispheres, chosen.rois)
        subjects = subjects[:1]
    parcels = choose_parcels(dataset, chosen.hemispheres, chosen.rois)
    rois = [parcel.roi for parcel in parcels] if chosen.rois else None
    stores = check_stores(folder, dataset.name, subjects, chosen.hemispheres, parcels)
    table = table_path(output, dataset.name, hemispheres=chosen.hemispheres, solver=chosen.solver)
    units = [subject_unit(stores, subject, dataset, folder, names, table, rois=rois, distance=chosen.distance,
                          solver=chosen.solver, n_bootstrap=chosen.bootstrap, seed=chosen.seed) for subject in subjects]
    if chosen.dry_run:
        n = max(int(dataset.trials.query("subject == @subject and shared and exists").shape[0]) for subject in subjects)
        say_cost(units, flops=n * n * len(names) * (len(parcels) + len(names)) * (1 + chosen.bootstrap),
                 memory=12 * n * n * min(len(parcels), 30), disk=60 * len(parcels) * 2 ** len(names))
    parts = run_units(units, title="variance partitioning", scheduler=chosen.scheduler, jobs=chosen.jobs,
                      overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by="4_other_alignments/9_variance_partitioning.py",
              options={"hemispheres": chosen.hemispheres, "subjects": subjects, "rois": rois or "all", "controls": names,
                       "solver": chosen.solver, "bootstrap": chosen.bootstrap, "seed": chosen.seed})
        for line in left_out(table):
            print(line)
        print(table)


if __name__ == "__main__":
    sys.exit(main())
