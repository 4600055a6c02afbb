"""The images as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.errors import UsageError
from seatrial.harness.conditions.condition import CLEAN, Condition
from seatrial.harness.conditions.kinds.protocol import Kind, World
from seatrial.harness.typeset.numbers import percent, points


class Clean(Kind):
    """One condition, which is part of every run whose data hold it."""

    name = CLEAN
    prefix = CLEAN

    def owns(self, condition_id: str) -> bool:
        """True for the one id."""
        return condition_id == CLEAN

    def ids(self, world: World) -> list[str]:
        """The one."""
        return [CLEAN]

    def chosen(self, suite: str, globs: Sequence[str], severities: Sequence[int], world: World) -> list[str]:
        """Always: the others are compared with it."""
        return [CLEAN]

    def make(self, condition_id: str, world: World) -> Condition:
        """Images are left alone."""
        if condition_id != CLEAN:
            raise UsageError(f"Unknown condition {condition_id!r}.")
        return Condition(CLEAN)

    def title(self, condition_id: str) -> str:
        """One word."""
        return "Clean"

    def headline(self, target: Mapping[str, Any]) -> str | None:
        """Top-1, and its difference to the reference's."""
        clean = target["conditions"].get(CLEAN)
        if clean is None:
            return None
        low, high = clean["vs_reference"]["ci95"]
        chance = "" if low > 0 or high < 0 else ": no significant difference"
        return (
            f"{percent(clean['top1'])} on clean images, {points(clean['vs_reference']['delta'])} points "
            f"(95 % interval {points(low)} to {points(high)}{chance})"
        )
