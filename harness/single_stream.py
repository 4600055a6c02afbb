"""Single-stream latency: one query at a time, configurations in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seatrial.engines.timing.block import Block

# trtexec's warm-up; and the samples that bound p99 with 99 % confidence when one query may exceed it (MLPerf's
# early stopping: 662).
WARMUP_S = 0.2
SAMPLES = 662
# Configurations take turns in blocks, so that drift of the clock frequency or of the machine's load meets all alike,
# while caches stay warm within a block.
BLOCK = 32
MAX_S = 60.0


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
    samples: int = SAMPLES,
    progress: Callable[[int], None] = lambda done: None,
    max_s: float = MAX_S,
) -> dict[str, npt.NDArray[np.int64]]:
    """Name -> int64 [samples] nanoseconds, of warmed-up configurations.

    A block is BLOCK queries of one configuration; the blocks go A B A B. Stops early, with what it has, where the
    samples of all configurations together have taken `max_s` seconds for each. progress: called with the samples taken
    so far, of all configurations.
    """
    taken: dict[str, list[npt.NDArray[np.int64]]] = {name: [] for name in timed}
    spent = count = 0
    for start in range(0, samples, BLOCK):
        if spent > max_s * 1e9 * len(timed):
            break
        for name, configuration in timed.items():
            queries = min(BLOCK, samples - start)
            found = configuration.time(Block("single-stream", first=start, queries=queries)).taken
            taken[name].append(found)
            spent += int(found.sum())
            count += len(found)
        progress(count)
    return {name: np.concatenate(parts) for name, parts in taken.items()}
