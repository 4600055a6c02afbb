"""Single-stream latency: one query at a time, configurations in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seatrial.engines.timing.block import Block
from seatrial.harness.timing.turns import in_turns

# Configurations take turns in blocks, so that drift of the clock frequency or of the machine's load meets all alike,
# while caches stay warm within a block.
BLOCK = 32


class Timings(Protocol):
    """int64 nanoseconds of wall time, one a query."""

    @property
    def taken(self) -> npt.NDArray[np.int64]: ...  # noqa: D102


class Timed(Protocol):
    """What times its own queries, where they are answered: no message travels inside a sample."""

    def time(self, block: Block) -> Timings:
        """As `PlacedEngine.time`, of which `taken` is read: int64 nanoseconds of wall time."""


def single_stream(
    timed: Mapping[str, Timed],
    *,
    samples: int,
    max_s: float,
) -> dict[str, npt.NDArray[np.int64]]:
    """Name -> int64 [samples] nanoseconds, of warmed-up configurations.

    A block is BLOCK queries of one configuration; the blocks go A B | B A. Stops early after a turn, with what it has,
    where the samples of all configurations together have taken `max_s` seconds for each.
    """
    taken: dict[str, list[npt.NDArray[np.int64]]] = {name: [] for name in timed}
    spent = begun = 0
    for turn, name in in_turns(list(timed), -(-samples // BLOCK)):
        if turn > begun and spent > max_s * 1e9 * len(timed):
            break
        begun, start = turn, turn * BLOCK
        found = timed[name].time(Block("single-stream", first=start, queries=min(BLOCK, samples - start))).taken
        taken[name].append(found)
        spent += int(found.sum())
    return {name: np.concatenate(parts) for name, parts in taken.items()}
