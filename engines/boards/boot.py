"""How a board is begun with: who it is, and what runs there, before the first frame."""

from __future__ import annotations

import collections
import json
from typing import Any

from seatrial import __version__
from seatrial.agent import command, frames
from seatrial.engines.boards.archive import Archive
from seatrial.engines.boards.frames_in import json_object
from seatrial.engines.boards.words import plain
from seatrial.engines.places.channel import Channel
from seatrial.errors import UnsupportedError

# What start-up files may print before, and what a line of ours may have.
_MOST = 1 << 16
_SHOWN = 400


class Begun:
    """What a board says in lines, and then in frames. printed: what came before, of start-up files, shortened."""

    def __init__(self, channel: Channel, deadline: float) -> None:
        """deadline: of `time.monotonic`; TimeoutError beyond it."""
        self._channel, self._deadline = channel, deadline
        self._printed: collections.deque[bytes] = collections.deque(maxlen=4)
        self._read = 0

    @property
    def printed(self) -> str:
        """As it may be shown."""
        return plain(b"\n".join(line[-_SHOWN:] for line in self._printed).decode("utf-8", "replace"))

    def install(self, archive: Archive) -> dict[str, Any]:
        """Starts what `archive` holds, which travels where the board lacks it; what the board said of itself.

        UnsupportedError where it cannot, ValueError for what no board says, EOFError where it ends.
        """
        self._channel.write(command.greeting(archive.digest, len(archive.content)), self._deadline)
        first = self._line()
        _check(first)
        if first.get("have") is not True:
            self._channel.write(archive.content, self._deadline)
        second = self._line()
        _check(second)
        if second.get("started") is not True:
            raise ValueError("it did not start, and does not say why")
        return first

    def hello(self, ours: dict[str, Any]) -> dict[str, Any]:
        """Says who this side is, and returns who the other is; raises as `install`."""
        text = json.dumps({"agent": frames.AGENT, "seatrial": __version__, **ours}).encode()
        self._channel.write(frames.head(frames.HELLO, len(text)) + text, self._deadline)
        found = frames.head_of(self._exactly(frames.HEAD.size))
        if found.kind not in (frames.HELLO, frames.ENDED):
            raise ValueError(f"its first frame is of kind {found.kind}, and no hello")
        content = json_object(self._exactly(found.length))
        if found.kind == frames.ENDED:
            _check(content)
            raise ValueError("it ended, and does not say why")
        if (content.get("agent"), content.get("seatrial")) != (frames.AGENT, __version__):
            theirs = plain(f"seatrial {content.get('seatrial')} (agent {content.get('agent')})")
            raise UnsupportedError(f"{theirs} runs there, and seatrial {__version__} (agent {frames.AGENT}) here")
        return content

    def _line(self) -> dict[str, Any]:
        while True:
            line = bytearray()
            while not line.endswith(b"\n"):
                line += self._exactly(1)
                self._read += 1
                if self._read > _MOST:
                    raise ValueError("it prints, and does not begin")
            if line.startswith(command.MAGIC):
                return json_object(bytes(line[len(command.MAGIC) :]))
            if line.strip():
                self._printed.append(bytes(line).strip())

    def _exactly(self, count: int) -> bytes:
        content = bytearray(count)
        self._channel.fill(memoryview(content), self._deadline)
        return bytes(content)


def _check(said: dict[str, Any]) -> None:
    if said.get("says") is not None:
        raise UnsupportedError(plain(str(said["says"])))
