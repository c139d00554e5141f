"""Is the alignment of a parcel more than chance? Observed statistics, nulls, p-values: rsa_pvalues_subject_language_vision.

    observed_intersubject(pairs)                        # mean r over ordered pairs of different subjects, by parcel
    observed_models(layers, models)                     # {"vision": ..., ...}: best layer, mean over sessions, networks, subjects
    compare("intersubject", observed, null, ...)        # rows of the table, FDR within the comparison
    p_value_table(...)                                  # the table
    report(table)                                       # it in words, a line per comparison

Observed values come from the tables of 2_subject_subject.py and 3_subject_model.py, nulls from intersubject_null.py and
model_null.py. A parcel that could not be computed in one of the subjects has no statistic and no p-value, and is no test in the
FDR. p-values of a comparison are corrected within it (FDR), over the whole table (FDR), and, with samples, family-wise (max-T).
"""

from pathlib import Path

import numpy as np
import pandas

from convergence.alignment.intersubject_null import mean_moments
from convergence.analysis.aggregate import intersubject_by_subject, model_by_subject, trained_models
from convergence.storage.tables import conform, file_of, read_table

TABLE = "rsa_pvalues_subject_language_vision"
MODALITIES = ("language", "vision")
SAMPLE = "; sample: single images carry both RDMs"          # at the end of `method` where the closed form is not to be trusted


def table_path(derivatives, dataset, *, controls=(), exclude=()):
    """Where the table of p-values is; controls that are taken out and pairs that are left out are told at the name's end."""
    path = Path(derivatives) / file_of(TABLE, dataset=dataset)
    return path.with_stem(path.stem + _more(controls, exclude))


def null_path(derivatives, dataset, comparison, permutations, *, shift=1, controls=(), exclude=()):
    """Where the sampled null of a comparison is, under its published name: an array (n_permutations, n_rois) float32."""
    name = (f"permutations_subject_subject_rsa_joined_shift_{shift}_agg_{permutations}" if comparison == "intersubject" else
            f"permutations_aggregated_{comparison}_amax")
    return Path(derivatives) / dataset / f"{name}{_more(controls, exclude)}.npy"


def _more(controls, exclude):
    return (f"_controled-{'+'.join(controls)}" if controls else "") + "".join(f"_without-{rule}" for rule in exclude)


def observed_intersubject(pairs, control=None):
    """Mean r over ordered pairs of different subjects.

    Parameters
    ----------
    pairs : DataFrame
        Table rsa_subject_subject_alignment, joined, at one shift; full or diagonal.
    control : str, optional
        Of a table with controls, the rows of this one; of several, all at once: their names joined by "+".

    Returns
    -------
    Series
        By roi; NaN where a pair could not be computed.

    Raises
    ------
    ValueError
        There are fewer than two subjects, or no rows of the control.
    """
    if control is not None:
        there = [str(name) for name in pairs["control"].unique()]
        if control not in there:
            raise ValueError(f"the table of pairs of subjects has the controls {', '.join(there)}, not {control}; run "
                             f"3_alignment/2_subject_subject.py --control {control.replace('+', ' ')}")
        pairs = pairs[pairs["control"] == control]
    n_subjects = len(at_least_two(pairs["subject_i"]))
    return _mean_of_all(intersubject_by_subject(pairs), n_subjects=n_subjects, n=n_subjects - 1)


