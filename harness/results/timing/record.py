"""What a run directory holds of its timing, read for judgement."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.records.latencies import Samples, read_samples, timed
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.timing import read_timing, scenario_at
from seatrial.harness.spec.timing import BUDGET_S, WIDTH

Values = Mapping[str, Any]

SINGLE, MULTI, OFFLINE, SERVER, SUSTAINED = (scenario.key for scenario in SCENARIOS.values())


@dataclasses.dataclass(frozen=True)
class TimedRun:
    """values: timing.json. path: latency.parquet. pairs: (build id, key of a scenario) that have samples."""

    values: Values
    path: Path
    pairs: frozenset[tuple[str, str]]

    @classmethod
    def read(cls, directory: RunDirectory) -> TimedRun:
        """BadInputError, DamagedError for files that are not what was written."""
        return cls(read_timing(directory.timing), directory.latency, frozenset(timed(directory.latency)))

    def has(self, build: str, key: str) -> bool:
        """Whether it was timed in that scenario."""
        return (build, key) in self.pairs

    def samples(self, build: str, key: str) -> Samples:
        """All of them, kept or not; BadInputError for none."""
        return read_samples(self.path, build, key)

    def kept(self, build: str, key: str) -> Samples:
        """Those of rounds that stand; all of them where none does."""
        found = self.samples(build, key)
        return found.where(found.kept) if found.kept.any() else found

    def target(self, build: str) -> Values:
        """What timing.json says of a build; empty where it says nothing."""
        found: Values = self.values["targets"].get(build, {})
        return found

    def entry(self, build: str, key: str) -> Values:
        """The same of one scenario."""
        found: Values = self.target(build).get(key, {})
        return found

    def rounds(self, board: str | None, key: str) -> Sequence[Values]:
        """`number`, `kept` and `reasons` of each at a place."""
        found: Sequence[Values] = scenario_at(self.values, board, key).get("rounds", ())
        return found

    def stopped(self, board: str | None, key: str) -> str | None:
        """Why there were no further rounds at a place: narrow, budget or asked."""
        found: str | None = scenario_at(self.values, board, key).get("stopped")
        return found

    @property
    def width(self) -> float:
        """Of an interval that is narrow enough, as a share."""
        return float(self.values.get("options", {}).get("width", WIDTH))

    @property
    def budget_s(self) -> float:
        """For further rounds; 0, and the run could not stop when it liked what it saw."""
        return float(self.values.get("options", {}).get("budget_s", BUDGET_S))
