"""Images in two shades, as many as are asked for: `sample:12`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from seatrial.harness.data import DataSource, Payload
from seatrial.harness.data.labels import LabelOf


class Shades:
    """uint8 [16, 16, 3] of one value each."""

    name, encoded, image_size = "shades", False, (16, 16)

    def __init__(self, count: int, classes: int) -> None:
        self.ids = [f"shade-{index}" for index in range(count)]
        self.labels = np.arange(count) % classes

    def digests(self, indices: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Of the pixels."""
        for position, payload in self.stream(indices):
            yield position, self.digest(payload)

    def digest(self, payload: Payload) -> str:
        """SHA-256."""
        return hashlib.sha256(payload.content).hexdigest()

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, Payload]]:
        """In the order asked for."""
        for position, index in enumerate(indices):
            yield position, Payload(self.ids[index], self._image(index))

    def _image(self, index: int) -> np.ndarray:
        return np.full((16, 16, 3), 20 * index % 256, np.uint8)


def open_sample(where: str, classes: int, label_of: LabelOf) -> DataSource:
    """What stands behind the colon is their number."""
    return Shades(int(where), classes)
