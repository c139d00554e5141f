"""From the long tables of the alignment stage to one value per subject and parcel, as figures and tests over subjects take them.

    intersubject_by_subject(pairs)              # subject, roi, similarity, n: mean over the other subjects
    within_subject(pairs)                       # subject, roi, similarity, n: the subject with itself
    model_by_subject(layers, models)            # subject, modality, roi, similarity, depth, n, n_depth: best layer, models' mean
    curves_by_subject(layers, models)           # subject, modality, roi, depth, similarity, n: layer curves, mean over models
    trained_models(models)                      # modality by name
    over_subjects(values, by)                   # mean, standard error and n over subjects
    rank_parcels(values)                        # parcel numbers, largest first
    same_parcel(pairs)                          # rows of a parcel with itself, with one column roi

DataFrames in, DataFrames out. Means are arithmetic means of r, as published. A value that a table leaves empty (a parcel that
could not be computed, a model without a peak) is left out of the mean; `n` (of depths `n_depth`) says how many values a mean has,
and is 0 where none was there and the mean is NaN.
"""

import pandas as pd

from convergence.analysis.hierarchy import layer_curves, peak_depth


def intersubject_by_subject(pairs):
    """Alignment of each subject with the others, parcel by parcel.

    IS(i, roi) = mean over j != i of r(i, j, roi); its mean over i is the mean over all ordered pairs, where none is missing.

    Parameters
    ----------
    pairs : DataFrame
        Table rsa_subject_subject_alignment, full (roi_x, roi_y) or diagonal (roi), one shift.

    Returns
    -------
    DataFrame
        subject, roi, similarity, n (number of other subjects).

    Raises
    ------
    ValueError
        A column is missing.

    References
    ----------
    arXiv 2507.13941, inter-subject alignment.

    Examples
    --------
    >>> pairs = pd.DataFrame({"roi": 4, "subject_i": [1, 1, 2, 3], "subject_j": [2, 3, 1, 1], "similarity": [0.3, 0.1, 0.3, 0.1]})
    >>> intersubject_by_subject(pairs)
       subject  roi  similarity  n
    0        1    4         0.2  2
    1        2    4         0.3  1
    2        3    4         0.1  1
    """
    rows = same_parcel(pairs)
    return _mean(rows[rows["subject_i"] != rows["subject_j"]].rename(columns={"subject_i": "subject"}), ["subject", "roi"])


def within_subject(pairs):
    """Alignment of each subject with itself, one repetition against the next (shift 1 or 2): the reliability of a parcel.

    WS(i, roi) = r(i, i, roi). At shift 0 it is 1 by construction.

    Parameters
    ----------
    pairs : DataFrame
        As for `intersubject_by_subject`.

    Returns
    -------
    DataFrame
        subject, roi, similarity, n (1, or 0 where the parcel could not be computed).
    """
    rows = same_parcel(pairs)
    return _mean(rows[rows["subject_i"] == rows["subject_j"]].rename(columns={"subject_i": "subject"}), ["subject", "roi"])


def model_by_subject(layers, models, *, rule="signed_max"):
    """Alignment of each subject with the models of each modality, and the depth of the layer that aligns best.

    Per model, `hierarchy.peak_depth` chooses a layer by `rule`; similarity and depth are then averaged over the trained models of
    a modality. The default is as published: in every session the layer with the largest |r|, its r with its sign and its depth
    layer / (n_layers - 1) averaged over sessions (arXiv 2507.13941).

    Parameters
    ----------
    layers : DataFrame
        Table rsa_subject_model_alignment: subject, session, model, layer, roi, similarity.
    models : DataFrame
        Table models_info: model_name, modality; where a column `untrained` is there, these models are left out.
    rule : str
        See `hierarchy.peak_depth`.

    Returns
    -------
    DataFrame
        subject, modality, roi, similarity, depth, n (number of models), n_depth (of those that have a depth: a rule may give
        none).

    Raises
    ------
    ValueError
        A column is missing, or a model of the table is not among `models`.
    """
    layers, modality = _of_trained_models(layers, models)
    peaks = peak_depth(layers, rule=rule)
    return _mean(peaks.assign(modality=_translated(peaks["model"], modality)), ["subject", "modality", "roi"],
                 ["similarity", "depth"])


