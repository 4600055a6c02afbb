"""How the work is done: it changes no result."""

from __future__ import annotations

import dataclasses
import os

from seatrial.harness.spec.checks import at_least


def default_workers() -> int:
    """One thread per core."""
    return os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class WorkOptions:
    """workers: threads that decode and corrupt. batch_size: images a call."""

    workers: int = dataclasses.field(default_factory=default_workers)
    batch_size: int = 32

    def __post_init__(self) -> None:
        """UsageError for numbers that none can be."""
        at_least(1, workers=self.workers, batch_size=self.batch_size)
