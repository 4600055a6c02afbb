"""Timing for tests that do not look at it: one start, few queries, hardly warm, and no further process."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from seatrial.harness.run.timing import ready, rounds
from seatrial.harness.spec import timing

# The same as flags, for a command that runs in a process of its own.
QUICK_TIMING = ("--starts", "1", "--duration", "0.001", "--timing-budget", "0", "--end-to-end", "none")

# What findings about time are called: of a few queries on a machine that does other things, they say what they may.
OF_TIMING = frozenset({"stalls", "drift", "load", "slower", "wide"})


def untimed(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The findings that are not about time."""
    return [finding for finding in findings if finding["cause"] not in OF_TIMING]


def time_quickly(set_: Callable[[object, str, object], None] = setattr) -> None:
    """set_: as `setattr`, or a patch's, which takes it back."""
    set_(importlib.import_module("seatrial.engines.machine.reading"), "LEAST_LOOK_S", 0.0)
    set_(ready, "WARM_UP_S", 0.01)
    set_(rounds, "CARRIED", 90.0)
    set_(timing, "STARTS", 1)
    set_(timing, "DURATION_S", 0.001)
    set_(timing, "BUDGET_S", 0.0)
    set_(timing, "END_TO_END", ())
