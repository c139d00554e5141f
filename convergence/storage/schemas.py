"""What is in every table of the derivatives: file, script, columns, types, meaning. Data only; tables.py uses it.

TABLES holds them all, by name: those of stages 1 and 2 stand in schemas_inputs.py, those of alignment here, those of statistics
made of them in schemas_statistics.py. columns.py has what they are made of.
"""

from convergence.storage.columns import JOINED, LAYER, MODEL, N_PAIRS, P_VALUES, REASON, ROI, SUBJECT, Column, R, Table
from convergence.storage.schemas_controls import CONTROLS
from convergence.storage.schemas_inputs import INPUTS
from convergence.storage.schemas_metrics import METRICS
from convergence.storage.schemas_network import NETWORK
from convergence.storage.schemas_statistics import STATISTICS

_SUBJECTS, _GROUP = "3_alignment/2_subject_subject.py", "3_alignment/4_subject_group.py"
_MODELS, _BOXES = "3_alignment/3_subject_model.py", "4_other_alignments/7_object_boxes.py"
_IMAGES92 = "python -m convergence images92"
_PAIR = {
    "similarity": R, "subject_i": SUBJECT, "subject_j": SUBJECT, "join_hemispheres": JOINED,
    "rep_shift": Column("category", "repetition shift, as text (\"1\"): repetition k of subject_i meets repetition k - shift of "
                                    "subject_j, counted round"),
    "reason": REASON, "n_pairs": N_PAIRS}
_PARCELS = {
    "roi_x": Column("uint16", "parcel of subject_i", optional=True),
    "roi_y": Column("uint16", "parcel of subject_j", optional=True),
    "roi": Column("uint16", "parcel of both, in the diagonal form (its name ends in _diagonal)", optional=True)}
_CONTROL = {
    "control": Column("category", "what was taken out: uncontrolled, the name of a control, or of all at once, joined by +"),
    "distance": Column("category", "of the control's features: euclidean, pearson, or built-in; '' where there is none")}
_SESSIONS = {
    "roi": ROI, "layer": LAYER, "session": Column("uint8", "session, from 1"), "similarity": R, "subject": SUBJECT,
    "model": MODEL, "join_hemispheres": JOINED, "reason": REASON, "n_pairs": N_PAIRS}
_SHARED = {"subject": SUBJECT, "roi": ROI, "layer": LAYER, "similarity": R, "model": MODEL, "join_hemispheres": JOINED}
_WHY = {"reason": REASON, "n_pairs": N_PAIRS}
_DATASET = {"dataset": Column("category", "name of the dataset")}

