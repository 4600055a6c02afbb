"""Whatever a text holds, the terminal shows it and does nothing."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from seatrial.harness.typeset.terminal import Terminal, say, say_whole
from seatrial.text import shown

HARNESS = Path(__file__).resolve().parents[4] / "harness"
# Escape sequences of both widths, the bell, a backspace, a return, overrides of direction, a line separator.
COMMANDS = [
    "\x1b[2J",
    "\x9b31m",
    "\x07",
    "\b",
    "\x7f",
    "\u202e",
    "\u2066",
    "\u200f",
    "\u2028",
    "\x85",
    "\u200b",
    "\ufeff",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_control_character_reaches_the_terminal(command):
    for terminal in (False, True):
        console = Terminal(file=io.StringIO(), width=80, color_system=None, force_terminal=terminal)
        say(console, f"a{command}b")
        say_whole(console, f"a{command}b", (f"c{command}", "bold"))
        console.print(f"a{command}b", Text(f"a{command}b"))  # as somebody else's kind of conditions may
        assert command not in console.file.getvalue()
        assert "a?" in console.file.getvalue()


def test_a_traceback_shows_no_control_character():
    console = Terminal(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    try:
        raise ValueError("of a file called \x1b]0;title\x07")
    except ValueError:
        console.print_exception()
    text = console.file.getvalue()
    assert "of a file called ?]0;title" in text
    assert "\x1b" not in text


def test_markup_in_names_is_text():
    console = Console(file=io.StringIO(), width=80)
    say(console, "[bold]x[/] :smile: [link=http://a.b]c[/link]")
    assert console.file.getvalue() == "[bold]x[/] :smile: [link=http://a.b]c[/link]\n"


def test_a_name_makes_no_line_of_its_own():
    assert shown("model\r\nVerdict:\tACCEPT") == "model  Verdict: ACCEPT"
    assert shown("schön 模型") == "schön 模型"


def test_styles_are_still_there():
    console = Terminal(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    say(console, "Verdict: ", ("ACCEPT", "bold green"))
    assert console.file.getvalue() == "Verdict: \x1b[1;32mACCEPT\x1b[0m\n"


def test_a_sentence_wraps_and_a_command_stays_one_line():
    console = Terminal(file=io.StringIO(), width=20, color_system=None)
    say(console, "one two three four five six")
    say(console, "and six seven eight", indent=4)
    say_whole(console, "python bench.py --engine onnxruntime --bits 8")
    assert console.file.getvalue().splitlines() == [
        "one two three four",
        "five six",
        *("    and six seven", "    eight"),
        "python bench.py --engine onnxruntime --bits 8",
    ]


def test_all_printing_goes_through_these_functions():
    for path in HARNESS.rglob("*.py"):
        if "typeset" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"rich\.markup|rich\.table import .*Table|\bConsole\((?!\))", text), path
            # What is printed directly is a table of typeset's.
            assert not re.search(r"console\.print\(\s*(f?[\"']|Text)", text), path
