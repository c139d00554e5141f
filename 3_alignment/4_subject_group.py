"""RSA of every subject with the group of all other subjects, parcel by parcel.

reads    <derivatives>/<dataset>/rdms/ (1_compute_rdms.py)
writes   <derivatives>/<dataset>/rsa_subject_group_alignment_joined_1.parquet (joined_0, joined_2, separated_1, ...). The column
         r_with_mean is the correlation with the mean of the others' RDMs, mean_of_r the mean of the correlations with each;
         `similarity` is the first, with --reference the second, as published. Columns: derivatives/README.md
units    a subject; its part lies in <derivatives>/<dataset>/parts/ and is skipped when it is done
time     NSD, 8 subjects, 180 parcels: 8 units of five minutes on two CPU cores, and reading 26 GB each; 8 GB of memory

    python 3_alignment/4_subject_group.py --dataset nsd --shift 1
    python 3_alignment/4_subject_group.py --shift 0 --reference

Trials of a subject count that have a partner, at the shift, in all others: with a subject of few sessions they are few. The group
of a choice of --subjects is that choice.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "derivatives", "subjects", "rois", "hemispheres", "shift", "form",
                     "device", "scheduler", "jobs", "overwrite", "dry-run", "pilot", "reference")
    chosen = parser.parse_args(arguments)

    from convergence.alignment.choice import check_stores, choose_parcels, choose_subjects, pilot, refuse_shift, say_cost
    from convergence.alignment.parts import merge
    from convergence.alignment.subject_group import group_unit, table_path
    from convergence.alignment.trials import shared_trials
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas)
    folder = derivatives_folder(chosen.derivatives)
    refuse_shift(dataset, chosen.shift)
    subjects = choose_subjects(dataset, chosen.subjects)
    if len(subjects) < 2:
        raise ValueError(f"subjects: {', '.join(map(str, subjects))} is alone; a group needs at least one other subject")
    if chosen.pilot:
        folder, chosen.rois = pilot(folder, dataset, chosen.hemispheres, chosen.rois)
    parcels = choose_parcels(dataset, chosen.hemispheres, chosen.rois)
    stores = check_stores(folder, dataset.name, subjects, chosen.hemispheres, parcels)
    rois = [parcel.roi for parcel in parcels] if chosen.rois else None
    what = {"shift": chosen.shift, "form": chosen.form, "hemispheres": chosen.hemispheres}
    table = table_path(folder, dataset.name, **what)
    units = [group_unit(subject, stores, table, rois=rois, device=chosen.device, reference=chosen.reference, **what)
             for subject in subjects[:1 if chosen.pilot else None]]
    if chosen.dry_run:
        n, n_rois = max(len(shared_trials(dataset.trials, subject)) for subject in subjects), len(parcels)
        say_cost(units, flops=n * n * n_rois * (n_rois + 10 * len(subjects)), memory=2 * n * n * (n_rois + 5 * min(n_rois, 30)),
                 disk=14 * n_rois ** 2)
    parts = run_units(units, title="subject-group", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                      dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by="3_alignment/4_subject_group.py",
              options={**what, "subjects": subjects, "rois": rois or "all", **({"reference": True} if chosen.reference else {})})


if __name__ == "__main__":
    sys.exit(main())
