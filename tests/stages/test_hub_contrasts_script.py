"""3_alignment/8_hub_contrasts.py: reads what is there, says what is not, and speaks in sentences."""


import toy_brains
from synthetic_derivatives import write_derivatives

from convergence.datasets.atlas import load_atlas
from convergence.python_files import load_python
from convergence.storage.tables import read_table


def run(checkout, *options):
    module = load_python(checkout / "3_alignment" / "8_hub_contrasts.py")
    return module.main([*map(str, options)])


def test_synthetic_derivatives(checkout, tmp_path, capsys, monkeypatch):
    write_derivatives(tmp_path / "derivatives")
    (tmp_path / "derivatives" / "nsd").rename(tmp_path / "derivatives" / "toy")
    toy_brains.register(), toy_brains.write(tmp_path / "toy")
    monkeypatch.setattr(toy_brains.Toy, "atlas", lambda self: load_atlas())
    options = "--dataset", "toy", "--root", tmp_path / "toy", "--derivatives", tmp_path / "derivatives"
    assert run(checkout, *options) == 0
    said = capsys.readouterr().out
    assert "not there, its contrasts are left out: rsa_subject_subject_alignment_shift_1_separated.parquet" in said
    assert "EVC, models, vision - language: 0." in said and "all sign flips over subjects (4 subjects)" in said
    assert "with FDR over 3." in said
    table = read_table(tmp_path / "derivatives" / "toy" / "hub_contrasts.parquet").set_index("hub")
    assert table.loc["EVC", "difference"] > 0.1 and len(table) == 3
    assert run(checkout, *options, "--reference") == 0 and "Bonferroni over 3" in capsys.readouterr().out


def test_nothing_to_contrast(checkout, tmp_path, capsys):
    toy_brains.register(), toy_brains.write(tmp_path / "toy")
    assert run(checkout, "--dataset", "toy", "--root", tmp_path / "toy", "--derivatives", tmp_path / "derivatives") == 1
    assert "error: hub_contrasts: the atlas has no hubs" in capsys.readouterr().err
