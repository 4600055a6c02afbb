"""The trials: every condition's images computed once, fed to every target, written when whole."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2

from seatrial.engines.places import Arena
from seatrial.exporters import InputContract
from seatrial.harness.conditions import Condition
from seatrial.harness.pipeline import ordered_map
from seatrial.harness.pipeline.numbers import NUMBERS, tensor
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress
from seatrial.harness.records.failures import TARGET_ERRORS, Failure, failure
from seatrial.harness.records.predictions import Predictions, concatenate, rows_of
from seatrial.harness.records.trials import is_finished, write_trial
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.images import RunImages, way


@dataclasses.dataclass(frozen=True)
class Trials:
    """What is left of one condition: the ids of the builds that have not answered it."""

    condition: Condition
    targets: tuple[str, ...]


# Conditions whose images are read together.
Work = tuple[Trials, ...]


@dataclasses.dataclass(frozen=True)
class _Task:
    work: Work
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class _Answer:
    task: _Task
    rows: dict[tuple[str, str], Predictions]
    conditions_s: float
    engines_s: float


def remaining(plan: Plan, folder: Path) -> list[Trials]:
    """The trials of the plan without a finished file in `folder`, in the plan's order."""
    left = []
    for condition in plan.conditions:
        missing = tuple(
            build.id
            for build in plan.builds
            if plan.answers(build, condition)
            and not is_finished(
                folder,
                spec=plan.trial_spec(condition),
                target=build.id,
                condition=condition.id,
                replaceable=bool(condition.parts),
            )
        )
        if missing:
            left.append(Trials(condition, missing))
    return left


def grouped(trials: Sequence[Trials], contract: InputContract) -> list[Work]:
    """Conditions that decode the stored images alike go together, every other one alone; in order of their first."""
    groups: dict[object, list[Trials]] = {}
    for one in trials:
        key = way(one.condition, contract).decoding if one.condition.from_source else one.condition.id
        groups.setdefault(key, []).append(one)
    return [tuple(group) for group in groups.values()]


def run_trials(
    plan: Plan,
    trials: Sequence[Trials],
    images: RunImages,
    targets: Sequence[BuiltTarget],
    arena: Arena,
    folder: Path,
    progress: Progress,
) -> tuple[dict[str, float], list[Failure]]:
    """Runs what is left for `targets`; a trial's file appears when all its images are answered.

    images: what the conditions are applied to. arena: where the engines read them.

    Returns seconds: `wall`, `engines` (waiting for the engines) and `conditions` (reading, corrupting and normalising,
    summed over the workers); and the targets that failed meanwhile, which were asked no more.
    """
    cv2.setNumThreads(1)  # the workers are the parallelism
    present = {target.id: target for target in targets}
    left = [Trials(one.condition, tuple(name for name in one.targets if name in present)) for one in trials]
    groups = grouped([one for one in left if one.targets], plan.model.contract)
    lost = _Lost()
    ids, labels = plan.data.ids, plan.data.labels

    def answer(task: _Task) -> _Answer:
        begin, engines_s = time.perf_counter(), 0.0
        part = slice(task.start, task.stop)
        pixels = images.read([one.condition for one in task.work], task.start, task.stop)
        rows: dict[tuple[str, str], Predictions] = {}
        for one in task.work:
            condition = one.condition
            changed = condition.apply(pixels[condition.id], ids[part], plan.spec.seed)
            asked = [present[name] for name in one.targets if name not in lost]
            with arena.slot() as slot:
                inputs = {
                    contract: slot.put(tensor(changed, contract, _numbers(condition, contract)))
                    for contract in _contracts(asked)
                }
                ready = time.perf_counter()
                for target in asked:
                    with lost.noting(target.id):
                        scores = target.engine.infer(inputs[target.model.contract])
                        rows[condition.id, target.id] = rows_of(scores, labels[part], target.model.scores)
                engines_s += time.perf_counter() - ready
        return _Answer(task, rows, time.perf_counter() - begin - engines_s, engines_s)

    def close() -> None:
        for target in targets:
            target.engine.close()

    begin, done = time.perf_counter(), 0
    spent = {"engines": 0.0, "conditions": 0.0}
    parts: dict[tuple[str, str], list[Predictions]] = {}
    conditions: dict[str, Condition] = {}
    with progress.stage("Running trials", len(ids) * sum(map(len, groups))) as update:
        update(0)
        tasks = _tasks(groups, len(ids), plan.spec.batch_size)
        for found in ordered_map(answer, tasks, workers=plan.spec.workers, abandon=close):
            task = found.task
            if task.start == 0:
                conditions = {one.condition.id: one.condition for one in task.work}
                parts = {(one.condition.id, name): [] for one in task.work for name in one.targets}
            for key, rows in found.rows.items():
                parts[key].append(rows)
            if task.stop == len(ids):
                for (condition_id, name), of_trial in parts.items():
                    if sum(map(len, of_trial)) == len(ids):
                        write_trial(
                            folder,
                            spec=plan.trial_spec(conditions[condition_id]),
                            target=name,
                            condition=condition_id,
                            ids=ids,
                            rows=concatenate(of_trial),
                        )
            spent["engines"] += found.engines_s
            spent["conditions"] += found.conditions_s
            done += (task.stop - task.start) * len(task.work)
            update(done, _note(groups, task))
    return {"wall": time.perf_counter() - begin, **spent}, lost.failures


class _Lost:
    """The targets that failed, noted once each."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    @contextlib.contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Ends quietly where the body fails as a target may."""
        try:
            yield
        except TARGET_ERRORS as error:
            with self._lock:
                if name not in self._names:
                    self.failures.append(failure(name, "trials", error))
                    self._names.add(name)


def _numbers(condition: Condition, contract: InputContract) -> str | None:
    # A graph that takes 8-bit pixels, as one of a stack may, has no numbers in front of it.
    name = condition.numbers
    return None if name is None or NUMBERS[name].refuses(contract) is not None else name


def _contracts(targets: Sequence[BuiltTarget]) -> set[InputContract]:
    return {target.model.contract for target in targets}


def _tasks(groups: Sequence[Work], images: int, size: int) -> Iterator[_Task]:
    for work in groups:
        for start in range(0, images, size):
            yield _Task(work, start, min(start + size, images))


def _note(groups: Sequence[Work], task: _Task) -> str:
    more = f" and {len(task.work) - 1} more" if len(task.work) > 1 else ""
    return f"{groups.index(task.work) + 1}/{len(groups)} {task.work[0].condition.id}{more}"
