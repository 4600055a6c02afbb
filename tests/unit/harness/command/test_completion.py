"""The completion that shtab makes of all commands, asked as bash asks it."""

import subprocess
import sys

import pytest

from seatrial.harness.command import COMMANDS
from seatrial.harness.command.completion import parser

# What bash sets before it calls the function of a command.
ASK = """
source "$0"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
$(complete -p seatrial | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    pytest.importorskip("shtab", reason="the completion needs shtab: pip install 'seatrial[completion]'")
    path = tmp_path_factory.mktemp("completion") / "seatrial"
    words = [sys.executable, "-m", "shtab", "--shell=bash", "--prog", "seatrial", f"{parser.__module__}.parser"]
    path.write_text(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return path


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("exp", ["export"]),
        ("--mod", ["--model"]),
        ("doctor --en", ["--engine"]),
        ("--list s", ["suites"]),
        ("board se", ["setup"]),
        ("report runs/m --base", ["--baseline"]),
    ],
)
def test_bash_is_told(typed, completed, script):
    done = subprocess.run(
        ["bash", "-c", ASK, script, "seatrial", *typed.split(" ")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == completed


def test_the_parser_of_all_commands_takes_their_flags():
    for name in COMMANDS:
        assert (
            parser()
            .parse_args(
                [name]
                + (
                    ["x"]
                    if name == "report"
                    else ["a", "b"]
                    if name == "compare"
                    else ["check", "x"]
                    if name == "board"
                    else []
                )
            )
            .command
            == name
        )
    assert parser().parse_args(["--model", "m.onnx"]).model == "m.onnx"
