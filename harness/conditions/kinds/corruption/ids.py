"""Ids of corruptions, and which of them the suites ask for."""

from __future__ import annotations

import dataclasses

from seatrial.errors import UsageError
from seatrial.harness.conditions.corruptions import CORRUPTIONS, HELD_OUT, SEVERITIES, names
from seatrial.harness.spec.studies import ROBUSTMQ

PREFIX = "corruption/"


@dataclasses.dataclass(frozen=True)
class Suite:
    """severities: at which every corruption is asked for. held_out: also those four that mCE leaves out."""

    severities: tuple[int, ...]
    held_out: bool = False


SUITES: dict[str, Suite] = {
    "quick": Suite((3,)),
    "standard": Suite(SEVERITIES),
    "full": Suite(SEVERITIES, held_out=True),
    ROBUSTMQ: Suite(SEVERITIES),
}


def corruption_id(name: str, severity: int) -> str:
    """`corruption/NAME@SEVERITY`."""
    return f"{PREFIX}{name}@{severity}"


def parse_corruption(condition_id: str) -> tuple[str, int]:
    """`corruption/NAME@SEVERITY` -> name, severity; UsageError for one that is not there.

    >>> parse_corruption("corruption/fog@3")
    ('fog', 3)
    """
    name, _, severity = condition_id.removeprefix(PREFIX).rpartition("@")
    CORRUPTIONS.refuse_broken(name)
    if name not in CORRUPTIONS or severity not in map(str, SEVERITIES):
        raise UsageError(f"There is no {condition_id!r}.")
    return name, int(severity)


def known_corruption_ids() -> list[str]:
    """Corruption by corruption, each by severity."""
    return [corruption_id(name, severity) for name in names() for severity in SEVERITIES]


def suite_ids(suite: str, severities: tuple[int, ...]) -> list[str]:
    """Those of a suite; severities: in place of the suite's own, where there are any."""
    asked = SUITES[suite]
    kept = [name for name in names() if asked.held_out or name not in HELD_OUT]
    return [
        corruption_id(name, severity)
        for name in kept
        for severity in SEVERITIES
        if severity in (severities or asked.severities)
    ]
