"""The words for numeric precision, and what `--bits` is short for."""

from __future__ import annotations

from shipcheck.errors import UsageError

# name -> what it means; the order is the order of tables.
PRECISIONS: dict[str, str] = {
    "fp32": "32-bit float",
    "fp16": "16-bit float (IEEE half)",
    "bf16": "16-bit float (bfloat16)",
    "fp8": "8-bit float (E4M3)",
    "int8": "8-bit integer weights and activations (w8a8)",
    "int4": "4-bit integer weights, float activations (w4a16)",
    "w4a8": "4-bit integer weights, 8-bit integer activations",
}
FLOAT_PRECISIONS = ("fp32", "fp16", "bf16")
BITS: dict[int, str] = {32: "fp32", 16: "fp16", 8: "int8", 4: "int4"}


def precision_of_bits(bits: int) -> str:
    """fp32, fp16, int8 or int4 for 32, 16, 8 or 4; UsageError otherwise."""
    if bits not in BITS:
        known = ", ".join(f"{bits} ({name})" for bits, name in BITS.items())
        raise UsageError(f"--bits {bits} is no precision that shipcheck knows. Known: {known}.")
    return BITS[bits]


def check_precision(name: str) -> str:
    """The name itself; UsageError that lists the known ones otherwise."""
    if name not in PRECISIONS:
        raise UsageError(f"Unknown precision {name!r}. Known: {', '.join(PRECISIONS)}.")
    return name


def is_quantized(name: str) -> bool:
    """True where the precision is reached by quantizing with calibration or rounding, not by a float cast."""
    return name not in FLOAT_PRECISIONS
