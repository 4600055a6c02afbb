"""What a part of the page is, and what it is made of."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.report.tracks import Track

Values = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Shown:
    """All that the page shows. summary: as in summary.json. layers: target id -> layers of audit.json. timing: as in
    timing.json. tracks: scenario -> target id -> what is drawn of its queries. flips, places: as in flips.json and
    places.json. What is not there is empty.
    """

    summary: Values
    layers: Mapping[str, Sequence[Values]] = dataclasses.field(default_factory=dict)
    timing: Values = dataclasses.field(default_factory=dict)
    tracks: Mapping[str, Mapping[str, Track]] = dataclasses.field(default_factory=dict)
    flips: Values = dataclasses.field(default_factory=dict)
    places: Values = dataclasses.field(default_factory=dict)

    @property
    def targets(self) -> Sequence[Values]:
        """The reference first."""
        found: Sequence[Values] = self.summary["targets"]
        return found

    @property
    def others(self) -> list[Values]:
        """The targets that are compared with the reference."""
        return [target for target in self.targets if target["id"] != self.summary["reference"]]

    @property
    def names(self) -> list[str]:
        """Ids of the targets, in the order of their lines."""
        return [target["id"] for target in self.targets]

    @property
    def conditions(self) -> list[str]:
        """Ids of the conditions that any target answered, in the order of the run."""
        answered = (target["conditions"] or target.get("likeness") or () for target in self.targets)
        return list(dict.fromkeys(name for names in answered for name in names))

    def readable(self, sentence: str) -> str:
        """The ids of conditions in it as people read them."""
        named = {name: f"“{title_of(name)}”" for name in self.conditions}
        told = {name: title for name, title in named.items() if title[1:-1] != name and name != CLEAN}
        if not told:
            return sentence
        pattern = "|".join(map(re.escape, sorted(told, key=len, reverse=True)))
        return re.sub(rf"({pattern})(?![\w.+-]*\w)", lambda found: told[found[0]], sentence)


@dataclasses.dataclass(frozen=True)
class Part:
    """title: its heading, which the list of contents names. body: what stands below it."""

    title: str
    body: Markup


# None where the run has nothing to say of it.
MakePart = Callable[[Shown], Part | None]


def together(*pieces: Any) -> Markup:
    """Pieces below each other, those that say nothing left out."""
    found = [Markup.escape(piece) for piece in pieces if piece is not None]
    return Markup("\n").join(piece for piece in found if piece.strip())
