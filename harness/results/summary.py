"""The machine-readable result: figures from prediction rows, samples and audits, in a versioned schema."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.engines.precision import is_simulated
from seatrial.files import value_digest
from seatrial.harness.conditions import CLEAN
from seatrial.harness.conditions.kinds.protocol import Figures, Finished
from seatrial.harness.conditions.kinds.registry import KINDS, kind_of
from seatrial.harness.metrics import accuracy, compare, latency_summary, wilson_interval
from seatrial.harness.metrics.agreement import pairs
from seatrial.harness.plan.calibration import ONE_CLASS, of_one_class
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import read_values
from seatrial.harness.records.latencies import SINGLE_STREAM, read_latencies, read_phases
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import read_trial
from seatrial.harness.results.answers import Answers
from seatrial.harness.results.fallback import describe_fallback
from seatrial.harness.results.gate import (
    Check,
    above_chance_check,
    alike_check,
    built_check,
    decide,
    realized_check,
    recovery_check,
)
from seatrial.harness.results.rebuilds import describe_rebuilds
from seatrial.harness.results.shares import named
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec

SCHEMA = 1


def summarise(
    plan: Plan, directory: RunDirectory, audit: Mapping[str, Any], failures: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Computes `summary.json` from what lies in the run directory. Accuracies, flips, agreement are shares, 0 to 1.

    failures: the builds that came to no end (`harness.records.failures`); a target whose first build is among them has
    no figures.
    """
    failed = {failure["target"] for failure in failures}
    plan = _answerable(plan, failed)
    builds = [build for build in plan.builds if build.id not in failed]
    whole = [target for target in plan.targets if target.id not in failed]
    latencies = read_latencies(directory.latency, [build.id for build in builds])
    phases = read_phases(directory.latency)
    ids = plan.data.ids
    first = plan.conditions[0].id
    answers: dict[str, Predictions] = {}  # under the first condition, which all builds answer
    measured: dict[str, dict[str, Any]] = {target.id: {} for target in whole}
    for condition in plan.conditions:
        reference = read_trial(directory.trials, plan.key(Build(REFERENCE), condition), ids)
        for build in builds:
            if not plan.answers(build, condition):
                continue
            compared = build.target != REFERENCE
            rows = read_trial(directory.trials, plan.key(build, condition), ids) if compared else reference
            if condition.id == first:
                answers[build.id] = rows
            if build.number == 1:
                measured[build.id][condition.id] = _condition(rows, reference if compared else None, plan.spec.seed)
    targets = []
    for target in whole:
        built = audit["targets"][target.id]
        of_target = [build.id for build in builds if build.target == target]
        targets.append(
            {
                "id": target.id,
                **dataclasses.asdict(target),
                "simulated": is_simulated(target.precision),
                "realized": built["realized"],
                "engine_bytes": built["engine_bytes"],
                "build_s": built["build_s"],
                "processors": built.get("processors"),
                "guard": built.get("guard"),
                "conditions": measured[target.id],
                "metrics": {
                    "share_as_requested": built["share_as_requested"],
                    **_metrics(plan, measured[target.id], measured[REFERENCE.id]),
                },
                "latency": {
                    SINGLE_STREAM: latency_summary(latencies[target.id]),
                    **({"device": dict(phases[target.id])} if target.id in phases else {}),
                },
                "rebuilds": describe_rebuilds(
                    first,
                    [answers[name] for name in of_target],
                    [latencies[name] for name in of_target],
                    [audit["targets"][name] for name in of_target],
                ),
            }
        )
    finished = _finished(plan, directory, whole)
    blocks = {kind.block: kind.describe(finished) for kind in KINDS.values() if kind.block is not None}
    return {
        "schema": SCHEMA,
        "status": "partial" if failures else "complete",
        "model": {"name": plan.model.name, **plan.identity.run["model"], "classes": plan.model.classes},
        "data": _data(plan),
        "alike": audit.get("alike"),
        "notes": _notes(plan, audit, blocks),
        "timing": _timing(directory),
        "seed": plan.spec.seed,
        "reference": REFERENCE.id,
        "targets": targets,
        **blocks,
        "agreement": {"condition": first, "pairs": _agreement(whole, answers, audit)},
        "failed": [dict(failure) for failure in failures],
        "gate": decide(
            [
                *(built_check(failure) for failure in failures),
                *(check for target in targets for check in _checks(target, measured[REFERENCE.id], plan, audit)),
            ]
        ),
    }


def _data(plan: Plan) -> dict[str, Any]:
    """The images, and those that files were made on; None where none were."""
    digests = plan.digests
    calibration = None
    if plan.calib is not None:
        calibration = {
            "name": plan.calib.source.name,
            "images": len(plan.calib),
            "condition": plan.calib_condition.id,
            "seed": plan.spec.calib_seed,
            "digest": digests.calib,
        }
    return {
        "name": plan.data_name,
        "images": len(plan.data),
        "digest": digests.data if isinstance(digests.data, str) else value_digest(list(digests.data.values())),
        "released": plan.released is not None,
        "calibration": calibration,
    }


