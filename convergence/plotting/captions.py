"""Sentences under the figures, with numbers from the tables: how many people and parcels, which test, what was left out."""

from convergence.analysis.aggregate import trained_models
from convergence.plotting import style


def sample(layers, models):
    """How many subjects, sessions and models a table of similarities with models holds."""
    modality = trained_models(models)
    there = modality[modality.index.isin(layers["model"].unique())].value_counts()
    sessions = layers.groupby("subject")["session"].nunique()
    n_sessions = f"{sessions.min()}" if sessions.min() == sessions.max() else f"{sessions.min()} to {sessions.max()}"
    counted = ", ".join(f"{n} {name}" for name, n in there.items())
    return f"{len(sessions)} subjects, {n_sessions} sessions each; models: {counted}."


def significance(comparison, p_values, values, *, alpha=0.05):
    """Who was averaged, how many parcels are significant, and by which test.

    Parameters
    ----------
    comparison : str
        "intersubject", "vision" or "language".
    p_values : DataFrame
        Rows of the comparison of the table rsa_pvalues_subject_language_vision.
    values : DataFrame
        subject, roi, similarity of the comparison.
    alpha : float
        Limit of the corrected p.
    """
    tested = p_values.dropna(subset="pvalue_fdr_bh")
    n_significant, n_tested = int((tested["pvalue_fdr_bh"] < alpha).sum()), len(tested)
    n_subjects = values.dropna(subset="similarity")["subject"].nunique()
    methods = ", ".join(sorted(tested["method"].dropna().unique())) if "method" in tested else ""
    return (f"{style.COMPARISONS[comparison]}: n = {n_subjects} subjects; {n_significant} of {n_tested} parcels at p < {alpha:g} "
            f"(two-sided test of the mean over subjects, Benjamini-Hochberg over the {n_tested} parcels; "
            f"null: {methods or 'as published'}).")


def without_data(values, atlas):
    """Which parcels lack a value in some subjects, or in all; "" where none does."""
    n_subjects = values["subject"].nunique()
    there = values.groupby("roi")["similarity"].count().reindex(atlas.index, fill_value=0)
    lacking = {"every subject": atlas["name"][there == 0], "some subjects": atlas["name"][(there > 0) & (there < n_subjects)]}
    return " ".join(f"Without a value in {where}: {_listed(names)}." for where, names in lacking.items() if len(names))


def peaks(curves, hubs):
    """Where the mean curve of each hub has its largest r: curves of one modality, hubs as `derivatives.hub_panels` gives them."""
    sentences = []
    for hub, parcels in hubs.items():
        mean = curves[curves["roi"].isin(list(parcels))].groupby("depth")["similarity"].mean().dropna()
        sentences.append(f"{hub}: r = {mean.max():.3f} at depth {mean.idxmax():.2f}" if len(mean) else f"{hub}: no data")
    return "Highest mean of a hub: " + "; ".join(sentences) + "."


def hub_depths(title, hubs, tables, rois):
    """Median depth over the subjects and parcels of each hub, by each of several rules.

    Parameters
    ----------
    title : str
    hubs : dict
        As `derivatives.hub_panels` gives them.
    tables : dict
        Name of a rule -> subject, roi, depth.
    rois : sequence of int
        Parcels that align at all; the depth of others means nothing.
    """
    sentences = []
    for hub, parcels in hubs.items():
        aligned = set(parcels).intersection(rois)
        medians = [table.loc[table["roi"].isin(aligned), "depth"].median() for table in tables.values()]
        numbers = " / ".join(f"{median:.2f}" for median in medians)
        sentences.append(f"{hub} {numbers} (n = {len(aligned)} parcels)" if aligned else f"{hub} does not align")
    n_subjects = max(table["subject"].nunique() for table in tables.values())
    return f"{title}, n = {n_subjects} subjects; median depth by {' / '.join(tables)}: {'; '.join(sentences)}."


def rank_correlation(x_name, y_name, result, n):
    """A Spearman correlation over parcels, as scipy.stats.spearmanr returned it."""
    return (f"{y_name} against {x_name}: Spearman rho = {result.statistic:.2f} over n = {n} parcels "
            f"(p = {result.pvalue:.1e}, parcels taken as independent).")


def _listed(names, most=8):
    shown = ", ".join(list(names)[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
