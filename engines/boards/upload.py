"""A file on its way to a board."""

from __future__ import annotations

from seatrial.agent import frames


class Upload:
    """Sent in frames, in turn with all else. queued: as of a `Lane`."""

    def __init__(self, content: memoryview, number: int) -> None:
        """content: what the board does not have yet. number: the one that it gave."""
        self._rest, self.number = content, number
        self.granted, self.queued = frames.WINDOW, False

    @property
    def wants_to_read(self) -> bool:
        """Whether a frame can be sent."""
        return bool(self._rest) and not self.queued and self.granted > 0

    def read(self) -> tuple[bytes, memoryview]:
        """The head and content of the next frame."""
        part = self._rest[: min(frames.MOST, self.granted)]
        self._rest = self._rest[len(part) :]
        self.granted -= len(part)
        self.queued = True
        return frames.head(frames.BLOB, len(part), 0, self.number), part
