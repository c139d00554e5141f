"""p-values of every parcel: do subjects agree, do networks of vision and of language, more than if images meant nothing?

reads    rsa_subject_subject_alignment_shift_1_joined.parquet and rdms/ (2_subject_subject.py, 1_compute_rdms.py);
         rsa_subject_model_alignment_joined.parquet (3_subject_model.py), metadata/models-info.csv, the feature files and ROI
         matrices that it was made from; with --control or --exclude-pairs the tables that 2_subject_subject.py wrote with them
writes   <derivatives>/<dataset>/rsa_pvalues_subject_language_vision.parquet: observed statistic (r), mean and standard deviation
         of its null, p, FDR within each comparison and overall, the smallest r that could have been found; with --control
         ..._controled-NAME, with --exclude-pairs ..._without-RULE. And sampled nulls, (permutations, parcels) float32:
         permutations_aggregated_vision_amax.npy, ..._language_amax.npy, and with --null sampled or --max-statistic
         permutations_subject_subject_rsa_joined_shift_1_agg_<permutations>.npy
units    two subjects (closed form); ten parcels of all pairs (sampled); a subject's session (networks). Parts lie in
         <derivatives>/<dataset>/parts/ and what is done is skipped
time     between subjects, closed form: NSD, 28 pairs x 180 parcels of a second on a CPU core; sampled: use a GPU. With networks:
         NSD, 284 sessions of half a minute per network on a GPU (10,000 relabellings)

    python 3_alignment/5_p_values.py --dataset nsd
    python 3_alignment/5_p_values.py --comparisons intersubject --null sampled --max-statistic --permutations 2000
    python 3_alignment/5_p_values.py --control temporal_lag same_session
    python 3_alignment/5_p_values.py --exclude-pairs same-image
    python 3_alignment/5_p_values.py --exclude-pairs lag10 --null sampled

With --comparisons the table holds these only, under the same name; a later run without it computes what is missing and writes the
whole table. Excluded pairs are left out of what is observed and of every relabelling alike; the closed form knows same-image
only, all others must be sampled. --control: partial RSA of subjects, closed form of the residuals, or sampled (Freedman-Lane).

Images are relabelled, their repetitions stay together: between subjects every subject has a relabelling of its own, against
networks one relabelling of the networks' images serves all layers, networks, parcels and, where sessions have the same structure,
all subjects. Statistics, subjects, sessions, parcels and networks are those of the two tables. p-values are two-sided about the
mean of the null; they generalise over images, not over subjects. docs/statistics.md has measured error rates.

--reference: as published, single trials are relabelled, by one list of permutations for all pairs and subjects. It rejects far
more than 5 % of true nulls (docs/statistics.md). The table has the same name: keep it in a derivatives folder of its own.
"""

import sys

from convergence.cli import command, options

FEWEST = 20                     # below, no p-value can be under 0.05
REFERENCE = ("--reference: single trials are relabelled, as published. Where images are repeated this rejects far more than 5 % "
             "of true nulls at 0.05; use it to compare with the paper, not to decide. docs/statistics.md has the rates")


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "atlas", "derivatives", "features", "permutations", "seed", "device",
                     "scheduler", "jobs", "overwrite", "dry-run", "reference", "control", "distance", "exclude-pairs")
    parser.add_argument("--null", choices=("closed-form", "sampled"), default="closed-form",
                        help="of the comparison between subjects: closed-form (default; exact moments, Pearson III tails, no "
                             "sampling), or sampled; the column method tells where to sample")
    parser.add_argument("--comparisons", nargs="+", choices=("intersubject", "vision", "language"), metavar="WHAT",
                        help="only these: intersubject, vision, language (default: intersubject, and the modalities of the "
                             "networks in the table)")
    parser.add_argument("--max-statistic", action="store_true",
                        help="also family-wise p-values over the parcels of a comparison, and the layers within (max-T); samples")
    parser.add_argument("--within-sessions", action="store_true",
                        help="between subjects: images take the places of images that were shown in the same sessions only")
    chosen = parser.parse_args(arguments)
    if chosen.permutations < FEWEST:
        raise ValueError(f"--permutations: {chosen.permutations} relabellings give p-values of "
                         f"{1 / (1 + chosen.permutations):.2g} at the least; use {FEWEST} or more")

    from convergence.alignment.null_plan import Choice, plan
    from convergence.alignment.nulls import report
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.storage.tables import read_table
    from convergence.tasks import run_units

    dataset = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas)
    work = plan(dataset, derivatives_folder(chosen.derivatives), chosen.features, Choice(
        comparisons=chosen.comparisons, null=chosen.null, permutations=chosen.permutations, seed=chosen.seed,
        device=chosen.device, maximum=chosen.max_statistic, within_sessions=chosen.within_sessions,
        exclude=chosen.exclude_pairs, controls=chosen.control, distance=chosen.distance, reference=chosen.reference))
    if chosen.reference:
        print(REFERENCE)
    how = {"scheduler": chosen.scheduler, "jobs": chosen.jobs, "overwrite": chosen.overwrite, "dry_run": chosen.dry_run}
    run_units(work.pairs, title="nulls between subjects", **how)
    run_units(work.samples, title="sampled nulls between subjects", **how)
    run_units(work.sessions, title="nulls with networks", **how)
    if not chosen.dry_run:
        run_units(work.means, title="mean nulls", overwrite=chosen.overwrite)
        table, = run_units([work.table], title="p-values", overwrite=chosen.overwrite)
        print("\n".join(report(read_table(table))))


if __name__ == "__main__":
    sys.exit(main())
