"""Flags about boards: how they are reached, and how long they are waited for."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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


def take(given: Given, known: FilesSpec, targets: Iterable[TargetSpec]) -> dict[str, Any]:
    """`boards` and `wait_s` of a spec: what the targets need of the file, and of nothing else: what a run directory
    says of boards is not run.
    """
    named = [target.board for target in targets if target.board is not None]
    file = given.pop("boards", None)
    there = read_boards(file) if named or file is not None else {}
    wait_s = given.pop("wait") if "wait" in given else known.wait_s
    return {"boards": described(named, there), "wait_s": wait_s}
