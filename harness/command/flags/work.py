"""How the work is done: WorkOptions."""

from __future__ import annotations

import argparse

from seatrial.harness.command.flags.parser import Given, replaced
from seatrial.harness.spec.work import WorkOptions


def add(group: argparse._ArgumentGroup, *, batches: bool = False, executors: bool = False) -> None:
    """batches: whether the command asks engines in batches. executors: whether it runs trials."""
    group.add_argument("--workers", type=int, metavar="N", help="threads that decode and corrupt (default: one a core)")
    if batches:
        group.add_argument("--batch-size", type=int, metavar="N", help="images a call; changes no result (default: 32)")
    if executors:
        group.add_argument(
            "--executor",
            metavar="WHERE",
            help="where trials run: threads (default), ray (a Ray cluster of this machine), or ray:ADDRESS of one that "
            "runs; changes no result",
        )


def take(given: Given, base: WorkOptions) -> WorkOptions:
    """The part."""
    return replaced(base, given, {"workers": "workers", "batch_size": "batch_size", "executor": "executor"})
