"""Files that the host has sent, kept under the SHA-256 of their content: none is sent twice."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from seatrial.agent.folders import free_bytes
from seatrial.agent.refusals import BUSY, DAMAGED, DISK_FULL, REFUSED, RefusedError, told

_PART = ".part"
_PIECE = 1 << 20
# What is left free on the disk: others live there, too.
_SPARE = 1 << 20


class Blobs:
    """folder: made where it is not there. most: bytes of all; the least recently used go first, those in use stay."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self._most = folder, most
        self._held: dict[str, int] = {}

    def has(self, sha256: str) -> bool:
        """Whether it is there, whole; a damaged one is removed. From now on it is in use, until this process ends."""
        if sha256 in self._held:
            return True
        path = self.folder / sha256
        handle = None
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            fcntl.flock(handle, fcntl.LOCK_SH)
            if _digest(handle).hexdigest() == sha256:
                os.utime(handle)
                self._held[sha256], handle = handle, None
                return True
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        finally:
            if handle is not None:
                os.close(handle)
        return False

    def part(self, sha256: str, size: int) -> Part:
        """What is there of one that is to come, and room for the rest.

        RefusedError where another process receives it now, or where there will be no room.
        """
        with told(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = Part(self.folder / f"{sha256}{_PART}", sha256, size)
            try:
                self._make_room(size, size - part.have)
            except BaseException:
                if not part.have:
                    part.remove()
                part.close()
                raise
            return part

    def receive(self, part: Part, pieces: Callable[[], bytes | None]) -> bool:
        """As `Part.fill`; from then on it is in use."""
        try:
            if not part.fill(pieces):
                return False
            fcntl.flock(part.handle, fcntl.LOCK_SH)
            self._held[part.sha256] = os.dup(part.handle)
            return True
        finally:
            part.close()

    def _make_room(self, size: int, rest: int) -> None:
        """Removes what was not used for longest, until so many bytes more fit; parts of this one are there already."""
        kept = sorted(self.folder.iterdir(), key=_used)
        total = sum(map(_size, kept)) + rest
        while kept and (total > self._most or self._free() < rest):
            path = kept.pop(0)
            there = _size(path)
            if _removed(path):
                total -= there
        if total > self._most:
            raise RefusedError(
                REFUSED,
                f"{size} bytes more than this run uses already are more than the board may keep ({self._most}): raise "
                "cache_bytes in its description.",
            )
        if self._free() < rest:
            raise RefusedError(
                DISK_FULL, f"The disk of {self.folder} is full: {rest} bytes are to come, {self._free()} are free."
            )

    def _free(self) -> int:
        return max(0, free_bytes(self.folder) - _SPARE)


class Part:
    """A blob on its way. have: bytes that were there already."""

    def __init__(self, path: Path, sha256: str, size: int) -> None:
        self._path, self.sha256, self._size = path, sha256, size
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(self.handle), path.lstat()):
                raise FileNotFoundError
        except (BlockingIOError, FileNotFoundError):
            self.close()
            raise RefusedError(BUSY, "Another run sends this file to the board now.") from None
        self.have = os.fstat(self.handle).st_size
        if self.have > size:
            os.ftruncate(self.handle, 0)
            self.have = 0

    def fill(self, pieces: Callable[[], bytes | None]) -> bool:
        """Takes the rest, checks all of it, and puts it in its place; what is wrong is removed.

        pieces: the next bytes, None where no more come: then what came is kept, and False is returned.
        """
        digest, there = _digest(self.handle), self.have
        os.lseek(self.handle, self.have, os.SEEK_SET)
        try:
            while there < self._size:
                piece = pieces()
                if piece is None:
                    return False
                digest.update(piece)
                there += len(piece)
                left = memoryview(piece)
                while left:
                    left = left[os.write(self.handle, left) :]
            if there != self._size or digest.hexdigest() != self.sha256:
                raise RefusedError(DAMAGED, "What arrived is not what was sent: its SHA-256 is another.")
            os.fsync(self.handle)
            self._path.replace(self._path.with_suffix(""))
        except (OSError, RefusedError):
            self.remove()
            with told(self._path):
                raise
        return True

    def remove(self) -> None:
        """Nothing of it is kept."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Lets go of it."""
        os.close(self.handle)


def _digest(handle: int) -> hashlib._Hash:
    digest = hashlib.sha256()
    os.lseek(handle, 0, os.SEEK_SET)
    while piece := os.read(handle, _PIECE):
        digest.update(piece)
    return digest


def _used(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _removed(path: Path) -> bool:
    """Removes a file that no process uses."""
    handle = None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except OSError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True
