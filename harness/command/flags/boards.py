"""Flags about boards: how they are reached, and how long they are waited for."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seatrial.engines import ENGINES
from seatrial.engines.kserve.endpoint import Endpoint, endpoint_of
from seatrial.errors import UsageError
from seatrial.harness.command.flags.parser import Given
from seatrial.harness.spec.boards import FILE, described, read_boards
from seatrial.harness.spec.files import FilesSpec
from seatrial.harness.spec.targets import TargetSpec


def add_file(group: argparse._ActionsContainer) -> None:
    """--boards."""
    group.add_argument(
        "--boards",
        type=Path,
        metavar="FILE",
        help=f"how boards are reached (default: {FILE} here, else ~/.config/seatrial/{FILE})",
    )


def add(group: argparse._ActionsContainer) -> None:
    """--boards, --wait."""
    add_file(group)
    group.add_argument(
        "--wait",
        nargs="?",
        type=float,
        const=None,
        metavar="SECONDS",
        help="for a board that another run holds; without a number for ever (default: 0)",
    )


def add_places(group: argparse._ActionsContainer) -> None:
    """--place."""
    group.add_argument(
        "--place",
        action="append",
        metavar="[NAME=]URL",
        help="repeatable; of --engine kserve: a served model, http(s)://HOST:8000/v2/models/NAME, grpc(s)://HOST:8001/NAME",
    )


def take_places(given: Given) -> dict[str, Endpoint]:
    """The endpoints by name; UsageError for two of one name."""
    found: dict[str, Endpoint] = {}
    for one in map(endpoint_of, given.pop("place", ())):
        if found.setdefault(one.name, one) != one:
            raise UsageError(f"--place: {one.url} and {found[one.name].url} have one name: give NAME=URL.")
    return found


def take(given: Given, known: FilesSpec, targets: Iterable[TargetSpec]) -> dict[str, Any]:
    """`boards` and `wait_s` of a spec: what the targets need of the file, and of nothing else: what a run directory
    says of boards is not run.
    """
    named = [one.board for one in targets if one.board is not None and not _is_served(one)]
    file = given.pop("boards", None)
    there = read_boards(file) if named or file is not None else {}
    wait_s = given.pop("wait") if "wait" in given else known.wait_s
    return {"boards": described(named, there), "wait_s": wait_s}


def _is_served(target: TargetSpec) -> bool:
    return target.engine in ENGINES and ENGINES[target.engine].served
