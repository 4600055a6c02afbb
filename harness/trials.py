"""The trials: every condition's images computed once, fed to every target, written when whole."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2

from engines.isolated import Arena
from exporters import InputContract
from harness.conditions import Condition
from harness.failures import TARGET_ERRORS, Failure, failure
from harness.pipeline import ImageReader, ordered_map
from harness.plan import Plan
from harness.progress import Progress
from harness.results.predictions import Predictions, concatenate, rows_of
from harness.results.trials import is_finished, write_trial
from harness.targets import BuiltTarget


@dataclasses.dataclass(frozen=True)
class Work:
    """What is left of a run: condition, and the ids of the builds that have not answered it."""

    condition: Condition
    targets: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Task:
    work: Work
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class _Answer:
    task: _Task
    rows: dict[str, Predictions]
    conditions_s: float
    engines_s: float


def remaining(plan: Plan, folder: Path) -> list[Work]:
    """The trials of the plan without a finished file in `folder`, in the plan's order."""
    left = []
    for condition in plan.conditions:
        missing = tuple(
            build.id
            for build in plan.builds
            if plan.answers(build, condition)
            and not is_finished(folder, spec=plan.digest, target=build.id, condition=condition.id)
        )
        if missing:
            left.append(Work(condition, missing))
    return left


def run_trials(
    plan: Plan,
    work: Sequence[Work],
    reader: Callable[[str], ImageReader],
    targets: Sequence[BuiltTarget],
    arena: Arena,
    folder: Path,
    progress: Progress,
) -> tuple[dict[str, float], list[Failure]]:
    """Runs what is left for `targets`; a trial's file appears when all its images are answered.

    reader: where the images of a condition come from, before it is applied. arena: where the engines read them.

    Returns seconds: `wall`, `engines` (waiting for the engines) and `conditions` (reading, corrupting and normalising,
    summed over the workers); and the targets that failed meanwhile, which were asked no more.
    """
    cv2.setNumThreads(1)  # the workers are the parallelism
    present = {target.id: target for target in targets}
    work = [Work(item.condition, tuple(name for name in item.targets if name in present)) for item in work]
    work = [item for item in work if item.targets]
    lost = _Lost()
    ids, labels = plan.data.ids, plan.data.labels

    def answer(task: _Task) -> _Answer:
        begin = time.perf_counter()
        images = reader(task.work.condition.id).read(task.start, task.stop)
        changed = task.work.condition.apply(images, ids[task.start : task.stop], plan.spec.seed)
        asked = [present[name] for name in task.work.targets if name not in lost]
        labelled = labels[task.start : task.stop]
        rows: dict[str, Predictions] = {}
        with arena.slot() as slot:
            inputs = {contract: slot.put(contract.normalise(changed)) for contract in _contracts(asked)}
            ready = time.perf_counter()
            for target in asked:
                with lost.noting(target.id):
                    scores = target.engine.infer(inputs[target.model.contract])
                    rows[target.id] = rows_of(scores, labelled, target.model.scores)
            done = time.perf_counter()
        return _Answer(task, rows, ready - begin, done - ready)

    def close() -> None:
        for target in targets:
            target.engine.close()

    begin, done = time.perf_counter(), 0
    spent = {"engines": 0.0, "conditions": 0.0}
    parts: dict[str, list[Predictions]] = {}
    with progress.stage("Running trials", len(ids) * len(work)) as update:
        update(0, _note(work, 0))
        tasks = _tasks(work, len(ids), plan.spec.batch_size)
        for found in ordered_map(answer, tasks, workers=plan.spec.workers, abandon=close):
            task = found.task
            if task.start == 0:
                parts = {target: [] for target in task.work.targets}
            for target, rows in found.rows.items():
                parts[target].append(rows)
            if task.stop == len(ids):
                whole = {target: rows for target, rows in parts.items() if sum(map(len, rows)) == len(ids)}
                _write(plan, folder, task.work.condition.id, whole, ids)
            spent["engines"] += found.engines_s
            spent["conditions"] += found.conditions_s
            done += task.stop - task.start
            update(done, _note(work, done // len(ids)))
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


def _contracts(targets: Sequence[BuiltTarget]) -> set[InputContract]:
    return {target.model.contract for target in targets}


def _write(plan: Plan, folder: Path, condition: str, rows: Mapping[str, list[Predictions]], ids: Sequence[str]) -> None:
    for target, parts in rows.items():
        write_trial(folder, spec=plan.digest, target=target, condition=condition, ids=ids, rows=concatenate(parts))


def _tasks(work: Sequence[Work], images: int, size: int) -> Iterator[_Task]:
    for item in work:
        for start in range(0, images, size):
            yield _Task(item, start, min(start + size, images))


def _note(work: Sequence[Work], index: int) -> str:
    return f"{index + 1}/{len(work)} {work[index].condition.id}" if index < len(work) else ""
