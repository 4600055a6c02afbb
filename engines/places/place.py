"""Where engines run: what there is, and how a process is started there."""

from __future__ import annotations

import abc
import contextlib
import subprocess
from collections.abc import Sequence
from typing import IO

from seatrial.engines.places.arena import Arena
from seatrial.engines.places.channel import Channel
from seatrial.engines.places.facts import EngineFacts, Facts
from seatrial.engines.registry import ENGINES


class Link:
    """A process at a place, and the ways to it.

    process: of this machine: the engine's own, or what carries its words. channels: each for one call at once. output:
    what it writes beside them. arena: memory that both sides see, None where they share none. watched: whether its
    memory is that of the engine.
    """

    arena: Arena | None = None
    watched: bool = False

    def __init__(self, process: subprocess.Popen[bytes], channels: Sequence[Channel], output: IO[bytes]) -> None:
        self.process, self.channels, self.output = process, tuple(channels), output

    def hang_up(self) -> None:
        """Tells the other side to end, and wakes whoever waits for its answer."""
        with contextlib.suppress(OSError):
            self.process.terminate()

    def close(self) -> None:
        """Closes what is still open, once the process has ended."""
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
    def connect(self, lanes: int, arena: Arena | None) -> Link:
        """Starts a process that serves engines (`engines.places.server`). lanes: calls at once, as far as it can."""

    def check_offered(self, engine: str, precision: str, device: str) -> None:
        """UnsupportedError where the engine has no such device or precision, or is not installed there.

        No runtime is imported, and the device is not looked at: that is `EngineProcess.check`.
        """
        kind = ENGINES[engine]
        kind.check_offered(precision, device)
        if not self.engine(engine).installed:
            raise kind.not_installed()
