"""A machine itself: processor, memory, GPUs, as far as its system tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seatrial.engines.machine import as_reading, changes
from seatrial.question import Answer, ask

# Module, arguments, seconds -> what its process says: on this machine, or on a board.
Asks = Callable[[str, Sequence[Any], float], Answer]

# Word -> the features of a processor that stand for it: x86's, then ARM's. They decide which kernels a runtime takes.
INSTRUCTIONS: dict[str, tuple[str, ...]] = {
    "AVX2": ("avx2",),
    "AVX512": ("avx512f",),
    "VNNI": ("avx_vnni", "avx512_vnni"),
    "AVX512-BF16": ("avx512_bf16",),
    "AVX512-FP16": ("avx512_fp16",),
    "AMX-INT8": ("amx_int8",),
    "AMX-BF16": ("amx_bf16",),
    "DOTPROD": ("asimddp",),
    "I8MM": ("i8mm",),
    "ARM-BF16": ("bf16",),
    "ARM-FP16": ("asimdhp",),
    "SVE": ("sve",),
}
# A reading takes a third of a second; its tools and NVML may hang.
_STATE_S = 20.0
_NOT_TOLD = (
    *("processor", "machine", "integers", "cores", "usable_cores", "memory_bytes", "memory_available_bytes"),
    *("system", "python", "board", "gpu_problem", "reading"),
)


def describe_machine(asks: Asks = ask) -> dict[str, Any]:
    """JSON values; None where the system does not tell. Memory in bytes. asks: the machine that is meant.

    now: a reading of `engines.machine`; disturbs: sentences on what makes times less sure there, None where there is no
    reading. meters: name and what it measures, of those that can be read; meters_refused: sentences on the others.
    """
    told: dict[str, Any] = {**dict.fromkeys(_NOT_TOLD), "features": [], "gpus": [], "meters": [], "refused": []}
    for line in asks("seatrial.engines.machine.state", [], _STATE_S).lines:
        told.update(line)
    reading = told.pop("reading")
    now = None if reading is None else as_reading(reading)
    told.pop("done", None)
    return {
        **{name: value for name, value in told.items() if name != "refused"},
        "instructions": instructions(frozenset(told["features"])),
        "now": now,
        "disturbs": None if now is None else changes(now, [], now),
        "meters_refused": told["refused"],
    }


def instructions(flags: frozenset[str]) -> list[str]:
    """The words of INSTRUCTIONS whose flags are there."""
    return [word for word, names in INSTRUCTIONS.items() if flags.intersection(names)]
