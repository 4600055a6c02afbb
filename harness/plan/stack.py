"""The worst options of each factor on top of each other: known once the single ones are answered."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.pipeline import COMBINED, PREFIX, stacked
from seatrial.harness.metrics.pipeline import choose_stack
from seatrial.harness.plan.identity import with_stacked
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.trials import is_finished, read_trial
from seatrial.harness.spec.targets import REFERENCE, Build


def with_stack(plan: Plan, folder: Path) -> Plan:
    """The plan with the conditions `pipeline/combined@1`, `@2`, ... behind its own, if it asks for them and the
    reference has answered all single pipeline conditions; else the plan itself.
    """
    if not plan.combined:
        return plan
    singles = {one.id: one for one in plan.conditions if one.id == plan.conditions[0].id or one.id.startswith(PREFIX)}
    keys = {name: plan.key(Build(REFERENCE), one) for name, one in singles.items()}
    if not all(is_finished(folder, key) for key in keys.values()):
        return plan
    answers = {name: read_trial(folder, key, plan.data.ids) for name, key in keys.items()}
    chosen = [singles[name] for name in choose_stack(answers)]
    steps: list[Condition] = [stacked(f"{COMBINED}@{count}", chosen[:count]) for count in range(1, len(chosen) + 1)]
    identity = with_stacked(plan.identity, steps)
    return dataclasses.replace(plan, conditions=(*plan.conditions, *steps), identity=identity)
