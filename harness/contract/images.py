"""Decoded images: every file is decoded once per decoder, and kept in scratch space at its own size."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from seatrial.errors import UsageError
from seatrial.exporters.contract import InputContract
from seatrial.files import disk_errors
from seatrial.harness.data.source import Payload, Pixels, Selection
from seatrial.harness.pipeline import ordered_map
from seatrial.harness.pipeline.decoders import decode
from seatrial.harness.pipeline.resize import to_size


@dataclasses.dataclass(frozen=True)
class _Place:
    offset: int
    shape: tuple[int, ...]


class DecodedImages:
    """uint8 RGB pixels of a selection, each image at its own size, on disk: memory does not grow with their number.

    Where the decoders agree to the last bit on an image, one copy serves all; `differing` counts the others. The file
    has no name, so that it is gone with the process. Reading is safe from several threads.
    """

    def __init__(
        self,
        selection: Selection,
        folder: Path,
        *,
        workers: int,
        decoders: Sequence[str] = ("pillow", "opencv"),
        orientation: str = "ignore",
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Decodes all images; BadInputError naming the first that does not decode, UsageError where the disk refuses.

        decoders: those that are compared. orientation: of all of them, as in the contract. progress: called with the
        number of images done.
        """
        self._decoders = decoders
        self._orientation = orientation
        self._folder = folder
        self._lock = threading.Lock()
        self._end = 0
        self._names = [""] * len(selection)
        self._places: list[dict[str, _Place]] = [{} for _ in self._names]
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (lives as long as the object)
        try:
            tasks = selection.stream()
            for done, _ in enumerate(ordered_map(self._take, tasks, workers=workers), start=1):
                progress(done)
        except BaseException:
            self.close()
            raise
        self.differing = sum(len(set(places.values())) > 1 for places in self._places)
        self.sizes = {place.shape[:2] for places in self._places for place in places.values()}

    def read(self, position: int, contract: InputContract) -> Pixels:
        """uint8 [height, width, 3]: one image by the contract's decoder, rule and filter."""
        place = self._places[position][contract.decoder]
        raw = os.pread(self._file.fileno(), int(np.prod(place.shape)), place.offset)
        return to_size(np.frombuffer(raw, np.uint8).reshape(place.shape), contract, self._names[position])

    def __len__(self) -> int:
        return len(self._names)

    def close(self) -> None:
        """Gives the scratch space back."""
        self._file.close()

    def __enter__(self) -> DecodedImages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, task: tuple[int, Payload]) -> None:
        position, payload = task
        self._names[position] = payload.where
        reference, *others = self._decoders
        first = decode(payload, reference, self._orientation)
        places = {reference: self._put(first)}
        for decoder in others:
            other = decode(payload, decoder, self._orientation)
            same = np.array_equal(first, other)
            places[decoder] = places[reference] if same else self._put(other)
        self._places[position] = places

    def _put(self, pixels: Pixels) -> _Place:
        raw = pixels.tobytes()
        with self._lock:
            place = _Place(self._end, pixels.shape)
            self._end += len(raw)
        with disk_errors(self._folder):
            if os.pwrite(self._file.fileno(), raw, place.offset) != len(raw):
                raise UsageError(f"Cannot write scratch space in {self._folder}: the disk is full.")
        return place
