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
_N_PAIRS = Column("uint32", "(ours) pairs of trials that the similarity is of", optional=True)
_SHIFT = "repetition shift, as text (\"1\"): repetition k of subject_i meets repetition (k - shift) mod 3 of subject_j"
_PAIR = {"similarity": _R, "subject_i": _SUBJECT, "subject_j": _SUBJECT, "join_hemispheres": _JOINED,
         "rep_shift": Column("category", _SHIFT), "reason": _REASON, "n_pairs": _N_PAIRS}
_PARCELS = {"roi_x": Column("uint16", "parcel of subject_i", optional=True), "roi_y": Column("uint16", "parcel of subject_j", optional=True),
            "roi": Column("uint16", "parcel of both, in the diagonal form (its name ends in _diagonal)", optional=True)}
_CONTROL = {"control": Column("category", "what was taken out: uncontrolled, the name of a control, or of all at once, joined by +"),
            "distance": Column("category", "of the control's features: euclidean, pearson, or built-in; '' where there is none")}
_MODEL = {"roi": _ROI, "layer": Column("uint16", "layer of the model, from 0"), "session": Column("uint8", "session, from 1"), "similarity": _R,
          "subject": _SUBJECT, "model": Column("category", "stem of the feature file"), "join_hemispheres": _JOINED, "reason": _REASON, "n_pairs": _N_PAIRS}
_SHARED_MODEL = {"subject": _SUBJECT, "roi": _ROI, "layer": _MODEL["layer"], "similarity": _R, "model": _MODEL["model"], "join_hemispheres": _JOINED}
_DATASET = {"dataset": Column("category", "name of the dataset")}
_P_VALUES = {
    "observed": Column("float64", "the statistic"), "null_mean": Column("float64", "its mean under relabelling of the images"),
    "null_std": Column("float64", "its standard deviation under relabelling of the images"),
    "pvalue": Column("float64", "two-sided, uncorrected"), "pvalue_fdr_bh": Column("float64", "Benjamini-Hochberg, within the comparison")}