def at_least_two(subjects):
    """The different numbers in a column, ascending; ValueError if there is one only."""
    found = sorted(subjects.unique().tolist())
    if len(found) < 2:
        raise ValueError(f"the table of pairs of subjects holds subject {', '.join(map(str, found))} only; run "
                         "3_alignment/2_subject_subject.py for two subjects or more")
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
        By roi; NaN where a parcel could not be computed in one of the sessions. Only modalities of which there are trained
        networks.

    Raises
    ------
    ValueError
        None of the table's networks is a trained one of a known modality.
    """
    names = networks(layers, models)
    by_subject = model_by_subject(layers, models, rule="signed_max")
    n_subjects = layers["subject"].nunique()
    return {modality: _mean_of_all(by_subject[by_subject["modality"] == modality], n_subjects=n_subjects, n=len(of_it))
            for modality, of_it in names.items()}


def networks(layers, models):
    """Names of the trained networks in a table of layers, by modality."""
    modality = trained_models(models)
    there = [str(name) for name in layers["model"].unique()]
    found = {kind: sorted(name for name in there if modality.get(name) == kind) for kind in MODALITIES}
    found = {kind: names for kind, names in found.items() if names}
    if not found:
        raise ValueError(f"none of the networks of the table ({', '.join(sorted(there))}) stands in models-info.csv as a trained "
                         "network of vision or language")
    return found


def p_value_table(*, rois, pairs, layers, models, moments, samples, atlas, control=None, maximum=False, published=False):
    """The table of p-values.

    Parameters
    ----------
    rois : dict of list of int
        By comparison ("intersubject", "vision", "language"), in the order of the table: parcels, in the order of the nulls.
    pairs, layers, models : path
        Tables rsa_subject_subject_alignment, rsa_subject_model_alignment, models_info; what no comparison needs is not read.
    moments : list of path
        Parts of `intersubject_null.pair_moments`; where there are any, p-values between subjects are closed-form.
    samples : dict of path by comparison
        Sampled nulls, (n_permutations, n_rois).
    atlas : DataFrame
    control : str, optional
        See `observed_intersubject`.
    maximum : bool
        Also family-wise p-values, from the samples.
    published : bool
        The samples relabel single trials; for the column method.
    """
    from convergence.analysis.inference import fdr

    observed, null_of = {}, {name: np.load(path) for name, path in samples.items()}
    if "intersubject" in rois:
        observed["intersubject"] = observed_intersubject(read_table(pairs), control)
    if set(rois) & set(MODALITIES):
        columns = ["subject", "session", "model", "layer", "roi", "similarity"]
        observed |= observed_models(read_table(layers, columns), read_table(models))
    found = []
    for name in rois:
        null = mean_moments(moments) if moments and name == "intersubject" else null_of[name]
        found.append(compare(name, observed[name].reindex(rois[name]), null, atlas, family=null_of[name] if maximum else None,
                             relabelled="single trials, as published" if published else "images"))
    table = pandas.concat(found)
    return conform(table.assign(pvalue_fdr_overall=fdr(table["pvalue"].to_numpy())), TABLE)


def compare(name, observed, null, atlas, *, family=None, relabelled="images"):
    """Rows of the table for one comparison.

    Parameters
    ----------
    name : str
    observed : Series
        By roi; NaN where there is no statistic.
    null : DataFrame or (n_permutations, n_rois) array
        mean, variance, skewness (and sample) of the parcels in the order of `observed`; or samples.
    atlas : DataFrame
        roi, name and, if there is one, mne_name.
    family : (n_permutations, n_rois) array, optional
        Samples of all parcels under the same relabellings, for family-wise p-values.
    relabelled : str
        What changes places, for the column method.
    """
    from convergence.analysis.inference import fdr, p_values, smallest_detectable, stars
    from convergence.analysis.max_statistic import max_p_values
    from convergence.analysis.null import MantelMoments

    if isinstance(null, pandas.DataFrame):
        law = "normal" if null["skewness"].isna().all() else "Pearson III"
        sample = null["sample"] if "sample" in null else np.zeros(len(null), bool)
        method = [f"closed form of relabelled {relabelled}, {law}" + SAMPLE * bool(one) for one in sample]
        null = MantelMoments(*(null[column].to_numpy() for column in MantelMoments._fields))
        mean, deviation = null.mean, null.variance ** 0.5
    else:
        method = f"sampled, {len(null)} relabellings of {relabelled}"
        mean, deviation = null.mean(0, dtype=np.float64), null.std(0, dtype=np.float64)
    p = p_values(observed.to_numpy(), null)
    adjusted = fdr(p)
    known = atlas.set_index("roi").reindex(observed.index)
    more = {} if family is None else {"pvalue_max": max_p_values(observed.to_numpy(), family)}
    return pandas.DataFrame({"roi": observed.index, "name": known["name"].to_numpy(), "comparison": name,
                             "observed": observed.to_numpy(), "null_mean": mean, "null_std": deviation, "pvalue": p,
                             "pvalue_fdr_bh": adjusted, "apa_star": stars(adjusted), **more,
                             "mne_name": known["mne_name"].to_numpy() if "mne_name" in known else "",
                             "smallest_detectable": smallest_detectable(null), "method": method})


def report(table, alpha=0.05):
    """The table in words, a line per comparison: how many parcels, what they could have found, where to sample.

    Parameters
    ----------
    table : DataFrame
        rsa_pvalues_subject_language_vision.
    alpha : float

    Returns
    -------
    list of str
    """
    lines = []
    for name, rows in table.groupby("comparison", sort=False):
        tested = rows.dropna(subset="pvalue")
        if tested.empty:
            lines.append(f"{name}: none of {len(rows)} parcels could be tested")
            continue
        smallest = tested["smallest_detectable"]
        line = (f"{name}: p <= {alpha:g} in {(tested['pvalue_fdr_bh'] <= alpha).sum()} of {len(tested)} parcels (FDR), in "
                f"{(tested['pvalue_fdr_overall'] <= alpha).sum()} over all comparisons (FDR)")
        if "pvalue_max" in tested and tested["pvalue_max"].notna().any():
            line += f", in {(tested['pvalue_max'] <= alpha).sum()} family-wise (max-T)"
        line += (f"; smallest r that could have had p <= 0.05, uncorrected: {smallest.median():.4f} (parcels: "
                 f"{smallest.min():.4f} to {smallest.max():.4f}); {tested['method'].iloc[0].removesuffix(SAMPLE)}")
        doubtful = tested["method"].str.endswith(SAMPLE).sum()
        if doubtful:
            line += f"; sample {doubtful} of them instead (--null sampled): single images carry both RDMs"
        lines.append(line)
    return lines


def _mean_of_all(by_subject, *, n_subjects, n):
    """Mean over subjects by roi, NaN where a subject is missing or its value is not a mean of n."""
    complete = by_subject["similarity"].where(by_subject["n"] == n)
    groups = complete.groupby(by_subject["roi"])
    return groups.mean().where(groups.count() == n_subjects)
