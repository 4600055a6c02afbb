"""What the search for an input contract is asked."""

from __future__ import annotations

import dataclasses

from seatrial.bounds import at_least, seeds
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.work import WorkOptions

DEFAULT_LIMIT = 1000
# Fewer say nothing: the first look of a race.
MIN_IMAGES = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContractSpec:
    """One search. source: its contract is what is declared, besides what the model carries; `size` alone declares
    nothing.
    """

    source: ModelSource = dataclasses.field(default_factory=ModelSource)
    images: ImageSource = dataclasses.field(default_factory=lambda: ImageSource(limit=DEFAULT_LIMIT))
    seed: int = 0
    work: WorkOptions = dataclasses.field(default_factory=WorkOptions)

    def __post_init__(self) -> None:
        """UsageError for numbers out of range."""
        seeds(seed=self.seed)
        at_least(MIN_IMAGES, limit=self.images.limit)
