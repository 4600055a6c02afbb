"""Where engines run: what there is, and how a process is started there."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import subprocess
from collections.abc import Sequence
from typing import IO, Any

from seatrial import child
from seatrial.engines.places.arena import Arena
from seatrial.engines.places.channel import Channel
from seatrial.engines.places.facts import EngineFacts, Facts
from seatrial.engines.registry import ENGINES


class Link(abc.ABC):
    """An engine's process at a place, and the ways to it.

    channels: each for one call at once. output: file descriptor of what it writes beside them. arena: memory that both
    sides see, None where they share none. pid: of a process of this machine whose memory is the engine's, None where
    the other side watches over it.
    """

    arena: Arena | None = None
    pid: int | None = None

    def __init__(self, channels: Sequence[Channel], output: int) -> None:
        self.channels, self.output = tuple(channels), output

    @abc.abstractmethod
    def hang_up(self) -> None:
        """Tells the other side to end, and wakes whoever waits for its answer."""

    @abc.abstractmethod
    def kill(self) -> None:
        """Ends the process and what it started, now."""

    @abc.abstractmethod
    def ended(self, timeout_s: float) -> End | None:
        """How it ended, once it has; None where it has not within so many seconds."""

    @abc.abstractmethod
    def close(self) -> None:
        """Closes what is still open, once the process has ended."""

    def give(self, content: bytes) -> dict[str, Any] | None:
        """Takes content to the place, once, however often it is named; what names it in a message, None where it
        travels in the message itself. DeviceError where it does not arrive.
        """
        return None


@dataclasses.dataclass(frozen=True)
class End:
    """How a process ended: its exit status, or minus a signal's number; says: what the other side knows beside that,
    outcome: as `EngineDiedError.outcome`, where it knows.
    """

    status: int | None = None
    says: str | None = None
    outcome: str | None = None


class ProcessLink(Link):
    """One whose process, of this machine, is the engine's own, or what carries its words."""

    def __init__(self, process: subprocess.Popen[bytes], channels: Sequence[Channel], output: IO[bytes]) -> None:
        super().__init__(channels, output.fileno())
        self.process = process

    def hang_up(self) -> None:
        """As `Link.hang_up`."""
        with contextlib.suppress(OSError):
            self.process.terminate()

    def kill(self) -> None:
        """As `Link.kill`."""
        child.kill(self.process)
        self.process.wait()

    def ended(self, timeout_s: float) -> End | None:
        """As `Link.ended`."""
        try:
            return End(self.process.wait(timeout=timeout_s))
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """As `Link.close`."""
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not written any more
                    stream.close()


class Place(abc.ABC):
    """Where engines run. Which there are, their versions and what the processor can do is asked of it, never of the
    Python that runs the harness. Answers hold for the life of this object.
    """

    name: str

    @abc.abstractmethod
    def facts(self) -> Facts:
        """Its processor, cores and memory."""

    @abc.abstractmethod
    def engine(self, name: str) -> EngineFacts:
        """Whether an engine is installed there, and its runtime's version; UsageError for an unknown one."""

    @abc.abstractmethod
    def connect(self, lanes: int, arena: Arena | None, memory_bytes: int | None = None) -> Link:
        """Starts a process that serves engines (`engines.places.server`). lanes: calls at once, as far as it can.
        memory_bytes: as `Limits.memory_bytes`, for the other side that watches over it.
        """

    def close(self) -> None:  # noqa: B027  (a place that holds nothing leaves it)
        """Lets go of what is held there."""

    def check_offered(self, engine: str, precision: str, device: str) -> None:
        """UnsupportedError where the engine has no such device or precision, or is not installed there.

        No runtime is imported, and the device is not looked at: that is `EngineProcess.check`.
        """
        kind = ENGINES[engine]
        kind.check_offered(precision, device)
        if not self.engine(engine).installed:
            raise kind.not_installed()
