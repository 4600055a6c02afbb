"""TF32, in which NVIDIA's GPUs multiply float32 with 10 bits of mantissa where nothing tells them not to.

cuBLAS, cuDNN and TensorRT read the environment when they are loaded, and keep what they read. It is the only way with
ONNX Runtime's TensorRT providers, which have no option for it (onnxruntime#26029, #28177).
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

VARIABLE, OFF = "NVIDIA_TF32_OVERRIDE", "0"
_READERS = re.compile(r"/(lib(?:cublas|cudnn|nvinfer)[^/\s]*)$")
_MAPS = Path("/proc/self/maps")


@functools.cache
def switch_off() -> tuple[str, ...]:
    """Switches TF32 off in this process; sentences on what was set otherwise, and on what was loaded too early.

    To be called before anything is imported that loads CUDA's libraries.
    """
    asked = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = OFF
    if asked == OFF:
        return ()
    told = []
    if asked is not None:
        told.append(f"{VARIABLE} was {asked!r}: it is {OFF!r} for this engine, whose float32 is to be float32.")
    early = _loaded()
    if early:
        told.append(
            f"{', '.join(early)} had been loaded before TF32 was switched off: float32 may be multiplied with 10 bits "
            f"of mantissa. Set {VARIABLE}={OFF} before Python starts."
        )
    return tuple(told)


def _loaded() -> list[str]:
    """The libraries in this process that have read the variable; [] where the system does not tell."""
    try:
        maps = _MAPS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return sorted({found[1] for line in maps.splitlines() if (found := _READERS.search(line))})
