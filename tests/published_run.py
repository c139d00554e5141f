"""Derivatives of eight simulated subjects whose averages are the published numbers: what `compare-published` must pass.

    write_run(folder)               # nsd/..., bold5000/..., things/..., metadata/...; planted(published)["intersubject, shift 1"]
    and so on

Parcels that no number was published of are filled so that laws and rank correlations over all parcels come out as published too.
Left out: networks on separated hemispheres, and so the rank correlation of hemispheres.
"""

import numpy as np
import pandas as pd
from scipy.optimize import brentq, least_squares

from convergence.analysis.power_law import fit_power_law
from convergence.compare_published import PUBLISHED
from convergence.datasets.atlas import hubs_of, load_atlas

ATLAS = load_atlas()
LEFT, RIGHT = (ATLAS[ATLAS["hemisphere"] == side].set_index("name")["roi"] for side in ("lh", "rh"))
NAMES, SUBJECTS, LAYERS = list(LEFT.index), range(1, 9), 201
FREE = {"EVC": "V4", "Ventral": "PHA1", "LOTC": "TPOJ2"}            # parcels of a hub that make its differences come out
SIGNED_UP = np.array([-1.2, 0.3, 1.5, -0.4, 0.6, -1.1, 0.9, -0.6])


def planted(published=None):
    """{quantity: Series by name of parcel}, all parcels."""
    published = pd.read_csv(PUBLISHED) if published is None else published
    at = {name: rows.set_index("place")["value"] for name, rows in published.groupby("quantity")}
    rng, known = np.random.default_rng(0), at["intersubject, shift 1"]
    fill = [name for name in NAMES if name not in known]
    x = pd.Series(np.geomspace(0.0035, 0.17, len(fill))[rng.permutation(len(fill))], fill)
    found = {"intersubject, shift 1": pd.concat([known, x]).reindex(NAMES)}
    significant = _significant(found["intersubject, shift 1"], at)
    laws = {"vision": "vision as power of intersubject",
            "within subject": "within subject as power of intersubject, shifted axes",
            "intersubject, shift 0": "intersubject at shift 0 as power of shift 1, shifted axes"}
    for name, law in laws.items():
        noise = pd.Series(rng.standard_normal(len(NAMES)), NAMES)
        fixed = at[name]
        if name == "vision":                                        # what the contrasts of the hubs need
            fixed = pd.concat([fixed, pd.Series({"V4": 0.13})])
        found[name] = _on_law(found["intersubject, shift 1"], fixed, noise, at[law], significant if name == "vision" else None)
    noise = pd.Series(rng.standard_normal(len(NAMES)), NAMES)
    found["intersubject, Spearman"] = _with(found["intersubject, shift 1"] * np.exp(0.001 * noise), at["intersubject, Spearman"])
    cka = lambda scale: _with(found["intersubject, shift 1"] ** 1.3 * np.exp(scale * noise), at["intersubject, unbiased CKA"])
    scale = brentq(lambda s: cka(s).corr(found["intersubject, shift 1"], method="spearman") - 0.926, 0.01, 3, xtol=1e-3)
    found["intersubject, unbiased CKA"] = cka(scale)
    found["vision depth"] = _with(at["vision depth, median over subjects"].reindex(NAMES).fillna(0.5),
                                  at["vision depth"].drop(["VMV1", "VMV2"]))
    found["language"] = _with(pd.Series(0.01, NAMES), at["language"])
    return found, at, significant


