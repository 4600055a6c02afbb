"""What was looked at beside the figures (`harness.findings`), judged: further checks, and findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.findings.order import Order, other_order
from seatrial.harness.plan.files import makes_own_file
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import read_values
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.causes.commands import Commands
from seatrial.harness.results.causes.reference import renamed
from seatrial.harness.results.causes.run import findings_of
from seatrial.harness.results.check import Check
from seatrial.harness.results.checks.found import calibration_images, contract, label_order, layers, weights
from seatrial.harness.results.finding import Finding
from seatrial.harness.results.typed import TargetResult
from seatrial.harness.spec.targets import REFERENCE


@dataclasses.dataclass(frozen=True)
class Looked:
    """evidence: findings.json, empty where nobody has looked yet. orders: target id -> classes that its answers under
    the first condition have under other names.
    """

    plan: Plan
    directory: RunDirectory
    evidence: Mapping[str, Any]
    orders: Mapping[str, Order]

    def checks(self) -> list[Check]:
        """Of what all targets share, which are the reference's; and of layers that were compared."""
        gate, labels, target = self.plan.spec.gate, self.plan.data.labels, REFERENCE.id
        found: list[Check | None] = []
        if self.evidence.get("contract") is not None:
            found.append(contract(target, self.evidence["contract"], gate.limit("contract", target)))
        if self.evidence and len(labels) and labels.min() >= 0:
            order = self.orders.get(target)
            says = "" if order is None else renamed(order, self._names())
            found.append(label_order(target, order, len(labels), says, gate.limit("label_order", target)))
        if self.evidence:
            found.append(weights(target, self.evidence["damage"], gate.limit("weights", target)))
        if self.evidence.get("calibration") is not None:
            limit = gate.limit("calibration_images", target)
            found.append(calibration_images(target, self.evidence["calibration"], limit))
        present = {target.id for target in self.plan.targets}
        found.extend(
            layers(name, one, gate.limit("layers", name))
            for name, one in self.evidence.get("layers", {}).items()
            if name in present
        )
        return [one for one in found if one is not None]

    def findings(
        self, targets: Sequence[TargetResult], audit: Mapping[str, Any], checks: Sequence[Check]
    ) -> list[Finding]:
        """The likeliest first."""
        if not targets or not self.evidence:
            return []
        plan = self.plan
        made_here = [one.id for one in plan.targets if makes_own_file(plan.model_of(one), one, plan.spec.quantization)]
        return findings_of(
            Case(
                evidence=self.evidence,
                audit=audit,
                targets=targets,
                orders=self.orders,
                checks=checks,
                commands=Commands(plan.spec, self.directory.root),
                class_names=self._names(),
                made_here=made_here,
            )
        )

    def _names(self) -> Sequence[str] | None:
        return self.plan.model.class_names


def looked_at(plan: Plan, directory: RunDirectory, answers: Mapping[str, Predictions]) -> Looked:
    """From a run directory. answers: by build id, under the first condition."""
    evidence = read_values(directory.findings) if directory.findings.exists() else {}
    orders = {
        target.id: order
        for target in plan.targets
        if (rows := answers.get(target.id)) is not None
        and (order := other_order(rows.label, rows.top1, plan.model.classes)) is not None
    }
    return Looked(plan, directory, evidence, orders)
