"""Reading what a notebook needs: everything that is missing in one message, published tables like our own."""

import pandas as pd
import pytest
from synthetic_derivatives import write_derivatives

from convergence.datasets.atlas import hubs_of, load_atlas
from convergence.plotting import derivatives

FILES = {"atlas": "metadata/hcp.csv", "pairs": "nsd/rsa_subject_subject_alignment_shift_1_joined.parquet",
         "models": "metadata/models-info.csv",
         "layers": "nsd/rsa_subject_model_alignment_joined.parquet",
         "p_values": "nsd/rsa_pvalues_subject_language_vision.parquet"}


def test_all_missing_tables_are_listed_with_their_scripts(tmp_path):
    (tmp_path / "metadata").mkdir()
    load_atlas().to_csv(tmp_path / "metadata" / "hcp.csv", index=False)
    with pytest.raises(FileNotFoundError) as raised:
        derivatives.read(tmp_path, **FILES)
    message = str(raised.value)
    assert message.startswith(f"4 of 5 tables are not in {tmp_path}: nsd/rsa_subject_subject_alignment_shift_1_joined.parquet "
                              "(3_alignment/2_subject_subject.py writes it); ")
    for script in ("2_model_extraction/1_extract_vision_features.py", "3_alignment/3_subject_model.py",
                   "3_alignment/5_p_values.py"):
        assert script in message


@pytest.mark.parametrize("published", [False, True])
def test_our_tables_and_published_ones_are_read_alike(tmp_path, published):
    write_derivatives(tmp_path, n_subjects=2, n_sessions=1, models={"vit": ("vision", 3)}, published=published)
    data = derivatives.read(tmp_path, **FILES)
    assert "reason" not in data.pairs and {"roi_x", "roi_y", "similarity", "subject_i", "subject_j"} <= set(data.pairs)
    assert {"roi", "layer", "session", "similarity", "subject", "model"} <= set(data.layers)
    assert ("method" in data.p_values) == (not published)
    atlas = derivatives.joined_atlas(data.atlas)
    assert len(atlas) == load_atlas()["name"].nunique() and atlas.loc[1, "name"] == "V1"
    assert "Hipp" in set(atlas["name"]) and "H" not in set(atlas["name"])
    panels = derivatives.hub_panels(atlas)
    assert {hub: list(parcels.values()) for hub, parcels in panels.items()} == hubs_of(load_atlas())
    assert panels["LOTC"][2] == "MST"


def test_a_broken_table_is_explained(tmp_path):
    write_derivatives(tmp_path, n_subjects=2, n_sessions=1, models={"vit": ("vision", 3)})
    file = tmp_path / FILES["layers"]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cannot be read as a table .* delete it and run 3_alignment/3_subject_model.py again"):
        derivatives.read(tmp_path, **FILES)


def test_hubs_follow_the_parcels_that_are_there():
    atlas = pd.DataFrame({"name": ["V1", "MST"]}, index=[11, 12])
    assert derivatives.hub_panels(atlas) == {"EVC": {11: "V1"}, "LOTC": {12: "MST"}}
