"""Options with one wording, errors as one message and exit status 1, commands found by name."""

import pytest

from convergence.__main__ import COMMANDS, main as run_command
from convergence.cli import command, options, shared_defaults


def script(body):
    @command
    def main(arguments=None):
        body(options("What it does.", "shift", "subjects", "dry-run").parse_args(arguments))
    return main


def test_shared_options_and_their_defaults():
    seen = []
    main = script(seen.append)
    assert main([]) == 0 and main(["--shift", "2", "--subjects", "3", "1"]) == 0
    with shared_defaults({"shift": 0, "root": "unused here", "dry-run": True}):
        assert main([]) == 0
    assert main([]) == 0
    assert [(s.shift, s.subjects, s.dry_run) for s in seen] == [(1, None, False), (2, [3, 1], False), (0, None, True), (1, None, False)]


def test_unknown_shared_defaults_are_refused():
    with pytest.raises(ValueError, match=r"unknown shared options \['rooot'\]"), shared_defaults({"rooot": "x"}):
        pass


@pytest.mark.parametrize("error, text", [
    (ValueError("roi: 999 is no parcel"), "error: roi: 999 is no parcel"),
    (FileNotFoundError("x.csv is not there"), "error: x.csv is not there"),
    (ModuleNotFoundError("No module named 'timm'", name="timm"), "error: timm is not installed; install it with: pip install 'timm"),
    (KeyboardInterrupt(), "error: stopped; run the same command again")])
def test_expected_errors_are_one_message(error, text, capsys):
    def fail(_):
        raise error
    assert script(fail)([]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(text) and "Traceback" not in printed


def test_traceback_on_request_and_for_our_own_mistakes():
    def fail(_):
        raise ValueError("inside")
    with pytest.raises(ValueError, match="inside"):
        script(fail)(["--traceback"])

    def mistake(_):
        raise AttributeError("a bug, not bad input")
    with pytest.raises(AttributeError):
        script(mistake)([])


def test_commands_are_listed_and_near_misses_named(capsys):
    assert run_command([]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in COMMANDS)
    assert run_command(["figurs"]) == 2
    assert "unknown command 'figurs'; did you mean 'figures'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        run_command([name, "--help"])
    assert stop.value.code == 0 and len(capsys.readouterr().out) > 200


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "many"])
def test_counts_are_whole_numbers_from_one(value, capsys):
    with pytest.raises(SystemExit):
        options("What it does.", "jobs").parse_args(["--jobs", value])
    assert f"expected a whole number from 1, found '{value}'" in capsys.readouterr().err
