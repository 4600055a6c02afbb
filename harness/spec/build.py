"""What is to be built."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.places import Limits
from seatrial.errors import UsageError
from seatrial.harness.spec.files import FilesSpec
from seatrial.harness.spec.targets import Targets


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildSpec(FilesSpec):
    """targets: each is built for itself. out: where the only one's file goes, None to keep it in the cache alone."""

    targets: Targets = dataclasses.field(default_factory=Targets)
    builder: BuilderOptions = dataclasses.field(default_factory=BuilderOptions)
    limits: Limits = dataclasses.field(default_factory=Limits)
    out: Path | None = None

    def __post_init__(self) -> None:
        """UsageError for one file of several targets."""
        super().__post_init__()
        if self.out is not None and len(self.targets.asked) > 1:
            raise UsageError(
                f"--out names one file, and there are {len(self.targets.asked)} targets. Give one engine and precision."
            )
