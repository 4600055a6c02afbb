"""A source under other labels: shifted ones, for a model whose outputs begin earlier than its data; or unknown ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.data.source import DataSource, Payload


class RelabelledSource:
    """The images of another source, with `labels`, int64 [N], in place of its own."""

    def __init__(self, source: DataSource, labels: npt.NDArray[np.int64]) -> None:
        self._source = source
        self.name = source.name
        self.ids = source.ids
        self.encoded = source.encoded
        self.image_size = source.image_size
        self.labels = labels

    def digests(self, indices: Sequence[int]) -> Iterator[tuple[int, str]]:
        """The other source's."""
        return self._source.digests(indices)

    def digest(self, payload: Payload) -> str | None:
        """The other source's."""
        return self._source.digest(payload)

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, Payload]]:
        """The other source's."""
        return self._source.stream(indices)
