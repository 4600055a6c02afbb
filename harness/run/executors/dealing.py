"""Who answers which slice next: each node has a home among the images, and helps out where others are behind.

A home's images are decoded by one node alone, and conditions are finished in the order of the run, so that trials are
filed as early as in a local run. Slices grow to what takes a node some seconds, as measured on those before.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

# Work that a node is given at once: long beside the milliseconds that giving takes, short beside a run.
SLICE_S = 4.0
# Passes that are at work at the same time, beyond the first that is not finished: rows of these are held in memory.
AHEAD = 4
# At the end, slices shrink so that all nodes end together: to this part of an even share of what is left.
_SHARE = 0.5
_SMOOTH = 0.5


@dataclasses.dataclass(frozen=True)
class Slice:
    """Images [start, stop) of a pass, by its number. tries: how often its images were given away for nothing."""

    number: int
    start: int
    stop: int
    tries: int = 0

    def __len__(self) -> int:
        return self.stop - self.start


class Dealer:
    """Deals all images of all passes, each once unless they are `returned`.

    Slices begin at multiples of `batch`.
    """

    def __init__(
        self,
        weights: Sequence[int],
        images: int,
        workers: Sequence[int],
        batch: int,
        *,
        slice_s: float = SLICE_S,
        batches: int = 1,
    ) -> None:
        """weights: of each pass, what an image takes, as answers: conditions x targets. workers: their numbers.
        slice_s: as SLICE_S. batches: that each thread of a worker is given at once, at least, as long as there are
        enough for all: of work whose batches take unlike times.
        """
        self._weights, self._batch, count = list(weights), batch, max(1, len(workers))
        self._slice_s, self._least = slice_s, batches
        cut = -(-images // batch)
        cuts = [min(images, cut * place // count * batch) for place in range(count + 1)]
        homes = dict(zip(workers, itertools.pairwise(cuts), strict=False))
        self._homes = [
            {worker: [Slice(number, start, stop)] if start < stop else [] for worker, (start, stop) in homes.items()}
            for number in range(len(self._weights))
        ]
        self._loose: list[list[Slice]] = [[] for _ in self._weights]
        self._open = [images] * len(self._weights)
        self._undealt = sum(weight * images for weight in self._weights)
        self._rates: dict[int, float] = {}

    @property
    def finished(self) -> bool:
        """True once all has been answered."""
        return not any(self._open)

    def next(self, worker: int, threads: int = 1) -> Slice | None:
        """What that worker does next; None where nothing is left to deal now. threads: that it works with."""
        window = self._window()
        for number in window:
            if self._loose[number]:
                return self._cut(worker, threads, number, self._loose[number], from_tail=False)
        for number in window:
            if self._homes[number].get(worker):  # who joins later has none
                return self._cut(worker, threads, number, self._homes[number][worker], from_tail=False)
        for number in window:
            others = max(self._homes[number].values(), key=lambda home: sum(map(len, home)), default=[])
            if others:
                return self._cut(worker, threads, number, others, from_tail=True)
        return None

    def answered(self, worker: int, done: Slice, seconds: float) -> None:
        """That worker took so long for a slice; 0 where there was nothing to do."""
        self._open[done.number] = max(0, self._open[done.number] - len(done))
        if not seconds:
            return
        rate = len(done) * self._weights[done.number] / seconds
        known = self._rates.get(worker, rate)
        self._rates[worker] = known + _SMOOTH * (rate - known)

    def returned(self, lost: Slice) -> None:
        """It was given away for nothing: whoever asks next gets it."""
        self._loose[lost.number].append(dataclasses.replace(lost, tries=lost.tries + 1))
        self._undealt += len(lost) * self._weights[lost.number]

    def abandon(self) -> None:
        """What is left is nobody's any more."""
        self._open = [0] * len(self._open)
        self._loose = [[] for _ in self._open]
        self._homes = [{} for _ in self._open]

    def _window(self) -> range:
        first = next((number for number, left in enumerate(self._open) if left), len(self._open))
        return range(first, min(first + 1 + AHEAD, len(self._open)))

    def _cut(self, worker: int, threads: int, number: int, home: list[Slice], *, from_tail: bool) -> Slice:
        grain, weight = self._batch * threads, self._weights[number]
        rate = self._rates.get(worker) or max(self._rates.values(), default=0.0)
        share = _SHARE * self._undealt / max(1, len(self._homes[number])) / weight
        size = min(max(rate * self._slice_s / weight, grain * self._least), share)
        size = max(grain, int(size) // grain * grain)
        piece = home.pop(-1 if from_tail else 0)
        if len(piece) >= size + grain:
            if from_tail:
                middle = piece.start + -(-(len(piece) - size) // self._batch) * self._batch
                home.append(dataclasses.replace(piece, stop=middle))
                piece = dataclasses.replace(piece, start=middle)
            else:
                home.insert(0, dataclasses.replace(piece, start=piece.start + size))
                piece = dataclasses.replace(piece, stop=piece.start + size)
        self._undealt -= len(piece) * weight
        return piece
