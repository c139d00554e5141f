"""The sentences that stand under figures, word by word."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from convergence.plotting import captions

VALUES = pd.DataFrame({"subject": [2, 5, 2, 5, 2, 5], "roi": [1, 1, 4, 4, 7, 7],
                       "similarity": [0.2, 0.4, 0.1, np.nan, np.nan, np.nan]})
P_VALUES = pd.DataFrame({"roi": [1, 4, 7], "pvalue_fdr_bh": [0.01, 0.2, np.nan]})
ATLAS = pd.DataFrame({"name": ["V1", "V2", "V8"]}, index=[1, 4, 7])
HUBS = {"EVC": {1: "V1", 4: "V2"}, "LOTC": {7: "V8"}}


def test_significance():
    assert captions.significance("vision", P_VALUES.assign(method="closed form"), VALUES) == (
        "Vision models: n = 2 subjects; 1 of 2 parcels at p < 0.05 (two-sided test of the mean over subjects, "
        "Benjamini-Hochberg over the 2 parcels; null: closed form).")
    as_published = captions.significance("intersubject", P_VALUES, VALUES, alpha=0.001)
    assert as_published.startswith("Inter-subject: n = 2 subjects; 0 of 2 parcels at p < 0.001 (")
    assert as_published.endswith("null: as published).")


def test_parcels_without_data_are_named():
    assert captions.without_data(VALUES, ATLAS) == "Without a value in every subject: V8. Without a value in some subjects: V2."
    assert captions.without_data(VALUES[:2], ATLAS.loc[[1]]) == ""
    many = pd.DataFrame({"name": [f"A{k}" for k in range(11)]}, index=range(20, 31))
    assert captions.without_data(VALUES, many) == "Without a value in every subject: A0, A1, A2, A3, A4, A5, A6, A7 and 3 more."


def test_sample():
    layers = pd.DataFrame({"subject": [2, 2, 5], "session": [1, 4, 1], "model": ["a", "b", "a-untrained"]})
    models = pd.DataFrame({"model_name": ["a", "b", "c", "a-untrained"], "modality": ["vision", "language", "vision", "vision"],
                           "untrained": [False] * 3 + [True]})
    assert captions.sample(layers, models) == "2 subjects, 1 to 2 sessions each; models: 1 vision, 1 language."


def test_peaks():
    curves = pd.DataFrame({"roi": [1, 1, 4, 4], "depth": [0.0, 0.5, 0.0, 0.5], "similarity": [0.1, 0.2, 0.3, 0.4]})
    assert captions.peaks(curves, HUBS) == "Highest mean of a hub: EVC: r = 0.300 at depth 0.50; LOTC: no data."


def test_depths_count_only_parcels_that_align():
    depths = pd.DataFrame({"subject": [2, 5, 2, 5, 2], "roi": [1, 1, 4, 4, 7], "depth": [0.1, 0.2, 0.9, 0.9, 0.5]})
    assert captions.hub_depths("Vision models", HUBS, {"ours": depths, "published": depths.assign(depth=0.5)}, [1]) == (
        "Vision models, n = 2 subjects; median depth by ours / published: EVC 0.15 / 0.50 (n = 1 parcels); LOTC does not align.")


def test_rank_correlation():
    result = SimpleNamespace(statistic=0.923, pvalue=3.2e-8)
    assert captions.rank_correlation("inter-subject", "Vision models", result, 157) == (
        "Vision models against inter-subject: Spearman rho = 0.92 over n = 157 parcels "
        "(p = 3.2e-08, parcels taken as independent).")
