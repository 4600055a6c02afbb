"""Where a machine tells of itself: its files below a root, its own tools, NVIDIA's library."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from seatrial.engines.machine.nvml import Nvml, open_nvml

# Runs a command without a shell: what it prints, None where it is missing, fails or hangs.
Run = Callable[[Sequence[str]], str | None]

_MOST_BYTES = 1 << 20
_MOST_FILES = 4096
_COMMAND_S = 5.0
_hung: set[str] = set()
_DIGITS = re.compile(r"(\d+)")


def run_command(command: Sequence[str], timeout_s: float = _COMMAND_S) -> str | None:
    """What the command prints, at most a mebibyte; None where there is none, it fails, or takes longer.

    It gets no input, and what it started ends with it. One that took longer is not run again by this process.
    """
    if command[0] in _hung:
        return None
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(  # noqa: S603  (the system's own tools, without a shell)
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.DEVNULL, start_new_session=True
            )
        except (OSError, ValueError):
            return None
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            status = None
            _hung.add(command[0])
        finally:
            if process.poll() is None:
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):  # in the kernel, where nothing ends it
                    process.wait(1)
        if status != 0:
            return None
        said.seek(0)
        return said.read(_MOST_BYTES).decode(errors="replace")


@dataclasses.dataclass(frozen=True)
class System:
    """root: below which `proc` and `sys` lie. run: its tools. library: NVIDIA's, asked for when it is needed."""

    root: Path = Path("/")
    run: Run = run_command
    library: Callable[[], Nvml | None] | None = None

    @property
    def is_this(self) -> bool:
        """True where the root is this machine's own, False for a recorded one."""
        return self.root == Path("/")

    @property
    def nvml(self) -> Nvml | None:
        """NVIDIA's library, opened; None where there is none."""
        if self.library is not None:
            return self.library()
        return open_nvml() if self.is_this else None

    def text(self, path: str) -> str | None:
        """A file's text, stripped, at most a mebibyte of it; None where it cannot be read. Pipes are not waited for."""
        try:
            descriptor = os.open(self.root / path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except (OSError, ValueError):
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            parts, left = [], _MOST_BYTES
            # procfs and sysfs answer a page at a time.
            while left > 0 and (part := os.read(descriptor, left)):
                parts.append(part)
                left -= len(part)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return b"".join(parts).decode(errors="replace").strip("\0\n\t ")

    def word(self, path: str) -> str | None:
        """A file's first line, of printable characters alone; None where it cannot be read or is empty."""
        text = self.text(path)
        return printable(text.splitlines()[0]) or None if text else None

    def integer(self, path: str) -> int | None:
        """A file's whole number; None where there is none."""
        return integer(self.text(path))

    def reason(self, path: str) -> str | None:
        """Why a file that is there cannot be read, in the system's words; None where it can, or is missing."""
        try:
            with (self.root / path).open("rb") as file:
                file.read(1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return error.strerror or str(error)
        return None

    def names(self, folder: str) -> list[str]:
        """What a folder holds, however much; none where it cannot be read."""
        try:
            return os.listdir(self.root / folder)  # noqa: PTH208  (thousands: no Path for each)
        except OSError:
            return []

    def find(self, pattern: str) -> list[str]:
        """Paths below the root that match, numbers in them in order."""
        try:
            found = [str(path.relative_to(self.root)) for path in islice(self.root.glob(pattern), _MOST_FILES)]
        except OSError:
            return []
        return sorted(found, key=_natural)


def integer(text: str | None) -> int | None:
    """A whole number of at most 20 digits, else None."""
    if text is None or len(text) > 21:
        return None
    try:
        return int(text)
    except ValueError:
        return None


def printable(text: str, most: int = 100) -> str:
    """Without control characters, shortened."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:most]).strip()


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(path)]
