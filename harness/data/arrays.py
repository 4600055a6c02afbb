"""An .npz archive with `images` (uint8 [N, H, W, 3], or gray ones) and `labels` (integers [N]), streamed member by
member.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from seatrial.errors import BadInputError
from seatrial.files import ZIP_ERRORS, check_regular, file_digest, reason_of
from seatrial.harness.data.labels import check_labels
from seatrial.harness.data.source import Payload, Pixels, changed

_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What is read whole stays far below this for any real test set; an archive of a few kB can claim to hold much more.
_MAX_LABEL_BYTES = 64 << 20
_MAX_NAME_BYTES = 512 << 20
_MAX_HEADER_BYTES = 1 << 16
_PIECE = 1 << 20


class _Head:
    """The beginning of an array, for NumPy: it reads a header whole before it looks at its length, up to 4 GiB."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """ValueError for more than any header has."""
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise ValueError(f"its header claims {size} bytes")
        return self._stream.read(size)


def holds_labels(path: Path) -> bool:
    """True for an archive with an array `labels`; BadInputError for what is no archive."""
    with _opened(path) as archive:
        return "labels.npy" in archive.namelist()


class ArraySource:
    """Images of an .npz archive, gray ones ([N, H, W], [N, H, W, 1], or flat squares [N, H * H]) as R = G = B. Ids are
    its `names` where it has them and they are unique, else the index.

    Nothing is unpickled, and the images are never in memory together.
    """

    encoded = False

    def __init__(self, path: Path, classes: int, *, labelled: bool = True) -> None:
        """Raises BadInputError for another layout and for labels that are no index of `classes` outputs.

        labelled: whether labels are needed; else they are -1 where there are none, or none of this model's.
        """
        self.path = path
        self.name = path.stem
        self._digest: str | None = None
        self._crc: int | None = None
        with _opened(path) as archive:
            self._members = frozenset(archive.namelist())
        with self._member("images") as stream:
            shape, dtype = self._read_header(stream, "images")
        given = shape
        if len(shape) == 2 and math.isqrt(shape[1]) ** 2 == shape[1]:
            shape = (shape[0], *(math.isqrt(shape[1]),) * 2)
        if dtype != np.uint8 or len(shape) not in (3, 4) or shape[3:] not in ((), (1,), (3,)) or 0 in shape[1:]:
            raise BadInputError(
                f"{path}: `images` is {dtype} {list(given)}; expected uint8 [N, height, width, 3], or gray ones "
                "[N, height, width], [N, height, width, 1] or, where they are square, [N, height * width]."
            )
        if not shape[0]:
            raise BadInputError(f"{path} holds no images.")
        self._image_shape = shape[1:]
        known = labelled or "labels.npy" in self._members
        self.labels = self._labels(shape[0]) if known else np.full(shape[0], -1, np.int64)
        if labelled:
            check_labels(np.unique(self.labels).tolist(), classes)
        elif self.labels.min() < 0 or self.labels.max() >= classes:
            self.labels = np.full_like(self.labels, -1, np.int64)
        self.ids = self._ids(shape[0])

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of every image."""
        return self._image_shape[0], self._image_shape[1]

    def digests(self, indices: Sequence[int]) -> Iterator[tuple[int, str]]:
        """The archive's SHA-256 and the position: the content of the whole file stands for each image's."""
        with _opened(self.path) as archive:
            self._crc = archive.getinfo("images.npy").CRC
        self._digest = self._digest or file_digest(self.path)
        return ((position, f"{self._digest}:{index}") for position, index in enumerate(indices))

    def digest(self, payload: Payload) -> None:
        """None: `stream` compares all that it reads with the archive's own checksum, which was hashed."""

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, Payload]]:
        """Reads the archive once from front to back, and yields the images asked for as they pass. Once `digests` has
        hashed it, BadInputError where it is another, in the end at the latest.
        """
        position_of = {index: position for position, index in enumerate(indices)}
        size = math.prod(self._image_shape)
        with self._member("images") as stream:
            self._read_header(stream, "images")
            for index in range(max(position_of, default=-1) + 1):
                raw = self._exactly(stream, size)
                if index in position_of:
                    image: Pixels = np.frombuffer(raw, np.uint8).reshape(*self.image_size, -1)
                    if image.shape[2] == 1:
                        image = np.repeat(image, 3, axis=2)
                    yield position_of[index], Payload(f"{self.path}, image {index}", image)
            if self._crc is not None:
                self._to_the_end(stream, (len(self.ids) - 1 - max(position_of, default=-1)) * size)

    def _labels(self, count: int) -> npt.NDArray[np.int64]:
        labels = self._whole("labels", _MAX_LABEL_BYTES)
        if labels.dtype.kind not in "iu" or labels.shape != (count,):
            raise BadInputError(
                f"{self.path}: `labels` is {labels.dtype} {list(labels.shape)}; expected integers [{count}]."
            )
        return labels.astype(np.int64)

    def _ids(self, count: int) -> list[str]:
        if "names.npy" in self._members:
            names = self._whole("names", _MAX_NAME_BYTES)
            ids = [str(name) for name in names.tolist()] if names.dtype.kind == "U" else []
            if len(ids) == count == len(set(ids)):
                return ids
        return [f"{index:06d}" for index in range(count)]

    def _whole(self, name: str, most: int) -> npt.NDArray[Any]:
        with self._member(name) as stream:
            shape, dtype = self._read_header(stream, name)
            size = math.prod(shape) * dtype.itemsize
            if size > most:
                raise BadInputError(f"{self.path}: `{name}` claims {size} bytes.")
            return np.frombuffer(self._exactly(stream, size), dtype).reshape(shape)

    def _member(self, name: str) -> IO[bytes]:
        if f"{name}.npy" not in self._members:
            raise BadInputError(
                f"{self.path} has no array `{name}`; expected `images` and `labels`. Only a run, diff and --calib take "
                "images without labels."
            )
        archive = _opened(self.path)
        if name == "images" and self._crc not in (None, archive.getinfo("images.npy").CRC):
            raise changed(str(self.path))
        try:
            return archive.open(f"{name}.npy")
        except ZIP_ERRORS as error:
            raise BadInputError(f"{self.path} is not a readable .npz archive: {reason_of(error)}.") from error

    def _read_header(self, stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        try:
            head = _Head(stream)
            major, _ = np.lib.format.read_magic(head)
            read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(head)
        except Exception as error:  # NumPy lets tokenize and ast errors of a hostile header through
            raise BadInputError(f"{self.path}: the array `{name}` is malformed: {error}.") from error
        if min(shape, default=0) < 0:
            raise BadInputError(f"{self.path}: the array `{name}` has the shape {list(shape)}.")
        if dtype.hasobject or (fortran and len(shape) > 1):
            raise BadInputError(f"{self.path}: `{name}` holds pickled objects or is in Fortran order; neither is read.")
        return shape, dtype

    def _exactly(self, stream: IO[bytes], size: int) -> bytes:
        raw = self._piece(stream, size)
        if len(raw) != size:
            raise BadInputError(f"{self.path} is truncated: an array ends before its declared size.")
        return raw

    def _to_the_end(self, stream: IO[bytes], size: int) -> None:
        """Reads on for `size` bytes: the checksum is that of the whole array."""
        while size > 0:
            size -= len(self._exactly(stream, min(size, _PIECE)))
        if self._piece(stream, 1):
            raise BadInputError(f"{self.path} is damaged: an array goes on behind its declared size.")

    def _piece(self, stream: IO[bytes], size: int) -> bytes:
        try:
            return stream.read(size)
        except ZIP_ERRORS as error:
            raise BadInputError(f"{self.path} is damaged: {reason_of(error)}.") from error


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        check_regular(path)
        archive = zipfile.ZipFile(path)
        names = archive.namelist()
        if len(names) != len(set(names)):
            twice = next(name for name in names if names.count(name) > 1)
            raise BadInputError(f"{path} holds {twice!r} twice, and nobody knows which one is meant.")
        packed = next((one for one in archive.infolist() if one.compress_type not in _PACKED), None)
        if packed is not None:
            raise BadInputError(f"{path} holds {packed.filename!r}, packed as NumPy never does. Save it with np.savez.")
        return archive
    except ZIP_ERRORS as error:
        raise BadInputError(f"{path} is not a readable .npz archive: {reason_of(error)}.") from error
