"""All that a run tells of the time of its targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.results.timing.figures import latency_of, minutes_of
from seatrial.harness.results.timing.machine import machine_of
from seatrial.harness.results.timing.marks import Marks
from seatrial.harness.results.timing.record import TimedRun
from seatrial.harness.results.timing.speedups import speedups_of

_PARTS = ("energy", "memory", "sweep", "loadgen")


class Timing:
    """Read once for all targets."""

    def __init__(self, run: TimedRun, reference: str, builds: Sequence[str], seed: int) -> None:
        """reference: its build. builds: ids of all, the reference's too. seed: of what is resampled."""
        self._run, self._reference, self._seed = run, reference, seed
        self._marks = Marks(run, builds)
        self._latency: dict[str, dict[str, Any]] = {}

    def latency(self, build: str) -> dict[str, Any]:
        """As of `latency_of`."""
        if build not in self._latency:
            self._latency[build] = latency_of(self._run, build)
        return self._latency[build]

    def speedups(self, builds: Sequence[str]) -> dict[str, dict[str, Any]]:
        """As of `speedups_of`: of a target, by its builds."""
        return speedups_of(self._run, self._reference, builds, self._seed)

    def timed(self, builds: Sequence[str], speedups: Mapping[str, Any]) -> dict[str, Any]:
        """`marks` of all its builds, `checked` answers, and the parts that were measured beside the scenarios."""
        marks = [
            {**mark.to_dict(), **({"build": build} if build != builds[0] else {})}
            for build in builds
            for mark in self._marks.of(build, speedups if build == builds[0] else {})
        ]
        entries = [one for build in builds for one in self._run.target(build).values() if isinstance(one, Mapping)]
        known = self._run.target(builds[0])
        return {
            "marks": marks,
            "checked": sum(int(one.get("checked") or 0) for one in entries),
            **{name: known[name] for name in _PARTS if known.get(name)},
        }

    @property
    def machine(self) -> dict[str, Any] | None:
        """As of `machine_of`, of all targets whose latency was asked for."""
        return machine_of(self._run, minutes_of(list(self._latency.items())))