def write_run(folder):
    """Write all tables."""
    found, at, significant = planted()
    save = lambda frame, name: (folder / name).parent.mkdir(parents=True, exist_ok=True) or frame.to_parquet(folder / name)
    between = _by_subject(found["intersubject, shift 1"], at["V1 intersubject by subject"])
    pairs = {"shift_1_joined": _pairs(between, found["within subject"], at["V1 of subjects 1 and 2, shift 1"]["V1"]),
             "shift_2_joined": _pairs(between, found["within subject"], at["V1 of subjects 1 and 2, shift 2"]["V1"]),
             "joined_0": _pairs(_by_subject(found["intersubject, shift 0"]), found["within subject"] * 0 + 1),
             "joined_1_spearman": _pairs(_by_subject(found["intersubject, Spearman"]), found["within subject"])}
    for name, table in pairs.items():
        save(table, f"nsd/rsa_subject_subject_alignment_{name}.parquet")
    cka = _pairs(_by_subject(found["intersubject, unbiased CKA"]),
                 found["within subject"]).rename(columns={"similarity": "score"})
    save(cka, "nsd/cka_subject_subject_alignment_shift_1_joined.parquet")
    parts = [_pairs(_by_subject(_with(found["intersubject, shift 1"], at[f"intersubject, {part}"])),
                    found["within subject"]).assign(subset=part)
             for part in ("animate", "inanimate")]
    save(pd.concat(parts), "nsd/rsa_subject_subject_alignment_shift_1_joined_partitions.parquet")
    save(_separated(at), "nsd/rsa_subject_subject_alignment_shift_1_separated.parquet")
    save(_layers(found, at), "nsd/rsa_subject_model_alignment_joined.parquet")
    save(_p_values(significant, at), "nsd/rsa_pvalues_subject_language_vision.parquet")
    save(_untrained(at), "nsd/cka_untrained_models_similarity.parquet")
    subsets = [at[f"random subsets of 500 images, {word}"] for word in ("mean", "sd")]
    save(pd.concat(subsets, axis=1, keys=["subset_mean", "subset_sd"]).rename_axis("name").reset_index(),
         "nsd/reliability.parquet")
    for name, label in (("bold5000", "BOLD5000"), ("things", "THINGS")):
        table = _pairs(_by_subject(_with(found["intersubject, shift 1"], at[f"{label}, intersubject"])), found["within subject"])
        save(table.assign(session=1), f"{name}/rsa_{name}_subject_subject_alignment_joined.parquet")
    (folder / "metadata").mkdir()
    models = pd.DataFrame({"model_name": ["eye", "text"], "modality": ["vision", "language"]})
    models.to_csv(folder / "metadata" / "models-info.csv", index=False)


def _with(values, known):
    return values.where(~values.index.isin(known.index), known.reindex(values.index)).astype(float)


def _significant(intersubject, at):
    """Names: those published as significant, and the largest of the rest, as many as published in all."""
    told = at["significant after FDR, intersubject"]
    rest = intersubject.drop(told.index).sort_values()
    n = int(at["number of significant parcels, intersubject"]["all"]) - int(told.sum())
    return [*told.index[told == 1], *rest.index[-n:]]


def _on_law(x, known, noise, law, among):
    """y with the known values, the others so that the fit of y = a x^b (`among`: of these; else on shifted axes) is this law."""
    def filled(parameters):
        a, b, scale = parameters
        return _with((a * x.clip(lower=1e-4) ** b + scale * 0.01 * noise).clip(lower=0.0005), known)

    def fitted(y):
        one, other = (x[among], y[among]) if among is not None else (x - x.min() + 1e-4, y - y.min() + 1e-4)
        found = fit_power_law(one, other, n_bootstrap=1)
        return np.array([found.a, found.b, found.r_squared])

    target = law[["a", "b", "R2"]].to_numpy()
    return filled(least_squares(lambda p: fitted(filled(p)) - target, [target[0], target[1], 1.0], diff_step=1e-3, max_nfev=60).x)


def _by_subject(means, v1=None):
    """(subjects, parcels) with these means, and in V1 these of subjects 1 to 5."""
    values = pd.DataFrame([means] * len(SUBJECTS), index=SUBJECTS)
    if v1 is not None:
        values.loc[1:5, "V1"] = v1.to_numpy()
        values.loc[6:8, "V1"] = (8 * means["V1"] - v1.sum()) / 3
    return values


def _pairs(by_subject, within, v1_of_1_and_2=None):
    """All ordered pairs, parcels with themselves; subject i has by_subject[i] with each other."""
    frames = []
    for i in SUBJECTS:
        for j in SUBJECTS:
            r = by_subject.loc[i].copy() if i != j else within.copy()
            if v1_of_1_and_2 is not None and i == 1 and j > 1:
                r["V1"] = v1_of_1_and_2 if j == 2 else (7 * r["V1"] - v1_of_1_and_2) / 6
            frames.append(pd.DataFrame({"roi_x": LEFT[r.index].to_numpy(), "roi_y": LEFT[r.index].to_numpy(),
                                        "similarity": r.to_numpy(np.float32),
                                        "subject_i": i, "subject_j": j}))
    return pd.concat(frames)


