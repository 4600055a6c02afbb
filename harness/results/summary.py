"""The result of a run: figures from prediction rows, samples and audits."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.engines import ENGINES
from seatrial.exporters import DeployableModel
from seatrial.files import value_digest
from seatrial.harness.conditions import CLEAN, Condition
from seatrial.harness.conditions.kinds.protocol import Figures, Measured
from seatrial.harness.conditions.kinds.registry import KINDS, kind_of
from seatrial.harness.metrics import accuracy, compare, wilson_interval
from seatrial.harness.metrics.agreement import pairs
from seatrial.harness.metrics.calibration import confidence_shift, expected_calibration_error, tied
from seatrial.harness.plan.identity import model_values
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import read_values
from seatrial.harness.records.nodes import Nodes
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import read_trial
from seatrial.harness.results.baseline.compared import compared
from seatrial.harness.results.baseline.stored import StoredRun
from seatrial.harness.results.checks.built import built
from seatrial.harness.results.checks.run import Judged, checks_of
from seatrial.harness.results.decomposition import decomposition_of
from seatrial.harness.results.evidence import Evidence, ReferenceEvidence, names_of, reference_evidence
from seatrial.harness.results.finished import finished_of
from seatrial.harness.results.gate import decide
from seatrial.harness.results.looked import looked_at
from seatrial.harness.results.notes import notes_of
from seatrial.harness.results.outside import CHECKS, outside_checks
from seatrial.harness.results.packed import Packed
from seatrial.harness.results.places import between_places
from seatrial.harness.results.rebuilds import describe_rebuilds
from seatrial.harness.results.studies.describe import study_of
from seatrial.harness.results.timing.machine import names_of_place
from seatrial.harness.results.timing.record import SINGLE, TimedRun
from seatrial.harness.results.timing.timed import Timing
from seatrial.harness.results.typed import ClassResult, ConditionResult, Summary, TargetResult
from seatrial.harness.results.unlabelled import likeness_values, notes_without_labels
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec


def summarise(
    plan: Plan, directory: RunDirectory, audit: Mapping[str, Any], failures: Sequence[Mapping[str, Any]] = ()
) -> Summary:
    """Computes the summary from what lies in the run directory. Accuracies, flips, agreement are shares, 0 to 1.

    failures: the builds that came to no end (`harness.records.failures`); a target whose first build is among them has
    no figures.
    """
    failed = {failure["target"] for failure in failures}
    plan, finished = finished_of(plan, directory, failed)
    whole = finished.targets
    found = _Found(plan, directory, audit, [build for build in plan.builds if build.id not in failed])
    targets = [found.target(target) for target in whole]
    machine, boards = found.timing.machine, found.timing.boards
    blocks = {kind.block: kind.describe(finished) for kind in KINDS.values() if kind.block is not None}
    judged = Judged(
        targets=targets,
        evidence=found.evidence,
        trust=found.trust,
        audit=audit,
        blocks=blocks,
        kinds={condition.id: kind_of(condition.id).name for condition in plan.conditions},
        class_names=plan.class_names,
        gate=plan.spec.gate,
        nodes=Nodes.read(directory.nodes).targets,
        here={None: names_of_place(machine), **{name: names_of_place(one, name) for name, one in boards.items()}},
    )
    since = None
    if plan.spec.baseline is not None and targets:
        since = compared(StoredRun(plan.spec.baseline, "--baseline"), StoredRun(directory.root, "--out"))
    looked = looked_at(plan, directory, found.answers)
    checks = [*map(built, failures), *(checks_of(judged, since) if targets else ()), *looked.checks()]
    summary = Summary(
        status="partial" if failures else "complete",
        model=_model(plan.model),
        variants={name: _model(one) for name, one in plan.variants.items()},
        data=_data(plan),
        alike=audit.get("alike"),
        notes=[
            *notes_of(plan, audit, blocks),
            *notes_without_labels(found.answers[REFERENCE.id], plan.model.class_names),
        ],
        timing=_timing(directory),
        machine=machine,
        boards=boards,
        seed=plan.spec.seed,
        reference=REFERENCE.id,
        targets=targets,
        blocks=blocks,
        study=found.study(whole, blocks),
        agreement={"condition": plan.conditions[0].id, "pairs": _agreement(whole, found.answers, audit)},
        places=between_places(finished, {target.id: audit["targets"][target.id]["model_digest"] for target in whole}),
        baseline=None if since is None else since.to_dict(),
        failed=[dict(failure) for failure in failures],
        gate=decide(checks, plan.spec.gate),
        findings=[one.to_dict() for one in looked.findings(targets, audit, checks)],
    )
    outside = outside_checks(summary.to_dict()) if CHECKS else []
    return dataclasses.replace(summary, gate=decide([*checks, *outside], plan.spec.gate)) if outside else summary


def _model(model: DeployableModel) -> dict[str, Any]:
    return {"name": model.name, **model_values(model), "classes": model.classes}


class _Found:
    """What lies in a run directory, condition by condition: each trial is read once. answers: build id -> prediction
    rows under the first condition, which all builds answer. evidence: target id -> counts. trust: of the reference.
    """

    def __init__(self, plan: Plan, directory: RunDirectory, audit: Mapping[str, Any], builds: Sequence[Build]) -> None:
        self._plan, self._audit, self._builds = plan, audit["targets"], builds
        self._run = TimedRun.read(directory)
        self.timing = Timing(self._run, plan.targets, [build.id for build in builds], plan.spec.seed)
        self._kept: dict[str, Measured] = {}
        self.answers: dict[str, Predictions] = {}
        self._measured: dict[str, dict[str, ConditionResult]] = {build.id: {} for build in builds}
        self.evidence = {build.id: Evidence() for build in builds if build.number == 1}
        self._right = {name: Packed() for name in self.evidence}
        self._likeness: dict[str, dict[str, dict[str, Any]]] = {build.id: {} for build in builds}
        for condition in plan.conditions:
            self._read(directory.trials, condition)
        self.trust = self._trust()
        self._count_classes()

    def _read(self, folder: Path, condition: Condition) -> None:
        plan, ids, classes = self._plan, self._plan.data.ids, self._plan.model.classes
        reference = read_trial(folder, plan.key(Build(REFERENCE), condition), ids, classes)
        for build in self._builds:
            if not plan.answers(build, condition):
                continue
            compared = build.target != REFERENCE
            rows = read_trial(folder, plan.key(build, condition), ids, classes) if compared else reference
            if condition.id == plan.conditions[0].id:
                self.answers[build.id] = rows
            if build.number == 1 and plan.data.labelled:
                result = _condition(rows, reference if compared else None)
                self._measured[build.id][condition.id] = result
                self._right[build.id].add(condition.id, rows.correct)
                kind = kind_of(condition.id).name
                self.evidence[build.id].add(condition.id, kind, rows.correct, reference.correct)
            elif build.number == 1 and compared:
                found = likeness_values(rows, reference, plan.model.class_names)
                self._likeness[build.id][condition.id] = found

    def _trust(self) -> ReferenceEvidence | None:
        """By the clean images, or where they came corrupted by all conditions."""
        rows, evidence = self.answers.get(REFERENCE.id), self.evidence.get(REFERENCE.id)
        if rows is None or evidence is None or not rows.labelled:
            return None
        return reference_evidence(rows, None if CLEAN in evidence.conditions else evidence.mean().top1)

    def _count_classes(self) -> None:
        labels = self.answers[REFERENCE.id].label if REFERENCE.id in self.answers else None
        for name, evidence in self.evidence.items():
            if labels is None or name not in self.answers or not self._plan.data.labelled:
                continue
            if CLEAN in evidence.conditions:
                own, base = self.answers[name].correct, self.answers[REFERENCE.id].correct
                evidence.count_classes(labels, own.astype(np.float64), base.astype(np.float64))
            else:
                evidence.count_classes(labels, evidence.mean().top1, evidence.mean().reference_top1)

    def _classes(self, name: str) -> dict[str, ClassResult]:
        evidence = self.evidence[name]
        names = names_of(self._plan.class_names, evidence.classes)
        compared = name != REFERENCE.id
        return {
            names[number]: ClassResult(
                images=found.images,
                top1=evidence.class_top1[number],
                delta=found.mean if compared else None,
                ci95=found.interval() if compared else None,
                p=found.p_value() if compared else None,
            )
            for number, found in evidence.classes.items()
        }

    def target(self, target: TargetSpec) -> TargetResult:
        """All that is known of one target."""
        built = self._audit[target.id]
        names = [build.id for build in self._builds if build.target == target]
        speedups = self.timing.speedups(target, names)
        timed, pace = self.timing.timed(names, speedups), self.timing.pace(target, speedups)
        return TargetResult(
            id=target.id,
            **dataclasses.asdict(target),
            simulated=ENGINES[target.engine].simulated(target.precision),
            realized=built["realized"],
            engine_bytes=built["engine_bytes"],
            memory_bytes=built.get("memory_bytes"),
            build_s=built["build_s"],
            processors=built.get("processors"),
            guard=built.get("guard"),
            conditions=self._measured[target.id],
            classes=self._classes(target.id),
            likeness=self._likeness[target.id],
            decomposition=decomposition_of(target, self._right),
            metrics={
                "share_as_requested": built["share_as_requested"],
                **_metrics(self._plan, self._of(target.id), self._of(REFERENCE.id)),
                "speedup": speedups.pop(SINGLE, None),
                "speedups": speedups,
            },
            latency=self.timing.latency(target.id),
            rebuilds=describe_rebuilds(
                self._plan.conditions[0].id,
                [self.answers[name] for name in names],
                [self._run.kept(name, SINGLE).taken for name in names],
                [self._audit[name] for name in names],
            ),
            timed=timed,
            pace=pace,
        )

    def study(self, targets: Sequence[TargetSpec], blocks: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the run says to the study that its suite repeats."""
        if REFERENCE.id not in self.answers:
            return None
        labels = self.answers[REFERENCE.id].label
        return study_of(self._plan.world, targets, self._right, labels, blocks.get("attacks"))

    def _of(self, name: str) -> Measured:
        if name not in self._kept:
            self._kept[name] = Measured(_values(self._measured[name]), self._right[name])
        return self._kept[name]


