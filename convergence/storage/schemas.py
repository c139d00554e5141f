"""What is in every table of the derivatives: file, script, columns, types, meaning. Data only; tables.py uses it."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Column:
    dtype: str
    meaning: str
    optional: bool = False


@dataclass(frozen=True)
class Table:
    file: str                   # below derivatives/, with {placeholders}
    script: str
    description: str
    columns: dict

    def matches(self, path):
        """Whether `path` (absolute, or below derivatives/) is a file of this table."""
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.file))
        return re.search(f"(^|/){pattern}$", Path(path).as_posix()) is not None


_SUBJECT = Column("uint8", "subject number of the dataset, from 1")
_ROI = Column("uint16", "parcel: 1-180 left or joined, 181-360 right (HCP-MMP1)")
_JOINED = Column("bool", "true: left and right voxels of a parcel together")
_R = Column("float32", "RSA: Pearson r of two condensed RDMs; empty where the parcel cannot be computed")
_REASON = Column("str", "(ours) why similarity is empty; '' where it is not", optional=True)
_PAIR = {"similarity": _R, "subject_i": _SUBJECT, "subject_j": _SUBJECT, "join_hemispheres": _JOINED,
         "rep_shift": Column("category", "repetition shift, as text (\"1\"): repetition k of subject_i meets repetition (k - shift) mod 3 of subject_j"),
         "reason": _REASON}
_MODEL = {"roi": _ROI, "layer": Column("uint16", "layer of the model, from 0"), "session": Column("uint8", "session, from 1"), "similarity": _R,
          "subject": _SUBJECT, "model": Column("category", "stem of the feature file"), "join_hemispheres": _JOINED, "reason": _REASON}
_P_VALUES = {
    "observed": Column("float64", "the statistic"), "null_mean": Column("float64", "its mean under relabelling of the images"),
    "null_std": Column("float64", "its standard deviation under relabelling of the images"),
    "pvalue": Column("float64", "two-sided, uncorrected"), "pvalue_fdr_bh": Column("float64", "Benjamini-Hochberg, within the comparison")}

TABLES = {
    "hcp": Table(
        "metadata/hcp.csv", "1_dataset_preparation/2_build_indexes.py", "The atlas: HCP-MMP1, 360 parcels.",
        {"roi": _ROI, "name": Column("str", "short name, the same in both hemispheres: V1"), "description": Column("str", "the area in words"),
         "full_name": Column("str", "hemisphere, area in words and short name"), "atlas": Column("str", "lh.HCP_MMP1 or rh.HCP_MMP1"),
         "hemisphere": Column("str", "lh or rh"), "mne_name": Column("str", "name of the label on the surface: L_V1_ROI-lh"),
         "area": Column("str", "one of 22 regions: Primary Visual"), "area_id": Column("uint8", "number of the region"),
         "area_color": Column("str", "colour of the region, #rrggbb"), "roi_order": Column("uint16", "order of display within a hemisphere"),
         "hub": Column("str", "(ours) EVC, Ventral, LOTC or ''")}),
    "models_info": Table(
        "metadata/models-info.csv", "2_model_extraction/1_extract_vision_features.py, 3_extract_language_features.py",
        "The networks, read off their feature files.",
        {"model_name": Column("str", "stem of the feature file"), "modality": Column("str", "vision or language"), "family": Column("str", "e.g. vit, llama"),
         "model": Column("str", "name of the network"), "num_layers": Column("uint16", "number of layers in the file"),
         "inner_dim": Column("uint32", "width of the widest layer"), "num_parameters": Column("int64", "(ours) number of parameters"),
         "untrained": Column("bool", "(ours) random weights"), "seed": Column("int64", "(ours) of the random weights; -1 if trained"),
         "layer_names": Column("str", "(ours) names of the layers, joined by ';'")}),
    "rsa_subject_subject_alignment": Table(
        "{dataset}/rsa_subject_subject_alignment_{variant}.parquet", "3_alignment/2_subject_subject.py",
        "Parcel by parcel RSA of every ordered pair of subjects, the pair of a subject with itself included (within-subject reliability at shift 1). "
        "`variant` is as published: shift_1_joined, shift_1_separated, joined_0, separated_0, shift_2_joined, separated_2.",
        {"roi_x": _ROI, "roi_y": _ROI, **_PAIR}),
    "rsa_subject_subject_alignment_diagonal": Table(
        "{dataset}/rsa_subject_subject_alignment_{variant}_diagonal.parquet", "3_alignment/2_subject_subject.py --form diagonal",
        "The same, each parcel with itself only.", {"roi": _ROI, **_PAIR}),
    "rsa_subject_model_alignment": Table(
        "{dataset}/rsa_subject_model_alignment_{hemispheres}.parquet", "3_alignment/3_subject_model.py",
        "RSA of every parcel with every layer of every model, session by session over all trials of the session.", _MODEL),
    "rsa_subject_model_alignment_untrained": Table(
        "{dataset}/rsa_subject_model_alignment_{hemispheres}_untrained.parquet", "3_alignment/3_subject_model.py --untrained",
        "(ours) The same with networks that have random weights, one `model` per seed.", _MODEL),
    "rsa_pvalues_subject_language_vision": Table(
        "{dataset}/rsa_pvalues_subject_language_vision.parquet", "3_alignment/5_p_values.py",
        "p-values per parcel (joined hemispheres) of three statistics: intersubject (mean r over ordered pairs of different subjects, shift 1), "
        "vision and language (largest |r| over layers with its sign; mean over sessions, models, subjects).",
        {"roi": _ROI, "name": Column("str", "short name of the parcel"), "comparison": Column("str", "intersubject, vision or language"), **_P_VALUES,
         "apa_star": Column("str", "stars of pvalue_fdr_bh: * < .05, ** < .01, *** < .001, **** < .0001"),
         "mne_name": Column("str", "name of the left label on the surface"),
         "method": Column("str", "(ours) closed-form or sampled, and what was relabelled", optional=True)}),
    "images92_subject_subject": Table(
        "images92/subject_subject.parquet", "python -m convergence images92", "RSA of human IT between people and sessions, 92 images.",
        {"subject_i": _SUBJECT, "session_i": Column("uint8", "session of subject_i"),
         "subject_j": _SUBJECT, "session_j": Column("uint8", "session of subject_j"), "similarity": _R}),
    "images92_subject_model": Table(
        "images92/subject_model.parquet", "python -m convergence images92", "RSA of human IT (sessions averaged) with every layer of a network.",
        {"subject": _SUBJECT, "model": Column("category", "name of the network"), "layer": Column("uint16", "layer, from 0"),
         "layer_name": Column("str", "name of the layer in the network"), "similarity": _R}),
    "images92_p_values": Table(
        "images92/p_values.parquet", "python -m convergence images92", "Mean RSA over people with its null (the 92 images relabelled).",
        {"comparison": Column("str", "intersubject, monkey, or the name of the network"), "layer": Column("int16", "layer, from 0; -1 where there is none"),
         "layer_name": Column("str", "name of the layer; '' where there is none"), **_P_VALUES,
         "noise_ceiling_lower": Column("float64", "mean r of each person with the mean of the others"),
         "noise_ceiling_upper": Column("float64", "mean r of each person with the mean of all")}),
}
