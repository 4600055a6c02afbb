"""The words for numeric precision, and what `--bits` is short for."""

from __future__ import annotations

import re

from seatrial.errors import UsageError
from seatrial.text import choices

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
# Precisions that no engine executes, however the file is written, and why.
NOWHERE_EXECUTED: dict[str, str] = {
    "w4a8": "ONNX Runtime folds 4-bit weights of convolutions to float and then runs slower than the float model (1.10 "
    "against 0.44 ms for a ResNet-20), and TensorRT has no kernels for them: its build fails. Ask for int4 (4-bit "
    "weights, float activations), int8, or sim-w4a8 for the accuracy alone",
}
FLOAT_PRECISIONS = ("fp32", "fp16", "bf16")
# What a quantized file may be by itself, and what an engine computes that takes its Q/DQ nodes for what they say.
AS_WRITTEN = ("fp8", "int8", "int4")
# Fake quantization in a float graph: sim-w4a4, sim-w8a8, ... with weights and activations in 2 to 8 bits, and sim-w1 to
# sim-w10, with activations in float.
SIMULATED, SIMULATED_WEIGHTS = "sim-wXaY", "sim-wX"
_SIMULATED = re.compile("sim-w([2-8])a([2-8])")
_SIMULATED_WEIGHTS = re.compile("sim-w([1-9]|10)")
# name -> bits of weights and of activations; None: they stay float.
_BITS: dict[str, tuple[int, int | None]] = {
    "fp32": (32, 32),
    "fp16": (16, 16),
    "bf16": (16, 16),
    "fp8": (8, 8),
    "int8": (8, 8),
    "int4": (4, None),
    "w4a8": (4, 8),
}
BITS: dict[int, str] = {32: "fp32", 16: "fp16", 8: "int8", 4: "int4"}


def precision_of_bits(bits: int) -> str:
    """fp32, fp16, int8 or int4 for 32, 16, 8 or 4; UsageError otherwise."""
    if bits not in BITS:
        known = ", ".join(f"{bits} ({name})" for bits, name in BITS.items())
        raise UsageError(f"--bits {bits} is no precision that seatrial knows. Known: {known}.")
    return BITS[bits]


def check_precision(name: str) -> str:
    """The name itself; UsageError that lists the known ones otherwise."""
    if name in PRECISIONS or is_simulated(name):
        return name
    if name.startswith("sim"):
        raise UsageError(
            f"Unknown precision {name!r}. A simulated one is {SIMULATED}, with X bits for weights and Y for "
            f"activations, each from 2 to 8: sim-w4a4, sim-w2a8; or {SIMULATED_WEIGHTS}, with activations in float and "
            "X from 1 to 10: sim-w3."
        )
    known = choices(name, (*PRECISIONS, SIMULATED, SIMULATED_WEIGHTS))
    raise UsageError(f"Unknown precision {name!r}. {known} sim- are simulated.")


def bits_of(name: str) -> tuple[int, int | None]:
    """Bits of weights and of activations, (8, 8) for int8; None for activations that stay float: (4, None) for int4.

    UsageError for a name that is no precision.
    """
    return simulated_bits(name) or _BITS[check_precision(name)]


def simulated_bits(name: str) -> tuple[int, int | None] | None:
    """Bits of weights and of activations, (4, 8) for "sim-w4a8", (3, None) for "sim-w3", whose activations are float;
    None for a precision that is not simulated.
    """
    found = _SIMULATED.fullmatch(name)
    if found is not None:
        return int(found[1]), int(found[2])
    found = _SIMULATED_WEIGHTS.fullmatch(name)
    return None if found is None else (int(found[1]), None)


def is_simulated(name: str) -> bool:
    """True where a float graph only pretends the precision: nothing runs in fewer bits, nothing becomes faster."""
    return simulated_bits(name) is not None


def is_quantized(name: str) -> bool:
    """True where the precision is reached by quantizing with calibration or rounding, not by a float cast."""
    return name not in FLOAT_PRECISIONS
