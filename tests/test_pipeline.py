"""`python -m convergence run`: steps in order, shared options where a step has them, the first failure ends it."""

import pytest

from convergence.pipeline import _flags, main, read_config

STEP = "describe-derivatives"


def write(folder, text):
    path = folder / "config.yml"
    path.write_text(text)
    return str(path)


def test_steps_run_in_the_folder_of_the_file(tmp_path, capsys):
    config = write(tmp_path, f"shared: {{seed: 3}}\nsteps:\n  - {STEP}: {{out: a/README.md}}\n  - {STEP}: {{out: b/README.md}}\n")
    assert main([config]) == 0
    assert (tmp_path / "a" / "README.md").exists() and (tmp_path / "b" / "README.md").exists()
    assert "[2/2] describe-derivatives --out b/README.md" in capsys.readouterr().out


def test_a_dry_run_says_of_every_step_what_it_would_do(tmp_path, capsys):
    config = write(tmp_path, f"shared: {{root: nsd}}\nsteps:\n  - {STEP}: {{out: a.md}}\n  - make-miniature: {{out: data}}\n  - 1_dataset_preparation/2_build_indexes.py\n")
    assert main([config, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "to do (this step has no forecast)" in said and "not known yet: " in said and "nsd does not exist" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yml"]


def test_a_failing_step_ends_the_run(tmp_path, capsys):
    config = write(tmp_path, f"steps:\n  - 1_dataset_preparation/1_check_dataset.py: {{root: nowhere}}\n  - {STEP}: {{out: b.md}}\n")
    assert main([config]) == 1
    printed = capsys.readouterr().err
    assert "nowhere does not exist" in printed and "the step 1_dataset_preparation/1_check_dataset.py failed" in printed
    assert not (tmp_path / "b.md").exists()


def test_an_option_that_a_step_does_not_have(tmp_path, capsys):
    assert main([write(tmp_path, f"steps:\n  - {STEP}: {{out: b.md, shift: 1}}\n")]) == 1
    assert "unrecognized arguments: --shift 1" in capsys.readouterr().err


@pytest.mark.parametrize("text, message", [
    ("steps: [", "is not valid YAML"), ("- a\n- b\n", "expected a mapping with the list `steps` .* found list"),
    ("steps: []\nstage: 3\n", r"found the keys \['stage', 'steps'\]"), ("steps:\n  - {a: 1, b: 2}\n", "a step is a name, or a name with a mapping"),
    ("steps:\n  - 3_alignment/9_nothing.py\n", "unknown step '3_alignment/9_nothing.py'; steps are 1_dataset_preparation/1_check_dataset.py")])
def test_a_wrong_file_is_explained(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_config(write(tmp_path, text))


def test_no_file(capsys):
    assert main(["nothing.yml"]) == 1
    assert "nothing.yml is not there; demo.yml and nsd.yml are examples" in capsys.readouterr().err


def test_from(tmp_path, capsys):
    config = write(tmp_path, f"steps:\n  - {STEP}: {{out: a.md}}\n  - make-miniature: {{out: data}}\n")
    assert main([config, "--from", "figures"]) == 1
    assert "'figures' is no step of this file; its steps: describe-derivatives, make-miniature" in capsys.readouterr().err


def test_flags():
    assert _flags({"shift": 1, "subjects": [1, 2], "overwrite": True, "dry-run": False, "root": None}) == ["--shift", "1", "--subjects", "1", "2", "--overwrite"]


@pytest.mark.parametrize("name", ["demo.yml", "nsd.yml"])
def test_the_files_that_we_ship_are_well_formed(checkout, name):
    assert len(read_config(checkout / name)["steps"]) > 5
