"""Whether a run is worse than the one before."""

from __future__ import annotations

from seatrial.harness.conditions import CLEAN
from seatrial.harness.results.baseline.compared import CORRUPTION, RunsCompared
from seatrial.harness.results.baseline.speed import baseline_speed_up
from seatrial.harness.results.check import Check
from seatrial.harness.results.checks.accuracy import recovery
from seatrial.harness.results.checks.families import Family, of_classes
from seatrial.harness.results.checks.unlabelled import baseline_agreement
from seatrial.harness.results.evidence import names_of
from seatrial.harness.spec.gate import GateOptions
from seatrial.harness.spec.targets import is_yardstick, target_of

_SUFFIX = "against the baseline"


def baseline_checks(found: RunsCompared, gate: GateOptions) -> tuple[list[Check], list[Family]]:
    """Of all targets that both runs have; what is to be judged with the other conditions and classes of the run."""
    checks, families = [], []
    asked = list(map(target_of, found.targets))
    for target, change in found.targets.items():
        evidence = change.evidence
        clean, corrupted = evidence.conditions.get(CLEAN), evidence.means.get(CORRUPTION)
        limit = gate.limit("baseline_recovery", target)
        if clean is not None and limit.value is not None:
            before = change.conditions[CLEAN].before
            checks.append(recovery("baseline recovery", target, "clean, since the baseline:", before, clean, limit))
        limit = gate.limit("baseline_corrupted", target)
        if corrupted is not None and limit.value is not None:
            before = float(corrupted.reference_top1.mean())
            on = "corrupted, since the baseline:"
            checks.append(recovery("baseline corrupted", target, on, before, corrupted.differences, limit))
        limit = gate.limit("baseline_agreement", target)
        if change.likeness and limit.value is not None:
            checks.append(baseline_agreement(target, *next(iter(change.likeness.items())), limit))
        limit = gate.limit("baseline_speed_up", target)
        if limit.value is not None and not is_yardstick(target_of(target), asked):
            checks.append(baseline_speed_up(target, change.speed, limit))
        conditions = {name: one for name, one in evidence.conditions.items() if name != CLEAN}
        names = names_of(found.class_names, evidence.classes)
        classes = {names[number]: one for number, one in evidence.classes.items()}
        families += [
            Family(
                "baseline conditions",
                target,
                conditions,
                gate.limit("baseline_conditions", target),
                "condition",
                "conditions",
                _SUFFIX,
            ),
            of_classes(
                Family(
                    "baseline classes",
                    target,
                    classes,
                    gate.limit("baseline_classes", target),
                    "class",
                    "classes",
                    _SUFFIX,
                    "class ",
                )
            ),
        ]
    return checks, families
