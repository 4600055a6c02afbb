"""Whether a target became slower, against fp32 at its place, from one run to another."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.results.baseline.stored import StoredRun
from seatrial.harness.results.check import Check, at_least
from seatrial.harness.results.slower import measured_against
from seatrial.harness.results.timing.record import SINGLE, TimedRun
from seatrial.harness.results.timing.speedups import speedups_of
from seatrial.harness.spec.gate import Limit
from seatrial.harness.spec.targets import REFERENCE, Build, target_of, yardstick


@dataclasses.dataclass(frozen=True)
class SpeedChange:
    """before, after: speed-ups over the same fp32 target of the place, `against`, each measured within its run, which
    no other machine and no other clock moves as it moves milliseconds. ratio: the second over the first; ci95: its
    interval.
    """

    before: float
    after: float
    ratio: float
    ci95: tuple[float, float]
    against: str = REFERENCE.id

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**dataclasses.asdict(self), "ci95": list(self.ci95)}


def change_of_speed(before: Mapping[str, Any], after: Mapping[str, Any]) -> SpeedChange:
    """Of two speed-ups, as of `speedups_of`: independent of one another, so that the squares of their intervals, in the
    logarithm, add up.
    """
    reach = math.hypot(*(math.log(one["ci95"][1] / one["ci95"][0]) / 2 for one in (before, after)))
    ratio = after["ratio"] / before["ratio"]
    ci95 = ratio * math.exp(-reach), ratio * math.exp(reach)
    return SpeedChange(before["ratio"], after["ratio"], ratio, ci95, after.get("against") or REFERENCE.id)


def changes_of_speed(first: StoredRun, second: StoredRun) -> dict[str, SpeedChange]:
    """Target id -> what changed, of those that both runs timed beside the same fp32 target."""
    sides = [_speedups(one) for one in (first, second)]
    return {
        name: change_of_speed(one, other)
        for name, one in sides[0].items()
        if (other := sides[1].get(name)) is not None and one["against"] == other["against"]
    }


def _speedups(stored: StoredRun) -> dict[str, Mapping[str, Any]]:
    directory = RunDirectory(stored.root)
    if not directory.latency.exists():
        return {}
    run = TimedRun.read(directory)
    targets = list(map(target_of, stored.targets))
    found: dict[str, Mapping[str, Any]] = {}
    for target in stored.targets:
        builds = sorted(name for name, key in run.pairs if key == SINGLE and name.partition("#")[0] == target)
        beside = yardstick(target_of(target), targets)
        if beside is not None and target in builds:
            one = speedups_of(run, Build(beside).id, builds, 0, only=SINGLE).get(SINGLE)
            if one is not None:
                found[target] = one
    return found


def baseline_speed_up(target: str, found: SpeedChange | None, limit: Limit) -> Check:
    """Whether the speed-up is at least the limit's per cent of the baseline's. found: None where it is not known."""
    assert limit.value is not None
    least = limit.value / 100
    check = functools.partial(
        Check, name="baseline speed-up", target=target, limit=least, unit="ratio", binding=limit.binding
    )
    if found is None:
        says = (
            "speed-up is not known of both runs: each must time it beside the same fp32 target of its place (--bits 32)"
        )
        return check(answer="inconclusive", says=says)
    answer = at_least(least, found.ci95)
    says = (
        f"{found.before:.2f} -> {found.after:.2f} times as fast as {measured_against(found.to_dict())}: "
        f"{found.ratio:.1%} of the baseline's speed-up ({found.ci95[0]:.1%} to {found.ci95[1]:.1%}); at least "
        f"{limit.value:g} % should be left"
    )
    if answer == "inconclusive":
        says += ": more starts, of either run, would decide (--starts)"
    return check(answer=answer, says=says, measured=found.ratio, interval=found.ci95)
