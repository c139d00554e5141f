"""Derivatives with planted truth, written with the schemas of the real ones, so that figures are tested before any stage has run.

    planted = write_derivatives(folder)                     # 4 subjects, 3 sessions, a vision and a language model
    write_derivatives(folder, n_subjects=8, n_sessions=40, models=..., published=True)      # any size; only published columns

Planted, and returned as a DataFrame (indexed by parcel number: name, hub, strength, peak, social): the hubs and some of their
neighbours align between subjects with `strength`; vision models align with them best at relative depth `peak`: V1 to V4 early,
the ventral hub in the middle, LOTC late; language models align with LOTC only (`social`). All other parcels are null: tiny r, no
stars. V6 has no voxels in subject 3; A1 has none in anybody.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

from convergence.datasets.atlas import load_atlas
from convergence.storage.outputs import Record, save
from convergence.storage.schemas import TABLES
from convergence.storage.tables import concatenate, conform, file_of

MODELS = {"synthetic_vit-small": ("vision", 8), "synthetic_gpt-small": ("language", 5)}
HUB_STRENGTH, HUB_PEAK = {"EVC": 0.30, "Ventral": 0.24, "LOTC": 0.28}, {"EVC": 0.12, "Ventral": 0.5, "LOTC": 0.85}
SOCIAL = {"LOTC": 0.22}
NEIGHBOURS = {"V8": 0.35, "V3A": 0.4, "VVC": 0.55, "FFC": 0.6, "PIT": 0.6, "LO1": 0.6, "LO2": 0.65, "LO3": 0.65, "DVT": 0.65,
              "POS1": 0.65, "V3CD": 0.5, "PH": 0.7, "PGp": 0.7}
NOWHERE, NOT_IN_SUBJECT_3 = "A1", "V6"
NULL_STD = 0.01
_MADE_BY = Record("tests/synthetic_derivatives.py")


def write_derivatives(folder, *, n_subjects=4, n_sessions=3, models=MODELS, seed=0, published=False):
    """Write the five tables that notebooks 01 and 03 read; returns what was planted."""
    folder, rng, planted = Path(folder), np.random.default_rng(seed), plant()
    write = lambda frame, table, **options: save(_checked(frame, table, published), folder / file_of(table, **options), _MADE_BY)
    write(load_atlas(), "hcp")
    write(models_info(models), "models_info")
    pairs = subject_pairs(planted, n_subjects, rng)
    write(pairs, "rsa_subject_subject_alignment", dataset="nsd", variant="shift_1_joined")
    between = pairs[(pairs["subject_i"] != pairs["subject_j"]) & (pairs["roi_x"] == pairs["roi_y"])]
    observed = {"intersubject": [between.groupby("roi_x")["similarity"].mean()]}
    with tempfile.TemporaryDirectory() as parts:
        written = []
        for name, (modality, n_layers) in models.items():
            layers = subject_model(planted, name, modality, n_layers, n_subjects, n_sessions, rng)
            observed.setdefault(modality, []).append(best_layer(layers))
            written.append(save(_checked(layers, "rsa_subject_model_alignment", published), Path(parts) / f"{name}.parquet",
                                _MADE_BY))
        concatenate(written, folder / file_of("rsa_subject_model_alignment", dataset="nsd", hemispheres="joined"), _MADE_BY)
    means = {name: pd.concat(values, axis=1).mean(axis=1) for name, values in observed.items()}
    write(p_values(planted, means), "rsa_pvalues_subject_language_vision", dataset="nsd")
    return planted


def plant():
    """Truth per parcel of joined hemispheres."""
    atlas = load_atlas().query("hemisphere == 'lh'").set_index("roi")
    hub = atlas["hub"].where(atlas["hub"] != "")
    within = atlas.groupby(hub).cumcount()                        # so that no two parcels of a hub are alike
    neighbour = atlas["name"].map(NEIGHBOURS)
    strength = (hub.map(HUB_STRENGTH) - 0.02 * within).fillna((0.14 - 0.006 * neighbour.rank()).fillna(0))
    peak = (hub.map(HUB_PEAK) + 0.02 * within).fillna(neighbour).fillna(0.5)
    return pd.DataFrame({"name": atlas["name"], "hub": hub, "strength": strength, "peak": peak,
                         "social": hub.map(SOCIAL).fillna(0)})


def models_info(models):
    return pd.DataFrame([{"model_name": name, "modality": modality, "family": name.split("-")[0], "model": name,
                          "num_layers": n_layers, "inner_dim": 64, "num_parameters": 10_000, "untrained": False, "seed": -1,
                          "layer_names": ";".join(f"block {k}" for k in range(n_layers))}
                         for name, (modality, n_layers) in models.items()])


def subject_pairs(planted, n_subjects, rng):
    """All ordered pairs, full matrices: the diagonal as planted, less between parcels of one hub, more within a subject."""
    n, subjects, parts = len(planted), range(1, n_subjects + 1), []
    same_hub = (planted["hub"].to_numpy()[:, None] == planted["hub"].to_numpy()) & planted["hub"].notna().to_numpy()[:, None]
    root = np.sqrt(planted["strength"].to_numpy())
    base = np.outer(root, root) * np.where(np.eye(n, dtype=bool), 1, np.where(same_hub, 0.7, 0))
    person = dict(zip(subjects, rng.normal(1, 0.08, (n_subjects, 1)) * rng.normal(1, 0.06, (n_subjects, n))))
    x, y = np.indices((n, n)).reshape(2, -1)
    for i in subjects:
        for j in subjects:
            r = base * person[i][:, None] * person[j] * (1.2 if i == j else 1) + rng.normal(0, 0.003, (n, n))
            absent = np.array([NOWHERE, *([NOT_IN_SUBJECT_3] if 3 in (i, j) else [])])
            lost = planted["name"].isin(absent).to_numpy()
            r[lost], r[:, lost] = np.nan, np.nan
            parts.append(pd.DataFrame({"roi_x": planted.index[x], "roi_y": planted.index[y], "similarity": r.ravel(),
                                       "subject_i": i, "subject_j": j}))
    pairs = pd.concat(parts)
    return pairs.assign(join_hemispheres=True, rep_shift="1", reason=np.where(pairs["similarity"].isna(), "no voxels", ""))


def subject_model(planted, name, modality, n_layers, n_subjects, n_sessions, rng):
    """One model's table: a bump at the planted depth for vision, a rise over depth for language; noise per session."""
    depth = np.linspace(0, 1, n_layers)
    peak, strength, social = (planted[name].to_numpy()[:, None] for name in ("peak", "strength", "social"))
    curve = 0.8 * strength * np.exp(-((depth - peak) / 0.35) ** 2) if modality == "vision" else social * (0.3 + 0.7 * depth)
    shape = n_subjects, n_sessions, *curve.shape
    person, session = rng.normal(1, 0.1, (n_subjects, 1, len(planted), 1)), rng.normal(1, 0.1, (*shape[:2], 1, n_layers))
    r = curve * person * session + rng.normal(0, 0.004, shape)
    r[:, :, (planted["name"] == NOWHERE).to_numpy()] = np.nan
    r[2:3, :, (planted["name"] == NOT_IN_SUBJECT_3).to_numpy()] = np.nan
    subject, session, parcel, layer = np.indices(shape, dtype=np.int32).reshape(4, -1)
    reason = pd.Series("", index=range(r.size)).mask(np.isnan(r.ravel()), "no voxels")
    return pd.DataFrame({"roi": planted.index.to_numpy()[parcel], "layer": layer, "session": session + 1, "similarity": r.ravel(),
                         "subject": subject + 1, "model": name, "join_hemispheres": True, "reason": reason})


