"""Is the alignment of a parcel more than chance? Observed statistics, their nulls, p-values: the table rsa_pvalues_subject_language_vision.

    observed_intersubject(pairs)                        # mean r over ordered pairs of different subjects, by parcel
    observed_models(layers, models)                     # {"vision": ..., "language": ...}: best layer, mean over sessions, networks, subjects
    compare("intersubject", observed, null, ...)        # rows of the table, FDR within the comparison
    p_value_table(...)                                  # the table

Observed values come from the tables of 2_subject_subject.py and 3_subject_model.py, nulls from intersubject_null.py and model_null.py. A parcel that could not
be computed in one of the subjects has no statistic and no p-value, and is no test in the FDR.
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment.intersubject_null import mean_moments
from convergence.analysis.aggregate import intersubject_by_subject, model_by_subject, trained_models
from convergence.storage.tables import conform, file_of, read_table

TABLE = "rsa_pvalues_subject_language_vision"
MODALITIES = ("language", "vision")


def table_path(derivatives, dataset):
    """Where the table of p-values is."""
    return Path(derivatives) / file_of(TABLE, dataset=dataset)


def null_path(derivatives, dataset, comparison, permutations):
    """Where the sampled null of a comparison is, under its published name: an array (n_permutations, n_rois)."""
    name = (f"permutations_subject_subject_rsa_joined_shift_1_agg_{permutations}.npy" if comparison == "intersubject" else
            f"permutations_aggregated_{comparison}_amax.npy")
    return Path(derivatives) / dataset / name


def observed_intersubject(pairs):
    """Mean r over ordered pairs of different subjects.

    Parameters
    ----------
    pairs : DataFrame
        Table rsa_subject_subject_alignment, joined, at one shift.

    Returns
    -------
    Series
        By roi; NaN where a pair could not be computed.

    Raises
    ------
    ValueError
        There are fewer than two subjects.
    """
    n_subjects = len(at_least_two(pairs["subject_i"]))
    return _mean_of_all(intersubject_by_subject(pairs), n_subjects=n_subjects, n=n_subjects - 1)


def at_least_two(subjects):
    """The different numbers in a column, ascending; ValueError if there is one only."""
    found = sorted(subjects.unique().tolist())
    if len(found) < 2:
        raise ValueError(f"the table of pairs of subjects holds subject {', '.join(map(str, found))} only; run 3_alignment/2_subject_subject.py for two "
                         "subjects or more")
    return found


def observed_models(layers, models):
    """Alignment with the networks of each modality: best layer of each session, mean over sessions, networks, subjects.

    Parameters
    ----------
    layers : DataFrame
        Table rsa_subject_model_alignment, joined.
    models : DataFrame
        Table models_info.

    Returns
    -------
    dict of Series by modality
        By roi; NaN where a parcel could not be computed in one of the sessions. Only modalities of which there are trained networks.

    Raises
    ------
    ValueError
        None of the table's networks is a trained one of a known modality.
    """
    names = networks(layers, models)
    by_subject = model_by_subject(layers, models, rule="signed_max")
    return {modality: _mean_of_all(by_subject[by_subject["modality"] == modality], n_subjects=layers["subject"].nunique(), n=len(of_it))
            for modality, of_it in names.items()}


def networks(layers, models):
    """Names of the trained networks in a table of layers, by modality."""
    modality = trained_models(models)
    there = [str(name) for name in layers["model"].unique()]
    found = {kind: sorted(name for name in there if modality.get(name) == kind) for kind in MODALITIES}
    found = {kind: names for kind, names in found.items() if names}
    if not found:
        raise ValueError(f"none of the networks of the table ({', '.join(sorted(there))}) stands in models-info.csv as a trained network of vision or language")
    return found


def p_value_table(*, rois, pairs, layers, models, moments, samples, atlas):
    """The table of p-values.

    Parameters
    ----------
    rois : dict of list of int
        By comparison ("intersubject", "vision", "language"), in the order of the table: parcels, in the order of the nulls.
    pairs, layers, models : path
        Tables rsa_subject_subject_alignment, rsa_subject_model_alignment, models_info; what no comparison needs is not read.
    moments : list of path
        Parts of `intersubject_null.pair_moments`; empty where the null was sampled.
    samples : dict of path by comparison
        Sampled nulls, (n_permutations, n_rois).
    atlas : DataFrame
    """
    observed, nulls = {}, {name: np.load(path) for name, path in samples.items()}
    if moments:
        nulls["intersubject"] = mean_moments(moments)
    if "intersubject" in rois:
        observed["intersubject"] = observed_intersubject(read_table(pairs))
    if set(rois) & set(MODALITIES):
        observed |= observed_models(read_table(layers, ["subject", "session", "model", "layer", "roi", "similarity"]), read_table(models))
    return conform(pandas.concat([compare(name, observed[name].reindex(rois[name]), nulls[name], atlas) for name in rois]), TABLE)


def compare(name, observed, null, atlas):
    """Rows of the table for one comparison.

    Parameters
    ----------
    name : str
    observed : Series
        By roi; NaN where there is no statistic.
    null : DataFrame or (n_permutations, n_rois) array
        mean, variance, skewness of the parcels in the order of `observed`; or samples.
    atlas : DataFrame
        roi, name and, if there is one, mne_name.
    """
    from convergence.analysis.inference import fdr, p_values, stars
    from convergence.analysis.null import MantelMoments

    if isinstance(null, pandas.DataFrame):
        method = f"closed form of relabelled images, {'normal' if null['skewness'].isna().all() else 'Pearson III'}"
        null = MantelMoments(*(null[column].to_numpy() for column in ("mean", "variance", "skewness")))
        mean, deviation = null.mean, null.variance ** 0.5
    else:
        method = f"sampled, {len(null)} relabellings of images"
        mean, deviation = null.mean(0), null.std(0)
    p = p_values(observed.to_numpy(), null)
    adjusted = fdr(p)
    known = atlas.set_index("roi").reindex(observed.index)
    return pandas.DataFrame({"roi": observed.index, "name": known["name"].to_numpy(), "comparison": name, "observed": observed.to_numpy(),
                             "null_mean": mean, "null_std": deviation, "pvalue": p, "pvalue_fdr_bh": adjusted, "apa_star": stars(adjusted),
                             "mne_name": known["mne_name"].to_numpy() if "mne_name" in known else "", "method": method})


def _mean_of_all(by_subject, *, n_subjects, n):
    """Mean over subjects by roi, NaN where a subject is missing or its value is not a mean of n."""
    complete = by_subject["similarity"].where(by_subject["n"] == n)
    groups = complete.groupby(by_subject["roi"])
    return groups.mean().where(groups.count() == n_subjects)
