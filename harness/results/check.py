"""A check: one question with a limit, answered by an interval."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from seatrial.harness.spec.gate import Binding

Answer = Literal["pass", "fail", "inconclusive"]
Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """name: of the question, the same in every run; target: whose. says: the answer in a sentence. measured, interval,
    limit: in `unit` (`share` and `points` both from 0 to 1, `points` being a difference). subject: the condition or
    class that decides. p: one-sided, of what was measured if the limit were just kept; None where the check stands for
    itself. images: on how many it rests; needed: how many would decide an inconclusive one, None where that cannot be
    said. binding: as of a gate's limit. suspect: a failure makes the run ANOMALOUS, since what the others are compared
    with is not to be trusted. accepted: a fallback that --allow-fallback lets pass. fallback: which layers fell back,
    and why (`harness.results.fallback`).
    """

    name: str
    target: str
    answer: Answer
    says: str
    measured: float | None = None
    interval: Interval | None = None
    limit: float | None = None
    unit: str = ""
    subject: str | None = None
    p: float | None = None
    images: int | None = None
    needed: int | None = None
    binding: Binding = "yes"
    suspect: bool = False
    accepted: bool = False
    fallback: Mapping[str, Any] | None = None

    @property
    def counts(self) -> bool:
        """The verdict hangs on its answer."""
        return self.binding == "yes" or (self.binding == "failures" and self.answer == "fail")

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = dataclasses.asdict(self)
        return {**values, "interval": None if self.interval is None else list(self.interval)}


def at_least(limit: float, interval: Interval) -> Answer:
    """`pass` where the whole interval reaches the limit, `fail` where none of it does."""
    return "pass" if interval[0] >= limit else "fail" if interval[1] < limit else "inconclusive"


def at_most(limit: float, interval: Interval) -> Answer:
    """The same of a limit from above."""
    return "pass" if interval[1] <= limit else "fail" if interval[0] > limit else "inconclusive"
