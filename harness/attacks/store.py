"""Adversarial images on disk: losslessly, in chunks, keyed by the hash of everything that shaped them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.artefacts import read_artefact, say_damaged, write_artefact
from seatrial.errors import DamagedError
from seatrial.files import value_digest
from seatrial.harness.attacks.rows import AttackRows
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ImageReader
from seatrial.npz import arrays_of

_ROWS = tuple(field.name for field in dataclasses.fields(AttackRows))
_HELD = 8  # chunks in memory at once: more than there usually are readers

# uint8, or float32 in levels of 0 to 255 where no 8-bit image lies within eps.
Images = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some images in a row, and what was made of them. images: [n, H, W, 3]."""

    images: Images
    rows: AttackRows


class ChunkStore:
    """A folder of chunks, whole or absent: what is there needs not be made again, also after a kill.

    What is stored of an 8-bit image is its change, modulo 256, which compresses better than the image.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str, clean: Pixels) -> Chunk | None:
        """The chunk of that key made from `clean`; None where there is none, or a damaged one."""
        path = self._path(key)
        found = read_artefact(path)
        if found is None:
            return None
        try:
            return unpacked(found.content, clean)
        except ValueError as error:
            say_damaged(path, str(error))
            return None

    def write(self, key: str, content: bytes) -> None:
        """Files a chunk, as `packed`, atomically; UsageError where the disk refuses."""
        write_artefact(self._path(key), content)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.chunk"


def packed(chunk: Chunk, clean: Pixels) -> bytes:
    """As it is stored."""
    eight_bit = chunk.images.dtype == np.uint8
    values = {name: getattr(chunk.rows, name) for name in _ROWS}
    stream = io.BytesIO()
    np.savez_compressed(stream, change=chunk.images - clean if eight_bit else chunk.images, **values)
    return stream.getvalue()


def unpacked(content: bytes, clean: Pixels) -> Chunk:
    """The inverse; ValueError for what is no chunk that was made from `clean`."""
    stored = arrays_of(content)
    try:
        change = stored["change"]
        rows = AttackRows(*(stored[name] for name in _ROWS))
    except KeyError as error:
        raise ValueError(f"{error} is missing") from error
    if change.shape != clean.shape or change.dtype not in (np.uint8, np.float32) or not _fits(rows, len(clean)):
        raise ValueError("it does not fit the images")
    return Chunk(change + clean if change.dtype == np.uint8 else change, rows)


class ChunkReader:
    """Adversarial images by position, like any other images of a run; safe from several threads."""

    def __init__(self, store: ChunkStore, keys: Sequence[str], size: int, clean: ImageReader) -> None:
        """keys: of the chunks, in order, each of `size` images but the last. clean: what they were made from."""
        self._store, self._keys, self._size, self._clean = store, keys, size, clean
        self._chunk = functools.lru_cache(maxsize=_HELD)(self._read)

    def __len__(self) -> int:
        return len(self._clean)

    def read(self, start: int, stop: int) -> Images:
        """[stop - start, H, W, 3]: uint8, or float32 in levels of 0 to 255."""
        parts = []
        for index in range(start // self._size, -(-stop // self._size)):
            begin = index * self._size
            parts.append(self._chunk(index)[max(start - begin, 0) : stop - begin])
        return np.concatenate(parts)

    def named(self, start: int, stop: int) -> dict[str, Any]:
        """How another machine finds the images [start, stop) in a store of its own (`read_named`); JSON values."""
        first, last = start // self._size, -(-stop // self._size)
        return {"size": self._size, "first": first, "keys": list(self._keys[first:last])}

    def _read(self, index: int) -> Images:
        begin = index * self._size
        clean = self._clean.read(begin, min(begin + self._size, len(self._clean)))
        chunk = self._store.read(self._keys[index], clean)
        if chunk is None:
            raise DamagedError(
                f"Adversarial images in {self._store.folder} were damaged or removed while the run read them "
                f"({self._keys[index]}). Repeat the command: they are made again, and finished trials are kept."
            )
        return chunk.images


def read_named(store: ChunkStore, named: Mapping[str, Any], start: int, stop: int, clean: ImageReader) -> Images | None:
    """The images [start, stop) of chunks that a reader elsewhere has `named`; None where the store lacks some."""
    size, first, parts = int(named["size"]), int(named["first"]), []
    for number, key in enumerate(named["keys"]):
        begin = (first + number) * size
        chunk = store.read(str(key), clean.read(begin, min(begin + size, len(clean))))
        if chunk is None:
            return None
        parts.append(chunk.images[max(start - begin, 0) : stop - begin])
    return np.concatenate(parts)


def chunk_key(description: dict[str, Any], ids: Sequence[str], labels: Sequence[int], clean: Pixels) -> str:
    """description: JSON values of all that shapes the adversarial images but the clean ones themselves."""
    pixels = hashlib.sha256(clean.tobytes()).hexdigest()
    return value_digest({"schema": 1, **description, "ids": list(ids), "labels": list(labels), "pixels": pixels})


def _fits(rows: AttackRows, count: int) -> bool:
    kinds = (np.bool_, np.bool_, np.float32, np.bool_, np.int32)
    return all(
        getattr(rows, name).shape == (count,) and getattr(rows, name).dtype == kind
        for name, kind in zip(_ROWS, kinds, strict=True)
    )