TABLES = {
    **INPUTS,
    **CONTROLS,
    "rsa_subject_subject_alignment": Table(
        "{dataset}/rsa_subject_subject_alignment_{variant}.parquet", _SUBJECTS,
        "Parcel by parcel RSA of every ordered pair of subjects, the pair of a subject with itself included (within-subject "
        "reliability at shift 1). `variant` is as published: shift_1_joined, shift_1_separated, joined_0, separated_0, "
        "shift_2_joined, separated_2.",
        {"roi_x": ROI, "roi_y": ROI, **_PAIR}),
    "rsa_subject_subject_alignment_diagonal": Table(
        "{dataset}/rsa_subject_subject_alignment_{variant}_diagonal.parquet", f"{_SUBJECTS} --form diagonal",
        "The same, each parcel with itself only.", {"roi": ROI, **_PAIR}),
    "rsa_subject_subject_alignment_partitions": Table(
        "{dataset}/rsa_subject_subject_alignment_{variant}_partitions{more}.parquet",
        f"{_SUBJECTS} --partition animate inanimate",
        "The same on parts of the images, as many trials of each (with --reference: as many as there are).",
        {**_PARCELS, **_PAIR, "subset": Column("category", "the part: animate, inanimate, or <column>=<value>")}),
    "rsa_subject_subject_alignment_controled": Table(
        "{dataset}/rsa_subject_subject_alignment_controled_{variant}.parquet", f"{_SUBJECTS} --control NAME ...",
        "The same after control RDMs were taken out: partial correlation, without control, with each, and with all at once. "
        "`variant` is joined_1, ...",
        {**_PARCELS, **_PAIR, **_CONTROL}),
    "rsa_subject_group_alignment": Table(
        "{dataset}/rsa_subject_group_alignment_{hemispheres}_{shift}{more}.parquet", _GROUP,
        "RSA of every subject with the mean of all others.",
        {**_PARCELS, **_PAIR,
         "subject_j": Column("category", "\"group_without_i\": all other subjects"),
         "mean_of_r": Column("float32", "(ours) mean of the correlations with the others (similarity with --reference)",
                             optional=True),
         "r_with_mean": Column("float32", "(ours) correlation with the mean of the others' RDMs (similarity without)",
                               optional=True)}),
    "rsa_other_subject_subject_alignment": Table(
        "{family}/rsa_{dataset}_subject_subject_alignment_{hemispheres}{more}.parquet",
        f"{_SUBJECTS} --dataset things, bold5000, ...",
        "Datasets whose repetitions cannot be shifted: RSA of every ordered pair of different subjects, for the trials of each "
        "session of subject_i; the trials of subject_j that show the same repetition of the same image may come from any of its "
        "sessions.",
        {"session": Column("uint8", "session of subject_i (with --reference counted from 0 over those that there are)"),
         **_PARCELS, **{name: column for name, column in _PAIR.items() if name != "rep_shift"}, **_DATASET,
         "rep_shift": Column("category", "\"0\": unshifted (with --reference the dataset's name, as published)")}),
    "rsa_other_subject_model_alignment": Table(
        "{family}/rsa_{dataset}_subject_model_alignment_{hemispheres}{more}.parquet",
        f"{_MODELS} --dataset things, bold5000, ...",
        "RSA of every parcel with every layer of every model, session by session, in the other datasets. Layers count from 0 "
        "(with --reference from 1, as published).", {**_SESSIONS, **_DATASET}),
    "rsa_subject_model_alignment_shared": Table(
        "{dataset}/rsa_subject_model_alignment_{hemispheres}_shared{more}.parquet", f"{_MODELS} --trials shared",
        "(ours) RSA of every parcel with every layer over all trials of shared images of a subject.", {**_SHARED, **_WHY}),
    "rsa_subject_model_alignment_controled": Table(
        "{dataset}/rsa_subject_model_alignment_controled_{hemispheres}{more}.parquet", f"{_MODELS} --control NAME ...",
        "The same after control RDMs were taken out.", {**_SHARED, **_CONTROL, **_WHY}),
    "rsa_subject_model_alignment": Table(
        "{dataset}/rsa_subject_model_alignment_{hemispheres}.parquet", _MODELS,
        "RSA of every parcel with every layer of every model, session by session over all trials of the session.", _SESSIONS),
    "rsa_subject_model_alignment_untrained": Table(
        "{dataset}/rsa_subject_model_alignment_{hemispheres}_untrained.parquet", f"{_MODELS} --untrained",
        "(ours) The same with networks that have random weights, one `model` per seed.", _SESSIONS),
    "rsa_pvalues_subject_language_vision": Table(
        "{dataset}/rsa_pvalues_subject_language_vision.parquet", "3_alignment/5_p_values.py",
        "p-values per parcel (joined hemispheres) of three statistics: intersubject (mean r over ordered pairs of different "
        "subjects, shift 1), vision and language (largest |r| over layers with its sign; mean over sessions, models, subjects).",
        {"roi": ROI,
         "name": Column("str", "short name of the parcel"),
         "comparison": Column("str", "intersubject, vision or language"),
         **P_VALUES,
         "apa_star": Column("str", "stars of pvalue_fdr_bh: * < .05, ** < .01, *** < .001, **** < .0001"),
         "mne_name": Column("str", "name of the left label on the surface"),
         "pvalue_fdr_overall": Column("float64", "(ours) Benjamini-Hochberg over all comparisons of the table", optional=True),
         "pvalue_max": Column("float64", "(ours, --max-statistic) family-wise: max-T over the parcels of the comparison",
                              optional=True),
         "smallest_detectable": Column("float64", "(ours) smallest observed that would have had p <= .05, uncorrected",
                                       optional=True),
         "method": Column("str", "(ours) closed-form or sampled, what was relabelled, and `sample` where the closed form is not to "
                                 "be trusted", optional=True)}),
    **STATISTICS,
    "object_boxes": Table(
        "{dataset}/{dataset}_scenes_objects.parquet", _BOXES,
        "Objects that a detector finds in the pictures, a row per box; pictures without any have no row.",
        {"nsd_id": Column("int64", "image number; in other datasets under their own name: bold_position, things_id, ..."),
         "object_index": Column("uint16", "number of the box within its picture, from 0"),
         "label_id": Column("uint16", "number of the label in the network"),
         "label": Column("str", "what it is: person"),
         "confidence": Column("float64", "0 to 1; boxes above the threshold only"),
         "box": Column("object", "[x0, y0, x1, y1], as in the columns below"),
         "image_width": Column("uint32", "pixels"),
         "image_height": Column("uint32", "pixels"),
         "box_width": Column("float64", "pixels"),
         "box_height": Column("float64", "pixels"),
         "box_x0": Column("float64", "left edge, pixels from the left"),
         "box_y0": Column("float64", "upper edge, pixels from the top"),
         "box_x1": Column("float64", "right edge"),
         "box_y1": Column("float64", "lower edge"),
         "percent_area": Column("float64", "share of the picture, 0 to 1 (in published tables above 1 where a box leaves the "
                                           "picture)")}),
    "object_boxes_images": Table(
        "{dataset}/{dataset}_scenes_objects_images.parquet", _BOXES,
        "(ours) The same, a row per picture.",
        {"nsd_id": Column("int64", "image number, as above"),
         "n_boxes": Column("uint16", "number of boxes"),
         "largest_area": Column("float64", "percent_area of the largest; 0 without any"),
         "element_dominated": Column("bool", "some box covers more than 60 % of the picture, and there are fewer than three"),
         "status": Column("str", "ok, or failed: then the numbers say nothing"),
         "reason": Column("str", "why it failed; '' where it did not")}),
    "images92_subject_subject": Table(
        "images92/subject_subject.parquet", _IMAGES92, "RSA of human IT between people and sessions, 92 images.",
        {"subject_i": SUBJECT, "session_i": Column("uint8", "session of subject_i"),
         "subject_j": SUBJECT, "session_j": Column("uint8", "session of subject_j"), "similarity": R}),
    "images92_subject_model": Table(
        "images92/subject_model.parquet", _IMAGES92, "RSA of human IT (sessions averaged) with every layer of a network.",
        {"subject": SUBJECT, "model": Column("category", "name of the network"), "layer": LAYER,
         "layer_name": Column("str", "name of the layer in the network"), "similarity": R}),
    "images92_p_values": Table(
        "images92/p_values.parquet", _IMAGES92, "Mean RSA over people with its null (the 92 images relabelled).",
        {"comparison": Column("str", "intersubject, monkey, or the name of the network"),
         "layer": Column("int16", "layer, from 0; -1 where there is none"),
         "layer_name": Column("str", "name of the layer; '' where there is none"),
         **P_VALUES,
         "noise_ceiling_lower": Column("float64", "mean r of each person with the mean of the others"),
         "noise_ceiling_upper": Column("float64", "mean r of each person with the mean of all")}),
    **METRICS,
    **NETWORK,
}