def best_layer(layers):
    """Mean over subjects and sessions of the r of largest absolute value, with its sign."""
    wide = layers.pivot(index=["subject", "session", "roi"], columns="layer", values="similarity").dropna()
    at = np.abs(wide.to_numpy()).argmax(1)
    return pd.Series(wide.to_numpy()[np.arange(len(wide)), at], wide.index).groupby("roi").mean()


def p_values(planted, means):
    """A normal null of SD NULL_STD about 0.001; the planted nulls stay far inside it."""
    tables = []
    for comparison, observed in means.items():
        observed = observed.reindex(planted.index).astype(float)
        p = 2 * norm.sf(np.abs(observed - 0.001) / NULL_STD)
        corrected = np.full(len(p), np.nan)
        corrected[~np.isnan(p)] = false_discovery_control(p[~np.isnan(p)])
        stars = ["*" * sum(value < limit for limit in (0.05, 0.01, 0.001, 0.0001)) for value in corrected]
        tables.append(pd.DataFrame({"roi": planted.index, "name": planted["name"], "comparison": comparison, "observed": observed,
                                    "null_mean": 0.001, "null_std": NULL_STD, "pvalue": p, "pvalue_fdr_bh": corrected,
                                    "apa_star": stars, "mne_name": "L_" + planted["name"] + "_ROI-lh",
                                    "method": "closed form, images relabelled"}))
    return pd.concat(tables)


def _checked(frame, table, published):
    """The frame with the schema's columns and types; published: without the columns that only ours have."""
    frame = conform(frame, table)
    ours = [name for name, column in TABLES[table].columns.items() if column.meaning.startswith("(ours)")]
    return frame.drop(columns=ours, errors="ignore") if published else frame
