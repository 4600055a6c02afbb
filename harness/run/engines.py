"""An engine of a target, as it was built."""

from __future__ import annotations

import dataclasses

from seatrial.engines.places import PlacedEngine
from seatrial.exporters import DeployableModel
from seatrial.harness.guard import Verdict
from seatrial.harness.spec.targets import Build


@dataclasses.dataclass(frozen=True)
class BuiltTarget:
    """An engine of a target, the model file that it was built from, and what is known of the two (`harness.guard`)."""

    build: Build
    engine: PlacedEngine
    model: DeployableModel
    verdict: Verdict | None = None

    @property
    def id(self) -> str:
        """The build's id."""
        return self.build.id
