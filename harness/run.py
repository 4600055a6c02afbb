"""One run from its spec to its report."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from exporters import InputContract
from harness.calibration import CalibrationSet
from harness.data import Selection
from harness.data.overlap import check_disjoint
from harness.latency import SAMPLES, single_stream
from harness.pipeline import ImageReader, ImageStore, SourceReader, spool
from harness.plan import Plan, make_plan
from harness.progress import Progress, Silent
from harness.report.html import write_report
from harness.results.audits import describe_audits
from harness.results.environment import describe_environment
from harness.results.latencies import write_latencies
from harness.results.rundir import RunDirectory
from harness.results.summary import summarise
from harness.spec import RunSpec
from harness.targets import BuiltTarget, built_targets
from harness.trials import remaining, run_trials
from shipcheck.cache import cache_root
from shipcheck.files import read_json, write_json

_LATENCY_INPUTS = 32


def run(spec: RunSpec, progress: Progress | None = None) -> tuple[dict[str, Any], Path]:
    """Runs, continues or just re-reads a run. Returns its summary (as in summary.json) and its directory.

    Raises a ShipcheckError that says what to do. A run that is interrupted keeps its finished trials; the same spec
    continues it. What fails before the first trial leaves no run directory behind.
    """
    progress = progress or Silent()
    plan = make_plan(spec, progress)
    directory = RunDirectory(plan.out)
    directory.check(plan.identity)
    if remaining(plan, directory.trials) or not directory.latency.exists() or not directory.audit.exists():
        with _images(plan, progress) as (reader, calibration), built_targets(plan, calibration, progress) as targets:
            _measure(plan, directory, reader, targets, progress)
    summary = summarise(plan, directory, read_json(directory.audit))
    write_json(directory.summary, summary)
    write_report(directory.report, summary)
    return summary, directory.root


def _measure(
    plan: Plan,
    directory: RunDirectory,
    reader: Callable[[str], ImageReader],
    targets: list[BuiltTarget],
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
    if not directory.latency.exists():
        images = reader(plan.conditions[0].id).read(0, min(_LATENCY_INPUTS, len(plan.data)))
        inputs = {target.spec.id: target.model.contract.normalise(images) for target in targets}
        with progress.stage("Timing single queries", SAMPLES * len(targets), "queries") as update:
            samples = single_stream(
                {target.spec.id: target.engine.infer for target in targets},
                {name: [batch[index : index + 1] for index in range(len(batch))] for name, batch in inputs.items()},
                progress=update,
            )
        write_latencies(directory.latency, samples)
    work = remaining(plan, directory.trials)
    directory.add_timing(run_trials(plan, work, reader, targets, directory.trials, progress))


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
