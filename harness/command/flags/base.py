"""--from RUN: the spec of another run, which --config and the other flags change."""

from __future__ import annotations

import argparse
from pathlib import Path

from seatrial.harness.command.flags.parser import Given
from seatrial.harness.records.spec import spec_of_run
from seatrial.harness.spec.run import RunSpec


def add(parser: argparse.ArgumentParser) -> None:
    """--from."""
    parser.add_argument(
        "--from",
        type=Path,
        metavar="RUN",
        help="begin with the spec of that run directory; --config and flags replace its values, or extend lists",
    )


def take(given: Given) -> RunSpec | None:
    """That run's spec; None where none is named."""
    root = given.pop("from", None)
    return None if root is None else spec_of_run(root)
