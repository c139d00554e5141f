"""hub_contrasts from synthetic tables with planted differences, ours and as published."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from convergence.alignment.hub_contrasts import contrasts
from convergence.datasets.atlas import hubs_of, load_atlas
from convergence.storage.tables import conform

ATLAS, SUBJECTS = load_atlas(), (1, 2, 4, 7, 8)
HUBS = hubs_of(ATLAS)
MODELS = pd.DataFrame({"model_name": ["eye", "text"], "modality": ["vision", "language"]})


def number(name, hemisphere="lh"):
    return int(ATLAS[(ATLAS["name"] == name) & (ATLAS["hemisphere"] == hemisphere)]["roi"].iloc[0])


def layers(value, hemispheres=("lh",)):
    """A table of one best layer per model: value(model, hub, hemisphere) + a person's own."""
    rng = np.random.default_rng(0)
    rows = [(subject, 1, model, layer, number(name, side), value(model, hub,
                                                                 side) * (0.5 + layer / 2) + 0.01 * rng.standard_normal())
            for subject in SUBJECTS for model in ("eye", "text") for layer in (0, 1) for hub, names in HUBS.items()
            for name in names for side in hemispheres]
    return pd.DataFrame(rows, columns=["subject", "session", "model", "layer", "roi", "similarity"])


def pairs(value, columns=({},), hemispheres=("lh", "rh")):
    rng = np.random.default_rng(1)
    person = dict(zip(SUBJECTS, 0.01 * rng.standard_normal(len(SUBJECTS))))
    rows = [{"subject_i": i, "subject_j": j, "roi": number(name, side), "similarity": value(hub, side,
                                                                                            more) + person[i] + person[j], **more}
            for i in SUBJECTS for j in SUBJECTS for hub, names in HUBS.items() for name in names for side in hemispheres
            for more in columns]
    return pd.DataFrame(rows)


TABLES = {
    "layers": layers(lambda model, hub, side: {"EVC": 0.3, "Ventral": 0.2, "LOTC": 0.2}[hub] if model == "eye"
                     else {"LOTC": 0.4}.get(hub, 0.1)),
    "layers_separated": layers(lambda model, hub, side: 0.2 + 0.05 * (side == "rh"), ("lh", "rh")),
    "pairs_separated": pairs(lambda hub, side, _: 0.2 + {"EVC": 0.03, "Ventral": -0.03, "LOTC": 0}[hub] * (side == "lh")),
    "partitions": pairs(lambda hub, side, more: 0.1 + 0.1 * (hub == "LOTC" and more["subset"] == "animate"),
                        [{"subset": "animate"}, {"subset": "inanimate"}], ("lh",))}


def test_planted_differences_are_found():
    table = contrasts(TABLES, ATLAS, MODELS)
    pd.testing.assert_frame_equal(table, conform(table, "hub_contrasts"))
    at = table.set_index(["contrast", "measure", "hub"])
    planted = {("vision - language", "models", "EVC"): 0.2, ("vision - language", "models", "LOTC"): -0.2,
               ("lh - rh", "vision", "EVC"): -0.05,
               ("lh - rh", "intersubject", "EVC"): 0.03, ("lh - rh", "intersubject", "Ventral"): -0.03,
               ("lh - rh", "intersubject", "LOTC"): 0,
               ("animate - inanimate", "intersubject", "LOTC"): 0.1, ("animate - inanimate", "intersubject", "MST"): 0.1,
               ("animate - inanimate", "intersubject", "V1"): 0}
    for place, difference in planted.items():
        assert at.loc[place, "difference"] == pytest.approx(difference, abs=0.012), place
    assert at.loc[("vision - language", "models", "EVC"),
                  "p"] == 2 / 2 ** 5 and (table["reason"] == "").all() and set(table["n_subjects"]) == {5}
    assert at.loc[("animate - inanimate", "intersubject", "V1"), "correction"] == f"FDR over {3 + 16}"


def test_as_published():
    table = contrasts(TABLES, ATLAS, MODELS, reference=True).set_index(["contrast", "measure", "hub"])
    values = TABLES["layers"].groupby(["subject", "model",
                                       "roi"])["similarity"].max().unstack("model")             # all are positive
    hub = values[values.index.get_level_values("roi").isin([number(name) for name in HUBS["EVC"]])].groupby("subject").mean()
    expected = stats.ttest_rel(hub["eye"], hub["text"])
    row = table.loc[("vision - language", "models", "EVC")]
    np.testing.assert_allclose([row["t"], row["p_corrected"]], [expected.statistic, min(1, 3 * expected.pvalue)])
    assert row["correction"] == "Bonferroni over 3" and table.loc[("animate - inanimate", "intersubject", "MST"),
                                                                  "method"] == "Welch's t of subjects' means"
    assert ("animate - inanimate", "intersubject", "LOTC") not in table.index


def test_a_parcel_that_a_subject_lacks_is_left_out_for_all_and_named():
    table = TABLES["layers"].copy()
    table.loc[(table["subject"] == 4) & (table["roi"] == number("V3")), "similarity"] = np.nan
    row = contrasts({"layers": table}, ATLAS, MODELS).set_index("hub").loc["EVC"]
    rest = table[table["roi"].isin([number(name) for name in ("V1", "V2", "V4")]) & (table["layer"] == 1)]
    assert row["reason"] == "not in all subjects: V3"
    assert row["first"] == pytest.approx(rest[rest["model"] == "eye"]["similarity"].mean(), abs=1e-4)


@pytest.mark.parametrize("tables, atlas, expected", [
    ({}, ATLAS, "hub_contrasts: no contrast can be made; networks of vision and of language, separated hemispheres"),
    (TABLES, ATLAS.assign(hub=""), "hub_contrasts: the atlas has no hubs"),
])
def test_what_cannot_be_made(tables, atlas, expected):
    with pytest.raises(ValueError, match=expected):
        contrasts(tables, atlas, MODELS)


def test_a_subject_that_lacks_one_of_two_networks_in_a_parcel_loses_it_for_all():
    table, first = TABLES["layers"], HUBS["LOTC"][0]
    second = table[table["model"] == "eye"].assign(model="other eye")
    second.loc[(second["subject"] == 4) & (second["roi"] == number(first)), "similarity"] = np.nan
    models = pd.concat([MODELS, pd.DataFrame({"model_name": ["other eye"], "modality": ["vision"]})])
    found = contrasts({"layers": pd.concat([table, second])}, ATLAS, models).set_index("hub")
    assert found.loc["LOTC", "reason"] == f"not in all subjects: {first}" and found.loc["EVC", "reason"] == ""
