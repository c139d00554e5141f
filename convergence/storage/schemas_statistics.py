"""Tables of reliability, comparison of models and contrasts between hubs; schemas.py has them among all others."""

from convergence.storage.columns import LAYER, MODEL, REASON, ROI, SUBJECT, Column, R, Table

_RELIABILITY, _COMPARISON = "3_alignment/6_reliability.py", "3_alignment/7_compare_models.py"
_CONTRASTS = "3_alignment/8_hub_contrasts.py"
_NAME = Column("str", "short name of the parcel")
_CEILINGS = {
    "ceiling_lower": Column("float64", "lower noise ceiling: r of a subject's RDM with the sum of the others' z-scored RDMs"),
    "ceiling_upper": Column("float64", "upper noise ceiling: r with the sum of all, the subject's own included"),
    "within_subject": Column("float64", "reliability of an RDM of single trials: r with itself one repetition apart"),
    "split_half": Column("float64", "reliability of an RDM of one repetition of the images: mean r with those of the others"),
    "split_half_corrected": Column("float64", "that of all repetitions together (Spearman-Brown)"),
    "intersubject": Column("float64", "mean r with the other subjects, shift 1"),
    "intersubject_ratio": Column("float64", "mean of r / sqrt(within_subject of one x within_subject of the other), over the "
                                            "pairs "
                                            "where both are reliable; neither squared nor cut off at 1; empty where there are "
                                            "none")}
_WHY = Column("str", "why something is empty; '' where nothing is")
_TEST = {
    "difference": Column("float64", "the estimate, in units of r"),
    "standard_error": Column("float64", "of the difference"),
    "low": Column("float64", "lower end of its 95 % interval"),
    "high": Column("float64", "upper end of its 95 % interval"),
    "t": Column("float64", "difference / standard_error"),
    "dof": Column("float64", "degrees of freedom"),
    "p": Column("float64", "two-sided, uncorrected")}

STATISTICS = {
    "reliability": Table(
        "{dataset}/reliability.parquet", _RELIABILITY,
        "(ours) How reliable a parcel is (joined hemispheres): means over subjects, by Fisher's z (with --reference arithmetic).",
        {"roi": ROI, "name": _NAME, "n_subjects": Column("uint8", "subjects in which the parcel could be computed"), **_CEILINGS,
         "n_ratios": Column("uint16", "ordered pairs of subjects that intersubject_ratio is a mean of"),
         "subset_mean": Column("float64", "of the mean r over pairs of subjects, over random subsets of the images"),
         "subset_sd": Column("float64", "its standard deviation over the subsets"),
         "relative_error": Column("float64", "subset_sd / subset_mean"),
         "snr": Column("float64", "subset_mean^2 / (subset_mean^2 + subset_sd^2)"),
         "reason": _WHY}),
    "reliability_subjects": Table(
        "{dataset}/reliability_subjects.parquet", _RELIABILITY, "(ours) The same of every subject.",
        {"subject": SUBJECT, "roi": ROI, **_CEILINGS, "reason": _WHY}),
    "reliability_subsets": Table(
        "{dataset}/reliability_subsets.parquet", _RELIABILITY,
        "r of every ordered pair of subjects on random subsets of the shared images, the same subsets for all pairs.",
        {"roi": ROI, "subset": Column("uint32", "number of the subset, from 0"),
         "subset_size": Column("uint32", "trials of its images that the pair has in common"),
         "similarity": Column("float32", "RSA of these trials, shift 1"), "subject_i": SUBJECT, "subject_j": SUBJECT}),
    "reliability_connectivity": Table(
        "{dataset}/reliability_connectivity.parquet", _RELIABILITY,
        "(ours) Connectivity within subjects, raw and disattenuated.",
        {"roi_x": ROI, "roi_y": ROI, "similarity": Column("float64", "mean r of the two parcels, both directions"),
         "ratio": Column("float64", "similarity / sqrt(reliability of roi_x x reliability of roi_y); not cut off at 1"),
         "reason": Column("str", "why ratio is empty; '' where it is not")}),
    "reliability_models": Table(
        "{dataset}/reliability_models.parquet", _RELIABILITY,
        "(ours) RSA of every parcel with every layer over all trials of shared images, beside its ratio to the reliability. Only "
        "where 3_subject_model.py --trials shared was run.",
        {"subject": SUBJECT, "roi": ROI, "model": MODEL, "layer": LAYER, "similarity": R,
         "within_subject": _CEILINGS["within_subject"],
         "ratio": Column("float64", "similarity / sqrt(within_subject); neither squared nor cut off at 1"),
         "reason": Column("str", "why ratio is empty; '' where it is not")}),
    "model_comparisons": Table(
        "{dataset}/model_comparisons{more}.parquet", _COMPARISON,
        "(ours) Every model (or layer) against 0, against every other, and against the lower noise ceiling, parcel by parcel: "
        "image-wise RDMs of the shared images, two-factor bootstrap over subjects and images.",
        {"roi": ROI, "name": _NAME,
         "test": Column("category", "zero, difference (against another model) or ceiling (against the lower noise ceiling)"),
         "model": Column("str", "model, with its layer: name@layer"),
         "other": Column("str", "what it is compared with; '' for zero"),
         "similarity": Column("float64", "mean r of the model over subjects"),
         "other_similarity": Column("float64", "the same of `other`; 0 for zero"), **_TEST,
         "p_fdr": Column("float64", "Benjamini-Hochberg over all rows of one test"),
         "ceiling_lower": Column("float64", "lower noise ceiling of these RDMs"),
         "ceiling_upper": Column("float64", "upper noise ceiling of these RDMs")}),
    "hub_contrasts": Table(
        "{dataset}/hub_contrasts.parquet", _CONTRASTS,
        "(ours) Differences within hubs of parcels, tested over subjects.",
        {"contrast": Column("category", "vision - language, lh - rh or animate - inanimate"),
         "measure": Column("category", "of what: intersubject, vision, language, models"),
         "hub": Column("str", "hub, or name of one of its parcels"),
         "first": Column("float64", "mean of the first"), "second": Column("float64", "mean of the second"), **_TEST,
         "p_corrected": Column("float64", "over the rows of one contrast; how, says `correction`"),
         "correction": Column("str", "FDR (Benjamini-Hochberg) or Bonferroni, and over how many"),
         "n_subjects": Column("uint8", "subjects"),
         "method": Column("str", "the test, in words"), "reason": REASON}),
}
