"""--json FILE: what a command found, for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from seatrial.harness.command.flags.parser import Given


def add(group: argparse._ArgumentGroup) -> None:
    """--json."""
    group.add_argument("--json", type=Path, metavar="FILE", help="write all that was found as JSON, too")


def take(given: Given) -> Path | None:
    """The file; None where none is named."""
    file: Path | None = given.pop("json", None)
    return file
