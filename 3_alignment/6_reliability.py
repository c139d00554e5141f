"""How reliable is every parcel? Noise ceilings, agreement of repetitions, random subsets of the images, ratios.

reads    <derivatives>/<dataset>/rdms/ (1_compute_rdms.py), rsa_subject_subject_alignment_shift_1_joined.parquet
         (2_subject_subject.py; _diagonal is enough, but for the network)
writes   <derivatives>/<dataset>/reliability.parquet (a row per parcel), reliability_subjects.parquet (per subject and parcel),
         reliability_subsets.parquet (per subset and pair), reliability_connectivity.parquet (r of two parcels beside r / sqrt of
         their reliabilities); reliability_models.parquet (the same of networks), where there is
         rsa_subject_model_alignment_joined_shared.parquet (3_subject_model.py --trials shared). Units: correlations
units    a subject; an ordered pair of subjects. Parts lie in <derivatives>/<dataset>/parts/ and what is done is skipped
time     NSD, 8 subjects, 180 parcels: 8 units of five minutes, and 56 units of about two minutes for 1,000 subsets, on two CPU
         cores; 8 GB of memory

    python 3_alignment/6_reliability.py --dataset nsd
    python 3_alignment/6_reliability.py --draws 0 --least 0.02

intersubject_ratio is the mean over pairs of r / sqrt(reliability of i x reliability of j), the reliability of a subject being its
r with itself one repetition apart. It is a column beside the raw r, neither squared nor cut off at 1, and empty where a
reliability is below --least; the column `reason` says so. Means of r go by Fisher's z; --reference: arithmetic, as published.
Subsets: 500 images as published, half of them where there are fewer than 1,000. Joined hemispheres. Datasets whose repetitions
cannot be shifted have no such table.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "derivatives", "subjects", "rois", "seed", "device", "scheduler",
                     "jobs", "overwrite", "dry-run", "reference")
    parser.add_argument("--draws", type=int, default=1000, metavar="N", help="random subsets of the images (default: 1,000, as "
                                                                             "published; 0: none)")
    parser.add_argument("--subset-images", type=int, metavar="N", help="images of a subset (default: 500, or half of the shared "
                                                                       "images)")
    parser.add_argument("--least", type=float, default=0.05, metavar="R", help="reliability below which there is no ratio "
                                                                               "(default: 0.05)")
    chosen = parser.parse_args(arguments)
    if not 0 < chosen.least < 1:
        raise ValueError(f"--least: {chosen.least:g} is no reliability that a ratio can be taken to; expected a number above 0 "
                         "and below 1")
    if chosen.draws < 0 or chosen.draws == 1:
        raise ValueError(f"--draws: {chosen.draws} subsets have no spread; expected 2 or more, or 0 for none")

    import pandas

    from convergence.alignment import reliability, shared_model
    from convergence.alignment.choice import check_stores, choose_parcels, choose_subjects, refuse_shift
    from convergence.alignment.subject_subject import table_path
    from convergence.datasets import open_dataset
    from convergence.storage.outputs import Record, save
    from convergence.storage.paths import derivatives_folder
    from convergence.storage.tables import concatenate, read_table
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas), derivatives_folder(chosen.derivatives)
    refuse_shift(dataset, reliability.SHIFT)
    subjects = choose_subjects(dataset, chosen.subjects)
    if len(subjects) < 2:
        raise ValueError(f"subjects: {subjects[0]} is alone; a noise ceiling needs at least one other subject")
    parcels = choose_parcels(dataset, "joined", chosen.rois)
    stores = check_stores(folder, dataset.name, subjects, "joined", parcels)
    rois = [parcel.roi for parcel in parcels]
    where = {name: reliability.table_path(folder, dataset.name, name) for name in reliability.TABLES}
    pairs = table_path(folder, dataset.name, shift=reliability.SHIFT)
    diagonal = table_path(folder, dataset.name, shift=reliability.SHIFT, form="diagonal")
    pairs = diagonal if diagonal.exists() and not pairs.exists() else pairs
    table = read_table(pairs)                                           # a clear error before the hours of work
    table = table[table["subject_i"].isin(subjects) & table["subject_j"].isin(subjects)]
    how = {"scheduler": chosen.scheduler, "jobs": chosen.jobs, "overwrite": chosen.overwrite, "dry_run": chosen.dry_run}
    what = {"rois": rois, "whole": not chosen.rois, "device": chosen.device}
    ceilings = run_units(reliability.ceiling_units(stores, where[reliability.CEILINGS], **what), title="noise ceilings", **how)
    units = [] if not chosen.draws else reliability.subset_units(
        stores, where[reliability.SUBSETS], draws=chosen.draws, size=chosen.subset_images, seed=chosen.seed, **what)
    subsets = run_units(units, title="subsets of images", **how)
    if chosen.dry_run:
        return
    stated = {"subjects": subjects, "rois": rois if chosen.rois else "all", "least": chosen.least, "draws": chosen.draws,
              "reference": chosen.reference}
    if subsets:
        concatenate(subsets, where[reliability.SUBSETS], Record("3_alignment/6_reliability.py", tuple(subsets), stated))
    tables = reliability.reliability_tables(table, pandas.concat(map(read_table, ceilings)),
                                            {parcel.roi: parcel.name for parcel in parcels}, subsets,
                                            least=chosen.least, reference=chosen.reference)
    read = [pairs, *ceilings, *subsets]
    layers = shared_model.table_path(folder, dataset.name)
    if layers.exists():
        read.append(layers)
        of_subject = tables[reliability.CEILINGS]
        tables[reliability.MODELS] = reliability.model_ratios(read_table(layers), of_subject, least=chosen.least)
    for name, found in tables.items():
        save(found, where[name], Record("3_alignment/6_reliability.py", tuple(read), stated))
        print(f"{where[name].name}: {len(found):,} rows")


if __name__ == "__main__":
    sys.exit(main())
