"""Sustained: single queries for minutes, one target after the other: what stays when the device is warm."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from seatrial.harness.run.timing.machine import Machine
from seatrial.harness.run.timing.ready import Ready
from seatrial.harness.run.timing.scenes import Scene
from seatrial.harness.run.timing.takings import Taking

# Of a block; between two of them the machine is read.
BLOCK_S = 5.0


def sustain(
    ready: Ready,
    scene: Scene,
    machine: Machine,
    *,
    seconds: float,
    seed: int,
    note: Callable[[str], None] = lambda says: None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[list[Taking], list[dict[str, Any]]]:
    """The blocks, and the readings of the machine between them, with `at_s` since the first block began."""
    takings: list[Taking] = []
    readings: list[dict[str, Any]] = []
    begin, first = clock(), 0
    while (spent := clock() - begin) < seconds:
        note(f"{spent / 60:.0f} of {seconds / 60:.0f} min")
        length = min(BLOCK_S, seconds - spent)
        timed = ready.time(scene.block(seed=seed, first=first, seconds=length))
        takings.append(Taking(1, int(spent * 1e9), timed))
        first += len(timed.taken)
        reading = machine.look(every_s=0.9 * length)
        if reading is not None:
            readings.append({**reading, "at_s": round(clock() - begin, 3)})
    return takings, readings
