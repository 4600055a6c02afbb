"""How much memory there is, and how much of it one engine's process may take."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# What is left for the run itself and for the other engines.
_SHARE = 0.8


def total_memory() -> int:
    """Memory of the machine in bytes, or what its container may take."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _CGROUP_LIMITS:
        with contextlib.suppress(OSError):
            text = path.read_text(encoding="ascii").strip()
            if text.isdigit():
                total = min(total, int(text))
    return total


def default_memory() -> int:
    """80 % of this machine's memory in bytes, or of what the container may take."""
    return int(total_memory() * _SHARE)


def oom_kills() -> int | None:
    """How many processes the system has ended so far because memory ran out; None where it does not count them."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("oom_kill ")).split()[1])
    return None


def killed_words(before: int | None) -> str:
    """What is said of a process that SIGKILL ended, which only the system and other processes send. before: `oom_kills`
    as it began.
    """
    now = oom_kills()
    if before is None or now is None:
        return "was killed (signal 9): by the system, where memory ran out, or by another process"
    if now > before:
        return "was killed (signal 9), as memory ran out: the system ended a process meanwhile"
    return "was killed (signal 9) by another process: memory did not run out"


def took_too_much(limit: int | None) -> str:
    """What is said of a process that took more than so many bytes; None for a limit of its own."""
    size = "" if limit is None else f"{limit / (1 << 30):.3g} GiB of "
    return f"took more than {size}memory, its limit, and was ended"
