"""Whether wrong answers are right ones under other names: classes that stand in another order than the model's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics import mcnemar_exact

Classes = npt.NDArray[np.integer]
# Chance that an order is called wrong where it is right.
ALPHA = 0.001
# Of the images of exchanged classes, so many at least must be right under the other names.
_LEAST_RIGHT = 0.5
# Classes shifted as a whole (a background class before the others): so far at most.
_FARTHEST = 2


@dataclasses.dataclass(frozen=True)
class Order:
    """Classes under other names. renamed: (label, the class that the model means by it). better, worse: images that are
    right under the other names alone, under the given ones alone. before, after: top-1 of all images, 0 to 1.
    shift: by which all classes are moved, where that is what it is. p: that chance did it, for all orders together.
    """

    renamed: tuple[tuple[int, int], ...]
    better: int
    worse: int
    before: float
    after: float
    p: float
    shift: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**dataclasses.asdict(self), "renamed": [list(pair) for pair in self.renamed]}


def other_order(labels: Classes, answers: Classes, classes: int) -> Order | None:
    """The order of the classes that the answers speak for, int [N] each; None where the given one is right, or where
    the images are too few to tell.

    Cycles among the most frequent answers (a's images are mostly called b, and b's a) are exchanged classes. Each is
    tested by McNemar's exact test on its own images, times the number of cycles of its length that there could be.
    """
    if not len(labels) or labels.min() < 0:  # nobody knows
        return None
    given = answers == labels
    shifted = _shifted(labels, answers, classes)
    if shifted is not None:
        return shifted
    most = _most_frequent(labels, answers, classes)
    found: list[tuple[tuple[int, ...], int, int, float]] = []
    for cycle in _cycles(most):
        own = np.isin(labels, cycle)
        renamed = answers[own] == most[labels[own]]
        better, worse = int((renamed & ~given[own]).sum()), int((given[own] & ~renamed).sum())
        p = min(1.0, _one_sided(worse, better) * float(classes) ** len(cycle))
        if p < ALPHA and renamed.mean() >= _LEAST_RIGHT:
            found.append((cycle, better, worse, p))
    if not found:
        return None
    pairs = tuple((label, int(most[label])) for cycle, *_ in found for label in cycle)
    better, worse = sum(one[1] for one in found), sum(one[2] for one in found)
    before = float(given.mean())
    return Order(pairs, better, worse, before, before + (better - worse) / len(labels), max(one[3] for one in found))


def _shifted(labels: Classes, answers: Classes, classes: int) -> Order | None:
    given = answers == labels
    best: Order | None = None
    for shift in (*range(-_FARTHEST, 0), *range(1, _FARTHEST + 1)):
        moved = answers == labels + shift
        better, worse = int((moved & ~given).sum()), int((given & ~moved).sum())
        p = min(1.0, _one_sided(worse, better) * 2 * _FARTHEST)
        if p < ALPHA and moved.mean() >= _LEAST_RIGHT and (best is None or better > best.better):
            pairs = tuple((label, label + shift) for label in range(classes) if 0 <= label + shift < classes)
            best = Order(pairs, better, worse, float(given.mean()), float(moved.mean()), p, shift)
    return best


def _one_sided(worse: int, better: int) -> float:
    return mcnemar_exact(worse, better) / 2 if better > worse else 1.0


def _most_frequent(labels: Classes, answers: Classes, classes: int) -> Classes:
    """int [classes]: what each class is called most; itself where it has no images, or as often as anything else."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, answers), 1)
    most = counts.argmax(axis=1)
    own = np.arange(classes)
    return np.where(counts[own, most] > counts[own, own], most, own)


def _cycles(most: Sequence[int] | Classes) -> list[tuple[int, ...]]:
    """The cycles of two classes and more; a class on none of them is left out."""
    found, seen = [], set()
    for start in range(len(most)):
        path: list[int] = []
        at = start
        while at not in seen and at not in path:
            path.append(at)
            at = int(most[at])
        cycle = tuple(path[path.index(at) :]) if at in path else ()
        seen.update(path)
        if len(cycle) > 1:
            found.append(cycle)
    return found
