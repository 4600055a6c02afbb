"""Files that are whole or absent, the hashes of their content, and what to say when the disk refuses."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import lzma
import os
import platform
import secrets
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from seatrial.errors import BadInputError, UnreadableError, UsageError

TEMPORARY_PREFIX = ".tmp-"
_DAY_S = 24 * 3600
# What reading an archive raises that is damaged, or made to be: names that are no text, packers that fail, ...
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError),
)
# Refusals that say nothing of what a file holds: rights, limits of the process, disks and networks that do not answer.
_SAY_NOTHING = (
    *(errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EBUSY),
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV, errno.ENOTCONN),
)
_SPECIAL = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class SpecialFileError(OSError):
    """A path leads to something else than a regular file: what reads it might wait, or read, for ever."""

    def __init__(self, path: str | os.PathLike[str], kind: str) -> None:
        super().__init__(errno.EINVAL, f"it is {kind}, not a regular file", os.fspath(path))

    def __str__(self) -> str:
        """Without the number."""
        return str(self.strerror)


def open_regular(path: Path) -> IO[bytes]:
    """Opens a regular file to read it. SpecialFileError for another kind, which is not waited for; OSError else."""
    check_regular(path)
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        _check_kind(path, os.fstat(handle))  # it may be another by now
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_regular(path: Path) -> None:
    """For libraries that open by themselves: SpecialFileError where the path leads to no regular file."""
    _check_kind(path, path.stat())


def is_special(status: os.stat_result) -> str | None:
    """What it is in words, as `a named pipe`; None for a regular file."""
    kind = stat.S_IFMT(status.st_mode)
    return None if kind == stat.S_IFREG else _SPECIAL.get(kind, "something special")


def no_file(path: Path, kind: str = "file") -> str:
    """Why nothing can be read there, in words; "" for a regular file. kind: what it should be.

    >>> no_file(Path("nowhere/m.onnx"), "model file")
    'There is no model file nowhere/m.onnx. Check its path.'
    """
    if path.is_file():
        return ""
    found = is_special(path.stat()) if path.exists() else None
    return f"There is no {kind} {path}{'' if found is None else f': it is {found}'}. Check its path."


def read_bytes(path: Path) -> bytes:
    """A regular file's content; as `open_regular`."""
    with open_regular(path) as stream:
        return stream.read()


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A regular file's text, its line ends made those of Python; as `open_regular`, and UnicodeDecodeError."""
    return read_bytes(path).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _check_kind(path: Path, status: os.stat_result) -> None:
    kind = is_special(status)
    if kind is not None:
        raise SpecialFileError(path, kind)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns the operating system's refusal to write at `path` into a UsageError that says what to do."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full; free some space or choose another folder",
            errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
            errno.EFBIG: "the file would be larger than this disk or its limits allow",
            errno.EACCES: "permission denied; choose a folder that you may write to",
            errno.EPERM: "permission denied; choose a folder that you may write to",
            errno.EROFS: "the file system is read-only; choose another folder",
            errno.ENOENT: "the folder is not there and cannot be made",
            errno.ENOTDIR: "a part of the path is a file, not a folder",
            errno.EEXIST: "a file of that name is in the way",
        }
        if error.errno not in reasons:
            raise
        raise UsageError(f"Cannot write {path}: {reasons[error.errno]}.") from error


def temporary_beside(path: Path) -> Path:
    """A name that nobody else takes, and that says whose it is: system, process."""
    return path.with_name(f"{TEMPORARY_PREFIX}{_system()}-{os.getpid()}-{secrets.token_hex(4)}-{path.name}")


def is_leftover(path: Path) -> bool:
    """True for a temporary file or folder of a process that is surely gone: none of that number runs on this system, or
    a day has passed.
    """
    system, _, rest = path.name.removeprefix(TEMPORARY_PREFIX).partition("-")
    number = rest.partition("-")[0]
    if not path.name.startswith(TEMPORARY_PREFIX):
        return False
    if system == _system() and number.isdecimal() and not _runs(int(number)):
        return True
    return is_old(path)


def is_old(path: Path) -> bool:
    """True where nobody has written there for a day."""
    try:
        return time.time() - path.lstat().st_mtime > _DAY_S
    except OSError:
        return False


@functools.cache
def _system() -> str:
    # Process numbers are told apart by host and, in containers, by their namespace.
    space = "/proc/self/ns/pid"
    name = platform.node() + (os.readlink(space) if os.path.islink(space) else "")  # noqa: PTH114, PTH115  (a magic link)
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; moves it into place if the body succeeds, removes it otherwise.

    A reader sees the old file or the whole new one, also when the process is killed or the disk fills up. Raises
    UsageError where the disk refuses, and where something else than a file is there.
    """
    with disk_errors(path):
        _refuse_special(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(path)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _refuse_special(path: Path) -> None:
    """A device that is replaced by a file is gone for all."""
    with contextlib.suppress(FileNotFoundError):
        kind = is_special(path.stat())
        if kind is not None:
            raise UsageError(f"Cannot write {path}: it is {kind}, not a regular file.")


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON atomically; ValueError for NaN and infinities, which JSON does not have.

    What is no visible sign stands there as JSON's escape, so that a terminal can show the file.
    """
    lines = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False).split("\n")
    write_text(path, "\n".join(line if line.isprintable() else _visible(line) for line in lines) + "\n")


def _visible(line: str) -> str:
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in line)


def reason_of(error: Exception) -> str:
    """What an error says, of the system's the words alone: whoever tells it names the path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def refuse_unread(path: Path, error: OSError) -> None:
    """UnreadableError where `error`, of reading a file, says nothing of what the file holds."""
    if error.errno in _SAY_NOTHING:
        raise UnreadableError(
            f"{path} cannot be read: {error.strerror}. Make it readable. What is lost for good is made again once the "
            "file is removed."
        ) from error


def read_json(path: Path) -> Any:
    """Parses a JSON file; UnreadableError where the system does not give it, BadInputError where it is none."""
    try:
        return json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError):
            refuse_unread(path, error)
        raise BadInputError(f"{path} is not a readable JSON file: {reason_of(error)}.") from error


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex; read in pieces, so that memory does not grow with the file."""
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def value_digest(value: Any) -> str:
    """SHA-256 of a JSON value in one canonical spelling (sorted keys, no spaces), as hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
