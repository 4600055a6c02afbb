"""Conditions that hang on the answers to others: known once those are there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.plan.identity import with_conditions
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.trials import is_finished, read_trial
from seatrial.harness.spec.targets import REFERENCE, Build


def with_following(plan: Plan, folder: Path) -> Plan:
    """The plan with the conditions that `plan.later` stands for behind its own, where the reference has answered all of
    their kind's; else the plan itself, as that of a shard always: such answers lie apart.
    """
    if plan.part is not None:
        return plan
    for kind in KINDS.values():
        later = [name for name in plan.later if kind.owns(name)]
        known = [one for one in plan.conditions if kind.owns(one.id)]
        keys = {one.id: plan.key(Build(REFERENCE), one) for one in (plan.conditions[0], *known)}
        if not later or not all(is_finished(folder, key) for key in keys.values()):
            continue
        answers = {name: read_trial(folder, key, plan.data.ids, plan.model.classes) for name, key in keys.items()}
        found = kind.following(later, known, answers)
        if found:
            identity = with_conditions(plan, found)
            plan = dataclasses.replace(plan, conditions=(*plan.conditions, *found), identity=identity)
    return plan
