"""Which GPUs compute at which precision, by compute capability."""

from __future__ import annotations

from seatrial.errors import UnsupportedError, UsageError

_TENSORRT = "https://docs.nvidia.com/deeplearning/tensorrt/latest/getting-started/support-matrix.html"
_RTX = "https://docs.nvidia.com/deeplearning/tensorrt-rtx/latest/getting-started/support-matrix.html"
# Least compute capability (major, minor) by engine and precision. TensorRT-RTX 1.7.1 refuses all that is below when it
# builds, except int8 at 7.5, which its matrix does not support; it builds at 8.0, where the matrix begins with 8.6. Of
# int8 that matrix names weights of matrix products alone: int8 convolutions build, at what speed only a GPU can say.
CAPABILITIES: dict[str, dict[str, tuple[int, int]]] = {
    "tensorrt": {"fp32": (7, 5), "fp16": (7, 5), "bf16": (8, 0), "int8": (7, 5), "int4": (8, 0), "fp8": (8, 9)},
    "tensorrt-rtx": {"fp32": (8, 0), "fp16": (7, 5), "bf16": (8, 0), "int8": (8, 0), "int4": (8, 0), "fp8": (8, 9)},
}
SOURCES: dict[str, str] = {"tensorrt": _TENSORRT, "tensorrt-rtx": _RTX}


def check_capability(precision: str, compute_capability: tuple[int, int], engine: str = "tensorrt") -> None:
    """UnsupportedError where GPUs of that compute capability, as in (8, 6), do not compute at the precision.

    engine: `tensorrt` or `tensorrt-rtx`. A precision without a figure (w4a8, simulated ones) is refused everywhere.
    """
    least = CAPABILITIES[engine].get(precision)
    if least is None:
        known = ", ".join(CAPABILITIES[engine])
        raise UnsupportedError(f"{engine} does not run {precision} on any GPU. It runs: {known}.")
    if compute_capability < least:
        able = ", ".join(name for name, other in CAPABILITIES[engine].items() if other <= compute_capability) or "none"
        raise UnsupportedError(
            f"{engine} runs {precision} from compute capability {least[0]}.{least[1]} on; this GPU has "
            f"{compute_capability[0]}.{compute_capability[1]}, which runs: {able}. Source: {SOURCES[engine]}"
        )


def parse_capability(text: str) -> tuple[int, int]:
    """(8, 9) for "8.9"; UsageError for anything else."""
    major, dot, minor = text.partition(".")
    if not (dot and all(part.isascii() and part.isdigit() for part in (major, minor))):
        raise UsageError(f"{text!r} is no compute capability: it has a major and a minor number, as in 8.9.")
    return int(major), int(minor)
