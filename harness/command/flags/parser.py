"""Parsers that raise UsageError, and what is given to them put into parts of a spec."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from seatrial import __version__
from seatrial.errors import UsageError
from seatrial.harness.command.flags.help import first_help, whole_help
from seatrial.text import meant

Part = TypeVar("Part")
Given = dict[str, Any]


def program() -> str:
    """How the command was called: as bench.py of a checkout, or as what was installed."""
    name = Path(sys.argv[0]).name
    return name if name == "bench.py" else "seatrial"


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError, and sets only what is given: specs know the defaults."""

    def __init__(self, command: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=f"{program()} {command}",
            description=description,
            epilog=epilog,
            add_help=False,
            allow_abbrev=False,  # an abbreviation would change its meaning with the next flag that is added
            argument_default=argparse.SUPPRESS,
        )
        for flags, whole, says in (
            (("-h", "--help"), False, "the help of most use"),
            (("--help-all",), True, "all of it"),
        ):
            self.add_argument(*flags, action=_Help, nargs=0, whole=whole, help=f"show {says}, and end")
        self.add_argument("--version", action="version", version=f"seatrial {__version__}", help="show it, and end")
        self.add_argument(
            "--config", type=Path, metavar="FILE", help="all flags as YAML (flag: value); flags override it"
        )

        self.add_argument(
            "--quiet", action="store_true", help="no progress; of a run, the verdict, its reasons and the report's path"
        )

    def format_help(self, whole: bool = False) -> str:
        """The first help, or the whole, in which the command has the name by which it was called."""
        return (whole_help if whole else first_help)(self).replace("bench.py", program())

    def given(self, words: Sequence[str]) -> Given:
        """What is given, by the flags' names in Python; UsageError for what is no flag, with one that comes close."""
        found, unknown = self.parse_known_args(words)
        if unknown:
            known = [one for one in self._option_string_actions if one.startswith("--")]
            flag = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
            hint = "" if flag is None else meant(flag, known)
            raise UsageError(f"unrecognized arguments: {' '.join(unknown)}.{hint} See `{self.prog} --help`.")
        return vars(found)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        known = [] if action.choices is None else list(map(str, action.choices))
        if action.choices is not None and value not in action.choices:
            says = f"{value!r} is not among {', '.join(known)}.{meant(value, known)}"
            raise argparse.ArgumentError(action, says.rstrip("."))

    def error(self, message: str) -> NoReturn:
        """UsageError in place of argparse's exit."""
        raise UsageError(f"{message}. See `{self.prog} --help`.")


def replaced(base: Part, given: Given, fields: Mapping[str, str]) -> Part:
    """`base` with what is given of `fields`, flag -> field; takes the flags out of `given`."""
    changes = {field: given.pop(flag) for flag, field in fields.items() if flag in given}
    return dataclasses.replace(base, **changes) if changes else base  # type: ignore[type-var]


class _Help(argparse.Action):
    """Prints the help, and ends."""

    def __init__(self, *words: Any, whole: bool, **named: Any) -> None:
        super().__init__(*words, **{**named, "default": argparse.SUPPRESS})
        self._whole = whole

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        assert isinstance(parser, Parser)
        sys.stdout.write(parser.format_help(self._whole))
        parser.exit()
