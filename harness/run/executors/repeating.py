"""A sample of the answers is asked for a second time, elsewhere, and held against the first, bit for bit."""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.run.executors.batches import Batch, Pass, Rows

# Of all batches of all conditions.
SHARE = 0.01


@dataclasses.dataclass
class Repeated:
    """One batch of one condition, and who answered it first. node: its number."""

    batch: Batch
    first: dict[tuple[str, str], Predictions] = dataclasses.field(default_factory=dict)
    node: int | None = None


class Sample:
    """A seeded choice of batches, at least one for each target; it takes their rows as they pass."""

    def __init__(self, passes: Sequence[Pass], images: int, size: int, seed: int) -> None:
        """size: of a batch."""
        units = [
            (_rank(seed, one, start), number, start)
            for number, one in enumerate(_alone(passes))
            for start in range(0, images, size)
        ]
        chosen = heapq.nsmallest(max(1, round(SHARE * len(units))), units)
        conditions = _alone(passes)
        missing = {name for one in conditions for name in one.targets}
        for unit in chosen:
            missing -= set(conditions[unit[1]].targets)
        while missing:
            unit = min(unit for unit in units if missing & set(conditions[unit[1]].targets))
            chosen.append(unit)
            missing -= set(conditions[unit[1]].targets)
        self._chosen: dict[str, list[Repeated]] = {}
        for _, number, start in chosen:
            one = conditions[number]
            batch = Batch((one,), start, min(start + size, images))
            self._chosen.setdefault(one.condition.id, []).append(Repeated(batch))

    @property
    def all(self) -> list[Repeated]:
        """What is chosen, with what has passed of it."""
        return [one for found in self._chosen.values() for one in found]

    def take(self, start: int, rows: Rows, node: int) -> None:
        """rows: of images in a row, from `start` on, as a node answered them."""
        for (condition, target), found in rows.items():
            for one in self._chosen.get(condition, ()):
                begin = one.batch.start - start
                if begin >= 0 and one.batch.stop - start <= len(found):
                    one.first[condition, target] = _part(found, begin, one.batch.stop - start)
                    one.node = node


def compared(one: Repeated, again: Rows) -> dict[str, tuple[int, int]]:
    """Target id -> (images asked again, those that were answered otherwise); `again` may lack what failed since."""
    found = {}
    for (condition, target), first in one.first.items():
        if (condition, target) in again:
            second = again[condition, target]
            same = (first.top == second.top).all(axis=1)
            same &= _bits(first.p_top1) == _bits(second.p_top1)
            same &= _bits(first.margin) == _bits(second.margin)
            found[target] = len(same), int(np.count_nonzero(~same))
    return found


def _alone(passes: Sequence[Pass]) -> list[Pending]:
    return [one for together in passes for one in together]


def _rank(seed: int, one: Pending, start: int) -> bytes:
    return hashlib.blake2b(f"{seed} {one.condition.id} {start}".encode(), digest_size=8).digest()


def _part(rows: Predictions, start: int, stop: int) -> Predictions:
    return Predictions(rows.label[start:stop], rows.top[start:stop], rows.p_top1[start:stop], rows.margin[start:stop])


def _bits(values: Any) -> Any:
    return np.ascontiguousarray(values).view(np.uint32)
