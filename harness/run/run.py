"""One run from its spec to its report."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from seatrial.cache import cache_root
from seatrial.engines.places import Arena
from seatrial.files import read_json, write_json
from seatrial.harness.alike import Findings
from seatrial.harness.guard import IMAGES, Guard, Sample, sample_for, sample_of
from seatrial.harness.plan.calibration import CalibrationSet
from seatrial.harness.plan.plan import Plan, make_plan
from seatrial.harness.plan.stack import with_stack
from seatrial.harness.progress import Progress, Silent
from seatrial.harness.records.environment import describe_environment
from seatrial.harness.records.failures import Failure
from seatrial.harness.records.latencies import timed_targets, write_latencies
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.report.html import write_report
from seatrial.harness.results.summary import summarise
from seatrial.harness.run.adversarial_trials import answer_attacks
from seatrial.harness.run.alike import ask_targets
from seatrial.harness.run.audits import describe_audits
from seatrial.harness.run.engines import BuiltTarget, built_targets
from seatrial.harness.run.images import RunImages, run_images
from seatrial.harness.run.latencies import time_targets
from seatrial.harness.run.processes import started
from seatrial.harness.run.rewritten import rewritten
from seatrial.harness.run.settling import settled
from seatrial.harness.run.trials import remaining, run_trials
from seatrial.harness.spec.run import RunSpec


def run(spec: RunSpec, progress: Progress | None = None) -> tuple[dict[str, Any], Path]:
    """Runs, continues or just re-reads a run. Returns its summary (as in summary.json) and its directory.

    Raises a SeatrialError that says what to do. A run that is interrupted keeps its finished trials; the same spec
    continues it. What fails before the first trial leaves no run directory behind.
    """
    progress = progress or Silent()
    plan = make_plan(spec, progress)
    directory = RunDirectory(plan.out)
    directory.check(plan.identity)
    if not _finished(with_stack(plan, directory.trials), directory):
        with started(plan) as fleet, run_images(plan, progress) as (images, calibration):
            plan, findings = settled(plan, fleet, images, progress)
            guard = Guard(_sample(plan, images, calibration), plan.spec.limits, cache_root() / "guard")
            targets, failures = built_targets(plan, fleet, calibration, guard, progress)
            _measure(plan, directory, images, targets, failures, findings, fleet.arena, progress)
    summary = summarise(with_stack(plan, directory.trials), directory, read_json(directory.audit), _failures(directory))
    write_json(directory.summary, summary)
    write_report(directory.report, summary)
    return summary, directory.root


def _sample(plan: Plan, images: RunImages, calibration: CalibrationSet | None) -> Sample:
    if calibration is not None:
        return sample_for(calibration, plan.model)
    reader = images.reader(plan.conditions[0].id)
    return sample_of(reader.read(0, min(IMAGES, len(reader))), "test")


def _finished(plan: Plan, directory: RunDirectory) -> bool:
    """True where nothing is left to do. A target that failed is tried again."""
    return (
        directory.latency.exists()
        and directory.audit.exists()
        and not directory.failures.exists()
        and all(build.id in read_json(directory.audit)["targets"] for build in plan.builds)
        and not remaining(plan, directory.trials)
    )


def _failures(directory: RunDirectory) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_json(directory.failures) if directory.failures.exists() else []
    return found


def _measure(
    plan: Plan,
    directory: RunDirectory,
    images: RunImages,
    targets: list[BuiltTarget],
    failures: list[Failure],
    findings: Findings,
    arena: Arena,
    progress: Progress,
) -> None:
    description = {
        "schema": 1,
        "identity": plan.identity,
        "digest": plan.digest,
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "environment": describe_environment(),
    }
    directory.begin(description)
    reader = images.reader(plan.conditions[0].id)
    asked, failed = ask_targets(targets, reader, progress)
    failures = failures + failed
    targets = [target for target in targets if target.id in asked]
    audits = describe_audits(targets, findings.to_dict(), asked)
    if directory.audit.exists():  # of targets that are not built this time, what they were stands
        audits["targets"] = {**read_json(directory.audit)["targets"], **audits["targets"]}
    write_json(directory.audit, audits)
    directory.tell_failures([found.to_dict() for found in failures])
    names = {target.id for target in targets}
    if not directory.latency.exists() or not names <= timed_targets(directory.latency):
        samples, phases, failed = time_targets(targets, reader, progress)
        write_latencies(directory.latency, samples, phases)
        failures = failures + failed
    failures = failures + _answer(plan, directory, images, targets, failures, arena, progress)
    whole = with_stack(plan, directory.trials)
    if whole is not plan:  # the single conditions decide what the stacked ones are
        failures = failures + _answer(whole, directory, images, targets, failures, arena, progress)
    directory.tell_failures([found.to_dict() for found in failures])


def _answer(
    plan: Plan,
    directory: RunDirectory,
    images: RunImages,
    targets: list[BuiltTarget],
    failures: list[Failure],
    arena: Arena,
    progress: Progress,
) -> list[Failure]:
    """Runs the trials that are left, of the targets that have not failed; the failures that come to it."""
    found: list[Failure] = []
    everything = remaining(plan, directory.trials)
    left = [trials for trials in everything if trials.condition.attack is None]
    for rewrites in dict.fromkeys(trials.condition.rewrites for trials in left):
        part = [trials for trials in left if trials.condition.rewrites == rewrites]
        asked = {name for trials in part for name in trials.targets}
        asked -= {failure.target for failure in [*failures, *found]}
        alive = [target for target in targets if target.id in asked]
        if not alive:
            continue
        with rewritten(plan, alive, rewrites, arena, progress) as (built, failed):
            seconds, more = run_trials(plan, part, images, built, arena, directory.trials, progress)
        directory.add_spent(seconds)
        found.extend([*failed, *more])
    attacked = [trials for trials in everything if trials.condition.attack is not None]
    lost = {failure.target for failure in [*failures, *found]}
    alive = [target for target in targets if target.id not in lost]
    return [*found, *answer_attacks(plan, attacked, directory, images, alive, arena, progress)]
