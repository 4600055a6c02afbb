"""A board as it is described: how it is reached, what is run there, and for how long it is held."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from seatrial.bounds import LONGEST_S
from seatrial.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Board:
    """name: in `--board` and in the ids of targets. alias: what ssh is told, the name where it is None. ssh: further
    arguments of ssh, such as `-F FILE`.

    python: there, None for the one that `board setup` made, else `python3`. environment: variables of its engines.
    engines: those that `board setup` installs. system_site_packages: whether what it makes sees the system's packages;
    None where the system's TensorRT is to be seen.

    cool_down: as --cool-down, before targets are timed there. power_command: as --power-command, of the board's own
    supply; run on the host. power_cycle: a command of the host that switches the
    board off and on, run where it does not answer, at most `power_cycles` times a run; then it is waited for, `boot_s`
    seconds at most.
    silence_s: without a word for so long, the other side is gone. lease_s: so long after its last word a holder that
    still lives may be put out. lease_file: the same for all who use the board. lanes: batches on their way to an
    engine. compress: whether ssh compresses. cache_bytes: of models and built engines, kept there.
    """

    name: str
    alias: str | None = None
    ssh: tuple[str, ...] = ()
    python: str | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    engines: tuple[str, ...] = ("onnxruntime",)
    system_site_packages: bool | None = None
    cool_down: str | None = None
    power_command: str | None = None
    power_cycle: tuple[str, ...] = ()
    power_cycles: int = 1
    boot_s: float = 120.0
    silence_s: float = 20.0
    lease_s: float = 60.0
    lease_file: str = "/tmp/seatrial.lease"  # noqa: S108  (of the board, where all users meet)
    lanes: int = 3
    compress: bool = False
    cache_bytes: int = 4 << 30

    def __post_init__(self) -> None:
        """UsageError for what no board can be."""
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} is no board's name: letters, digits, '.', '_' and '-', first a letter or digit. "
                "Give a board with another address a name in boards.yaml."
            )
        if self.destination.startswith("-") or not self.destination.isprintable():
            raise UsageError(f"Board {self.name}: {self.destination!r} is no destination of ssh.")
        for variable in self.environment:
            if not _VARIABLE.fullmatch(variable):
                raise UsageError(f"Board {self.name}: {variable!r} is no name of an environment variable.")
        for field in ("boot_s", "silence_s", "lease_s"):
            if not 0 < getattr(self, field) <= LONGEST_S:
                says = f"it must be above 0 and at most {LONGEST_S:g}."
                raise UsageError(f"Board {self.name}: {field} is {getattr(self, field)}; {says}")
        if self.power_cycles < 0 or self.lanes < 1 or self.cache_bytes < 0:
            raise UsageError(f"Board {self.name}: power_cycles and cache_bytes are 0 or more, lanes 1 or more.")

    @property
    def destination(self) -> str:
        """What ssh is told."""
        return self.name if self.alias is None else self.alias
