"""The two helps: the first, which fits a screen, and all of it."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence

# The first help's lines and columns: a terminal as it opens, without its prompt.
LINES, COLUMNS = 40, 80
# What a first run of one's own needs; where all flags fit, all are shown.
# A line each where they stand alone with no more room.
FIRST: Mapping[str, str] = {
    "model": "ONNX file, file.py:factory, .pt2, timm:NAME, ...",
    "variant": "repeatable, NAME=FILE: another file of the task beside it",
    "data": "test images: class folders, .npz (images, labels), demo",
    "limit": "the first N of a seeded, class-balanced order",
    "calib": "images to calibrate on, none of them a test image",
    "preset": "how images are fed, where the model does not say",
    "engine": "repeatable (--list engines)",
    "bits": "repeatable: 32, 16, 8 (default), 4",
    "board": "repeatable: run there, over ssh (default: this machine)",
    "gate": "YAML file with the limits of the verdict",
    "baseline": "a run to compare with, paired by image",
    "suite": "standard, unless given (--list suites)",
    "conditions": "repeatable; instead: 'corruption/*@3' (--list conditions)",
    "out": "run directory, which goes on with what it has",
    "dry_run": "only say what would run, for how long, with how much disk",
    "list": "only name conditions, engines, suites, presets, ...",
    "against": "what the target is compared with",
    "remedy": "search for the fewest layers to keep in float",
}
_COMMANDS, _EXAMPLES = "commands:", "examples:"
_FEW = 2  # examples in the first help

Shows = Callable[[argparse.Action], bool]


def first_help(parser: argparse.ArgumentParser) -> str:
    """At most LINES of COLUMNS: all flags where they fit, else those of FIRST, if need be with a line each; the
    commands, and as many examples as fit.
    """
    few, rest = _few(parser), f"All flags, examples and exit statuses: {parser.prog.replace(' [run]', '')} --help-all"
    for shows, short in ((_all, False), (_first, False), (_first, True)):
        for count in range(_FEW, -1, -1):
            text = _help(parser, shows, "\n\n".join([*few(count), rest]), COLUMNS, short)
            if text.count("\n") <= LINES:
                return text
    return text


def whole_help(parser: argparse.ArgumentParser) -> str:
    """All of it, as wide as the terminal."""
    return _help(parser, _all, parser.epilog or "", None, False)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """width: of lines, None for the terminal's. short: a line for each flag, in the words of FIRST."""

    def __init__(self, program: str, width: int | None, short: bool) -> None:
        place = 22 if short else 24
        super().__init__(program, max_help_position=place, width=None if width is None else width - 1)
        self._short = short

    def _expand_help(self, action: argparse.Action) -> str:
        return FIRST[action.dest] if self._short and action.dest in FIRST else super()._expand_help(action)


def _all(action: argparse.Action) -> bool:
    return True


def _first(action: argparse.Action) -> bool:
    return not action.option_strings or action.dest in FIRST


def _help(parser: argparse.ArgumentParser, shows: Shows, ends: str, width: int | None, short: bool) -> str:
    formatter = _Formatter(parser.prog, width, short)
    formatter.add_usage(_usage(parser), parser._actions, parser._mutually_exclusive_groups)
    formatter.add_text(_filled(parser.description or "", width))
    for group in parser._action_groups:
        shown = [action for action in group._group_actions if shows(action)]
        if shown:
            formatter.start_section(group.title)
            formatter.add_text(group.description if shows is _all else None)
            formatter.add_arguments(shown)
            formatter.end_section()
    formatter.add_text(ends)
    text = formatter.format_help()
    return text if not short else re.sub(r"(?<=\n)(  .*\n)\n(?=[a-z ]+:\n  -)", r"\1", text)


def _usage(parser: argparse.ArgumentParser) -> str:
    """The command and its words; the flags stand below."""
    words = [action for action in parser._actions if not action.option_strings]
    return " ".join([parser.prog, *map(_word, words), "[flags]"])


def _word(action: argparse.Action) -> str:
    name = action.metavar if isinstance(action.metavar, str) else f"{{{','.join(map(str, action.choices or ()))}}}"
    return f"[{name} ...]" if action.nargs == "*" else f"[{name}]" if action.nargs == "?" else name


def _filled(text: str, width: int | None) -> str:
    return text if width is None else textwrap.fill(" ".join(text.split()), width - 1, break_long_words=False)


def _few(parser: argparse.ArgumentParser) -> Callable[[int], list[str]]:
    """The list of commands as it is, and a number of examples, folded."""
    blocks = [block.splitlines() for block in (parser.epilog or "").split("\n\n")]
    commands = ["\n".join(block) for block in blocks if block[0] == _COMMANDS]
    lines = next((block[1:] for block in blocks if block[0] == _EXAMPLES), [])

    def few(count: int) -> list[str]:
        shown = [line for example in lines[:count] for line in folded(example)]
        return [*commands, *(["\n".join([_EXAMPLES, *shown])] if shown else [])]

    return few


def folded(example: str) -> Iterator[str]:
    """An indented line `command  remark` -> lines of at most COLUMNS that a shell takes; without the remark where both
    have no room.
    """
    if len(example) < COLUMNS:
        yield example
        return
    command, _, _ = example.strip().partition("  ")
    indent, lines = "  ", [""]
    for word in _words(command):
        if lines[-1] and len(indent) + len(lines[-1]) + len(word) + 3 >= COLUMNS:
            lines.append("    ")
        lines[-1] += word if not lines[-1].strip() else f" {word}"
    yield from (f"{indent}{line}{'' if last else chr(32) + chr(92)}" for line, last in _last(lines))


def _words(command: str) -> list[str]:
    """Flags with their values stay together."""
    found: list[str] = []
    for word in command.split(" "):
        if found and not word.startswith("-") and found[-1].startswith("--"):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def _last(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    for number, line in enumerate(lines, start=1):
        yield line, number == len(lines)
