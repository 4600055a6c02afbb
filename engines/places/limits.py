"""How long an engine's process may stay silent, and how much memory it may take."""

from __future__ import annotations

import dataclasses

from seatrial.bounds import above_zero
from seatrial.errors import UsageError
from seatrial.memory import default_memory

# Exit status of a process that ended itself over its limit: no signal's, no shell's, none of sysexits.h.
OUT_OF_MEMORY = 93


@dataclasses.dataclass(frozen=True)
class Limits:
    """start_s: until the runtime is imported. build_s: until the engine is built. call_s: until a batch is answered.

    memory_bytes: resident memory of one engine's process, without what it shares with the run; None for
    `default_memory()` of the place where it runs.
    """

    start_s: float = 300.0
    build_s: float = 3600.0
    call_s: float = 300.0
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        """UsageError for what is not above zero."""
        above_zero(build_timeout=self.build_s, timeout=self.call_s)
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise UsageError(f"--memory-limit is {self.memory_bytes / (1 << 30):g}; it must be above 0.")

    @property
    def memory(self) -> int:
        """The limit in bytes, on this machine."""
        return default_memory() if self.memory_bytes is None else self.memory_bytes