def curves_by_subject(layers, models, *, n_points=None):
    """Layer curves of each subject on one axis of relative depth, averaged over the trained models of each modality.

    As published (arXiv 2507.13941, figure 3): every model's curve is interpolated on the common axis, then models are averaged.

    Parameters
    ----------
    layers, models : DataFrame
        As for `model_by_subject`.
    n_points : int, optional
        Points of the common axis; see `hierarchy.layer_curves`.

    Returns
    -------
    DataFrame
        subject, modality, roi, depth (0 the first layer, 1 the last), similarity, n (number of models).

    Raises
    ------
    ValueError
        As for `model_by_subject`.
    """
    layers, modality = _of_trained_models(layers, models)
    curves = layer_curves(layers, n_points=n_points)
    return _mean(curves.assign(modality=_translated(curves["model"], modality)), ["subject", "modality", "roi", "depth"])


def trained_models(models):
    """Modality ("vision", "language") of every trained model, a Series indexed by model_name; `models` is the table models_info.

    Published tables have no column `untrained`: all of their models are trained.
    """
    _require(models, "models", ["model_name", "modality"])
    trained = models if "untrained" not in models else models[~models["untrained"].astype(bool)]
    return trained.set_index("model_name")["modality"].str.lower()


def over_subjects(values, by, column="similarity"):
    """Mean over subjects, with its standard error s / sqrt(n), s with n - 1 in the denominator.

    Parameters
    ----------
    values : DataFrame
        One row per subject and combination of `by`.
    by : str or list of str
        Columns that stay, e.g. "roi" or ["roi", "depth"].
    column : str

    Returns
    -------
    DataFrame
        Indexed by `by`: mean, error (NaN for one subject), n.
    """
    groups = values.groupby(by, observed=True)[column]
    return pd.DataFrame({"mean": groups.mean(), "error": groups.sem(), "n": groups.count()})


def rank_parcels(values, column="similarity", *, statistic="mean", ascending=False, among=None):
    """Parcel numbers in the order of their mean or median over subjects; none without values; ties keep the atlas' order.

    Parameters
    ----------
    values : DataFrame
        roi and `column`, one row per subject and parcel.
    column : str
    statistic : {"mean", "median"}
    ascending : bool
        Default: largest first.
    among : sequence of int, optional
        Only these parcels.
    """
    chosen = values if among is None else values[values["roi"].isin(among)]
    by_parcel = chosen.groupby("roi")[column].agg(statistic).dropna()
    return [int(roi) for roi in by_parcel.sort_values(ascending=ascending, kind="stable").index]


def same_parcel(pairs):
    """Rows of a full or diagonal subject-subject table that compare a parcel with itself, with one column roi."""
    if "roi" in pairs:
        _require(pairs, "pairs", ["roi", "subject_i", "subject_j", "similarity"])
        return pairs
    _require(pairs, "pairs", ["roi_x", "roi_y", "subject_i", "subject_j", "similarity"])
    return pairs[pairs["roi_x"] == pairs["roi_y"]].rename(columns={"roi_x": "roi"})


def _of_trained_models(layers, models):
    """Rows of the trained models of a table, and the modality of each of them by name."""
    _require(layers, "layers", ["subject", "session", "model", "layer", "roi", "similarity"])
    modality, there = trained_models(models), layers["model"].unique()
    unknown = [name for name in there if name not in set(models["model_name"])]
    if unknown:
        raise ValueError(f"models: {', '.join(sorted(map(str, unknown)))} of the table of similarities stands in no row of "
                         f"models-info.csv (model_name: {', '.join(models['model_name'].head(3))}, ...); "
                         "the scripts of 2_model_extraction write its rows from the feature files")
    trained = layers["model"].isin(modality.index)
    return layers if trained.all() else layers[trained], modality


def _translated(names, modality):
    return names.astype(object).map(modality.to_dict())


def _mean(table, keys, columns=("similarity",)):
    """Mean of `columns` in every group, and how many values it has: n of the first of them, n_<column> of the others."""
    groups = table.groupby(keys, observed=True)
    counts = {f"n_{column}" if k else "n": groups[column].count() for k, column in enumerate(columns)}
    return groups[list(columns)].mean().assign(**counts).reset_index()


def _require(table, name, columns):
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"{name}: no column {', '.join(missing)}; found {', '.join(map(str, table.columns))}. "
                         "Take the tables of 3_alignment, or the published ones, as they are")
