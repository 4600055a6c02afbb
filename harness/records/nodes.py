"""nodes.json: where trials were run that this machine did not run, and what came of asking a sample of them again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.harness.records.checked import read_values, write_values


@dataclasses.dataclass
class Nodes:
    """nodes: name -> cores and processor. targets: target id -> images that were asked again elsewhere, how many
    of them were answered otherwise, and sentences about these.
    """

    nodes: dict[str, Any] = dataclasses.field(default_factory=dict)
    targets: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Nodes:
        """What is known so far; DamagedError where the file is not what was written."""
        if not path.exists():
            return cls()
        found = read_values(path)
        return cls(dict(found["nodes"]), dict(found["repeated"]))

    def write(self, path: Path) -> None:
        """Files it, where there is anything."""
        if self.nodes:
            write_values(path, {"nodes": self.nodes, "repeated": self.targets})

    def add(self, name: str, cores: int, processor: Mapping[str, Any]) -> None:
        """A node that answered."""
        self.nodes.setdefault(name, {"cores": cores, "processor": dict(processor)})

    def repeated(self, target: str, images: int, differing: int, says: str) -> None:
        """Further images of a target were asked again. says: of those that differ."""
        self._add(target, images, differing, [says] if differing else [])

    def join(self, other: Nodes) -> None:
        """What another shard of the run tells, beside it."""
        for name, node in other.nodes.items():
            self.nodes.setdefault(name, node)
        for target, found in other.targets.items():
            self._add(target, found["images"], found["differing"], found["says"])

    def _add(self, target: str, images: int, differing: int, says: Sequence[str]) -> None:
        known = self.targets.get(target) or {"images": 0, "differing": 0, "says": []}
        self.targets[target] = {
            "images": known["images"] + images,
            "differing": known["differing"] + differing,
            "says": [*known["says"], *says],
        }
