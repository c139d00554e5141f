"""p-values of every parcel: do subjects agree, do networks of vision and of language, more than if images meant nothing?

reads    rsa_subject_subject_alignment_shift_1_joined.parquet and rdms/ (2_subject_subject.py, 1_compute_rdms.py); rsa_subject_model_alignment_joined.parquet
         (3_subject_model.py), metadata/models-info.csv, the feature files and ROI matrices that it was made from
writes   <derivatives>/<dataset>/rsa_pvalues_subject_language_vision.parquet: observed statistic, mean and standard deviation of its null, p, FDR within
         each comparison; and the sampled nulls, (permutations, parcels): permutations_aggregated_vision_amax.npy, ..._language_amax.npy, and with --null sampled
         permutations_subject_subject_rsa_joined_shift_1_agg_<permutations>.npy
units    two subjects; a subject's session. Parts lie in <derivatives>/<dataset>/parts/ and what is done is skipped
time     between subjects, closed form: NSD, 28 pairs x 180 parcels of a second on a CPU core; sampled: use a GPU. With networks: NSD, 284 sessions of
         half a minute per network on a GPU (10,000 relabellings); a GPU's job

    python 3_alignment/5_p_values.py --dataset nsd
    python 3_alignment/5_p_values.py --comparisons intersubject --null sampled --permutations 2000

With --comparisons the table holds these only, under the same name; a later run without it computes what is missing and writes the whole table.

Images are relabelled, their repetitions stay together: between subjects every subject has a relabelling of its own, against networks one relabelling of the
networks' images serves all layers, networks, parcels and, where sessions have the same structure, all subjects. Statistics, subjects, sessions, parcels
and networks are those of the two tables. p-values are two-sided about the mean of the null; they generalise over images, not over subjects.
"""

import sys

from convergence.cli import command, options

FEWEST = 20                     # below, no p-value can be under 0.05


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "derivatives", "features", "permutations", "seed", "device", "scheduler", "jobs", "overwrite", "dry-run")
    parser.add_argument("--null", choices=("closed-form", "sampled"), default="closed-form",
                        help="of the comparison between subjects: closed-form (default; exact moments, no sampling), or sampled")
    parser.add_argument("--comparisons", nargs="+", choices=("intersubject", "vision", "language"), metavar="WHAT",
                        help="only these: intersubject, vision, language (default: intersubject, and the modalities of the networks in the table)")
    chosen = parser.parse_args(arguments)
    if chosen.permutations < FEWEST:
        raise ValueError(f"--permutations: {chosen.permutations} relabellings give p-values of {1 / (1 + chosen.permutations):.2g} at the least; use {FEWEST} or more")

    from convergence.alignment.null_plan import plan
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas)
    work = plan(dataset, derivatives_folder(chosen.derivatives), chosen.features, comparisons=chosen.comparisons, null=chosen.null,
                permutations=chosen.permutations, seed=chosen.seed, device=chosen.device)
    how = {"scheduler": chosen.scheduler, "jobs": chosen.jobs, "overwrite": chosen.overwrite, "dry_run": chosen.dry_run}
    run_units(work.pairs, title="nulls between subjects", **how)
    run_units(work.sessions, title="nulls with networks", **how)
    if not chosen.dry_run:
        run_units(work.means, title="mean nulls", overwrite=chosen.overwrite)
        run_units([work.table], title="p-values", overwrite=chosen.overwrite)


if __name__ == "__main__":
    sys.exit(main())
