"""A stretch of timed queries: what is asked of an engine's process, and what it tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Nanoseconds = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Block:
    """Queries one after the other (or, with `rate`, as they arrive), until `queries` are answered or `seconds` are
    over, whichever comes first.

    scenario: a name of SCENARIOS. first: number of the first query; which sample a query asks hangs on its number and
    on `seed` alone. samples: images of a query. workers: queries at once. rate: of Poisson arrivals, queries a second.
    """

    scenario: str
    first: int = 0
    queries: int = 1 << 40
    seconds: float = 3600.0
    samples: int = 1
    workers: int = 1
    rate: float | None = None
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Counters:
    """What the machine did meanwhile, as far as its system tells: shares are of the wall time of one core.

    wall_s: of the block. own: this process's time on processors. others: everybody else's, the run's own included.
    stolen: taken by the hypervisor. waited: of this process's threads, ready and without a processor. probe_ns: known
    arithmetic in the first cache; memory_ns: known copying past the caches; each before and after the block.
    mhz: of the processor that it ran on. joules: by the name of the meter.
    """

    wall_s: float
    own: float | None = None
    others: float | None = None
    stolen: float | None = None
    waited: float | None = None
    probe_ns: tuple[int, int] | None = None
    memory_ns: tuple[int, int] | None = None
    mhz: float | None = None
    joules: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Timed:
    """Of one block, in the order of the queries' numbers.

    begin: int64 [Q] nanoseconds since the block began: when the query was asked, or when it arrived. taken: int64 [Q]
    from there to its answer. service: int64 [Q] nanoseconds of the engine's call alone; `taken` where nothing queues.
    fresh: bool [Q], whether its input was a new one, never asked before. checked, wrong: answers that were compared
    with what the engine had answered untimed, and those that were others. worst: the largest difference, as a share of
    the spread (largest less smallest) of the scores.
    """

    begin: Nanoseconds
    taken: Nanoseconds
    service: Nanoseconds
    fresh: npt.NDArray[np.bool_]
    checked: int
    wrong: int
    worst: float
    counters: Counters
