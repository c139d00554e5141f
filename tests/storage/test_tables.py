"""Schemas hold at writing and reading; derivatives/README.md is made from them."""

import pandas as pd
import pytest

from convergence.storage.outputs import Record
from convergence.storage.schemas import TABLES
from convergence.storage.tables import concatenate, conform, file_of, read_table, readme, written_by


def part(subject, models=("b", "a")):
    rows = [{"model": m, "roi": 7, "layer": k, "session": 2, "similarity": 0.5 + k, "subject": subject, "join_hemispheres": True}
            for k, m in enumerate(models)]
    return conform(pd.DataFrame(rows), "rsa_subject_model_alignment")


def test_conform_orders_and_types_the_columns():
    table = part(3)
    assert list(table.dtypes.astype(str).items()) == [
        ("roi", "uint16"), ("layer", "uint16"), ("session", "uint8"), ("similarity", "float32"), ("subject", "uint8"),
        ("model", "category"), ("join_hemispheres", "bool")]
    more = conform(table.assign(n_pairs=[3, 6], reason=["", "no voxels"]), "rsa_subject_model_alignment")
    assert list(more) == list(TABLES["rsa_subject_model_alignment"].columns) and more["n_pairs"].dtype == "uint32"


def test_conform_names_what_is_missing_and_what_is_unknown():
    with pytest.raises(ValueError, match=r"rsa_subject_model_alignment: missing columns \['layer'\], unknown columns \['lyer'\]"):
        conform(part(1).rename(columns={"layer": "lyer"}), "rsa_subject_model_alignment")


def test_a_missing_table_says_who_writes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="3_alignment/2_subject_subject.py writes it"):
        read_table(tmp_path / "nsd" / "rsa_subject_subject_alignment_shift_1_joined.parquet")
    assert written_by("nsd/anything.parquet") == "no script of this project"
    whose = {variant: written_by(f"nsd/rsa_subject_subject_alignment_{variant}.parquet").removeprefix("3_alignment/")
             for variant in ("shift_1_joined", "shift_1_joined_diagonal", "controled_joined_1", "joined_0_partitions")}
    assert list(whose.values()) == ["2_subject_subject.py", "2_subject_subject.py --form diagonal",
                                    "2_subject_subject.py --control NAME ...",
                                    "2_subject_subject.py --partition animate inanimate"]
    assert written_by(file_of("images92_p_values")) == "python -m convergence images92"


def test_a_truncated_table_is_named(tmp_path):
    path = tmp_path / "nsd" / "rsa_subject_model_alignment_joined.parquet"
    path.parent.mkdir()
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(ValueError, match="rsa_subject_model_alignment_joined.parquet cannot be read .* run "
                                         "3_alignment/3_subject_model.py again"):
        read_table(path)


def test_parts_with_different_categories_become_one_table(tmp_path):
    paths = []
    for subject, models in ((2, ("b", "a")), (1, ("c",))):
        paths.append(tmp_path / f"part-{subject}.parquet")
        part(subject, models).to_parquet(paths[-1], index=False)
    whole = read_table(concatenate(paths, tmp_path / "whole.parquet", Record("test")))
    assert whole["model"].tolist() == ["b", "a", "c"]
    assert whole["subject"].tolist() == [2, 2, 1]


def test_parts_with_other_columns_are_refused(tmp_path):
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    part(1).to_parquet(paths[0], index=False)
    part(2).assign(reason="").to_parquet(paths[1], index=False)
    with pytest.raises(ValueError, match=r"two.parquet has columns \[.*'reason'\], .*one.parquet has .*; delete the older of "
                                         "them"):
        concatenate(paths, tmp_path / "whole.parquet", Record("test"))
    assert not (tmp_path / "whole.parquet").exists()


def test_the_readme_of_the_derivatives_is_made_from_the_schemas(checkout):
    assert (checkout / "derivatives" / "README.md").read_text() == readme(), "run: python -m convergence describe-derivatives"
    assert all(table.file in readme() for table in TABLES.values())