_CAPTIONS = {
    "<image key>": Column("int64", "image number: nsd_id, bold_position, things_id, ...; then the other columns of the dataset's images"),
    "caption": Column("str", "the answer; '' where there is none"), "model": Column("str", "name of the model in file names"),
    "prompt": Column("str", "what was asked: caption, motion, indoor, scene, or a name given to a question of one's own"),
    "status": Column("str", "(ours) ok, failed (unreadable picture, error of the model) or illegal (no legal answer)"),
    "reason": Column("str", "(ours) why there is no answer; '' where there is one")}

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
    "captions": Table(
        "captions/{dataset}-captions-{model}.csv", "2_model_extraction/2_caption_images.py",
        "What a captioning model says about every picture. With --parquet also as .parquet.",
        _CAPTIONS),
    "picture_labels": Table(
        "captions/{dataset}-{prompt}-{model}.csv", "2_model_extraction/2_caption_images.py --prompts motion indoor scene",
        "(ours) The same for other questions than the caption: one of a few labels per picture.",
        _CAPTIONS),
    "picture_content": Table(
        "captions/{dataset}-content-{model}.csv", "2_model_extraction/2_caption_images.py --prompts motion indoor scene",
        "(ours) The labels of the three questions side by side, to divide pictures by; '' where a picture has no legal answer.",
        {"<image key>": Column("int64", "image number: nsd_id, bold_position, things_id, ..."), "motion": Column("str", "motion or static"),
         "setting": Column("str", "indoor, natural, urban or object"),
         "dominance": Column("str", "Scene-dominated, Object-in-Scene or Object-dominated")}),
    "coco_objects": Table(
        "coco_objects_annotations.csv", "1_dataset_preparation/3_build_coco_tables.py",
        "Instances that COCO's annotators outlined, sorted by nsd_id and annotation_id. It lies with NSD's prepared files, not here.",
        {"nsd_id": Column("int64", "image number, from 0; an image without instances has no row"), "coco_id": Column("int64", "number of the picture in COCO"),
         "coco_split": Column("str", "train2017 or val2017"), "category": Column("str", "one of 80: dog"), "supercategory": Column("str", "one of 12: animal"),
         "category_id": Column("int64", "COCO's number of the category, 1 to 90 with gaps"), "area": Column("int64", "outlined square pixels, truncated"),
         "bbox": Column("str", "\"(x, y, width, height)\" in pixels of COCO's whole picture"), "iscrowd": Column("int64", "(ours) 1: one region for many things"),
         "annotation_id": Column("int64", "(ours) COCO's number of the annotation"),
         "visible_fraction": Column("float64", "(ours) part of the box's area that lies in NSD's square crop, 0 to 1")}),
    "coco_persons": Table(
        "coco_persons_annotations.csv", "1_dataset_preparation/3_build_coco_tables.py",
        "Persons with their keypoints, sorted by nsd_id and annotation_id; persons without keypoints are kept. It lies with NSD's prepared files, not here.",
        {"nsd_id": Column("int64", "image number, from 0; an image without persons has no row"), "coco_id": Column("int64", "number of the picture in COCO"),
         "coco_split": Column("str", "train2017 or val2017"), "person_image_id": Column("int64", "counts the persons of an image from 0, in the order of COCO's file"),
         "num_keypoints": Column("int64", "number of keypoints that are marked"), "area": Column("int64", "outlined square pixels, truncated"),
         "<keypoint>": Column("str", "17 columns, nose to right_ankle: \"[x, y]\" in pixels of COCO's whole picture; empty where it is not marked"),
         "bbox": Column("str", "\"[x, y, width, height]\" in pixels of COCO's whole picture"), "iscrowd": Column("int64", "(ours) 1: one region for many persons"),
         "annotation_id": Column("int64", "(ours) COCO's number of the annotation"),
         "visible_fraction": Column("float64", "(ours) part of the box's area that lies in NSD's square crop, 0 to 1"),
         "segmentation": Column("str", "outline: polygons or run lengths, as JSON", optional=True)}),
    "content": Table(
        "content.csv", "1_dataset_preparation/3_build_coco_tables.py",
        "(ours) What every image shows, one row per image in order. It lies with NSD's prepared files, not here.",
        {"nsd_id": Column("int64", "image number, from 0; the row's number"), "n_objects": Column("int64", "instances, crowd regions left out"),
         "n_person": Column("int64", "instances of persons, crowd regions left out"), "n_animal": Column("int64", "instances of animals, crowd regions left out"),
         "n_crowd": Column("int64", "crowd regions"), "animate": Column("bool", "there is a person or an animal, crowds included"),
         "inanimate": Column("bool", "there are objects, and none of them is animate; neither where nothing is annotated"),
         "is_person": Column("bool", "a keypoint of a person is marked")}),
    "image_statistics": Table(
        "{dataset}/image_statistics.parquet", "1_dataset_preparation/5_measure_image_statistics.py",
        "(ours) Perceptual statistics, one row per image in the order of the dataset; formulas in convergence/datasets/image_statistics.py.",
        {"image": Column("int64", "image number: nsd_id, bold_position, things_id, ..."), "luminance": Column("float32", "mean grey value, 0 to 1"),
         "contrast": Column("float32", "standard deviation of the grey values, 0 to 0.5"), "saturation": Column("float32", "mean saturation (HSV), 0 to 1"),
         "edge_density": Column("float32", "part of the pixels that are edges (Canny), 0 to 1"),
         "gabor_energy": Column("float32", "mean energy of Gabor filters of 4 orientations and 4 frequencies, squared grey values"),
         "spatial_frequency": Column("float32", "slope of log amplitude over log spatial frequency, 4 to 32 cycles per picture; -1 for 1/f; empty where there is "
                                                "nothing but one grey"),
         "entropy": Column("float32", "Shannon entropy of the grey values' histogram, 0 to 8 bits"),
         "homogeneity": Column("float32", "of neighbouring grey values (co-occurrence matrix), 0 to 1"),
         "correlation": Column("float32", "of neighbouring grey values (co-occurrence matrix), -1 to 1; 1 where there is nothing but one grey")}),
    "rsa_subject_subject_alignment": Table(
        "{dataset}/rsa_subject_subject_alignment_{variant}.parquet", "3_alignment/2_subject_subject.py",
        "Parcel by parcel RSA of every ordered pair of subjects, the pair of a subject with itself included (within-subject reliability at shift 1). "
        "`variant` is as published: shift_1_joined, shift_1_separated, joined_0, separated_0, shift_2_joined, separated_2.",
        {"roi_x": _ROI, "roi_y": _ROI, **_PAIR}),
    "rsa_subject_subject_alignment_diagonal": Table(
        "{dataset}/rsa_subject_subject_alignment_{variant}_diagonal.parquet", "3_alignment/2_subject_subject.py --form diagonal",
        "The same, each parcel with itself only.", {"roi": _ROI, **_PAIR}),
    "rsa_subject_subject_alignment_partitions": Table(
        "{dataset}/rsa_subject_subject_alignment_{variant}_partitions{more}.parquet", "3_alignment/2_subject_subject.py --partition animate inanimate",
        "The same on parts of the images, as many trials of each (with --reference: as many as there are).",
        {**_PARCELS, **_PAIR, "subset": Column("category", "the part: animate, inanimate, or <column>=<value>")}),
    "rsa_subject_subject_alignment_controled": Table(
        "{dataset}/rsa_subject_subject_alignment_controled_{variant}.parquet", "3_alignment/2_subject_subject.py --control NAME ...",
        "The same after control RDMs were taken out: partial correlation, without control, with each, and with all at once. `variant` is joined_1, ...",
        {**_PARCELS, **_PAIR, **_CONTROL}),
    "rsa_subject_group_alignment": Table(
        "{dataset}/rsa_subject_group_alignment_{hemispheres}_{shift}{more}.parquet", "3_alignment/4_subject_group.py",
        "RSA of every subject with the mean of all others.",
        {**_PARCELS, **_PAIR, "subject_j": Column("category", "\"group_without_i\": all other subjects"),
         "mean_of_r": Column("float32", "(ours) mean of the correlations with the others (similarity with --reference)", optional=True),
         "r_with_mean": Column("float32", "(ours) correlation with the mean of the others' RDMs (similarity without)", optional=True)}),
    "rsa_other_subject_subject_alignment": Table(
        "{family}/rsa_{dataset}_subject_subject_alignment_{hemispheres}{more}.parquet", "3_alignment/2_subject_subject.py --dataset things, bold5000, ...",
        "Datasets whose repetitions cannot be shifted: RSA of every ordered pair of different subjects, for the trials of each session of subject_i; the trials "
        "of subject_j that show the same repetition of the same image may come from any of its sessions.",
        {"session": Column("uint8", "session of subject_i (with --reference counted from 0 over those that there are)"), **_PARCELS,
         **{name: column for name, column in _PAIR.items() if name != "rep_shift"}, **_DATASET,
         "rep_shift": Column("category", "\"0\": unshifted (with --reference the dataset's name, as published)")}),
    "rsa_other_subject_model_alignment": Table(
        "{family}/rsa_{dataset}_subject_model_alignment_{hemispheres}{more}.parquet", "3_alignment/3_subject_model.py --dataset things, bold5000, ...",
        "RSA of every parcel with every layer of every model, session by session, in the other datasets. Layers count from 0 (with --reference from 1, "
        "as published).", {**_MODEL, **_DATASET}),
    "rsa_subject_model_alignment_shared": Table(
        "{dataset}/rsa_subject_model_alignment_{hemispheres}_shared{more}.parquet", "3_alignment/3_subject_model.py --trials shared",
        "(ours) RSA of every parcel with every layer over all trials of shared images of a subject.", {**_SHARED_MODEL, "reason": _REASON, "n_pairs": _N_PAIRS}),
    "rsa_subject_model_alignment_controled": Table(
        "{dataset}/rsa_subject_model_alignment_controled_{hemispheres}{more}.parquet", "3_alignment/3_subject_model.py --control NAME ...",
        "The same after control RDMs were taken out.", {**_SHARED_MODEL, **_CONTROL, "reason": _REASON, "n_pairs": _N_PAIRS}),
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
    "object_boxes": Table(
        "{dataset}/{dataset}_scenes_objects.parquet", "4_other_alignments/7_object_boxes.py",
        "Objects that a detector finds in the pictures, a row per box; pictures without any have no row.",
        {"nsd_id": Column("int64", "image number; in other datasets under their own name: bold_position, things_id, ..."),
         "object_index": Column("uint16", "number of the box within its picture, from 0"),
         "label_id": Column("uint16", "number of the label in the network"), "label": Column("str", "what it is: person"),
         "confidence": Column("float64", "0 to 1; boxes above the threshold only"),
         "box": Column("object", "[x0, y0, x1, y1], as in the columns below"),
         "image_width": Column("uint32", "pixels"), "image_height": Column("uint32", "pixels"),
         "box_width": Column("float64", "pixels"), "box_height": Column("float64", "pixels"),
         "box_x0": Column("float64", "left edge, pixels from the left"), "box_y0": Column("float64", "upper edge, pixels from the top"),
         "box_x1": Column("float64", "right edge"), "box_y1": Column("float64", "lower edge"),
         "percent_area": Column("float64", "share of the picture, 0 to 1 (in published tables above 1 where a box leaves the picture)")}),
    "object_boxes_images": Table(
        "{dataset}/{dataset}_scenes_objects_images.parquet", "4_other_alignments/7_object_boxes.py",
        "(ours) The same, a row per picture.",
        {"nsd_id": Column("int64", "image number, as above"), "n_boxes": Column("uint16", "number of boxes"),
         "largest_area": Column("float64", "percent_area of the largest; 0 without any"),
         "element_dominated": Column("bool", "some box covers more than 60 % of the picture, and there are fewer than three"),
         "status": Column("str", "ok, or failed: then the numbers say nothing"), "reason": Column("str", "why it failed; '' where it did not")}),
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
