"""One run from its spec to its report."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial.cache import sweep_cache
from seatrial.engines.boards.places import Places
from seatrial.errors import UsageError
from seatrial.files import write_json
from seatrial.harness.plan.following import with_following
from seatrial.harness.plan.making import Held, make_plan
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress, Silent
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.records.environment import describe_environment
from seatrial.harness.records.lock import locked
from seatrial.harness.records.mend import drop_damaged, drop_leftovers
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.shards import check_no_shard, check_shard
from seatrial.harness.records.spec import check_run
from seatrial.harness.report.files.write import write_files
from seatrial.harness.report.html import write_report
from seatrial.harness.results.baseline.stored import StoredRun
from seatrial.harness.results.summary import summarise
from seatrial.harness.results.typed import Summary
from seatrial.harness.run.alike import ask_targets
from seatrial.harness.run.answer import answer
from seatrial.harness.run.audits import describe_audits
from seatrial.harness.run.building import build_targets, check_reached
from seatrial.harness.run.executors.executor import Executor, executor_of
from seatrial.harness.run.flips import file_flips
from seatrial.harness.run.images import run_images
from seatrial.harness.run.left import is_finished, is_idle, is_whole, looks
from seatrial.harness.run.looking import look_for_causes
from seatrial.harness.run.places_file import file_places
from seatrial.harness.run.processes import started
from seatrial.harness.run.reuse import take_over
from seatrial.harness.run.served import Served
from seatrial.harness.run.session import Session
from seatrial.harness.run.settling import settle_models
from seatrial.harness.run.timing.asked import Asked, asked_of
from seatrial.harness.run.timing.time_targets import time_targets
from seatrial.harness.run.trials import remaining
from seatrial.harness.spec.kept import anywhere, to_dict
from seatrial.harness.spec.run import RunSpec
from seatrial.scratch import sweep_scratch


def run(spec: RunSpec, progress: Progress | None = None, places: Places | None = None) -> tuple[dict[str, Any], Path]:
    """As `finished`; the summary as in summary.json."""
    summary, root = finished(spec, progress, places)
    return summary.to_dict(), root


def finished(spec: RunSpec, progress: Progress | None = None, places: Places | None = None) -> tuple[Summary, Path]:
    """Runs, continues or just re-reads a run. Returns its summary and its directory. places: of its targets, closed in
    the end; None for those that the spec describes.

    Raises a SeatrialError that says what to do. A run that is interrupted keeps its finished trials; the same spec
    continues it. What fails before the first trial leaves no run directory behind.
    """
    if spec.shard is not None:
        raise UsageError(
            f"Shard {spec.shard} of a run has no result of its own: harness.run.shards.run_shard runs it, as the "
            "command does, and merging all shards gives the result."
        )
    progress = progress or Silent()
    with begun(spec, progress, places) as (plan, directory):
        run_what_is_left(plan, directory, progress)
        return summed_up(with_following(plan, directory.trials), directory, progress), directory.root


@contextlib.contextmanager
def begun(spec: RunSpec, progress: Progress, places: Places | None = None) -> Iterator[tuple[Plan, RunDirectory]]:
    """The plan of a run or a shard, and its directory, which no other run writes to meanwhile. Raises as `finished`."""
    to_dict(spec)  # what could not be kept is told before anything is done
    if spec.reuse is not None:
        check_run("--reuse", spec.reuse)
    if spec.baseline is not None:
        StoredRun(spec.baseline, "--baseline")  # what cannot be compared is told before anything is done
    sweep_cache()
    sweep_scratch()
    with contextlib.ExitStack() as stack:
        places = stack.enter_context(places or Places(spec.boards, spec.wait_s, spec.endpoints))
        if spec.out is not None:
            stack.enter_context(held_alone(RunDirectory(spec.out), progress))
        stored = None if spec.out is None else RunDirectory(spec.out).description()
        check_shard(spec.out, stored, spec.shard)
        plan = make_plan(spec, progress, Held.of(stored), places)
        directory = RunDirectory(plan.out)
        if spec.out is None:
            stack.enter_context(held_alone(directory, progress))
            check_shard(directory.root, directory.description(), spec.shard)
        yield plan, directory


@contextlib.contextmanager
def held_alone(directory: RunDirectory, progress: Progress) -> Iterator[None]:
    """Meanwhile no other run writes there; first, what is damaged or left over is removed."""
    directory.check_ours()
    with locked(directory.root) as alone:
        if not alone:
            progress.tell(f"Nothing can be locked at {directory.root}: see to it that no other run writes there.")
        drop_damaged(directory, progress.tell)
        drop_leftovers(directory, alone=alone)
        yield


def run_what_is_left(plan: Plan, directory: RunDirectory, progress: Progress) -> None:
    """Raises a SeatrialError where the directory holds another run, and where none of the targets can be asked."""
    directory.check(directory.description(), plan.identity.to_dict())
    if is_idle(plan):
        directory.begin(describe_run(plan, directory.description()))
    elif not is_finished(with_following(plan, directory.trials), directory):
        with asked_of(plan) as timing, executor_of(plan) as executor, started(plan) as fleet:
            check_reached(plan, directory, fleet)
            with run_images(plan, progress) as (images, calibration):
                _measure(Session(plan, directory, images, calibration, fleet, progress), timing, executor)


def reported(spec: RunSpec, progress: Progress | None = None) -> tuple[Summary, Path]:
    """Sums up what lies in the run directory `spec.out`, and writes its reports; nothing is built, asked or timed, and
    no board is reached.

    spec: the run's own (`spec_of_run`), gate and baseline may be others. UsageError where the run is not finished.
    """
    assert spec.out is not None
    progress, root, directory = progress or Silent(), spec.out, RunDirectory(spec.out)
    check_no_shard("report", root, directory.description())
    with held_alone(directory, progress):
        plan = make_plan(spec, progress, Held.of(directory.description()))
        directory.check(directory.description(), plan.identity.to_dict())
        plan = with_following(plan, directory.trials)
        failed = {failure["target"] for failure in directory.told_failures()}
        if not is_whole(plan, directory, [build for build in plan.builds if build.id not in failed]):
            raise UsageError(f"{root} is not finished: repeat the command of that run first.")
        return summed_up(plan, directory, progress), root


def summed_up(plan: Plan, directory: RunDirectory, progress: Progress) -> Summary:
    """What a run found out, written beside what it was found in. plan: with the conditions that hang on answers."""
    directory.check_there()
    with progress.stage("Summing up", 2, "parts") as update:
        update(0, "judging")
        summary = summarise(plan, directory, read_values(directory.audit), directory.told_failures())
        values = summary.to_dict()
        write_json(directory.summary, values)
        file_flips(plan, directory)
        file_places(plan, directory)
        update(1, "writing reports")
        write_report(directory, values)
        write_files(directory, values)
        update(2)
    return summary


def _measure(session: Session, timing: Asked, executor: Executor) -> None:
    """Builds, asks, times and answers; all of it goes into the run directory."""
    directory = session.directory
    findings, of_variants = settle_models(session)
    build_targets(session)
    directory.begin(describe_run(session.plan, directory.description()))
    session.begun = True
    if session.plan.spec.reuse is not None:
        take_over(session.plan, directory, RunDirectory(session.plan.spec.reuse))
    served = Served(session)
    served.begin()
    asked = ask_targets(session)
    audits = describe_audits(session, findings.to_dict(), asked)
    for name, found in served.described().items():
        if name in audits["targets"]:
            audits["targets"][name]["served"] = found
    audits["variants"] = {name: {"alike": found.to_dict()} for name, found in of_variants.items()}
    if directory.audit.exists():  # of targets that are not built this time, what they were stands
        audits["targets"] = {**read_values(directory.audit)["targets"], **audits["targets"]}
    write_values(directory.audit, audits)
    session.tell_failures()
    if session.plan.leads:
        time_targets(session, timing)
    answer(session, remaining(session.plan, directory), executor)
    whole = with_following(session.plan, directory.trials)
    if whole is not session.plan:  # answers decide which further conditions there are
        session.plan = whole
        answer(session, remaining(whole, directory), executor)
    served.end()
    session.tell_failures()
    if looks(session.plan):
        look_for_causes(session)


def describe_run(plan: Plan, stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """run.json. stored: as it is so far; when and where a run was begun stays."""
    asked = {"targets": [target.id for target in plan.asked], "conditions": list(plan.asked_ids)}
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    begun = stored or {"started": now, "environment": describe_environment()}
    return {
        "schema": 2,
        **({} if plan.spec.shard is None else {"shard": str(plan.spec.shard)}),
        "spec": to_dict(anywhere(plan.spec)),
        "asked": asked,
        "identity": plan.identity.to_dict(),
        "started": begun["started"],
        "environment": begun["environment"],
        "class_names": None if plan.model.class_names is None else list(plan.model.class_names),
    }
