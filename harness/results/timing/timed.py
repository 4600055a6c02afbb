"""All that a run tells of the time of its targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.engines import ENGINES
from seatrial.harness.metrics.latency_ratio import FEWEST
from seatrial.harness.results.timing.figures import latency_of, minutes_of
from seatrial.harness.results.timing.machine import boards_of, machine_of
from seatrial.harness.results.timing.marks import Marks
from seatrial.harness.results.timing.record import SINGLE, TimedRun
from seatrial.harness.results.timing.speedups import speedups_of
from seatrial.harness.spec.targets import Build, TargetSpec, is_yardstick, yardstick

_PARTS = ("energy", "memory", "sweep", "loadgen")


class Timing:
    """Read once for all targets."""

    def __init__(self, run: TimedRun, targets: Sequence[TargetSpec], builds: Sequence[str], seed: int) -> None:
        """targets: all that were asked for. builds: ids of those that have figures. seed: of what is resampled."""
        self._run, self._targets, self._builds, self._seed = run, targets, frozenset(builds), seed
        self._marks = Marks(run, builds)
        self._latency: dict[str, dict[str, Any]] = {}

    def latency(self, build: str) -> dict[str, Any]:
        """As of `latency_of`."""
        if build not in self._latency:
            self._latency[build] = latency_of(self._run, build)
        return self._latency[build]

    def speedups(self, target: TargetSpec, builds: Sequence[str]) -> dict[str, dict[str, Any]]:
        """As of `speedups_of`: of a target, by its builds, against the yardstick of its place; empty without one."""
        beside = yardstick(target, self._targets)
        return {} if beside is None else speedups_of(self._run, Build(beside).id, builds, self._seed)

    def pace(self, target: TargetSpec, speedups: Mapping[str, Any]) -> dict[str, Any]:
        """`against`: the id of the target that its speed is told against, None where there is none. `unknown`: why
        nothing is told of it, as a clause; None where something is, and of a yardstick.
        """
        if is_yardstick(target, self._targets):
            return {"against": None, "unknown": None}
        beside = yardstick(target, self._targets)
        if beside is None:
            served = "its times have the network in them, and those of fp32 here have not"
            here = f"nothing on {target.board} runs in fp32 (--bits 32 adds it)"
            return {"against": None, "unknown": served if ENGINES[target.engine].served else here}
        return {"against": beside.id, "unknown": None if SINGLE in speedups else self._missing(target, beside)}

    def _missing(self, target: TargetSpec, beside: TargetSpec) -> str:
        for one in (target, beside):
            if not self._run.has(Build(one).id, SINGLE) or Build(one).id not in self._builds:
                return f"{one.id} was not timed"
        few = [one.id for one in (target, beside) if len(self._run.kept(Build(one).id, SINGLE).taken) < FEWEST]
        if few:
            return f"{few[0]} answered too few queries to tell how well its median is known (--starts 3)"
        return f"it was not timed together with {beside.id}"

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
        """As of `machine_of`, of this machine; of all targets whose latency was asked for."""
        return machine_of(self._run, None, minutes_of(list(self._latency.items())))

    @property
    def boards(self) -> dict[str, dict[str, Any]]:
        """As of `boards_of`, likewise."""
        return boards_of(self._run, minutes_of(list(self._latency.items())))
