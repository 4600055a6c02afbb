"""What the processor can do, where that decides how an engine must be set up."""

from __future__ import annotations

import functools
import platform
from pathlib import Path


def is_x86() -> bool:
    """True on x86-64."""
    return platform.machine().lower() in ("x86_64", "amd64")


@functools.cache
def has_vnni() -> bool:
    """True where x86 multiplies u8 x s8 into 32-bit sums in one instruction (AVX-VNNI, AVX512-VNNI).

    Read from Linux's /proc/cpuinfo; False where the system does not tell.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return "avx_vnni" in flags or "avx512_vnni" in flags
