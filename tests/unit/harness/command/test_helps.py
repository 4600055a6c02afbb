"""The first help of every command fits a terminal, and the rest is one flag away."""

import importlib

import pytest

from seatrial.errors import UsageError
from seatrial.harness.command import COMMANDS, parse
from seatrial.harness.command.flags.help import COLUMNS, FIRST, LINES, folded


def parser_of(command):
    return importlib.import_module(f"seatrial.harness.command.{command}").make_parser()


def printed(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_first_help_fits_a_terminal_however_wide_it_is(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    text = printed(capsys, command, "--help")
    assert text.count("\n") <= LINES == 40
    assert max(map(len, text.splitlines())) < COLUMNS == 80
    assert "--help-all" in text.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_all_flags_stand_in_the_whole_help_with_a_meaning(command, capsys):
    text = printed(capsys, command, "--help-all")
    for action in parser_of(command)._actions:
        assert action.help
        assert all(option in text for option in action.option_strings)
    assert "Exit status" in text


def test_the_first_help_has_groups_commands_and_what_a_first_run_needs(capsys):
    text = printed(capsys, "--help")
    assert text == printed(capsys, "-h") == printed(capsys, "run", "--help")
    for words in (
        "model and data:",
        "targets:",
        "conditions:",
        "commands:",
        "--model M",
        "--data PATH",
        "--calib PATH",
    ):
        assert words in text
    for command in COMMANDS:
        assert command in text.partition("commands:")[2]
    for line in text.partition("options:")[2].partition("commands:")[0].splitlines():
        assert line.startswith(("  -", "model", "input", "targets", "the", "conditions", "run")) or not line


def test_every_flag_of_the_first_help_is_a_flag_of_some_command():
    assert set(FIRST) <= {action.dest for command in COMMANDS for action in parser_of(command)._actions}


def test_examples_are_folded_as_a_shell_takes_them():
    example = (
        "  seatrial run --model m.onnx --mean 0.5 0.5 0.5 --data test/ --calib calib/ --suite quick --out x   remark"
    )
    lines = list(folded(example))
    assert len(lines) > 1
    assert all(len(line) < COLUMNS for line in lines)
    assert all(line.endswith(" \\") for line in lines[:-1])
    joined = " ".join(" ".join(lines).replace("\\", " ").split())
    assert joined == example.rpartition("   ")[0].strip()
    assert list(folded("  seatrial   the demo")) == ["  seatrial   the demo"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--modle", "m.onnx"], "--model"),
        (["--modle=m.onnx"], "--model"),
        (["--zzzzzz", "1"], None),
        (["doctr"], "doctor"),
        (["report", "runs/m", "--jsno"], "--json"),
        (["--list", "suits"], "suites"),
        (["board", "chekc", "pi5"], "check"),
    ],
)
def test_what_was_meant_is_said_of_flags_and_commands(words, meant):
    with pytest.raises(UsageError) as error:
        parse(words)
    hint = "" if meant is None else f"Did you mean '{meant}'?"
    assert hint in str(error.value)
    assert ("Did you mean" in str(error.value)) == (meant is not None)


def test_a_flag_of_a_file_is_corrected_too(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("modle: m.onnx\n")
    with pytest.raises(UsageError, match="Did you mean 'model'"):
        parse(["--config", str(file)])
