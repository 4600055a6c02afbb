"""Which images files are made on."""

from __future__ import annotations

import dataclasses

from seatrial.bounds import at_least, seeds


@dataclasses.dataclass(frozen=True)
class CalibrationSource:
    """data: a path, or DEMO. limit: the first N images of the seeded order, None for all. seed: of that order, and of
    what degrades them; None for the run's. condition: what happens to them, an id.
    """

    data: str | None = None
    limit: int | None = None
    seed: int | None = None
    condition: str = "clean"

    def __post_init__(self) -> None:
        """UsageError for numbers that none can be."""
        at_least(1, calib_limit=self.limit)
        seeds(calib_seed=self.seed)
