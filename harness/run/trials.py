"""Which trials of a plan are left."""

from __future__ import annotations

from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import is_table
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import is_finished
from seatrial.harness.spec.targets import Build


def remaining(plan: Plan, directory: RunDirectory) -> list[Pending]:
    """The trials of the plan without a finished file, or without what belongs beside it, in the plan's order."""
    left = []
    for condition in plan.conditions:
        missing = tuple(
            build.id
            for build in plan.builds
            if plan.answers(build, condition) and not _is_whole(plan, directory, build, condition)
        )
        if missing:
            left.append(Pending(condition, missing))
    return left


def _is_whole(plan: Plan, directory: RunDirectory, build: Build, condition: Condition) -> bool:
    if not is_finished(directory.trials, plan.key(build, condition)):
        return False
    beside = kind_of(condition.id).beside(condition.id, build, plan.key_of)
    return all(is_table(directory.root / path) for path in beside)
