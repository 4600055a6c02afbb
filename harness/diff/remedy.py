"""The smallest set of layers that stay in float and restore accuracy: how it is searched, and what was found.

Layers are taken in the order of the error that they add: the first 1, 2, 4, ... of them stay in float until accuracy is
restored, and bisection finds the shortest such beginning. Then what it does not need is taken out again, halves of it
first and single nodes in the end.
"""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from seatrial.harness.metrics import wilson_interval
from seatrial.harness.metrics.latency_ratio import Speedup
from seatrial.harness.metrics.paired import ALPHA, paired_interval

# MLPerf Inference's accuracy target for image classification: 99 % of the reference.
RECOVERY = 0.99
# Files that are made at most; each is quantized, built and asked about all images.
MOST_FILES = 40


@dataclasses.dataclass(frozen=True)
class Tried:
    """The target with these nodes in float, on all images. right: images; better, worse: images that it gets right and
    the target as it is does not, and the reverse. price: its median latency over that of the target as it is, taken in
    turns, with its interval; None for the target as it is.
    """

    nodes: tuple[str, ...]
    right: int
    better: int = 0
    worse: int = 0
    price: Speedup | None = None


# None: no such file, since nothing would be left to quantize, or since there were MOST_FILES.
Attempt = Callable[[tuple[str, ...]], Tried | None]


@dataclasses.dataclass(frozen=True)
class Remedy:
    """What keeping layers in float restores, and whether that pays.

    measure: what `right` counts: `top-1`, or `agreement` with the reference where labels are not known. reference: its
    right answers; reference_price: its median latency over the target's. plain: the target as it is. tried:
    the files, in the order in which they were made. found: the smallest set that reaches the goal. whole: the search
    came to its end.
    """

    measure: str
    images: int
    reference: int
    reference_price: Speedup
    plain: Tried
    tried: tuple[Tried, ...]
    found: Tried | None
    whole: bool

    @property
    def goal(self) -> int:
        """Right answers that are 99 % of the reference's."""
        return goal_of(self.reference)

    @property
    def needed(self) -> bool:
        """False where the target as it is reaches the goal."""
        return self.plain.right < self.goal

    @property
    def restored(self) -> bool:
        """True where the set that was found reaches the goal."""
        return self.found is not None and self.found.right >= self.goal

    @property
    def pays(self) -> bool:
        """True where accuracy is gained beyond doubt."""
        return self.found is not None and self.gain(self.found)[1] > 0

    @property
    def chosen(self) -> Tried | None:
        """What to keep in float; None for nothing."""
        return self.found if self.pays else None

    def gain(self, one: Tried) -> tuple[float, float, float]:
        """Accuracy gained over the target as it is, and its interval, as shares: at 95 % for all files that were tried
        together (Bonferroni), since the best of many is not as good as it looks.
        """
        low, high = paired_interval(one.worse, one.better, self.images, ALPHA / max(1, len(self.tried)))
        return (one.better - one.worse) / self.images, low, high

    @property
    def flags(self) -> str:
        """What to paste behind `quantize` or `run`; empty for nothing."""
        return "" if self.chosen is None else flags_of(self.chosen.nodes)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; accuracies are shares."""
        return {
            "measure": self.measure,
            "images": self.images,
            "reference": {**_shares(self.reference, self.images), **_price(self.reference_price)},
            "plain": self._tried(self.plain),
            "goal": self.goal / self.images,
            "needed": self.needed,
            "tried": [self._tried(one) for one in self.tried],
            "found": None if self.found is None else self._tried(self.found),
            "restored": self.restored,
            "pays": self.pays,
            "whole": self.whole,
            "keep_float": [] if self.chosen is None else list(self.chosen.nodes),
            "flags": self.flags,
        }

    def _tried(self, one: Tried) -> dict[str, Any]:
        gained, low, high = self.gain(one)
        return {
            "keep_float": list(one.nodes),
            **_shares(one.right, self.images),
            "gain": gained,
            "gain_ci": [low, high],
            **_price(one.price),
        }


def goal_of(right: int) -> int:
    """The fewest right answers that are RECOVERY of `right`.

    >>> goal_of(1000), goal_of(10)
    (990, 10)
    """
    return math.ceil(RECOVERY * right - 1e-9)


def flags_of(nodes: Sequence[str]) -> str:
    """The nodes as flags, quoted for a shell.

    >>> flags_of(["conv1", "my layer"])
    "--keep-float conv1 --keep-float 'my layer'"
    """
    return " ".join(f"--keep-float {shlex.quote(name)}" for name in nodes)


def find(groups: Sequence[tuple[str, ...]], reference: int, plain: Tried, attempt: Attempt) -> Tried | None:
    """The smallest set of nodes that restores accuracy, or comes as near to it as any that was tried; None where none
    comes nearer than the target as it is.

    groups: nodes that stay float together, those first that add most error. reference: right answers of the reference.
    """
    beginnings = _beginnings(groups)
    seen: dict[int, Tried] = {}
    goal, below = goal_of(reference), 0
    for size in _doubling(len(beginnings)):
        one = attempt(beginnings[size - 1])
        if one is None:
            continue
        seen[size] = one
        if one.right >= goal:
            break
    if not seen:
        return None
    best = max(one.right for one in seen.values())
    goal = goal if best >= goal else goal_of(best)
    if plain.right >= goal:
        return None
    size = min(size for size, one in seen.items() if one.right >= goal)
    below = max((other for other in seen if other < size), default=0)
    while size - below > 1:
        middle = (size + below) // 2
        one = attempt(beginnings[middle - 1])
        if one is not None and one.right >= goal:
            size, seen[middle] = middle, one
        else:
            below = middle
    return _pruned(seen[size], goal, attempt)


def _beginnings(groups: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """All nodes of the first groups, for every number of groups that adds some."""
    found: list[tuple[str, ...]] = []
    nodes: dict[str, None] = {}
    for group in groups:
        more = dict.fromkeys(group)
        if not more.keys() <= nodes.keys():
            nodes |= more
            found.append(tuple(nodes))
    return found


def _doubling(count: int) -> Iterator[int]:
    size = 1
    while size < count:
        yield size
        size *= 2
    if count:
        yield count


def _pruned(found: Tried, goal: int, attempt: Attempt) -> Tried:
    """Without what the goal does not need: halves of the set first, then smaller parts, single nodes in the end, each
    time those first that add least.
    """
    part = len(found.nodes) // 2
    while part:
        stop = len(found.nodes)
        while stop > 0:
            start = max(0, stop - part)
            rest = (*found.nodes[:start], *found.nodes[stop:])
            one = attempt(rest) if rest else None
            if one is not None and one.right >= goal:
                found = one
            stop = start
        part //= 2
    return found


def _shares(right: int, images: int) -> dict[str, Any]:
    return {"share": right / images, "ci95": list(wilson_interval(right, images))}


def _price(found: Speedup | None) -> dict[str, Any]:
    if found is None:
        return {"latency_ratio": None, "latency_ratio_ci95": None}
    return {"latency_ratio": found.ratio, "latency_ratio_ci95": list(found.ci95)}
