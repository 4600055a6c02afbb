"""The last step of a run: what may be wrong with it is looked at while its engines are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.engines import ENGINES
from seatrial.engines.precision import is_quantized
from seatrial.harness.findings.gather import Scene, of_layers, of_run
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import read_trial
from seatrial.harness.results.causes.case import suspects
from seatrial.harness.results.summary import summarise
from seatrial.harness.run.session import Session
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec


def look_for_causes(session: Session) -> None:
    """Writes findings.json: what concerns all targets once, the layers of those whose answers are not the reference's
    once they are suspected, and of files that were quantized elsewhere.
    """
    plan, directory = session.plan, session.directory
    directory.check_there()
    present = {target.build.target: target for target in session.alive() if target.build.number == 1}
    if REFERENCE not in present:
        return
    reference = present[REFERENCE]
    scene = Scene(
        plan, reference.engine, reference.model, session.images.reader, _mildest(session), session.calibration
    )
    known = directory.findings.exists()
    with session.progress.stage("Looking for causes", 2, "parts") as update:
        evidence = read_values(directory.findings) if known else of_run(scene)
        if not known:
            write_values(directory.findings, evidence)
        update(1)
        asked = unlooked(plan, directory, evidence)
        files = {target: built.model for target, built in present.items() if target in asked}
        if files:
            layers = {**evidence["layers"], **of_layers(scene, files)}
            write_values(directory.findings, {**evidence, "layers": layers})
        update(2)


def unlooked(plan: Plan, directory: RunDirectory, evidence: Mapping[str, Any]) -> list[TargetSpec]:
    """The targets whose layers are to be looked at, and are not among the evidence. A shard, which has no verdict,
    suspects nobody.
    """
    suspected: tuple[str, ...] = ()
    if plan.part is None:
        summary = summarise(plan, directory, read_values(directory.audit), directory.told_failures())
        suspected = suspects(summary.gate["checks"], REFERENCE.id)
    return [
        target
        for target in plan.targets
        if (target.id in suspected or (is_quantized(plan.model_of(target).precision) and target != REFERENCE))
        and target.id not in evidence["layers"]
        and ENGINES[target.engine].executes_graph
    ]


def _mildest(session: Session) -> str:
    """Where images came corrupted, the condition under which the reference is right most often; else the first."""
    plan = session.plan
    if plan.released is None:
        return plan.conditions[0].id
    build = Build(REFERENCE)
    answers = {
        one.id: read_trial(session.directory.trials, plan.key(build, one), plan.data.ids, plan.model.classes)
        for one in plan.conditions
    }
    return max(answers, key=lambda name: float(answers[name].correct.mean()))
