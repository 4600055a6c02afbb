"""The trials: every condition's images computed once, fed to every target, written when whole."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.conditions import Condition
from harness.pipeline import ImageReader, ordered_map
from harness.plan import Plan
from harness.progress import Progress
from harness.results.predictions import Predictions, concatenate, rows_of
from harness.results.trials import is_finished, write_trial
from harness.targets import BuiltTarget


@dataclasses.dataclass(frozen=True)
class Work:
    """What is left of a run: condition, and the ids of the targets that have not answered it."""

    condition: Condition
    targets: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Task:
    work: Work
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class _Batch:
    task: _Task
    inputs: npt.NDArray[np.float32]
    seconds: float


def remaining(plan: Plan, folder: Path) -> list[Work]:
    """The trials of the plan without a finished file in `folder`, in the plan's order."""
    left = []
    for condition in plan.conditions:
        missing = tuple(
            target.id
            for target in plan.targets
            if not is_finished(folder, spec=plan.digest, target=target.id, condition=condition.id)
        )
        if missing:
            left.append(Work(condition, missing))
    return left


def run_trials(
    plan: Plan,
    work: Sequence[Work],
    reader: Callable[[str], ImageReader],
    targets: Sequence[BuiltTarget],
    folder: Path,
    progress: Progress,
) -> dict[str, float]:
    """Runs what is left; a trial's file appears when all its images are answered.

    reader: where the images of a condition come from, before it is applied.

    Returns seconds: `wall`, `engines` (inside the engines) and `conditions` (reading, corrupting and normalising,
    summed over the workers).
    """
    by_id = {target.spec.id: target for target in targets}
    ids, labels = plan.data.ids, plan.data.labels
    spent = {"wall": time.perf_counter(), "engines": 0.0, "conditions": 0.0}
    rows: dict[str, list[Predictions]] = {}
    done = 0

    def prepare(task: _Task) -> _Batch:
        begin = time.perf_counter()
        images = reader(task.work.condition.id).read(task.start, task.stop)
        changed = task.work.condition.apply(images, ids[task.start : task.stop], plan.spec.seed)
        inputs = plan.model.contract.normalise(changed)
        return _Batch(task, inputs, time.perf_counter() - begin)

    tasks = _tasks(work, len(ids), plan.spec.batch_size)
    total = len(ids) * len(work)
    with progress.stage("Running trials", total) as update:
        update(0, _note(work, 0))
        for batch in ordered_map(prepare, tasks, workers=plan.spec.workers):
            task = batch.task
            if task.start == 0:
                rows = {target: [] for target in task.work.targets}
            begin = time.perf_counter()
            answers = {target: by_id[target].engine.infer(batch.inputs) for target in task.work.targets}
            spent["engines"] += time.perf_counter() - begin
            spent["conditions"] += batch.seconds
            for target, logits in answers.items():
                rows[target].append(rows_of(logits, labels[task.start : task.stop]))
            if task.stop == len(ids):
                _write(plan, folder, task.work.condition.id, rows, ids)
            done += task.stop - task.start
            update(done, _note(work, done // len(ids)))
    spent["wall"] = time.perf_counter() - spent["wall"]
    return spent


def _write(plan: Plan, folder: Path, condition: str, rows: Mapping[str, list[Predictions]], ids: Sequence[str]) -> None:
    for target, parts in rows.items():
        write_trial(folder, spec=plan.digest, target=target, condition=condition, ids=ids, rows=concatenate(parts))


def _tasks(work: Sequence[Work], images: int, size: int) -> Iterator[_Task]:
    for item in work:
        for start in range(0, images, size):
            yield _Task(item, start, min(start + size, images))


def _note(work: Sequence[Work], index: int) -> str:
    return f"{index + 1}/{len(work)} {work[index].condition.id}" if index < len(work) else ""
