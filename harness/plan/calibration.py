"""The images that ranges are taken from: clean ones, or degraded by a condition, as a field's camera would."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.files import value_digest
from seatrial.harness.conditions import Condition
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ImageStore

ONE_CLASS = "All calibration images are of one class: ranges of what other classes look like are guessed."


def of_one_class(labels: npt.NDArray[np.int64]) -> bool:
    """True for images of a single class; of negative labels, nobody knows.

    >>> of_one_class(np.array([2, 2])), of_one_class(np.array([1, 2])), of_one_class(np.array([-1, -1]))
    (True, False, False)
    """
    return len(set(labels.tolist())) == 1 and int(labels[0]) >= 0


@dataclasses.dataclass(frozen=True)
class CalibrationSet:
    """Images in a fixed order, each under `condition`; ids: one per image, on which the condition's seed hangs."""

    store: ImageStore
    ids: Sequence[str]
    condition: Condition
    seed: int

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
        for start in range(0, len(self.store), size):
            stop = min(start + size, len(self.store))
            yield self.condition.apply(self.store.read(start, stop), self.ids[start:stop], self.seed)
