"""Images at the model's size, decoded once: a nameless scratch file from which every condition reads its batches."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from seatrial.errors import UsageError
from seatrial.files import disk_errors, value_digest
from seatrial.harness.data.source import Pixels
from seatrial.text import bytes_words


class ImageStore:
    """uint8 RGB [N, height, width, 3] on disk, so that memory does not grow with N.

    The file has no name from the start, so that it is gone with the process, however that ends. Images may be put in
    any order and from several threads; reading is safe from several threads, too.
    """

    def __init__(self, folder: Path, count: int, size: tuple[int, int]) -> None:
        """folder: where the scratch file lives; UsageError where it has no room for `count` images."""
        self.folder = folder
        self.shape = (*size, 3)
        self.count = count
        self._image_bytes = math.prod(self.shape)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            needed, free = count * self._image_bytes, shutil.disk_usage(folder).free
            if needed > free:
                raise UsageError(
                    f"{count} images at {size[0]}x{size[1]} px take {bytes_words(needed)} of scratch "
                    f"space, and {folder} has {bytes_words(free)}. Free some, use --limit, or set "
                    "SEATRIAL_CACHE to a folder on a larger disk."
                )
            self._digests = [""] * count
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (lives as long as the store)

    def put(self, position: int, image: Pixels) -> None:
        """Files uint8 [height, width, 3] at a position."""
        if image.shape != self.shape or image.dtype != np.uint8:
            raise ValueError(f"expected uint8 {self.shape}, got {image.dtype} {image.shape}")
        raw = image.tobytes()
        self._digests[position] = hashlib.sha256(raw).hexdigest()
        with disk_errors(self.folder):
            if os.pwrite(self._file.fileno(), raw, position * self._image_bytes) != len(raw):
                raise UsageError(f"Cannot write scratch space in {self.folder}: the disk is full.")

    def read(self, start: int, stop: int) -> Pixels:
        """uint8 [stop - start, height, width, 3]; every call returns memory of its own."""
        raw = bytearray(os.pread(self._file.fileno(), (stop - start) * self._image_bytes, start * self._image_bytes))
        return np.frombuffer(raw, np.uint8).reshape(-1, *self.shape)

    def __len__(self) -> int:
        return self.count

    def batches(self, size: int) -> Iterator[Pixels]:
        """Streams the images in order."""
        for start in range(0, self.count, size):
            yield self.read(start, min(start + size, self.count))

    @property
    def pixel_digests(self) -> Sequence[str]:
        """SHA-256 of each image's pixels."""
        return self._digests

    @property
    def digest(self) -> str:
        """A hash of all pixels, in order."""
        return value_digest(self._digests)

    def close(self) -> None:
        """Gives the scratch space back."""
        self._file.close()

    def __enter__(self) -> ImageStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
