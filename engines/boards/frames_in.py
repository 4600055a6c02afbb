"""Frames out of a stream of bytes, as they come: what is small is gathered, what is large is passed on in parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from seatrial.agent import frames
from seatrial.agent.frames import Head

# What a board may say, and in which kinds its bytes are passed on before the frame is whole.
_SAID = (
    *(frames.HELLO, frames.BEAT, frames.ANSWER),
    *(frames.DATA, frames.OUTPUT, frames.ENDED, frames.TAKEN),
)
_PASSED_ON = (frames.DATA, frames.OUTPUT)


class FramesIn:
    """Fed with what was read, yields (head, content): several of one DATA or OUTPUT frame, one of any other."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._frame: Head | None = None
        self._left = 0
        self._gathered = bytearray()

    def feed(self, view: memoryview) -> Iterator[tuple[Head, memoryview]]:
        """ValueError for what is no frame, or none that a board sends. What it yields holds until the next."""
        while view:
            if self._frame is None:
                missing = frames.HEAD.size - len(self._head)
                self._head += view[:missing]
                view = view[missing:]
                if len(self._head) < frames.HEAD.size:
                    return
                self._begin()
            assert self._frame is not None
            frame, part = self._frame, view[: self._left]
            view = view[len(part) :]
            self._left -= len(part)
            if frame.kind in _PASSED_ON:
                if part:
                    yield frame, part
            else:
                self._gathered += part
                if not self._left:
                    yield frame, memoryview(bytes(self._gathered))
                    self._gathered.clear()
            if not self._left:
                self._frame = None

    def _begin(self) -> None:
        self._frame = frames.head_of(bytes(self._head))
        if self._frame.kind not in _SAID:
            raise ValueError(f"a frame of kind {self._frame.kind}, which a board does not send")
        self._left = self._frame.length
        self._head.clear()


def json_object(content: bytes | memoryview) -> dict[str, Any]:
    """ValueError for what is none."""
    try:
        found = json.loads(bytes(content))
    except RecursionError as error:
        raise ValueError("JSON that is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError("JSON that is no object")
    return found
