"""What is in the tables of other metrics than RSA, of untrained networks, and of networks with networks. Data only; part of
schemas.py.
"""

from convergence.storage.columns import JOINED, LAYER, MODEL, REASON, ROI, SUBJECT, Column, Table

_OTHER = "4_other_alignments/1_other_metrics.py"
_SCORE = {
    "metric": Column("category", "name of the metric"),
    "score": Column("float32", "the metric (its docstring tells the range); empty where it cannot be computed")}
_CALIBRATED = {
    "null_mean": Column("float32", "(ours) mean score after relabelling the images", optional=True),
    "calibrated": Column("float32", "(ours) (score - null_mean) / (1 - null_mean): 0 on average where nothing is shared",
                         optional=True)}
_BEST = {
    "best_calibrated": Column("float32", "(ours) the best layer of the network against the best layer under each relabelling, "
                                         "calibrated; the same for all its layers", optional=True),
    "best_pvalue": Column("float32", "(ours) its p-value, one-sided; the same for all its layers", optional=True)}
_SESSION = Column("uint8", "session, from 1")
_STEM, _ALL = "stem of the feature file", "layer, from 0; -1: all layers side by side"

METRICS = {
    "other_metric_subject_subject": Table(
        "{dataset}/{metric}_subject_subject_alignment_{variant}{more}.parquet", _OTHER,
        "Every ordered pair of subjects by another metric, of single trials. `cka_` is unbiased CKA, as published; `biased_cka_` "
        "and `measured_rsa_` are the metrics cka and rsa.",
        {**_SCORE, "subject_i": SUBJECT, "subject_j": SUBJECT,
         "roi_x": Column("uint16", "parcel of subject_i", optional=True),
         "roi_y": Column("uint16", "parcel of subject_j", optional=True),
         "roi": Column("uint16", "parcel of both, in the diagonal form (its name ends in _diagonal)", optional=True),
         "shift": Column("uint8", "repetition k of subject_i meets repetition (k - shift) mod 3 of subject_j"),
         "join_hemispheres": JOINED, **_CALIBRATED, "reason": REASON}),
    "other_metric_subject_model": Table(
        "{dataset}/{metric}_subject_model_alignment_{hemispheres}{more}.parquet", f"{_OTHER} --compare models",
        "Every parcel with every layer of every network by another metric, session by session.",
        {"layer": LAYER, **_SCORE, "subject": SUBJECT, "roi": ROI, "session": _SESSION, "model_name": Column("category", _STEM),
         "join_hemispheres": JOINED, **_CALIBRATED, **_BEST, "reason": REASON}),
    "untrained_models_similarity": Table(
        "{dataset}/{metric}_untrained_models_similarity{more}.parquet", "4_other_alignments/6_untrained_models.py",
        "Every parcel with every layer of networks that have random weights, session by session; `cka_` is unbiased CKA.",
        {"layer": LAYER, **_SCORE, "n_stim": Column("uint32", "trials of the session"), "roi": ROI, "subject": SUBJECT,
         "session": _SESSION, "model": MODEL, "modality": Column("category", "vision or language"), **_CALIBRATED, **_BEST,
         "reason": REASON}),
    "alignment_model_model": Table(
        "{dataset}/alignment_model_model_{images}{more}.parquet", "4_other_alignments/2_model_model.py",
        "Every layer of one network with every layer of another, in blocks of images. `{images}` is coco for NSD, else the "
        "dataset; other modalities than language with vision are told at the name's end, and their columns end in x and y.",
        {**{name: Column("category", _STEM, optional=True) for name in ("model_language", "model_vision", "model_x", "model_y")},
         **{name: Column("int16", _ALL, optional=True) for name in ("layer_language", "layer_vision", "layer_x", "layer_y")},
         "batch": Column("uint16", "block of images, from 0"), **_SCORE,
         "n_images": Column("uint32", "(ours) images of the block", optional=True), "reason": REASON}),
}
