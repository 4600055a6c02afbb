"""One run from its spec to its report."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engines.isolated import Arena
from exporters import InputContract
from harness.calibration import CalibrationSet
from harness.data import Selection
from harness.data.overlap import check_disjoint
from harness.failures import Failure
from harness.fleet import started
from harness.pipeline import ImageReader, ImageStore, SourceReader, spool
from harness.plan import Plan, make_plan
from harness.progress import Progress, Silent
from harness.report.html import write_report
from harness.results.audits import describe_audits
from harness.results.environment import describe_environment
from harness.results.latencies import timed_targets, write_latencies
from harness.results.rundir import RunDirectory
from harness.results.summary import summarise
from harness.spec import RunSpec
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
    if not _finished(plan, directory):
        with started(plan) as fleet, _images(plan, progress) as (reader, calibration):
            targets, failures = built_targets(plan, fleet, calibration, progress)
            _measure(plan, directory, reader, targets, failures, fleet.arena, progress)
    summary = summarise(plan, directory, read_json(directory.audit), _failures(directory))
    write_json(directory.summary, summary)
    write_report(directory.report, summary)
    return summary, directory.root


def _finished(plan: Plan, directory: RunDirectory) -> bool:
    """True where nothing is left to do. A target that failed is tried again."""
    return (
        directory.latency.exists()
        and directory.audit.exists()
        and not directory.failures.exists()
        and not remaining(plan, directory.trials)
    )


def _failures(directory: RunDirectory) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_json(directory.failures) if directory.failures.exists() else []
    return found


def _measure(
    plan: Plan,
    directory: RunDirectory,
    reader: Callable[[str], ImageReader],
    targets: list[BuiltTarget],
    failures: list[Failure],
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
    write_json(directory.audit, describe_audits(targets))
    names = {target.id for target in targets}
    if not directory.latency.exists() or not names <= timed_targets(directory.latency):
        samples, phases, failed = time_targets(targets, reader(plan.conditions[0].id), progress)
        write_latencies(directory.latency, samples, phases)
        failures = failures + failed
    left = {failed.target for failed in failures}
    alive = [target for target in targets if target.id not in left]
    work = remaining(plan, directory.trials)
    seconds, failed = run_trials(plan, work, reader, alive, arena, directory.trials, progress)
    directory.add_timing(seconds)
    directory.tell_failures([found.to_dict() for found in [*failures, *failed]])


@contextlib.contextmanager
def _images(plan: Plan, progress: Progress) -> Iterator[tuple[Callable[[str], ImageReader], CalibrationSet | None]]:
    """Where each condition's images come from, and the calibration images where a target needs them.

    No calibration image is a test image; that cannot be told of test images that are corrupted already.
    """
    with contextlib.ExitStack() as stack:
        calibration = None
        if plan.calib is not None:
            store = stack.enter_context(_spool(plan, plan.calib, "Decoding calibration images", progress))
            calibration = CalibrationSet(
                store, plan.calib.ids, plan.calib_condition, plan.identity["calibration"]["seed"]
            )
        if plan.released is not None:
            # Released images are as large as they should be: cropped by whoever released them.
            contract = dataclasses.replace(plan.model.contract, resize="none", resize_to=None)
            readers = {name: SourceReader(selection, contract) for name, selection in plan.released.items()}
            yield readers.__getitem__, calibration
            return
        images = stack.enter_context(_spool(plan, plan.data, "Decoding test images", progress))
        if plan.calib is not None and calibration is not None:
            check_disjoint(plan.data.ids, images.pixel_digests, plan.calib.ids, calibration.store.pixel_digests)
        yield lambda condition: images, calibration


def _spool(plan: Plan, selection: Selection, stage: str, progress: Progress) -> ImageStore:
    contract: InputContract = plan.model.contract
    with progress.stage(stage, len(selection)) as update:
        return spool(selection, contract, folder=cache_root() / "scratch", workers=plan.spec.workers, progress=update)
