"""What a data source is: labelled images with stable ids, read as a stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seatrial.files import value_digest

Pixels = npt.NDArray[np.uint8]
_STEP = 256


@dataclasses.dataclass(frozen=True)
class Payload:
    """One image on its way in: the encoded file's bytes, or uint8 pixels [H, W, 3]; `where` names it in errors."""

    where: str
    content: bytes | Pixels


class DataSource(Protocol):
    """Labelled images that can be listed at once and read as a stream."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def ids(self) -> Sequence[str]:
        """Stable and unique, one per image."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """int64 [N], indices of the model's outputs."""

    @property
    def encoded(self) -> bool:
        """True for files that a decoder reads, at their own sizes, in any order; False for arrays of one size."""

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) of all images where the source says it, None for files."""

    def digests(self, indices: Sequence[int]) -> list[str]:
        """A content hash per image, of what is stored (not of decoded pixels)."""

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, Payload]]:
        """Yields (position in `indices`, payload) once for each, in whatever order is cheap to read."""


@dataclasses.dataclass(frozen=True)
class Selection:
    """The images of a source that a run uses, in their seeded order."""

    source: DataSource
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def ids(self) -> list[str]:
        """Image ids, in order."""
        return [self.source.ids[index] for index in self.indices]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """int64 [N], in order."""
        return self.source.labels[list(self.indices)]

    def digest(self, progress: Callable[[int], None] = lambda done: None) -> str:
        """A hash of ids, labels and stored content, in order. progress: called with the number of images read."""
        digests: list[str] = []
        for start in range(0, len(self), _STEP):
            digests.extend(self.source.digests(self.indices[start : start + _STEP]))
            progress(len(digests))
        return value_digest([self.ids, self.labels.tolist(), digests])
