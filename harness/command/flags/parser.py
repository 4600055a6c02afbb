"""Parsers that raise UsageError, and what is given to them put into parts of a spec."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from seatrial import __version__
from seatrial.errors import UsageError

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
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # an abbreviation would change its meaning with the next flag that is added
            argument_default=argparse.SUPPRESS,
        )
        self.add_argument("--version", action="version", version=f"seatrial {__version__}")
        self.add_argument(
            "--config", type=Path, metavar="FILE", help="all flags as YAML (flag: value); flags override it"
        )

        self.add_argument(
            "--quiet", action="store_true", help="no progress; of a run, the verdict, its reasons and the report's path"
        )

    def format_help(self) -> str:
        """The help, in which the command has the name by which it was called."""
        return super().format_help().replace("bench.py", program())

    def error(self, message: str) -> NoReturn:
        """UsageError in place of argparse's exit."""
        raise UsageError(f"{message}. See `{self.prog} --help`.")


def replaced(base: Part, given: Given, fields: Mapping[str, str]) -> Part:
    """`base` with what is given of `fields`, flag -> field; takes the flags out of `given`."""
    changes = {field: given.pop(flag) for flag, field in fields.items() if flag in given}
    return dataclasses.replace(base, **changes) if changes else base  # type: ignore[type-var]
