"""What causes are looked for in."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from seatrial.harness.findings.order import Order
from seatrial.harness.results.causes.commands import Commands
from seatrial.harness.results.check import Check
from seatrial.harness.results.typed import TargetResult
from seatrial.harness.spec.targets import TargetSpec, target_of

# Units of checks of answers; others are of costs and of how a target was built.
_ANSWERS = ("points", "share")
_NOT_ANSWERS = frozenset(
    {"realized", "answers alike", "calibration images", "contract", "label order", "layers", "weights"}
)
# Of which one that is undecided says something of the target as a whole.
_RECOVERY = frozenset({"recovery", "corrupted recovery"})


@dataclasses.dataclass(frozen=True)
class Case:
    """evidence: findings.json, empty where there is none. audit: audit.json. targets: the reference first. orders:
    target id -> classes that its answers have under other names. checks: all that were answered. class_names: by
    number. made_here: ids of the targets whose files seatrial made of the model.
    """

    evidence: Mapping[str, Any]
    audit: Mapping[str, Any]
    targets: Sequence[TargetResult]
    orders: Mapping[str, Order]
    checks: Sequence[Check]
    commands: Commands
    class_names: Sequence[str] | None = None
    made_here: Collection[str] = ()

    @property
    def reference(self) -> str:
        """Its id."""
        return self.targets[0].id

    @property
    def suspects(self) -> tuple[str, ...]:
        """Ids of the targets whose answers are not those of the reference."""
        return suspects([one.to_dict() for one in self.checks], self.reference)

    def failed(self, name: str, target: str) -> bool:
        """True where that check of that target failed."""
        return any(one.name == name and one.target == target and one.answer == "fail" for one in self.checks)

    def spec(self, target: str) -> TargetSpec:
        """The target by its id."""
        return target_of(target)


def suspects(checks: Sequence[Mapping[str, Any]], reference: str) -> tuple[str, ...]:
    """Ids of the targets of which a check of answers failed, or is undecided while what was measured lies beyond the
    limit.

    checks: as in the summary's gate.
    """
    found = [
        one["target"]
        for one in checks
        if one["target"] != reference
        and one["unit"] in _ANSWERS
        and one["name"] not in _NOT_ANSWERS
        and (one["answer"] == "fail" or (one["name"] in _RECOVERY and one["measured"] < one["limit"]))
    ]
    return tuple(dict.fromkeys(found))
