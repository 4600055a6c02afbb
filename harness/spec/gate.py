"""What a target must reach."""

from __future__ import annotations

import dataclasses

from seatrial.errors import UsageError


@dataclasses.dataclass(frozen=True)
class GateOptions:
    """min_realized: share of multiply-accumulates at the requested precision, below which a run fails; None for the
    usual one, which only warns. allow_fallback: lets a smaller share pass.
    """

    min_realized: float | None = None
    allow_fallback: bool = False

    def __post_init__(self) -> None:
        """UsageError for a share that none can be."""
        if self.min_realized is not None and not 0 <= self.min_realized <= 1:
            raise UsageError(f"--min-realized is {self.min_realized}; it is a share, from 0 to 1.")
