"""What is in the tables of stages 1 and 2: parcels, networks, captions, COCO's annotations, image statistics. Data only."""

from convergence.storage.columns import IMAGE, ROI, Column, Table

_INDEXES, _COCO = "1_dataset_preparation/2_build_indexes.py", "1_dataset_preparation/3_build_coco_tables.py"
_CAPTIONING = "2_model_extraction/2_caption_images.py"
_ANSWERS = {
    "<image key>": Column("int64", f"{IMAGE.meaning}; then the other columns of the dataset's images"),
    "caption": Column("str", "the answer; '' where there is none"),
    "model": Column("str", "name of the model in file names"),
    "prompt": Column("str", "what was asked: caption, motion, indoor, scene, or a name given to a question of one's own"),
    "status": Column("str", "(ours) ok, failed (unreadable picture, error of the model) or illegal (no legal answer)"),
    "reason": Column("str", "(ours) why there is no answer; '' where there is one")}
_COCO_ID = Column("int64", "number of the picture in COCO")
_COCO_SPLIT = Column("str", "train2017 or val2017")
_AREA = Column("int64", "outlined square pixels, truncated")
_ANNOTATION_ID = Column("int64", "(ours) COCO's number of the annotation")
_VISIBLE = Column("float64", "(ours) part of the box's area that lies in NSD's square crop, 0 to 1")

