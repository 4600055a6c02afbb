"""Which answers changed against the reference's: from which class to which, and on which images worst."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.records.predictions import Predictions

# Pairs of classes that are kept of each target.
PAIRS = 200
# Images that are shown, and of one condition.
PICTURES, OF_A_CONDITION = 12, 2


@dataclasses.dataclass(frozen=True)
class Flip:
    """A negative flip: the reference is right about an image, the target wrong. image: its position in the run.
    answers and probabilities: the reference's and the target's. sure: mean of these probabilities.
    """

    target: str
    condition: str
    image: int
    answers: tuple[int, int]
    probabilities: tuple[float, float]

    @property
    def sure(self) -> float:
        """How sure both are: the worst flips are those of two sure answers."""
        return sum(self.probabilities) / 2


class Changes:
    """Images whose class changed, counted by (reference's class, target's class): how many, how many of them were right
    before, and how many are right now.
    """

    def __init__(self) -> None:
        self._images: Counter[tuple[int, int]] = Counter()
        self._before: Counter[tuple[int, int]] = Counter()
        self._now: Counter[tuple[int, int]] = Counter()

    def add(self, rows: Predictions, reference: Predictions) -> None:
        """Counts the answers to the same images."""
        for counter, where in (
            (self._images, np.ones(len(rows), bool)),
            (self._before, _right(reference)),
            (self._now, _right(rows)),
        ):
            chosen = where & (rows.top1 != reference.top1)
            pairs = np.stack([reference.top1[chosen], rows.top1[chosen]], axis=1)
            for (before, now), count in zip(*np.unique(pairs, axis=0, return_counts=True), strict=True):
                counter[int(before), int(now)] += int(count)

    def to_dict(self) -> dict[str, Any]:
        """`images`: how many changed; `pairs`: [reference's class, target's class, images, right before, right now],
        the most first, no more than PAIRS.
        """
        ordered = sorted(self._images, key=lambda pair: (-self._images[pair], pair))[:PAIRS]
        pairs = [[*pair, self._images[pair], self._before[pair], self._now[pair]] for pair in ordered]
        return {"images": sum(self._images.values()), "pairs": pairs}


def negative_flips(target: str, condition: str, rows: Predictions, reference: Predictions) -> list[Flip]:
    """The worst of one target under one condition, the worst first; no more than PICTURES,
    and none without labels.
    """
    lost = np.flatnonzero(_right(reference) & (rows.top1 != reference.top1))
    worst = lost[np.argsort(-(reference.p_top1[lost] + rows.p_top1[lost]), kind="stable")][:PICTURES]
    return [
        Flip(
            target,
            condition,
            int(image),
            (int(reference.top1[image]), int(rows.top1[image])),
            (float(reference.p_top1[image]), float(rows.p_top1[image])),
        )
        for image in worst
    ]


def _right(rows: Predictions) -> npt.NDArray[np.bool_]:
    """bool [N]; none without labels, as nobody knows."""
    return rows.correct if rows.labelled else np.zeros(len(rows), bool)


def worst_flips(flips: Iterable[Flip]) -> list[Flip]:
    """Those to be shown: the targets in turn, of each the worst; no image twice, no condition more than OF_A_CONDITION
    times while there are others.
    """
    ordered = sorted(flips, key=lambda one: (-one.sure, one.condition, one.image, one.target))
    chosen: list[Flip] = []
    for limit in (OF_A_CONDITION, PICTURES):
        while len(chosen) < PICTURES:
            found = _next_round(ordered, chosen, limit)
            if not found:
                break
            chosen += found[: PICTURES - len(chosen)]
    return sorted(chosen, key=ordered.index)


def _next_round(ordered: Sequence[Flip], chosen: Sequence[Flip], limit: int) -> list[Flip]:
    found: list[Flip] = []
    for target in dict.fromkeys(one.target for one in ordered):
        taken = [*chosen, *found]
        for one in ordered:
            if (
                one.target == target
                and one.image not in {other.image for other in taken}
                and sum(other.condition == one.condition for other in taken) < limit
            ):
                found.append(one)
                break
    return found


def named_flip(flip: Flip, image: str, label: int) -> dict[str, Any]:
    """A flip as JSON values. image: its id; label: its class."""
    return {
        "target": flip.target,
        "condition": flip.condition,
        "image": image,
        "label": label,
        "reference": {"class": flip.answers[0], "probability": flip.probabilities[0]},
        "answer": {"class": flip.answers[1], "probability": flip.probabilities[1]},
    }
