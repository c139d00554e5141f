"""What is in the tables of controls: categories, tokenisers, image statistics, mismatched stimuli, shares of several controls.
Data only."""

from convergence.storage.columns import IMAGE, REASON, ROI, SUBJECT, Column, Table

_CATEGORIES, _TOKENS = "4_other_alignments/3_categories.py", "4_other_alignments/4_tokenizers.py"
_STATISTICS, _ORDER = "4_other_alignments/5_image_statistics.py", "4_other_alignments/8_out_of_order.py"
_SHARES = "4_other_alignments/9_variance_partitioning.py"
_SCORES = {
    "metric": Column("category", "rsa, rho_a (RSA where many distances are tied), or another metric's name"),
    "score": Column("float32",
                    "similarity of the parcel with the vector, larger is more alike; empty where it cannot be computed")}
_WHY = {
    "n_stimuli": Column("uint32", "(ours) trials that the score is of", optional=True),
    "reason": Column("str", "(ours) why the score is empty; '' where it is not", optional=True)}
_SESSION = {"roi": ROI, "session": Column("uint8", "session, from 1"), "subject": SUBJECT}

CONTROLS = {
    "control_matrices": Table(
        "control_matrices/control_{name}.parquet", f"{_CATEGORIES}, 4_tokenizers.py, 5_image_statistics.py, or your own",
        "A vector of every image, to be taken out of an alignment with --control NAME.",
        {"<image key>": IMAGE, "<feature>": Column("any number", "one column or many: counts, 0 and 1, z-scores, coordinates")}),
    "objects_similarity": Table(
        "{dataset}/objects_cka_similarity_{hemispheres}.parquet", _CATEGORIES,
        "Every parcel against what COCO's annotators marked in the pictures, session by session.",
        {**_SESSION, "tokenizer": Column("category", "the vector: categories, supercategories, body_parts, their _binary forms, "
                                                     "..._without_person, is_person"),
         **_SCORES, **_WHY}),
    "perceptual_similarity": Table(
        "{dataset}/perceptual_similarity_{hemispheres}.parquet", _STATISTICS,
        "Every parcel against how the pictures look, session by session.",
        {**_SESSION, "perceptual": Column("category", "the image statistics, z-scored over images, joined by _; all_statistics"),
         **_SCORES, **_WHY}),
    "supplementary_tokenizers": Table(
        "{dataset}/supplementary_tokenizers_rsa_{hemispheres}.parquet", _TOKENS,
        "RSA of every parcel, responses averaged over repetitions of shared images, with RDMs of the tokens of their captions.",
        {"subject": SUBJECT,
         "session": Column("category", "\"shared\": the shared images that the subject saw"),
         "roi": ROI,
         "tokenizer": Column("category", "words, stems, words_clean, stems_clean (without stop words), or the name of a model's"),
         "metric": Column("category", "rsa (Pearson), or rho_a, spearman"),
         "jaccard_score": Column("float32", "with 1 - shared tokens / tokens of either"),
         "correlation_score": Column("float32", "with 1 - r of which tokens there are (0 or 1)"),
         "correlation_freq_score": Column("float32", "with 1 - r of how often every token is there"),
         "n_stimuli": Column("uint32", "images whose caption has a token"),
         "reason": REASON}),
    "out_of_order": Table(
        "{dataset}/out_of_order_{hemispheres}.parquet", _ORDER,
        "RSA of two sessions whose trials are paired by position, so that they share the structure of a session and no picture.",
        {"roi": ROI,
         "rsa": Column("float32", "Pearson r of the two RDMs; empty where the parcel cannot be computed"),
         "subject1": SUBJECT, "subject2": SUBJECT,
         "session1": Column("uint8", "session of subject1"), "session2": Column("uint8", "session of subject2"),
         "atlas": Column("category", "as in metadata/hcp.csv: lh.HCP_MMP1 or rh.HCP_MMP1; joined where hemispheres are"),
         "rsa_shuffled": Column("float32", "the same after one relabelling of the trials of subject1"),
         "rsa_reversed": Column("float32", "(ours) the same with the session of subject1 read backwards", optional=True),
         "draw": Column("uint16", "(ours) number of the pair of sessions, from 0", optional=True),
         "n_trials": Column("uint32", "(ours) positions at which the two show different pictures", optional=True),
         "reason": REASON}),
    "out_of_order_parcels": Table(
        "{dataset}/out_of_order_{hemispheres}_parcels.parquet", _ORDER,
        "(ours) The mean over pairs of subjects and of sessions, per parcel, against sessions read forwards or backwards at "
        "random.",
        {"roi": ROI,
         "observed": Column("float64", "mean RSA of trials at the same place; empty where it could not be computed"),
         "null_mean": Column("float64", "what drift alone gives: the mean over patterns of reversals"),
         "null_std": Column("float64", "the standard deviation over them"),
         "z": Column("float64", "(observed - null_mean) / null_std, at most the root of n_draws"),
         "pvalue": Column("float64", "two-sided, uncorrected: part of the patterns that are as far from null_mean"),
         "pvalue_fdr_bh": Column("float64", "Benjamini-Hochberg over parcels"),
         "shuffled": Column("float64", "mean RSA after relabelling of trials: what no structure at all gives"),
         "n_draws": Column("uint32", "pairs of sessions that could be computed")}),
    "variance_partitioning": Table(
        "{dataset}/variance_partitioning_{hemispheres}{more}.parquet", _SHARES,
        "(ours) How much of every parcel's RDM several control RDMs explain together, each alone and in common.",
        {"subject": SUBJECT, "roi": ROI,
         "term": Column("category", "all; the name of a control; names joined by + : what exactly these have in common"),
         "kind": Column("category",
                        "total (all together), alone (a control by itself), unique (what only it explains), shared (what "
                                    "these explain in common, which may be negative)"),
         "r_squared": Column("float64", "part of the variance over pairs of trials, 0 to 1; empty for a term that is left out"),
         "low": Column("float64", "2.5 % quantile over bootstrap samples of images; empty without bootstrap"),
         "high": Column("float64", "97.5 % quantile"),
         "weight": Column("float64", "of a control's RDM in units of standard deviations, all controls at once; empty elsewhere"),
         "variance_inflation": Column("float64", "1 / (1 - R2 of this control's RDM on the others); empty elsewhere"),
         "condition_number": Column("float64", "of the controls' RDMs, standardised: largest over smallest singular value"),
         "solver": Column("category", "ordinary, or nonnegative (weights from 0)"),
         "reason": Column("str", "why r_squared is empty; '' where it is not")}),
}
