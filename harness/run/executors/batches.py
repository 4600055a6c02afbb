"""Batches: conditions whose images are read together, applied to a few images, answered by all that are asked."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

from seatrial.exporters import InputContract
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ordered_map
from seatrial.harness.pipeline.numbers import NUMBERS, tensor
from seatrial.harness.pipeline.prefetch import held_back
from seatrial.harness.pipeline.travelling import travelling
from seatrial.harness.plan.passes import pass_of
from seatrial.harness.records.predictions import Predictions, rows_of
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.lines import Lines, lines
from seatrial.harness.run.processes import lanes_of
from seatrial.harness.run.session import Session

# Conditions whose images are read together.
Pass = tuple[Pending, ...]
# (condition id, target id) -> rows of some images in a row.
Rows = Mapping[tuple[str, str], Predictions]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Images [start, stop) under conditions that are read together."""

    together: Pass
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class Answered:
    """rows: of the targets that are not lost. conditions_s, engines_s: seconds spent on images and by engines."""

    batch: Batch
    rows: Rows
    conditions_s: float
    engines_s: float


def passes_of(pending: Sequence[Pending], contract: InputContract) -> list[Pass]:
    """Conditions that decode the stored images alike go together, every other one alone; in order of their first."""
    groups: dict[object, list[Pending]] = {}
    for one in pending:
        groups.setdefault(pass_of(one.condition, contract), []).append(one)
    return [tuple(group) for group in groups.values()]


def batches_of(together: Pass, start: int, stop: int, size: int) -> Iterator[Batch]:
    """The images [start, stop) of a pass, `size` at a time: what is asked together changes the last bits of answers, so
    whoever cuts at multiples of it gets the same.
    """
    for begin in range(start, stop, size):
        yield Batch(together, begin, min(begin + size, stop))


def answered(
    session: Session,
    targets: Sequence[BuiltTarget],
    batches: Iterator[Batch],
    abandon: Callable[[], None] = lambda: None,
) -> Generator[Answered, None, None]:
    """Answers the batches in `spec.work.workers` threads, in their order. A target that fails is a failure of the
    session, and asked no more. abandon: what makes the engines come to an end, called where the work ends early.
    """
    plan, present = session.plan, {target.id: target for target in targets}
    far = {target.id: lanes_of(plan, target.build.target) for target in targets if _is_far(session, target)}
    with lines(far, abandon) as apart:
        answer = functools.partial(_answer, session, present, apart)
        begun = ordered_map(answer, batches, workers=plan.spec.work.workers, abandon=abandon)
        with contextlib.closing(begun):
            for found in held_back(begun, apart.ahead):
                yield found.whole()


@dataclasses.dataclass(frozen=True)
class _Begun:
    """later: answers of engines elsewhere, which are on their way."""

    batch: Batch
    rows: dict[tuple[str, str], Predictions]
    later: dict[tuple[str, str], Future[Predictions | None]]
    conditions_s: float
    engines_s: float

    def whole(self) -> Answered:
        waited = {key: answer.result() for key, answer in self.later.items()}
        came = {key: rows for key, rows in waited.items() if rows is not None}
        return Answered(self.batch, {**self.rows, **came}, self.conditions_s, self.engines_s)


def _is_far(session: Session, target: BuiltTarget) -> bool:
    """True for an engine that shares no memory with the run."""
    return not target.engine.process.sees(session.arena)


def _answer(session: Session, present: Mapping[str, BuiltTarget], apart: Lines, task: Batch) -> _Begun:
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
        asked = [present[name] for name in one.targets if name in present and not session.lost(name)]
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
    return _Begun(task, rows, later, time.perf_counter() - begin - engines_s, engines_s)


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


def _numbers(condition: Condition, contract: InputContract) -> str | None:
    # A graph that takes 8-bit pixels, as one of a stack may, has no numbers in front of it.
    name = condition.numbers
    return None if name is None or NUMBERS[name].refuses(contract) is not None else name


def _contracts(targets: Sequence[BuiltTarget]) -> set[InputContract]:
    return {target.model.contract for target in targets}
