"""The images that ranges are taken from: clean ones, or degraded by a condition, as a field's camera would."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.files import value_digest
from seatrial.harness.conditions import Condition
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ImageStore
from seatrial.harness.progress import Progress, Silent

ONE_CLASS = "All calibration images are of one class: ranges of what other classes look like are guessed."


def of_one_class(labels: npt.NDArray[np.int64]) -> bool:
    """True for images of a single class; of negative labels, nobody knows.

    >>> of_one_class(np.array([2, 2])), of_one_class(np.array([1, 2])), of_one_class(np.array([-1, -1]))
    (True, False, False)
    """
    return len(set(labels.tolist())) == 1 and int(labels[0]) >= 0


@dataclasses.dataclass(frozen=True)
class CalibrationSet:
    """Images in a fixed order, each under `condition`; ids: one per image, on which the condition's seed hangs.
    progress: is told of every look at more than the first of them.
    """

    store: ImageStore
    ids: Sequence[str]
    condition: Condition
    seed: int
    progress: Progress = dataclasses.field(default_factory=Silent, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.store)

    @property
    def digest(self) -> str:
        """A hash of every image's pixels, in order, and of what is done to them."""
        if self.condition.transform is None:
            return self.store.digest
        return value_digest([self.store.digest, self.condition.id, self.seed, list(self.ids)])

    def batches(self, size: int) -> Iterator[Pixels]:
        """Streams them from the first: uint8 [<= size, H, W, 3]."""
        ranges = [(start, min(start + size, len(self.store))) for start in range(0, len(self.store), size)]
        yield from itertools.starmap(self._read, ranges[:1])
        if len(ranges) == 1:
            return
        stack = contextlib.ExitStack()
        update = stack.enter_context(self.progress.stage("Looking at calibration images", len(self.store)))
        try:
            for start, stop in ranges[1:]:
                update(start)
                yield self._read(start, stop)
        finally:  # whoever has seen enough leaves the stage as well
            stack.close()

    def _read(self, start: int, stop: int) -> Pixels:
        return self.condition.apply(self.store.read(start, stop), self.ids[start:stop], self.seed)