def _spread(difference, t):
    """Eight values with this mean and this t against 0."""
    z = (SIGNED_UP - SIGNED_UP.mean()) / SIGNED_UP.std(ddof=1)
    return difference + difference * np.sqrt(8) / t * z


def _separated(at):
    left, right, both = (at[f"intersubject, {side}"] for side in ("left", "right", "left with right"))
    difference, t, rows = at["lh - rh of intersubject, difference"], at["lh - rh of intersubject, t"], []
    for hub, names in hubs_of(ATLAS).items():
        rest = [name for name in names if name not in left]
        each = (difference[hub] * len(names) - sum(left[name] - right[name] for name in names if name in left)) / len(rest)
        extra = _spread(difference[hub],
                        t[hub]) - difference[hub]                  # of every subject, on the left side of all parcels of the hub
        for name in names:
            r, l = (right[name], left[name]) if name in left else (0.15, 0.15 + each)
            cross = both.get(name, 0.1)
            for i in SUBJECTS:
                values = {(LEFT[name], LEFT[name]): l + extra[i - 1], (RIGHT[name], RIGHT[name]): r,
                          (LEFT[name], RIGHT[name]): cross, (RIGHT[name], LEFT[name]): cross}
                rows += [(x, y, r, i, j) for (x, y), r in values.items() for j in SUBJECTS if j != i]
    return pd.DataFrame(rows, columns=["roi_x", "roi_y", "similarity", "subject_i", "subject_j"])


def _layers(found, at):
    vision, language = _by_subject(found["vision"], at["V1 vision by subject"]), _by_subject(found["language"])
    depth = _by_subject(found["vision depth"], at["V1 vision depth by subject"])
    differences = {hub: (at["vision - language, difference"][hub], at["vision - language, t"][hub]) for hub in FREE}
    for hub, names in hubs_of(ATLAS).items():
        others = [name for name in names if name != FREE[hub]]
        language[FREE[hub]] = vision[names].sum(axis=1) - language[others].sum(axis=1) - len(names) * _spread(*differences[hub])
    excess = (at["vision, plain max"] - at["vision"].reindex(at["vision, plain max"].index)).reindex(NAMES).fillna(0).to_numpy()
    tables = []
    for subject in SUBJECTS:
        peak = (depth.loc[subject].to_numpy() * (LAYERS - 1)).round().astype(int)
        r, parcel = np.zeros((2, len(NAMES), LAYERS)), np.arange(len(NAMES))
        negative = np.where(excess > 0, 2 * excess / 1.9,
                            0)                        # session 2: a trough a little deeper than the peak beside it
        value = vision.loc[subject].to_numpy()
        r[0, parcel, peak] = np.where(excess > 0, 2 * value + negative, value)
        r[1, parcel, peak] = np.where(excess > 0, -negative, value)
        r[1, parcel, (peak + 1) % LAYERS] = 0.9 * negative
        tables.append(_long(r, "eye", subject))
        text = np.zeros((2, len(NAMES), 3))
        text[:, :, 1] = language.loc[subject]
        tables.append(_long(text, "text", subject))
    return pd.concat(tables)


def _long(r, model, subject):
    session, parcel, layer = np.indices(r.shape, dtype=np.int32).reshape(3, -1)
    return pd.DataFrame({"roi": LEFT.to_numpy()[parcel], "layer": layer, "session": session + 1,
                         "similarity": r.ravel().astype(np.float32), "subject": subject,
                         "model": model})


def _p_values(significant, at):
    language = at["significant after FDR, language"].reindex(NAMES).fillna(0) == 1
    return pd.concat([pd.DataFrame({"roi": LEFT.to_numpy(), "comparison": name, "pvalue_fdr_bh": np.where(yes, 0.001, 0.4)})
                      for name, yes in (("intersubject", np.isin(NAMES, significant)), ("language", language))])


def _untrained(at):
    rows = [(subject, session, modality.title(), f"net-{modality}", layer, LEFT[name], value - 0.01 * (layer != 1))
            for subject in (1, 3) for session in (1, 2)
            for modality in ("vision", "language") for layer in range(3)
            for name, value in at[f"untrained networks, unbiased CKA, {modality}"].items()]
    return pd.DataFrame(rows, columns=["subject", "session", "modality", "model", "layer", "roi", "score"])
