"""The wrapper around FSL: its dry run, and its manners with tools that only pretend."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "1_dataset_preparation/warp_atlas.sh"
ORDER = ["fslreorient2std", "bet", "bet", "flirt", "flirt", "fnirt", "invwarp", "convert_xfm", "convertwarp", "applywarp"]
# A tool of FSL that notes its call and writes the last argument that names a place in the folder of partial results.
TOOL = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$CALLS"
[[ "$(basename "$0")" != "${FAILS:-}" ]] || { echo "no memory" >&2; exit 3; }
for argument in "$@"; do [[ "$argument" != */partial/* ]] || place="${argument#--*=}"; done
echo made > "$place"
"""


@pytest.fixture
def place(tmp_path):
    for name in ("mean bold.nii.gz", "t1.nii.gz", "atlas.nii.gz", "sides.nii.gz", "mni.nii.gz", "head.nii.gz"):
        (tmp_path / name).write_text(name)
    (tmp_path / "bin").mkdir()
    for tool in set(ORDER):
        (tmp_path / "bin" / tool).write_text(TOOL)
        (tmp_path / "bin" / tool).chmod(0o755)
    return tmp_path


def warp(place, *arguments, fsl=True, fails=""):
    """The script with complete arguments and some more: (exit status, output, errors, names of the tools called)."""
    calls = place / "calls"
    calls.write_text("")
    path = f"{place / 'bin'}{os.pathsep}" * fsl + "/usr/bin:/bin"
    command = ["bash", SCRIPT, "--subject", "1", "--bold", place / "mean bold.nii.gz", "--t1", place / "t1.nii.gz", "--atlas",
               place / "atlas.nii.gz", "--mni",
               place / "mni.nii.gz", "--mni-head", place / "head.nii.gz", "--out", place / "out", *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          env={"PATH": path, "CALLS": str(calls), "FAILS": fails})
    return done.returncode, done.stdout, done.stderr, [line.split()[0] for line in calls.read_text().splitlines()]


def test_the_dry_run_prints_every_command_and_runs_none(place):
    status, output, errors, calls = warp(place, "--dry-run", fsl=False)
    lines = output.splitlines()
    assert status == 0 and not errors and not calls and not (place / "out").exists()
    assert [line.split()[0] for line in lines[:-1]] == ORDER and lines[-1] == "dry run: the commands above would run"
    assert lines[1].endswith("partial/t1_brain.nii.gz -R -f 0.25 ") and lines[2].endswith("partial/bold_brain.nii.gz -R -f 0.40 ")
    assert "--interp=nn" in lines[-2] and r"mean\ bold.nii.gz" in lines[-2] and "subj-01_HCP_atlas_func_360.nii.gz" in lines[-2]
    assert not any(" -c " in line for line in lines)                                # no fixed centre of the brain
    assert "mean\\ bold.nii.gz" not in lines[0]                                     # the functional volume is not reoriented


def test_it_runs_once_and_then_skips(place):
    status, output, errors, calls = warp(place)
    assert status == 0 and calls == ORDER, errors
    assert (place / "out/subj-01_HCP_atlas_func_360.nii.gz").read_text() == "made\n"
    assert not (place / "out/steps-01/partial").exists()
    status, output, _, calls = warp(place)
    assert status == 0 and not calls and output.count("done before") == 10 and output.endswith("was made before\n")
    assert warp(place, "--dry-run")[1].endswith("dry run: everything is done, nothing would run\n")


def test_a_failure_stops_it_and_finished_steps_are_kept(place):
    status, output, errors, calls = warp(place, fails="fnirt")
    assert status == 1 and calls == ORDER[:6] and "no memory" in errors
    assert "error: fnirt failed (its message stands above); mend what it says and run the same command again: finished" in errors
    assert not (place / "out/subj-01_HCP_atlas_func_360.nii.gz").exists()
    status, _, _, calls = warp(place)
    assert status == 0 and calls == ORDER[5:]


def test_a_changed_option_or_input_redoes_what_depends_on_it(place):
    assert warp(place)[0] == 0
    assert warp(place, "--fraction-bold", "0.3", "--dry-run")[1].count("done before") == 5
    assert warp(place, "--fraction-bold", "0.3")[3] == ["bet", "flirt", "convert_xfm", "convertwarp", "applywarp"]
    os.utime(place / "atlas.nii.gz")
    assert warp(place, "--fraction-bold", "0.3")[3] == ["applywarp"]


def test_hemispheres_get_the_same_warp(place):
    status, output, _, calls = warp(place, "--hemispheres", place / "sides.nii.gz")
    assert status == 0 and calls == [*ORDER, "applywarp"] and (place / "out/subj-01_hemispheres_func.nii.gz").exists()


@pytest.mark.parametrize("arguments, message", [
    (("--subjet", "1"), "error: --subjet: no option of this script; --help lists them"),
    (("--t1",), "error: --t1: a value is missing"),
    (("--subject", "CSI1"), "error: --subject: 'CSI1' is no number; give 1 for CSI1"), (("--out", ""), "error: --out is missing"),
    (("--atlas", "/nowhere/atlas.nii.gz"), "error: /nowhere/atlas.nii.gz is not there; give the right file")])
def test_wrong_arguments_are_explained(place, arguments, message):
    status, _, errors, calls = warp(place, *arguments)
    assert status == 1 and message in errors and not calls


def test_without_fsl_it_says_so(place):
    status, _, errors, _ = warp(place, fsl=False)
    assert status == 1 and "error: bet of FSL is not on the PATH; install FSL" in errors


def test_help_is_the_head_of_the_script(place):
    status, output, _, _ = warp(place, "--help")
    assert status == 0 and output.startswith("The HCP-MMP1 atlas in the space of")
    assert "--fraction-bold" in output and "Time " in output
