"""Mirrored images."""

from __future__ import annotations

from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.protocol import Kind, World


class Mirrored(Kind):
    """`sample-kind/mirrored`."""

    name, prefix, suites = "sample-kind", "sample-kind/", ("sample-kind",)

    def ids(self, world: World) -> list[str]:
        """One."""
        return ["sample-kind/mirrored"]

    def make(self, condition_id: str, world: World) -> Condition:
        """Left is right."""
        return Condition(condition_id, transform=lambda image, rng: image[:, ::-1])
