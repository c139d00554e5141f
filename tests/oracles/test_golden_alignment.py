"""--reference equals the golden table of an independent script; the default differs from it a little, where subjects lack
sessions."""


import numpy as np
import pandas
import pytest
import toy_brains

from convergence.python_files import load_python
from convergence.storage.tables import read_table


@pytest.fixture
def table(checkout, tmp_path):
    toy_brains.register()
    toy_brains.write(tmp_path / "toy", complete=False)

    def make(*options, folder="derivatives"):
        for script, more in (("1_compute_rdms", ()), ("2_subject_subject", options)):
            module = load_python(checkout / "3_alignment" / f"{script}.py")
            assert module.main(["--dataset", "toy", "--root", str(tmp_path / "toy"), "--derivatives", str(tmp_path / folder),
                                "--device", "cpu", "--rois", "A", "B",
                                *more]) == 0
        return read_table(tmp_path / folder / "toy" / "rsa_subject_subject_alignment_shift_1_joined.parquet")
    return make


KEY = ["subject_i", "subject_j", "roi_x", "roi_y"]


def test_reference_is_the_golden_table(table, checkout):
    golden = pandas.read_csv(checkout / "tests" / "oracles" / "golden_alignment.csv")
    both = golden.merge(table("--reference"), on=KEY, suffixes=("", "_found"), validate="one_to_one")
    assert len(both) == len(golden) == 36 and np.allclose(both["similarity"], both["similarity_found"], atol=1e-5, equal_nan=True)
    plain = golden.merge(table(folder="plain"), on=KEY, suffixes=("", "_found"))
    difference = (plain["similarity"] - plain["similarity_found"]).abs().max()
    assert 1e-5 < difference < 0.05


def test_the_golden_table_is_what_the_script_computes(tmp_path, checkout):
    toy_brains.write(tmp_path / "toy", complete=False)
    golden = pandas.read_csv(checkout / "tests" / "oracles" / "golden_alignment.csv")
    naive = load_python(checkout / "tests" / "oracles" / "naive_alignment.py")
    pandas.testing.assert_frame_equal(naive.table(tmp_path / "toy").round(8), golden, check_dtype=False, atol=1e-7)
