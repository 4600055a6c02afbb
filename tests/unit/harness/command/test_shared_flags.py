"""The same word is the same flag in every command."""

import importlib
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from seatrial.harness.command import COMMANDS

ROOT = Path(__file__).resolve().parents[4]
# What such a flag takes, or where it comes from when it is not given, differs by command.
OWN_WORDS = {
    "--data": "which sets of images the command takes",
    "--out": "a folder, or a file of one kind or another",
    "--engine": "one, or several",
    "--bits": "one, or several",
    "--precision": "one, or several",
    "--board": "one, or several",
    "--device": "one, or several",
    "--json": "a file, or a switch: on standard output",
    "--target": "what is asked for, or which trials `trial` tells",
    "--conditions": "likewise",
    "--dry-run": "what is not done",
    "--variant": "files that are given, or one of a run's by its name",
    "--timeout": "of a batch, or of `doctor`'s question",
}


def actions(command):
    parser = importlib.import_module(f"seatrial.harness.command.{command}").make_parser()
    return {option: action for action in parser._actions for option in action.option_strings}


def test_a_flag_says_and_takes_the_same_in_every_command():
    found = defaultdict(set)
    for command in COMMANDS:
        for option, action in actions(command).items():
            says = re.sub(r" \(default: [^)]*\)$", "", action.help)
            found[option].add((action.dest, type(action).__name__, str(action.type), action.metavar, says))
    assert {option for option, meanings in found.items() if len(meanings) > 1} == set(OWN_WORDS)


def test_the_guide_has_every_flag_of_a_run():
    guide = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    missing = {option for option in actions("run") if re.search(rf"`{option}[ `]", guide) is None}
    assert missing <= {"-h"}


@pytest.mark.parametrize(
    ("words", "name"), [(["bench.py"], "bench.py"), (["-m", "seatrial"], "seatrial")], ids=["checkout", "installed"]
)
def test_help_and_errors_call_the_command_as_it_was_called(words, name):
    def said(*more):
        done = subprocess.run([sys.executable, *words, *more], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    other = {"bench.py": "seatrial", "seatrial": "bench.py"}[name]
    for command in ("run", "build"):
        status, text = said(command, "--help-all")
        assert status == 0
        assert f"usage: {name} " in text
        assert f"  {name} " in text.partition("examples:")[2]
        assert f"{other} " not in text
    for line in (["sail"], ["--speed", "3"]):
        status, text = said(*line)
        assert status == 2
        assert f"See `{name} " in text
