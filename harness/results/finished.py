"""A run that is to be judged, from its plan and what lies in its directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from seatrial.harness.conditions.kinds.protocol import Finished
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.results.answers import Answers
from seatrial.harness.spec.targets import REFERENCE, Build


def finished_of(plan: Plan, directory: RunDirectory, failed: Collection[str]) -> tuple[Plan, Finished]:
    """The plan without the conditions whose images were never made, since targets came to no end; and the run.

    failed: ids of the builds that did; a target whose first build is among them has no figures.
    """
    kept = [one for one in plan.conditions if kind_of(one.id).answerable(one, failed, plan.world)]
    plan = dataclasses.replace(plan, conditions=tuple(kept))
    whole = [target for target in plan.targets if target.id not in failed]
    calibrations = [one["calibration"] for one in plan.identity.targets.values() if one["calibration"] is not None]
    return plan, Finished(
        world=plan.world,
        directory=directory,
        targets=tuple(whole),
        answers={target.id: Answers(directory.trials, Build(target), plan) for target in whole},
        reference=REFERENCE.id,
        shapes=[*plan.identity.conditions.values(), *(one["condition"] for one in calibrations)],
        key=plan.key_of,
    )
