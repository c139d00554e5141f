"""Does a run on the real data give the published numbers? Quantities from tables, and their scores against published ones.

    quantities(tables, atlas, names=None)       # {quantity: Series by place, or the words why there is none}
    score(found, published)                     # DataFrame: published, found, difference, verdict
    swapped(scores)                             # pairs of parcels that look exchanged

`tables` gives a DataFrame by name and raises FileNotFoundError where there is none. All means are arithmetic means of r, and
layers are chosen by the largest |r| in every session, as published (arXiv 2507.13941); published numbers are in
convergence/assets.
"""

import numpy as np
import pandas as pd

from convergence.analysis.aggregate import intersubject_by_subject, model_by_subject, trained_models, within_subject
from convergence.analysis.power_law import fit_power_law

AGREES, DIFFERS, MISSING = "agrees", "differs", "missing"
_LEVEL = 0.05
_EPSILON = 1e-4                                     # smallest value on shifted axes


def score(found, published):
    """Every published number beside the one of the run.

    Parameters
    ----------
    found : dict
        Of `quantities`.
    published : DataFrame
        table, quantity, place, value, tolerance, source.

    Returns
    -------
    DataFrame
        Its rows, with found, difference (found - value), verdict ("agrees", "differs", "missing") and reason.

    Raises
    ------
    ValueError
        A column is missing, or a quantity that nothing computes.

    Examples
    --------
    >>> published = pd.DataFrame({"table": "t", "quantity": "r", "place": ["V1", "V2", "V3"], "value": [0.2, 0.1, 0.3]})
    >>> published["tolerance"] = 0.002
    >>> score({"r": pd.Series({"V1": 0.201, "V2": 0.11})}, published)["verdict"].tolist()
    ['agrees', 'differs', 'missing']
    """
    lacking = [name for name in ("table", "quantity", "place", "value", "tolerance") if name not in published]
    unknown = sorted(set(published.get("quantity", ())) - set(found))
    if lacking or unknown:
        raise ValueError(f"score: published lacks columns {lacking}, and has quantities that nothing computes: {unknown}")
    values, reasons = [], []
    for quantity, place in zip(published["quantity"], published["place"]):
        series = found[quantity]
        value = np.nan if isinstance(series, str) else float(series.get(place, np.nan))
        values.append(value)
        reasons.append(series if isinstance(series, str) else "" if value == value else f"no value for {place}")
    scores = published.assign(found=values, reason=reasons)
    scores["difference"] = scores["found"] - scores["value"]
    outside = scores["difference"].abs() > scores["tolerance"] + 1e-9
    scores["verdict"] = np.where(scores["found"].isna(), MISSING, np.where(outside, DIFFERS, AGREES))
    return scores


def swapped(scores):
    """Pairs of places, both outside their tolerance, that would agree if they were exchanged: (quantity, place, place)."""
    pairs = []
    for quantity, rows in scores[scores["verdict"] == DIFFERS].groupby("quantity", sort=False):
        rows = rows.to_dict("records")
        pairs += [(quantity, one["place"], other["place"]) for k, one in enumerate(rows) for other in rows[k + 1:]
                  if abs(one["found"] - other["value"]) <= other["tolerance"]
                  and abs(other["found"] - one["value"]) <= one["tolerance"]]
    return pairs


def quantities(tables, atlas, names=None):
    """The quantities of published.csv.

    Parameters
    ----------
    tables : object
        tables[name] is a DataFrame or raises FileNotFoundError; names: shift_0, shift_1, shift_2, spearman, cka, separated,
        partitions, layers, layers_separated, models, p_values, contrasts, untrained, reliability, bold5000, things.
    atlas : DataFrame
        roi, name, hemisphere.
    names : sequence of str, optional
        Only these quantities.

    Returns
    -------
    dict
        Series of float by place (parcel, hub, subject, coefficient), or a str: why it could not be computed.
    """
    computed = _Computed(tables, atlas)
    found = {}
    for name in _QUANTITIES if names is None else names:
        try:
            found[name] = _QUANTITIES[name](computed)
        except (FileNotFoundError, ValueError) as error:
            found[name] = str(error)
    return found


