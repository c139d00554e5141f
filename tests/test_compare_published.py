"""compare-published: passes on the published numbers themselves, names parcels that were exchanged, says what is missing."""

import pandas as pd
import pytest
from published_run import write_run

from convergence.__main__ import main
from convergence.analysis.published import quantities, score, swapped
from convergence.compare_published import PUBLISHED
from convergence.datasets.atlas import load_atlas


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_run(folder)
    return folder


def test_a_run_that_gives_the_published_numbers_passes(run, tmp_path, capsys):
    status = main(["compare-published", "--derivatives", str(run), "--out", str(tmp_path / "scores.csv")])
    said = capsys.readouterr()
    assert status == 0, said
    scores = pd.read_csv(tmp_path / "scores.csv")
    missing = scores[scores["verdict"] == "missing"]
    assert set(scores["verdict"]) == {"agrees", "missing"} and len(scores) == len(pd.read_csv(PUBLISHED))
    assert set(missing["quantity"]) == {"rank correlation of left and right", "lh - rh of vision, difference",
                                        "lh - rh of vision, t",
                                        "lh - rh of language, difference", "lh - rh of language, t"}
    assert "group means: 101 agree, 0 differ, 0 missing" in said.out
    assert "lh - rh of vision, t: missing (EVC, Ventral, LOTC): " in said.out
    assert "rsa_subject_model_alignment_separated.parquet is not there" in said.out


def test_two_parcels_that_are_exchanged_are_named(run, tmp_path, capsys):
    for table in sorted(run.rglob("*")):                        # the run, with another table of subjects
        if table.is_file():
            (tmp_path / table.relative_to(run)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / table.relative_to(run)).symlink_to(table)
    path = tmp_path / "nsd" / "rsa_subject_subject_alignment_shift_1_joined.parquet"
    pairs = pd.read_parquet(path)
    names = load_atlas().query("hemisphere == 'lh'").set_index("name")["roi"]
    swap = {names["V3"]: names["V2"], names["V2"]: names["V3"]}
    path.unlink()
    pairs.assign(roi_x=pairs["roi_x"].replace(swap), roi_y=pairs["roi_y"].replace(swap)).to_parquet(path)
    assert main(["compare-published", "--derivatives", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "V2 and V3 look exchanged in: intersubject, shift 1" in said.out
    assert "V2 and V3 look exchanged in: within subject" in said.out
    assert "differs: V2 is 0.1254, published 0.1779 ± 0.002 (printed)" in said.out
    assert "intersubject, shift 1 of V2; intersubject, shift 1 of V3" in said.err
    assert "V1" not in said.err.split("numbers differ")[1]


def test_nothing_to_compare(tmp_path, capsys):
    assert main(["compare-published", "--derivatives", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "error: nothing could be compared" in said.err
    assert "0 of 217 published numbers agree, 0 differ, 217 are missing" in said.out
    assert "alignment_shift_1_joined.parquet is not there; 3_alignment/2_subject_subject.py writes it" in said.out


def test_every_published_quantity_is_computed_and_every_computed_one_published():
    class Nothing:
        def __getitem__(self, name):
            raise FileNotFoundError(name)

    assert set(quantities(Nothing(), load_atlas())) == set(pd.read_csv(PUBLISHED)["quantity"])


def scores_of(found, **changed):
    published = pd.DataFrame({"table": "t", "quantity": "r", "place": ["V1", "V2", "V4"], "value": [0.1, 0.2, 0.3],
                              "tolerance": 0.01, "source": "printed"})
    return score({"r": found}, published.assign(**changed))


def test_tolerance_and_verdict():
    scores = scores_of(pd.Series({"V1": 0.109, "V2": 0.2101, "V3": 0.3}))
    assert scores["verdict"].tolist() == ["agrees", "differs", "missing"] and scores["reason"].tolist() == ["", "",
                                                                                                            "no value for V4"]
    assert scores_of("no table")["reason"].tolist() == ["no table"] * 3


def test_exchanged_places_are_told_from_others_that_differ():
    assert swapped(scores_of(pd.Series({"V1": 0.2, "V2": 0.1, "V4": 0.35}))) == [("r", "V1", "V2")]
    assert swapped(scores_of(pd.Series({"V1": 0.4, "V2": 0.5, "V4": 0.3}))) == []


def test_an_unknown_quantity_is_refused():
    with pytest.raises(ValueError, match=r"quantities that nothing computes: \['s'\]"):
        scores_of(pd.Series({"V1": 0.1}), quantity=["r", "s", "r"])
