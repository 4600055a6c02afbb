"""Two run directories, compared trial by trial where both have one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.harness.conditions import CLEAN
from seatrial.harness.metrics.accuracy import accuracy
from seatrial.harness.metrics.paired import Comparison, compare
from seatrial.harness.records.trials import read_any_trial, trials_in


@dataclasses.dataclass(frozen=True)
class Difference:
    """One target under one condition in two runs, paired by image. images: those that both have. first, second: top-1,
    0 to 1. change: of the second against the first.
    """

    target: str
    condition: str
    images: int
    first: float
    second: float
    change: Comparison


def versus(first: Path, second: Path) -> tuple[Difference, ...]:
    """What two runs have in common, by target, clean images first. first, second: their directories.

    UsageError where they share no target under one condition, or no image.
    """
    theirs = trials_in(second / "trials")
    found = []
    ours = trials_in(first / "trials")
    for key in sorted(ours.keys() & theirs.keys(), key=lambda key: (key[0], key[1] != CLEAN, key[1])):
        ids, rows = read_any_trial(ours[key])
        other_ids, others = read_any_trial(theirs[key])
        one, other = _in_common(ids, other_ids)
        if not one:
            continue
        correct, then = others.correct[other], rows.correct[one]
        change = compare(correct, then, others.top1[other] == rows.top1[one])
        found.append(Difference(*key, len(one), accuracy(then), accuracy(correct), change))
    if not found:
        raise UsageError(f"{first} and {second} have no target, condition and image in common.")
    return tuple(found)


def _in_common(ids: Sequence[str], others: Sequence[str]) -> tuple[list[int], list[int]]:
    """Positions of the images that both have."""
    place = {name: index for index, name in enumerate(others)}
    shared = [(index, place[name]) for index, name in enumerate(ids) if name in place]
    return [index for index, _ in shared], [index for _, index in shared]
