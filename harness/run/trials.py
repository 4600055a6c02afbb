"""The trials: every condition's images computed once, fed to every target, written when whole."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future

import cv2
import numpy as np
import numpy.typing as npt

from seatrial.exporters import InputContract
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ordered_map
from seatrial.harness.pipeline.numbers import NUMBERS, tensor
from seatrial.harness.pipeline.prefetch import held_back
from seatrial.harness.pipeline.travelling import travelling
from seatrial.harness.plan.passes import pass_of
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import is_table
from seatrial.harness.records.predictions import Predictions, concatenate, rows_of
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import is_finished
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.lines import Lines, lines
from seatrial.harness.run.processes import lanes_of
from seatrial.harness.run.session import Session
from seatrial.harness.spec.targets import Build

# Conditions whose images are read together.
Pass = tuple[Pending, ...]


@dataclasses.dataclass(frozen=True)
class _Task:
    together: Pass
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class _Answer:
    task: _Task
    rows: dict[tuple[str, str], Predictions]
    later: dict[tuple[str, str], Future[Predictions | None]]
    conditions_s: float
    engines_s: float


def remaining(plan: Plan, directory: RunDirectory) -> list[Pending]:
    """The trials of the plan without a finished file, or without what belongs beside it, in the plan's order."""
    left = []
    for condition in plan.conditions:
        missing = tuple(
            build.id
            for build in plan.builds
            if plan.answers(build, condition) and not _is_whole(plan, directory, build, condition)
        )
        if missing:
            left.append(Pending(condition, missing))
    return left


def _is_whole(plan: Plan, directory: RunDirectory, build: Build, condition: Condition) -> bool:
    if not is_finished(directory.trials, plan.key(build, condition)):
        return False
    beside = kind_of(condition.id).beside(condition.id, build, plan.key_of)
    return all(is_table(directory.root / path) for path in beside)


def passes_of(pending: Sequence[Pending], contract: InputContract) -> list[Pass]:
    """Conditions that decode the stored images alike go together, every other one alone; in order of their first."""
    groups: dict[object, list[Pending]] = {}
    for one in pending:
        groups.setdefault(pass_of(one.condition, contract), []).append(one)
    return [tuple(group) for group in groups.values()]


def run_trials(session: Session, pending: Sequence[Pending], targets: Sequence[BuiltTarget]) -> None:
    """Runs what is left for `targets`; a trial's file appears when all its images are answered. A target that fails is
    a failure of the session, and asked no more.
    """
    cv2.setNumThreads(1)  # the workers are the parallelism
    plan, present = session.plan, {target.id: target for target in targets}
    left = [one.of(present) for one in pending]
    passes = passes_of([one for one in left if one.targets], plan.model.contract)
    count = len(plan.data.ids)

    def close() -> None:
        for target in targets:
            target.engine.close()

    begin, done = time.perf_counter(), 0
    spent = {"engines": 0.0, "conditions": 0.0}
    far = {target.id: lanes_of(plan, target.build.target) for target in targets if _is_far(session, target)}
    filed = _Filed(session)
    with session.progress.stage("Running trials", count * sum(map(len, passes))) as update, lines(far, close) as apart:
        update(0)
        tasks = _tasks(passes, count, plan.spec.work.batch_size)
        answer = functools.partial(_answer, session, present, apart)
        answers = ordered_map(answer, tasks, workers=plan.spec.work.workers, abandon=close)
        for found in held_back(answers, apart.ahead):
            filed.add(found)
            spent["engines"] += found.engines_s
            spent["conditions"] += found.conditions_s
            done += (found.task.stop - found.task.start) * len(found.task.together)
            update(done, _note(passes, found.task))
    session.directory.add_spent({"wall": time.perf_counter() - begin, **spent})


def _is_far(session: Session, target: BuiltTarget) -> bool:
    """True for an engine that shares no memory with the run."""
    return not target.engine.process.sees(session.arena)


def _answer(session: Session, present: Mapping[str, BuiltTarget], apart: Lines, task: _Task) -> _Answer:
    """One batch of images under conditions that are read together, answered by all that are asked."""
    begin, engines_s = time.perf_counter(), 0.0
    data, part = session.plan.data, slice(task.start, task.stop)
    ids, labels = data.ids[part], data.labels[part]
    pixels = session.images.read([one.condition for one in task.together], task.start, task.stop)
    rows: dict[tuple[str, str], Predictions] = {}
    later: dict[tuple[str, str], Future[Predictions | None]] = {}
    for one in task.together:
        condition = one.condition
        changed = condition.apply(pixels[condition.id], ids, session.plan.spec.seed)
        asked = [present[name] for name in one.targets if not session.lost(name)]
        for target in [target for target in asked if _is_far(session, target)]:
            asked.remove(target)
            ask = functools.partial(_answer_far, session, target, condition, changed, labels)
            later[condition.id, target.id] = apart.submit(target.id, ask)
        with session.arena.slot() as slot:
            inputs = {
                contract: slot.put(tensor(changed, contract, _numbers(condition, contract)))
                for contract in _contracts(asked)
            }
            ready = time.perf_counter()
            for target in asked:
                with session.noting(target.id, "trials"):
                    scores = target.engine.infer(inputs[target.model.contract])
                    rows[condition.id, target.id] = rows_of(scores, labels, target.model.scores)
            engines_s += time.perf_counter() - ready
    return _Answer(task, rows, later, time.perf_counter() - begin - engines_s, engines_s)


def _answer_far(
    session: Session, target: BuiltTarget, condition: Condition, images: Pixels, labels: npt.NDArray[np.int64]
) -> Predictions | None:
    """None of a target that is lost."""
    if session.lost(target.id):
        return None
    contract = target.model.contract
    with session.noting(target.id, "trials"):
        scores = target.engine.infer(travelling(images, contract, _numbers(condition, contract)))
        return rows_of(scores, labels, target.model.scores)
    return None


class _Filed:
    """Gathers the rows of a pass, which come in order, and files each trial once it is whole."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._parts: dict[tuple[str, str], list[Predictions]] = {}

    def add(self, found: _Answer) -> None:
        """Takes what came of one task."""
        task, plan = found.task, self._session.plan
        if task.start == 0:
            self._parts = {(one.condition.id, name): [] for one in task.together for name in one.targets}
        later = {key: answer.result() for key, answer in found.later.items()}
        for key, rows in {**found.rows, **later}.items():
            if rows is not None:
                self._parts[key].append(rows)
        if task.stop < len(plan.data.ids):
            return
        for one in task.together:
            for name in one.targets:
                rows_of_trial = self._parts[one.condition.id, name]
                if sum(map(len, rows_of_trial)) == task.stop:
                    self._session.file_trial(name, one.condition, concatenate(rows_of_trial))


def _numbers(condition: Condition, contract: InputContract) -> str | None:
    # A graph that takes 8-bit pixels, as one of a stack may, has no numbers in front of it.
    name = condition.numbers
    return None if name is None or NUMBERS[name].refuses(contract) is not None else name


def _contracts(targets: Sequence[BuiltTarget]) -> set[InputContract]:
    return {target.model.contract for target in targets}


def _tasks(passes: Sequence[Pass], images: int, size: int) -> Iterator[_Task]:
    for one in passes:
        for start in range(0, images, size):
            yield _Task(one, start, min(start + size, images))


def _note(passes: Sequence[Pass], task: _Task) -> str:
    more = f" and {len(task.together) - 1} more" if len(task.together) > 1 else ""
    return f"{passes.index(task.together) + 1}/{len(passes)} {task.together[0].condition.id}{more}"
