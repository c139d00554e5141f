"""Tables of shared dimensions (KMCCA) and of the representational network; schemas.py has them among all others. Data only."""

from convergence.storage.columns import ROI, Column, Table

_KMCCA, _CONNECTIVITY = "2_model_extraction/4_fit_kmcca.py", "3_alignment/9_connectivity.py"
_REGION = "visual_cortex, ventral_hub, dorsal_hub (other atlases: their hubs), or the name of a parcel"
_DIMENSION = Column("uint8", "shared dimension, from 1")
_SUPERCATEGORIES = ("accessory", "animal", "appliance", "electronic", "food", "furniture", "indoor", "kitchen", "outdoor",
                    "person", "sports", "vehicle")
_NETWORK = {
    "subjects": Column("category", "within: similarity of parcels in one brain; between: in two"),
    "disattenuated": Column("bool", "similarity divided by the root of both parcels' own")}

NETWORK = {
    "kmcca_projections": Table(
        "{dataset}/kmcca_projections.parquet", _KMCCA,
        "Where every image lies on the dimensions that subjects share in a region, and what it shows. Columns of content whose "
        "sources are not there are left out.",
        {"nsd_id": Column("int64", "image number; in other datasets under their own name: bold_position, things_id, ..."),
         "cca_1": Column("float64", "mean score over subjects on dimension 1, of length 1 over the images; images of persons at "
                                    "the positive end"),
         "cca_2": Column("float64", "the same of dimension 2"),
         **{f"cca_{k}": Column("float64", f"(ours) the same of dimension {k}", optional=True) for k in range(3, 11)},
         "roi": Column("str", _REGION),
         **{name: Column("bool", f"an object of COCO's supercategory {name} is annotated", optional=True)
            for name in _SUPERCATEGORIES},
         "animate": Column("bool", "(ours) there is a person or an animal", optional=True),
         "inanimate": Column("bool", "(ours) there are annotated objects, and none of them is animate", optional=True),
         "is_person": Column("bool", "(ours) a keypoint of a person is marked", optional=True),
         "motion": Column("bool", "a captioning model says motion", optional=True),
         "static": Column("bool", "it says static", optional=True),
         "environment": Column("str", "it says indoor, natural, urban or object; '' without a legal answer", optional=True),
         "scene_dominated": Column("str", "it says Scene-dominated, Object-in-Scene or Object-dominated", optional=True),
         "scene_dominated2": Column("str", "the same as Scene-dominated, Elements-in-Scene, Element-dominated", optional=True)}),
    "kmcca_dimensions": Table(
        "{dataset}/kmcca_dimensions.parquet", _KMCCA,
        "(ours) Whether subjects agree on a dimension, too, on images that were held out, and how much of their responses it "
        "is.",
        {"roi": Column("str", _REGION),
         "dimension": _DIMENSION,
         "n_subjects": Column("uint8", "subjects with voxels there"),
         "n_images": Column("uint32", "images that at least two of them have"),
         "regularization": Column("float64", "KMCCA's penalty, chosen by cross-validation over images"),
         "eigenvalue": Column("float64", "of the fit to all images; 1 where nothing is shared, n_subjects where all agree"),
         "held_out_r": Column("float64", "mean r over pairs of subjects and folds, on images left out of the fit"),
         "p": Column("float64", "one-sided: images of every subject shuffled within folds; uncorrected"),
         "p_max": Column("float64", "the same, corrected for the number of dimensions (max-T)"),
         "shared_variance": Column("float64", "part of the variance of a subject's responses that the dimension explains, mean "
                                              "over subjects; one dimension at a time, in-sample")}),
    "kmcca_top_words_dimension": Table(
        "{dataset}/kmcca_top_words_dimension.parquet", _KMCCA,
        "Words of all captions along the dimensions of the hubs: images whose captions have a word against those without.",
        {"hub": Column("str", "visual_cortex, ventral_hub, dorsal_hub (other atlases: their hubs)"),
         "dimension": _DIMENSION,
         "rank": Column("uint32", "from 1, within hub, dimension and sign, by the size of t"),
         "sign": Column("int8", "1: its images lie at the positive end; -1: at the negative"),
         "word": Column("str", "lemma"),
         "n_images": Column("uint32", "images with it"),
         "effect": Column("float64", "mean z-score of the images with it minus that of those without"),
         "t": Column("float64", "Welch's t"),
         "p": Column("float64", "two-sided, uncorrected"),
         "p_fdr": Column("float64", "Benjamini-Hochberg, within hub and dimension")}),
    "control_leave_pair_out": Table(
        "control_matrices/control_{name}_leave-pair-out.parquet", _KMCCA,
        "Coordinates of the images on a shared dimension, found without the subjects that are compared.",
        {"<image key>": Column("int64", "image number: nsd_id, ..."),
         "subject_i": Column("int64", "left out"),
         "subject_j": Column("int64", "left out, too; the same where one subject is left out (for comparisons with networks)"),
         "cca_<k>": Column("float64", "coordinate")}),
    "connectivity_nodes": Table(
        "{dataset}/connectivity_nodes.parquet", _CONNECTIVITY,
        "(ours) Parcels of the representational network: those with the highest reliability.",
        {**_NETWORK,
         "roi": ROI,
         "name": Column("str", "short name of the parcel"),
         "hub": Column("str", "of the atlas: EVC, Ventral, LOTC or ''"),
         "similarity": Column("float64", "of the parcel with itself, mean over subjects (within: one repetition apart)"),
         "depth": Column("float64", "peak depth in networks of vision, mean over subjects; empty where one has none"),
         "order": Column("uint16", "place in the spectral order, from 1"),
         "degree": Column("uint16", "edges of the backbone"),
         "strength": Column("float64", "sum of their similarities"),
         "betweenness": Column("float64", "part of the shortest ways between two others that go through it"),
         "participation": Column("float64", "0: all its edges stay within its pathway; towards 1: evenly spread over pathways"),
         "pathway": Column("uint16", "community, from 1 by size: Louvain consensus over subjects"),
         "hub_agreement": Column("float64", "adjusted Rand index of pathway and hub over the parcels of hubs; the same in all "
                                            "rows; empty with fewer than two hubs"),
         "hub_agreement_p": Column("float64", "one-sided: hub labels shuffled over these parcels")}),
    "connectivity_edges": Table(
        "{dataset}/connectivity_edges.parquet", _CONNECTIVITY,
        "(ours) Edges of the network's backbone (iterated maximum spanning trees).",
        {**_NETWORK,
         "source": Column("uint16", "parcel"),
         "target": Column("uint16", "parcel"),
         "similarity": Column("float64", "mean over subjects, of both directions"),
         "iteration_added": Column("uint8", "tree that brought it, from 1"),
         "frequency": Column("float64", "part of bootstrap samples of subjects in whose backbone it is"),
         "t": Column("float64", "paired over subjects, depth of target minus depth of source; empty where one has no depth"),
         "p": Column("float64", "two-sided, uncorrected"),
         "p_fdr": Column("float64", "Benjamini-Hochberg over all pairs of the network's parcels (--reference: of all parcels)"),
         "direction": Column("category", "forward: target is deeper; backward: source is; none: p_fdr above 0.05")}),
}
