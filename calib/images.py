"""What calibration asks of its images: a stream of batches, a count and an identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt


class CalibrationImages(Protocol):
    """uint8 RGB images at the model's size, in a fixed order."""

    @property
    def digest(self) -> str:
        """A hash of every image's content, in order."""

    def __len__(self) -> int:
        """How many images."""

    def batches(self, size: int) -> Iterator[npt.NDArray[np.uint8]]:
        """Streams them from the first: uint8 [<= size, H, W, 3]."""


def whole_batches(images: CalibrationImages, size: int, *, fill: bool) -> Iterator[npt.NDArray[np.uint8]]:
    """The batches of `images`; with `fill`, the last one is filled up to `size` with its last image."""
    for batch in images.batches(size):
        missing = size - len(batch) if fill else 0
        yield np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
