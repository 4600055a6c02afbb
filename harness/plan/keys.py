"""The hashes that name trials, and those of images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from seatrial.files import value_digest
from seatrial.harness.spec.targets import Build

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Identity:
    """run: shared by all trials. targets, conditions: what makes each, by id. All of it JSON values."""

    run: Mapping[str, Any]
    targets: Mapping[str, Any]
    conditions: Mapping[str, Any]

    def material(self, build: Build, condition_id: str) -> dict[str, Any]:
        """All that shapes the answers of one trial."""
        return {
            "schema": SCHEMA,
            "run": self.run,
            "target": self.targets[build.target.id],
            "build": build.number,
            "condition": self.conditions[condition_id],
        }

    def key(self, build: Build, condition_id: str) -> str:
        """The name of one trial: the hash of its material."""
        return value_digest(self.material(build, condition_id))

    def images_key(self, condition_id: str) -> str:
        """The name of a condition's images, where they are the same for all targets."""
        return value_digest({"schema": SCHEMA, "run": self.run, "condition": self.conditions[condition_id]})

    def to_dict(self) -> dict[str, Any]:
        """As in run.json."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Digests:
    """Hashes of images as they are stored. data: of all conditions together, or by condition id where each has images
    of its own. calib: of those that files are made on.
    """

    data: str | Mapping[str, str]
    calib: str | None
