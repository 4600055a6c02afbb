"""Which images are asked about."""

from __future__ import annotations

import dataclasses

from seatrial.bounds import at_least


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """data: a path, or DEMO; None where the command has images of its own. limit: the first N images of the seeded
    order, None for all. unlabelled: labels that the images may have are not looked at.
    """

    data: str | None = None
    limit: int | None = None
    unlabelled: bool = False

    def __post_init__(self) -> None:
        """UsageError for a limit that none can be."""
        at_least(1, limit=self.limit)
