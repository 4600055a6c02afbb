"""--quiet and --json: what is printed of a run."""

from __future__ import annotations

import argparse
import dataclasses

from seatrial.harness.command.flags.parser import Given


@dataclasses.dataclass(frozen=True)
class Output:
    """quiet: the verdict, its reasons and where the report lies, and no progress. json: summary.json and nothing else
    on standard output.
    """

    quiet: bool = False
    json: bool = False


def add(group: argparse._ActionsContainer) -> None:
    """--json; --quiet is every command's."""
    group.add_argument(
        "--json", action="store_true", help="print what stands in summary.json, and nothing else on standard output"
    )


def take(given: Given) -> Output:
    """What was asked."""
    return Output(given.pop("quiet", False), given.pop("json", False))
