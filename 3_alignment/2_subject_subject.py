"""RSA of every ordered pair of subjects, parcel by parcel: between subjects, and of a subject with itself (its reliability).

reads    <derivatives>/<dataset>/rdms/ (1_compute_rdms.py)
writes   <derivatives>/<dataset>/rsa_subject_subject_alignment_shift_1_joined.parquet; as published, the other names end in
         joined_0, shift_2_joined, shift_1_separated, separated_0, separated_2; _diagonal is appended for --form diagonal.
         Columns: derivatives/README.md
units    an ordered pair of subjects; its part lies in <derivatives>/<dataset>/parts/ and is skipped when it is done, so that a
         killed run goes on
time     NSD, 8 subjects, 180 parcels: 64 pairs of about a minute on two CPU cores, and reading 3 to 6 GB per pair; 6 GB of
         memory

    python 3_alignment/2_subject_subject.py --dataset nsd --shift 1
    python 3_alignment/2_subject_subject.py --hemispheres separated --form diagonal --subjects 1 2

With --subjects or --rois the table holds that choice only, under the same name; its sidecar (.json) lists what is in it. A later
run without them finds that the table is not the whole one, computes the pairs that are missing, and writes it; pairs of all
parcels are never lost to a choice of --rois.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "subjects", "rois", "hemispheres", "shift", "form", "device",
                     "scheduler", "jobs", "overwrite", "dry-run")
    chosen = parser.parse_args(arguments)

    from convergence.alignment.choice import check_stores, choose_parcels, choose_subjects, refuse_shift
    from convergence.alignment.parts import merge
    from convergence.alignment.subject_subject import Latest, pair_unit, table_path
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives)
    refuse_shift(dataset, chosen.shift)
    subjects, parcels = choose_subjects(dataset, chosen.subjects), choose_parcels(dataset, chosen.hemispheres, chosen.rois)
    stores = check_stores(folder, dataset.name, subjects, chosen.hemispheres, parcels)
    rois = [parcel.roi for parcel in parcels] if chosen.rois else None
    what = {"shift": chosen.shift, "form": chosen.form, "hemispheres": chosen.hemispheres}
    table, latest = table_path(folder, dataset.name, **what), Latest()
    units = [pair_unit(i, j, stores, table, rois=rois, device=chosen.device, latest=latest, **what)
             for i in subjects for j in subjects]
    parts = run_units(units, title="subject-subject", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                      dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by="3_alignment/2_subject_subject.py",
              options={**what, "subjects": subjects, "rois": rois or "all"})


if __name__ == "__main__":
    sys.exit(main())
