"""What a data source is: labelled images with stable ids, read as a stream."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seatrial.errors import BadInputError
from seatrial.files import value_digest

Pixels = npt.NDArray[np.uint8]


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

    def digests(self, indices: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Yields (position in `indices`, content hash) once for each, of what is stored (not of decoded pixels)."""

    def digest(self, payload: Payload) -> str | None:
        """The same of an image that has been read; None where `stream` compares by itself."""

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, Payload]]:
        """Yields (position in `indices`, payload) once for each, in whatever order is cheap to read."""


@dataclasses.dataclass(frozen=True)
class Selection:
    """The images of a source that a run uses, in their seeded order. digests: of each, None as long as nobody knows."""

    source: DataSource
    indices: tuple[int, ...]
    digests: tuple[str, ...] | None = dataclasses.field(default=None, repr=False)

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

    @property
    def labelled(self) -> bool:
        """False where nobody knows what the images show: every label is negative."""
        return bool((self.labels >= 0).all())

    def hashed(self, progress: Callable[[int], None] = lambda done: None) -> Selection:
        """The same, which knows what is stored: what is read from now on must be that. progress: called with the number
        of images read.
        """
        digests = [""] * len(self)
        for done, (position, digest) in enumerate(self.source.digests(self.indices), start=1):
            digests[position] = digest
            progress(done)
        return dataclasses.replace(self, digests=tuple(digests))

    @property
    def digest(self) -> str:
        """A hash of ids, labels and stored content, in order; of a selection that is `hashed`."""
        if self.digests is None:
            raise ValueError("the images are not hashed")
        return value_digest([self.ids, self.labels.tolist(), list(self.digests)])

    def stream(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Payload]]:
        """Yields (position from `start` on, payload) once for each, in whatever order is cheap to read. BadInputError
        for an image that is not what was hashed.
        """
        for position, payload in self.source.stream(self.indices[start:stop]):
            if self.digests is not None and self.source.digest(payload) not in (None, self.digests[start + position]):
                raise changed(payload.where)
            yield position, payload


def content_digest(payload: Payload) -> str:
    """SHA-256 of a file's bytes, or of pixels, as hex."""
    content = payload.content
    return hashlib.sha256(content if isinstance(content, bytes) else content.tobytes()).hexdigest()


def changed(where: str) -> BadInputError:
    """What to say of an image that is not what it was."""
    return BadInputError(
        f"{where} changed while the run was at work: it is not what was there at its beginning. Let nothing write "
        "to the images, and repeat the command."
    )