class _Computed:
    """What several quantities need, computed once: Series by name of parcel."""

    def __init__(self, tables, atlas):
        self.tables, self.known = tables, {}
        self.left = atlas[atlas["hemisphere"] != "rh"].set_index("roi")["name"]
        self.right = atlas[atlas["hemisphere"] == "rh"].set_index("roi")["name"]

    def once(self, key, make):
        if key not in self.known:
            self.known[key] = make()
        return self.known[key]

    def named(self, values, side=None):
        side = self.left if side is None else side
        return values[values.index.isin(side.index)].rename(side).astype(float)

    def between(self, table):
        def make():
            pairs = self.tables[table]
            if "score" in pairs:
                pairs = pairs.rename(columns={"score": "similarity"})
            return self.by_subject(intersubject_by_subject, pairs).groupby("roi")["similarity"].mean()
        return self.once(("between", table), make)

    def by_subject(self, function, pairs):
        return function(pairs.astype({"similarity": float}))

    def of_models(self, table="layers"):
        return self.once(("models", table), lambda: model_by_subject(self.tables[table], self.tables["models"]))

    def models(self, modality, column="similarity", table="layers", statistic="mean"):
        values = self.of_models(table)
        return values[values["modality"] == modality].groupby("roi")[column].agg(statistic)


def _subjects(values, name, column="similarity"):
    return lambda c: _by_number(values(c), name, column, c)


def _by_number(values, name, column, c):
    number = c.left.index[c.left == name]
    rows = values[values["roi"].isin(number)].set_index("subject")[column]
    return rows.rename(lambda subject: f"subject {subject}")


def _plain_max(c):
    """Largest r over layers instead of largest |r|; vision."""
    layers, modality = c.tables["layers"], trained_models(c.tables["models"])
    layers = layers[layers["model"].isin(modality.index[modality == "vision"])]
    best = layers.groupby(["subject", "session", "model", "roi"], observed=True)["similarity"].max()
    for over in ("session", "model", "subject"):
        best = best.groupby([key for key in best.index.names if key != over], observed=True).mean()
    return c.named(best)


def _one_pair(table):
    def compute(c):
        pairs = c.tables[table]
        rows = pairs[(pairs["subject_i"] == 1) & (pairs["subject_j"] == 2)]
        if "roi_x" in rows:
            rows = rows[rows["roi_x"] == rows["roi_y"]].rename(columns={"roi_x": "roi"})
        return c.named(rows.set_index("roi")["similarity"])
    return compute


def _p_values(c, comparison):
    table = c.tables["p_values"]
    return table[table["comparison"] == comparison].set_index("roi")["pvalue_fdr_bh"].dropna()


def _contrast(contrast, measure, column):
    def compute(c):
        table = c.tables["contrasts"]
        rows = table[(table["contrast"] == contrast) & (table["measure"] == measure)]
        if not len(rows):                                       # the error of the table that it lacks, if that is why
            c.tables[{"models": "layers", "intersubject": "separated"}.get(measure, "layers_separated")]
            raise ValueError(f"no {contrast} of {measure} can be made of the tables")
        return rows.set_index("hub")[column].astype(float)
    return compute


def _sides(c):
    """Mean r over ordered pairs by hemispheres: left, right, left with right."""
    def make():
        pairs = c.tables["separated"]
        if "roi_x" not in pairs:
            raise ValueError("the table of separated hemispheres has each parcel with itself only; --form full is needed")
        pairs = pairs[pairs["subject_i"] != pairs["subject_j"]]
        name = c.left.to_dict() | c.right.to_dict()
        pairs = pairs.assign(name=pairs["roi_x"].map(name), homologue=pairs["roi_y"].map(name),
                             x=pairs["roi_x"].isin(c.left.index),
                             y=pairs["roi_y"].isin(c.left.index)).query("name == homologue")
        return pairs.groupby(["x", "y", "name"])["similarity"].mean().astype(float)
    return c.once("sides", make)


def _rank_of_sides(c):
    known = _p_values(c, "intersubject")
    kept = c.named(known[known < _LEVEL]).index
    sides = {"intersubject": (_sides(c)[True, True], _sides(c)[False, False])}
    for modality in ("vision", "language"):
        values = c.models(modality, table="layers_separated")
        sides[modality] = c.named(values), c.named(values, c.right)
    return pd.Series({name: left.reindex(kept).corr(right.reindex(kept), method="spearman")
                      for name, (left, right) in sides.items()})


def _subset(name):
    def compute(c):
        table = c.tables["partitions"]
        rows = c.by_subject(intersubject_by_subject, table[table["subset"] == name])
        return c.named(rows.groupby("roi")["similarity"].mean())
    return compute


def _law(x, y, *, shifted=False):
    both = pd.concat([x, y], axis=1, join="inner").dropna()
    x, y = both.to_numpy(np.float64).T
    if shifted:
        x, y = (values - values.min() + _EPSILON for values in (x, y))
    law = fit_power_law(x, y, n_bootstrap=1)
    return pd.Series({"a": law.a, "b": law.b, "R2": law.r_squared})


