"""What came of a step, as it travels from its process and into the archive."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

# Names the file that a step's process writes its result to.
RESULT = "GPUKIT_RESULT"
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclasses.dataclass(frozen=True)
class Result:
    """outcome: passed, failed or skipped. why: in words; of what passed, what it found. data: JSON values. runs: of
    `engines.hardware`, as JSON.
    """

    outcome: str
    why: str = ""
    data: dict[str, Any] = dataclasses.field(default_factory=dict)
    runs: tuple[dict[str, Any], ...] = ()


@dataclasses.dataclass(frozen=True)
class Done:
    """A step with its result; seconds: that it took, 0 for one that did not begin. log: its name in the archive."""

    name: str
    result: Result
    seconds: float = 0.0
    log: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        result = dataclasses.asdict(self.result)
        del result["runs"]
        return {"name": self.name, "seconds": round(self.seconds, 1), "log": self.log, **result}


def count(done: Sequence[Done], outcome: str) -> int:
    """How many."""
    return sum(one.result.outcome == outcome for one in done)


def exit_status(done: Sequence[Done]) -> int:
    """0: something ran, and nothing failed; 1: something failed; 3: nothing could run."""
    if count(done, FAILED):
        return 1
    return 0 if count(done, PASSED) else 3