def _values(results: Mapping[str, ConditionResult]) -> Figures:
    return {name: result.to_dict() for name, result in results.items()}


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
        "labelled": plan.data.labelled,
        "calibration": calibration,
    }


def _metrics(plan: Plan, target: Measured, reference: Measured) -> dict[str, Any]:
    """What the kinds say of one target over all of its conditions."""
    found: dict[str, Any] = {}
    for kind in KINDS.values():
        found.update(kind.metrics(target, reference, plan.world))
    return found


def _agreement(
    targets: Sequence[TargetSpec], answers: Mapping[str, Predictions], audit: Mapping[str, Any]
) -> list[dict[str, Any]]:
    digests = {target.id: audit["targets"][target.id]["model_digest"] for target in targets}
    top1 = {target.id: answers[target.id].top1 for target in targets}
    labels = answers[REFERENCE.id].label
    # Without labels, nobody knows who is right where two differ.
    unknown = {} if answers[REFERENCE.id].labelled else dict.fromkeys(("first_right", "second_right", "both_wrong"))
    return [
        {**dataclasses.asdict(pair), **unknown, "same_file": digests[pair.first] == digests[pair.second]}
        for pair in pairs(top1, labels)
    ]


def _timing(directory: RunDirectory) -> dict[str, Any] | None:
    # A process that is killed leaves its trials but not its seconds.
    return {**read_values(directory.spent), "cores": os.cpu_count()} if directory.spent.exists() else None


def _condition(rows: Predictions, reference: Predictions | None) -> ConditionResult:
    correct = rows.correct
    against = None
    if reference is not None:
        against = compare(correct, reference.correct, rows.top1 == reference.top1)
    interval = wilson_interval(int(correct.sum()), len(correct))
    return ConditionResult(
        images=len(rows),
        top1=accuracy(correct),
        top1_ci95=interval,
        top5=accuracy(rows.correct5),
        ties=tied(rows.margin) if rows.top.shape[1] > 1 else 0.0,
        confidence=_confidence(rows, reference),
        vs_reference=against,
    )


def _confidence(rows: Predictions, reference: Predictions | None) -> dict[str, Any]:
    shift = None
    if reference is not None:
        found = dataclasses.asdict(confidence_shift(rows.p_top1, reference.p_top1))
        shift = {**found, "ci95": list(found["ci95"]), "below": list(found["below"])}
    return {
        "mean": float(rows.p_top1.mean(dtype=np.float64)),
        "ece": expected_calibration_error(rows.p_top1, rows.correct),
        "vs_reference": shift,
    }
