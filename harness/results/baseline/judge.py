"""The verdict over what changed from one run to another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from seatrial.harness.results.baseline.checks import baseline_checks
from seatrial.harness.results.baseline.compared import RunsCompared, compared
from seatrial.harness.results.baseline.stored import StoredRun
from seatrial.harness.results.checks.families import judge
from seatrial.harness.results.gate import decide
from seatrial.harness.spec.gate import GateOptions

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class JudgedComparison:
    """found: what changed. gate: the verdict over it, as in a summary."""

    found: RunsCompared
    gate: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"schema": SCHEMA, **self.found.to_dict(), "gate": self.gate, "failed": []}


def compare_runs(first: Path, second: Path, gate: GateOptions | None = None) -> JudgedComparison:
    """The second run against the first. first, second: their directories.

    UsageError where one holds no finished run, or they have nothing in common that could be compared.
    """
    options = gate or GateOptions()
    found = compared(StoredRun(first, "compare"), StoredRun(second, "compare"))
    checks, families = baseline_checks(found, options)
    return JudgedComparison(found, decide([*checks, *judge(families)], options))
