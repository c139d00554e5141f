"""Which network is more like each parcel, and is it as good as a model can be? For other people and other pictures.

reads    <derivatives>/<dataset>/rdms/ (1_compute_rdms.py), rsa_subject_model_alignment_joined.parquet (3_subject_model.py; it
         chooses the layers), feature files
writes   <derivatives>/<dataset>/model_comparisons.parquet: every network against 0, every two networks, every network against the
         lower noise ceiling, with standard error, interval, t, p and FDR, in units of r; with --layers-of NETWORK
         model_comparisons_layers_<NETWORK>.parquet
units    a parcel. Parts lie in <derivatives>/<dataset>/parts/ and what is done is skipped
time     NSD, 8 subjects, 31 networks, 1,000 samples: 180 parcels of some ten seconds on a CPU core

    python 3_alignment/7_compare_models.py --dataset nsd --models dinov2 clip
    python 3_alignment/7_compare_models.py --layers-of vit_base --rois V1 MST

RDMs are image-wise over the shared images that all subjects saw. Uncertainty is that of a bootstrap over subjects and images at
once (Schuett et al. 2023); p-values are two-sided, from Student's t. Means over subjects go by Fisher's z; --reference:
arithmetic.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "derivatives", "features", "subjects", "rois", "models", "seed",
                     "device", "scheduler", "jobs", "overwrite", "dry-run", "reference")
    parser.add_argument("--layers-of", metavar="NETWORK", help="compare the layers of this network with each other, instead of "
                                                               "networks")
    parser.add_argument("--bootstrap", type=int, default=1000, metavar="N",
                        help="samples of subjects and images (default: 1,000)")
    chosen = parser.parse_args(arguments)
    if chosen.bootstrap < 20:
        raise ValueError(f"--bootstrap: {chosen.bootstrap} samples give no standard error worth reporting; use 20 or more")
    if chosen.layers_of and chosen.models:
        raise ValueError("--models and --layers-of: give one of them; layers are compared within one network")

    from convergence.alignment import model_comparison, subject_model
    from convergence.alignment.choice import check_stores, choose_parcels, choose_subjects
    from convergence.datasets import open_dataset
    from convergence.storage.outputs import Record, save
    from convergence.storage.paths import derivatives_folder, features_folder
    from convergence.storage.tables import read_table
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas), derivatives_folder(chosen.derivatives)
    subjects, parcels = choose_subjects(dataset, chosen.subjects), choose_parcels(dataset, "joined", chosen.rois)
    stores = check_stores(folder, dataset.name, subjects, "joined", parcels)
    networks = [chosen.layers_of] if chosen.layers_of else chosen.models
    files = subject_model.choose_features(features_folder(chosen.features), dataset.name, networks)
    subject_model.check_images(files, dataset.name, model_comparison.common_images(stores))
    rois, names = [parcel.roi for parcel in parcels], {parcel.roi: parcel.name for parcel in parcels}
    read = subject_model.table_path(folder, dataset.name)
    candidates = model_comparison.candidates(read_table(read, ["roi", "model", "layer", "similarity"]), rois, files,
                                             layers=bool(chosen.layers_of))
    table = model_comparison.table_path(folder, dataset.name, "".join(f"_layers_{name}" for name in files if chosen.layers_of))
    units = model_comparison.comparison_units(stores, files, table, candidates, rois=list(candidates),
                                              n_bootstrap=chosen.bootstrap, seed=chosen.seed,
                                              dataset=dataset.name, reference=chosen.reference, device=chosen.device)
    parts = run_units(units, title="comparison of models", scheduler=chosen.scheduler, jobs=chosen.jobs,
                      overwrite=chosen.overwrite, dry_run=chosen.dry_run)
    if not chosen.dry_run:
        found = model_comparison.comparison_table(parts, names)
        stated = {"subjects": subjects, "rois": rois if chosen.rois else "all", "models": list(files),
                  "bootstrap": chosen.bootstrap, "seed": chosen.seed, "reference": chosen.reference}
        save(found, table, Record("3_alignment/7_compare_models.py", (read, *parts), stated))
        print(f"{table.name}: {len(found):,} rows", *model_comparison.summary(found),
              *model_comparison.not_compared(found, names), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