INPUTS = {
    "hcp": Table(
        "metadata/hcp.csv", _INDEXES,
        "The atlas, a row per parcel: HCP-MMP1, or the one that --atlas names.",
        {"roi": ROI,
         "name": Column("str", "short name, the same in both hemispheres: V1"),
         "description": Column("str", "the area in words"),
         "full_name": Column("str", "hemisphere, area in words and short name"),
         "atlas": Column("str", "lh.HCP_MMP1 or rh.HCP_MMP1"),
         "hemisphere": Column("str", "lh or rh (both in atlases without hemispheres)"),
         "mne_name": Column("str", "name of the label on the surface: L_V1_ROI-lh"),
         "area": Column("str", "region that the parcel belongs to: Primary Visual"),
         "area_id": Column("uint8", "number of the region"),
         "area_color": Column("str", "colour of the region, #rrggbb"),
         "roi_order": Column("uint16", "order of display within a hemisphere"),
         "hub": Column("str", "(ours) EVC, Ventral, LOTC or ''")}),
    "models_info": Table(
        "metadata/models-info.csv", "2_model_extraction/1_extract_vision_features.py, 3_extract_language_features.py",
        "The networks, read off their feature files.",
        {"model_name": Column("str", "stem of the feature file"),
         "modality": Column("str", "vision or language"),
         "family": Column("str", "e.g. vit, llama"),
         "model": Column("str", "name of the network"),
         "num_layers": Column("uint16", "number of layers in the file"),
         "inner_dim": Column("uint32", "width of the widest layer"),
         "num_parameters": Column("int64", "(ours) number of parameters"),
         "untrained": Column("bool", "(ours) random weights"),
         "seed": Column("int64", "(ours) of the random weights; -1 if trained"),
         "layer_names": Column("str", "(ours) names of the layers, joined by ';'")}),
    "captions": Table(
        "captions/{dataset}-captions-{model}.csv", _CAPTIONING,
        "What a captioning model says about every picture. With --parquet also as .parquet.", _ANSWERS),
    "picture_labels": Table(
        "captions/{dataset}-{prompt}-{model}.csv", f"{_CAPTIONING} --prompts motion indoor scene",
        "(ours) The same for other questions than the caption: one of a few labels per picture.", _ANSWERS),
    "picture_content": Table(
        "captions/{dataset}-content-{model}.csv", f"{_CAPTIONING} --prompts motion indoor scene",
        "(ours) The labels of the three questions side by side, to divide pictures by; '' where a picture has no legal answer.",
        {"<image key>": IMAGE,
         "motion": Column("str", "motion or static"),
         "setting": Column("str", "indoor, natural, urban or object"),
         "dominance": Column("str", "Scene-dominated, Object-in-Scene or Object-dominated")}),
    "coco_objects": Table(
        "coco_objects_annotations.csv", _COCO,
        "Instances that COCO's annotators outlined, sorted by nsd_id and annotation_id. It lies with NSD's prepared files, not "
        "here.",
        {"nsd_id": Column("int64", "image number, from 0; an image without instances has no row"),
         "coco_id": _COCO_ID,
         "coco_split": _COCO_SPLIT,
         "category": Column("str", "one of 80: dog"),
         "supercategory": Column("str", "one of 12: animal"),
         "category_id": Column("int64", "COCO's number of the category, 1 to 90 with gaps"),
         "area": _AREA,
         "bbox": Column("str", "\"(x, y, width, height)\" in pixels of COCO's whole picture"),
         "iscrowd": Column("int64", "(ours) 1: one region for many things"),
         "annotation_id": _ANNOTATION_ID,
         "visible_fraction": _VISIBLE}),
    "coco_persons": Table(
        "coco_persons_annotations.csv", _COCO,
        "Persons with their keypoints, sorted by nsd_id and annotation_id; persons without keypoints are kept. It lies with "
        "NSD's prepared files, not here.",
        {"nsd_id": Column("int64", "image number, from 0; an image without persons has no row"),
         "coco_id": _COCO_ID,
         "coco_split": _COCO_SPLIT,
         "person_image_id": Column("int64", "counts the persons of an image from 0, in the order of COCO's file"),
         "num_keypoints": Column("int64", "number of keypoints that are marked"),
         "area": _AREA,
         "<keypoint>": Column("str", "17 columns, nose to right_ankle: \"[x, y]\" in pixels of COCO's whole picture; empty where "
                                     "it is not marked"),
         "bbox": Column("str", "\"[x, y, width, height]\" in pixels of COCO's whole picture"),
         "iscrowd": Column("int64", "(ours) 1: one region for many persons"),
         "annotation_id": _ANNOTATION_ID,
         "visible_fraction": _VISIBLE,
         "segmentation": Column("str", "outline: polygons or run lengths, as JSON", optional=True)}),
    "content": Table(
        "content.csv", _COCO,
        "(ours) What every image shows, one row per image in order. It lies with NSD's prepared files, not here.",
        {"nsd_id": Column("int64", "image number, from 0; the row's number"),
         "n_objects": Column("int64", "instances, crowd regions left out"),
         "n_person": Column("int64", "instances of persons, crowd regions left out"),
         "n_animal": Column("int64", "instances of animals, crowd regions left out"),
         "n_crowd": Column("int64", "crowd regions"),
         "animate": Column("bool", "there is a person or an animal, crowds included"),
         "inanimate": Column("bool", "there are objects, and none of them is animate; neither where nothing is annotated"),
         "is_person": Column("bool", "a keypoint of a person is marked")}),
    "image_statistics": Table(
        "{dataset}/image_statistics.parquet", "1_dataset_preparation/5_measure_image_statistics.py",
        "(ours) Perceptual statistics, one row per image in the order of the dataset; formulas in "
        "convergence/datasets/image_statistics.py.",
        {"image": IMAGE,
         "luminance": Column("float32", "mean grey value, 0 to 1"),
         "contrast": Column("float32", "standard deviation of the grey values, 0 to 0.5"),
         "saturation": Column("float32", "mean saturation (HSV), 0 to 1"),
         "edge_density": Column("float32", "part of the pixels that are edges (Canny), 0 to 1"),
         "gabor_energy": Column("float32", "mean energy of Gabor filters of 4 orientations and 4 frequencies, squared grey "
                                           "values"),
         "spatial_frequency": Column("float32", "slope of log amplitude over log spatial frequency, 4 to 32 cycles per picture; "
                                                "-1 for 1/f; empty where there is nothing but one grey"),
         "entropy": Column("float32", "Shannon entropy of the grey values' histogram, 0 to 8 bits"),
         "homogeneity": Column("float32", "of neighbouring grey values (co-occurrence matrix), 0 to 1"),
         "correlation": Column("float32", "of neighbouring grey values (co-occurrence matrix), -1 to 1; 1 where there is nothing "
                                          "but one grey")}),
}
