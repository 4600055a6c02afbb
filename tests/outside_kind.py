"""A kind of conditions as somebody else's package has it: images turned over, without a file of ours touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console

from seatrial.errors import UsageError
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.protocol import (
    Ask,
    Column,
    Finished,
    Kind,
    LoadedWorld,
    Measured,
    Pending,
    Resolved,
    Section,
    Session,
    World,
)
from seatrial.harness.data.source import Pixels
from seatrial.harness.records.predictions import Predictions

AXES = {"upside-down": 1, "mirrored": 2}


class Turned(Kind):
    """`turned/NAME`; of images that are made before they are asked about, `turned/both`, and what hangs on answers."""

    name = "turned"
    prefix = "turned/"
    suites = ("turned",)
    block = "turned"

    def ids(self, world: World) -> list[str]:
        return [*(f"turned/{name}" for name in AXES), "turned/both", "turned/tall", "turned/worst"]

    def make(self, condition_id: str, world: World) -> Condition:
        axis = AXES[condition_id.removeprefix(self.prefix)] - 1
        return Condition(condition_id, transform=lambda image, rng: np.flip(image, axis))

    def resolve(self, ids: Sequence[str], named: Sequence[str], world: LoadedWorld) -> Resolved:
        height, width = world.model.contract.size
        if "turned/tall" in named and height <= width:
            raise UsageError("turned/tall cannot be asked of this model: it is not tall.")
        kept = [name for name in ids if name not in ("turned/tall", "turned/worst")]
        conditions = [Condition(name) if name == "turned/both" else self.make(name, world) for name in kept]
        later = tuple(name for name in ids if name == "turned/worst")
        notes = ("Left out: turned/tall.",) if "turned/tall" in ids else ()
        return Resolved(tuple(conditions), later, notes)

    def following(
        self, later: Sequence[str], conditions: Sequence[Condition], answers: Mapping[str, Predictions]
    ) -> list[Condition]:
        worst = min(conditions, key=lambda one: answers[one.id].correct.sum())
        return [Condition("turned/worst", worst.transform, parts=(worst.id,))]

    def shape(self, condition: Condition, world: LoadedWorld) -> dict[str, Any]:
        return {"id": condition.id, "by": "np.flip", "parts": list(condition.parts)}

    def run(self, session: Session, pending: Sequence[Pending], ask: Ask) -> None:
        clean = session.images.reader("clean")
        for one in pending:
            if one.condition.id == "turned/both":
                session.images.replace(one.condition.id, TurnedBoth(clean))
        ask(pending)

    def describe(self, finished: Finished) -> dict[str, Any] | None:
        names = [name for name in finished.answers[finished.reference] if self.owns(name)]
        if not names:
            return None
        top1 = {
            target: {name: float(rows[name].correct.mean()) for name in names}
            for target, rows in finished.answers.items()
        }
        return {"top1": top1, "made_by": [one["by"] for one in finished.shapes if "by" in one]}

    def metrics(self, target: Measured, reference: Measured, world: LoadedWorld) -> dict[str, Any]:
        turned = [values["top1"] for name, values in target.figures.items() if self.owns(name)]
        return {"turned_top1": min(turned, default=None)}

    def notes(self, block: Mapping[str, Any] | None) -> list[str]:
        return [] if block is None else ["Images were turned over."]

    def columns(self) -> Sequence[Column]:
        return [Column("turned", "turned over, least top-1", lambda target: f"{target['metrics']['turned_top1']}")]

    def headline(self, target: Mapping[str, Any]) -> str | None:
        return f"{target['metrics']['turned_top1']} on turned images"

    def show(self, summary: Mapping[str, Any], console: Console) -> None:
        if summary[self.block]:
            console.print(f"turned in the terminal: {sorted(summary[self.block]['top1'])}", markup=False)

    def section(self, summary: Mapping[str, Any]) -> Section | None:
        if not summary[self.block]:
            return None
        template = "<h2>Turned</h2>{% for one in values.names %}<p>{{ one }} {{ numbers.percent(0.5) }}</p>{% endfor %}"
        return Section(template, {"names": [*summary[self.block]["made_by"], "<script>"]})


class TurnedBoth:
    """Reads images turned by both axes."""

    def __init__(self, clean: Any) -> None:
        self._clean = clean

    def __len__(self) -> int:
        return len(self._clean)

    def read(self, start: int, stop: int) -> Pixels:
        return np.ascontiguousarray(self._clean.read(start, stop)[:, ::-1, ::-1])
