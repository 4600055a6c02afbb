"""Frames from the host, taken out of bytes as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from seatrial.agent.frames import HEAD, Head, head_of
from seatrial.agent.refusals import ViolationError


class Inbox:
    """What has come of a frame waits for the rest: no more than one frame."""

    def __init__(self) -> None:
        self._found = bytearray()

    def take(self, content: bytes) -> Iterator[tuple[Head, bytes]]:
        """The frames that are whole; ViolationError for what is none."""
        self._found += content
        at = 0
        while len(self._found) - at >= HEAD.size:
            try:
                head = head_of(bytes(self._found[at : at + HEAD.size]))
            except ValueError as error:
                raise ViolationError(f"The host sent {error}.") from error
            end = at + HEAD.size + head.length
            if end > len(self._found):
                break
            yield head, bytes(self._found[at + HEAD.size : end])
            at = end
        del self._found[:at]


def object_of(content: bytes) -> dict[str, Any]:
    """The JSON object of a frame; ViolationError where it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ViolationError("The host sent what is no JSON.") from error
    if not isinstance(found, dict):
        raise ViolationError("The host sent JSON that is no object.")
    return found