def _law_of_vision(c):
    known = _p_values(c, "intersubject")
    x = c.between("shift_1").reindex(known.index[known < _LEVEL])
    return _law(x[x > 0], c.models("vision"))


def _rank_correlations(c):
    measures = {"Pearson": c.between("shift_1"), "Spearman": c.between("spearman"), "unbiased CKA": c.between("cka")}
    ranks = pd.DataFrame(measures).corr(method="spearman")
    return pd.Series({f"{one} and {other}": ranks.loc[one, other] for one, other in
                      (("Pearson", "Spearman"), ("Pearson", "unbiased CKA"), ("Spearman", "unbiased CKA"))})


def _untrained(modality):
    def compute(c):
        table = c.tables["untrained"]
        table = table[table["modality"].astype(str).str.lower() == modality]
        best = table.groupby(["subject", "session", "model", "roi"], observed=True)["score"].max()
        return c.named(best.groupby("roi").mean())
    return compute


def _reliability(column):
    return lambda c: c.tables["reliability"].set_index("name")[column].astype(float)


def _within(c):
    return c.named(c.by_subject(within_subject, c.tables["shift_1"]).groupby("roi")["similarity"].mean())


def _significant(comparison):
    return lambda c: (c.named(_p_values(c, comparison)) < _LEVEL).astype(float)


_INTERSUBJECT = lambda c: c.by_subject(intersubject_by_subject, c.tables["shift_1"])
_VISION = lambda c: c.of_models().query("modality == 'vision'")
_QUANTITIES = {
    "intersubject, shift 1": lambda c: c.named(c.between("shift_1")),
    "intersubject, shift 0": lambda c: c.named(c.between("shift_0")),
    "within subject": _within,
    "vision": lambda c: c.named(c.models("vision")),
    "vision, plain max": _plain_max,
    "language": lambda c: c.named(c.models("language")),
    "vision depth": lambda c: c.named(c.models("vision", "depth")),
    "intersubject, Spearman": lambda c: c.named(c.between("spearman")),
    "intersubject, unbiased CKA": lambda c: c.named(c.between("cka")),
    "V1 intersubject by subject": _subjects(_INTERSUBJECT, "V1"),
    "V1 vision by subject": _subjects(_VISION, "V1"),
    "V1 vision depth by subject": _subjects(_VISION, "V1", "depth"),
    "V1 of subjects 1 and 2, shift 1": _one_pair("shift_1"),
    "V1 of subjects 1 and 2, shift 2": _one_pair("shift_2"),
    "number of significant parcels, intersubject": lambda c: pd.Series({"all": (_p_values(c, "intersubject") < _LEVEL).sum()}),
    "significant after FDR, intersubject": _significant("intersubject"),
    "significant after FDR, language": _significant("language"),
    **{f"{title}, {word}": _contrast(contrast, measure, column) for title, contrast, measure in (
        ("vision - language", "vision - language", "models"), ("lh - rh of intersubject", "lh - rh", "intersubject"),
        ("lh - rh of vision", "lh - rh", "vision"), ("lh - rh of language", "lh - rh", "language"))
       for word, column in (("difference", "difference"), ("t", "t"))},
    "intersubject, left": lambda c: _sides(c)[True, True],
    "intersubject, right": lambda c: _sides(c)[False, False],
    "intersubject, left with right": lambda c: _sides(c)[True, False],
    "rank correlation of left and right": _rank_of_sides,
    "vision depth, median over subjects": lambda c: c.named(c.models("vision", "depth", statistic="median")),
    "intersubject, animate": _subset("animate"),
    "intersubject, inanimate": _subset("inanimate"),
    "vision as power of intersubject": _law_of_vision,
    "within subject as power of intersubject, shifted axes": lambda c: _law(c.named(c.between("shift_1")), _within(c),
                                                                            shifted=True),
    "intersubject at shift 0 as power of shift 1, shifted axes": lambda c: _law(c.between("shift_1"), c.between("shift_0"),
                                                                                shifted=True),
    "rank correlation of measures": _rank_correlations,
    "untrained networks, unbiased CKA, vision": _untrained("vision"),
    "untrained networks, unbiased CKA, language": _untrained("language"),
    "random subsets of 500 images, mean": _reliability("subset_mean"),
    "random subsets of 500 images, sd": _reliability("subset_sd"),
    "BOLD5000, intersubject": lambda c: c.named(c.between("bold5000")),
    "THINGS, intersubject": lambda c: c.named(c.between("things")),
}
