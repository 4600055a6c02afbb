"""One line of queries: its input buffer, what it measured, and the answers it got."""

from __future__ import annotations

import array
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from seatrial.engines.timing.answers import Answers, Logits
from seatrial.engines.timing.block import Block
from seatrial.engines.timing.order import samples_of
from seatrial.engines.timing.samples import Samples

# Samples whose order is drawn at once.
_DRAWN = 1 << 14


class Worker:
    """Stages a query into `buffer`, as a camera writes its frames, and notes what came of it: int64 each, by `numbers`.

    waited: seconds that a thread which has ended since waited for a processor.
    """

    def __init__(self, samples: Samples, block: Block, *, every: int | None = None) -> None:
        """every: of the answers, as `Answers`."""
        self._samples, self._block = samples, block
        self.buffer: npt.NDArray[Any] = np.empty((block.samples, *samples.inputs.shape[1:]), samples.inputs.dtype)
        self._flat = self.buffer.reshape(block.samples, -1)
        self.answers = Answers(samples.expected, block.samples, every=every)
        self.numbers, self.begin, self.taken, self.service = (array.array("q") for _ in range(4))
        self.waited = 0.0
        self._order, self._drawn = np.empty((0, block.samples), np.int64), 0

    def stage(self, number: int) -> None:
        """Writes the query's input; of an odd number, one value of each sample is another than ever before."""
        self._samples.inputs.take(self._asked(number), axis=0, out=self.buffer, mode="clip")
        if is_fresh(number):
            for sample in self._flat:
                self._samples.freshener.change(sample)

    def stage_known(self, number: int) -> None:
        """Writes the query's input as it is."""
        self._samples.inputs.take(self._asked(number), axis=0, out=self.buffer, mode="clip")

    def note(self, number: int, begin: int, taken: int, service: int, answer: Logits) -> None:
        """Nanoseconds as in `Timed`."""
        self.numbers.append(number)
        self.begin.append(begin)
        self.taken.append(taken)
        self.service.append(service)
        self.answers.keep(answer, self._asked(number), is_fresh(number))

    def _asked(self, number: int) -> npt.NDArray[np.int64]:
        at = number - self._drawn
        if not 0 <= at < len(self._order):
            block, self._drawn, at = self._block, number, 0
            numbers = np.arange(number, number + max(1, _DRAWN // block.samples))
            self._order = samples_of(block.seed, numbers, block.samples, len(self._samples.inputs))
        asked: npt.NDArray[np.int64] = self._order[at]
        return asked


_Number = TypeVar("_Number", int, npt.NDArray[np.int64])


def is_fresh(number: _Number) -> Any:
    """bool, or bools: whether the query of that number asks what was never asked before."""
    return number & 1 == 1
