"""What the processor can do, where that decides how an engine must be set up."""

from __future__ import annotations

import functools
import platform
from pathlib import Path


def is_x86() -> bool:
    """True on x86-64."""
    return platform.machine().lower() in ("x86_64", "amd64")


@functools.cache
def instructions() -> frozenset[str]:
    """The instruction sets that Linux's /proc/cpuinfo lists for x86; empty where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    return frozenset(next((line.split() for line in text.splitlines() if line.startswith("flags")), ()))


def has_vnni() -> bool:
    """True where x86 is known to multiply u8 x s8 into 32-bit sums in one instruction (AVX-VNNI, AVX512-VNNI)."""
    return bool(instructions() & {"avx_vnni", "avx512_vnni"})


def has_amx() -> bool:
    """True where x86 is known to have 8-bit matrix tiles."""
    return "amx_int8" in instructions()