def _answerable(plan: Plan, failed: set[str]) -> Plan:
    """Without the conditions whose images were never made, since these targets came to no end."""
    kept = [one for one in plan.conditions if kind_of(one.id).answerable(one, failed, plan.world)]
    return dataclasses.replace(plan, conditions=tuple(kept))


def _finished(plan: Plan, directory: RunDirectory, targets: Sequence[TargetSpec]) -> Finished:
    calibrations = [one["calibration"] for one in plan.identity.targets.values() if one["calibration"] is not None]
    return Finished(
        world=plan.world,
        directory=directory,
        targets=tuple(targets),
        answers={target.id: Answers(directory.trials, Build(target), plan) for target in targets},
        reference=REFERENCE.id,
        shapes=[*plan.identity.conditions.values(), *(one["condition"] for one in calibrations)],
        key=plan.key_of,
    )


def _metrics(plan: Plan, figures: Figures, reference: Figures) -> dict[str, Any]:
    """What the kinds say of one target over all of its conditions."""
    found: dict[str, Any] = {}
    for kind in KINDS.values():
        found.update(kind.metrics(figures, reference, plan.world))
    return found


def _agreement(
    targets: Sequence[TargetSpec], answers: Mapping[str, Predictions], audit: Mapping[str, Any]
) -> list[dict[str, Any]]:
    digests = {target.id: audit["targets"][target.id]["model_digest"] for target in targets}
    top1 = {target.id: answers[target.id].top1 for target in targets}
    return [
        {**dataclasses.asdict(pair), "same_file": digests[pair.first] == digests[pair.second]}
        for pair in pairs(top1, answers[REFERENCE.id].label)
    ]


def _timing(directory: RunDirectory) -> dict[str, Any] | None:
    # A process that is killed leaves its trials but not its seconds.
    return {**read_values(directory.spent), "cores": os.cpu_count()} if directory.spent.exists() else None


def _notes(plan: Plan, audit: Mapping[str, Any], blocks: Mapping[str, Any]) -> list[str]:
    """What a reader must know to judge the figures."""
    notes = list(plan.notes)
    if plan.calib is not None and of_one_class(plan.calib.labels):
        notes.append(ONE_CLASS)
    if plan.calib is not None and plan.calib_condition.id != CLEAN:
        notes.append(f"Calibrated on images under {plan.calib_condition.id}.")
    for target in plan.targets:
        if target.id not in audit["targets"]:
            continue
        warnings = audit["targets"][target.id].get("calibration", {}).get("warnings", ())
        notes.extend(f"{target.id}: {warning}" for warning in warnings)
        processors = audit["targets"][target.id].get("processors")
        notes.extend([] if processors is None else [f"{target.id}: {processors['says']}."])
        notes.extend(audit["targets"][target.id].get("cautions", ()))
        unknown = audit["targets"][target.id].get("unknown")
        if unknown:
            notes.append(f"{target.id}: unknown in the shares of the arithmetic: {named(unknown)}.")
    for kind in KINDS.values():
        notes.extend(kind.notes(blocks.get(kind.block or "")))
    if plan.released is not None:
        notes.append("The images came corrupted; whether calibration images are among them cannot be told.")
    return notes


def _condition(rows: Predictions, reference: Predictions | None, seed: int) -> dict[str, Any]:
    correct = rows.correct
    result: dict[str, Any] = {
        "images": len(rows),
        "top1": accuracy(correct),
        "top1_ci95": list(wilson_interval(int(correct.sum()), len(correct))),
        "top5": accuracy(rows.correct5),
        "vs_reference": None,
    }
    if reference is not None:
        same = rows.top1 == reference.top1
        comparison = compare(correct, reference.correct, same, seed=seed)
        result["vs_reference"] = {**dataclasses.asdict(comparison), "ci95": list(comparison.ci95)}
    return result


def _checks(
    target: Mapping[str, Any], reference: Mapping[str, Any], plan: Plan, audit: Mapping[str, Any]
) -> list[Check]:
    clean = reference.get(CLEAN)
    is_reference = target["id"] == REFERENCE.id
    asked = audit["targets"][target["id"]].get("alike")
    checks = [] if asked is None else [alike_check(target["id"], asked, audit.get("alike") if is_reference else None)]
    if is_reference:
        above = [] if clean is None else [above_chance_check(REFERENCE.id, clean["top1_ci95"][0], plan.model.classes)]
        return [*checks, *above]
    # A simulated precision is realized by nothing, by definition.
    if not target["simulated"]:
        checks.append(
            realized_check(
                target["id"],
                target["metrics"]["share_as_requested"],
                limit=plan.spec.gate.min_realized,
                allowed=plan.spec.gate.allow_fallback,
                fallback=describe_fallback(audit["targets"][target["id"]]["layers"]),
            )
        )
    if clean is not None:
        against = target["conditions"][CLEAN]["vs_reference"]
        checks.append(recovery_check(target["id"], CLEAN, clean["top1"], against["delta"], against["ci95"][1]))
    return checks
