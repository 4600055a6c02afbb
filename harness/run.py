"""One run from its spec to its report."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from engines.isolated import Arena
from harness.alike import Findings
from harness.alike.targets import ask_targets
from harness.attacked_trials import answer_attacks
from harness.calibration import CalibrationSet
from harness.failures import Failure
from harness.fleet import started
from harness.guard import IMAGES, Guard, Sample, sample_for, sample_of
from harness.images import RunImages, run_images
from harness.plan import Plan, make_plan
from harness.progress import Progress, Silent
from harness.report.html import write_report
from harness.results.audits import describe_audits
from harness.results.environment import describe_environment
from harness.results.latencies import timed_targets, write_latencies
from harness.results.rundir import RunDirectory
from harness.results.summary import summarise
from harness.rewritten import rewritten
from harness.settling import settled
from harness.spec import RunSpec
from harness.stack import with_stack
from harness.targets import BuiltTarget, built_targets
from harness.timing import time_targets
from harness.trials import remaining, run_trials
from shipcheck.cache import cache_root
from shipcheck.files import read_json, write_json


def run(spec: RunSpec, progress: Progress | None = None) -> tuple[dict[str, Any], Path]:
    """Runs, continues or just re-reads a run. Returns its summary (as in summary.json) and its directory.

    Raises a ShipcheckError that says what to do. A run that is interrupted keeps its finished trials; the same spec
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
        directory.add_timing(seconds)
        found.extend([*failed, *more])
    attacked = [trials for trials in everything if trials.condition.attack is not None]
    lost = {failure.target for failure in [*failures, *found]}
    alive = [target for target in targets if target.id not in lost]
    return [*found, *answer_attacks(plan, attacked, directory, images, alive, arena, progress)]
