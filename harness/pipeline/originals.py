"""Images as they are stored, by position: where decoding and resizing are the question."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from seatrial.harness.data.source import Payload, Pixels, Selection
from seatrial.harness.pipeline.prefetch import ordered_map
from seatrial.harness.pipeline.store import ImageStore

# What a camera or an image library writes where nobody says otherwise: Pillow subsamples the chroma 4:2:0 at it.
REENCODE_QUALITY = 95
# Arrays that have the model's size already are enlarged to a photograph of twice that size, so that a resize filter has
# something to do.
ENLARGE_FACTOR = 2


class Originals:
    """A selection's files or arrays. Arrays are read from their archive once, into a nameless scratch file, as they can
    be read there only one after the other.
    """

    def __init__(
        self, selection: Selection, folder: Path, *, workers: int, progress: Callable[[int], None] = lambda done: None
    ) -> None:
        """progress: called with the number of arrays read."""
        self._selection = selection
        self._store: ImageStore | None = None
        if not selection.source.encoded:
            self._store = _spool_arrays(selection, folder, workers, progress)

    def __len__(self) -> int:
        return len(self._selection)

    def read(self, start: int, stop: int) -> Iterator[tuple[int, Payload]]:
        """Yields (position from `start` on, payload) once for each; safe from several threads."""
        if self._store is None:
            yield from self._selection.stream(start, stop)
            return
        for position, pixels in enumerate(self._store.read(start, stop)):
            yield position, Payload(self._selection.ids[start + position], pixels)

    def close(self) -> None:
        """Gives the scratch space back."""
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Originals:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def reencoded(payload: Payload) -> Payload:
    """An array as a JPEG file of quality 95, chroma 4:2:0, by Pillow; a file stays what it is."""
    if isinstance(payload.content, bytes):
        return payload
    buffer = io.BytesIO()
    Image.fromarray(payload.content).save(buffer, "jpeg", quality=REENCODE_QUALITY)
    return Payload(payload.where, buffer.getvalue())


def enlarged(pixels: Pixels) -> Pixels:
    """uint8 [H, W, 3] -> uint8 [2 H, 2 W, 3], by Pillow's bicubic filter."""
    size = (pixels.shape[1] * ENLARGE_FACTOR, pixels.shape[0] * ENLARGE_FACTOR)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _spool_arrays(selection: Selection, folder: Path, workers: int, progress: Callable[[int], None]) -> ImageStore:
    _, first = next(iter(selection.stream(0, 1)))
    assert isinstance(first.content, np.ndarray)
    height, width, _ = first.content.shape
    store = ImageStore(folder, len(selection), (height, width))

    def take(task: tuple[int, Payload]) -> None:
        position, payload = task
        assert isinstance(payload.content, np.ndarray)
        store.put(position, payload.content)

    try:
        tasks = selection.stream()
        for done, _ in enumerate(ordered_map(take, tasks, workers=workers, ahead=8), start=1):
            progress(done)
    except BaseException:
        store.close()
        raise
    return store
