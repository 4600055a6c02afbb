"""Corrupted sets as others released them: an ImageNet-C tree, or CIFAR-10-C's .npy files.

Their images are taken as they are: ImageNet-C's are cropped and went through a JPEG before the release, so nothing is
resized again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from seatrial.errors import BadInputError
from seatrial.files import check_regular, open_regular
from seatrial.harness.conditions.corruptions import SEVERITIES, names
from seatrial.harness.conditions.kinds.corruption.ids import corruption_id
from seatrial.harness.conditions.released import ReleasedSet
from seatrial.harness.data.folder import FolderSource
from seatrial.harness.data.labels import LabelOf, check_labels
from seatrial.harness.data.source import DataSource, Payload, Pixels, changed, content_digest

_LABELS = "labels.npy"


def find_released(path: Path, classes: int, label_of: LabelOf) -> ReleasedSet | None:
    """The released set at `path`, None where it is none.

    An ImageNet-C tree is CORRUPTION/SEVERITY/CLASS/IMAGE, with or without the release's folders of families (noise,
    blur, ...) above. CIFAR-10-C is CORRUPTION.npy, uint8 [5 N, H, W, 3] with the severities one after the other, and
    labels.npy.
    """
    if not path.is_dir():
        return None
    if (path / _LABELS).is_file():
        return _arrays(path, classes)
    return _tree(path, label_of)


def _tree(path: Path, label_of: LabelOf) -> ReleasedSet | None:
    known = set(names())
    found: dict[str, Path] = {}
    for folder in (path, *(Path(entry.path) for entry in os.scandir(path) if entry.is_dir())):
        found.update((entry.name, Path(entry.path)) for entry in os.scandir(folder) if entry.name in known)
    sources: dict[str, Callable[[], DataSource]] = {}
    for name in (name for name in names() if name in found):
        for severity in SEVERITIES:
            folder = found[name] / str(severity)
            if folder.is_dir():
                sources[corruption_id(name, severity)] = functools.partial(
                    FolderSource, folder, label_of, by_content=False
                )
    return ReleasedSet(path.name, sources) if sources else None


def _arrays(path: Path, classes: int) -> ReleasedSet:
    sources: dict[str, Callable[[], DataSource]] = {}
    for name in names():
        file = path / f"{name}.npy"
        if file.is_file():
            for severity in SEVERITIES:
                sources[corruption_id(name, severity)] = functools.partial(NpySource, file, severity, classes)
    if not sources:
        raise BadInputError(f"{path} has a {_LABELS} but none of CIFAR-10-C's CORRUPTION.npy files.")
    return ReleasedSet(path.name, sources)


class NpySource:
    """One severity of a CIFAR-10-C file. Ids are the positions in the test set, `000000` and so on."""

    encoded = False

    def __init__(self, file: Path, severity: int, classes: int) -> None:
        """Raises BadInputError for another layout, and for labels that are no index of `classes` outputs."""
        self.file = file
        self.name = f"{file.stem}@{severity}"
        images, labels = _map(file), _map(file.parent / _LABELS)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or len(images) % len(SEVERITIES):
            raise BadInputError(
                f"{file} is {images.dtype} {list(images.shape)}; expected uint8 [5 N, height, width, 3]."
            )
        count = len(images) // len(SEVERITIES)
        if labels.dtype.kind not in "iu" or labels.ndim != 1 or len(labels) not in (count, len(images)) or not count:
            raise BadInputError(
                f"{file.parent / _LABELS} is {labels.dtype} {list(labels.shape)}; expected [{len(images)}]."
            )
        if not images.flags.c_contiguous:
            raise BadInputError(f"{file} is in Fortran order, which is not read.")
        self._shape, self._offset = images.shape[1:], images.offset
        self.image_size: tuple[int, int] | None = (images.shape[1], images.shape[2])
        self._first = (severity - 1) * count
        begin = self._first if len(labels) > count else 0
        self.labels: npt.NDArray[np.int64] = labels[begin : begin + count].astype(np.int64)
        check_labels(self.labels.tolist(), classes)
        self.ids = [f"{index:06d}" for index in range(count)]

    def digests(self, indices: Sequence[int]) -> Iterator[tuple[int, str]]:
        """SHA-256 of each image's pixels."""
        size = math.prod(self._shape)
        with self._open() as stream:
            stream.seek(self._offset + self._first * size)
            images = memoryview(stream.read(len(self.ids) * size))
        for position, index in enumerate(indices):
            yield position, hashlib.sha256(images[index * size : (index + 1) * size]).hexdigest()

    def digest(self, payload: Payload) -> str:
        """SHA-256 of its pixels."""
        return content_digest(payload)

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, Payload]]:
        """Reads the images asked for, in their order; BadInputError where the file ends before one of them."""
        size = math.prod(self._shape)
        with self._open() as stream:
            for position, index in enumerate(indices):
                where = f"{self.file}, image {self._first + index}"
                stream.seek(self._offset + (self._first + index) * size)
                raw = stream.read(size)
                if len(raw) != size:
                    raise changed(where)
                image: Pixels = np.frombuffer(raw, np.uint8).reshape(self._shape)
                yield position, Payload(where, image)

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        try:
            with open_regular(self.file) as stream:
                yield stream
        except OSError as error:
            raise BadInputError(f"{self.file} cannot be read any more: {error.strerror}.") from error


def _map(file: Path) -> np.memmap[Any, np.dtype[Any]]:
    try:
        check_regular(file)
        mapped: np.memmap[Any, np.dtype[Any]] = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy lets tokenize and ast errors of a hostile header through
        raise BadInputError(f"{file} is not a readable .npy array: {error}.") from error
    return mapped
