"""Find the dimensions on which subjects' responses to the shared images agree, in every hub and in each of its parcels (KMCCA).

reads    ROI matrices (1_dataset_preparation/4_extract_roi_betas.py); if they are there: COCO's objects and captions
         (3_build_coco_tables.py), and captions/<dataset>-content-<model>.csv (2_caption_images.py)
writes   below <derivatives>/<dataset>/
             kmcca_projections.parquet          where every image lies on every dimension, and what it shows
             kmcca_dimensions.parquet           agreement of subjects on held-out images, p-values, shared variance
             kmcca_top_words_dimension.parquet  words of the captions at the ends of the hubs' dimensions
         below <derivatives>/control_matrices/, for --control of stage 3
             control_<hub>_cca_<k>.parquet                  the coordinates
             control_<hub>_cca_<k>_leave-pair-out.parquet   the same, found without the subjects that are compared
units    a subject (Gram matrices of its images, parcel by parcel); a region (cross-validation, test, refits)
time     NSD (an estimate): 8 subjects of about 10 minutes, bound by reading 16 parcels' matrices; 19 regions of 10 to 30 minutes
         on two CPU cores (--device cuda has the same code); 2 GB of memory

    python 2_model_extraction/4_fit_kmcca.py --root /data/nsd
    python 2_model_extraction/4_fit_kmcca.py --root /data/nsd --dimensions 4 --permutations 10000 --device cuda

Hubs are named visual_cortex, ventral_hub and dorsal_hub in these tables. Responses are z-scored by voxel within sessions and
averaged over repetitions; images that a subject did not see are left out of its part alone. Images of persons lie at the positive
end.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "derivatives", "subjects", "permutations", "seed", "device",
                     "scheduler", "jobs", "overwrite", "dry-run")
    parser.set_defaults(permutations=1_000)
    parser.add_argument("--dimensions", type=int, choices=range(2, 11), default=10, metavar="K",
                        help="how many, 2 to 10 (default: 10)")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="parts of the images, each held out once (default: 5)")
    parser.add_argument("--least-images", type=int, default=10, metavar="N",
                        help="words in fewer images are left out (default: 10)")
    chosen = parser.parse_args(arguments)

    from convergence.alignment.choice import check_responses, choose_subjects
    from convergence.alignment.image_content import caption_source, content_source
    from convergence.alignment.shared_dimensions import fit_unit, gram_unit, regions_of, table_units
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas), derivatives_folder(chosen.derivatives)
    subjects, regions = choose_subjects(dataset, chosen.subjects), regions_of(dataset)
    if len(subjects) < 2:
        raise ValueError(f"subjects: {', '.join(map(str, subjects))} is alone; shared dimensions need at least two")
    check_responses(dataset, subjects)
    how = {"scheduler": chosen.scheduler, "jobs": chosen.jobs, "overwrite": chosen.overwrite, "dry_run": chosen.dry_run}
    grams = run_units([gram_unit(dataset, subject, regions, folder) for subject in subjects], title="images", **how)
    if chosen.dry_run:
        print(f"KMCCA: then {len(regions)} regions: {', '.join(region.key for region in regions)}")
        return
    fits = [fit_unit(region, dict(zip(subjects, grams)), folder, dataset.name, n_components=chosen.dimensions,
                     n_folds=chosen.folds, n_permutations=chosen.permutations, seed=chosen.seed, device=chosen.device)
            for region in regions]
    fits = run_units(fits, title="KMCCA", **how)
    content, notes = content_source(dataset, folder)
    captions, lacking = caption_source(dataset)
    for note in [*notes, *([f"no table of words: {lacking}"] if lacking else [])]:
        print(f"note: {note}")
    tables = table_units(dataset, regions, fits, folder, content=content, captions=captions,
                         least_images=chosen.least_images)
    run_units(tables, title="tables", overwrite=chosen.overwrite)


if __name__ == "__main__":
    sys.exit(main())
