"""What the search for an input contract is asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.exporters import ContractOptions
from seatrial.harness.spec.run import DEMO, default_workers

DEFAULT_LIMIT = 1000
# Fewer say nothing: the first look of a race.
MIN_IMAGES = 32


@dataclasses.dataclass(frozen=True)
class ContractSpec:
    """One search.

    model, weights, output, data, classes: as in a RunSpec. contract: what is declared, besides what the model carries;
    `size` alone declares nothing. limit: the first N images of the seeded order. workers: changes no result.
    """

    model: str = DEMO
    data: str | None = None
    weights: Path | None = None
    output: str | None = None
    classes: Path | None = None
    contract: ContractOptions = dataclasses.field(default_factory=ContractOptions)
    limit: int = DEFAULT_LIMIT
    seed: int = 0
    workers: int = dataclasses.field(default_factory=default_workers)

    def __post_init__(self) -> None:
        """UsageError for numbers out of range."""
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"--seed is {self.seed}; it must be from 0 to 2**63 - 1.")
        for flag, value, least in (("--limit", self.limit, MIN_IMAGES), ("--workers", self.workers, 1)):
            if value < least:
                raise UsageError(f"{flag} is {value}; it must be at least {least}.")
