"""What may be the matter, and what to do about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

# Above this, a finding is the run's answer to why; below, a hint.
LIKELY = 0.5


@dataclasses.dataclass(frozen=True)
class Finding:
    """A cause of what a run measured.

    cause: stable, as in docs/findings.md. target: id, None where it is about model or images. says: what was seen, with
    the figure. remedy: what to do. command: ready for a shell, None where there is none. likelihood: 0 to 1, for the
    order. evidence: JSON values.
    """

    cause: str
    target: str | None
    says: str
    remedy: str
    command: str | None
    likelihood: float
    evidence: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dataclasses.asdict(self)


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The likeliest first; of equal ones, in the order in which they come."""
    return sorted(findings, key=lambda one: -one.likelihood)
